# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._failover import switch_over
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.standby import plan
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.steps import Act, Observed, Pair, Running, Side, Step

PAIR = Pair("app1", "app2")
REST = Side(Running.NO, False)
LIVE = Side(Running.YES, True)


@dataclass
class World:
    """Two hosts and a name, which refuse a step that would break a promise."""

    sides: Dict[str, Side]
    named: Optional[str] = None
    log: List[str] = field(default_factory=list)

    def observe(self) -> Observed:
        return Observed(dict(self.sides), self.named)

    def do(self, step: Step) -> None:
        if step.act is Act.START:
            other = PAIR.other(step.host)
            assert self.sides[other].at_rest, f"{step} while {other} is {self.sides[other]}"
            self.sides[step.host] = LIVE
        elif step.act is Act.STOP:
            self.sides[step.host] = REST
        elif step.act is Act.NAME:
            assert self.named == step.named, f"{step} expected {step.named}, DNS names {self.named}"
            self.named = step.host
        self.log.append(str(step))

    def running(self) -> List[str]:
        return [host for host, side in self.sides.items() if side.running is Running.YES]


def carry_out(world: World, steps: List[Step], count: int) -> None:
    """Carry out the first ``count`` steps. Two writers are never there unless they were there before."""
    allowed = max(1, len(world.running()))
    for step in steps[:count]:
        world.do(step)
        allowed = min(allowed, max(1, len(world.running())))
        assert len(world.running()) <= allowed


def converge(world: World, count: int = 99) -> None:
    carry_out(world, plan(PAIR, world.observe()), count)


sides = st.builds(Side, st.sampled_from([Running.YES, Running.NO]), st.booleans())
any_side = st.builds(Side, st.sampled_from(list(Running)), st.booleans())
names = st.sampled_from([None, "app1", "app2"])
counts = st.integers(0, 6)
hosts = st.sampled_from(PAIR.hosts)


@given(sides, sides, names, counts)
def test_converging_interrupted_anywhere_never_makes_two_writers_and_the_next_run_finishes(one: Side, two: Side, named: Optional[str], count: int) -> None:
    world = World({"app1": one, "app2": two}, named)
    converge(world, count)
    converge(world)
    assert world.named == (named or "app1")
    assert world.running() == [world.named]
    assert plan(PAIR, world.observe()) == []


@given(any_side, any_side, st.sampled_from([None, "app1", "app2", "app9"]))
def test_a_start_is_planned_only_beside_a_side_that_was_observed(one: Side, two: Side, named: Optional[str]) -> None:
    observed = Observed({"app1": one, "app2": two}, named)
    steps = plan(PAIR, observed)
    for place, step in enumerate(steps):
        if step.act is Act.START:
            other = PAIR.other(step.host)
            stopped_before = Step(Act.STOP, other, why=f"DNS names {step.host}") in steps[:place]
            assert observed.side(other).at_rest or stopped_before
            assert observed.side(other).running is not Running.UNKNOWN
            assert step.host == (named or "app1")


@given(any_side, any_side, names)
def test_dns_is_entered_only_when_it_names_nobody(one: Side, two: Side, named: Optional[str]) -> None:
    steps = [step for step in plan(PAIR, Observed({"app1": one, "app2": two}, named)) if step.act is Act.NAME]
    assert len(steps) == (1 if named is None else 0)
    assert all((step.host, step.named) == ("app1", None) for step in steps)


def test_a_side_that_was_not_observed_keeps_the_other_from_starting() -> None:
    steps = plan(PAIR, Observed({"app1": REST}, "app1"))
    assert [step.act for step in steps] == [Act.HOLD]
    assert "app2" in steps[0].why


def test_a_running_active_side_is_left_alone_when_the_other_is_unknown() -> None:
    assert plan(PAIR, Observed({"app1": LIVE}, "app1")) == []


