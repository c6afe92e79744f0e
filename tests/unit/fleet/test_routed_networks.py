# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routed networks, in which each host has an address, a prefix and a gateway of its own, and purposes, which choose among networks."""

from __future__ import annotations

import copy
import json
from typing import Any, Dict, List, Mapping, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import CLUSTER, MANAGEMENT, PUBLIC, STORAGE
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.reach import addresses_between
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.read import read_fleet

COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"internet": {"routed": True}, "vlan": {"ipv4": "192.0.2.0/24", "mtu": 1400}},
    "fleet_purposes": {"management": "internet", "storage": "vlan"},
    "dns_zones": {"demo.example.net": {"primary": "alone", "secondaries": ["subnet"]}},
}
HOSTS: Dict[str, Dict[str, Any]] = {
    "alone": {"fleet_host_networks": {"internet": {"ipv4": "203.0.113.7/32", "ipv4_gateway": "198.51.100.1"}, "vlan": {}}, "fleet_host_number": 1},
    "subnet": {
        "fleet_host_networks": {
            "internet": {"ipv4": "203.0.113.70/26", "ipv4_gateway": "203.0.113.65", "ipv6": "2001:db8:7::2/64", "ipv6_gateway": "fe80::1", "interface": "eno1"},
            "vlan": {"interface": "eno1.4000"},
        },
        "fleet_host_number": 2,
    },
    "six": {"fleet_host_networks": {"internet": {"ipv6": "2001:db8:8::2/64", "ipv6_gateway": "2001:db8:8::1", "mac": "52:54:00:12:34:56"}}},
}


def inventory() -> Dict[str, Dict[str, Any]]:
    return {name: copy.deepcopy({**COMMON, **own}) for name, own in HOSTS.items()}


def planned(hosts: Mapping[str, Mapping[str, Any]]) -> Plan:
    return plan_fleet(hosts, {})


def problems(hosts: Mapping[str, Mapping[str, Any]]) -> List[Tuple[str, str]]:
    return [(problem.host, problem.variable) for problem in planned(hosts).problems]


def test_each_host_of_a_routed_network_has_its_own_address_prefix_and_gateway() -> None:
    plan = planned(inventory())
    assert [str(problem) for problem in plan.problems] == []
    assert plan.hosts["alone"]["host"]["networks"] == {
        "internet": {"interface": "eth0", "ipv4": "203.0.113.7/32", "ipv6": None, "mtu": 1500, "ipv4_gateway": "198.51.100.1"},
        "vlan": {"interface": "eth1", "ipv4": "192.0.2.1/24", "ipv6": None, "mtu": 1400},
    }
    assert plan.hosts["subnet"]["host"]["networks"]["internet"] == {
        "interface": "eno1",
        "ipv4": "203.0.113.70/26",
        "ipv6": "2001:db8:7::2/64",
        "mtu": 1500,
        "ipv4_gateway": "203.0.113.65",
        "ipv6_gateway": "fe80::1",
    }
    assert plan.fleet["networks"]["internet"] == {"ipv4": None, "ipv6": None, "mtu": 1500, "routed": True}


def test_a_host_that_is_in_routed_networks_only_needs_no_number() -> None:
    assert "fleet_host_number" not in HOSTS["six"]
    assert planned(inventory()).hosts["six"]["host"]["ipv6"] == "2001:db8:8::2"


