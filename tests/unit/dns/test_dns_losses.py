# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No record of a zone that moves is lost without a line that names it."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_dns_zonefile import unsafe_yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.decisions import PUBLISH, Decisions, published, read_decisions, with_proxies
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.evidence_client import to_import
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.left_out import KINDS, LeftOut
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.losses import Evidence, losses, not_seen, unexplained
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.phases import Memory, Position
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.probes import COMMON_NAMES, USUAL, as_wildcard, questions
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.report import closing, doubts, report, to_do
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare import Said, compare, counted
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient

ZONE = "example.net."
CANONICAL = WireClient(Server("")).canonical
WWW, API = ("www.example.net.", "A"), ("api.example.net.", "A")


def sets(found: Mapping[Key, str]) -> Dict[Key, RRset]:
    return {key: RRset(*key, 60, frozenset([value])) for key, value in found.items()}


def decisions(*entries: Mapping[str, Any], listed: Optional[Mapping[Key, RRset]] = None) -> Decisions:
    return read_decisions(ZONE, entries, listed or {}, CANONICAL)


def evidence(known: Mapping[Key, str], *answers: Mapping[Key, str], listed: Optional[Mapping[Key, str]] = None, left: Tuple[LeftOut, ...] = ()) -> Evidence:
    said = tuple(Said(f"old {number}", sets(found), old=True) for number, found in enumerate(answers))
    return Evidence(False, sets(known), sets(known if listed is None else listed), left, said)


KEYS = st.sampled_from([(f"{name}.example.net.", kind) for name in ("a", "b", "*.c") for kind in ("A", "AAAA")] + [(ZONE, "A"), (ZONE, "NS")])
SETS = st.dictionaries(KEYS, st.sampled_from(["192.0.2.1", "192.0.2.2"]))
LEFT = st.builds(LeftOut, st.sampled_from(["a", "@", "out.example.com."]), st.sampled_from(["A", "ALIAS"]), st.just("is odd"), st.sampled_from(KINDS))
WHERE = st.tuples(KEYS, st.sampled_from(["nothing", "answer", "source"]))


@given(
    file=SETS, answers=st.lists(SETS, min_size=1, max_size=3), left=st.lists(LEFT, max_size=3), chosen=st.lists(WHERE, max_size=3, unique_by=lambda one: one[0])
)
def test_whatever_is_answered_or_left_out_reaches_the_new_servers_or_is_named(
    file: Dict[Key, str], answers: List[Dict[Key, str]], left: List[LeftOut], chosen: List[Tuple[Key, str]]
) -> None:
    listed = sets(file)
    may = {key for key, what in chosen if (what != "source" or key in listed) and (what == "nothing" or key != (ZONE, "NS"))}
    wanted = decisions(
        *({"record": name, "type": kind, "publish": what} for (name, kind), what in chosen if (name, kind) in may),
        listed=listed,
    )
    keys = {*listed, *(key for key, one in wanted.items() if one.publish != "nothing")}
    known = {key: one for key, one in sets(answers[0]).items() if key in keys}
    seen = Evidence(False, known, listed, left, tuple(Said(str(n), sets(found)) for n, found in enumerate(answers)))
    found = losses(ZONE, seen, wanted)
    named = {one.key for one in found}
    assert len(named) == len(found)
    reaching = published(known, wanted)
    for answer in answers:
        for key, value in answer.items():
            if key != (ZONE, "NS") and (key not in reaching or reaching[key].values != {value}):
                assert key in named, key
    for one in left:
        assert one.kind in ("expected", "note") or any((one.record, one.type) == (each.record, each.key[1]) for each in found)
    assert {key for key in {*listed, *known} if key not in reaching} <= {*named, (ZONE, "NS")}
    assert {one.key for one in unexplained(found)}.isdisjoint(key for key, one in wanted.items() if one.publish == "nothing")


def test_the_same_zone_in_the_file_and_at_all_servers_is_in_no_doubt() -> None:
    zone = {WWW: "192.0.2.1", (ZONE, "NS"): "ns1.p."}
    assert losses(ZONE, evidence(zone, zone, zone), {}) == ()


def test_a_set_whose_values_are_not_the_same_when_asked_again_is_in_doubt_until_one_decides() -> None:
    seen = evidence({WWW: "192.0.2.1"}, {WWW: "192.0.2.2"})
    (one,) = losses(ZONE, seen, {})
    assert str(one) == "www A has data that is not the same in every answer: 192.0.2.1 at first, then old 0 192.0.2.2"
    for publish in ("answer", "source"):
        wanted = decisions({"record": "www", "type": "A", "publish": publish}, listed=seen.listed)
        assert unexplained(losses(ZONE, seen, wanted)) == []


