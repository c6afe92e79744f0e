# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From network_* to a host plan."""

from __future__ import annotations

import copy
import json
from typing import Any, Callable, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import Problem
from ansible_collections.smallfleet.infra.plugins.module_utils._network import capability as network
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, as_data, from_data

Variables = Dict[str, Any]
FLEET: Variables = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:0:1::/64"}},
}


def static(ip: str, length: int = 24) -> Variables:
    return {"enabled": True, "address": [{"ip": ip, "prefix-length": length}]}


def bridge(name: str, *ports: str, **more: Any) -> Variables:
    return {"name": name, "type": "bridge", "bridge": {"port": [{"name": port} for port in ports]}, **more}


def vlan(name: str, base: str, number: Any, **more: Any) -> Variables:
    return {"name": name, "type": "vlan", "vlan": {"base-iface": base, "id": number}, **more}


def bond(name: str, *ports: str, **more: Any) -> Variables:
    return {"name": name, "type": "bond", "link-aggregation": {"mode": "active-backup", "port": list(ports), **more}}


def sound() -> Variables:
    """The hybrid bonded set-up: a bond, a VLAN of it, and a bridge on top that carries the host's address."""
    return {
        "network_interfaces": [
            {**bond("bond0", "eth0", "eth1", options={"primary": "eth0"}), "mtu": 9000},
            vlan("bond0.5", "bond0", 5, ipv4=static("198.51.100.11"), mtu=1500),
            bridge(
                "br0",
                "bond0",
                ipv4=static("192.0.2.11"),
                ipv6={"enabled": True, "address": [{"ip": "2001:DB8:0:1::b", "prefix-length": 64}]},
            ),
        ],
        "network_routes": {
            "config": [
                {"destination": "0.0.0.0/0", "next-hop-interface": "br0", "next-hop-address": "192.0.2.1"},
                {"destination": "::/0", "next-hop-interface": "br0", "next-hop-address": "fe80::1", "metric": -1},
                {
                    "destination": "203.0.113.0/24",
                    "next-hop-interface": "bond0.5",
                    "next-hop-address": "198.51.100.1",
                    "table-id": 77,
                },
            ]
        },
        "network_rules": {"config": [{"ip-from": "198.51.100.0/24", "priority": 100, "route-table": 77}]},
        "network_dns": {"config": {"server": ["192.0.2.53", "2001:db8:0:1::35"], "search": ["demo.example.net"]}},
        "network_checks": {"hosts": ["ns1"], "names": ["www.example.net"]},
    }


def planned(variables: Variables) -> Plan:
    hosts = {
        "app1": {**FLEET, "fleet_host_number": 11, **variables},
        "ns1": {**FLEET, "fleet_host_number": 1},
    }
    return plan_fleet(copy.deepcopy(hosts), {}, {"network": network.resolve})


def test_a_sound_network_is_resolved_with_everything_filled_in() -> None:
    plan = planned(sound())
    assert plan.problems == ()
    assert "network" not in plan.hosts["ns1"]
    part = plan.hosts["app1"]["network"]
    assert {key: value for key, value in part.items() if key != "desired"} == {
        "backend": "auto",
        "rollback_timeout": 90,
        "allow_disconnect": False,
        "provider_mac_filter": False,
        "management": ["192.0.2.11", "2001:db8:0:1::b"],
        "checks": {
            "gateway": True,
            "hosts": {"ns1": ["192.0.2.1", "2001:db8:0:1::1"]},
            "names": ["www.example.net"],
        },
    }
    json.dumps(part)
    desired = from_data(part["desired"])
    names = [interface.name for interface in desired.interfaces]
    assert names == ["bond0", "bond0.5", "br0", "eth0", "eth1"]  # ports that nobody named are asked for as well
    assert desired.interfaces[2].addresses == (Address("192.0.2.11", 24), Address("2001:db8:0:1::b", 64))
    assert desired.interfaces[0].options == {"primary": "eth0"}
    assert desired.routes[1] == Route("::/0", "br0", "fe80::1", metric=1024)
    assert as_data(desired) == part["desired"]


def test_numbers_that_stand_for_nothing_may_be_in_quotes_too() -> None:
    variables = sound()
    for entry in variables["network_routes"]["config"]:
        entry.update({"metric": "-1", "table-id": "0"})
    plain = sound()
    for entry in plain["network_routes"]["config"]:
        entry.update({"metric": -1, "table-id": 0})
    assert planned(plain).problems == ()
    assert planned(variables).hosts == planned(plain).hosts


def test_routes_rules_and_name_servers_of_a_host_without_interfaces_are_checked_but_not_planned() -> None:
    group = {key: value for key, value in sound().items() if key != "network_interfaces"}
    plan = planned(group)
    assert plan.problems == () and "network" not in plan.hosts["app1"]
    group["network_dns"] = {"config": {"sever": ["192.0.2.53"]}}
    group["network_routes"]["config"][0]["destination"] = "192.0.2.1/24"
    assert [problem.variable for problem in planned(group).problems] == ["network_dns.config.sever", "network_routes.config[0].destination"]


def test_underscores_may_stand_for_hyphens() -> None:
    def underscored(value: Any) -> Any:
        if isinstance(value, dict):
            return {key.replace("-", "_"): underscored(inner) for key, inner in value.items()}
        return [underscored(inner) for inner in value] if isinstance(value, list) else value

    hyphens = sound()
    assert planned({key: underscored(value) for key, value in hyphens.items()}).hosts == planned(hyphens).hosts


