# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of a zone's move, in a world where resolvers ask all the time and runs are cut off anywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.phases import (
    STEPS,
    BadMemory,
    Memory,
    OldZone,
    Position,
    Seen,
    high_sets,
    look,
    recall,
    store,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset

ZONE = "example.net."
LOW = 60
OLD_NS, NEW_NS = frozenset(["ns1.provider.example.com."]), frozenset(["ns1.example.org."])
DS = RRset(ZONE, "DS", 0, frozenset(["12345 13 2 abcd"]))


@dataclass
class World:
    """Two servers of the parent, and what caches hold: until when anybody may have got which old answer."""

    now: int = 1000
    ttls: Dict[Key, int] = field(default_factory=dict)
    negative: int = 60
    served: bool = False
    parents: List[frozenset[str]] = field(default_factory=lambda: [OLD_NS, OLD_NS])
    delegation_ttl: int = 300
    ds_ttl: int = 0
    has_ds: bool = False
    deaf: bool = False
    unexplained: int = 0
    high_until: int = 0
    ds_until: int = 0
    ns_until: int = 0
    apex_until: int = 0

    def pass_time(self, seconds: int) -> None:
        """Resolvers ask at every moment, so also at the last one before each change."""
        self.ask()
        self.now += seconds
        self.ask()

    def ask(self) -> None:
        if OLD_NS in self.parents:
            self.ns_until = max(self.ns_until, self.now + self.delegation_ttl)
        if self.now < self.ns_until:
            high = [ttl for ttl in self.ttls.values() if ttl > LOW]
            self.high_until = max([self.high_until, *(self.now + ttl for ttl in high)])
        if OLD_NS in self.parents:  # a cache asks for the servers' names once for each answer of the parent
            self.apex_until = max(self.apex_until, self.ns_until + self.ttls[ZONE, "NS"])
        if self.has_ds:
            self.ds_until = max(self.ds_until, self.now + self.ds_ttl)

    def seen(self) -> Seen:
        sets = {key: RRset(*key, ttl, frozenset(["x"])) for key, ttl in self.ttls.items()}
        answered = [frozenset() if self.deaf and place == 1 else one for place, one in enumerate(self.parents)]
        return Seen(
            self.now,
            OldZone(sets, self.negative, frozenset([1])),
            NEW_NS if self.served else frozenset(),
            tuple(answered),
            self.delegation_ttl,
            replace(DS, ttl=self.ds_ttl) if self.has_ds else None,
            self.unexplained,
        )

    def do(self, position: Position, wait: int) -> None:
        """What the playbook or a human does at this position; a step too early is a failure."""
        self.ask()
        if position.next == "lower":
            self.ttls = {key: min(ttl, LOW) for key, ttl in self.ttls.items()}
        elif position.next == "explain":
            self.unexplained = 0
        elif position.next == "publish":
            assert not self.unexplained, "a zone is published that lacks a record"
            self.served = True
        elif position.next == "unsign":
            self.has_ds = False
        elif position.next == "switch":
            assert self.now >= self.high_until, "an answer with an old TTL is still in a cache"
            assert self.now >= self.ds_until, "a DS that nobody can satisfy any more is still in a cache"
            assert self.served
            assert not self.unexplained, "a record is lost unseen"
            self.parents[0] = NEW_NS
        elif position.next == "settle":
            self.parents[1] = NEW_NS
        elif position.next == "done":
            assert self.now >= max(self.ns_until, self.apex_until), "a cache still asks the old servers"
        else:
            assert position.until is not None
            self.now += min(wait, position.until - self.now)
        self.ask()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    ttl = st.sampled_from([5, 60, 300, 3600, 86400])
    has_ds = draw(st.booleans())
    return World(
        ttls={(ZONE, "NS"): draw(ttl), ("www.example.net.", "A"): draw(ttl)},
        negative=draw(ttl),
        delegation_ttl=draw(ttl),
        ds_ttl=draw(ttl) if has_ds else 0,
        has_ds=has_ds,
        served=draw(st.booleans()),
        unexplained=draw(st.integers(0, 2)),
    )


APPEARS = "a record appears at the provider"
EVENTS = st.sampled_from(["go on"] * 6 + ["cut off before the memory", "cut off after the memory", "parent is deaf", APPEARS])