def test_an_answer_that_is_to_be_published_and_is_not_there_stays_in_doubt() -> None:
    wanted = decisions({"record": "www", "type": "A", "publish": "answer"})
    (one,) = unexplained(losses(ZONE, evidence({}, {}), wanted))
    assert one.key == WWW and "no old server answers it" in one.reason


def test_a_set_that_somebody_gives_up_without_a_doubt_has_a_line_too() -> None:
    zone = {WWW: "192.0.2.1", ("www.example.net.", "AAAA"): "::1", API: "192.0.2.2"}
    wanted = decisions({"record": "api", "type": "A", "publish": "nothing"}, {"record": "www", "type": "CNAME", "publish": "value", "value": ["x"]})
    found = losses(ZONE, evidence(zone, zone), wanted)
    assert [(str(one), one.decision) for one in found] == [
        ("api A is 192.0.2.2 at the old servers", "nothing"),
        ("www A is 192.0.2.1 at the old servers", "value"),
        ("www AAAA is ::1 at the old servers", "value"),
    ]
    assert set(published(sets(zone), wanted)) == {("www.example.net.", "CNAME")}


def test_below_a_delegation_and_a_dname_nothing_is_asked_of_the_zone() -> None:
    zone = {("sub.example.net.", "NS"): "ns.sub.example.net.", ("x.sub.example.net.", "A"): "192.0.2.1", ("sub.example.net.", "TXT"): '"x"'}
    zone.update({("d.example.net.", "DNAME"): "www.example.net.", ("x.d.example.net.", "A"): "192.0.2.1"})
    answered = {key: value for key, value in zone.items() if key[1] in ("NS", "DNAME")}
    assert losses(ZONE, evidence(zone, answered), {}) == ()
    assert losses(ZONE, evidence(answered, answered, listed=zone), {}) == ()


def test_what_a_server_says_in_place_of_any_and_makes_for_dnssec_is_no_data() -> None:
    own = {(ZONE, "HINFO"): '"RFC8482" ""', (ZONE, "CDS"): "1 13 2 ab", (ZONE, "DNSKEY"): "257 3 13 ab", (ZONE, "TYPE65534"): "\\# 1 aa"}
    assert losses(ZONE, evidence({}, own), {}) == ()


def test_a_server_that_cannot_be_asked_is_a_doubt_that_no_decision_ends() -> None:
    seen = Evidence(False, {}, {}, (), [Said("old 2", {}, "timeout", "it did not answer", old=True)])
    for entries in ((), ({"record": "@", "type": "SOA", "publish": "nothing"},)):
        (one,) = unexplained(losses(ZONE, seen, decisions(*entries)))
        assert str(one) == "@ SOA cannot be asked of old 2: it did not answer"


def test_types_that_a_server_refuses_to_answer_are_said() -> None:
    said = Said("old 1", {}, refused={"SVCB": "it answered with NOTIMP"})
    assert not_seen([said]) == ["old 1 does not say which SVCB records there are: it answered with NOTIMP"]


def test_who_publishes_what_is_behind_a_proxy_gives_the_proxy_up() -> None:
    left = [LeftOut("www", "A", "is proxied", "proxied"), LeftOut("api", "A", "is proxied", "proxied")]
    listed = sets({WWW: "192.0.2.1", API: "192.0.2.2"})
    wanted = decisions({"record": "www", "type": "A", "publish": "source"}, {"record": "api", "type": "A", "publish": "answer"}, listed=listed)
    added = set(with_proxies(wanted, left, listed, ZONE)) - set(wanted)
    assert added == {("www.example.net.", kind) for kind in ("AAAA", "CNAME", "HTTPS", "SVCB")}


@pytest.mark.parametrize("kind", ["A", "NULL", '{"x'])
@pytest.mark.parametrize("record", ["my\\032printer", 'a\\"b', 'a"}, {x', "plain", "*", "{{ x }}"])
def test_the_example_of_a_decision_can_be_copied_for_any_name_and_type(record: str, kind: str) -> None:
    text = doubts(losses(ZONE, evidence({}, {}, left=(LeftOut(record, kind, "is odd"),)), {}))
    (decision,) = unsafe_yaml(re.search(r"move_decisions: (\[.*\])\. $", text)[1])
    assert decision == {"record": record, "type": kind, "publish": "nothing"}


