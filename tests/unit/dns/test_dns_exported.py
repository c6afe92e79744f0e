# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone that is exported and read again is the same zone: as a zone file, and as an entry of dns_zones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import fleet
from test_dns_types import CANONICAL, UNREAD, is_read
from test_dns_types import VALUES as TYPE_VALUES
from test_dns_zonefile import ZONE, unsafe_yaml, zones

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import as_sets, is_ours
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset, ZoneContents
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.export_client import generic
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.record_types import SERVER_OWNED, TYPES, WRITABLE
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.exported import Exported, export

SOA = RRset(ZONE, "SOA", 300, frozenset(["ns1.example.net. hostmaster.example.net. 7 3600 600 86400 60"]))
NS = RRset(ZONE, "NS", 300, frozenset(["ns1.example.org.", "ns2.example.org."]))
# Of types whose values our table or an older dnspython has in the generic form only, those that BIND looks into.
GENERIC = {
    **dict.fromkeys(("MB", "MG", "MR"), r"\# 3 016100"),
    **dict.fromkeys(("MINFO", "TALINK"), r"\# 6 016100016200"),
    "DOA": r"\# 11 00000001000000020100FF",
    "DSYNC": r"\# 6 003B01003500",
    **dict.fromkeys(("RESINFO", "WALLET"), r"\# 4 036B3D76"),
    "RKEY": r"\# 6 0000FF01ABCD",
    "TA": r"\# 36 30390D02" + "ab" * 32,
    "WKS": r"\# 6 C00002010640",
}


def contents(sets: Sequence[RRset], signed: bool = False) -> ZoneContents:
    return ZoneContents(ZONE, 7, SOA, {one.key: one for one in (NS, *sets)}, signed)


def exported(sets: Sequence[RRset], signed: bool = False, **more: Any) -> Exported:
    return export(contents(sets, signed), CANONICAL, generic, **more)


def every_type() -> List[RRset]:
    """A set of each type that a zone may have, with every way to write its value."""
    sets = []
    for kind in WRITABLE:
        given_ = TYPE_VALUES.get(kind, {}) if kind not in UNREAD and is_read(kind) else {}
        values = list(given_.values()) or [CANONICAL(kind, GENERIC.get(kind, r"\# 4 C0000201"))]
        for number, value in enumerate(values):
            name = f"x{number}.{kind.lower()}.{ZONE}"
            if kind == "DS":
                sets.append(RRset(name, "NS", 60, frozenset(["ns.example.org."])))
            sets.append(RRset(name, kind, 300 if number else 60, frozenset([CANONICAL(kind, value)])))
    sets.append(RRset(f"x.{ZONE}", "TYPE65280", 300, frozenset([CANONICAL("TYPE65280", r"\# 2 abcd")])))
    return sets


def again(text: str) -> Dict[Key, RRset]:
    found, left = read_source(text, {"format": "zone", "default_ttl": 1}, ZONE, CANONICAL)
    assert [one for one in left if not one.reason.startswith("has a TTL of 1 second")] == []
    return {one.key: one for one in found if one.type != "SOA"}


@settings(max_examples=150, deadline=None)
@given(sets=zones())
def test_a_zone_file_read_again_is_the_same_zone(sets: List[RRset]) -> None:
    assert again(exported(sets).zone_file) == contents(sets).sets


NAMES = [f"{name}.{ZONE}" for name in ("a", "b", "a.b", "c.a.b", "ns.a", "ns.a.b", "ns.b", "*.b")] + [ZONE]
HIDING = {
    "NS": [f"ns.a.{ZONE}", f"ns.a.b.{ZONE}", f"b.{ZONE}", "ns.example.org."],
    "DNAME": [f"a.{ZONE}", "example.org."],
    "DS": ["1 13 2 " + "ab" * 32],
    "A": ["192.0.2.1"],
    "AAAA": ["2001:db8::1"],
    "TXT": ['"x"'],
    "CNAME": ["example.org."],
}


@st.composite
def hiding_zones(draw: st.DrawFn) -> List[RRset]:
    """What a server may hold: records at and below cuts and DNAMEs, a DS alone, and a CNAME beside others, as files have it."""
    sets = {}
    for name, kind in draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(HIDING))), max_size=9)):
        if (name, kind) != NS.key:
            value = draw(st.sampled_from(HIDING[kind]))
            sets[name, kind] = RRset(name, kind, draw(st.sampled_from([60, 300])), frozenset([CANONICAL(kind, value)]))
    return list(sets.values())


