# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delegations: generated for the fleet's own zones, never pruned, and nothing at or below them that nobody would see."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dns_resolve import fleet

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve

PARENT, CHILD = "example.net", "demo.example.net"
DIGEST = "1 13 2 " + "ab" * 32
Sets = Dict[Tuple[str, str], List[str]]


def resolved(parent: Dict[str, Any], **zones: Any) -> Any:
    named = {name.replace("_", "."): options for name, options in zones.items()}
    return resolve(fleet(dns_zones={PARENT: {"primary": "ns1", **parent}, CHILD: {"primary": "ns1"}, **named}))


def sets(found: Any, zone: str = PARENT, host: str = "ns1") -> Sets:
    assert found.problems == ()
    (update,) = (one for one in found.host_plans[host]["updates"] if one["zone_name"] == zone)
    return {(one["record"], one["type"]): one["value"] for one in update["record_sets"]}


def test_the_parent_has_the_nameservers_of_the_child_and_their_addresses() -> None:
    found = sets(resolved({"hosts": False}))
    assert found == {
        ("@", "NS"): ["ns1.demo.example.net."],
        ("demo", "NS"): ["ns1.demo.example.net."],
        ("ns1.demo", "A"): ["192.0.2.2"],
        ("ns1.demo", "AAAA"): ["2001:db8::2"],
    }


def test_each_zone_is_delegated_by_the_closest_one_above_it() -> None:
    zones = resolved({}, a_demo_example_net={"primary": "ns1"}, a_b_example_net={"primary": "ns1"})
    assert {key for key in sets(zones) if key[1] == "NS"} == {("@", "NS"), ("demo", "NS"), ("a.b", "NS")}
    assert ("a", "NS") in sets(zones, CHILD)


def test_nameservers_that_the_child_names_itself_are_taken_and_get_its_addresses() -> None:
    own = [
        {"record": "@", "type": "NS", "value": ["ns1", "ns.provider.example.com."]},
        {"record": "ns1", "type": "A", "value": ["203.0.113.1"]},
    ]
    zones = {"example.net": {"primary": "ns1"}, "sub.example.net": {"primary": "ns1", "hosts": False, "records": own}}
    found = sets(resolve(fleet(dns_zones=zones)))
    assert found["sub", "NS"] == ["ns.provider.example.com.", "ns1.sub.example.net."]
    assert found["ns1.sub", "A"] == ["203.0.113.1"] and ("ns1.sub", "AAAA") not in found


def test_a_nameserver_in_the_parent_has_an_address_there_even_if_hosts_are_not_published() -> None:
    zones = {CHILD: {"primary": "ns1", "hosts": False}, f"sub.{CHILD}": {"primary": "app1", "hosts": False}}
    found = sets(resolve(fleet(dns_zones=zones)), CHILD)
    assert (found["sub", "NS"], found["app1", "A"]) == (["app1.demo.example.net."], ["192.0.2.11"])


def test_an_own_ns_set_is_left_as_it_is() -> None:
    own = {"record": "demo", "type": "NS", "value": ["ns.provider.example.com."]}
    found = sets(resolved({"records": [own]}))
    assert found["demo", "NS"] == ["ns.provider.example.com."] and ("ns1.demo", "A") not in found


def test_a_nameserver_without_an_address_is_noted() -> None:
    own = {"record": "@", "type": "NS", "value": ["ns9.example.net."]}
    zones = {"example.net": {"primary": "ns1"}, CHILD: {"primary": "ns1", "records": [own]}}
    (problem,) = resolve(fleet(dns_zones=zones)).problems
    assert problem.variable == f"dns_zones.{CHILD}"
    assert "ns9.example.net. is a nameserver of demo.example.net and has no address" in problem.message


def test_a_secondary_of_both_zones_is_not_asked_for_what_it_answers_from_the_child() -> None:
    parent = {"secondaries": ["app1"], "records": [{"record": "demo", "type": "DS", "value": [DIGEST]}]}
    zones = {PARENT: {"primary": "ns1", **parent}, CHILD: {"primary": "ns1", "secondaries": ["app1"]}}
    both = resolve(fleet(dns_zones=zones)).host_plans["app1"]["answers"][0]["record_sets"]
    assert {(one["record"], one["type"]) for one in both} == {("@", "NS"), ("demo", "DS")}
    zones[CHILD].pop("secondaries")
    one = resolve(fleet(dns_zones=zones)).host_plans["app1"]["answers"][0]["record_sets"]
    assert {("demo", "NS"), ("ns1.demo", "A")} <= {(each["record"], each["type"]) for each in one}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"record": "other", "type": "DS", "value": [DIGEST]}, "has a DS record and no NS records"),
        ({"record": "www.cut", "type": "TXT", "value": ["x"]}, "lies in the zone cut.example.net."),
        ({"record": "www.cut", "type": "A", "value": ["192.0.2.9"]}, "lies in the zone cut.example.net."),
        ({"record": "cut", "type": "MX", "value": ["10 ns1.cut.example.net."]}, "lies in the zone cut.example.net."),
        ({"record": "a.cut", "type": "NS", "value": ["ns.example.com."]}, "lies in the zone cut.example.net."),
        ({"record": "x.renamed", "type": "A", "value": ["192.0.2.9"]}, "lies below renamed.example.net."),
    ],
)
def test_what_no_resolver_would_see_is_refused(record: Dict[str, Any], said: str) -> None:
    records = [
        {"record": "cut", "type": "NS", "value": ["ns1.cut.example.net.", "cut"]},
        {"record": "cut", "type": "DS", "value": [DIGEST]},
        {"record": "cut", "type": "A", "value": ["192.0.2.7"]},
        {"record": "ns1.cut", "type": "A", "value": ["192.0.2.8"]},
        {"record": "renamed", "type": "DNAME", "value": ["elsewhere.example.com."]},
    ]
    assert resolved({"records": records}).problems == ()
    (problem,) = resolved({"records": [*records, record]}).problems
    assert problem.variable == "dns_zones.example.net.records[5]"
    assert said.rstrip(".") in problem.message


def test_a_host_below_a_delegation_of_ones_own_is_published_only_as_its_nameserver() -> None:
    records = [{"record": "demo", "type": "NS", "value": ["app1.demo.example.net."]}]
    found = sets(resolve(fleet(dns_zones={PARENT: {"primary": "ns1", "records": records}})))
    assert {name for name, _kind in found} == {"@", "demo", "app1.demo"}


TREE = ["example.net", "demo.example.net", "a.example.net", "b.a.example.net", "c.b.a.example.net", "example.org"]


@settings(max_examples=50, deadline=None)
@given(zones=st.sets(st.sampled_from(TREE), min_size=1), hosts=st.booleans(), primary=st.sampled_from(["ns1", "app1"]))
def test_every_zone_with_a_parent_is_delegated_by_what_a_prune_keeps(zones: Any, hosts: bool, primary: str) -> None:
    options = {"hosts": hosts, "prune": True}
    variables = {zone: {"primary": "ns1" if zone == "demo.example.net" else primary, **options} for zone in zones}
    found = resolve(fleet(dns_zones=variables))
    assert found.problems == ()
    for zone in zones:
        above = [name for name in names.parents(f"{zone}.", "net.") if name[:-1] in zones and name != "net."]
        if not above:
            continue
        parent = above[0][:-1]
        delegation = sets(found, parent, variables[parent]["primary"])[names.relative(f"{zone}.", above[0]), "NS"]
        assert delegation == sets(found, zone, variables[zone]["primary"])["@", "NS"]
