# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which differences between old and new answers there are, and which of them matter."""

from __future__ import annotations

from typing import Dict

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare import Said, as_data, compare, counted, diff, table

ZONE = "example.net."


def one(name: str, kind: str, *values: str, ttl: int = 60) -> RRset:
    return RRset(f"{name}.{ZONE}" if name != "@" else ZONE, kind, ttl, frozenset(values))


def sets(*found: RRset) -> Dict[Key, RRset]:
    return {each.key: each for each in found}


OLD = sets(
    one("@", "SOA", "ns1.p. h.p. 1 2 3 4 5"),
    one("@", "NS", "ns1.p."),
    one("www", "A", "192.0.2.1"),
    one("t", "TXT", '"one two"'),
)

SETS = st.dictionaries(
    st.sampled_from([(f"{name}.{ZONE}", kind) for name in ("a", "b", "c") for kind in ("A", "AAAA")]),
    st.sampled_from(["x", "y", "z"]),
).map(lambda found: {key: RRset(*key, 60, frozenset([value])) for key, value in found.items()})


@given(old=SETS, new=SETS)
def test_every_set_that_differs_is_named_once_and_no_other(old: Dict[Key, RRset], new: Dict[Key, RRset]) -> None:
    found = compare(ZONE, old, [Said("new", new)])
    assert {each.key for each in found} == {key for key in {*old, *new} if old.get(key) != new.get(key)}
    assert len({each.key for each in found}) == len(found)
    assert bool(counted(found)) == (old != new)


def test_the_kinds_are_told_apart() -> None:
    new = sets(one("www", "A", "192.0.2.2"), one("only", "A", "192.0.2.3"), one("t", "TXT", '"one two"', ttl=5))
    found = {(each.key[0], each.key[1]): each.kind for each in compare(ZONE, OLD, [Said("new", new)])}
    assert found == {
        (ZONE, "NS"): "expected",
        (ZONE, "SOA"): "expected",
        ("only.example.net.", "A"): "extra",
        ("t.example.net.", "TXT"): "ttl",
        ("www.example.net.", "A"): "values",
    }
    missing = compare(ZONE, OLD, [Said("new", {})])
    assert [each.key[1] for each in counted(missing)] == ["TXT", "A"]


def test_what_must_differ_is_expected_with_the_reason() -> None:
    new = sets(
        one("@", "SOA", "ns1.example.net. h.p. 9 2 3 4 5"),
        one("@", "NS", "ns1.example.net."),
        one("@", "DNSKEY", "257 3 13 YWJj"),
        one("ns1", "A", "192.0.2.53"),
        OLD["www.example.net.", "A"],
        OLD["t.example.net.", "TXT"],
    )
    found = compare(ZONE, OLD, [Said("new", new)])
    assert counted(found) == []
    assert {each.kind for each in found} == {"expected"}
    assert "new nameserver" in next(each.note for each in found if each.key[0] == "ns1.example.net.")


def test_a_set_of_the_new_servers_alone_matters_unless_it_is_ignored() -> None:
    found = compare(ZONE, OLD, [Said("new", {**OLD, **sets(one("*", "A", "192.0.2.9"))})])
    assert len(counted(found)) == 1
    assert counted(found, ignore_extra=True) == []


def test_a_text_in_other_strings_is_another_value() -> None:
    """DNS-SD (RFC 6763 section 6.1) reads each string as one setting."""
    service = one("backup._ssh._tcp", "TXT", '"txtvers=1" "u=root" "p="')
    merged = one("backup._ssh._tcp", "TXT", '"txtvers=1u=rootp="')
    (each,) = compare(ZONE, sets(service), [Said("new", sets(merged))])
    assert each.kind == "values"
    assert as_data(each)["old"] == [["txtvers=1", "u=root", "p="]]
    assert '"txtvers=1" "u=root" "p="' in table([each])
    assert compare(ZONE, sets(service), [Said("new", sets(service))]) == []


def test_a_text_that_somebody_wrote_as_plain_text_may_be_in_any_strings() -> None:
    written = RRset(f"a.{ZONE}", "TXT", 60, frozenset({'"v=spf1 -all"'}), texts=frozenset({'"v=spf1 -all"'}))
    assert compare(ZONE, sets(written), [Said("new", sets(one("a", "TXT", '"v=spf1 " "-all"')))]) == []


def test_a_server_that_does_not_answer_is_a_difference() -> None:
    (each,) = compare(ZONE, OLD, [Said("new 192.0.2.53", {}, "timeout", "did not answer")])
    assert each.kind == "unreachable" and counted([each])
    assert table([each]) == "new 192.0.2.53 could not be asked: did not answer\n"


def test_the_table_names_the_servers_that_say_the_same_together() -> None:
    new = {**OLD, **sets(one("www", "A", "192.0.2.2"))}
    found = compare(ZONE, OLD, [Said("new a", new), Said("new b", new)])
    assert table(found) == ("www.example.net. A has other data at new a, new b\n    old: 60 192.0.2.1\n    new: 60 192.0.2.2\n")
    assert as_data(found[0])["old"] == ["192.0.2.1"]
    assert diff(found) == {
        "before": "".join(f"==> new {name} <==\nwww.example.net. 60 A 192.0.2.1\n" for name in "ab"),
        "after": "".join(f"==> new {name} <==\nwww.example.net. 60 A 192.0.2.2\n" for name in "ab"),
    }
