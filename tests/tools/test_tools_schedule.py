# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lanes, budget, second tries and interruptions, with phases that only sleep for a moment; and the report of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, FrozenSet, List, Sequence, Tuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testing import report
from testing.breakdown import kind
from testing.choose import Drill
from testing.execute import LIMIT, Executor, Outcome
from testing.history import Change
from testing.memory import Memory, digests_of
from testing.phases import Lane, Phase
from testing.report import FAILED, FLAKY, LEFT_OUT, PASSED, Row
from testing.schedule import Budget, Schedule
from testing.turns import turn

MOMENT = 0.002


class Sleeper:
    """Runs phases that sleep and say that they took ``seconds``; those in ``failing`` fail so many times. Notes what ran at the same time."""

    def __init__(self, failing: Dict[str, int], stop_at: str = "", seconds: float = MOMENT) -> None:
        self.stopped = threading.Event()
        self.together: List[FrozenSet[str]] = []
        self.order: List[str] = []
        self._failing = dict(failing)
        self._stop_at = stop_at
        self._seconds = seconds
        self._running: Dict[str, Phase] = {}
        self._lock = threading.Lock()

    def run(self, phase: Phase, limit: float, attempt: str = "") -> Outcome:
        assert limit > 0
        with self._lock:
            self.order.append(phase.name)
            self._running[phase.name] = phase
            self.together.append(frozenset(f"{found.lane.value} {name}" for name, found in self._running.items()))
            self._failing[phase.name] = self._failing.get(phase.name, 0) - 1
            failed = self._failing[phase.name] >= 0
        time.sleep(MOMENT)
        if phase.name == self._stop_at:
            self.stopped.set()
        with self._lock:
            del self._running[phase.name]
        return Outcome(not failed and phase.name != self._stop_at, self._seconds, f"E   {phase.name} is wrong", self.stopped.is_set())


def phase(name: str, lane: Lane = Lane.LAB, core: bool = False) -> Phase:
    return Phase(name, (), (), lane, core)


def drill(name: str, lane: Lane = Lane.LAB) -> Drill:
    return Drill(phase(name, lane), Change(3, "abc1234", "A change"))


def ended(rows: Sequence[Row]) -> Dict[str, str]:
    return {row.name: row.result for row in rows}


lanes = st.sampled_from(list(Lane))
cores = st.lists(st.sampled_from([Lane.LAB, Lane.SOURCE]), max_size=5)


@given(cores, st.lists(lanes, max_size=6), st.dictionaries(st.integers(0, 10), st.integers(1, 2)), st.none() | st.integers(0, 10))
@settings(max_examples=60)
def test_each_phase_gets_one_row_and_nothing_runs_beside_one_that_must_be_alone(core, others, failing, stop) -> None:
    phases = [phase(f"p{index}", lane, True) for index, lane in enumerate(core)]
    drills = [drill(f"p{len(core) + index}", lane) for index, lane in enumerate(others)]
    runner = Sleeper({f"p{index}": times for index, times in failing.items()}, f"p{stop}")
    rows = Schedule(runner, phases, drills, Budget(), {}).run()
    assert [row.name for row in rows] == [f"p{index}" for index in range(len(core) + len(others))]
    for group in runner.together:
        assert len(group) == 1 or not any(name.startswith("alone") for name in group)
        assert len(group) <= 3 and sum(name.startswith("lab") for name in group) <= 2
    if not runner.stopped.is_set():
        for row in rows:
            lane = (*core, *others)[int(row.name[1:])]
            times = failing.get(int(row.name[1:]), 0)
            expected = PASSED if not times else FLAKY if times == 1 and lane is not Lane.SOURCE else FAILED
            assert row.result == expected


def test_the_whole_core_begins_before_any_drill_and_lanes_for_labs_help_with_the_source() -> None:
    all_three = threading.Barrier(3, timeout=30)

    class Meeting(Sleeper):
        def run(self, phase: Phase, limit: float, attempt: str = "") -> Outcome:
            if phase.core:
                all_three.wait()
            return super().run(phase, limit, attempt)

    phases = [phase(name, Lane.SOURCE, True) for name in ("sanity", "unit", "lint")]
    rows = Schedule(Meeting({}), phases, [drill("kill"), drill("fuzz", Lane.SOURCE)], Budget(), {}).run()
    assert {row.result for row in rows} == {PASSED}


