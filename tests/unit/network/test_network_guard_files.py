# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard of a change finds on the disk after a power cut, and what it makes of a token that it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Thread
from typing import Any, List, Optional, Sequence

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard import Change
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.model import Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._io.clock import FakeClock, SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._io.command import CommandResult
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import SystemFiles
from ansible_collections.smallfleet.infra.plugins.module_utils._io.network import guard as module
from ansible_collections.smallfleet.infra.plugins.module_utils._io.network.guard import Guard, Refused

TOKEN = "a-token-that-nobody-else-has"


@dataclass
class Systemd:
    """Says that the timer is armed from the moment in which one is."""

    armed: bool = False
    starts: bool = True
    """Whether a timer that is asked for really waits."""
    units: List[str] = field(default_factory=list)
    scripts: List[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        if argv[0] == "systemd-run":
            self.units += [word.partition("=")[2] for word in argv if word.startswith("--unit=")]
            self.armed = self.starts
        if argv[0] == "/bin/sh":
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

    return Guard(systemd, SystemFiles(), FakeClock()).start(token, "root on here", 60, 1.0, make, {})


def test_a_power_cut_that_took_the_name_of_the_change_leaves_a_host_that_can_be_changed(root):
    (root / "open").write_text("")
    record = start(Systemd())
    assert (root / "open").read_text() == f"{record.id}\n"


def test_a_change_that_is_under_way_keeps_the_next_one_out(root):
    systemd = Systemd()
    record = start(systemd)
    with pytest.raises(Refused, match=f"change {record.id} of root on here is under way") as refused:
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
    assert len(said) == 1 and said[0].startswith(f"busy: change {record.id} of root on here is under way here")
    assert (root / "open").read_text() == f"{record.id}\n"
    assert systemd.units == [module.ROLLBACK, module.SWITCH] and systemd.scripts == []


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
