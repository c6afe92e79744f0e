# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a rollback that is killed in the middle. The drill of it is in molecule/network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, List, Optional, Sequence

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_record import read_known, write_known
from ansible_collections.smallfleet.infra.plugins.module_utils._io.clock import FakeClock
from ansible_collections.smallfleet.infra.plugins.module_utils._io.command import CommandResult
from ansible_collections.smallfleet.infra.plugins.module_utils._io.files import SystemFiles
from ansible_collections.smallfleet.infra.plugins.module_utils._io.network import guard as module
from ansible_collections.smallfleet.infra.plugins.module_utils._io.network.guard import Guard

from .test_network_guard_files import Systemd, root, start

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


@pytest.mark.parametrize(("boot", "reason"), [("", "its rollback did not end"), ("another", "its node was switched off before it was confirmed")])
def test_what_is_left_of_a_change_is_rolled_back_and_the_reason_says_whether_the_host_was_switched_off(root, boot, reason):
    systemd = Listening()
    known = root / start(systemd).id / "change.json"
    if boot:
        known.write_text(write_known(replace(read_known(known.read_text(), "change.json"), boot_id=boot)))
    systemd.armed = False
    Guard(systemd, SystemFiles(), FakeClock()).clear()
    assert systemd.reasons == [reason]
