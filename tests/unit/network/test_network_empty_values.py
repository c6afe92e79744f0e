# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text without characters, and a null, in the place of each value that the variables of the network can have."""

from __future__ import annotations

import copy
from typing import Any, Dict, Iterator, List, Mapping, Set, Tuple, Union

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.fields import Option
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.declared import VARIABLES

from .test_network_resolve import bond, bridge, planned, static, vlan

Path = Tuple[Union[str, int], ...]
LEASED = {"enabled": True, "auto-dns": False, "auto-gateway": True, "auto-routes": True, "auto-route-metric": 50}
STP = {"enabled": True, "forward-delay": 15, "hello-time": 2, "max-age": 20, "priority": 4096}
BRIDGE = {"group-forward-mask": 16392, "mac-ageing-time": 60, "multicast-querier": True, "multicast-snooping": True, "stp": STP}
TRUNK = {"mode": "trunk", "enable-native": True, "tag": 10, "trunk-tags": [{"id": 11}, {"id-range": {"min": 20, "max": 29}}]}
PORT = {"name": "eth2", "stp-hairpin-mode": True, "stp-path-cost": 100, "stp-priority": 16, "vlan": TRUNK}
LACP = {"lacp_rate": "fast", "ad_select": "bandwidth", "min_links": 1, "xmit_hash_policy": "layer3+4", "miimon": 100, "updelay": 200, "downdelay": 200}
ARP = {"arp_interval": 100, "arp_ip_target": ["192.0.2.1"], "arp_validate": "all", "arp_all_targets": "any", "primary": "eth5"}
ACTIVE = {"primary_reselect": "better", "fail_over_mac": "follow", "all_slaves_active": 0, "resend_igmp": 1}
HOP = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "192.0.2.1", "metric": 5, "table-id": 254, "weight": 1}
ATTRIBUTES = {"mtu": 1400, "cwnd": 10, "initcwnd": 10, "initrwnd": 10, "advmss": 1360, "quickack": True}
FULL: Dict[str, Any] = {
    "network_from_fleet": False,
    "network_interfaces": [
        {
            **{"name": "eth0", "type": "ethernet", "state": "up", "identifier": "mac-address", "mac-address": "02:00:00:00:00:01", "mtu": 1500},
            "ipv4": static("192.0.2.11"),
        },
        {"name": "eth1", "ipv4": {**LEASED, "dhcp": True}, "ipv6": {**LEASED, "dhcp": True, "autoconf": True, "token": "::2a", "privacy": "disabled"}},
        {"name": "lan", "ipv6": {"enabled": True, "autoconf": True, "addr-gen-mode": "eui64"}},
        {"name": "tun", "ipv4": {"enabled": True, "address": [{"ip": "198.51.100.1", "prefix-length": 32, "peer": "198.51.100.2"}]}},
        {
            **bridge("br0"),
            "bridge": {"options": {**BRIDGE, "vlan-default-pvid": 0, "vlan-protocol": "802.1ad"}, "vlan": {"mode": "access", "tag": 10}, "port": [PORT]},
        },
        bond("bond0", "eth3") | {"link-aggregation": {"mode": "802.3ad", "port": ["eth3", "eth4"], "options": LACP}},
        bond("bond1", "eth5", options={**ARP, **ACTIVE}),
        vlan("eth0.5", "eth0", 5) | {"vlan": {"base-iface": "eth0", "id": 5, "protocol": "802.1ad"}},
    ],
    "network_routes": {
        "config": [
            {**HOP, **ATTRIBUTES, "on-link": True, "source": "192.0.2.11", "state": "present"},
            {"destination": "203.0.113.0/24", "route-type": "blackhole"},
        ]
    },
    "network_rules": {
        "config": [
            {"priority": 100, "route-table": 77, "ip-from": "198.51.100.0/24", "ip-to": "203.0.113.0/24", "iif": "eth0", "oif": "eth1"},
            {"priority": 101, "action": "blackhole", "fwmark": 5, "fwmask": 7, "not": True, "family": "ipv4", "state": "present"},
            {"priority": 102, "route-table": 77, "suppress-prefix-length": 0, "family": "ipv6"},
        ]
    },
    "network_dns": {"config": {"server": ["192.0.2.53"], "search": ["example.net"]}},
    "network_ignored_addresses": ["192.0.2.100"],
    "network_absent_addresses": ["192.0.2.101"],
    "network_backend": "auto",
    "network_rollback_timeout": 60,
    "network_allow_disconnect": True,
    "network_provider_mac_filter": True,
    "network_checks": {"gateway": True, "hosts": ["ns1"], "names": ["www.example.net"]},
}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Everything that has a value, from the outside to the inside."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def written(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]


def with_value(path: Path, value: Any) -> Dict[str, Any]:
    variables = copy.deepcopy(FULL)
    around: Any = variables
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = value
    return variables


PLACES: List[Path] = list(places(FULL))


def declared(options: Mapping[str, Option]) -> Set[str]:
    """All keys, those of tables below too."""
    below = (declared(option.field.options) for option in options.values())
    return {*options, *(key for keys in below for key in keys)}


def test_the_full_example_is_sound_and_has_every_setting() -> None:
    assert planned(FULL).problems == ()
    assert FULL.keys() == VARIABLES.keys()
    there: Set[str] = {str(path[-1]) for path in PLACES}
    assert set().union(*(declared(field.options) for field in VARIABLES.values())) - there == set()


@pytest.mark.parametrize("value", ["", None], ids=["empty", "null"])
@pytest.mark.parametrize("path", PLACES, ids=written)
def test_an_empty_value_is_refused_where_it_is_and_with_a_remedy(path: Path, value: Any) -> None:
    problems = planned(with_value(path, value)).problems
    there = [one for one in problems if one.variable == written(path)]
    assert there and all(one.host == "app1" and one.message and one.remedy for one in problems), problems
