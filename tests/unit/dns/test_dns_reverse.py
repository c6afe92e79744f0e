# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reverse zones: which addresses they stand for, and whose PTR records are in them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import ZONE, as_configured, fleet, host_plans, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones import reverse

IPV4 = "2.0.192.in-addr.arpa"
IPV6 = "8.b.d.0.1.0.0.2.ip6.arpa"


@pytest.mark.parametrize(
    ("zone_name", "network"),
    [
        ("2.0.192.in-addr.arpa.", "192.0.2.0/24"),
        ("0.192.in-addr.arpa.", "192.0.0.0/16"),
        ("192.in-addr.arpa.", "192.0.0.0/8"),
        ("7.2.0.192.in-addr.arpa.", "192.0.2.7/32"),
        ("0/26.2.0.192.in-addr.arpa.", "192.0.2.0/26"),
        ("64-26.2.0.192.in-addr.arpa.", "192.0.2.64/26"),
        ("64-127.2.0.192.in-addr.arpa.", "192.0.2.64/26"),
        ("0-31.2.0.192.in-addr.arpa.", "192.0.2.0/27"),
        ("64-31.2.0.192.in-addr.arpa.", "192.0.2.64/31"),
        ("8.b.d.0.1.0.0.2.ip6.arpa.", "2001:db8::/32"),
        ("f.8.b.d.0.1.0.0.2.ip6.arpa.", "2001:db8:f000::/36"),
        ("2.ip6.arpa.", "2000::/4"),
        ("in-addr.arpa.", None),
        ("ip6.arpa.", None),
        ("example.net.", None),
        ("x2.0.192.in-addr.arpa.", None),
        ("256.0.192.in-addr.arpa.", None),
        ("02.0.192.in-addr.arpa.", None),
        ("1.2.3.4.5.in-addr.arpa.", None),
        ("customer.2.0.192.in-addr.arpa.", None),
        ("0/24.2.0.192.in-addr.arpa.", None),
        ("10/26.2.0.192.in-addr.arpa.", None),
        ("0/26.0.192.in-addr.arpa.", None),
        ("0-40.2.0.192.in-addr.arpa.", None),
        ("1a.8.b.d.0.1.0.0.2.ip6.arpa.", None),
        ("g.8.b.d.0.1.0.0.2.ip6.arpa.", None),
        ("2.0.192.in-addr.arpa.example.net.", None),
    ],
)
def test_a_zone_stands_for_the_addresses_that_its_name_says(zone_name: str, network: Optional[str]) -> None:
    assert reverse.network(zone_name) == (ip_network(network) if network else None)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans())
def test_the_name_of_every_ipv4_address_of_a_network_is_in_its_zone_and_no_other(number: int, octets: int, classless: bool) -> None:
    address = ip_address(number)
    zone_name = ".".join(address.reverse_pointer.split(".")[4 - octets :]) + "."
    if classless:
        first = number % 256 // 64 * 64
        zone_name = f"{first}/26." + ".".join(address.reverse_pointer.split(".")[1:]) + "."
    network = reverse.network(zone_name)
    assert isinstance(network, IPv4Network) and address in network
    owner = reverse.pointer_name(str(address), zone_name)
    assert names.within(owner, zone_name) and names.canonical(owner) == owner
    assert owner.split(".")[0] == str(number % 256) or owner == zone_name


@given(st.integers(2**32, 2**128 - 1), st.integers(2**32, 2**128 - 1), st.integers(1, 32))
def test_an_ipv6_address_is_in_a_network_exactly_if_its_name_is_in_the_zone(number: int, other: int, nibbles: int) -> None:
    zone_name = ".".join(ip_address(number).reverse_pointer.split(".")[32 - nibbles :]) + "."
    network = reverse.network(zone_name)
    assert isinstance(network, IPv6Network)
    for one in (ip_address(number), ip_address(other)):
        assert (one in network) == names.within(one.reverse_pointer + ".", zone_name)


def pointers(zone_name: str, zones: Dict[str, Any], **variables: Any) -> Dict[str, List[str]]:
    """The PTR records that the zone's primary publishes."""
    part = host_plans(dns_zones=zones, **variables)["ns1"]
    as_configured(part)
    (update,) = (one for one in part["updates"] if one["zone_name"] == zone_name)
    (served,) = (one for one in part["zones"] if one["name"] == zone_name)
    assert [one for one in update["record_sets"] if one["type"] == "PTR"] == [one for one in served["record_sets"] if one["type"] == "PTR"]
    return {one["record"]: one["value"] for one in update["record_sets"] if one["type"] == "PTR"}


