# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files in folders that another user may write: whatever that user puts there, no other file is touched or shown."""

from __future__ import annotations

import ast
import os
import pwd
import re
import resource
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import MOST_BYTES, NewFile, SystemFiles

COLLECTION = Path(__file__).resolve().parents[2]
NOBODY = pwd.getpwnam("nobody")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's part")
WRITES = 300
SWAP = """
import os, sys
os.setgid({gid}), os.setuid({uid})
os.chdir({folder!r})
print(flush=True)
while True:
    for make in {makes}:
        try:
            exec(make)
        except OSError:
            pass
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("root's own")
    path.chmod(0o600)
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder such as /var/lib/bind: root's, and the daemon's group writes there."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(0o711)
    path = tmp_path / "theirs"
    path.mkdir()
    path.chmod(0o775)
    os.chown(path, 0, NOBODY.pw_gid)
    return path


@pytest.fixture
def swapping(theirs: Path) -> Iterator[Callable[..., None]]:
    """Starts a process of that user which does these statements over and over; at most for a minute."""
    started = []

    def start(*makes: str) -> None:
        source = SWAP.format(uid=NOBODY.pw_uid, gid=NOBODY.pw_gid, folder=str(theirs), makes=makes)
        process = subprocess.Popen(["timeout", "60", sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout and process.stdout.readline() == "\n"

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait()


def unharmed(secret: Path) -> bool:
    found = secret.stat()
    return (secret.read_text(), stat.S_IMODE(found.st_mode), found.st_uid) == ("root's own", 0o600, 0)


@ROOT
def test_a_link_that_comes_and_goes_in_the_place_of_a_file_leads_no_write_elsewhere(theirs, secret, swapping):
    link = f"os.symlink({str(secret)!r}, 'link')"
    every = "[os.replace('link', name) if name == 'zone' else os.rename(name, 'zone') for name in os.listdir('.')]"
    swapping("os.unlink('zone')", link, "os.rename('link', 'zone')", link, every)
    for number in range(WRITES):
        with suppress(FileNotFoundError):  # the other user took the new file away before it had its name
            SystemFiles().write(str(theirs / "zone"), f"zone {number}", 0o644, "nobody", "")
        try:
            assert (SystemFiles().read(str(theirs / "zone")) or "zone").startswith("zone")
        except PermissionError as error:
            assert "zone is a symbolic link in a folder that others than root may write" in str(error)
        with suppress(PermissionError, FileNotFoundError):
            SystemFiles().restrict(str(theirs / "zone"), 0o666, "nobody")
        SystemFiles().remove(str(theirs / "zone"))
    assert unharmed(secret)


@ROOT
def test_a_folder_that_becomes_a_link_leads_no_write_elsewhere(theirs, tmp_path, swapping):
    own = tmp_path / "own"
    own.mkdir()
    (own / "file").write_text("root's own")
    link = f"os.symlink({str(own)!r}, 'sub')"
    swapping("os.mkdir('sub')", "os.rename('sub', 'kept')", link, "os.unlink('sub')", "os.rename('kept', 'sub')")
    refused = 0
    for _number in range(WRITES):
        try:
            SystemFiles().write(str(theirs / "sub" / "file"), "zone", 0o666, "nobody")
        except OSError:
            refused += 1
        try:
            SystemFiles().remove(str(theirs / "sub" / "file"))
        except OSError:
            refused += 1
    assert [path.name for path in own.iterdir()] == ["file"] and (own / "file").read_text() == "root's own"
    assert refused, "the race was never run"


@ROOT
def test_a_link_where_only_root_writes_is_followed_and_its_target_may_be_a_folder_of_others(tmp_path, theirs):
    (tmp_path / "link").symlink_to("theirs")
    SystemFiles().write(str(tmp_path / "link" / "zone"), "zone", 0o644)
    assert SystemFiles().read(str(theirs / "zone")) == "zone"
    (theirs / "again").symlink_to("zone")
    with pytest.raises(PermissionError, match="again is a symbolic link .* Replace the link by what it points to"):
        SystemFiles().read(str(theirs / "again"))


@ROOT
def test_programs_open_files_by_path_only_where_nobody_else_writes(tmp_path, theirs):
    SystemFiles().own_folder(str(tmp_path / "images" / "deep"), 0o711)
    assert stat.S_IMODE((tmp_path / "images" / "deep").stat().st_mode) == 0o711
    for folder in (theirs, theirs / "below"):
        with pytest.raises(PermissionError, match=f"Others may write in {theirs}. Use a folder in which only root may write"):
            SystemFiles().own_folder(str(folder), 0o711)
    with pytest.raises(PermissionError, match="Others may write in /tmp"):
        SystemFiles().own_folder("/tmp", 0o711)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="This is a named pipe, not a regular file"):
        SystemFiles().read(str(tmp_path / "pipe"))


def test_a_file_without_end_is_refused(tmp_path):
    with open(tmp_path / "large", "wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(OSError, match="The file has more than 256 MiB"):
        SystemFiles().read(str(tmp_path / "large"))


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        SystemFiles().read(str(tmp_path / "one"))
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        SystemFiles().write(str(tmp_path / "one" / "file"), "text", 0o600)


def test_a_user_who_does_not_exist_is_named_before_anything_is_written(tmp_path):
    for name in ("nosuch", "²", "1_0"):
        with pytest.raises(OSError, match=f"There is no user '{name}' on this host"):
            SystemFiles().write(str(tmp_path / "file"), "text", 0o600, name)
    assert not list(tmp_path.iterdir())


CHANGES = frozenset(
    [f"os.{name}" for name in "chmod chown lchown rename renames replace link truncate mknod mkfifo setxattr makedirs mkdir".split()]
    + [f"shutil.{name}" for name in "copy copy2 copyfile copymode copystat copytree move chown".split()]
    + ["tempfile.mktemp"]
)
METHODS = frozenset("chmod lchmod rename replace write_text write_bytes touch hardlink_to".split())
ONLY_ROOT_WRITES = {
    "plugins/module_utils/_system/files.py": "goes by descriptors",
    "plugins/module_utils/_node/node_host.py": "/etc/localtime, /proc/sys, and a home folder as its own user",
    "plugins/module_utils/_fleet/inventory_host.py": "the temporary folder of the run",
    "plugins/module_utils/_system/systemd.py": "a temporary folder of its own",
    "plugins/module_utils/_network/rollback/rollback_host.py": "/var/lib/smallfleet/network, which is 0700",
    "roles/acme_certificates/files/smallfleet-acme": "/etc/smallfleet, /var/lib/smallfleet, and temporary folders of its own",
    "plugins/module_utils/_lab": "the cache and the lab's state on the controller, which are 0700",
}
"""What changes files by path, in folders where nobody but root may write. Everything else goes through SystemFiles."""


def changes_by_path(source: str) -> List[str]:
    """The calls of a program that open a file for writing by its path, or change what a path leads to."""
    tree = ast.parse(source)
    found: List[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and f"{node.value.id}.{node.attr}" in CHANGES:
            found.append(f"{node.value.id}.{node.attr}")
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not _is_another(node):
            found.append(node.func.attr)
        name = ast.unparse(node.func)
        first = 0 if isinstance(node.func, ast.Attribute) and name != "os.open" else 1
        modes = [*node.args[first : first + 1], *(word.value for word in node.keywords if word.arg == "mode")]
        if (name == "open" or name.endswith(".open")) and any(_writes(mode) for mode in modes):
            found.append(name)
    return found


def _is_another(call: ast.Call) -> bool:
    """Path.replace() and Path.rename() have one argument; str.replace() and rename() of a FileStore have two."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("replace", "rename") and len(call.args) != 1


