# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order drills run, and whether one more fits into the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import AbstractSet, List, Mapping, Sequence

from .history import UNKNOWN, Change
from .phases import Lane, Phase

UNMEASURED = 240.0
"""Seconds that a phase is taken to need before it has been measured here."""


@dataclass(frozen=True)
class Drill:
    """A phase that runs while there is time, and the newest change of its inputs."""

    phase: Phase
    change: Change


def ranked(phases: Sequence[Phase], inputs: Mapping[str, AbstractSet[str]], changes: Mapping[str, Change]) -> List[Drill]:
    """The phases in the order in which they run: those first whose inputs changed last.

    Of several with the same change those in a lab come first, which are the real thing, and of these the one with the fewest inputs, since
    it says most about them. Deterministic.
    """
    drills = [Drill(phase, min((changes.get(path, UNKNOWN) for path in inputs[phase.name]), default=UNKNOWN)) for phase in phases]
    return sorted(drills, key=lambda drill: (drill.change, not drill.phase.repeatable, len(inputs[drill.phase.name]), drill.phase.name))


def next_drill(waiting: Sequence[Drill], lane: Lane, seconds_left: float, expected: Mapping[str, float]) -> int:
    """Index of the first drill of ``waiting`` that may start now in that lane, -1 for none.

    A drill that must run alone has to wait for the lanes; the time of each that stands before another is kept for it.
    """
    kept = 0.0
    for index, drill in enumerate(waiting):
        seconds = expected.get(drill.phase.name, UNMEASURED)
        if drill.phase.lane is lane and kept + seconds <= seconds_left:
            return index
        if drill.phase.lane is Lane.ALONE and kept + seconds <= seconds_left:
            kept += seconds
    return -1
