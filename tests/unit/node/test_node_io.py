# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and changing a node, with a fake runner, files in memory, and a home folder of the test's own."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import List

import pytest
from fakes import FakeFiles, FakeRunner

from ansible_collections.smallfleet.infra.plugins.module_utils._node import node_host as node_io
from ansible_collections.smallfleet.infra.plugins.module_utils._node.block import with_block
from ansible_collections.smallfleet.infra.plugins.module_utils._node.plan import HOSTS_FILE, TIME_UNIT, Desired, Step, obstacles, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

DETECT = ["systemd-detect-virt", "--container"]
SHOW = ["systemctl", "show", "--property=LoadState,UnitFileState,ActiveState", TIME_UNIT]


def runner_of(container: str, state: str) -> FakeRunner:
    runner = FakeRunner()
    runner.answer(DETECT, 0 if container else 1, f"{container or 'none'}\n")
    runner.answer(SHOW, 0, state)
    return runner


def test_the_state_of_the_time_service_is_read_from_systemd() -> None:
    runner = runner_of("", "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\n")
    time = node_io.Node(runner, FakeFiles()).observe(Desired(time_servers=())).time
    assert (time.container, time.installed, time.enabled, time.active) == ("", True, True, True)


def test_a_container_is_recognised() -> None:
    runner = runner_of("systemd-nspawn", "LoadState=not-found\nUnitFileState=\nActiveState=inactive\n")
    time = node_io.Node(runner, FakeFiles()).observe(Desired(time_servers=())).time
    assert (time.container, time.installed) == ("systemd-nspawn", False)


def test_nothing_is_run_when_nobody_asks_about_the_time() -> None:
    runner = FakeRunner()
    node_io.Node(runner, FakeFiles()).observe(Desired(hostname="one"))
    assert runner.calls == []


def test_a_host_without_systemd_counts_as_one_without_its_time_service() -> None:
    time = node_io.Node(FakeRunner(), FakeFiles()).observe(Desired(time_servers=())).time
    assert (time.container, time.installed, time.active) == ("", False, False)


@pytest.fixture(name="home")
def home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only user there is, called alice, is whoever runs the test."""
    entry = pwd.struct_passwd(("alice", "x", os.geteuid(), os.getegid(), "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(node_io.pwd, "getpwall", lambda: [entry])
    monkeypatch.setattr(node_io.pwd, "getpwnam", lambda name: entry)
    return tmp_path


def carry_out(desired: Desired) -> List[Step]:
    node = node_io.Node(FakeRunner(), SystemFiles())
    observed = node.observe(desired)
    assert obstacles(desired, observed) == []
    steps = plan(desired, observed)
    for step in steps:
        node.apply(step)
    return steps


def test_keys_are_written_for_their_owner_only_and_the_second_time_nothing_is(home: Path) -> None:
    desired = Desired(administrators={"alice": ("ssh-ed25519 AAAA alice",)})
    assert [step.kind for step in carry_out(desired)] == ["keys"]
    written = home / ".ssh" / "authorized_keys"
    assert "ssh-ed25519 AAAA alice" in written.read_text(encoding="utf-8").splitlines()
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o777 == 0o700
    assert carry_out(desired) == []


def test_a_user_who_is_no_longer_named_is_found_by_the_keys_that_came_from_here(home: Path) -> None:
    written = home / ".ssh" / "authorized_keys"
    written.parent.mkdir()
    written.write_text(with_block("ssh-rsa AAAA theirs\n", ["ssh-rsa AAAA ours"]), encoding="utf-8")
    carry_out(Desired(administrators={}))
    assert written.read_text(encoding="utf-8") == "ssh-rsa AAAA theirs\n"


@pytest.mark.parametrize("link", [".ssh", ".ssh/authorized_keys"])
def test_a_link_in_a_home_folder_is_an_obstacle_and_is_not_followed(home: Path, link: str) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (home / link).parent.mkdir(exist_ok=True)
    (home / link).symlink_to(elsewhere)
    desired = Desired(administrators={"alice": ("ssh-rsa AAAA",)})
    (said,) = obstacles(desired, node_io.Node(FakeRunner(), SystemFiles()).observe(desired))
    assert "symbolic link" in said


def test_keys_that_are_no_text_are_an_obstacle(home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "authorized_keys").write_bytes(b"\xff\xfe")
    desired = Desired(administrators={"alice": ()})
    (said,) = obstacles(desired, node_io.Node(FakeRunner(), SystemFiles()).observe(desired))
    assert "cannot be read" in said


def test_the_time_zone_is_read_from_the_link_and_set_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = tmp_path / "zoneinfo"
    (zones / "Europe").mkdir(parents=True)
    (zones / "Europe" / "Vienna").touch()
    monkeypatch.setattr(node_io, "ZONES", str(zones))
    monkeypatch.setattr(node_io, "LOCALTIME", str(tmp_path / "localtime"))
    node = node_io.Node(FakeRunner(), FakeFiles())
    assert node.observe(Desired(timezone="Europe/Vienna")).timezone == ""
    assert not node.observe(Desired(timezone="Mars/Base")).timezone_exists
    node.apply(Step("timezone", "the time zone", "Europe/Vienna"))
    assert node.observe(Desired(timezone="Europe/Vienna")).timezone == "Europe/Vienna"


def test_a_setting_is_read_with_single_spaces_and_one_that_is_not_there_has_no_value() -> None:
    desired = Desired(sysctl={"kernel.ostype": "Linux", "kernel.no_such_setting": "1"})
    found = node_io.Node(FakeRunner(), FakeFiles()).observe(desired).sysctl
    assert found["kernel.ostype"].value == "Linux"
    assert found["kernel.no_such_setting"].value is None


def test_a_step_that_fails_says_so() -> None:
    node = node_io.Node(FakeRunner(), FakeFiles())
    with pytest.raises(CommandFailed):
        node.apply(Step("restart", TIME_UNIT))
    with pytest.raises(FileNotFoundError):
        node.apply(Step("sysctl", "kernel.no_such_setting", "1"))


def test_a_file_is_written_whole_and_removed() -> None:
    files = FakeFiles()
    node = node_io.Node(FakeRunner(), files)
    node.apply(Step("write", HOSTS_FILE, "192.0.2.1 a\n"))
    assert files.files == {HOSTS_FILE: ("192.0.2.1 a\n", 0o644)}
    node.apply(Step("remove", HOSTS_FILE))
    assert files.files == {}