def _writes(mode: ast.expr) -> bool:
    if isinstance(mode, ast.Constant):
        return isinstance(mode.value, str) and bool(set(mode.value) & set("wax+"))
    return any(word in ast.unparse(mode) for word in ("O_WRONLY", "O_RDWR", "O_CREAT"))


@pytest.mark.parametrize(
    "source",
    [
        "field(default=os.replace)",
        "os.chown(path, 0, 0)",
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.open('r+')",
        "Path(path).write_text('x')",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        "beside.replace(path)",
    ],
)
def test_what_changes_files_by_path_is_seen(source):
    assert changes_by_path(source)


def test_what_reads_is_not_meant():
    assert not changes_by_path("open(path); open(path, 'rb'); text.replace('a', 'b'); replace(record, key=1); os.open(path, os.O_RDONLY)")


def test_nothing_changes_files_by_path_but_where_only_root_writes():
    programs = [path for path in COLLECTION.glob("roles/*/files/*") if path.read_bytes().startswith((b"#!", b"# SPDX"))]
    assert any(path.name == "smallfleet-acme" for path in programs)
    seen = {}
    for path in (*COLLECTION.glob("plugins/**/*.py"), *programs):
        name = str(path.relative_to(COLLECTION))
        if not any(name.startswith(known) for known in ONLY_ROOT_WRITES):
            seen[name] = changes_by_path(path.read_text())
    assert {name: found for name, found in seen.items() if found} == {}


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may have more than 4 KiB, which fails as a full disk does: when data is written.

    Not for longer than that: what pytest prints goes to a file as well.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_named_with_its_whole_path_and_leaves_what_was_there(tmp_path: Path) -> None:
    files, kept, folder = SystemFiles(), tmp_path / "kept", tmp_path / "folder"
    kept.write_text("old")
    folder.mkdir()
    for path, attempt in (
        (kept, lambda: files.write(str(kept), "x" * 8192, 0o644)),
        (folder, lambda: files.write(str(folder), "x", 0o644)),
        (folder, lambda: files.remove(str(folder))),
        (tmp_path / "none", lambda: files.rename(str(tmp_path / "none"), str(kept))),
        (Path("/proc/none"), lambda: files.write("/proc/none", "x", 0o644)),
    ):
        with pytest.raises(OSError, match=re.escape(repr(str(path)))) as failed, no_room():
            attempt()
        assert failed.value.filename == str(path) and failed.value.filename2 is None
    assert kept.read_text() == "old" and sorted(os.listdir(tmp_path)) == ["folder", "kept"]


