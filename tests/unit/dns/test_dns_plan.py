# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner against a server that follows RFC 2136, interrupted and raced."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Optional, Sequence

import pytest
from fakes import FakeDns
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Group, Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import LIMIT, Refused, group_size, pack, plan, settle

ZONE = "example.net."
NAMES = [ZONE, "a.example.net.", "b.example.net.", "*.example.net."]
TYPES = ["A", "TXT", "CNAME", "NS"]


def some(name: str, kind: str, *values: str, ttl: int = 300) -> RRset:
    return RRset(name, kind, ttl, frozenset(values))


@st.composite
def contents(draw: st.DrawFn) -> Dict[Key, RRset]:
    """A zone a server could hold: a CNAME stands alone and has one value, the zone has nameservers."""
    sets: Dict[Key, RRset] = {}
    for name in NAMES:
        kinds: FrozenSet[str] = draw(st.frozensets(st.sampled_from(TYPES), max_size=3))
        if name == ZONE:
            kinds = (kinds | {"NS"}) - {"CNAME"}
        elif "CNAME" in kinds:
            kinds = frozenset({"CNAME"})
        for kind in kinds:
            most = 1 if kind == "CNAME" else 3
            values = draw(st.frozensets(st.sampled_from(["v1", "v2", "v3", "v4"]), min_size=1, max_size=most))
            sets[name, kind] = RRset(name, kind, draw(st.sampled_from([60, 300])), values)
    return sets


@st.composite
def wishes(draw: st.DrawFn) -> Dict[Key, Optional[RRset]]:
    """Some sets of another possible zone, and some that shall not exist."""
    possible = draw(contents())
    keys = [(name, kind) for name in NAMES for kind in TYPES if (name, kind) != (ZONE, "CNAME")]
    chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=8))
    return {key: possible.get(key) for key in chosen if key != (ZONE, "NS") or key in possible}


def after(wanted: Dict[Key, Optional[RRset]], observed: Dict[Key, RRset]) -> Dict[Key, RRset]:
    there = {key: one for key, one in observed.items() if key not in wanted}
    there.update({key: one for key, one in wanted.items() if one is not None})
    return there


def seen(sets: Dict[Key, RRset], key: Key) -> FrozenSet[str]:
    return sets[key].values if key in sets else frozenset()


def possible_plan(wanted: Dict[Key, Optional[RRset]], observed: Dict[Key, RRset]) -> List[Group]:
    try:
        return plan(ZONE, wanted, observed)
    except Refused:
        assume(False)
        raise


@settings(max_examples=100, deadline=None)
@given(observed=contents(), wanted=wishes(), limit=st.sampled_from([2500, 60000]))
def test_the_plan_gives_what_is_wanted_touches_nothing_else_and_is_then_empty(
    observed: Dict[Key, RRset], wanted: Dict[Key, Optional[RRset]], limit: int
) -> None:
    server = FakeDns(ZONE, dict(observed))
    for message in pack(possible_plan(wanted, observed), limit):
        assert server.send(ZONE, message) == 0
    assert server.sets == after(wanted, observed)
    assert plan(ZONE, wanted, server.sets) == []


@settings(max_examples=100, deadline=None)
@given(observed=contents(), wanted=wishes(), stop=st.integers(0, 5))
def test_a_plan_that_stopped_after_any_message_is_finished_by_a_new_one(observed: Dict[Key, RRset], wanted: Dict[Key, Optional[RRset]], stop: int) -> None:
    server = FakeDns(ZONE, dict(observed))
    one_group_each = [message for group in possible_plan(wanted, observed) for message in pack([group])]
    for message in one_group_each[:stop]:
        server.send(ZONE, message)
    for message in pack(plan(ZONE, wanted, server.sets)):
        assert server.send(ZONE, message) == 0
    assert server.sets == after(wanted, observed)


@settings(max_examples=100, deadline=None)
@given(observed=contents(), wanted=wishes(), rival=contents())
def test_a_rival_in_between_is_never_overwritten(observed: Dict[Key, RRset], wanted: Dict[Key, Optional[RRset]], rival: Dict[Key, RRset]) -> None:
    groups = possible_plan(wanted, observed)
    touched = {step.key for group in groups for step in group.steps}
    assume(any(seen(observed, key) != seen(rival, key) for key in touched))
    server = FakeDns(ZONE, dict(rival))
    answers = [server.send(ZONE, message) for message in pack(groups)]
    assert any(answers)
    assert server.sets == rival


@settings(max_examples=100, deadline=None)
@given(observed=contents(), wanted=wishes())
def test_whatever_is_refused_is_what_no_zone_can_hold(observed: Dict[Key, RRset], wanted: Dict[Key, Optional[RRset]]) -> None:
    there = after(wanted, observed)
    impossible = any(kind == "CNAME" and any(n == name and k != kind for n, k in there) for name, kind in there)
    try:
        plan(ZONE, wanted, observed)
    except Refused:
        assert impossible
    else:
        assert not impossible


