# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a rollback that is killed in the middle. The drill of it is in molecule/network."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field, replace
from subprocess import Popen, run
from typing import Dict, List, Optional, Sequence

import pytest
from fakes import FakeClock

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback import rollback_host as module
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.record import read_known, write_known
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.rollback_host import Guard, Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.scripts import WATCH, scripts
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

from .test_network_guard_files import TOKEN, Systemd, root, start

__all__ = ["root"]


@dataclass
class Listening(Systemd):
    """Remembers whether each unit is begun again when it was killed, and why each rollback was run."""

    again: Dict[str, bool] = field(default_factory=dict)
    reasons: List[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        answer = super().run(argv, stdin=stdin, check=check)
        if argv[0] == "systemd-run":
            self.again[self.units[-1]] = "--property=Restart=on-abnormal" in argv
        elif argv[0] == "/bin/sh":
            self.reasons.append(argv[2])
        return answer


def test_a_rollback_that_is_killed_is_begun_again_and_the_change_is_not(root):
    systemd = Listening()
    start(systemd)
    assert systemd.again == {module.ROLLBACK: True, module.SWITCH: False}


@pytest.mark.parametrize(
    ("begun", "boot", "reason"),
    [
        (False, "", "its timer was stopped, by a program or by hand"),
        (True, "", "its rollback did not end"),
        (True, "another", "its node was switched off before it was confirmed"),
    ],
)
def test_what_is_left_of_a_change_is_rolled_back_with_the_reason_why_it_was_left(root, begun, boot, reason):
    systemd = Listening()
    known = root / start(systemd).id / "change.json"
    if begun:
        (known.parent / "reason").write_text("nobody confirmed it within 60 s")
    if boot:
        known.write_text(write_known(replace(read_known(known.read_text(), "change.json"), boot_id=boot)))
    systemd.armed = False
    Guard(systemd, SystemFiles(), FakeClock()).clear()
    assert systemd.reasons == [reason]


def test_a_change_whose_timer_was_stopped_is_not_confirmed_and_whoever_began_it_can_roll_it_back(root):
    systemd = Listening()
    (root / start(systemd).id / "applied").touch()
    systemd.armed = False
    guard = Guard(systemd, SystemFiles(), FakeClock())
    with pytest.raises(Refused, match="was stopped, by a program or by hand, so it cannot be confirmed") as refused:
        guard.confirm(TOKEN, lambda: "")
    assert refused.value.reason == "unwatched" and systemd.reasons == []
    with pytest.raises(Refused, match="This is not the token"):
        guard.roll_back("another-token-of-somebody", "a mistake")
    guard.roll_back(TOKEN, "the controller did not confirm it")
    assert systemd.reasons == ["the controller did not confirm it"]


@dataclass
class Reexecuted(Listening):
    """Does not answer for some turns."""

    silent: int = 0

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        answer = super().run(argv, stdin=stdin, check=check)
        if "is-active" not in argv or not self.silent:
            return answer
        self.silent -= 1
        return CommandResult(tuple(argv), 1, "", "Failed to retrieve unit state: Connection reset by peer")


def test_a_systemd_that_does_not_answer_for_a_moment_does_not_end_the_change(root):
    """As while it is executed again (systemctl daemon-reexec)."""
    systemd = Reexecuted()
    record = start(systemd)
    systemd.silent = 3
    guard = Guard(systemd, SystemFiles(), FakeClock())
    assert guard.demand(TOKEN).id == record.id
    systemd.silent = 1000
    for attempt in (guard.clear, guard.refuse_second):
        with pytest.raises(Refused, match="systemd does not say whether .* waits: Failed to retrieve unit state") as refused:
            attempt()
        assert refused.value.reason == "timer"
    assert systemd.reasons == []


WATCHED = """
case "$*" in *is-active*) ;; *) exit 0 ;; esac
{states}
"""


@pytest.mark.parametrize(
    ("states", "ends"),
    [
        ("printf 'inactive\\ninactive\\n'", ["restored: its timer was stopped, by a program or by hand"]),
        ("printf 'inactive\\nfailed\\n'; echo 'it ran' > reason", ["restored: it ran"]),
        ("printf 'inactive\\nactivating\\n'; touch restored", []),
        ("echo Failed to connect to bus: inactive >&2; [ -e asked ] && touch confirmed; touch asked", []),
        ("if [ -e asked ]; then echo active; touch restored; else echo inactive; touch asked; fi", []),
    ],
    ids=["stopped", "failed", "at work", "unknown for a moment", "between the timer and what it starts"],
)
def test_a_change_whose_timer_was_stopped_goes_back_by_itself(tmp_path, states, ends):
    """The first answer of systemd that says nothing, or only once that nothing waits, does not count."""
    programs, folder = tmp_path / "bin", tmp_path / "change"
    programs.mkdir()
    folder.mkdir()
    (programs / "systemctl").write_text("#!/bin/sh\n" + WATCHED.format(states=states))
    (programs / "systemctl").chmod(0o755)
    (folder / "restore.sh").write_text('echo "restored: $1"; touch restored\n')
    text = scripts(Change(str(folder), Plan()), "boot", 60)[WATCH]
    (folder / WATCH).write_text(text.replace("PATH=", f"PATH={programs}:"))
    done = run(["sh", str(folder / WATCH)], capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout.splitlines() == ends, done


def test_what_watches_over_a_timer_ends_without_a_failure_when_it_is_stopped(tmp_path):
    programs, folder = tmp_path / "bin", tmp_path / "change"
    programs.mkdir()
    folder.mkdir()
    (programs / "systemctl").write_text("#!/bin/sh\ntouch asked\necho active\n")
    (programs / "systemctl").chmod(0o755)
    (folder / "restore.sh").write_text("touch restored\n")
    text = scripts(Change(str(folder), Plan()), "boot", 60)[WATCH]
    (folder / WATCH).write_text(text.replace("PATH=", f"PATH={programs}:"))
    watching = Popen(["sh", str(folder / WATCH)], start_new_session=True)
    while not (folder / "asked").exists():
        assert watching.poll() is None
    os.killpg(watching.pid, signal.SIGTERM)  # as systemd does: all processes of the unit
    assert watching.wait(20) == 0 and not (folder / "restored").exists()
