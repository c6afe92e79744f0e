# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network of a host against the fleet's plan and against other hosts."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._network import capability as network

COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:0:1::/64"}, "storage": {"ipv4": "198.51.100.0/24", "mtu": 9000}},
    "fleet_purposes": {"management": "main"},
}


def static(*addresses: str) -> Dict[str, Any]:
    pairs = [address.split("/") for address in addresses]
    return {"enabled": True, "address": [{"ip": ip, "prefix-length": int(length)} for ip, length in pairs]}


def card(name: str, *addresses: str, **more: Any) -> Dict[str, Any]:
    return {"name": name, "type": "ethernet", "ipv4": static(*addresses), **more}


def problems(**interfaces: List[Dict[str, Any]]) -> List[str]:
    """What is wrong with hosts that have these interfaces; ``app1`` is number 11, ``app2`` number 12."""
    hosts = {f"app{number}": {**COMMON, "fleet_host_number": 10 + number} for number in (1, 2)}
    for host, described in interfaces.items():
        hosts[host]["network_interfaces"] = described
    return [f"{one.host}: {one.message}" for one in plan_fleet(hosts, {}, {"network": network.resolve}).problems]


def test_interfaces_that_agree_with_the_plan_are_accepted() -> None:
    first = [card("eth0", "192.0.2.11/24", mtu=1500), card("eth1", "198.51.100.11/24", mtu=9000)]
    assert problems(app1=first, app2=[card("eth0", "192.0.2.12/24", "192.0.2.200/24")]) == []


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        ([card("eth0", "192.0.2.12/24")], "eth0 has the address 192.0.2.12, which fleet_networks gives to app2"),
        ([card("eth0", "192.0.2.11/25")], "eth0 has 192.0.2.11/25, and the network main is 192.0.2.0/24"),
        ([card("eth0", "192.0.2.11/24", mtu=9000)], "eth0 has an MTU of 9000, and the network main one of 1500"),
        ([{"name": "eth1", "state": "absent"}], "eth1 is to be absent, and has 198.51.100.11 in the network storage"),
    ],
)
def test_what_contradicts_the_plan_is_refused(interfaces: List[Dict[str, Any]], expected: str) -> None:
    assert problems(app1=interfaces) == [f"app1: {expected}"]


def test_what_two_hosts_have_is_refused_with_both_names() -> None:
    assert problems(app1=[card("eth0", "192.0.2.77/24")], app2=[card("eth0", "192.0.2.77/24")]) == ["app2: eth0 has the address 192.0.2.77, as app1 has"]
    mac = {"mac-address": "02:00:00:00:00:01"}
    assert problems(app1=[card("eth0", "192.0.2.11/24", **mac)], app2=[card("eth0", "192.0.2.12/24", **mac)]) == [
        "app2: eth0 has the MAC 02:00:00:00:00:01, as app1 has"
    ]


def test_an_address_alone_in_its_network_may_be_routed_to_its_host_and_be_on_several() -> None:
    assert problems(app1=[card("eth0", "192.0.2.11/32")]) == []
    anycast = {"name": "any0", "type": "dummy", "ipv4": static("203.0.113.53/32")}
    assert problems(app1=[anycast], app2=[anycast]) == []


def test_an_address_moves_from_an_absent_interface_to_another() -> None:
    bridge = {"name": "br1", "type": "linux-bridge", "bridge": {"port": []}, "ipv4": static("198.51.100.11/24")}
    assert problems(app1=[{"name": "eth1", "state": "absent"}, bridge]) == []
