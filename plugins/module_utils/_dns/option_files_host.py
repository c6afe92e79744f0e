# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files whose path is an option of a module: an error names the option, the path and the remedy."""

from __future__ import annotations

import errno
import os
from typing import Optional

from .._system.files import LOOK, FileStore, NotText
from .update.plan import Refused


def read_option(files: FileStore, option: str, path: str) -> Optional[str]:
    """The text of a file; None when there is none. Raises Refused for what cannot be read, and NotText."""
    _check(option, path)
    try:
        return files.read(path)
    except NotText:
        raise
    except OSError as error:
        raise Refused([f"{option}: {path} cannot be read: {reason(error)}. Name a regular file that this user may read."]) from None


def read_dest(files: FileStore, option: str, path: str) -> str:
    """What a file holds that may be replaced; nothing when there is none. Raises Refused for what is not to be replaced."""
    _check(option, path)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Refused([f"{option}: the folder {folder} does not exist. Create it, or name another."])
    try:
        return read_option(files, option, path) or ""
    except NotText:
        text = "is not UTF-8 text, so no module of this collection wrote it, and it is not replaced"
        raise Refused([f"{option}: {path} {text}. Move it away, or name another file."]) from None


def write_dest(files: FileStore, option: str, path: str, text: str) -> None:
    """Replace the file, which everybody may read. Raises Refused."""
    try:
        files.write(path, text, 0o644)
    except OSError as error:
        raise Refused([f"{option}: {path} cannot be written: {reason(error)}. {write_remedy(error)}"]) from None


def write_remedy(error: OSError) -> str:
    """What to do about a file, or its folder, that cannot be written."""
    no_room = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return LOOK if no_room else "Name a file in a folder that this user may write."


def reason(error: OSError) -> str:
    """Why the system refused, without the path."""
    return error.strerror or str(error)


def _check(option: str, path: str) -> None:
    if "\0" in path:
        raise Refused([f"{option}: {path!r} has a zero byte, which no path can have. Remove it."])
