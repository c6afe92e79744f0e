# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages installed once, into a layer of the image that many nodes share: how, and what each node must have of its own."""

from __future__ import annotations

import re
from typing import Callable, List, Sequence

# Arguments: the read-only layers below, the folder with upper, work and root, and the packages. It runs in mount, process and
# network namespaces of its own, so that its end, however it comes, ends every process and mount of it. /sys is left out: with it
# a package would load its AppArmor profile into the controller's kernel.
INSTALL = """set -eu
lower=$1 folder=$2; shift 2
root=$folder/root
mount -t overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mkdir -m 1777 "$root/run/lock"
ip link set lo up
hostname localhost
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
inside apt-get -qq -y --no-install-recommends --no-download -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io install "$@"
rm "$root/usr/sbin/policy-rc.d"
inside apt-cache -q gencaches
# Newer than /usr: no node then makes its caches again when it boots first, see systemd-update-done.service(8)
touch "$root/etc/.updated" "$root/var/.updated"
umount --recursive "$root"
"""
# Not part of the layer: what the installation needed only itself, and what is each machine's own.
DISCARDED = (
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "run",
    "tmp",
    "usr/sbin/policy-rc.d",
    "var/cache/apt/archives",
    "var/cache/apt/srcpkgcache.bin",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/apt/lists",  # unchanged, but for the time by which Ansible's apt module judges their age
)
# Files with secrets that packages generate when they are installed: nodes that share a layer must not share them.
SECRET_FILES = ("/etc/bind/rndc.key",)
_SECRET = re.compile(r'(\bsecret\s+")[^"]*(")')


def install_argv(lower: Sequence[str], folder: str, packages: Sequence[str]) -> List[str]:
    """A command that installs packages over the given layers, uppermost first. It dies with the process that started it."""
    isolated = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    return [*isolated, "sh", "-c", INSTALL, "sh", ":".join(lower), folder, *packages]


def renew_secrets(text: str, secret: Callable[[], str]) -> str:
    """A file in BIND's syntax with each secret replaced."""
    return _SECRET.sub(lambda match: f"{match[1]}{secret()}{match[2]}", text)