@pytest.mark.parametrize(("publish", "in_doubt"), [("value", True), ("nothing", False)])
def test_a_decided_set_that_no_zone_could_hold_stays_in_doubt(publish: str, in_doubt: bool) -> None:
    """The transferred zone has a CNAME at the name, about which nobody decided."""
    wanted = decisions({"record": "www", "type": "A", "publish": publish, "value": ["192.0.2.1"]})
    known = sets({("www.example.net.", "CNAME"): "x.example.com."})
    left = tuple(to_import(ZONE, known, wanted, CANONICAL).left_out)
    seen = Evidence(True, known, known, left, [], frozenset((f"{one.record}.{ZONE}", one.type) for one in left))
    found = {one.key: one.reason for one in unexplained(losses(ZONE, seen, wanted))}
    assert found == ({WWW: "stands beside a CNAME record, beside which nothing else can"} if in_doubt else {})


def test_what_is_published_is_what_was_decided() -> None:
    known = {**sets({WWW: "192.0.2.1", API: "192.0.2.2", ("al.example.net.", "AAAA"): "::1"})}
    wanted = decisions(
        {"record": "www", "type": "A", "publish": "value", "value": ["192.0.2.9"]},
        {"record": "api", "type": "A", "publish": "nothing"},
        {"record": "al", "type": "CNAME", "publish": "value", "value": ["www"], "ttl": 5},
        {"record": "x.example.net", "type": "txt", "publish": "value", "value": ["a b"]},
    )
    found = {(key, one.ttl, *one.values) for key, one in published(known, wanted).items()}
    assert found == {
        (WWW, 60, "192.0.2.9"),
        (("al.example.net.", "CNAME"), 5, "www.example.net."),
        (("x.example.net.", "TXT"), 3600, '"a b"'),
    }


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"record": "www", "type": "A", "publish": "source"}, "decisions.0.: www A is not in the source"),
        ({"record": "@", "type": "ALIAS", "publish": "answer"}, "decisions.0.: @ ALIAS is a provider's own type"),
        ({"record": "www", "type": "A", "publish": "value", "value": ["x"]}, "decisions.0.: www A is not an IPv4 address"),
        ({"record": "www", "type": "A", "publish": "value", "value": []}, "needs value"),
        ({"record": "a.example.com.", "type": "A", "publish": "answer"}, "outside the zone"),
        ({"record": "www", "type": "A", "publish": "answer", "ttl": -1}, r"decisions.0..ttl: -1 is not from 0 to 2147483647 seconds"),
        ({"record": "www", "type": "A", "publish": "value", "value": ["192.0.2.1"], "ttl": 2**40}, r"decisions.0..ttl: 1099511627776 is not"),
        ({"record": "www", "type": "CNAME", "publish": "value", "value": ["a", "b"]}, "www CNAME has 2 values, and a CNAME has exactly one"),
        (
            {"record": "@", "type": "TYPE5", "publish": "value", "value": ["a"]},
            "@ TYPE5 puts a CNAME at the zone itself. Decide nothing about it, and its addresses",
        ),
        ({"record": "@", "type": "DS", "publish": "answer"}, "@ DS puts a DS at the zone itself"),
        ({"record": "@", "type": "NS", "publish": "value", "value": ["ns"]}, "@ NS names the nameservers, which are what the move changes"),
        ({"record": "al", "type": "A", "publish": "value", "value": ["192.0.2.1"]}, "decisions.0.: al A cannot stand beside a CNAME. Decide"),
        ({"record": "www", "type": "DS", "publish": "value", "value": ["1 13 2 " + "ab" * 32]}, "www DS cannot be without NS records"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_with_its_place(entry: Mapping[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        decisions(entry, listed=sets({("al.example.net.", "CNAME"): "x."}))


def test_decisions_that_cannot_stand_together_are_refused_and_others_of_one_name_are_not() -> None:
    alias = {"record": "www", "type": "CNAME", "publish": "value", "value": ["x"]}
    address = {"record": "www", "type": "TYPE1", "publish": "value", "value": ["192.0.2.1"]}
    with pytest.raises(Refused, match=r"decisions\[1\]: www TYPE1 cannot stand beside a CNAME"):
        decisions(alias, address)
    assert set(decisions({**alias, "publish": "nothing"}, address)) == {("www.example.net.", "CNAME"), WWW}
    ds = {"record": "www", "type": "DS", "publish": "value", "value": ["1 13 2 " + "ab" * 32]}
    servers = {"record": "www", "type": "NS", "publish": "value", "value": ["ns.example.com."]}
    assert len(decisions(ds, servers, listed=sets({API: "192.0.2.1"}))) == 2
    with pytest.raises(Refused, match="www DS cannot be without NS"):
        decisions(ds, {**servers, "publish": "nothing"})


def test_a_type_by_its_number_is_the_type_and_one_decision_is_about_one_set() -> None:
    by_number = {"record": "www", "type": "type1", "publish": "value", "value": ["192.0.2.9"]}
    assert published(sets({WWW: "192.0.2.1"}), decisions(by_number))[WWW].values == {"192.0.2.9"}
    with pytest.raises(Refused, match="there twice"):
        decisions(by_number, {**by_number, "type": "A"})


def test_two_decisions_about_one_set_are_refused() -> None:
    one = {"record": "www", "type": "A", "publish": "nothing"}
    with pytest.raises(Refused, match="there twice"):
        decisions(one, {**one, "record": "www.example.net."})


@pytest.mark.parametrize("publish", PUBLISH)
def test_the_comparison_expects_of_the_new_servers_what_was_decided(publish: str) -> None:
    listed = sets({WWW: "192.0.2.5"})
    entry = {"record": "www", "type": "A", "publish": publish, "value": ["192.0.2.9"] if publish == "value" else None}
    wanted = decisions(entry, listed=listed)
    old = sets({WWW: "192.0.2.1"})
    right = published(old, wanted)
    assert counted(compare(ZONE, old, [Said("new", right), Said("old", {}, old=True)], wanted)) == []
    if publish != "nothing":
        assert [one.kind for one in counted(compare(ZONE, old, [Said("new", {})], wanted))] == ["missing"]
    if publish in ("source", "value"):
        assert [one.kind for one in counted(compare(ZONE, old, [Said("new", old)], wanted))] == ["values"]


def test_what_only_another_old_server_has_is_never_an_extra_that_may_be_ignored() -> None:
    found = compare(ZONE, {}, [Said("old 2", sets({WWW: "192.0.2.1"}), old=True), Said("new", sets({API: "192.0.2.2"}))])
    assert [one.key for one in counted(found, ignore_extra=True)] == [WWW]
    assert len(counted(found)) == 2


def test_after_a_file_every_name_is_asked_for_the_usual_types_and_after_a_transfer_the_apex() -> None:
    keys = [("www.a.example.net.", "CNAME"), ("t.example.net.", "LOC")]
    file = questions(ZONE, keys, ["left.example.net.", "out.example.com."], False, "probe")
    for name in (ZONE, "www.a.example.net.", "t.example.net.", "left.example.net."):
        assert {*USUAL, "ANY"} <= set(file[name])
    assert "out.example.com." not in file
    assert {"*.example.net.", "probe.example.net.", "*.a.example.net.", "probe.a.example.net."} <= set(file)
    assert {f"{name}.{ZONE}" for name in COMMON_NAMES} <= set(file)
    whole = questions(ZONE, keys, [], True, "probe")
    assert {*USUAL, "ANY"} <= set(whole[ZONE]) and whole["www.a.example.net."] == ("A",) and whole["t.example.net."] == ("LOC",)
    assert as_wildcard("probe.a.example.net.", "probe") == "*.a.example.net." and as_wildcard("www.example.net.", "probe") == "www.example.net."


def test_a_message_that_stops_the_move_names_every_set_in_doubt_and_a_wait_names_them_too() -> None:
    left = tuple(LeftOut(f"r{number}", "ALIAS", f"is odd (line {number})") for number in range(40))
    found = losses(ZONE, evidence({}, {}, left=left), decisions({"record": "r0", "type": "ALIAS", "publish": "nothing"}))
    here = Position("explain", Memory())
    text = closing(ZONE, here, to_do(ZONE, here, 60, [], [], {}, found), found, {})
    assert all(f"r{number} ALIAS is odd (line {number})" in text for number in range(1, 40))
    assert "r0 ALIAS" not in text and "move_decisions" in text and "39 record sets" in text
    waiting = closing(ZONE, Position("wait_ttl", Memory(), 0), "", found, {})
    assert waiting.startswith("It is to be waited until 1970-01-01T00:00:00Z (wait_ttl)") and "r39 ALIAS" in waiting
    lines = report(["next"], "", [*left, LeftOut("@", "SOA", "is own", "expected")], found, ["x"])
    assert lines[1].startswith("in doubt  r1 ALIAS") and "decided   r0 ALIAS is odd (line 0) (publish: nothing)" in lines
    assert lines[-2:] == ["left out  @ SOA is own", "not seen  x"] and len(lines) == 1 + 40 + 2