def test_what_only_reads_the_source_is_never_run_again() -> None:
    runner = Sleeper({"lint": 1, "node": 1})
    schedule = Schedule(runner, [phase("lint", Lane.SOURCE, True), phase("node", core=True)], [], Budget(), {})
    rows = schedule.run()
    assert ended(rows) == {"lint": FAILED, "node": FLAKY}
    assert runner.order.count("lint") == 1 and runner.order.count("node") == 2
    assert schedule.outputs == {"lint": "E   lint is wrong", "node": "E   node is wrong"}
    assert report.counts(rows) == "1 passed, 1 failed, 0 skipped"


def test_what_was_stopped_because_it_took_too_long_is_not_run_again() -> None:
    runner = Sleeper({"node": 1}, seconds=LIMIT)
    rows = Schedule(runner, [], [drill("node", Lane.ALONE)], Budget(), {}).run()
    assert ended(rows) == {"node": FAILED} and runner.order == ["node"]


def test_the_core_runs_whole_and_drills_that_do_not_fit_are_named_with_their_change() -> None:
    runner = Sleeper({})
    drills = [drill("long"), drill("short")]
    rows = Schedule(runner, [phase("node", core=True)], drills, Budget(100), {"long": 101.0, "short": 50.0, "node": 1e6}).run()
    assert ended(rows) == {"node": PASSED, "long": LEFT_OUT, "short": PASSED}
    assert [row.note for row in rows] == ["", "abc1234 A change", ""]


def test_a_budget_that_is_not_strict_begins_any_drill_in_time() -> None:
    drills = [drill("long", Lane.ALONE), drill("short")]
    assert ended(Schedule(Sleeper({}), [], drills, Budget(100, strict=False), {"long": 1e6}).run()) == {"long": PASSED, "short": PASSED}
    assert ended(Schedule(Sleeper({}), [], drills, Budget(0), {}).run()) == {"long": LEFT_OUT, "short": LEFT_OUT}


def test_what_was_interrupted_is_neither_passed_nor_failed() -> None:
    rows = Schedule(Sleeper({}, stop_at="node"), [phase("node", core=True)], [drill("later", Lane.ALONE)], Budget(), {}).run()
    assert ended(rows) == {"node": LEFT_OUT, "later": LEFT_OUT}


def test_drills_are_remembered_while_their_inputs_are_the_same_and_the_core_is_not(tmp_path: Path) -> None:
    digests = {"kill": "k1", "move": "m1", "cut": "c1", "long": "l1"}
    memory = Memory(tmp_path, digests, "one")
    for row in (Row("node", PASSED, 20, core=True), Row("kill", FAILED, 9), Row("move", FLAKY, 8), Row("cut", PASSED, 7), Row("long", LEFT_OUT)):
        memory.keep(row)
    assert memory.seconds() == {"node": 20, "cut": 7}
    assert ended(memory.results()) == {"cut": PASSED, "kill": FAILED, "move": FLAKY}
    later = Memory(tmp_path, {**digests, "kill": "k2"}, "two")
    assert later.results() == [Row("cut", PASSED, 7, note="(at one)"), Row("move", FLAKY, 8, note="(at one)")]
    assert later.seconds() == memory.seconds()
    for path in tmp_path.glob("*.json"):
        path.write_text("half a li", encoding="utf-8")
    assert memory.seconds() == {} and memory.results() == []


