# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking the free space of a file system, and giving it back."""

from __future__ import annotations

import errno
import os

# What a file system keeps for its own bookkeeping: less than this free counts as full.
SLACK = 1 << 20


def free_bytes(folder: str) -> int:
    """Bytes that root can still write to the file system of ``folder``."""
    found = os.statvfs(folder)
    return found.f_bfree * found.f_frsize


def fill(path: str, leave: int) -> None:
    """Grow the file until ``leave`` bytes are free. Raise OSError when the file system refuses for another reason."""
    with open(path, "ab") as stream:
        size = stream.tell()
        step = free_bytes(os.path.dirname(path)) - leave
        while step >= 4096:
            try:
                os.posix_fallocate(stream.fileno(), size, step)
                size += step
                step = free_bytes(os.path.dirname(path)) - leave
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step //= 2


def release(path: str) -> None:
    """Remove the file."""
    os.unlink(path)