@settings(max_examples=150, deadline=None)
@given(sets=hiding_zones(), nameservers=st.booleans())
def test_dns_zones_takes_every_entry_and_what_it_would_not_is_named(sets: List[RRset], nameservers: bool) -> None:
    made = exported(sets, nameservers=nameservers)
    entry = unsafe_yaml(made.variables)[made.name]
    found = resolve(fleet(dns_zones={ZONE[:-1]: {**entry, "primary": "ns1"}}))
    assert [str(problem) for problem in found.problems] == []
    taken = {one.key: one for one in as_sets(ZONE, entry["records"], CANONICAL)}
    left = {(ZONE if one.record == "@" else f"{one.record}.{ZONE}", one.type) for one in made.left_out}
    assert taken == {key: one for key, one in contents(sets).sets.items() if key not in left}


def test_what_nobody_would_see_is_left_out_as_lost_and_glue_is_not() -> None:
    def one(name: str, kind: str, value: str) -> RRset:
        return RRset(f"{name}.{ZONE}", kind, 60, frozenset([value]))

    glue = [one("cut", "NS", f"ns.cut.{ZONE}"), one("ns.cut", "A", "192.0.2.1"), one("cut", "DS", "1 13 2 " + "ab" * 32)]
    hidden = [one("cut", "TXT", '"x"'), one("x.cut", "NS", f"ns.x.cut.{ZONE}"), one("ns.x.cut", "A", "192.0.2.1"), one("alone", "DS", "1 13 2 ab")]
    made = exported([*glue, *hidden, one("d", "DNAME", "example.org."), one("x.d", "A", "192.0.2.1")])
    assert {(entry["record"], entry["type"]) for entry in made.found.record_sets} == {
        ("cut", "NS"),
        ("ns.cut", "A"),
        ("cut", "DS"),
        ("d", "DNAME"),
    }
    reasons = {(each.record, each.type): (each.reason, each.kind) for each in made.left_out if each.record != "@"}
    assert {kind for _reason, kind in reasons.values()} == {"lost"}
    assert reasons["ns.x.cut", "A"][0] == "lies in the zone cut.example.net, which is delegated to other nameservers"
    assert "has a DNAME record" in reasons["x.d", "A"][0] and "no NS records" in reasons["alone", "DS"][0] and len(reasons) == 5


@settings(max_examples=100, deadline=None)
@given(sets=zones(), nameservers=st.booleans())
def test_an_entry_of_dns_zones_gives_the_same_zone(sets: List[RRset], nameservers: bool) -> None:
    made = exported(sets, nameservers=nameservers)
    (entry,) = unsafe_yaml(made.variables).values()
    wanted = contents(sets).sets if nameservers else {key: one for key, one in contents(sets).sets.items() if key != NS.key}
    assert {one.key: one for one in as_sets(ZONE, entry["records"], CANONICAL)} == wanted
    assert [(one.record, one.type) for one in made.left_out] == ([] if nameservers else [("@", "NS")])
    assert is_ours(made.variables)


def test_each_type_is_read_again_from_both_forms() -> None:
    sets = every_type()
    made = exported(sets)
    assert {one.type for one in sets} >= set(WRITABLE)
    assert again(made.zone_file) == contents(sets).sets
    (entry,) = unsafe_yaml(made.variables).values()
    taken = {one.key: one for one in as_sets(ZONE, entry["records"], CANONICAL)}
    left = [one for one in sets if one.key not in taken]
    assert taken == {one.key: one for one in sets if one not in left}
    assert {(f"{one.record}.{ZONE}", one.type) for one in made.left_out} - {(f"@.{ZONE}", "NS")} == {one.key for one in left}
    assert not [one for one in left if TYPES[one.type].fields and not TYPES[one.type].signing]


def compiled(text: str, folder: Path) -> str:
    """A zone as BIND reads it, each record on a line with everything."""
    (folder / "zone").write_text(text, encoding="utf-8")
    options = ["-q", "-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore", "-r", "ignore", "-s", "full"]
    argv = ["named-compilezone", *options, "-o", str(folder / "compiled"), ZONE, str(folder / "zone")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "compiled").read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("named-compilezone"), reason="BIND is not on this machine")
