# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of networks that are refused before anything is changed, naming host, variable and remedy."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest

from .test_network_resolve import Variables, bond, bridge, planned, static, vlan


def interfaces(*entries: Any) -> Variables:
    return {"network_interfaces": list(entries)}


def with_home(*entries: Any) -> Variables:
    return interfaces({"name": "eth0", "ipv4": static("192.0.2.11")}, *entries)


def routes(*entries: Any) -> Variables:
    return {**with_home(), "network_routes": {"config": list(entries)}}


def route(**more: Any) -> Variables:
    return routes({"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "192.0.2.1", **more})


def rules(*entries: Any) -> Variables:
    return {**with_home(), "network_rules": {"config": list(entries)}}


def rule(**more: Any) -> Dict[str, Any]:
    return {"ip-from": "198.51.100.0/24", "priority": 100, "route-table": 77, **more}


N = "network_interfaces"
R = "network_routes.config[0]"
BAD: List[Tuple[str, Variables, List[str]]] = [
    # Interfaces by themselves
    ("interfaces that are no list", {N: {"eth0": {}}}, [N]),
    ("an interface that is no dictionary", interfaces("eth0"), [f"{N}[0]"]),
    ("an interface without a name", interfaces({"type": "ethernet"}), [f"{N}[0].name"]),
    ("a name over 15 characters", interfaces({"name": "sixteen-letters-"}), [f"{N}[0].name"]),
    ("a name with a slash", interfaces({"name": "eth/0"}), [f"{N}[0].name"]),
    ("a name with a space", interfaces({"name": "eth 0"}), [f"{N}[0].name"]),
    ("a name that is two dots", interfaces({"name": ".."}), [f"{N}[0].name"]),
    ("the loopback interface", interfaces({"name": "lo"}), [f"{N}[0].name"]),
    ("a name that the change itself uses", interfaces({"name": "sf-up0"}), [f"{N}[0].name"]),
    ("an interface named twice", interfaces({"name": "eth0"}, {"name": "eth0"}), [f"{N}[1].name"]),
    ("a type that does not exist", interfaces({"name": "eth0", "type": "wifi"}), [f"{N}[0].type"]),
    ("a VXLAN", interfaces({"name": "vx0", "type": "vxlan"}), [f"{N}[0].type"]),
    ("a WireGuard interface", interfaces({"name": "wg0", "type": "wireguard"}), [f"{N}[0].type"]),
    ("a state that is not supported", interfaces({"name": "eth0", "state": "down"}), [f"{N}[0].state"]),
    ("a state that does not exist", interfaces({"name": "eth0", "state": "gone"}), [f"{N}[0].state"]),
    ("a setting that does not exist", interfaces({"name": "eth0", "mut": 1}), [f"{N}[0].mut"]),
    ("a bridge of a type that does not exist", interfaces({"name": "br0", "type": "bridg", "bridge": {"port": []}}), [f"{N}[0].type"]),
    (
        "an absent interface with an address",
        interfaces({"name": "eth1", "state": "absent", "ipv4": static("192.0.2.11")}),
        [f"{N}[0].ipv4"],
    ),
    ("a MAC that is none", interfaces({"name": "eth0", "mac-address": "02:00"}), [f"{N}[0].mac-address"]),
    ("a MAC of a group", interfaces({"name": "eth0", "mac-address": "01:00:5e:00:00:01"}), [f"{N}[0].mac-address"]),
    ("an MTU that is no number", interfaces({"name": "eth0", "mtu": "big"}), [f"{N}[0].mtu"]),
    ("an MTU too small for IPv4", interfaces({"name": "eth0", "mtu": 60}), [f"{N}[0].mtu"]),
    (
        "an MTU too small for IPv6",
        interfaces({"name": "eth0", "mtu": 1200, "ipv6": {"autoconf": True}}),
        [f"{N}[0].mtu"],
    ),
    (
        "an MTU too small for the IPv6 of a bridge on the card",
        interfaces({"name": "eth0", "mtu": 1200}, bridge("br0", "eth0", "eth1", ipv6={"autoconf": True})),
        [f"{N}[1].ipv6"],
    ),
    (
        "an MTU too small for the IPv6 of a VLAN on a bridge on the card",
        interfaces({"name": "eth0", "mtu": 1200}, bridge("br0", "eth0"), vlan("v", "br0", 5, ipv6={"autoconf": True})),
        [f"{N}[2].ipv6"],
    ),
    ("an MTU too large", interfaces({"name": "eth0", "mtu": 70000}), [f"{N}[0].mtu"]),
    ("a bridge's settings on a card", interfaces({"name": "eth0", "bridge": {}}), [f"{N}[0].bridge"]),
    # Addresses
    ("IPv4 that is no dictionary", interfaces({"name": "eth0", "ipv4": "192.0.2.11/24"}), [f"{N}[0].ipv4"]),
    ("DHCP that is neither true nor false", interfaces({"name": "eth0", "ipv4": {"dhcp": 4}}), [f"{N}[0].ipv4.dhcp"]),
    ("autoconf for IPv4", interfaces({"name": "eth0", "ipv4": {"autoconf": True}}), [f"{N}[0].ipv4.autoconf"]),
    (
        "an address where IPv4 is not enabled",
        interfaces({"name": "eth0", "ipv4": {**static("192.0.2.11"), "enabled": False}}),
        [f"{N}[0].ipv4"],
    ),
    (
        "an address that is none",
        interfaces({"name": "eth0", "ipv4": static("192.0.2")}),
        [f"{N}[0].ipv4.address[0].ip"],
    ),
    (
        "an address with its prefix",
        interfaces({"name": "eth0", "ipv4": static("192.0.2.11/24")}),
        [f"{N}[0].ipv4.address[0].ip"],
    ),
    (
        "IPv6 among IPv4",
        interfaces({"name": "eth0", "ipv4": static("2001:db8::1")}),
        [f"{N}[0].ipv4.address[0].ip"],
    ),
    (
        "an address without prefix length",
        interfaces({"name": "eth0", "ipv4": {"address": [{"ip": "192.0.2.11"}]}}),
        [f"{N}[0].ipv4.address[0].prefix-length"],
    ),
    (
        "a prefix length of 33",
        interfaces({"name": "eth0", "ipv4": static("192.0.2.11", 33)}),
        [f"{N}[0].ipv4.address[0].prefix-length"],
    ),
    ("a network address", interfaces({"name": "eth0", "ipv4": static("192.0.2.0")}), [f"{N}[0].ipv4.address[0].ip"]),
    (
        "a broadcast address",
        interfaces({"name": "eth0", "ipv4": static("192.0.2.255")}),
        [f"{N}[0].ipv4.address[0].ip"],
    ),
    (
        "a multicast address",
        interfaces({"name": "eth0", "ipv4": static("233.252.0.1")}),
        [f"{N}[0].ipv4.address[0].ip"],
    ),
    (
        "a link-local address",
        interfaces({"name": "eth0", "ipv6": static("fe80::1", 64)}),
        [f"{N}[0].ipv6.address[0].ip"],
    ),
    (
        "an address twice on one interface",
        interfaces(
            {
                "name": "eth0",
                "ipv4": {"address": [*static("192.0.2.11")["address"], *static("192.0.2.11", 32)["address"]]},
            }
        ),
        [f"{N}[0].ipv4.address[1]"],
    ),
    (
        "an address on two interfaces",
        with_home({"name": "eth1", "ipv4": static("192.0.2.11", 24)}),
        [f"{N}[1].ipv4.address"],
    ),
    # Bridges, bonds, VLANs
    (
        "a bridge of a bridge port",
        with_home(bridge("br0", "eth1"), bridge("br1", "eth1")),
        [f"{N}[2].bridge.port[0]"],
    ),
    (
        "a bridge as a port of a bridge",
        with_home(bridge("br0", "eth1"), bridge("br1", "br0")),
        [f"{N}[2].bridge.port[0]"],
    ),
    ("a bridge as its own port", with_home(bridge("br0", "br0")), [f"{N}[1].bridge.port[0]"]),
    ("a port twice", with_home(bridge("br0", "eth1", "eth1")), [f"{N}[1].bridge.port[1]"]),
    ("a port with addresses", with_home(bridge("br0", "eth0")), [f"{N}[0]"]),
    (
        "a port that is to be absent",
        with_home({"name": "eth1", "state": "absent"}, bridge("br0", "eth1")),
        [f"{N}[2].bridge.port[0]"],
    ),
    ("a port without a name", with_home({**bridge("br0"), "bridge": {"port": [{}]}}), [f"{N}[1].bridge.port[0].name"]),
    (
        "STP as a word",
        with_home({**bridge("br0"), "bridge": {"options": {"stp": "on"}}}),
        [f"{N}[1].bridge.options.stp"],
    ),
    ("a bond without ports", with_home(bond("bond0")), [f"{N}[1].link-aggregation.port"]),
    (
        "a bond without a mode",
        with_home({"name": "bond0", "type": "bond", "link-aggregation": {"port": ["eth1"]}}),
        [f"{N}[1].link-aggregation.mode"],
    ),
    (
        "a bond of a mode that does not exist",
        with_home({"name": "bond0", "type": "bond", "link-aggregation": {"mode": "lacp", "port": ["eth1"]}}),
        [f"{N}[1].link-aggregation.mode"],
    ),
    (
        "an option that no bond has",
        with_home(bond("bond0", "eth1", options={"speed": 1})),
        [f"{N}[1].link-aggregation.options.speed"],
    ),
    (
        "a primary port that is no port",
        with_home(bond("bond0", "eth1", options={"primary": "eth2"})),
        [f"{N}[1].link-aggregation.options.primary"],
    ),
    (
        "an option of another mode",
        with_home(bond("bond0", "eth1", options={"lacp_rate": "fast"})),
        [f"{N}[1].link-aggregation.options.lacp_rate"],
    ),
    (
        "a delay that the kernel would round",
        with_home(bond("bond0", "eth1", options={"updelay": 150})),
        [f"{N}[1].link-aggregation.options.updelay"],
    ),
    (
        "a delay without monitoring",
        with_home(bond("bond0", "eth1", options={"miimon": 0, "downdelay": 100})),
        [f"{N}[1].link-aggregation.options.downdelay"],
    ),
    (
        "a bond of a VLAN",
        with_home(vlan("eth0.5", "eth0", 5), bond("bond0", "eth0.5")),
        [f"{N}[2].link-aggregation.port[0]"],
    ),
    ("VLAN 0", with_home(vlan("eth0.0", "eth0", 0)), [f"{N}[1].vlan.id"]),
    ("VLAN 4095", with_home(vlan("eth0.4095", "eth0", 4095)), [f"{N}[1].vlan.id"]),
    (
        "a VLAN without a number",
        with_home({"name": "v", "type": "vlan", "vlan": {"base-iface": "eth0"}}),
        [f"{N}[1].vlan.id"],
    ),
    ("a VLAN of an interface that is not named", with_home(vlan("eth1.5", "eth1", 5)), [f"{N}[1].vlan.base-iface"]),
    ("a VLAN of itself", with_home(vlan("v", "v", 5)), [f"{N}[1].vlan.base-iface"]),
    ("the same VLAN twice", with_home(vlan("a", "eth0", 5), vlan("b", "eth0", 5)), [f"{N}[2].vlan"]),
    (
        "parents in a circle",
        with_home(vlan("v", "br0", 5), bridge("br0", "v")),
        [f"{N}[1]", f"{N}[2]"],
    ),
    (
        "an MTU above the parent's",
        interfaces({"name": "eth0", "mtu": 1500}, vlan("v", "eth0", 5, mtu=1504)),
        [f"{N}[1].mtu"],
    ),
    (
        "a bridge's MTU above that of a port",
        interfaces({"name": "eth0", "mtu": 1500}, bridge("br0", "eth0", mtu=9000)),
        [f"{N}[1].mtu"],
    ),
    # Routes, rules, name servers
    ("routes without config", {**with_home(), "network_routes": [{}]}, ["network_routes"]),
    ("a route without interface", routes({"destination": "0.0.0.0/0"}), [f"{R}.next-hop-interface"]),
    ("a route to an address in a network", route(destination="192.0.2.11/24"), [f"{R}.destination"]),
    (
        "a route over an interface that is not named",
        route(**{"next-hop-interface": "eth9"}),
        [f"{R}.next-hop-interface"],
    ),
    (
        "a gateway in no network of the interface",
        route(**{"next-hop-address": "198.51.100.1"}),
        [f"{R}.next-hop-address"],
    ),
    ("a gateway that is the host itself", route(**{"next-hop-address": "192.0.2.11"}), [f"{R}.next-hop-address"]),
    ("a gateway of the other family", route(**{"next-hop-address": "2001:db8::1"}), [f"{R}.next-hop-address"]),
    (
        "a route of a family the interface has not",
        route(destination="::/0", **{"next-hop-address": "fe80::1"}),
        [f"{R}.next-hop-interface"],
    ),
    ("the table of local addresses", route(**{"table-id": 255}), [f"{R}.table-id"]),
    ("a metric that is none", route(metric="low"), [f"{R}.metric"]),
    (
        "two routes in one place",
        routes(
            *route()["network_routes"]["config"],
            *route(**{"next-hop-address": "192.0.2.2"})["network_routes"]["config"],
        ),
        ["network_routes.config[1]"],
    ),
    (
        "a rule without priority",
        rules({"ip-from": "198.51.100.0/24", "route-table": 7}),
        ["network_rules.config[0].priority"],
    ),
    ("a rule for everything", rules({"priority": 100, "route-table": 7}), ["network_rules.config[0]"]),
    ("a rule of both families", rules(rule(**{"ip-to": "2001:db8::/32"})), ["network_rules.config[0]"]),
    ("a priority used twice", rules(rule(), rule(fwmark=1)), ["network_rules.config[1].priority"]),
    ("a rule before the kernel's first", rules(rule(priority=0)), ["network_rules.config[0].priority"]),
    (
        "a name server that is a name",
        {**with_home(), "network_dns": {"config": {"server": ["ns1"]}}},
        ["network_dns.config.server[0]"],
    ),
    (
        "a search domain that is none",
        {**with_home(), "network_dns": {"config": {"search": ["Example Net"]}}},
        ["network_dns.config.search[0]"],
    ),
    # The rest
    ("a backend that does not exist", {**with_home(), "network_backend": "wicked"}, ["network_backend"]),
    ("a time too short to connect", {**with_home(), "network_rollback_timeout": 5}, ["network_rollback_timeout"]),
    ("a misspelt variable", {**with_home(), "network_route": {}}, ["network_route"]),
    (
        "a check of a host that is none",
        {**with_home(), "network_checks": {"hosts": ["ns9"]}},
        ["network_checks.hosts[0]"],
    ),
    ("a check of the host itself", {**with_home(), "network_checks": {"hosts": ["app1"]}}, ["network_checks.hosts[0]"]),
    ("a check that does not exist", {**with_home(), "network_checks": {"ping": True}}, ["network_checks.ping"]),
]


@pytest.mark.parametrize(("what", "variables", "where"), BAD, ids=[case[0] for case in BAD])
def test_bad_input_is_refused_where_it_is_and_with_a_remedy(what: str, variables: Variables, where: List[str]) -> None:
    problems = planned(variables).problems
    assert [(problem.host, problem.variable) for problem in problems] == [("app1", path) for path in where]
    assert all(problem.message and problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("first", "second", "remedy"),
    [
        (24, 24, "Write each address once, or on one of the two as a /32"),
        (32, 32, "Write each address once, or on one of the two with the prefix length of its network"),
    ],
)
def test_an_address_on_two_interfaces_is_refused_with_a_remedy_that_is_accepted(first: int, second: int, remedy: str) -> None:
    def written(one: int, other: int) -> Variables:
        cards = [("eth0", one), ("eth1", other)]
        return interfaces(*({"name": name, "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.11", "prefix-length": length}]}} for name, length in cards))

    (problem,) = planned(written(first, second)).problems
    assert problem.remedy == remedy
    assert not planned(written(24, 32)).problems


