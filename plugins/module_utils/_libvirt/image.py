# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the first bytes of a file say of the disk in it.

Who uploads an image, or has a raw disk, decides what they are. So no program reads them that would follow the names in them:
``qemu-img info`` opens the files that an image names (CVE-2024-4467), and runs as root.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEAD = 104
"""As many bytes of a file are looked at."""
_QCOW2 = struct.Struct(">4sIQIIQ")  # magic, version, offset and size of the backing file's name, cluster bits, size
_FEATURES = struct.Struct(">Q")
_FEATURES_AT = 72
_EXTERNAL_DATA = 1 << 2
_CHOSEN = "so whoever made it chooses what QEMU opens"
_OTHERS = {b"KDMV": "vmdk", b"QED\0": "qed", b"vhdxfile": "vhdx", b"conectix": "vpc", b"<<< ": "vdi", b"LUKS": "luks"}


@dataclass(frozen=True)
class Image:
    """A file that holds a disk; ``size`` in bytes, as the guest sees it. ``wrong`` is why no guest gets it."""

    format: str
    size: int
    wrong: str = ""


def read_image(head: bytes, size: int) -> Image:
    """By the first HEAD bytes of a file of ``size`` bytes (QEMU's docs/interop/qcow2). What is nothing else is raw."""
    if not head.startswith(b"QFI\xfb"):
        return Image(next((name for magic, name in _OTHERS.items() if head.startswith(magic)), "raw"), size)
    if len(head) < HEAD:
        return Image("qcow2", 0, "is cut short")
    _magic, version, backing, length, _bits, virtual = _QCOW2.unpack_from(head)
    if version not in (2, 3):
        return Image("qcow2", 0, f"is of version {version} of its format")
    if backing or length:
        return Image("qcow2", virtual, f"names a backing file, {_CHOSEN}")
    if version > 2 and _FEATURES.unpack_from(head, _FEATURES_AT)[0] & _EXTERNAL_DATA:
        return Image("qcow2", virtual, f"names an external data file, {_CHOSEN}")
    return Image("qcow2", virtual)
