# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a zone holds, against a server that may have any other zones, cuts, renamings and wildcards."""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_server import ModelServer, rrset, zone_sets

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.contents_client import answered, held, look
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.visibility import Answer, judge, referred

ZONE = "example."
NAMES = [
    *("example.", "a.example.", "b.example.", "*.example.", "a.a.example.", "b.a.example.", "*.a.example."),
    *("b.b.example.", "c.b.a.example.", "*.b.a.example.", "d.c.b.a.example."),
]
VALUES = {
    "A": ["192.0.2.1", "192.0.2.2"],
    "TXT": ['"x"', '"y"'],
    "DS": ["1 13 2 aa"],
    "NS": ["a.a.example.", "b.a.example.", "ns.elsewhere."],
    "DNAME": ["b.example.", "elsewhere."],
    "CNAME": ["a.example.", "b.b.example.", "c.b.a.example.", "elsewhere."],
}
KEYS = list(product(NAMES, ("A", "TXT", "DS", "NS", "DNAME", "CNAME")))
CUTTING = ("NS", "DNAME")


@st.composite
def record(draw: Any, kinds: Any = tuple(VALUES)) -> RRset:
    kind = draw(st.sampled_from(kinds))
    names = [name for name in NAMES if not (name.startswith("*") and kind in ("NS", "DNAME", "DS"))]
    if kind == "DS":
        names.remove(ZONE)
    return rrset(draw(st.sampled_from(names)), kind, draw(st.sampled_from(VALUES[kind])), ttl=draw(st.sampled_from([60, 300])))


@st.composite
def servers(draw: Any) -> ModelServer:
    """A server of the zone, and of some zones below and above it."""
    others = draw(st.sets(st.sampled_from(["a.example.", "b.a.example.", "b.example.", "elsewhere."]), max_size=2))
    zones = {zone: zone_sets(zone, draw(st.lists(record(), max_size=8))) for zone in [ZONE, *sorted(others)]}
    return ModelServer(zones, minimal=draw(st.booleans()), stream=False)


def check(server: ModelServer, found: Dict[Key, RRset], unreadable: Dict[Key, str], with_ttl: bool) -> None:
    truth = server.zones[ZONE]
    for key in KEYS:
        if key not in unreadable:
            assert (key in found) == (key in truth), key
    for key, one in found.items():
        assert key in truth and one.values == truth[key].values, key
        assert not with_ttl or one == truth[key]


@settings(max_examples=400, deadline=None)
@given(server=servers())
def test_what_is_said_to_be_held_is_held_and_the_rest_is_said_to_be_unknown(server: ModelServer) -> None:
    found, unreadable = look(server, ZONE, KEYS)
    check(server, found, unreadable, with_ttl=True)
    assert not found.unused & {name for name, _kind in server.zones[ZONE]}
    assert all(unreadable.values()) and not server.updated


@settings(max_examples=200, deadline=None)
@given(server=servers())
def test_with_the_right_to_transfer_all_is_known(server: ModelServer) -> None:
    server.transfers = True
    check(server, held(server, ZONE, KEYS), {}, with_ttl=True)


@settings(max_examples=200, deadline=None)
@given(server=servers(), guesses=st.lists(record(), max_size=5))
def test_with_the_right_to_update_the_guesses_are_confirmed_or_not(server: ModelServer, guesses: List[RRset]) -> None:
    server.updates = True
    found, unreadable = look(server, ZONE, KEYS, guesses)
    check(server, found, unreadable, with_ttl=False)
    truth = server.zones[ZONE]
    assert not [key for key in unreadable if key not in truth and (key[0], "CNAME") not in truth and key[1] != "CNAME"]
    assert not [one for one in guesses if one.key in unreadable and truth.get(one.key) == one]


@settings(max_examples=200, deadline=None)
@given(sets=st.lists(record(("A", "TXT", "CNAME")), max_size=10), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=9))
def test_without_cuts_and_renamings_answers_are_proof(sets: List[RRset], keys: List[Key]) -> None:
    server = ModelServer({ZONE: zone_sets(ZONE, sets)})
    found = held(server, ZONE, keys)
    assert not server.transferred
    assert {key for key in keys if key in server.zones[ZONE]} <= set(found)


def test_a_change_of_one_record_asks_one_question_more() -> None:
    """Of a server that gives short answers; the others are about wildcards above the name."""
    server = ModelServer({ZONE: zone_sets(ZONE, [rrset("a.example.", "A", "192.0.2.1")])})
    held(server, ZONE, [("a.example.", "A")])
    assert sorted(server.asked) == [("*.example.", "A"), ("a.example.", "A"), ("a.example.", "SOA")]
    server = ModelServer(server.zones, minimal=False)
    held(server, ZONE, [("a.example.", "A"), ("a.example.", "TXT"), ("nothing.example.", "A")])
    assert ("a.example.", "SOA") not in server.asked and len(server.asked) == 4


def test_one_name_below_a_cut_is_the_reason_for_all_and_each_is_named_once() -> None:
    server = ModelServer({ZONE: zone_sets(ZONE, [rrset("a.example.", "NS", "ns.elsewhere.")])})
    with pytest.raises(DnsFailure) as caught:
        held(server, ZONE, [(f"{number}.a.example.", "A") for number in range(7)])
    text = str(caught.value)
    assert caught.value.reason == "not_readable"
    assert text.startswith("What the zone example holds cannot be read for 0.a.example A, 1.a.example A,")
    assert "and 2 more sets. a.example is delegated, and the server refers to the nameservers there. Allow" in text


def test_a_server_that_resolves_may_refer_from_its_cache() -> None:
    """BIND answers a client that may recurse with the NS set that it has from the child (RFC 2181 section 5.4.1)."""
    cached = rrset("a.example.", "NS", "ns.of.the.child.")
    answer = Answer(0, False, (), (cached,), (), recursive=True)
    assert judge(ZONE, cached.key, answer).cut == "a.example."
    assert referred(cached.key, "a.example.", answer) is None


def test_of_a_set_that_is_known_by_prerequisites_the_ttl_is_said_to_be_unknown() -> None:
    child = zone_sets("a.example.", [rrset("a.example.", "NS", "ns.a.example.", ttl=7)])
    server = ModelServer({ZONE: zone_sets(ZONE, [rrset("a.example.", "NS", "ns.a.example.", ttl=3600)]), "a.example.": child}, updates=True)
    for guess in (rrset("a.example.", "NS", "ns.a.example.", ttl=60), rrset("a.example.", "NS", "other.", ttl=60)):
        found = held(server, ZONE, [guess.key], [guess])
        assert found[guess.key] == rrset("a.example.", "NS", "ns.a.example.", ttl=60) and found.unseen_ttls == {guess.key}
    server.transfers = True
    assert held(server, ZONE, [guess.key], [guess])[guess.key].ttl == 3600 and not held(server, ZONE, [guess.key], [guess]).unseen_ttls


def test_a_client_gets_what_the_zone_below_has() -> None:
    child = zone_sets("a.example.", [])
    server = ModelServer({ZONE: zone_sets(ZONE, []), "a.example.": child})
    assert answered(server, ZONE, [("a.example.", "NS")]) == child
    assert look(server, ZONE, [("a.example.", "NS")])[1]