@settings(max_examples=400, deadline=None)
@given(world=worlds(), events=st.lists(EVENTS, max_size=30), waits=st.lists(st.integers(1, 100000), min_size=1))
def test_a_move_cut_off_anywhere_goes_on_and_does_nothing_too_early(world: World, events: List[str], waits: List[int]) -> None:
    memory = Memory()
    order: List[str] = []
    for turn in range(120):
        event = events[turn] if turn < len(events) else "go on"
        world.deaf = event == "parent is deaf"
        world.unexplained += event == APPEARS
        position = look(world.seen(), memory, LOW)
        if event == "cut off before the memory":
            world.pass_time(waits[turn % len(waits)] % 50)
            continue
        memory = recall(json.loads(json.dumps(store(position.memory))))
        if event == "cut off after the memory":
            world.pass_time(waits[turn % len(waits)] % 5000)
            continue
        order.append(position.next)
        world.do(position, waits[turn % len(waits)] if turn < 60 else 1000000)
        if position.next == "done":
            break
    assert order[-1] == "done"
    changes = [one for place, one in enumerate(order) if not place or order[place - 1] != one]
    if APPEARS in events:
        changes = [one for one in changes if one != "explain"]  # it comes again whenever there is a doubt
        changes = [one for place, one in enumerate(changes) if not place or changes[place - 1] != one]
    assert [STEPS.index(one) for one in changes] == sorted(STEPS.index(one) for one in changes)


@settings(max_examples=100, deadline=None)
@given(world=worlds(), later=st.lists(st.integers(0, 5000), min_size=1, max_size=5))
def test_looking_again_never_begins_a_wait_anew(world: World, later: List[int]) -> None:
    world.ttls = {key: min(ttl, LOW) for key, ttl in world.ttls.items()}
    first = look(world.seen(), Memory(longest=86400), LOW)
    assert first.next == "wait_ttl"
    memory = first.memory
    for seconds in later:
        world.now += seconds
        again = look(world.seen(), memory, LOW)
        assert again.next != "wait_ttl" or again.until == first.until
        memory = again.memory


def at(world: World, memory: Memory) -> Position:
    return look(world.seen(), memory, LOW)


def some_world(**more: object) -> World:
    ttls = {(ZONE, "NS"): 3600, ("www.example.net.", "A"): 60}
    return World(**{"ttls": ttls, "served": True, **more})  # type: ignore[arg-type]


def test_a_ttl_that_is_raised_again_is_lowered_and_waited_out_again() -> None:
    world = some_world()
    world.ttls[ZONE, "NS"] = 60
    low = at(world, Memory(longest=3600, since_low=500))
    world.ttls["www.example.net.", "A"] = 7200
    high = at(world, low.memory)
    assert high.next == "lower" and high.memory.longest == 7200
    world.ttls["www.example.net.", "A"] = 60
    assert at(world, high.memory).until == world.now + 7200 + 1


def test_old_servers_that_differ_are_not_low_yet() -> None:
    seen = some_world(ttls={(ZONE, "NS"): 60}).seen()
    assert seen.old is not None
    assert look(replace(seen, old=replace(seen.old, serials=frozenset([1, 2]))), Memory(), LOW).next == "lower"
    assert look(seen, Memory(), LOW).next == "wait_ttl"


@pytest.mark.parametrize("served", [False, True])
@pytest.mark.parametrize("has_ds", [False, True])
def test_a_record_in_doubt_comes_before_all_that_reaches_a_client(served: bool, has_ds: bool) -> None:
    ttls = {(ZONE, "NS"): 60}
    world = some_world(ttls=ttls, served=served, has_ds=has_ds, unexplained=1)
    memory = Memory(longest=60, since_low=1)
    assert at(world, memory).next == "explain"
    world.unexplained = 0
    assert at(world, memory).next != "explain"
    assert at(some_world(ttls=ttls, unexplained=1), Memory(longest=3600, since_low=999)).next == "wait_ttl"
    assert at(some_world(ttls=ttls, unexplained=1, parents=[NEW_NS, OLD_NS]), memory).next == "settle"


def test_the_longest_ttl_counts_that_of_answers_that_a_name_does_not_exist() -> None:
    world = some_world(ttls={(ZONE, "NS"): 60}, negative=10800)
    assert at(world, Memory()).until == world.now + 10800 + 1


def test_old_servers_that_are_gone_after_the_switch_change_nothing() -> None:
    world = some_world(ttls={(ZONE, "NS"): 60}, parents=[NEW_NS, NEW_NS])
    first = at(world, Memory(delegation_ttl=100, apex_ttl=60))
    assert (first.next, first.until) == ("wait_ns", world.now + 100 + 60 + 1)
    seen = replace(world.seen(), old=None, now=world.now + 161)
    assert look(seen, first.memory, LOW).next == "done"


def test_going_back_to_the_old_servers_is_seen() -> None:
    memory = at(some_world(parents=[NEW_NS, NEW_NS]), Memory()).memory
    assert memory.since_switched is not None
    assert at(some_world(parents=[OLD_NS, NEW_NS]), memory).memory.since_switched is None


def test_the_sets_to_lower_keep_their_values() -> None:
    old = some_world().seen().old
    assert old is not None
    assert high_sets(old, LOW) == {(ZONE, "NS"): RRset(ZONE, "NS", LOW, frozenset(["x"]))}


@pytest.mark.parametrize("data", [{}, {"form": 2}, {"form": 1, "ttls": 7}, [], "x", {"form": 1, "ttls": []}])
def test_a_file_that_is_no_memory_is_refused(data: object) -> None:
    with pytest.raises(BadMemory):
        recall(data)
