# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking the free space of a file system, and giving it back."""

from __future__ import annotations

import errno
import os
from typing import BinaryIO

# What a file system keeps for its own bookkeeping: less than this available counts as full.
SLACK = 1 << 20


def free_bytes(folder: str) -> int:
    """Bytes that statvfs(3) calls available on the file system of ``folder``."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(path: str, leave: int) -> None:
    """Grow the file until ``leave`` bytes are available; with 0, until not one more can be written, by root either.

    Raise OSError when the file system refuses for another reason than being full.
    """
    with open(path, "ab", buffering=0) as stream:
        wanted = free_bytes(os.path.dirname(path)) - leave
        if wanted > 0:
            _reserve(stream, wanted)
        if leave == 0:
            _write_to_the_end(stream)


def _reserve(stream: BinaryIO, wanted: int) -> None:
    end = stream.seek(0, os.SEEK_END)
    while wanted >= 4096:
        try:
            os.posix_fallocate(stream.fileno(), end, wanted)
            return
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            wanted //= 2


def _write_to_the_end(stream: BinaryIO) -> None:
    """What looks reserved may still be written by root: only a refused write proves that the disk is full."""
    stream.seek(0, os.SEEK_END)
    for size in (1 << 16, 1 << 12):
        try:
            while True:
                stream.write(bytes(size))
                os.fsync(stream.fileno())
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def release(path: str) -> None:
    """Remove the file."""
    os.unlink(path)