@pytest.mark.parametrize("size", [1, 8192], ids=["name taken", "disk full"])
def test_of_several_files_all_are_replaced_or_none(tmp_path: Path, size: int) -> None:
    """The last one cannot be replaced: its content does not fit on the disk, or a folder has its name."""
    first, second, last = (tmp_path / name for name in ("first", "second", "last"))
    first.write_text("old")
    first.chmod(0o640)
    last.mkdir()
    before = first.stat()
    files = [NewFile(str(first), "new", 0o600), NewFile(str(second), "new", 0o600), NewFile(str(last), "x" * size, 0o600)]
    with pytest.raises(OSError, match=re.escape(repr(str(last)))) as failed, no_room():
        SystemFiles().write_all(files)
    assert failed.value.filename == str(last)
    assert first.read_text() == "old" and (first.stat().st_ino, first.stat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir(tmp_path)) == ["first", "last"]
    SystemFiles().write_all(files[:2])
    assert (first.read_text(), second.read_text()) == ("new", "new") and sorted(os.listdir(tmp_path)) == ["first", "last", "second"]


def test_when_the_last_of_several_files_cannot_get_its_name_the_others_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, last = (tmp_path / name for name in ("first", "second", "last"))
    first.write_text("old")
    rename = os.rename

    def refusing(source: str, target: str, **folders: int) -> None:
        if target == "last":
            raise OSError(16, "Device or resource busy")
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", refusing)
    with pytest.raises(OSError, match="busy") as failed:
        SystemFiles().write_all([NewFile(str(path), "new", 0o600) for path in (first, second, last)])
    assert failed.value.filename == str(last)
    assert first.read_text() == "old" and os.listdir(tmp_path) == ["first"]
