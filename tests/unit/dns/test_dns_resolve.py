# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory asks of DNS: good fleets give host_plans, bad ones give every problem at once."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Dict, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import Problem

ZONE = "demo.example.net"


def host(name: str, number: int, fqdn: Optional[str] = None, addresses: bool = True) -> Host:
    place = Attachment(
        "main",
        "eth0",
        IPv4Interface(f"192.0.2.{number}/24") if addresses else None,
        IPv6Interface(f"2001:db8::{number:x}/64") if addresses else None,
        1500,
    )
    return Host(name, fqdn or f"{name}.{ZONE}", (), (place,), {"management": "main", "public": "main"})


def fleet(**variables: Any) -> Fleet:
    hosts = [host("ns1", 2), host("app1", 11), host("bare", 12, addresses=False), host("far", 13, "far.example.com")]
    return Fleet("demo", ZONE, {}, {one.name: one for one in hosts}, {}, variables)


def zone(**options: Any) -> Dict[str, Any]:
    return {ZONE: {"primary": "ns1", **options}}


def only_host_plan(**variables: Any) -> Dict[str, Any]:
    found = resolve(fleet(**variables))
    assert found.problems == ()
    assert list(found.host_plans) == ["ns1"]
    return dict(found.host_plans["ns1"])


def record(*entries: Dict[str, Any]) -> Dict[Tuple[str, str], Any]:
    """The record sets of the zone that are not a host's."""
    sets = only_host_plan(dns_zones=zone(hosts=False, records=list(entries)))["zones"][0]["record_sets"]
    return {(one["record"], one["type"]): one for one in sets if one["record"] != "ns1"}


def test_a_fleet_without_zones_has_no_dns_server() -> None:
    found = resolve(fleet())
    assert (dict(found.host_plans), found.problems) == ({}, ())


def test_every_host_in_the_zone_is_published_with_both_families() -> None:
    part = only_host_plan(dns_zones=zone())
    assert part["listen"] == ["192.0.2.2", "2001:db8::2"]
    assert part["update_key"] == {
        "name": "demo-update",
        "algorithm": "hmac-sha256",
        "file": "/etc/smallfleet/dns/demo-update.key",
    }
    served = part["zones"][0]
    assert served["nameservers"] == ["ns1.demo.example.net."]
    assert served["primary_fqdn"] == "ns1.demo.example.net"
    assert [(one["record"], one["type"], one["value"]) for one in served["record_sets"]] == [
        ("app1", "A", ["192.0.2.11"]),
        ("app1", "AAAA", ["2001:db8::b"]),
        ("ns1", "A", ["192.0.2.2"]),
        ("ns1", "AAAA", ["2001:db8::2"]),
    ]


def test_a_zone_without_hosts_still_says_where_its_primary_is() -> None:
    sets = only_host_plan(dns_zones=zone(hosts=False))["zones"][0]["record_sets"]
    assert {one["record"] for one in sets} == {"ns1"}


def test_a_host_is_published_in_the_closest_zone_only() -> None:
    zones = {"example.net": {"primary": "ns1"}, **zone()}
    parent, child = only_host_plan(dns_zones=zones)["zones"]
    assert {one["record"] for one in parent["record_sets"]} == {"demo", "ns1.demo"}  # the delegation and its glue
    assert {one["record"] for one in child["record_sets"]} == {"ns1", "app1"}


def test_each_primary_gets_only_its_own_zones() -> None:
    found = resolve(fleet(dns_zones={**zone(), "example.com": {"primary": "app1"}}))
    assert [one["name"] for one in found.host_plans["ns1"]["zones"]] == [ZONE]
    assert [one["name"] for one in found.host_plans["app1"]["zones"]] == ["example.com"]
    assert found.host_plans["app1"]["zones"][0]["nameservers"] == ["app1.demo.example.net."]


def test_names_may_be_relative_whole_or_the_zone_itself() -> None:
    for written in ("www", "www.demo.example.net", "WWW.Demo.Example.NET."):
        assert list(record({"record": written, "type": "A", "value": "192.0.2.1"})) == [("www", "A")]
    for apex in ("@", "", "demo.example.net."):
        assert list(record({"record": apex, "type": "TXT", "value": ["hello"]})) == [("@", "TXT")]


def test_names_in_values_become_absolute() -> None:
    assert record({"record": "a", "type": "CNAME", "value": ["app1"]})["a", "CNAME"]["value"] == ["app1.demo.example.net."]
    assert record({"record": "a", "type": "cname", "value": ["x.example.com."]})["a", "CNAME"]["value"] == ["x.example.com."]


def test_a_record_without_ttl_takes_the_zones() -> None:
    sets = only_host_plan(dns_zones=zone(ttl=77, records=[{"record": "a", "type": "A", "value": ["192.0.2.1"]}]))
    assert {one["ttl"] for one in sets["zones"][0]["record_sets"]} == {77}


