# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces and default routes that follow from a host's place in the fleet's networks."""

from __future__ import annotations

import copy
from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._network.capability import resolve

RENTED: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"internet": {"routed": True}, "vlan": {"ipv4": "192.0.2.0/24", "mtu": 1400}},
    "fleet_purposes": {"management": "internet"},
    "fleet_host_number": 1,
    "fleet_host_networks": {
        "internet": {"ipv4": "203.0.113.7/32", "ipv4_gateway": "198.51.100.1", "ipv6": "2001:db8:7::2/64", "ipv6_gateway": "fe80::1"},
        "vlan": {"interface": "eth0.4000"},
    },
    "network_from_fleet": True,
    "network_interfaces": [{"name": "eth0.4000", "type": "vlan", "vlan": {"base-iface": "eth0", "id": 4000}}],
}


def planned(**changes: Any) -> Plan:
    return plan_fleet({"app1": {**copy.deepcopy(RENTED), **changes}}, {}, {"network": resolve})


def desired(**changes: Any) -> Dict[str, Any]:
    plan = planned(**changes)
    assert [str(problem) for problem in plan.problems] == []
    found: Dict[str, Any] = plan.hosts["app1"]["network"]["desired"]
    return found


def addresses(found: Dict[str, Any]) -> Dict[str, List[str]]:
    return {
        one["name"]: [f"{address['ip']}/{address['prefix_length']}" for family in ("ipv4", "ipv6") for address in one[family]["address"]]
        for one in found["interfaces"]
    }


def routes(found: Dict[str, Any]) -> List[Any]:
    return [(one["destination"], one["next_hop_interface"], one["next_hop_address"], one["onlink"]) for one in found["routes"]]


def test_addresses_prefixes_mtus_and_default_routes_are_derived_where_the_host_says_so() -> None:
    found = desired()
    assert addresses(found) == {"eth0.4000": ["192.0.2.1/24"], "eth0": ["203.0.113.7/32", "2001:db8:7::2/64"]}
    assert {one["name"]: one["mtu"] for one in found["interfaces"]} == {"eth0.4000": 1400, "eth0": 1500}
    assert sorted((destination, device, gateway) for destination, device, gateway, _on_link in routes(found)) == [
        ("0.0.0.0/0", "eth0", "198.51.100.1"),
        ("::/0", "eth0", "fe80::1"),
    ]


def test_nothing_is_derived_unless_the_host_says_so() -> None:
    found = desired(network_from_fleet="false", network_interfaces=[{"name": "eth0"}])
    assert (addresses(found), routes(found)) == ({"eth0": []}, [])


def test_an_address_stays_on_the_interface_for_which_it_is_written() -> None:
    bridge = {
        "name": "br0",
        "type": "bridge",
        "bridge": {"port": [{"name": "eth0"}]},
        "ipv4": {"enabled": True, "address": [{"ip": "203.0.113.7", "prefix-length": 32}]},
    }
    found = desired(
        network_interfaces=[*RENTED["network_interfaces"], bridge],
        network_routes={"config": [{"destination": "0.0.0.0/0", "next-hop-interface": "br0", "next-hop-address": "198.51.100.1"}]},
    )
    assert addresses(found) == {"eth0.4000": ["192.0.2.1/24"], "br0": ["203.0.113.7/32", "2001:db8:7::2/64"], "eth0": []}
    assert sorted(one[:2] for one in routes(found)) == [("0.0.0.0/0", "br0"), ("::/0", "br0")]


def test_an_address_is_the_same_however_it_is_written() -> None:
    family = {"enabled": True, "address": [{"ip": "2001:DB8:7:0::2", "prefix-length": 64}]}
    bridge = {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}, "ipv6": family}
    assert addresses(desired(network_interfaces=[*RENTED["network_interfaces"], bridge]))["br0"] == ["203.0.113.7/32", "2001:db8:7::2/64"]


def test_a_gateway_outside_the_subnet_is_on_the_link() -> None:
    place = {"ipv4": "203.0.113.70/26", "ipv4_gateway": "198.51.100.1", "gateway_on_link": True}
    assert routes(desired(fleet_host_networks={"internet": place}, network_interfaces=[])) == [("0.0.0.0/0", "eth0", "198.51.100.1", True)]


def test_the_default_route_leads_to_the_public_network() -> None:
    networks = {**RENTED["fleet_networks"], "backup": {"routed": True}}
    places = {**RENTED["fleet_host_networks"], "backup": {"ipv4": "198.51.100.77/26", "ipv4_gateway": "198.51.100.65"}}
    found = desired(fleet_networks=networks, fleet_host_networks=places)
    assert [one[:3] for one in routes(found) if one[0] == "0.0.0.0/0"] == [("0.0.0.0/0", "eth0", "198.51.100.1")]
    found = desired(fleet_networks=networks, fleet_host_networks=places, fleet_purposes={"management": "internet", "public": "backup"})
    assert [one[:3] for one in routes(found) if one[0] == "0.0.0.0/0"] == [("0.0.0.0/0", "eth1", "198.51.100.65")]


def test_a_card_is_found_by_the_mac_of_the_place() -> None:
    place = {"ipv4": "203.0.113.7/32", "mac": "52:54:00:AB:cd:ef", "interface": "wan"}
    (card,) = desired(fleet_host_networks={"internet": place}, network_interfaces=[])["interfaces"]
    assert (card["name"], card["mac_address"]) == ("wan", "52:54:00:ab:cd:ef")


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"network_from_fleet": "perhaps"}, "network_from_fleet"),
        ({"network_interfaces": "eth0"}, "network_interfaces"),
        ({"network_interfaces": [7]}, "network_interfaces[0]"),
        ({"network_interfaces": [{"name": "eth0", "ipv4": {"address": 7}}]}, "network_interfaces[0].ipv4.address"),
        ({"network_routes": []}, "network_routes"),
        ({"network_routes": {"config": 7}}, "network_routes.config"),
    ],
)
def test_what_is_written_wrongly_is_refused_as_without(changes: Dict[str, Any], variable: str) -> None:
    assert variable in [problem.variable for problem in planned(**changes).problems]
