# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs phases in lanes until all are done or the time is used, and those that failed in a lab once more."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from .choose import Drill, next_drill
from .execute import LIMIT, Outcome
from .phases import Lane, Phase
from .report import FAILED, FLAKY, LEFT_OUT, PASSED, Row

LANES = (Lane.LAB, Lane.LAB, Lane.SOURCE)
GRACE = 15 * 60.0
"""Seconds after the end of the budget until which a drill that was begun in time may go on, and failures are begun again."""
LAST = 25 * 60.0
"""Seconds after the end of the budget when everything ends."""


class Runner(Protocol):
    """What runs one phase; ``stopped`` is set when the user wants an end."""

    stopped: threading.Event

    def run(self, phase: Phase, limit: float, attempt: str = "") -> Outcome:
        """Run a phase for ``limit`` seconds at most."""


@dataclass(frozen=True)
class Budget:
    """How long drills are begun, in seconds. ``strict``: only those that are expected to end by then."""

    seconds: float = math.inf
    strict: bool = True


class Schedule:
    """One run: the core whole, then drills while the budget lasts.

    ``expected`` maps names of phases to seconds; ``ended`` is called with each row as soon as it is known.

    Invariant: every phase gets exactly one row, also when the run is stopped, and nothing runs beside a phase that must run alone.
    """

    def __init__(
        self,
        runner: Runner,
        core: Sequence[Phase],
        drills: Sequence[Drill],
        budget: Budget,
        expected: Mapping[str, float],
        ended: Callable[[Row], None] = lambda row: None,
    ) -> None:
        self._runner = runner
        self._core = list(core)
        self._drills = list(drills)
        self._budget = budget
        self._expected = expected if budget.strict else {drill.phase.name: 0.0 for drill in drills}
        self._ended = ended
        self._order = [phase.name for phase in (*core, *(drill.phase for drill in drills))]
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._rows: Dict[str, Row] = {}
        self._failed: List[Tuple[Phase, Row]] = []
        self.outputs: Dict[str, str] = {}
        """What the phases printed that failed, the first time."""

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def run(self) -> List[Row]:
        """Run everything; return the rows of the core in its order, then those of the drills in theirs."""
        with ThreadPoolExecutor(len(LANES)) as pool:
            list(pool.map(self._work, LANES))
        self._work(Lane.ALONE)
        for phase, row in self._failed:
            self._run_again(phase, row)
        for phase in self._core:
            self._rows[phase.name] = Row(phase.name, LEFT_OUT, note="interrupted", core=True)
        for drill in self._drills:
            self._rows[drill.phase.name] = Row(drill.phase.name, LEFT_OUT, note=f"{drill.change.commit} {drill.change.subject}".strip())
        return sorted(self._rows.values(), key=lambda row: self._order.index(row.name))

    def _work(self, lane: Lane) -> None:
        """What one lane does until nothing is left that it may start."""
        while not self._runner.stopped.is_set():
            phase = self._next(lane)
            if phase is None:
                return
            self._run(phase)

    def _next(self, lane: Lane) -> Optional[Phase]:
        """What a lane starts next. One for labs helps with what only reads the source when nothing else is left for it."""
        with self._lock:
            kinds = (Lane.LAB, Lane.SOURCE) if lane is Lane.LAB else (lane,)
            for kind in kinds:
                index = next((index for index, phase in enumerate(self._core) if phase.lane is kind), -1)
                if index >= 0:
                    return self._core.pop(index)
            for kind in kinds:
                index = next_drill(self._drills, kind, self._budget.seconds - self.elapsed, self._expected)
                if index >= 0:
                    return self._drills.pop(index).phase
            return None

    def _run(self, phase: Phase) -> None:
        started = self.elapsed
        self._say(f"{phase.name} begins")
        limit = LIMIT if phase.core else min(LIMIT, self._budget.seconds + GRACE - started)
        outcome = self._runner.run(phase, limit)
        result = PASSED if outcome.passed else LEFT_OUT if outcome.interrupted else FAILED
        row = Row(phase.name, result, outcome.seconds, started, "interrupted" if result == LEFT_OUT else "", phase.core)
        with self._lock:
            self._rows[phase.name] = row
            self._ended(row)
            if result == FAILED:
                self.outputs[phase.name] = outcome.text
                self._failed.append((phase, row))
            print(f"{outcome.text}\n" if result == FAILED else "", end="")
            self._say(f"{phase.name}: {result} after {outcome.seconds:.0f} s")

    def _run_again(self, phase: Phase, row: Row) -> None:
        """A phase in a lab that failed runs once more, with nothing beside it. If it passes then, it is flaky.

        One that was stopped because it took too long would only take as long again.
        """
        hung = row.seconds >= LIMIT
        if not phase.repeatable or hung or self._runner.stopped.is_set() or self.elapsed > self._budget.seconds + GRACE:
            return
        self._say(f"{phase.name} begins once more, alone")
        outcome = self._runner.run(phase, min(LIMIT, self._budget.seconds + LAST - self.elapsed), ".again")
        if outcome.interrupted:
            return
        self._say(f"{phase.name}: {'passed' if outcome.passed else 'FAILED'} after {outcome.seconds:.0f} s, alone")
        note = "failed first, then passed alone" if outcome.passed else "failed twice"
        again = Row(phase.name, FLAKY if outcome.passed else FAILED, row.seconds, row.started, note, row.core)
        self._rows[phase.name] = again
        self._ended(again)

    def _say(self, text: str) -> None:
        print(f"[{self.elapsed:5.0f} s] {text}", flush=True)