@pytest.mark.parametrize(
    ("variables", "report"),
    [
        (
            route(destination="0.0.0.0"),
            [f"{R}.destination: 0.0.0.0 is not a network without its prefix length. Write 0.0.0.0/0 for every address"],
        ),
        (route(destination="::"), [f"{R}.destination: :: is not a network without its prefix length. Write ::/0 for every address"]),
        (
            route(destination="198.51.100.7/24"),
            [
                (
                    f"{R}.destination: 198.51.100.7/24 is not a network, but an address in 198.51.100.0/24."
                    " Write 198.51.100.0/24, or 198.51.100.7 for that address alone"
                )
            ],
        ),
        (
            rules({"from": "198.51.100.0/24", "priority": 100, "route-table": 77}),
            ["network_rules.config[0].from: is not an option of a rule; did you mean ip-from. Write ip-from"],
        ),
        (
            rules(rule(**{"ip-from": "198.51.100.7/24"})),
            [
                (
                    "network_rules.config[0].ip-from: 198.51.100.7/24 is not a network, but an address in 198.51.100.0/24."
                    " Write 198.51.100.0/24, or 198.51.100.7 for that address alone"
                )
            ],
        ),
        (
            routes({"destination": "198.51.100.0/24", "route-type": "reject"}),
            [f"{R}.route-type: expected unicast, blackhole, unreachable or prohibit, got 'reject'. Write for example unicast"],
        ),
        (
            interfaces({"name": "eth0", "mtu": 1279, "ipv6": {"autoconf": True}}),
            [f"{N}[0].mtu: 1279 is less than 1280, below which the kernel ends IPv6 on an interface. Write at least 1280, or remove ipv6"],
        ),
        (
            interfaces({"name": "eth0", "mtu": 1279}, bridge("br0", "eth0", ipv6={"autoconf": True})),
            [
                (
                    f"{N}[1].ipv6: br0 follows the MTU of eth0, and 1279 is less than 1280, below which the kernel ends IPv6 on an interface."
                    " Give eth0 an mtu of at least 1280, or remove ipv6"
                )
            ],
        ),
        (
            interfaces({"name": "lo"}),
            [f"{N}[0].name: the loopback interface is not managed. Remove it; an interface of type dummy can have its addresses"],
        ),
    ],
)
def test_a_mistake_is_reported_once_and_with_what_to_write(variables: Variables, report: List[str]) -> None:
    assert [f"{problem.variable}: {problem.message}. {problem.remedy}" for problem in planned(variables).problems] == report


@pytest.mark.parametrize(
    "variables",
    [
        interfaces({"name": "eth0", "mtu": 1279, "ipv4": static("192.0.2.11")}, bridge("br0", "eth1", ipv6={"autoconf": True})),
        interfaces({"name": "eth0", "mtu": 1280, "ipv6": {"autoconf": True}}),
        interfaces({"name": "eth0", "mtu": 1280}, bridge("br0", "eth0", ipv6={"autoconf": True})),
    ],
)
def test_a_small_mtu_without_ipv6_and_the_least_one_with_it_are_accepted(variables: Variables) -> None:
    assert planned(variables).problems == ()


def test_a_single_address_is_a_destination() -> None:
    assert not planned(route(destination="198.51.100.7")).problems
