# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and replacing files behind a small protocol."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from typing import Dict, Optional, Protocol, Tuple


class FileStore(Protocol):
    """Whole files as text. Paths are absolute."""

    def read(self, path: str) -> Optional[str]:
        """The content, or None when there is no such file."""
        ...  # pylint: disable=unnecessary-ellipsis

    def write(self, path: str, content: str, mode: int) -> None:
        """Replace the file as one atomic step; a reader sees the old content or the new, never a part."""
        ...  # pylint: disable=unnecessary-ellipsis

    def remove(self, path: str) -> None:
        """Remove the file; no error when it is not there."""
        ...  # pylint: disable=unnecessary-ellipsis


class SystemFiles:
    """The real file system."""

    def read(self, path: str) -> Optional[str]:
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: str, mode: int) -> None:
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=folder, prefix=".smallfleet-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(beside, mode)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)

    def remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


@dataclass
class FakeFiles:
    """Files in memory, for tests: path -> (content, mode)."""

    files: Dict[str, Tuple[str, int]] = field(default_factory=dict)

    def read(self, path: str) -> Optional[str]:
        return self.files[path][0] if path in self.files else None

    def write(self, path: str, content: str, mode: int) -> None:
        self.files[path] = (content, mode)

    def remove(self, path: str) -> None:
        self.files.pop(path, None)
