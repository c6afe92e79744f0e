# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and replacing files behind a small protocol, safely in folders that other users may write.

A daemon that owns a folder may put a symbolic link in the place of a file, or of a folder, at any moment. Whoever then opens,
chmods or chowns by path as root does it to another file. Here every folder on the way is opened in turn (openat(2)), links are
followed only where nobody but root could have put them, and owner and mode are set on the open file, before it gets its name.

Uses the standard library only, for it is also shipped to hosts on its own.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import secrets
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import Iterator, List, NamedTuple, Optional, Protocol, Sequence, Tuple

MOST_BYTES = 256 << 20
"""The largest file that is read."""
LOOK = "See with df whether the disk is full, with findmnt whether it is read-only, and with lsattr whether the file is immutable; then run this again."
"""What to do about a file that cannot be written."""
STAGED = ".smallfleet-"
"""What the names of files begin with that have not got their own yet; a process that was killed leaves them."""
_MOST_LINKS = 40  # as many as the kernel follows (path_resolution(7))
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Access(NamedTuple):
    """Who may do what with a file: the permission bits, and the names of user and group (numbers where there is no name)."""

    mode: int
    owner: str
    group: str


class NewFile(NamedTuple):
    """A file as it is to be. No user and no group means those of this process."""

    path: str
    content: str
    mode: int
    owner: str = ""
    group: str = ""


class NotText(OSError):
    """A file that is not UTF-8. ``head`` are its first bytes, and ``start`` is the place of the first one that is not."""

    def __init__(self, path: str, head: bytes, start: int) -> None:
        super().__init__(errno.EILSEQ, f"The file is not UTF-8 text, from byte {start} on", path)
        self.head, self.start = head, start


class FileStore(Protocol):
    """Whole files as text. Paths are absolute. What cannot be done raises OSError, and NotText for a file that is not UTF-8."""

    def read(self, path: str) -> Optional[str]:
        """The content, or None when there is no such file."""
        ...  # pylint: disable=unnecessary-ellipsis

    def access(self, path: str) -> Optional[Access]:
        """Who may do what with the file, or None when there is no such file."""
        ...  # pylint: disable=unnecessary-ellipsis

    def write(self, path: str, content: str, mode: int, owner: str = "", group: str = "") -> None:
        """Replace the file as one atomic step; a reader sees the old content or the new, never a part.

        No user and no group means those of this process. The file is never readable by more than shall read it.
        """
        ...  # pylint: disable=unnecessary-ellipsis

    def write_all(self, files: Sequence[NewFile]) -> None:
        """Replace files in this order, or none of them: nothing is replaced before the last one is on the disk under a name of its own,
        and when one cannot be replaced, those before it are put back. Only a process that is killed leaves a part.
        """
        ...  # pylint: disable=unnecessary-ellipsis

    def rename(self, path: str, other: str) -> None:
        """Give a file another name, in place of what has that name."""
        ...  # pylint: disable=unnecessary-ellipsis

    def remove(self, path: str) -> None:
        """Remove the file; no error when it is not there."""
        ...  # pylint: disable=unnecessary-ellipsis

    def own_folder(self, path: str, mode: int) -> None:
        """Have a folder in which programs may open files by their path. One that is missing is made with this mode.

        Raise PermissionError when others than this user may write there, or in a folder above it.
        """
        ...  # pylint: disable=unnecessary-ellipsis