def test_what_passed_with_the_fixed_seed_is_not_explored_and_counts_for_what_has_no_seed(tmp_path: Path) -> None:
    drills = [Phase("fuzz", (), (), Lane.SOURCE, seed="--seed=1"), Phase("lab", (), ())]
    inputs = {"fuzz": "f", "lab": "l"}
    fixed = Memory(tmp_path, digests_of(drills, inputs, False), "one")
    explored = Memory(tmp_path, digests_of(drills, inputs, True), "one")
    for phase in drills:
        fixed.keep(Row(phase.name, PASSED, 7))
    assert [row.name for row in fixed.results()] == ["fuzz", "lab"]
    assert [row.name for row in explored.results()] == ["lab"]
    explored.keep(Row("fuzz", PASSED, 8))
    assert [row.name for row in explored.results()] == ["fuzz", "lab"]


def executor(tmp_path: Path, environment: Path) -> Executor:
    return Executor(tmp_path, tmp_path / "report", str(tmp_path), lambda purpose: str(environment))


def test_a_phase_runs_until_a_command_fails_and_then_cleans_up(tmp_path: Path) -> None:
    commands: Tuple[Tuple[str, ...], ...] = (("echo", "{environment}"), ("false",), ("echo", "never"))
    outcome = executor(tmp_path, Path("/env")).run(Phase("x:y", commands, (), cleanup=(("echo", "cleaned"),)), attempt=".1")
    assert not outcome.passed and not outcome.interrupted
    assert outcome.text == "$ echo /env\n/env\n$ false\n$ echo cleaned\ncleaned\n"
    assert (tmp_path / "report/logs/x:y.1.log").read_text(encoding="utf-8") == outcome.text
    case = ElementTree.parse(tmp_path / "report/junit/x:y.1.xml").find(".//testcase")
    assert case is not None and case.get("name") == "x:y" and case.find("failure") is not None


@pytest.mark.parametrize(("explore", "text"), [(False, "$ echo x --seed=1\nx --seed=1\n"), (True, "$ echo x\nx\n")])
def test_chance_chooses_the_inputs_only_of_a_run_that_explores(tmp_path: Path, explore: bool, text: str) -> None:
    runner = executor(tmp_path, Path("/env"))
    runner.explore = explore
    assert runner.run(Phase("x", (("echo", "x"),), (), seed="--seed=1")).text == text


@pytest.mark.parametrize("how", ["limit", "stop"])
def test_a_phase_that_is_stopped_ends_with_all_its_processes(tmp_path: Path, how: str) -> None:
    runner = executor(tmp_path, Path("/env"))
    script = f"trap 'echo went; exit 1' INT; (while :; do sleep 0.05; date +%N > {tmp_path}/alive; done) & wait"
    phase_ = Phase("x", (("bash", "-c", script),), ())
    if how == "stop":
        threading.Timer(1.0, runner.stopped.set).start()
    outcome = runner.run(phase_, 1.0 if how == "limit" else math.inf)
    assert outcome.interrupted and not outcome.passed
    assert "went" in outcome.text
    time.sleep(0.3)
    before = (tmp_path / "alive").read_text(encoding="utf-8")
    time.sleep(0.3)
    assert (tmp_path / "alive").read_text(encoding="utf-8") == before


def test_runs_that_use_the_same_lab_take_turns_whichever_checkout_they_are_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def at_once(lane: Lane) -> List[bool]:
        script = f"mkdir {tmp_path}/lab || exit 1; sleep 1; rmdir {tmp_path}/lab"
        phase_ = Phase("x", (("bash", "-c", script),), ("molecule/node/",), lane)
        runners = [Executor(tmp_path, tmp_path / f"report{number}", str(tmp_path), lambda purpose: "/env") for number in range(2)]
        with ThreadPoolExecutor(2) as pool:
            return [outcome.passed for outcome in pool.map(lambda runner: runner.run(phase_), runners)]

    assert at_once(Lane.LAB) == [True, True]
    assert "x waits: another run uses its lab" in capsys.readouterr().out
    assert False in at_once(Lane.SOURCE)