def test_a_cname_beside_an_address_is_refused_and_not_reported_as_changed() -> None:
    observed = {("a.example.net.", "A"): some("a.example.net.", "A", "192.0.2.1")}
    with pytest.raises(Refused, match="cannot have a CNAME beside A"):
        plan(ZONE, {("a.example.net.", "CNAME"): some("a.example.net.", "CNAME", "b.example.net.")}, observed)


def test_an_address_becomes_a_cname_in_one_message() -> None:
    key = "a.example.net."
    observed = {(key, "A"): some(key, "A", "192.0.2.1")}
    wanted = {(key, "A"): None, (key, "CNAME"): some(key, "CNAME", "b.example.net.")}
    (message,) = pack(plan(ZONE, wanted, observed))
    assert [(one.kind, one.type) for one in message.changes] == [("clear", "A"), ("add", "CNAME")]
    assert ("absent", "TXT") in [(one.kind, one.type) for one in message.prerequisites]


def test_the_zones_own_nameservers_cannot_be_deleted() -> None:
    observed = {(ZONE, "NS"): some(ZONE, "NS", "ns1.example.net.")}
    with pytest.raises(Refused, match="cannot be deleted"):
        plan(ZONE, {(ZONE, "NS"): None}, observed)


def test_the_zones_own_nameservers_are_added_before_the_old_ones_go() -> None:
    observed = {(ZONE, "NS"): RRset(ZONE, "NS", 300, frozenset({"old.example.net."}), ("OLD.example.net.",))}
    (group,) = plan(ZONE, {(ZONE, "NS"): some(ZONE, "NS", "new.example.net.")}, observed)
    assert [(one.kind, one.value) for one in group.changes] == [
        ("add", "new.example.net."),
        ("drop", "OLD.example.net."),
    ]


def test_a_prerequisite_repeats_the_letters_the_server_uses() -> None:
    key = ("a.example.net.", "CNAME")
    observed = {key: RRset(*key, 300, frozenset({"b.example.net."}), ("B.Example.net.",))}
    (group,) = plan(ZONE, {key: some(*key, "c.example.net.")}, observed)
    assert group.prerequisites[0].values == ("B.Example.net.",)


def test_another_ttl_alone_is_a_change() -> None:
    key = ("a.example.net.", "A")
    (group,) = plan(ZONE, {key: some(*key, "192.0.2.1", ttl=60)}, {key: some(*key, "192.0.2.1", ttl=300)})
    assert str(group.steps[0]) == "set the TTL of a.example.net. A"


def test_the_soa_is_left_to_the_server() -> None:
    with pytest.raises(Refused, match="belongs to the server"):
        plan(ZONE, {(ZONE, "SOA"): None}, {})


def test_messages_are_filled_by_bytes_and_keep_their_order() -> None:
    wanted = {(f"n{i:04}.example.net.", "TXT"): some(f"n{i:04}.example.net.", "TXT", "x" * 200) for i in range(1000)}
    groups = plan(ZONE, wanted, {})
    messages = pack(groups)
    assert len(messages) > 1
    assert [group for message in messages for group in message.groups] == groups
    assert all(sum(map(group_size, message.groups)) < LIMIT for message in messages)


@given(sizes=st.lists(st.integers(1, 40), max_size=30), limit=st.integers(40, 100))
def test_no_message_is_too_long_and_none_could_take_the_next_group(sizes: List[int], limit: int) -> None:
    groups = [Group(f"{number}.example.net.", (), (), ()) for number in range(len(sizes))]
    by_name = {group.name: size for group, size in zip(groups, sizes)}

    def measure(some_groups: Sequence[Group]) -> int:
        return sum(by_name[group.name] for group in some_groups)

    messages = pack(groups, limit, measure)
    assert [group for message in messages for group in message.groups] == groups
    filled = [measure(message.groups) for message in messages]
    assert all(size <= limit for size in filled)
    assert all(size + measure(after.groups[:1]) > limit for size, after in zip(filled, messages[1:]))


def test_one_name_that_fits_in_no_message_is_refused() -> None:
    key = ("big.example.net.", "TXT")
    with pytest.raises(Refused, match="too much data"):
        pack(plan(ZONE, {key: some(*key, *(f"{i}" + "x" * 250 for i in range(300)))}, {}))


@pytest.mark.parametrize("word, told", [("keep", 0), ("keep_and_warn", 1), ("keep_and_fail", 1)])
def test_a_set_with_other_data_is_kept_when_asked(word: str, told: int) -> None:
    key = ("a.example.net.", "A")
    observed = {key: some(*key, "192.0.2.1")}
    rest, kept = settle({key: some(*key, "192.0.2.2")}, observed, lambda _: word, {})
    assert rest == {} and len(kept) == told


def test_a_set_is_deleted_only_with_the_values_given() -> None:
    key = ("a.example.net.", "A")
    observed = {key: some(*key, "192.0.2.1", "192.0.2.2")}
    one, both = some(*key, "192.0.2.1"), some(*key, "192.0.2.1", "192.0.2.2", ttl=5)
    assert settle({key: None}, observed, lambda _: "keep", {key: one})[0] == {}
    assert settle({key: None}, observed, lambda _: "keep", {key: both})[0] == {key: None}
    assert settle({key: None}, observed, lambda _: "replace", {key: one})[0] == {key: None}