def test_a_gateway_beyond_an_address_that_is_alone_in_its_network_is_on_the_link() -> None:
    variables = {
        "network_interfaces": [{"name": "eth0", "ipv4": static("192.0.2.11", 32)}],
        "network_routes": {
            "config": [
                {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "198.51.100.1"},
            ]
        },
    }
    plan = planned(variables)
    assert plan.problems == ()
    assert plan.hosts["app1"]["network"]["desired"]["routes"][0]["onlink"] is True


def routed(uplink: Any, bridge: Any) -> Dict[str, Any]:
    interfaces: List[Dict[str, Any]] = [{"name": "eth0", "ipv4": static("192.0.2.11", 24), "ipv6": uplink}]
    return {"network_interfaces": [*interfaces, {"name": "br0", "type": "bridge", "bridge": {"port": []}, "ipv6": bridge}]}


def test_a_routed_bridge_has_the_address_of_the_uplink_again_where_one_of_them_is_alone() -> None:
    for lengths in ((128, 64), (64, 128)):
        assert planned(routed(*(static("2001:db8:0:1::b", length) for length in lengths))).problems == ()
    for lengths in ((64, 64), (128, 128), (64, 80)):
        problems = planned(routed(*(static("2001:db8:0:1::b", length) for length in lengths))).problems
        assert "2001:db8:0:1::b is already on eth0" in [problem.message for problem in problems]


SIX = static("2001:db8:0:1::b", 64)
BEYOND = {"destination": "::/0", "next-hop-interface": "eth0", "next-hop-address": "2001:db8:0:2::1"}
LINK = {"destination": "2001:db8:0:2::1/128", "next-hop-interface": "eth0"}


@pytest.mark.parametrize(
    ("ipv4", "routes", "onlink"),
    [
        (static("192.0.2.11", 24), [{"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "169.254.0.1"}], [True]),
        (static("169.254.0.2", 16), [{"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "169.254.0.1"}], [False]),
        (static("192.0.2.11", 24), [{**BEYOND, "next-hop-address": "fe80::1"}], [False]),
        (static("192.0.2.11", 24), [{**BEYOND, "on-link": True}], [True]),
        (static("192.0.2.11", 24), [BEYOND, LINK], [False, False]),
        (static("192.0.2.11", 24), [LINK, BEYOND], [False, False]),
    ],
)
def test_how_a_gateway_is_reached_that_is_in_no_network_of_its_interface(ipv4: Any, routes: List[Any], onlink: List[bool]) -> None:
    plan = planned({"network_interfaces": [{"name": "eth0", "ipv4": ipv4, "ipv6": SIX}], "network_routes": {"config": routes}})
    assert plan.problems == ()
    desired = from_data(plan.hosts["app1"]["network"]["desired"])
    assert sorted(route.onlink for route in desired.routes) == sorted(onlink)
    assert [bool(route.gateway) for route in desired.routes] == sorted(bool(route.gateway) for route in desired.routes)


@pytest.mark.parametrize(
    ("routes", "text"),
    [
        ([BEYOND], "2001:db8:0:2::1 is not in 2001:db8:0:1::/64 of eth0"),
        ([BEYOND, {**LINK, "table-id": 7}], "2001:db8:0:2::1 is not in 2001:db8:0:1::/64 of eth0"),
        ([{**LINK, "on-link": True}], "a route without a next-hop-address is on the link anyway"),
        ([{**BEYOND, "on-link": "maybe"}], "maybe"),
    ],
)
def test_a_gateway_that_nothing_says_is_on_the_link_is_refused(routes: List[Any], text: str) -> None:
    ipv4 = static("192.0.2.11", 24)
    plan = planned({"network_interfaces": [{"name": "eth0", "ipv4": ipv4, "ipv6": SIX}], "network_routes": {"config": routes}})
    assert any(text in problem.message for problem in plan.problems)


def damaged(value: Any) -> List[Callable[[], Any]]:
    """The same value with each part, however deep, replaced by something that does not belong there."""
    wrong: List[Any] = [None, 7, "x", [], {}, [[]], {"x": 1}, True]
    if isinstance(value, dict):
        inner = [lambda key=key, make=make: {**value, key: make()} for key in value for make in damaged(value[key])]
    elif isinstance(value, list):
        inner = [lambda index=index, make=make: [*value[:index], make(), *value[index + 1 :]] for index in range(len(value)) for make in damaged(value[index])]
    else:
        inner = []
    return [*(lambda one=one: one for one in wrong), *inner]


def test_nothing_that_a_user_can_write_raises() -> None:
    count = 0
    for make in damaged(sound()):
        found = make()
        if isinstance(found, dict):
            plan = planned(found)
            assert all(isinstance(problem, Problem) for problem in plan.problems)
            count += 1
    assert count > 300


def test_a_host_plan_that_somebody_has_changed_is_refused_with_one_error() -> None:
    for bad in ({"interfaces": [{}]}, {"interfaces": 7}, {"routes": [{"destination": "::/0"}]}, {"rules": [[]]}):
        with pytest.raises(BadDesired):
            from_data(bad)


def test_data_that_a_person_wrote_for_the_module_may_leave_things_out() -> None:
    address = {"ip": "2001:DB8::10", "prefix_length": 64}
    desired = from_data(
        {
            "interfaces": [
                {
                    "name": "br0",
                    "type": "bridge",
                    "bridge": {"port": [{"name": "eth0"}]},
                    "ipv6": {"enabled": True, "address": [address]},
                }
            ],
            "routes": [{"destination": "::/0", "next_hop_interface": "br0", "next_hop_address": "fe80::1"}],
        }
    )
    assert [interface.name for interface in desired.interfaces] == ["br0", "eth0"]
    assert desired.interfaces[0].addresses == (Address("2001:db8::10", 64),)
    assert desired.routes == (Route("::/0", "br0", "fe80::1", metric=1024),)
