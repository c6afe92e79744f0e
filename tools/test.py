# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the tests in phases and ends with a table of them.

Without arguments the core runs, and then drills until the budget is used: those first whose inputs changed last. With --drills all
drills run that have not run yet with the inputs that they have now, and property tests and the fuzzer try other values than in earlier
runs; without it they try the same ones each time, so that nothing fails by chance. With names just those phases run. A phase in a lab
that fails runs once more, alone.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import AbstractSet, List, Mapping, Sequence

from testing import breakdown, history, report
from testing.choose import Drill, ranked
from testing.execute import Environments, Executor, other_cores
from testing.inputs import inputs
from testing.memory import Memory, digests_of
from testing.phases import Phase, named, phases
from testing.schedule import Budget, Schedule
from testing.turns import turn

ROOT = Path(__file__).resolve().parents[1]
CACHE = os.environ.get("SMALLFLEET_CACHE", "/var/cache/smallfleet")
FOLDER = ROOT / "build" / "test-report"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("phase", nargs="*", help="run these only; 'molecule' is the scenario of every role, 'network' all of that scenario")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="begin no drill that would end later")
    parser.add_argument("--drills", action="store_true", help="run all drills but those that ran before with the inputs that they have now")
    parser.add_argument("--list", action="store_true", help="print the phases in the order in which they would run, and why")
    parser.add_argument("--profile", action="store_true", help="run one phase at a time and print where the processors' time went")
    parser.add_argument("--repeat", type=int, metavar="N", help="run each phase N times and print how often it passed, and its times")
    return parser.parse_args()


def drills(every_phase: Sequence[Phase], used: Mapping[str, AbstractSet[str]]) -> List[Drill]:
    """The phases that are no part of the core, in their order. ``used`` maps them to their inputs."""
    return ranked([phase for phase in every_phase if not phase.core], used, history.changes(ROOT))


def show(core: Sequence[Phase], rest: Sequence[Drill]) -> None:
    """Print the phases in their order, the drills with the change that puts them there."""
    for phase in core:
        print(f"{phase.name:<28}core")
    for drill in rest:
        print(f"{drill.phase.name:<28}{drill.change.commit or '-':<10}{drill.change.subject}")


def repeat(executor: Executor, chosen: Sequence[Phase], times: int) -> int:
    """Run each phase ``times`` times; print how often it passed and the spread of its time."""
    failures = 0
    for phase in chosen:
        outcomes = []
        for number in range(1, times + 1):
            outcome = executor.run(phase, attempt=f".{number}")
            if outcome.interrupted:
                break
            outcomes.append(outcome)
            print(f"{phase.name} {number}: {'passed' if outcome.passed else 'FAILED'} after {outcome.seconds:.0f} s", flush=True)
            if not outcome.passed:
                print(*report.reasons(outcome.text), sep="\n", flush=True)
        failed = sum(not outcome.passed for outcome in outcomes)
        failures += failed
        spread = sorted(outcome.seconds for outcome in outcomes) or [0.0]
        times_text = f"min {spread[0]:.0f} s, median {median(spread):.0f} s, max {spread[-1]:.0f} s"
        print(f"{phase.name}: {len(outcomes) - failed} passed, {failed} failed of {times}; {times_text}")
    return 1 if failures or executor.stopped.is_set() else 0


def profile(executor: Executor, chosen: Sequence[Phase]) -> int:
    """Run each phase alone under the sampler; print the table."""
    measured, failed = [], 0
    for phase in chosen:
        if executor.stopped.is_set():
            break
        with breakdown.Sampler() as sampler:
            outcome = executor.run(phase)
        failed += not outcome.passed
        print(f"{phase.name}: {'passed' if outcome.passed else 'FAILED'} after {outcome.seconds:.0f} s", flush=True)
        measured.append((phase.name, outcome.seconds, sampler.shares()))
    print(breakdown.breakdown(measured))
    return 1 if failed else 0


def finish(schedule: Schedule, rows: Sequence[report.Row], earlier: Sequence[report.Row], state: str) -> int:
    """Write the report, print why phases failed and the table; return the exit status."""
    total = schedule.elapsed
    all_rows = [*earlier, *rows]
    report.write(FOLDER, all_rows, total, state)
    for name, text in schedule.outputs.items():
        print(f"\n===== why {name} failed =====", *report.reasons(text), sep="\n")
    print(f"\n{report.table(all_rows, total)}\n\nreport: {FOLDER}/index.html\n\n{report.counts(all_rows)}", flush=True)
    return 1 if any(row.result == report.FAILED for row in all_rows) else 0


def main() -> int:
    """Run what the arguments say, unless another run uses the same checkout: both would write the same report."""
    options = arguments()
    if options.list:
        return run(options)
    lock = ROOT / "build" / "test.lock"
    with turn(lock, time.monotonic(), threading.Event(), lambda: None) as descriptor:
        if descriptor is not None:
            return run(options)
    print(f"Another run of the tests uses this checkout ({lock} is locked). Wait for its end, or take another clone.", file=sys.stderr)
    return 2


def run(options: argparse.Namespace) -> int:
    tree = history.tree(ROOT)
    every_phase = phases(tree, other_cores(ROOT))
    try:
        chosen = named(every_phase, options.phase) if options.phase else every_phase
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    used = {phase.name: inputs(tree, phase.roots) for phase in chosen if not phase.core}
    rest = drills(chosen, used)
    core = [] if options.drills else [phase for phase in chosen if phase.core]
    if options.list:
        show(core, rest)
        return 0
    state = history.state(ROOT)
    digests = digests_of([phase for phase in chosen if not phase.core], history.digests(ROOT, used), options.drills)
    memory = Memory(Path(CACHE), digests, state)
    shutil.rmtree(FOLDER, ignore_errors=True)
    executor = Executor(ROOT, FOLDER, CACHE, Environments(ROOT), live=len(chosen) == 1 and not options.repeat, explore=options.drills)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: executor.stopped.set())
    if options.repeat or options.profile:
        runs = [*core, *(drill.phase for drill in rest)]
        return repeat(executor, runs, options.repeat) if options.repeat else profile(executor, runs)
    earlier = []
    if options.drills:
        names = {drill.phase.name for drill in rest}
        earlier = [row for row in memory.results() if row.name in names]
        rest = [drill for drill in rest if drill.phase.name not in {row.name for row in earlier}]
    budget = Budget(math.inf if options.budget is None else options.budget * 60, strict=not options.drills)
    schedule = Schedule(executor, core, rest, budget, memory.seconds(), memory.keep)
    rows = schedule.run()
    return finish(schedule, rows, earlier, state)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failure:
        print(f"setting up failed: {failure}", file=sys.stderr)
        sys.exit(1)