ALL = {"2": [f"ns1.{ZONE}."], "3": [f"ns2.{ZONE}."], "4": [f"ns3.{ZONE}."], "11": [f"app1.{ZONE}."]}


def test_a_reverse_zone_has_a_ptr_for_each_host() -> None:
    assert pointers(IPV4, {IPV4: {"primary": "ns1"}}) == ALL
    assert pointers(IPV4, {IPV4: {"primary": "ns1", "hosts": True}, **zone()}) == ALL
    nibbles = ".".join("0" * 23)
    found = pointers(IPV6, {IPV6: {"primary": "ns1", "ttl": 60}, **zone()})
    assert found == {f"{last}.{nibbles}": value for last, value in zip("234b", ALL.values())}


def test_a_zone_of_a_part_of_256_addresses_has_those_of_the_part() -> None:
    zones = {"0/29.2.0.192.in-addr.arpa": {"primary": "ns1"}, "8-15.2.0.192.in-addr.arpa": {"primary": "ns1"}}
    assert pointers("0/29.2.0.192.in-addr.arpa", zones) == {one: ALL[one] for one in "234"}
    assert pointers("8-15.2.0.192.in-addr.arpa", zones) == {"11": ALL["11"]}


def test_a_zone_of_one_address_has_the_ptr_itself() -> None:
    name = f"11.{IPV4}"
    assert pointers(name, {name: {"primary": "ns1"}, IPV4: {"primary": "ns1"}}) == {"@": ALL["11"]}
    assert "11" not in pointers(IPV4, {name: {"primary": "ns1"}, IPV4: {"primary": "ns1"}})


def test_a_zone_without_hosts_has_none() -> None:
    assert pointers(IPV4, {IPV4: {"primary": "ns1", "hosts": False}}) == {}


@pytest.mark.parametrize(
    "record",
    [
        {"record": "11", "type": "PTR", "value": ["mail.example.com."]},
        {"record": "11", "type": "CNAME", "value": ["11.0/26.2.0.192.in-addr.arpa."]},
        {"record": "11", "type": "NS", "value": ["ns.example.com."]},
        {"record": "11", "type": "DNAME", "value": ["example.com."]},
    ],
)
def test_a_record_of_the_inventory_wins_over_the_ptr_of_a_host(record: Dict[str, Any]) -> None:
    found = pointers(IPV4, {IPV4: {"primary": "ns1", "records": [record]}})
    expected = {**ALL, "11": record["value"]} if record["type"] == "PTR" else {one: ALL[one] for one in "234"}
    assert found == expected


@pytest.mark.parametrize("kind", ["NS", "DNAME"])
def test_there_is_no_ptr_below_a_delegation_or_a_dname(kind: str) -> None:
    record = {"record": "2", "type": kind, "value": ["ns.example.com."]}
    assert pointers("0.192.in-addr.arpa", {"0.192.in-addr.arpa": {"primary": "ns1", "records": [record]}}) == {}


def test_another_type_of_record_at_the_name_leaves_the_ptr() -> None:
    record = {"record": "11", "type": "TXT", "value": ["rack 3"]}
    assert pointers(IPV4, {IPV4: {"primary": "ns1", "records": [record]}}) == ALL


def test_an_address_that_the_forward_zone_does_not_publish_has_no_ptr() -> None:
    assert pointers(IPV4, {IPV4: {"primary": "ns1"}, **zone(hosts=False)}) == {"2": ALL["2"]}, "only the nameserver is published"
    hidden = zone(hidden_primary=True, secondaries=["ns2"])
    assert "2" not in pointers(IPV4, {IPV4: {"primary": "ns1"}, **hidden}), "a hidden primary is published nowhere"
    by_hand = zone(hosts=False, records=[{"record": "app1", "type": "A", "value": ["192.0.2.11"]}])
    assert pointers(IPV4, {IPV4: {"primary": "ns1"}, **by_hand}) == {"2": ALL["2"], "11": ALL["11"]}


def test_a_hidden_primary_is_not_in_its_reverse_zone() -> None:
    options = {"primary": "ns1", "hidden_primary": True, "secondaries": ["ns2"]}
    assert "2" not in pointers(IPV4, {IPV4: options})