def test_a_stranger_in_dns_changes_nothing() -> None:
    steps = plan(PAIR, Observed({"app1": LIVE, "app2": LIVE}, "www.example.org"))
    assert [step.act for step in steps] == [Act.HOLD]


def test_a_swapped_service_is_not_swapped_back_by_the_inventory() -> None:
    assert plan(PAIR, Observed({"app1": REST, "app2": LIVE}, "app2")) == []


def start(old: str) -> World:
    return World({old: LIVE, PAIR.other(old): REST}, old)


@given(hosts, counts, hosts)
def test_a_switch_over_interrupted_anywhere_finishes_or_goes_back(old: str, count: int, then: str) -> None:
    world = start(old)
    carry_out(world, switch_over.sequence(PAIR, world.observe(), PAIR.other(old)), count)
    assert switch_over.refusals(PAIR, world.observe(), then) == []
    carry_out(world, switch_over.sequence(PAIR, world.observe(), then), 99)
    assert (world.running(), world.named) == ([then], then)


@given(hosts, counts)
def test_converging_after_an_interrupted_switch_over_runs_the_side_that_dns_names(old: str, count: int) -> None:
    world = start(old)
    carry_out(world, switch_over.sequence(PAIR, world.observe(), PAIR.other(old)), count)
    named = world.named
    converge(world)
    assert (world.running(), world.named) == ([named], named)


@given(hosts, counts, counts, hosts)
def test_an_undo_goes_back_and_may_itself_be_interrupted(old: str, count: int, undone: int, then: str) -> None:
    world = start(old)
    steps = switch_over.sequence(PAIR, world.observe(), PAIR.other(old))
    carry_out(world, steps, count)
    back = switch_over.undo(steps[:count], old)
    carry_out(world, back, undone)
    if undone >= len(back):
        assert (world.running(), world.named) == ([old], old)
    carry_out(world, switch_over.sequence(PAIR, world.observe(), then), 99)
    assert (world.running(), world.named) == ([then], then)


def test_a_full_switch_over_stops_the_old_side_first_and_names_the_new_one_last() -> None:
    steps = switch_over.sequence(PAIR, start("app1").observe(), "app2")
    assert [(step.act, step.host) for step in steps] == [
        (Act.CHECK, "app2"),
        (Act.STOP, "app1"),
        (Act.START, "app2"),
        (Act.NAME, "app2"),
        (Act.VERIFY, "app2"),
    ]
    assert [step.writer for step in steps] == ["none", "stops", "starts", "none", "none"]


def test_a_finished_switch_over_only_verifies() -> None:
    steps = switch_over.sequence(PAIR, start("app2").observe(), "app2")
    assert [step.act for step in steps] == [Act.CHECK, Act.VERIFY]


@pytest.mark.parametrize(
    ("observed", "to", "said"),
    [
        (Observed({"app1": LIVE, "app2": REST}, "app1"), "app3", "neither"),
        (Observed({"app1": LIVE, "app2": REST}, None), "app2", "nobody"),
        (Observed({"app1": LIVE, "app2": REST}, "app3"), "app2", "DNS names app3"),
        (Observed({"app1": LIVE}, "app1"), "app2", "not known whether the unit runs on app2"),
        (Observed({"app2": REST}, "app1"), "app2", "not known whether the unit runs on app1"),
        (Observed({"app1": LIVE, "app2": LIVE}, "app1"), "app2", "both"),
    ],
)
def test_a_switch_over_is_refused_clearly(observed: Observed, to: str, said: str) -> None:
    assert said in " ".join(switch_over.refusals(PAIR, observed, to))


def test_the_default_target_is_the_side_that_dns_does_not_name() -> None:
    assert switch_over.target(PAIR, start("app1").observe()) == "app2"
    assert switch_over.target(PAIR, start("app2").observe()) == "app1"
    assert switch_over.target(PAIR, start("app2").observe(), "app2") == "app2"
