# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that an option names: whatever is at the path, the error names the option, the path and a remedy."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from fakes import FakeFiles

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import text_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.move_client import MemoryFile
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.phases import Memory
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.option_files_host import read_dest, write_dest
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles
from ansible_collections.smallfleet.infra.plugins.module_utils._system.locks import locked_new_folder
from ansible_collections.smallfleet.infra.plugins.modules import dns_zone_import

FILES = SystemFiles()


class Exited(Exception):
    """The module ended well."""


def run_import(dest: str) -> Dict[str, Any]:
    """What dns_zone_import returns for a zone of one record and this ``dest``. Raises Refused."""
    results: List[Dict[str, Any]] = []

    def exit_json(**result: Any) -> None:
        results.append(result)

    options = {
        **{"zone_name": "example.net", "server": None, "src": None, "content": "www 300 A 192.0.2.1\n", "content_base64": None},
        **{"format": "zone", "default_ttl": 3600, "nameservers": False, "txt_transformation": "unquoted", "dest": dest},
        **{"port": 53, "protocol": "tcp", "timeout": 10.0, "key_name": None, "key_secret": None, "key_file": None, "key_algorithm": "hmac-sha256"},
    }
    dns_zone_import.run(SimpleNamespace(params=options, check_mode=False, exit_json=exit_json))
    return results[0]


def read_key(path: str) -> object:
    transport = {"server": "192.0.2.53", "port": 53, "protocol": "tcp", "timeout": 1.0}
    return make_client({**transport, "key_algorithm": "hmac-sha256", "key_file": path, "key_name": None}, FILES)


def read_source(path: str) -> object:
    return text_of({"content": None, "content_base64": None, "src": path}, FILES)


READERS: Dict[str, Callable[[str], object]] = {
    "dest": run_import,
    "key_file": read_key,
    "src": read_source,
    "state_file": lambda path: MemoryFile(FILES, path, "example.net.", lambda folder: nullcontext()).read(),
}


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def latin1(path: Path) -> None:
    path.write_bytes("büro".encode("latin1"))


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


PLACES: Dict[str, Any] = {
    "a folder": (folder, "a folder"),
    "a pipe": (pipe, "a named pipe"),
    "a socket": (unix_socket, "a socket"),
    "no UTF-8": (latin1, "UTF-8"),
    "a link to a folder": (link("/etc"), "a folder"),
    "a link to a device": (link("/dev/null"), "a device"),
    "a link to itself": (loop, "symbolic links"),
    "a name that is too long": (lambda path: None, "too long"),
}


def identity(path: Path) -> Optional[Tuple[int, ...]]:
    """What a change of the file or of its place changes; reading it may change the time of the last access."""
    if not os.path.lexists(path):
        return None
    found = os.lstat(path)
    return found.st_ino, found.st_mode, found.st_nlink, found.st_size, found.st_mtime_ns


@pytest.mark.parametrize("option", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_is_refused_by_option_path_and_remedy(option: str, place: str, tmp_path: Path) -> None:
    make, says = PLACES[place]
    path = tmp_path / ("x" * (300 if "too long" in place else 3))
    make(path)
    before = identity(path)
    with pytest.raises(Refused) as refused:
        READERS[option](str(path))
    (reason,) = refused.value.reasons
    assert reason.startswith(f"{option}: {path} ") and says in reason
    assert "Name " in reason or "Convert " in reason or "Move it away" in reason
    assert identity(path) == before


@pytest.mark.parametrize("option", READERS)
def test_a_path_with_a_zero_byte_is_refused(option: str) -> None:
    with pytest.raises(Refused, match=rf"^{option}: '/tmp/a\\x00b' has a zero byte"):
        READERS[option]("/tmp/a\0b")


def test_a_file_in_the_folder_of_the_task_needs_no_folder_in_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_import("zone.yml")["steps"] == ["write zone.yml"]
    assert (tmp_path / "zone.yml").read_text(encoding="utf-8") == run_import("zone.yml")["variables"]
    assert not run_import("zone.yml")["changed"]


@pytest.mark.parametrize("dest", ["missing/zone.yml", "zone.yml/below"])
def test_a_file_in_a_folder_that_is_not_there_is_refused(dest: str, tmp_path: Path) -> None:
    (tmp_path / "zone.yml").write_text("")
    with pytest.raises(Refused, match="dest: the folder .* does not exist. Create it"):
        read_dest(FILES, "dest", str(tmp_path / dest))


def test_what_cannot_be_written_is_refused_with_the_systems_reason() -> None:
    with pytest.raises(Refused, match="dest: /proc/zone cannot be written: .*. Name a file in a folder"):
        write_dest(FILES, "dest", "/proc/zone", "text")
    with pytest.raises(Refused, match="state_file: /proc/zone cannot be written"):
        write_dest(FILES, "state_file", "/proc/zone", "text")


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "See with df whether the disk is full"), (errno.EACCES, "Name a file in a folder that this user")]
)
def test_a_file_that_there_is_no_room_for_need_not_be_elsewhere(number: int, remedy: str) -> None:
    class Unwritable(FakeFiles):
        """The disk is full, or the like."""

        def write(self, path: str, content: str, mode: int, owner: str = "", group: str = "") -> None:
            raise OSError(number, os.strerror(number), path)

    with pytest.raises(Refused, match=f"state_file: /srv/state.json cannot be written: {os.strerror(number)}. {remedy}"):
        MemoryFile(Unwritable(), "/srv/state.json", "example.net.", lambda folder: nullcontext()).write(Memory())
    with pytest.raises(Refused, match=f"The memory of the move: /var/lib/smallfleet/dns_move/example.net.json cannot be written: .* {remedy}"):
        MemoryFile(Unwritable(), None, "example.net.", lambda folder: nullcontext()).write(Memory())


def test_a_move_is_looked_at_by_one_run_at_a_time_from_the_first_look_on(tmp_path: Path) -> None:
    memory = MemoryFile(FILES, str(tmp_path / "new" / "state.json"), "example.net.", locked_new_folder)
    with memory.alone():
        handle = os.open(tmp_path / "new", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_a_state_file_without_a_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = MemoryFile(FILES, str(tmp_path / "file" / "state.json"), "example.net.", locked_new_folder)
    with pytest.raises(Refused, match="state_file: the folder of .*/file/state.json cannot be used: "), memory.alone():
        pytest.fail("it was locked")