def test_what_a_killed_runner_left_behind_keeps_its_lab_until_it_is_over(tmp_path: Path) -> None:
    lock = tmp_path / "locks/molecule-node.lock"
    stopped = threading.Event()
    with turn(lock, math.inf, stopped, stopped.set) as descriptor:
        assert descriptor is not None
        left_behind = subprocess.Popen(["sleep", "0.5"], pass_fds=[descriptor])
    runner = executor(tmp_path, Path("/env"))
    outcome = runner.run(Phase("x", (("true",),), ("molecule/node/",)), 0.1)
    assert not outcome.passed and outcome.interrupted and "another run uses its lab" in outcome.text
    assert runner.run(Phase("x", (("true",),), ("molecule/node/",))).passed
    assert left_behind.wait() == 0


def test_a_second_run_in_the_same_checkout_is_refused() -> None:
    """Whether the first is this test's, or the one that this test is part of."""
    script = Path(__file__).resolve().parents[2] / "tools/test.py"
    with turn(script.parents[1] / "build" / "test.lock", time.monotonic(), threading.Event(), lambda: None):
        second = subprocess.run([sys.executable, script, "lint"], check=False, capture_output=True, text=True)
    assert second.returncode == 2 and not second.stdout
    assert second.stderr.startswith("Another run of the tests uses this checkout")


def test_the_junit_file_of_a_phase_holds_what_pytest_wrote(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text('<testsuites><testsuite name="pytest" tests="2"><testcase name="test_a"/></testsuite></testsuites>', encoding="utf-8")
    report.write_junit(path, "unit", False, 1.5, "E   a\x00b\x1b[31m")
    names = [suite.get("name") for suite in ElementTree.parse(path).getroot()]
    assert names == ["pytest", "unit"]
    assert "E   a?b?[31m" in path.read_text(encoding="utf-8")


def test_the_table_names_every_phase_and_the_page_is_made_of_text_only(tmp_path: Path) -> None:
    rows = [Row("node", PASSED, 20.4, 0, "", True), Row("kill", LEFT_OUT, note="abc <script>"), Row("move", FLAKY, 30, 20, "failed first")]
    shown = report.table(rows, 50.0).splitlines()
    assert [line.split() for line in shown[1:]] == [
        ["node", "passed", "20"],
        ["kill", "left", "out", "0", "abc", "<script>"],
        ["move", "flaky", "30", "failed", "first"],
        ["the", "core", "20"],
        ["the", "drills,", "added", "up", "30"],
        ["this", "run", "50"],
    ]
    for name in ("node", "move"):
        (tmp_path / "logs").mkdir(exist_ok=True)
        (tmp_path / f"logs/{name}.log").write_text("", encoding="utf-8")
    report.write(tmp_path, [*rows, Row("cut", PASSED, 40, note="(at one)")], 50.0, "abc1234")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "abc &lt;script&gt;" in page and page.count("class=bar") == page.count("<a href") == 2
    assert json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["phases"][2]["result"] == "flaky"


def test_the_reasons_are_the_last_ones_and_none_is_long() -> None:
    text = "\n".join([f"E   {number}" for number in range(100)] + ["fatal: " + "x" * 1000, "E   99"])
    found = list(report.reasons(text))
    assert len(found) == report.MOST and found[0] == "E   71" and len(found[-1]) == report.LONGEST
    assert list(report.reasons("one\ntwo")) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "command", "on_node", "expected"),
    [
        ("ansible-playboo", "/env/bin/python /env/bin/ansible-playbook x.yml", False, "controller"),
        ("python3", "/usr/bin/python3", True, "modules"),
        ("dpkg", "dpkg --configure -a", True, "packages"),
        ("apt-get", "apt-get update", False, "packages"),
        ("systemd", "/lib/systemd/systemd", True, "boot"),
        ("named", "/usr/sbin/named -f", True, "nodes"),
        ("qemu-system-x86", "qemu-system-x86_64 -m 128", True, "emulation"),
        ("mypy", "/env/bin/python /env/bin/mypy plugins", False, "source"),
        ("kworker/0:1", "", False, "kernel"),
        ("bash", "bash", False, "other"),
    ],
)
def test_a_process_counts_as_the_kind_of_work_that_it_does(name: str, command: str, on_node: bool, expected: str) -> None:
    assert kind(name, command, on_node) == expected