def test_bind_reads_the_same_from_the_file_as_from_the_bytes_of_each_value(tmp_path: Path) -> None:
    sets = every_type()
    bytes_of_all = [
        f"{one.name} {one.ttl} IN TYPE{TYPES[one.type].number if one.type in TYPES else one.type[4:]} {generic(one.type, value)}\n"
        for one in (SOA, *contents(sets).sets.values())
        for value in one.values
    ]
    wanted = compiled("".join(bytes_of_all), tmp_path)
    assert compiled(exported(sets).zone_file, tmp_path) == wanted and len(wanted.splitlines()) == len(bytes_of_all)


def test_the_file_is_in_a_stable_order_with_relative_names_and_few_ttls() -> None:
    sets = [
        RRset(f"b.{ZONE}", "A", 60, frozenset(["192.0.2.2", "192.0.2.1"])),
        RRset(f"x.a.{ZONE}", "TXT", 300, frozenset(['"two" "strings"'])),
        RRset(f"a.{ZONE}", "MX", 300, frozenset(["10 mail.example.net."])),
        RRset(ZONE, "MX", 300, frozenset(["10 mail.example.net."]), ("10 Mail.example.NET.",)),
    ]
    text = exported(sets).zone_file
    assert text == exported(sets[::-1]).zone_file
    assert (
        text
        == """; Exported by smallfleet.infra.dns_zone_export: example.net, serial 7.
$ORIGIN example.net.
$TTL 300
@ IN SOA ns1.example.net. hostmaster.example.net. 7 3600 600 86400 60
@ IN NS ns1.example.org.
@ IN NS ns2.example.org.
@ IN MX 10 Mail.example.NET.
a IN MX 10 mail.example.net.
x.a IN TXT "two" "strings"
b 60 IN A 192.0.2.1
b 60 IN A 192.0.2.2
"""
    )


def test_the_entry_is_planned_as_the_zone_of_a_primary() -> None:
    records = [
        RRset(f"ns1.{ZONE}", "A", 60, frozenset(["192.0.2.2"])),
        RRset(f"dnssd.{ZONE}", "TXT", 60, frozenset(['"a=1" "b=2"'])),
        RRset(f"on.{ZONE}", "TXT", 300, frozenset(['"{{ 1 }}"', '"yes"'])),
    ]
    made = exported(records)
    entry = unsafe_yaml(made.variables)[made.name]
    assert made.name == "exported_example_net" and entry["hosts"] is False
    assert entry["ttl"] == SOA.ttl, "that of the SOA, whatever TTL most other sets have"
    found = resolve(fleet(dns_zones={"example.net": {**entry, "primary": "ns1"}}))
    assert found.problems == ()
    (served,) = found.host_plans["ns1"]["zones"]
    assert served["soa"] == {
        "mname": "ns1.demo.example.net.",
        "rname": "hostmaster.example.net.",
        "refresh": 3600,
        "retry": 600,
        "expire": 86400,
        "minimum": 60,
        "ttl": 300,
        "keep": [],
    }
    sets = {one.key: one for one in as_sets(ZONE, served["record_sets"], CANONICAL)}
    assert {key: sets[key] for key in ((one.name, one.type) for one in records)} == {one.key: one for one in records}
    assert ["a=1", "b=2"] in next(one["value"] for one in entry["records"] if one["record"] == "dnssd")


def test_the_ttl_of_the_zones_own_nameservers_is_published_though_the_soa_has_another() -> None:
    servers = RRset(ZONE, "NS", 86400, NS.values)
    made = export(ZoneContents(ZONE, 7, SOA, {servers.key: servers}), CANONICAL, generic, nameservers=True)
    found = resolve(fleet(dns_zones={"example.net": {**unsafe_yaml(made.variables)[made.name], "primary": "ns1"}}))
    assert found.problems == ()
    (update,) = found.host_plans["ns1"]["updates"]
    (own,) = (one for one in update["record_sets"] if (one["record"], one["type"]) == ("@", "NS"))
    assert own == {"record": "@", "type": "NS", "ttl": 86400, "value": sorted(servers.values)}


def test_what_is_not_in_the_entry_is_named_in_it_and_in_the_result() -> None:
    made = exported([RRset(f"sp\\032ace.{ZONE}", "A", 300, frozenset(["192.0.2.1"]))], signed=True)
    assert [(one.record, one.type) for one in made.left_out] == [("@", "DNSKEY"), ("@", "NS"), ("sp\\032ace", "A")]
    assert made.variables.count("\n# Left out: ") == 3
    assert "sp\\032ace IN A 192.0.2.1" in made.zone_file and "DNSSEC is left out" in made.zone_file.splitlines()[0]
    assert not set(SERVER_OWNED) & {one["type"] for one in made.found.record_sets}
