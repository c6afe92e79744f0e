# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Base images, package archives and layers of installed packages, built once and kept in the cache."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import AbstractSet, Callable, Iterator, List, Optional, Sequence, Tuple

from .._system.command import CommandFailed, CommandRunner
from .backends.registry import BACKENDS
from .commands_host import LabRunner
from .layer import DISCARDED, install_argv

Progress = Callable[[str], None]

BASE_PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "nftables",
    "openssh-server",
    "python3",
    "python3-apt",
    "systemd",
    "systemd-sysv",
    "udev",
)
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_reap.service", "systemd-networkd-wait-online.service")
DAY = 24 * 3600.0
MAX_AGE = 14 * DAY
"""Seconds after which a base tree is built anew, since the mirror no longer has the packages that it lists."""
UNUSED_AGE = MAX_AGE + DAY
"""Seconds after which nothing new is put over a tree, also by a run that picked it just before it was too old."""
RECIPE = "2"
ARCHIVE_RECIPE = "2"
LAYER_RECIPE = "2"


class ImageFailed(Exception):
    """An image could not be built; the message says what to do."""


class StaleImage(ImageFailed):
    """The image's package lists name files that the mirror no longer has."""


@dataclass(frozen=True)
class Mirror:
    """A package mirror that the controller itself is configured with."""

    uri: str
    label: str


def mirrors(runner: CommandRunner) -> Tuple[Mirror, ...]:
    """Debian's archive and, where configured, its security archive, as apt on the controller knows them."""
    form = "$(CREATED_BY)|$(REPO_URI)|$(ORIGIN)|$(LABEL)"
    rows = (line.split("|") for line in runner.run(["apt-get", "indextargets", "--format", form]).stdout.splitlines())
    found = {Mirror(row[1], row[3]) for row in rows if row[0] == "Packages" and row[2] == "Debian"}
    known = [m for m in found if m.label in ("Debian", "Debian-Security") and "backports" not in m.uri]
    if not any(mirror.label == "Debian" for mirror in known):
        raise ImageFailed("apt on the controller knows no Debian mirror. Run 'apt-get update' there first.")
    return tuple(sorted(known, key=lambda mirror: (mirror.label, mirror.uri)))


