# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for other runs on the same host."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import Iterator

from .files import opened_folder


@contextmanager
def locked_folder(path: str) -> Iterator[None]:
    """Hold a folder's lock (flock(2)), and wait for whoever holds it. Where there is no folder, there is nothing to wait for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_new_folder(path: str) -> Iterator[None]:
    """The same of a folder that is made first where there is none, without following links of other users. Raises OSError."""
    with opened_folder(path, 0o755) as folder:
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
