# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single values against a server that follows RFC 2136, raced: nobody's value is lost."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterator, Optional

import pytest
from fakes import FakeDns
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update import apply_client as dns_apply
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_some
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values import TTL, Values, merge, merged
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values_client import RACES, converge_values

ZONE = "example.net."
TXT: Key = ("a.example.net.", "TXT")
VALUES = st.frozensets(st.sampled_from(["v1", "v2", "v3", "v4"]), max_size=3)


@pytest.fixture(autouse=True, scope="module")
def impatient() -> Iterator[None]:
    """A server in memory shows at once what it does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_apply, "PATIENCE", ())
        yield


def held(values: FrozenSet[str], key: Key = TXT, ttl: int = 300) -> Dict[Key, RRset]:
    return {key: RRset(*key, ttl, values)} if values else {}


def run(server: FakeDns, asked: Values, **more: Any) -> Any:
    return converge_values(server, ZONE, asked, wait=lambda lost: None, **more)


def values_of(server: FakeDns, key: Key = TXT) -> FrozenSet[str]:
    return server.sets[key].values if key in server.sets else frozenset()


@settings(max_examples=200, deadline=None)
@given(
    there=VALUES,
    asked=VALUES.filter(bool),
    present=st.booleans(),
    ttl=st.sampled_from([None, 60, 300]),
    rival=VALUES,
    rival_adds=st.booleans(),
    times=st.integers(0, 3),
)
def test_whoever_writes_in_between_both_have_what_they_asked_for(
    there: FrozenSet[str],
    asked: FrozenSet[str],
    present: bool,
    ttl: Optional[int],
    rival: FrozenSet[str],
    rival_adds: bool,
    times: int,
) -> None:
    """The rival, too, adds or removes single values, before each of the first messages; they are not ours."""
    theirs = frozenset(f"r{value}" for value in rival)

    def meddle(server: FakeDns) -> None:
        if len(server.sent) < times:
            now = values_of(server) | theirs if rival_adds else values_of(server) - theirs
            ttl_now = server.sets[TXT].ttl if TXT in server.sets else 300
            server.sets.pop(TXT, None)
            server.sets.update(held(now, ttl=ttl_now))

    begin = there if rival_adds else there | theirs
    server = FakeDns(ZONE, held(begin), meddle=meddle)
    result = run(server, Values(TXT, asked, present, ttl))
    after = begin
    if result.messages and times:
        after = begin | theirs if rival_adds else begin - theirs
    assert values_of(server) == (after | asked if present else after - asked)
    if present and ttl is not None:
        assert server.sets[TXT].ttl == ttl
    again = run(server, Values(TXT, asked, present, ttl))
    assert (again.changed, again.messages) == (False, 0)


@settings(max_examples=100, deadline=None)
@given(there=VALUES, asked=VALUES.filter(bool), present=st.booleans(), ttl=st.sampled_from([None, 60, 300]))
def test_check_mode_says_the_same_and_sends_nothing(there: FrozenSet[str], asked: FrozenSet[str], present: bool, ttl: Optional[int]) -> None:
    server = FakeDns(ZONE, held(there))
    said = run(server, Values(TXT, asked, present, ttl), check=True)
    assert server.sent == []
    done = run(server, Values(TXT, asked, present, ttl))
    assert (said.steps, said.before, said.after) == (done.steps, done.before, done.after)


def test_a_value_goes_alone_and_its_message_names_no_other() -> None:
    server = FakeDns(ZONE, held(frozenset({"stays", "goes"})))
    run(server, Values(TXT, frozenset({"goes"}), present=False))
    (message,) = server.sent
    assert [(one.kind, one.value) for one in message.changes] == [("drop", "goes")]
    assert message.prerequisites == ()


def test_a_value_is_added_on_the_condition_that_the_server_would_otherwise_ignore_it() -> None:
    server = FakeDns(ZONE, held(frozenset({"stays"})))
    run(server, Values(TXT, frozenset({"new"})))
    (message,) = server.sent
    assert [(one.kind, one.value, one.ttl) for one in message.changes] == [("add", "new", 300)]
    assert [(one.kind, one.type) for one in message.prerequisites] == [("absent", "CNAME"), ("exists", "TXT")]


def test_a_rival_that_makes_the_name_a_cname_is_told_and_not_ignored() -> None:
    alias = RRset(TXT[0], "CNAME", 5, frozenset({"b.example.net."}))

    def meddle(server: FakeDns) -> None:
        server.sets = {alias.key: alias}

    with pytest.raises(Refused, match="cannot have a CNAME beside TXT"):
        run(FakeDns(ZONE, meddle=meddle), Values(TXT, frozenset({"new"})))


def test_a_rival_that_always_replaces_the_set_ends_it() -> None:
    def meddle(server: FakeDns) -> None:
        server.sets = {} if TXT in server.sets else held(frozenset({"x"}))

    server = FakeDns(ZONE, held(frozenset({"x"})), meddle=meddle)
    with pytest.raises(DnsFailure) as caught:
        run(server, Values(TXT, frozenset({"new"})))
    assert (caught.value.reason, len(server.sent)) == ("lost_race", RACES)


def test_a_deaf_server_and_a_lost_answer_are_told() -> None:
    with pytest.raises(DnsFailure) as caught:
        run(FakeDns(ZONE, deaf=True), Values(TXT, frozenset({"new"})))
    assert (caught.value.reason, caught.value.done) == ("ignored", ())
    lost = DnsFailure("timeout", "No answer.", sent=True)
    assert run(FakeDns(ZONE, fail=lost, fail_after=True), Values(TXT, frozenset({"new"}))).changed
    with pytest.raises(DnsFailure) as unknown:
        run(FakeDns(ZONE, fail=lost), Values(TXT, frozenset({"new"})))
    assert unknown.value.reason == "unknown"


def test_a_new_set_has_the_usual_ttl_and_a_cname_one_value() -> None:
    assert merged(Values(TXT, frozenset({"x"})), None) == RRset(*TXT, TTL, frozenset({"x"}))
    key = ("a.example.net.", "CNAME")
    with pytest.raises(Refused, match="dns_record_set"):
        merge(ZONE, Values(key, frozenset({"b."})), held(frozenset({"c."}), key))
    (group,) = merge(ZONE, Values(key, frozenset({"c."}), present=False), held(frozenset({"c."}), key))
    assert group.prerequisites[0].kind == "equals"


def test_the_last_nameserver_of_the_zone_is_refused_and_the_others_are_compared() -> None:
    key = (ZONE, "NS")
    with pytest.raises(Refused, match="cannot be deleted"):
        merge(ZONE, Values(key, frozenset({"a."}), present=False), held(frozenset({"a."}), key))
    (group,) = merge(ZONE, Values(key, frozenset({"a."}), present=False), held(frozenset({"a.", "b."}), key))
    assert group.prerequisites[0].kind == "equals"


def entry(**more: Any) -> Dict[str, Any]:
    return {"record": "a", "type": "A", "value": None, "values": None, "ttl": None, "state": "present", **more}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"value": "x"}, "^value: 'x' is not an IPv4 address"),
        ({"values": ["192.0.2.1", "x"]}, r"^value\[1\]: 'x'"),
        ({"values": []}, "^values: is empty"),
        ({"value": "192.0.2.1", "ttl": -1}, "^ttl: -1"),
        ({"value": "192.0.2.1", "type": "SOA"}, "^type: 'SOA'"),
    ],
)
def test_a_wrong_option_is_named(wrong: Dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_some(ZONE, entry(**wrong), lambda kind, text: text)


def test_one_value_and_several_are_read() -> None:
    one = read_some(ZONE, entry(value="192.0.2.1"), lambda kind, text: text)
    assert one == Values(("a.example.net.", "A"), frozenset({"192.0.2.1"}))
    two = read_some(ZONE, entry(values=["192.0.2.1", "192.0.2.2"], state="absent", ttl=5), lambda kind, text: text)
    assert (len(two.values), two.present, two.ttl) == (2, False, 5)