@contextmanager
def locked(cache: str) -> Iterator[None]:
    """One builder at a time for each cache folder, also among several labs."""
    os.makedirs(cache, mode=0o755, exist_ok=True)
    with open(f"{cache}/lock", "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class Images:
    """The images of one Debian release in one cache folder."""

    def __init__(self, cache: str, release: str, runner: LabRunner, progress: Progress) -> None:
        self.cache = cache
        self.release = release
        self._runner = runner
        self._progress = progress

    def base(self, backend: str) -> Optional[str]:
        """The newest base tree that is not too old, or None."""
        folder = f"{self.cache}/images"
        pattern = re.compile(re.escape(self._stem(backend)) + r"\.(\d+)")
        found: List[Tuple[int, str]] = []
        for entry in os.listdir(folder) if os.path.isdir(folder) else ():
            match = pattern.fullmatch(entry)
            if match and time.time() - int(match[1]) < MAX_AGE:
                found.append((int(match[1]), f"{folder}/{entry}"))
        return max(found)[1] if found else None

    def _packages(self, backend: str) -> Tuple[str, ...]:
        more = BACKENDS[backend].packages
        architecture = self._runner.run(["dpkg", "--print-architecture"]).stdout.strip() if more else ""
        return (*BASE_PACKAGES, *(one.format(architecture=architecture) for one in more))

    def _stem(self, backend: str) -> str:
        inputs = "\n".join([RECIPE, self.release, *self._packages(backend), *MASKED])
        return f"{self.release}-{backend}-{sha256(inputs.encode()).hexdigest()[:12]}"

    def build_base(self, backend: str) -> str:
        """Build a base tree beside the old ones and move it into place whole."""
        done = f"{self.cache}/images/{self._stem(backend)}.{int(time.time())}"
        part = f"{done}.part"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(os.path.dirname(part), exist_ok=True)
        argv = ["mmdebstrap", "--variant=important", "--format=directory", "--skip=cleanup/apt/lists"]
        argv += ['--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::GzipIndexes "true"']
        argv.append(f"--include={','.join(self._packages(backend))}")
        hooks = [
            'chroot "$1" systemctl enable systemd-networkd',
            f'chroot "$1" systemctl mask {" ".join(MASKED)}',
            'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf && : > "$1/etc/resolv.conf"',
            'chroot "$1" apt-cache gencaches',
            'find "$1/usr/share/doc" "$1/usr/share/man" -type f -delete',
            # Newer than /usr: no node then makes its caches again when it boots first, see systemd-update-done.service(8)
            'touch "$1/etc/.updated" "$1/var/.updated"',
        ]
        argv += [f"--customize-hook={hook}" for hook in hooks]
        sources = []
        for mirror in mirrors(self._runner):
            suite = self.release if mirror.label == "Debian" else f"{self.release}-security"
            sources.append(f"deb {mirror.uri} {suite} main")
        self._progress(f"building the {backend} image of Debian {self.release} (once; kept in {self.cache})")
        try:
            self._stream([*argv, self.release, part, *sources])
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        os.replace(part, done)
        return done

    def prune(self, in_use: AbstractSet[str]) -> List[str]:
        """Remove trees and packages that are too old for new nodes, except the trees ``in_use``; return their paths.

        No archive or layer is older than the base tree it belongs to, so one that is too old belongs to one that is.
        """
        removed = []
        for path in sorted(path for kind in ("images", "archives", "layers", "pool") for path in glob.glob(f"{self.cache}/{kind}/*")):
            status = os.lstat(path)
            linked = not os.path.isdir(path) and status.st_nlink > 1
            if path not in in_use and not linked and time.time() - _built(path, status.st_mtime) > UNUSED_AGE:
                (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)
                removed.append(path)
        return removed

    def _stream(self, argv: Sequence[str]) -> None:
        """Run a long command and pass on what it says it is doing."""

        def seen(line: str) -> bool:
            if line.startswith("I: ") and "hook" not in line:
                self._progress(f"  {line[3:].strip()}")
            return False

        result = self._runner.watch(argv, seen)
        if result.rc != 0:
            raise CommandFailed(result)

    def archive(self, base: str, packages: Sequence[str]) -> str:
        """Where the packages for one base tree and one set of names are, or will be, as a layer to mount over the base."""
        digest = sha256("\n".join([ARCHIVE_RECIPE, base, *sorted(packages)]).encode()).hexdigest()[:16]
        return f"{self.cache}/archives/{digest}"

    def build_archive(self, base: str, packages: Sequence[str], variable: str = "lab_packages") -> str:
        """Fetch packages and what they depend on, so that apt in a node finds them in its own archive. Errors name ``variable``."""
        done = self.archive(base, packages)
        part, pool = f"{done}.part", f"{self.cache}/pool"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(f"{part}/var/cache/apt/archives", exist_ok=True)
        os.makedirs(pool, exist_ok=True)
        # Debian's security archive has no MD5 sums, which are what apt would print.
        argv = ["chroot", base, "apt-get", "-o", "Acquire::ForceHash=SHA256", "--print-uris", "-qq", "--no-install-recommends", "install"]
        listed = self._runner.run([*argv, *packages], check=False)
        if listed.rc != 0:
            raise ImageFailed(f"{variable}: apt refuses {', '.join(packages)}: {listed.stderr.strip()}")
        files = [_file(line, variable) for line in listed.stdout.splitlines()]
        missing = [entry for entry in files if not os.path.exists(f"{pool}/{entry[1]}")]
        if missing:
            self._progress(f"fetching {len(missing)} packages (once; kept in {self.cache})")
            argv = ["/usr/lib/apt/apt-helper", "-q", "-q", "download-file"]
            for uri, name, digest in missing:
                argv += [uri, f"{pool}/{name}.part", digest]
            fetched = self._runner.run(argv, check=False)
            if fetched.rc != 0:
                raise StaleImage(f"fetching packages failed: {fetched.stderr.strip()[-600:]}")
            for _uri, name, _digest in missing:
                os.replace(f"{pool}/{name}.part", f"{pool}/{name}")
        for _uri, name, _digest in files:
            os.link(f"{pool}/{name}", f"{part}/var/cache/apt/archives/{name}")
        os.utime(part)
        os.replace(part, done)
        return done

    def layer(self, base: str, packages: Sequence[str]) -> str:
        """Where the layer with these packages installed is, or will be, to mount over one base tree."""
        digest = sha256("\n".join([LAYER_RECIPE, base, *sorted(packages)]).encode()).hexdigest()[:16]
        return f"{self.cache}/layers/{digest}"

    def build_layer(self, base: str, packages: Sequence[str]) -> str:
        """Install packages in a staging folder, and move what that changed into place whole.

        A build that is killed leaves no mount and no process, only its folder, which the next one removes.
        """
        archive = self.archive(base, packages)
        if not os.path.isdir(archive):
            self.build_archive(base, packages, "lab_installed_packages")
        done = self.layer(base, packages)
        part = f"{done}.part"
        shutil.rmtree(part, ignore_errors=True)
        for name in ("upper", "work", "root"):
            os.makedirs(f"{part}/{name}")
        names = ", ".join(packages)
        self._progress(f"installing {names} into a layer of the image (once; kept in {self.cache})")
        installed = self._runner.run(install_argv((archive, base), part, packages), check=False)
        if installed.rc != 0:
            shutil.rmtree(part, ignore_errors=True)
            output = (installed.stderr or installed.stdout).strip()[-800:]
            raise ImageFailed(f"lab_installed_packages: installing {names} failed: {output}. Correct the list, or use lab_packages.")
        for pattern in DISCARDED:
            for path in glob.glob(f"{part}/upper/{pattern}"):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        os.utime(f"{part}/upper")
        os.replace(f"{part}/upper", done)
        shutil.rmtree(part)
        return done


def _built(path: str, modified: float) -> float:
    """When a tree was built: a base tree says it in its name, since what was installed into it may be older or newer."""
    match = re.fullmatch(r".+\.(\d+)(\.part)?", os.path.basename(path))
    return float(match[1]) if match and os.path.basename(os.path.dirname(path)) == "images" else modified


def _file(line: str, variable: str) -> Tuple[str, str, str]:
    """(address, name, checksum) of one line of ``apt-get --print-uris``. Raise ImageFailed when one of them is missing."""
    match = re.fullmatch(r"'([^']+)' (\S+) \d+ (\S+)", line.strip())
    if match is None:
        raise ImageFailed(f"{variable}: apt says of a package what has no meaning here: {line!r}")
    return match[1], match[2], match[3]
