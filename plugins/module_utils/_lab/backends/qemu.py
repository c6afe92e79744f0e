# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines run by QEMU, with Debian's own kernel."""

from __future__ import annotations

from typing import Mapping, Tuple

from .base import Backend


class Qemu(Backend):
    """See ``Backend``."""

    name = "qemu"
    own_kernel = True
    # a kernel, and what finds and checks its disk
    packages = ("initramfs-tools", "kmod", "linux-image-cloud-{architecture}")
    commands: Mapping[str, Tuple[str, str]] = {"qemu-system-x86_64": ("qemu-system-x86", "virtual machine nodes")}
    needs = frozenset(("tap links",))