def test_own_nameservers_replace_the_default_one() -> None:
    served = only_host_plan(dns_zones=zone(records=[{"record": "@", "type": "NS", "value": ["ns.example.com.", "ns1"]}]))
    assert served["zones"][0]["nameservers"] == ["ns.example.com.", "ns1.demo.example.net."]
    assert ("@", "NS") not in {(one["record"], one["type"]) for one in served["zones"][0]["record_sets"]}


A = {"record": "a", "type": "A", "value": ["192.0.2.1"]}
BROKEN = {
    "zones are a list": (["x"], "dns_zones"),
    "zones are a text": ("demo", "dns_zones"),
    "zone has no options": ({ZONE: None}, f"dns_zones.{ZONE}"),
    "zone has a number for a name": ({5: {"primary": "ns1"}}, "dns_zones.5"),
    "zone has a bad name": ({"a b": {"primary": "ns1"}}, "dns_zones.a b"),
    "zone twice": ({**zone(), "DEMO.example.net.": {"primary": "ns1"}}, "dns_zones.DEMO.example.net."),
    "primary missing": ({ZONE: {}}, f"dns_zones.{ZONE}.primary"),
    "primary unknown": ({ZONE: {"primary": "ns9"}}, f"dns_zones.{ZONE}.primary"),
    "primary is a list": ({ZONE: {"primary": ["ns1"]}}, f"dns_zones.{ZONE}.primary"),
    "primary without address": ({ZONE: {"primary": "bare"}}, f"dns_zones.{ZONE}.primary"),
    "unknown option": (zone(tll=5), f"dns_zones.{ZONE}.tll"),
    "ttl a text": (zone(ttl="5m"), f"dns_zones.{ZONE}.ttl"),
    "ttl true": (zone(ttl=True), f"dns_zones.{ZONE}.ttl"),
    "ttl negative": (zone(ttl=-1), f"dns_zones.{ZONE}.ttl"),
    "ttl too long": (zone(ttl=2**31), f"dns_zones.{ZONE}.ttl"),
    "hosts a text": (zone(hosts="some"), f"dns_zones.{ZONE}.hosts"),
    "records a dictionary": (zone(records={"www": 1}), f"dns_zones.{ZONE}.records"),
    "record a text": (zone(records=["www"]), f"dns_zones.{ZONE}.records[0]"),
    "record name missing": (zone(records=[{"type": "A", "value": ["192.0.2.1"]}]), ".records[0].record"),
    "record name bad": (zone(records=[{**A, "record": "a..b"}]), ".records[0].record"),
    "record name a number": (zone(records=[{**A, "record": 5}]), ".records[0].record"),
    "record outside": (zone(records=[{**A, "record": "www.example.com."}]), ".records[0].record"),
    "type missing": (zone(records=[{"record": "a", "value": ["192.0.2.1"]}]), ".records[0].type"),
    "type unknown": (zone(records=[{**A, "type": "ADDRESS"}]), ".records[0].type"),
    "type of the server": (zone(records=[{**A, "type": "SOA"}]), ".records[0].type"),
    "value missing": (zone(records=[{"record": "a", "type": "A"}]), ".records[0].value"),
    "value empty": (zone(records=[{**A, "value": []}]), ".records[0].value"),
    "value a number": (zone(records=[{**A, "value": [5]}]), ".records[0].value[0]"),
    "value no IPv4": (zone(records=[{**A, "value": ["192.0.2.256"]}]), ".records[0].value[0]"),
    "value IPv6 in A": (zone(records=[{**A, "value": ["2001:db8::1"]}]), ".records[0].value[0]"),
    "value IPv4 in AAAA": (zone(records=[{**A, "type": "AAAA"}]), ".records[0].value[0]"),
    "value twice": (zone(records=[{**A, "value": ["192.0.2.1", "192.0.2.1"]}]), ".records[0].value[1]"),
    "CNAME to an unclear name": (
        zone(records=[{"record": "a", "type": "CNAME", "value": ["www.example.com"]}]),
        ".records[0].value[0]",
    ),
    "CNAME with two values": (zone(records=[{"record": "a", "type": "CNAME", "value": ["b", "c"]}]), "[0].value"),
    "MX without preference": (zone(records=[{"record": "@", "type": "MX", "value": ["mail"]}]), "[0].value[0]"),
    "SRV with a big port": (
        zone(records=[{"record": "_x._tcp", "type": "SRV", "value": ["0 0 70000 app1"]}]),
        "[0].value[0]",
    ),
    "CNAME at the zone": (zone(records=[{"record": "@", "type": "CNAME", "value": ["app1"]}]), ".records[0]"),
    "CNAME beside A": (zone(records=[A, {"record": "a", "type": "CNAME", "value": ["app1"]}]), ".records[1]"),
    "A beside CNAME": (zone(records=[{"record": "a", "type": "CNAME", "value": ["app1"]}, A]), ".records[1]"),
    "CNAME beside a host": (zone(records=[{"record": "app1", "type": "CNAME", "value": ["ns1"]}]), ".records"),
    "the same set twice": (zone(records=[A, {**A, "record": "A.demo.example.net"}]), ".records[1]"),
    "an address of a host": (zone(records=[{**A, "record": "app1"}]), ".records"),
    "a nameserver without address": (zone(records=[{"record": "@", "type": "NS", "value": ["ns2"]}]), ".records"),
    "a record of a zone below": (
        {
            "example.net": {"primary": "ns1", "records": [{"record": "www.demo", "type": "TXT", "value": ["x"]}]},
            **zone(),
        },
        "dns_zones.example.net.records[0]",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_bad_zone_is_refused_with_its_place_and_a_remedy(what: str) -> None:
    zones, place = BROKEN[what]
    problems = resolve(fleet(dns_zones=zones)).problems
    assert [problem for problem in problems if problem.variable.endswith(place)], problems
    assert all(problem.message and problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("demo", "dns_update_key"),
        ({"name": "../../etc/passwd"}, "dns_update_key.name"),
        ({"name": None}, "dns_update_key.name"),
        ({"algorithm": "hmac-md5"}, "dns_update_key.algorithm"),
        ({"algorithm": ["hmac-sha256"]}, "dns_update_key.algorithm"),
        ({"secret": "c2VjcmV0"}, "dns_update_key.secret"),
    ],
)
def test_a_bad_key_is_refused(key: Any, place: str) -> None:
    assert [problem.variable for problem in resolve(fleet(dns_zones=zone(), dns_update_key=key)).problems] == [place]


def test_all_problems_are_reported_at_once() -> None:
    problems = resolve(fleet(dns_zones=zone(ttl="x", hosts=3, records=[{**A, "value": ["x", "y"]}]))).problems
    assert len(problems) == 4


def test_a_name_that_a_standby_service_swaps_is_left_to_it() -> None:
    services = {"web": {"active": "app1", "standby": "far", "record": "www"}}
    sets = only_host_plan(dns_zones=zone(), standby_services=services)["zones"][0]["record_sets"]
    assert "www" not in {one["record"] for one in sets}
    taken = resolve(fleet(dns_zones=zone(records=[{**A, "record": "www"}]), standby_services=services)).problems
    assert ["swapped by standby_services.web.record" in problem.message for problem in taken] == [True]
    clash = {"web": {"active": "app1", "standby": "far", "record": "app1"}}
    named = resolve(fleet(dns_zones=zone(), standby_services=clash)).problems
    assert [problem.variable for problem in named] == ["standby_services.web.record"]


def test_a_host_whose_name_dns_cannot_carry_is_named() -> None:
    odd = host("odd", 20, "odd name.demo.example.net")
    some = fleet(dns_zones=zone())
    problems = resolve(Fleet(some.name, some.domain, {}, {**some.hosts, "odd": odd}, {}, some.variables)).problems
    assert [problem.host for problem in problems] == ["odd"]


garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ns1", "www", "A", "@", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["primary", "ttl", "hosts", "records", "record", "type", "value", "name", ZONE, "example.com"]) | st.text() | st.integers(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
values_of_any_kind = st.lists(garbage, max_size=3)
nearly_records = st.lists(
    st.fixed_dictionaries(
        {
            "record": st.sampled_from(["www", "@", "*", "a.b", "x..y", "é", "İ" * 70]) | garbage,
            "type": st.sampled_from(["A", "AAAA", "CNAME", "MX", "SRV", "TXT", "CAA", "DS", "TLSA", "SSHFP", "TYPE65534", "LOC"]) | garbage,
            "value": st.lists(st.text() | st.from_regex(r"[0-9]+ [0-9]+ [0-9]+ \S+", fullmatch=True)) | garbage,
        },
        optional={"ttl": garbage},
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(
    zones=garbage | st.fixed_dictionaries({ZONE: st.fixed_dictionaries({"primary": st.just("ns1"), "records": nearly_records})}),
    key=garbage,
    services=garbage | st.dictionaries(st.text(), st.fixed_dictionaries({"record": garbage, "zone": garbage})),
)
def test_nothing_a_user_writes_makes_it_raise(zones: Any, key: Any, services: Any) -> None:
    found = resolve(fleet(dns_zones=zones, dns_update_key=key, standby_services=services))
    for problem in found.problems:
        assert isinstance(problem, Problem)
        assert problem.message and problem.remedy and isinstance(problem.variable, str)