@pytest.mark.parametrize(
    ("place", "variable"),
    [
        ({}, "fleet_host_networks.internet"),
        ({"ipv4": False}, "fleet_host_networks.internet"),
        ({"ipv4": "203.0.113.9"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "203.0.113.64/26"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "203.0.113.127/26"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "2001:db8:9::1/64"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "169.254.0.9/16"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "127.0.0.2/8"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": 7}, "fleet_host_networks.internet.ipv4"),
        ({"ipv6": "2001:db8:9::/64"}, "fleet_host_networks.internet.ipv6"),
        ({"ipv6": "fe80::9/64"}, "fleet_host_networks.internet.ipv6"),
        ({"ipv6": "2001:db8:9::1%eth0/64"}, "fleet_host_networks.internet.ipv6"),
        ({"ipv4": "203.0.113.9/26", "ipv4_gateway": "198.51.100.1"}, "fleet_host_networks.internet.ipv4_gateway"),
        ({"ipv4": "203.0.113.9/26", "ipv4_gateway": "203.0.113.9"}, "fleet_host_networks.internet.ipv4_gateway"),
        ({"ipv4": "203.0.113.9/26", "ipv4_gateway": "203.0.113.63"}, "fleet_host_networks.internet.ipv4_gateway"),
        ({"ipv4": "203.0.113.9/32", "ipv4_gateway": "fe80::1"}, "fleet_host_networks.internet.ipv4_gateway"),
        ({"ipv4": "203.0.113.9/32", "ipv4_gateway": "gateway"}, "fleet_host_networks.internet.ipv4_gateway"),
        ({"ipv4": "203.0.113.9/32", "ipv6_gateway": "fe80::1"}, "fleet_host_networks.internet.ipv6_gateway"),
        ({"ipv6": "2001:db8:9::2/64", "ipv6_gateway": "2001:db8:a::1"}, "fleet_host_networks.internet.ipv6_gateway"),
        ({"ipv6": "2001:db8:9::2/64", "ipv6_gateway": "ff02::1"}, "fleet_host_networks.internet.ipv6_gateway"),
        ({"ipv4": "203.0.113.9/32", "gateway_on_link": "perhaps"}, "fleet_host_networks.internet.gateway_on_link"),
        ({"ipv4": "203.0.113.9/32", "mac": "53:54:00:12:34:56"}, "fleet_host_networks.internet.mac"),
        ({"ipv4": "203.0.113.9/32", "netmask": "255.255.255.255"}, "fleet_host_networks.internet.netmask"),
        ({"ipv4": "192.0.2.200/26"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "192.0.2.9/32"}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": None}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4": "203.0.113.7/32"}, "fleet_host_networks"),
        ({"ipv4": "203.0.113.9/32", "mac": "52:54:00:12:34:56"}, "fleet_host_networks"),
    ],
)
def test_a_place_in_a_routed_network_that_cannot_be_used_is_refused(place: Dict[str, Any], variable: str) -> None:
    hosts = {**inventory(), "wrong": {**inventory()["six"], "fleet_host_networks": {"internet": place}}}
    assert problems(hosts) == [("wrong", variable)]


@pytest.mark.parametrize(
    "place",
    [
        {"ipv4": "203.0.113.9/32"},
        {"ipv4": "203.0.113.9/32", "ipv4_gateway": "198.51.100.1"},
        {"ipv4": "203.0.113.9/26", "ipv4_gateway": "169.254.0.1"},
        {"ipv4": "203.0.113.9/26", "ipv4_gateway": "198.51.100.1", "gateway_on_link": True},
        {"ipv4": "203.0.113.8/31", "ipv4_gateway": "203.0.113.9"},
        {"ipv6": "2001:db8:9::1/128", "ipv6_gateway": "2001:db8:a::1"},
        {"ipv6": "2001:db8:9::1/64", "ipv6_gateway": "2001:db8:a::1", "gateway_on_link": "true"},
        {"ipv6": "2001:db8:9::2/64", "ipv6_gateway": "2001:db8:9::"},
        {"ipv4": "203.0.113.71/26", "ipv4_gateway": "203.0.113.65"},
    ],
)
def test_what_providers_assign_is_accepted(place: Dict[str, Any]) -> None:
    hosts = {**inventory(), "further": {**inventory()["six"], "fleet_host_networks": {"internet": place}}}
    assert [str(problem) for problem in planned(hosts).problems] == []


def test_a_routed_network_without_the_addresses_of_its_hosts_is_refused_at_each_host() -> None:
    hosts = inventory()
    hosts["six"]["fleet_host_networks"] = ["internet"]
    hosts["alone"].pop("fleet_host_networks")
    assert {("alone", "fleet_host_networks"), ("six", "fleet_host_networks[0]")} < set(problems(hosts))


@pytest.mark.parametrize(
    ("network", "variable"),
    [
        ({"routed": True, "ipv4": "198.51.100.0/24"}, "fleet_networks.other.ipv4"),
        ({"routed": "perhaps", "ipv4": "198.51.100.0/24"}, "fleet_networks.other.routed"),
        ({"routed": False}, "fleet_networks.other"),
        ({"routed": True, "mtu": 20}, "fleet_networks.other.mtu"),
    ],
)
def test_a_network_is_either_shared_or_routed(network: Dict[str, Any], variable: str) -> None:
    hosts = inventory()
    for variables in hosts.values():
        variables["fleet_networks"]["other"] = network
    assert problems(hosts) == [("", variable)]


def test_a_gateway_in_a_shared_network_is_refused_with_the_variable_for_routes() -> None:
    hosts = inventory()
    hosts["alone"]["fleet_host_networks"]["vlan"] = {"ipv4_gateway": "192.0.2.254"}
    (problem,) = planned(hosts).problems
    assert (problem.host, problem.variable, problem.remedy) == ("alone", "fleet_host_networks.vlan.ipv4_gateway", "Use network_routes")


def test_one_address_in_two_networks_of_a_host_is_refused() -> None:
    hosts = inventory()
    for variables in hosts.values():
        variables["fleet_networks"]["other"] = {"routed": True}
    hosts["alone"]["fleet_host_networks"]["other"] = {"ipv4": "203.0.113.7/32"}
    assert problems(hosts) == [("alone", "fleet_host_networks.other")]


def test_mtus_too_small_for_the_ipv6_of_a_host_are_refused() -> None:
    hosts = inventory()
    hosts["subnet"]["fleet_host_networks"]["internet"]["mtu"] = 1000
    assert problems(hosts) == [("subnet", "fleet_host_networks.internet.mtu")]
    hosts = inventory()
    for variables in hosts.values():
        variables["fleet_networks"]["internet"]["mtu"] = 1000
    assert problems(hosts) == [("six", "fleet_host_networks.internet.ipv6"), ("subnet", "fleet_host_networks.internet.ipv6")]


# Purposes


def addresses(hosts: Mapping[str, Mapping[str, Any]], name: str, *purposes: str) -> Tuple[str, ...]:
    fleet, found = read_fleet(hosts, {})
    assert found == ()
    return fleet.hosts[name].addresses_for(*purposes)


def test_the_public_network_is_the_management_network_until_another_is_set() -> None:
    assert addresses(inventory(), "alone", PUBLIC) == addresses(inventory(), "alone", MANAGEMENT) == ("203.0.113.7",)


def test_a_host_outside_the_storage_network_takes_no_part_in_it_and_what_is_not_set_is_the_management_network() -> None:
    assert addresses(inventory(), "alone", STORAGE) == ("192.0.2.1",)
    assert addresses(inventory(), "six", STORAGE) == ()
    assert addresses(inventory(), "six", CLUSTER) == ("2001:db8:8::2",)


def with_vpn() -> Dict[str, Dict[str, Any]]:
    hosts = inventory()
    for number, variables in enumerate(hosts.values(), 1):
        variables["fleet_networks"]["vpn"] = {"ipv4": "198.18.0.0/24"}
        variables["fleet_purposes"] = {"management": "vpn", "public": "internet"}
        variables["fleet_host_networks"]["vpn"] = {"interface": "wg0"}
        variables["fleet_host_number"] = number
    return hosts


def test_dns_publishes_the_public_addresses_and_servers_listen_on_those_and_on_the_management_ones() -> None:
    plan = planned(with_vpn())
    assert [str(problem) for problem in plan.problems] == []
    server = plan.hosts["alone"]["dns_server"]
    assert server["listen"] == ["203.0.113.7", "198.18.0.1"]
    sets = {(one["record"], one["type"]): one["value"] for one in server["zones"][0]["record_sets"]}
    assert sets == {
        ("alone", "A"): ["203.0.113.7"],
        ("six", "AAAA"): ["2001:db8:8::2"],
        ("subnet", "A"): ["203.0.113.70"],
        ("subnet", "AAAA"): ["2001:db8:7::2"],
    }
    assert server["zones"][0]["transfer"]["peers"] == [{"host": "subnet", "addresses": ["198.18.0.2"]}]
    assert plan.hosts["six"]["node"]["hosts_entries"][0] == {"address": "198.18.0.1", "names": ["alone.demo.example.net", "alone"]}
    assert plan.hosts["alone"]["host"]["purposes"] == {"management": "vpn", "public": "internet", "storage": "vpn", "cluster": "vpn"}


def test_a_host_may_use_another_network_for_a_purpose() -> None:
    hosts = with_vpn()
    hosts["alone"]["fleet_host_purposes"] = {"management": "internet", "cluster": "vlan"}
    assert addresses(hosts, "alone", MANAGEMENT) == ("203.0.113.7",)
    assert addresses(hosts, "alone", CLUSTER) == ("192.0.2.1",)
    assert addresses(hosts, "subnet", MANAGEMENT) == ("198.18.0.2",)


@pytest.mark.parametrize(
    ("host", "changes", "expected"),
    [
        ("", {"fleet_purposes": {"management": "lan"}}, ("", "fleet_purposes.management")),
        ("", {"fleet_purposes": {"managment": "vpn", "management": "vpn"}}, ("", "fleet_purposes.managment")),
        ("", {"fleet_purposes": "vpn"}, ("", "fleet_purposes")),
        ("", {"fleet_purposes": {"public": "internet"}}, ("", "fleet_purposes.management")),
        ("", {"fleet_purposes": {"management": None}}, ("", "fleet_purposes.management")),
        ("alone", {"fleet_host_purposes": {"cluster": 7}}, ("alone", "fleet_host_purposes.cluster")),
        ("six", {"fleet_host_purposes": {"storage": "vlan"}}, ("six", "fleet_host_purposes.storage")),
        ("six", {"fleet_host_networks": ["vpn"]}, ("six", "fleet_host_networks")),
        ("six", {"fleet_host_networks": {"internet": HOSTS["six"]["fleet_host_networks"]["internet"]}}, ("six", "fleet_host_networks")),
    ],
)
def test_purposes_that_lead_to_no_network_of_a_host_are_refused(host: str, changes: Dict[str, Any], expected: Tuple[str, str]) -> None:
    hosts = with_vpn()
    for name in [host] if host else hosts:
        hosts[name].update(copy.deepcopy(changes))
    assert expected in problems(hosts)


def test_hosts_reach_each_other_in_the_same_network_in_both_directions() -> None:
    hosts = with_vpn()
    hosts["alone"]["fleet_host_purposes"] = {"management": "vlan"}
    fleet, found = read_fleet(hosts, {})
    assert found == ()
    alone, subnet, six = (fleet.hosts[name] for name in ("alone", "subnet", "six"))
    assert addresses_between(fleet, alone, subnet) == ("192.0.2.2",)
    assert addresses_between(fleet, subnet, alone) == ("192.0.2.1",)
    assert addresses_between(fleet, six, alone) == ("198.18.0.1",)
    assert addresses_between(fleet, alone, alone) == ("192.0.2.1",)


def test_a_family_that_a_host_lacks_is_not_used_to_reach_others() -> None:
    fleet, found = read_fleet(inventory(), {})
    assert found == ()
    assert addresses_between(fleet, fleet.hosts["alone"], fleet.hosts["subnet"]) == ("203.0.113.70",)
    assert addresses_between(fleet, fleet.hosts["six"], fleet.hosts["subnet"]) == ("2001:db8:7::2",)
    assert addresses_between(fleet, fleet.hosts["subnet"], fleet.hosts["subnet"]) == ("203.0.113.70", "2001:db8:7::2")


def test_hosts_of_two_routed_networks_reach_each_other_by_their_public_addresses() -> None:
    hosts = inventory()
    for variables in hosts.values():
        variables["fleet_networks"]["other"] = {"routed": True}
    hosts["six"]["fleet_host_networks"] = {"other": {"ipv4": "198.51.100.9/32"}}
    hosts["six"]["fleet_host_purposes"] = {"management": "other"}
    fleet, found = read_fleet(hosts, {})
    assert found == ()
    assert addresses_between(fleet, fleet.hosts["six"], fleet.hosts["subnet"]) == ("203.0.113.70", "2001:db8:7::2")


@settings(max_examples=40, deadline=None)
@given(st.permutations(["internet", "vlan", "vpn"]), st.permutations(["management", "public"]), st.permutations(sorted(HOSTS)))
def test_the_order_of_networks_purposes_and_hosts_does_not_matter(networks: List[str], purposes: List[str], names: List[str]) -> None:
    hosts = with_vpn()
    for variables in hosts.values():
        variables["fleet_networks"] = {name: variables["fleet_networks"][name] for name in networks}
        variables["fleet_purposes"] = {name: variables["fleet_purposes"][name] for name in purposes}
        variables["fleet_host_networks"] = {name: variables["fleet_host_networks"][name] for name in networks if name in variables["fleet_host_networks"]}
    turned = planned({name: hosts[name] for name in names})
    assert json.dumps(turned.hosts) == json.dumps(planned(with_vpn()).hosts)
    assert json.dumps(turned.fleet) == json.dumps(planned(with_vpn()).fleet)


# Zones for other networks


def records(plan: Plan, zone: str) -> Dict[Tuple[str, str], List[str]]:
    (found,) = [one for one in plan.hosts["alone"]["dns_server"]["zones"] if one["name"] == zone]
    return {(one["record"], one["type"]): one["value"] for one in found["record_sets"]}


def with_zones(**zones: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    hosts = with_vpn()
    for variables in hosts.values():
        variables["dns_zones"] = {name.replace("_", "."): {"primary": "alone", **options} for name, options in zones.items()}
        variables["fleet_purposes"] = {"management": "vpn", "public": "internet", "storage": "vlan"}
    return hosts


def test_a_zone_with_a_purpose_publishes_the_addresses_in_that_network() -> None:
    plan = planned(with_zones(demo_example_net={}, san_demo_example_net={"purpose": "storage"}, int_example={"purpose": "management"}))
    assert [str(problem) for problem in plan.problems] == []
    assert records(plan, "san.demo.example.net") == {("alone", "A"): ["192.0.2.1"], ("subnet", "A"): ["192.0.2.2"]}
    assert records(plan, "int.example")["six", "A"] == ["198.18.0.3"]
    assert records(plan, "demo.example.net")["alone", "A"] == ["203.0.113.7"]


def test_pointers_lead_to_the_names_of_a_zone_with_the_same_purpose() -> None:
    reverse = {"2_0_192_in-addr_arpa": {"purpose": "storage"}, "113_0_203_in-addr_arpa": {}}
    plan = planned(with_zones(demo_example_net={}, san_demo_example_net={"purpose": "storage"}, **reverse))
    assert records(plan, "2.0.192.in-addr.arpa") == {("1", "PTR"): ["alone.san.demo.example.net."], ("2", "PTR"): ["subnet.san.demo.example.net."]}
    assert records(plan, "113.0.203.in-addr.arpa")["7", "PTR"] == ["alone.demo.example.net."]


def test_pointers_of_addresses_that_no_zone_publishes_are_left_out() -> None:
    plan = planned(with_zones(demo_example_net={}, **{"2_0_192_in-addr_arpa": {"purpose": "storage"}}))
    assert records(plan, "2.0.192.in-addr.arpa") == {}


def test_an_unknown_purpose_of_a_zone_is_refused() -> None:
    assert problems(with_zones(demo_example_net={"purpose": "vlan"})) == [("", "dns_zones.demo.example.net.purpose")]
