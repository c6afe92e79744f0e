# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving a standby service to its other side: the sequence, the reasons to refuse it, and how it is undone.

This is the sequence in its smallest form: one controller, no fence token and no journal. It is planned from what is
observed, so running it again is the way to go on. An engine with tokens and a journal takes the same steps.
"""

from __future__ import annotations

from typing import List, Sequence

from .steps import Act, Observed, Pair, Running, Step


def target(desired: Pair, observed: Observed, wanted: str = "") -> str:
    """The side to move to: the one asked for, else the side that DNS does not name."""
    return wanted or (desired.other(observed.named) if observed.named in desired.hosts else desired.standby)


def refusals(desired: Pair, observed: Observed, to: str) -> List[str]:
    """Why the service cannot be moved to ``to`` now; empty when it can.

    A half-done move is no reason to refuse: the new side running while the old one is at rest is where a run that was
    interrupted before the DNS change left off.
    """
    if to not in desired.hosts:
        return [f"{to} is neither {desired.active} nor {desired.standby}"]
    if observed.named is None:
        return ["DNS names nobody yet: run site.yml first"]
    if observed.named not in desired.hosts:
        return [f"DNS names {observed.named}, which is neither {desired.active} nor {desired.standby}"]
    found = [f"it is not known whether the unit runs on {host}" for host in desired.hosts if observed.side(host).running is Running.UNKNOWN]
    if all(observed.side(host).running is Running.YES for host in desired.hosts):
        found.append(f"the unit runs on both hosts: stop it on one, or run site.yml, which keeps {observed.named}'s")
    return found


def sequence(desired: Pair, observed: Observed, to: str) -> List[Step]:
    """The steps that move the service to ``to``; call it only when there are no refusals.

    Invariant: stopped after any step, at most one side runs, and it is never started while the other is armed. DNS is
    changed only after the new side runs, by compare-and-swap from the old name. From every state that the sequence can
    leave behind, the sequence to either side has no refusals and ends with that side running and named.
    """
    old = desired.other(to)
    steps = [Step(Act.CHECK, to, why="both sides observed, one name in DNS")]
    if not observed.side(old).at_rest:
        steps.append(Step(Act.STOP, old, why="the old side lets go first"))
    if observed.side(to).running is not Running.YES or not observed.side(to).armed:
        steps.append(Step(Act.START, to, why="the old side is at rest"))
    if observed.named != to:
        steps.append(Step(Act.NAME, to, named=old, why="clients follow"))
    return [*steps, Step(Act.VERIFY, to, why="health on the node, and the name read back")]


def undo(done: Sequence[Step], old: str) -> List[Step]:
    """The steps that take back what was done, in reverse: the name, then the new side, then the old side again."""
    steps: List[Step] = []
    for step in reversed(done):
        if step.act is Act.NAME:
            steps.append(Step(Act.NAME, old, named=step.host, why="undo"))
        elif step.act is Act.START:
            steps.append(Step(Act.STOP, step.host, why="undo"))
        elif step.act is Act.STOP:
            steps.append(Step(Act.START, step.host, why="undo"))
    return steps
