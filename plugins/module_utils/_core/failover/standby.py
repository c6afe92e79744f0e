# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which side of a standby service shall run, and in which order to get there."""

from __future__ import annotations

from typing import List

from .steps import Act, Observed, Pair, Running, Step


def plan(desired: Pair, observed: Observed) -> List[Step]:
    """The steps from what is observed to one running service on the host that DNS names.

    Invariant: carried out in order, and stopped after any of them, the steps never leave two running units where there
    were not two before, and never a running unit on a side while the other is armed or unknown. In particular:

    - the host that DNS names is the active one; the inventory's ``active`` counts only while DNS names nobody, and is
      then entered first, with the absence of the record as prerequisite;
    - a start is planned only when the other side was observed stopped and disarmed, or is stopped by an earlier step
      whose host was observed; *unknown* is never taken for stopped;
    - a name in DNS that is neither side is somebody else's decision: nothing is changed.

    A step HOLD says why the plan ends early. A plan without steps means that nothing is to be done.
    """
    if observed.named is not None and observed.named not in desired.hosts:
        return [Step(Act.HOLD, desired.active, why=f"DNS names {observed.named}, which is neither side")]
    steps: List[Step] = []
    active = observed.named
    if active is None:
        active = desired.active
        steps.append(Step(Act.NAME, active, named=None, why="DNS names nobody yet"))
    other = desired.other(active)
    here, there = observed.side(active), observed.side(other)
    if there.running is not Running.UNKNOWN and not there.at_rest:
        steps.append(Step(Act.STOP, other, why=f"DNS names {active}"))
    if here.running is Running.YES:
        if not here.armed:
            steps.append(_start_or_hold(active, other, there.running, "it would not run again after a boot"))
    elif here.running is Running.NO:
        steps.append(_start_or_hold(active, other, there.running, "DNS names it"))
    else:
        steps.append(Step(Act.HOLD, active, why=f"it is not known whether the unit runs on {active}"))
    return steps


def _start_or_hold(active: str, other: str, other_runs: Running, why: str) -> Step:
    if other_runs is Running.UNKNOWN:
        return Step(Act.HOLD, active, why=f"it is not known whether the unit runs on {other}")
    return Step(Act.START, active, why=why)
