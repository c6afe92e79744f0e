# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard of a change finds on the disk after a power cut, and what it makes of a token that it knows."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, List, Optional, Sequence

import pytest
from fakes import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface, Link, Observed, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.network_host import HostNetwork
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback import rollback_host as module
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.record import (
    Known,
    read_desired,
    read_known,
    read_late,
    write_known,
    write_late,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.rollback_host import Guard, Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

TOKEN = "a-token-that-nobody-else-has"


@dataclass
class Systemd:
    """Says that the timer is armed from the moment in which one is."""

    armed: bool = False
    starts: bool = True
    """Whether a timer that is asked for really waits."""
    units: List[str] = field(default_factory=list)
    scripts: List[str] = field(default_factory=list)
    """Those of the change that were run, by their paths."""

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        if argv[0] == "systemd-run":
            self.units += [word.partition("=")[2] for word in argv if word.startswith("--unit=")]
            self.armed = self.starts
        elif argv[0] == "/bin/sh":
            self.scripts.append(argv[1])
        return CommandResult(tuple(argv), 0, "active\n" if self.armed else "inactive\n", "")


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name, path in {"ROOT": "", "OPEN": "/open", "LOCK": "/lock", "LAST": "/last"}.items():
        monkeypatch.setattr(module, name, f"{tmp_path}{path}")
    return tmp_path


def start(systemd: Systemd, token: str = TOKEN) -> Any:
    def make(folder: str) -> Change:
        return Change(folder, Plan())

    beside = {"late.json": write_late([("192.0.2.1", "eth0")]), "desired.json": "{}", "backend": "networkd"}
    return Guard(systemd, SystemFiles(), FakeClock()).start(token, "root on here", 60, 1.0, make, beside)


def test_a_power_cut_that_took_the_name_of_the_change_leaves_a_host_that_can_be_changed(root):
    (root / "open").write_text("")
    record = start(Systemd())
    assert (root / "open").read_text() == f"{record.id}\n"


def test_a_change_that_is_under_way_keeps_the_next_one_out(root):
    systemd = Systemd()
    record = start(systemd)
    with pytest.raises(Refused, match=f"change {record.id} of root on here is pending") as refused:
        start(systemd, "another-token-of-somebody")
    assert refused.value.reason == "busy"


@pytest.mark.parametrize("unit", [module.ROLLBACK, module.SWITCH])
def test_a_second_controller_that_comes_while_the_first_begins_is_told_who_holds_it(root, unit):
    said: List[str] = []

    def second() -> None:
        guard = Guard(systemd, SystemFiles(), SystemClock())
        try:
            guard.clear()
            guard.start("another-token-of-somebody", "second on there", 60, 1.0, lambda folder: Change(folder, Plan()), {})
        except Refused as refused:
            said.append(f"{refused.reason}: {refused}")

    class Slow(Systemd):
        """Lets the rival have its way before the timer waits, or before the change begins."""

        def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
            if f"--unit={unit}" in argv:
                rival.start()
                rival.join(0.5)
            return super().run(argv, stdin=stdin, check=check)

    systemd, rival = Slow(), Thread(target=second)
    record = start(systemd)
    rival.join(20)
    assert len(said) == 1 and said[0].startswith(f"busy: change {record.id} of root on here is pending here")
    assert (root / "open").read_text() == f"{record.id}\n"
    assert systemd.units == [module.ROLLBACK, module.SWITCH] and systemd.scripts == []


def test_a_change_that_was_planned_before_another_one_was_confirmed_is_refused(root):
    """Its way back would give the host the files from before the other one."""
    systemd = Systemd()
    late = Guard(systemd, SystemFiles(), FakeClock())
    late.refuse_second()
    record = start(systemd)
    (root / record.id / "confirmed").touch()
    (root / "open").unlink()
    systemd.units, systemd.armed = [], False
    with pytest.raises(Refused, match=f"change {record.id} of root on here was made here while this one was being planned") as refused:
        late.start("another-token-of-somebody", "second on there", 60, 1.0, lambda folder: Change(folder, Plan()), {})
    assert refused.value.reason == "busy" and systemd.units == [] and not (root / "open").exists()
    late.refuse_second()
    late.start("another-token-of-somebody", "second on there", 60, 1.0, lambda folder: Change(folder, Plan()), {})
    assert systemd.units == [module.ROLLBACK, module.SWITCH]


def test_a_token_is_good_for_one_change_only(root):
    start(Systemd())
    (root / "open").unlink()
    before: List[str] = sorted(path.name for path in root.iterdir())
    with pytest.raises(Refused, match="was used for change .* of root on here") as refused:
        start(Systemd())
    assert refused.value.reason == "token"
    assert sorted(path.name for path in root.iterdir()) == before


def test_the_timer_that_rolls_the_change_back_is_started_before_what_changes_the_host(root):
    systemd = Systemd()
    start(systemd)
    assert systemd.units == [module.ROLLBACK, module.SWITCH]


def test_nothing_changes_the_host_when_that_timer_does_not_start(root):
    systemd = Systemd(starts=False)
    with pytest.raises(Refused) as refused:
        start(systemd)
    assert refused.value.reason == "timer"
    assert systemd.units == [module.ROLLBACK]
    assert not (root / "open").exists()


class Full(Systemd):
    """Has no room to start what it is asked for, from the unit ``full`` on."""

    full = module.ROLLBACK

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        answer = super().run(argv, stdin=stdin, check=check)
        if argv[0] == "systemd-run" and f"--unit={self.full}" in argv:
            return CommandResult(tuple(argv), 1, "", "Failed to start transient timer unit: No space left on device\n")
        return answer


@pytest.mark.parametrize("full", [module.ROLLBACK, module.SWITCH])
def test_where_systemd_cannot_start_a_timer_nothing_is_changed_and_it_is_said_why(root, monkeypatch, full):
    monkeypatch.setattr(module, "LEAST_ROOM", 1 << 60)
    systemd = Full()
    systemd.full = full
    with pytest.raises(Refused) as refused:
        start(systemd)
    assert refused.value.reason == "timer"
    assert "No space left on device. /run is full" in str(refused.value) and "Nothing was changed" in str(refused.value)
    if full == module.ROLLBACK:
        assert systemd.scripts == [] and not (root / "open").exists()
    else:
        (script,) = systemd.scripts
        assert script.endswith("/restore.sh")  # which ends the timer


@pytest.mark.parametrize(("runs", "said"), [(False, "systemd-networkd.service does not run"), (True, "systemd-networkd did not set up the network within")])
def test_a_service_that_does_not_set_up_the_network_is_named(runs, said):
    class Still(HostNetwork):
        def observe(self) -> Observed:
            return Observed({"eth0": Link("eth0", up=False)})

    class Unit(Systemd):
        def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
            return CommandResult(tuple(argv), 0 if runs else 3, "", "")

    wrong = Still(Unit(), SystemFiles(), FakeClock()).settled(Desired((Interface("eth0"),)), "networkd", frozenset())
    assert said in wrong and "would still need: ip link set dev eth0 up" in wrong


def test_who_takes_back_what_is_left_holds_the_lock_and_does_not_wait_for_it(root):
    class Real(Systemd):
        """Its shell is the real one."""

        def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
            return SystemRunner(timeout=20).run(argv, check=check) if argv[0] == "/bin/sh" else super().run(argv)

    systemd = Real()
    record = start(systemd)
    systemd.armed = False
    Guard(systemd, SystemFiles(), SystemClock()).clear()
    assert (root / record.id / "restored").exists()


UNREADABLE = {
    "missing": None,
    "empty": b"",
    "zeros": bytes(4096),
    "cut short": b'{"holder": "root on he',
    "not UTF-8": b"\xff\xfe{}",
    "nested": b"[" * 100_000,
    "a pipe": "pipe",
}
"""What a file may be after a power cut or a fault of the disk."""
OTHER = {
    "a list": b"[]",
    "without a token": b'{"boot_id": "x", "ends": 5}',
    "no number": b'{"token": "x", "boot_id": "x", "ends": "soon"}',
    "without end": b'{"token": "x", "boot_id": "x", "ends": 1e999}',
    "no steps": b'{"token": "x", "boot_id": "x", "ends": 5, "steps": [{}]}',
}
"""What another version may have written."""


def damage(path: Path, content: Any) -> None:
    path.unlink()
    if content == "pipe":
        os.mkfifo(path)
    elif content is not None:
        path.write_bytes(content)


@pytest.mark.parametrize("content", {**UNREADABLE, **OTHER}.values(), ids={**UNREADABLE, **OTHER}.keys())
def test_a_change_whose_record_cannot_be_read_is_taken_back_and_never_confirmed(root, content):
    systemd = Systemd()
    record = start(systemd)
    damage(root / record.id / "change.json", content)
    guard = Guard(systemd, SystemFiles(), FakeClock())
    assert guard.under_way().id == guard.last().id == record.id
    for ask in (lambda: guard.confirm(TOKEN, lambda: ""), lambda: guard.roll_back(TOKEN, "x")):
        with pytest.raises(Refused, match=f"^{root}/{record.id}/change.json.* is rolled back when its time is up") as refused:
            ask()
        assert refused.value.reason == "unreadable"
    with pytest.raises(Refused, match="is pending here"):
        start(systemd, "another-token-of-somebody")
    assert systemd.scripts == []
    systemd.armed = False  # after a boot no timer is left
    guard.clear()
    assert systemd.scripts == [f"{root}/{record.id}/restore.sh"]


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("file", ["late.json", "desired.json"])
def test_a_change_whose_checks_cannot_be_read_is_not_confirmed(root, file, content):
    systemd = Systemd()
    record = start(systemd)
    if file == "desired.json":
        (root / record.id / "late.json").write_text("[]")
    damage(root / record.id / file, content)
    network = HostNetwork(systemd, SystemFiles(), FakeClock())
    with pytest.raises(Refused, match=f"^{root}/{record.id}/{file}") as refused:
        network.going(TOKEN) if file == "desired.json" else network.confirm(TOKEN)
    assert refused.value.reason == "unreadable"
    network.guard.roll_back(TOKEN, "the controller wants so")
    assert systemd.scripts == [f"{root}/{record.id}/restore.sh"]


@pytest.mark.parametrize("content", [bytes(13), b"\xff\xfe", b"../..\n", b"0123\n"])
def test_a_change_whose_name_was_lost_is_found_by_its_scripts_and_taken_back(root, content):
    systemd = Systemd()
    record = start(systemd)
    for file in ("open", "last"):
        (root / file).write_bytes(content)
    guard = Guard(systemd, SystemFiles(), FakeClock())
    assert guard.last() is None and guard.under_way().id == record.id
    systemd.armed = False
    guard.clear()
    assert systemd.scripts == [f"{root}/{record.id}/restore.sh"]


def test_nonsense_that_names_no_change_keeps_nobody_out(root):
    (root / "open").write_bytes(bytes(13))
    assert start(Systemd()).phase == "started"


@given(st.builds(Known, st.text(), st.text(), st.text(), st.floats(0, 1e9), st.lists(st.text()).map(tuple)))
def test_a_record_reads_back_as_it_was_written(known):
    assert read_known(write_known(known), "change.json") == known


@given(st.lists(st.tuples(st.text(), st.text())).map(tuple))
def test_what_is_asked_late_reads_back_as_it_was_written(late):
    assert read_late(write_late(late), "late.json") == late


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_whatever_the_files_hold_is_read_or_refused_with_the_file(text):
    for reader in (read_known, read_late, read_desired):
        try:
            reader(text, "FILE")
        except BadText as error:
            assert str(error).startswith("FILE")
