# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT: strings stay as they are, and plain text is its text however it is split."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Optional

import pytest
from fakes import FakeDns
from hypothesis import example, given, settings
from hypothesis import strategies as st
from written import read_written

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import txt
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation import Answer, Goal, judge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.record_types import BadValue
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries, read_some, read_values, show
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values_client import converge_values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.records import Table

ZONE = "example.net."
KEY = ("t.example.net.", "TXT")
CANONICAL = WireClient(Server("192.0.2.53")).canonical
SPF = "v=spf1 include:a.example -all"
SPLIT_SPF = '"v=spf1 include:a.example " "-all"'
SERVICE = ["txtvers=1", "u=root", "p="]

SHORT = st.text(st.sampled_from("ab"), max_size=3)
STRINGS = st.lists(SHORT, min_size=1, max_size=3)
SHOWN = STRINGS.map(txt.write)
WRITTEN = st.one_of(SHORT, STRINGS)
HELD = st.frozensets(SHOWN, max_size=4)
LONG = st.lists(st.text(st.sampled_from('a"\\ü;\x00'), max_size=600), min_size=1, max_size=3)


def held(*values: str, ttl: int = 300) -> RRset:
    return RRset(*KEY, ttl, frozenset(values))


def server(*values: str) -> FakeDns:
    return FakeDns(ZONE, {KEY: held(*values)} if values else {})


def wanted(value: List[Any], state: str = "present") -> Request:
    given_entry = {"record": "t", "type": "TXT", "ttl": 300, "value": value, "state": state}
    return Request(ZONE, *read_entries(ZONE, [given_entry], CANONICAL))


def some(at: FakeDns, value: Any, state: str = "present") -> Any:
    options = {"record": "t", "type": "TXT", "value": value, "values": None, "ttl": None, "state": state}
    return converge_values(at, ZONE, read_some(ZONE, options, CANONICAL))


@given(one=SHOWN, two=SHOWN, three=SHOWN)
def test_being_the_same_value_in_a_zone_is_an_equivalence(one: str, two: str, three: str) -> None:
    def same(left: str, right: str) -> bool:
        return txt.is_same((left, False), (right, False))

    assert same(one, one)
    assert same(one, two) == same(two, one)
    assert not (same(one, two) and same(two, three)) or same(one, three)
    assert same(one, two) == (txt.strings(one) == txt.strings(two))


@given(written=SHORT, one=SHOWN)
def test_plain_text_is_every_value_with_this_text_and_no_other(written: str, one: str) -> None:
    assert txt.is_same((txt.write(written), True), (one, False)) == (txt.joined(one) == written.encode())


@given(value=LONG)
def test_strings_survive_being_written_and_read(value: List[str]) -> None:
    shown = txt.write(value)
    assert shown == CANONICAL("TXT", shown) == txt.write(txt.read(shown))
    assert all(len(part) <= 255 for part in txt.strings(shown))
    assert txt.joined(shown) == "".join(value).encode()


def test_only_splits_at_255_bytes_are_those_of_one_text() -> None:
    assert txt.read(txt.write("x" * 600)) == "x" * 600
    assert txt.read(f'"{"x" * 255}" "y"') == "x" * 255 + "y"
    assert txt.read(f'"{"x" * 254}" "y"') == ["x" * 254, "y"]
    assert txt.read(f'"{"x" * 255}" ""') == ["x" * 255, ""]
    assert txt.read('""') == ""


@settings(deadline=None)
@given(written=st.lists(WRITTEN, min_size=1, max_size=3), there=HELD)
@example(written=["", [""]], there=frozenset(['"" ""']))
def test_a_second_run_is_empty_and_the_set_has_what_was_written(written: List[Any], there: FrozenSet[str]) -> None:
    try:
        request = wanted(written)
    except Refused:
        return
    at = server(*there)
    converge(at, request)
    assert not converge(at, request).changed
    assert {txt.joined(value) for value in at.sets[KEY].values} == {txt.joined(txt.write(value)) for value in written}
    assert len(at.sets[KEY].values) == len({txt.write(value) for value in written})
    for value in written:
        if isinstance(value, list):
            assert txt.write(value) in at.sets[KEY].values