def test_pruning_keeps_the_ptr_records_of_hosts() -> None:
    part = host_plans(dns_zones={IPV4: {"primary": "ns1", "prune": True}})["ns1"]
    (update,) = part["updates"]
    assert update["prune"] and {one["record"] for one in update["record_sets"]} == {"@", *ALL}


@pytest.mark.parametrize("name", ["customer.2.0.192.in-addr.arpa", "10/26.2.0.192.in-addr.arpa", "in-addr.arpa", "xy.ip6.arpa"])
def test_hosts_of_a_zone_that_stands_for_no_addresses_are_refused_only_if_they_are_written(name: str) -> None:
    assert host_plans(dns_zones={name: {"primary": "ns1"}})["ns1"]["updates"][0]["record_sets"][0]["type"] == "NS"
    (problem,) = resolve(fleet(dns_zones={name: {"primary": "ns1", "hosts": True}})).problems
    assert f"dns_zones.{name}.hosts: is true" in str(problem) and "Write false" in str(problem)


PART = f"8/29.{IPV4}"


def record_sets(zone_name: str, zones: Dict[str, Any]) -> Dict[Tuple[str, str], Dict[str, Any]]:
    part = host_plans(dns_zones=zones)["ns1"]
    as_configured(part)
    (update,) = (one for one in part["updates"] if one["zone_name"] == zone_name)
    return {(one["record"], one["type"]): one for one in update["record_sets"]}


def test_the_zone_above_leads_to_the_zone_of_a_part_and_has_no_ptr_of_its_own_there() -> None:
    zones = {PART: {"primary": "ns1", "ttl": 60}, IPV4: {"primary": "ns1"}}
    found = record_sets(IPV4, zones)
    aliases = {record: one["value"] for (record, kind), one in found.items() if kind == "CNAME"}
    assert aliases == {str(number): [f"{number}.8/29.{IPV4}."] for number in range(8, 16)}
    assert found["8/29", "NS"]["value"] == [f"ns1.{ZONE}."]
    assert {key: one for key, one in found.items() if key[1] == "PTR"} == {
        **{(one, "PTR"): {"record": one, "type": "PTR", "ttl": 300, "value": ALL[one]} for one in "234"},
        ("11", "PTR"): {"record": "11", "type": "PTR", "state": "absent"},
    }, "a PTR that was there before is deleted together with the creation of the CNAME"
    assert record_sets(PART, zones)["11", "PTR"]["value"] == ALL["11"]
    served = {one["name"]: one["record_sets"] for one in host_plans(dns_zones=zones)["ns1"]["zones"]}
    assert not [one for one in served[IPV4] if "state" in one], "a new zone has nothing to delete"


def test_a_record_of_the_zone_above_wins_over_the_cname_that_leads_to_a_part() -> None:
    records = [{"record": "9", "type": "PTR", "value": ["a.example.com."]}, {"record": "11", "type": "TXT", "value": ["rack 3"]}]
    zones = {PART: {"primary": "ns1"}, f"12.{IPV4}": {"primary": "ns1"}, IPV4: {"primary": "ns1", "records": records}}
    found = record_sets(IPV4, zones)
    assert [record for record, kind in found if kind == "CNAME"] == ["10", "13", "14", "15", "8"]
    assert found["9", "PTR"]["value"] == ["a.example.com."] and found["11", "PTR"]["value"] == ALL["11"]


def test_of_two_overlapping_parts_the_smaller_one_has_the_address_and_only_the_closest_zone_leads_there() -> None:
    zones = {f"0-15.{IPV4}": {"primary": "ns1"}, PART: {"primary": "ns1"}, IPV4: {"primary": "ns1"}, "0.192.in-addr.arpa": {"primary": "ns1"}}
    found = record_sets(IPV4, zones)
    assert [found[one, "CNAME"]["value"] for one in ("7", "8", "15")] == [[f"7.0-15.{IPV4}."], [f"8.8/29.{IPV4}."], [f"15.8/29.{IPV4}."]]
    assert not [key for key in record_sets("0.192.in-addr.arpa", zones) if key[1] == "CNAME"]
    del zones[IPV4]
    assert record_sets("0.192.in-addr.arpa", zones)["8.2", "CNAME"]["value"] == [f"8.8/29.{IPV4}."]


def test_a_zone_above_without_hosts_has_only_its_records() -> None:
    assert not [key for key in record_sets(IPV4, {PART: {"primary": "ns1"}, IPV4: {"primary": "ns1", "hosts": False}}) if key[1] == "CNAME"]