class SystemFiles:
    """The real file system."""

    def read(self, path: str) -> Optional[str]:
        try:
            with _opened(path) as handle:
                return _content(handle, path).decode("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError as error:
            raise NotText(path, bytes(error.object[:8]), error.start) from None

    def access(self, path: str) -> Optional[Access]:
        try:
            with _opened(path) as handle:
                status = os.fstat(handle)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Access(stat.S_IMODE(status.st_mode), _user(status.st_uid), _group(status.st_gid))

    def write(self, path: str, content: str, mode: int, owner: str = "", group: str = "") -> None:
        with _staged(NewFile(path, content, mode, owner, group)) as staged:
            staged.place()

    def write_all(self, files: Sequence[NewFile]) -> None:
        with ExitStack() as stack:
            staged = [stack.enter_context(_staged(one)) for one in files]
            for one in staged:
                one.keep()
            for number, one in enumerate(staged):
                try:
                    one.place()
                except BaseException:
                    for before in reversed(staged[:number]):
                        before.put_back()
                    raise

    def rename(self, path: str, other: str) -> None:
        with _about(path), opened_folder(os.path.dirname(path)) as source, opened_folder(os.path.dirname(other)) as target:
            os.rename(os.path.basename(path), os.path.basename(other), src_dir_fd=source, dst_dir_fd=target)
            _sync(target)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            with _about(path), opened_folder(os.path.dirname(path)) as folder:
                os.unlink(os.path.basename(path), dir_fd=folder)

    def own_folder(self, path: str, mode: int) -> None:
        with _Walk(path, make=mode) as walk:
            walk.enter(alone=True)

    def restrict(self, path: str, mode: int, owner: str = "", group: str = "") -> None:
        """Set owner and mode of a file or a folder that is there."""
        with _Walk(path) as walk:
            handle = walk.file()
        try:
            os.fchown(handle, user_number(owner), group_number(group))
            os.fchmod(handle, mode)
        finally:
            os.close(handle)


@contextmanager
def _staged(file: NewFile) -> Iterator[_Staged]:
    """The file on the disk, under a name of its own beside the one that it is to have."""
    uid, gid = user_number(file.owner), group_number(file.group)
    with _about(file.path), opened_folder(os.path.dirname(file.path), make=0o755) as folder:
        staged = _Staged(file.path, folder)
        try:
            handle = os.open(staged.new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                os.fchown(handle, uid, gid)
                os.fchmod(handle, file.mode)
                stream.write(file.content)
                stream.flush()
                os.fsync(handle)
            yield staged
        finally:
            for name in (staged.new, staged.old):
                with suppress(FileNotFoundError):  # it has its name, or who owns the folder has removed it
                    os.unlink(name, dir_fd=folder)


class _Staged:
    """``new`` is the name of the new file in its folder until that is placed, ``old`` another name of the one that it replaces."""

    def __init__(self, path: str, folder: int) -> None:
        self._path, self._folder, self._name = path, folder, os.path.basename(path)
        self._kept = False
        self.new, self.old = (f"{STAGED}{secrets.token_hex(8)}" for _each in range(2))

    def keep(self) -> None:
        """Have a second name for what is there. It fails for what cannot be replaced either, before anything is."""
        with _about(self._path), suppress(FileNotFoundError):
            try:
                os.link(self._name, self.old, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    raise OSError(errno.EBUSY, "Something is mounted in the place of this file", self._path) from None
                raise _named(error, self._path) from None
            self._kept = True

    def place(self) -> None:
        """Give the new file its name, in one step."""
        self._rename(self.new)

    def put_back(self) -> None:
        """What was there before keep(), if anything was."""
        if self._kept:
            self._rename(self.old)
        else:
            os.unlink(self._name, dir_fd=self._folder)

    def _rename(self, name: str) -> None:
        with _about(self._path):
            os.rename(name, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            _sync(self._folder)


def read_head(path: str, most: int) -> Tuple[bytes, int]:
    """The first bytes of a regular file or a block device, and how many it has in all."""
    with _Walk(path) as walk:
        handle = walk.file()
    try:
        kind = os.fstat(handle).st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISBLK(kind):
            raise OSError(errno.EINVAL, "This is neither a regular file nor a block device", path)
        return os.pread(handle, most, 0), os.lseek(handle, 0, os.SEEK_END)
    finally:
        os.close(handle)


def user_number(name: str) -> int:
    """The number of a user, -1 (no change, chown(2)) without a name. Raise OSError when there is no such user."""
    if not name or (name.isascii() and name.isdigit()):
        return int(name or -1)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise OSError(errno.EINVAL, f"There is no user {name!r} on this host") from None


def group_number(name: str) -> int:
    """The number of a group, as user_number()."""
    if not name or (name.isascii() and name.isdigit()):
        return int(name or -1)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(errno.EINVAL, f"There is no group {name!r} on this host") from None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _content(handle: int, path: str) -> bytes:
    """All of a file, in pieces, since the kernel has memory ready for what is asked of /proc and not for what is there."""
    content = bytearray()
    while True:
        piece = os.read(handle, 1 << 16)
        if not piece:
            return bytes(content)
        content += piece
        if len(content) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"The file has more than {MOST_BYTES >> 20} MiB", path)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """A descriptor of a regular file for reading."""
    with _Walk(path) as walk:
        handle = walk.file()
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for applies, name in _KINDS if applies(mode)), "something else")
            raise OSError(errno.EINVAL, f"This is {kind}, not a regular file", path)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _about(path: str) -> Iterator[None]:
    """Errors name the whole path, and not a name within its folder, or none at all as on a full disk."""
    try:
        yield
    except OSError as error:
        if "/" in str(error.filename):
            raise
        raise _named(error, path) from None


@contextmanager
def opened_folder(path: str, make: Optional[int] = None) -> Iterator[int]:
    """A descriptor of a folder, for the calls that take ``dir_fd``. ``make`` is the mode of what is missing and made."""
    with _Walk(path or ".", make) as walk:
        walk.enter()
        yield walk.handle


class _Walk:
    """Goes down a path, one folder after the other, each opened within the one before."""

    def __init__(self, path: str, make: Optional[int] = None) -> None:
        self._path = path
        self._make = make
        self._left = _names(path)
        self._links = 0
        self.handle = os.open("/" if path.startswith("/") else ".", _FOLDER)

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.handle)

    def enter(self, alone: bool = False) -> None:
        """Go on to the end of the path, which is a folder; ``alone``: in which, as in those above, only this user may write."""
        while self._left:
            self._into(self._left.pop())
            if alone and _writable_by_others(self.handle, sticky=bool(self._left)):
                where = os.readlink(f"/proc/self/fd/{self.handle}")
                raise PermissionError(errno.EPERM, f"Others may write in {where}. Use a folder in which only root may write", self._path)

    def file(self) -> int:
        """Go on to the last name, and open that for reading. It must not block on a pipe."""
        while True:
            while len(self._left) > 1:
                self._into(self._left.pop())
            name = self._left.pop() if self._left else "."
            try:
                return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.handle)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    raise OSError(errno.ENXIO, "This is a socket or a device that is not there, not a regular file", self._path) from None
                if error.errno != errno.ELOOP:
                    raise _named(error, self._path) from None
            self._follow(name)

    def _into(self, name: str) -> None:
        try:
            inner = os.open(name, _FOLDER, dir_fd=self.handle)
        except FileNotFoundError as error:
            if self._make is None:
                raise _named(error, self._path) from None
            with suppress(FileExistsError):
                os.mkdir(name, 0o755 if self._left else self._make, dir_fd=self.handle)
            inner = os.open(name, _FOLDER, dir_fd=self.handle)
        except NotADirectoryError as error:  # a link is none either (open(2), O_NOFOLLOW with O_DIRECTORY)
            if not stat.S_ISLNK(os.stat(name, dir_fd=self.handle, follow_symlinks=False).st_mode):
                raise _named(error, self._path) from None
            self._follow(name)
            return
        self._move(inner)

    def _follow(self, name: str) -> None:
        """Put the target of a link before what is left of the path."""
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        if os.geteuid() == 0 and _writable_by_others(self.handle):
            reason = f"{name} is a symbolic link in a folder that others than root may write, and is not followed"
            raise PermissionError(errno.EPERM, f"{reason}. Replace the link by what it points to", self._path)
        target = os.readlink(name, dir_fd=self.handle)
        self._left += _names(target)
        if target.startswith("/"):
            self._move(os.open("/", _FOLDER))

    def _move(self, inner: int) -> None:
        os.close(self.handle)
        self.handle = inner


def _names(path: str) -> List[str]:
    """The names in a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _named(error: OSError, path: str) -> OSError:
    return type(error)(error.errno, error.strerror, path)


def _writable_by_others(folder: int, sticky: bool = False) -> bool:
    """Whether others may put something in the place of a folder's entries. ``sticky`` trusts that bit, which protects those that
    are there (inode(7))."""
    status = os.fstat(folder)
    if sticky and status.st_mode & stat.S_ISVTX and status.st_uid in (0, os.geteuid()):
        return False
    group = status.st_mode & stat.S_IWGRP and status.st_gid != 0
    return status.st_uid not in (0, os.geteuid()) or bool(group or status.st_mode & stat.S_IWOTH)


def _sync(folder: int) -> None:
    """Have a changed folder on the disk."""
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