@settings(deadline=None)
@given(value=WRITTEN, there=HELD)
def test_present_then_absent_leaves_the_others_and_both_are_done_once(value: Any, there: FrozenSet[str]) -> None:
    at = server(*there)
    some(at, value)
    assert there <= at.sets[KEY].values and len(at.sets[KEY].values - there) <= 1
    assert not some(at, value).changed
    some(at, value, "absent")
    plain = isinstance(value, str)
    rest = {one for one in there if not txt.is_same((txt.write(value), plain), (one, False))}
    assert (at.sets[KEY].values if KEY in at.sets else set()) == rest
    assert not some(at, value, "absent").changed


def test_a_policy_that_is_there_in_two_strings_is_there() -> None:
    at = server(SPLIT_SPF)
    assert not some(at, SPF).changed
    assert not converge(at, wanted([SPF])).changed
    goal = read_values(KEY, [SPF], ZONE, CANONICAL)
    assert judge(Goal(KEY, goal.values, texts=goal.texts), [Answer("ns1", 1, held(SPLIT_SPF))]) == []
    assert judge(Goal(KEY, goal.values, True, texts=goal.texts), [Answer("ns1", 1, held(SPLIT_SPF, '"x"'))]) == []
    assert some(at, SPF, "absent").changed and KEY not in at.sets


def test_a_swap_that_expects_plain_text_accepts_it_in_any_strings() -> None:
    at = server(SPLIT_SPF)
    request = wanted(["new"])
    expected = read_values(KEY, [[SPF]], ZONE, CANONICAL)
    with pytest.raises(DnsFailure, match="should be"):
        converge(at, Request(ZONE, request.wanted, expected=expected))
    assert converge(at, Request(ZONE, request.wanted, expected=read_values(KEY, [SPF], ZONE, CANONICAL))).changed


def test_a_set_is_deleted_by_the_text_it_holds() -> None:
    request = wanted([SPF], "absent")
    keep = Request(ZONE, request.wanted, request.given, lambda key: "keep")
    assert converge(server(SPLIT_SPF), keep).changed
    assert not converge(server('"other"'), keep).changed


def test_a_list_is_exactly_these_strings() -> None:
    at = server('"txtvers=1u=rootp="')
    assert converge(at, wanted([SERVICE])).changed
    assert at.sets[KEY].values == {'"txtvers=1" "u=root" "p="'}
    assert show(at.sets[KEY]) == {"ttl": 300, "value": [SERVICE]}
    assert not converge(at, wanted([SERVICE])).changed
    assert converge(at, wanted([["txtvers=1u=rootp="]])).changed


@pytest.mark.parametrize("value", [["ab", ["a", "b"]], [["a", "b"], "ab"]])
def test_plain_text_beside_its_own_strings_is_refused(value: List[Any]) -> None:
    with pytest.raises(Refused, match="write one of them"):
        wanted(value)
    assert [problem.message for problem in inventory(value)] == ["is the same as value[0]"]


@pytest.mark.parametrize("value", [[], ["a", 1], ["a", None], [["a"]], None, {"a": 1}, True])
def test_what_is_no_value_is_refused(value: Any) -> None:
    with pytest.raises(BadValue):
        txt.write(value)
    assert len(inventory([value])) == 1


def test_an_inventory_keeps_the_strings_of_a_value() -> None:
    table = Table(ZONE, 300)
    assert inventory([SERVICE, "plain"], table) == []
    (data,) = table.as_data()
    assert sorted(data["value"], key=repr) == sorted([SERVICE, "plain"], key=repr)
    assert table.values_at(*KEY) == ('"txtvers=1" "u=root" "p="', '"plain"')


def test_only_txt_values_can_be_lists() -> None:
    (problem,) = inventory([["192.0.2.1"]], kind="A")
    assert "only a TXT value" in problem.message


def inventory(value: Any, table: Optional[Table] = None, kind: str = "TXT") -> List[Any]:
    entries: List[Dict[str, Any]] = [{"record": "t", "type": kind, "value": value}]
    return list(read_written(entries, table or Table(ZONE, 300)))


def test_numbers_that_yaml_makes_of_a_text_are_texts() -> None:
    assert read_values(KEY, [12345], ZONE, CANONICAL).values == {'"12345"'}


def test_the_form_of_a_zone_file_is_exactly_what_it_shows() -> None:
    found = read_values(KEY, [SPLIT_SPF], ZONE, CANONICAL, quoted=True)
    assert (found.values, found.texts) == ({SPLIT_SPF}, frozenset())
    with pytest.raises(Refused, match="txt_transformation=quoted"):
        read_values(KEY, [SERVICE], ZONE, CANONICAL, quoted=True)
