# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of ``network_*`` that are misspelt or have no value, and names that would be more than a name in a file or a shell."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, from_data
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.interfaces import TYPES

from .test_network_resolve import planned, sound, static

HOME = {"name": "eth0", "ipv4": static("192.0.2.11")}
GATEWAY = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "192.0.2.1"}
RULE = {"ip-from": "198.51.100.0/24", "priority": 100, "route-table": 77}


def of(**more: Any) -> Dict[str, Any]:
    return {"network_interfaces": [HOME], **more}


def said(variables: Dict[str, Any]) -> Tuple[Tuple[str, str, str], ...]:
    return tuple((one.variable, one.message, one.remedy) for one in planned(variables).problems)


@pytest.mark.parametrize(
    "variables, where",
    [
        ({"network_interfaces": None}, "network_interfaces"),
        ({"network_interfaces": [HOME, None]}, "network_interfaces[1]"),
        ({"network_interfaces": [{"name": "eth0", "ipv4": None}]}, "network_interfaces[0].ipv4"),
        ({"network_interfaces": [{"name": "eth0", "ipv4": {"enabled": True, "address": None}}]}, "network_interfaces[0].ipv4.address"),
        ({"network_interfaces": [{"name": "eth0", "ipv4": {"enabled": True, "address": [None]}}]}, "network_interfaces[0].ipv4.address[0]"),
        (
            {"network_interfaces": [{"name": "eth0", "ipv4": {"enabled": True, "address": [{"ip": "192.0.2.11", "prefix_length": None}]}}]},
            "network_interfaces[0].ipv4.address[0].prefix_length",
        ),
        ({"network_interfaces": [HOME, {"name": "v5", "type": "vlan", "vlan": {"base-iface": "eth0", "id": None}}]}, "network_interfaces[1].vlan.id"),
        ({"network_interfaces": [{"name": "br0", "type": "bridge", "bridge": {"port": None}}]}, "network_interfaces[0].bridge.port"),
        (
            {"network_interfaces": [{"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0", "vlan": None}]}}]},
            "network_interfaces[0].bridge.port[0].vlan",
        ),
        ({"network_interfaces": [{"name": "eth0", "ipv4": {"enabled": True, "address": [{}]}}]}, "network_interfaces[0].ipv4.address[0]"),
        (of(network_rules={"config": [{}]}), "network_rules.config[0]"),
        (of(network_routes=None), "network_routes"),
        (of(network_routes={"config": None}), "network_routes.config"),
        (of(network_routes={"config": [{**GATEWAY, "next-hop-address": None}]}), "network_routes.config[0].next-hop-address"),
        (of(network_routes={"config": [{**GATEWAY, "metric": None}]}), "network_routes.config[0].metric"),
        (of(network_rules={"config": [{**RULE, "ip-from": None}]}), "network_rules.config[0].ip-from"),
        (of(network_rules={"config": [{**RULE, "priority": None}]}), "network_rules.config[0].priority"),
        (of(network_dns={"config": {"server": [None]}}), "network_dns.config.server[0]"),
        (of(network_ignored_addresses=[None]), "network_ignored_addresses[0]"),
        (of(network_checks={"hosts": None}), "network_checks.hosts"),
        (of(network_backend=None), "network_backend"),
    ],
)
def test_what_has_no_value_is_refused_at_any_depth_and_nothing_that_only_follows_from_it(variables: Dict[str, Any], where: str) -> None:
    ((place, message, remedy),) = said(variables)
    assert (place, message) == (where, "has no value") and remedy.startswith("Write one") and remedy.endswith(", or remove the line")


def test_other_problems_are_reported_beside_a_missing_value() -> None:
    entry = {**HOME, "mtu": None, "mac-address": "x"}
    assert [variable for variable, _message, _remedy in said({"network_interfaces": [entry]})] == [
        "network_interfaces[0].mac-address",
        "network_interfaces[0].mtu",
    ]


@pytest.mark.parametrize(
    "variables, where, meant",
    [
        ({"network_interfaces": [{**HOME, "mut": 1500}]}, "network_interfaces[0].mut", "mtu"),
        ({"network_interfaces": [{"name": "eth0", "ipv4": {"adress": []}}]}, "network_interfaces[0].ipv4.adress", "address"),
        (of(network_routes={"config": [{**GATEWAY, "metrik": 5}]}), "network_routes.config[0].metrik", "metric"),
        (of(network_rules={"config": [{**RULE, "ip_form": "192.0.2.1/32"}]}), "network_rules.config[0].ip_form", "ip-from"),
        (of(network_checks={"gatway": True}), "network_checks.gatway", "gateway"),
        (of(network_interface=[]), "network_interface", "network_interfaces"),
        (
            {
                "network_interfaces": [
                    {"name": "bond0", "type": "bond", "link-aggregation": {"mode": "802.3ad", "port": ["eth0"], "options": {"lacp-rat": "fast"}}}
                ]
            },
            "network_interfaces[0].link-aggregation.options.lacp-rat",
            "lacp_rate",
        ),
    ],
)
def test_a_misspelt_word_is_refused_with_the_one_that_was_meant(variables: Dict[str, Any], where: str, meant: str) -> None:
    ((variable, message, remedy),) = said(variables)
    assert variable == where and f"did you mean {meant}" in message and remedy == f"Write {meant}"


@pytest.mark.parametrize("name", ["d;id", "d$(id)", "d`id`", "d&id", "d|id", "#d", "!d", "-d", "d=x", "d,x", "d>x", "dö", "d~x", "d{x}"])
def test_a_name_that_would_be_more_than_a_name_in_a_shell_or_a_file_is_refused(name: str) -> None:
    ((variable, message, _remedy),) = said({"network_interfaces": [HOME, {"name": name, "type": "dummy"}]})
    assert variable == "network_interfaces[1].name" and "cannot be the name of an interface" in message
    with pytest.raises(BadDesired, match="one plain word"):
        from_data({"interfaces": [{"name": name, "type": "dummy"}]})


@pytest.mark.parametrize(
    "data",
    [
        {"interfaces": [{"name": "d0", "type": "dummy x"}]},
        {"interfaces": [{"name": "d0", "mac_address": "02:00:00:00:00:01\nlink"}]},
        {"interfaces": [{"name": "b0", "type": "bond", "link_aggregation": {"mode": "a b", "port": []}}]},
        {"interfaces": [{"name": "b0", "type": "bond", "link_aggregation": {"mode": "802.3ad", "port": ["eth0 x"]}}]},
        {"interfaces": [{"name": "b0", "type": "bond", "link_aggregation": {"mode": "802.3ad", "options": {"miimon": "1; id"}}}]},
        {"interfaces": [{"name": "v5", "type": "vlan", "vlan": {"base_iface": "eth0 x", "id": 5}}]},
        {"routes": [{"destination": "192.0.2.0/24", "next_hop_interface": "eth0\nlink"}]},
        {"rules": [{"priority": 5, "iif": "eth0 x"}]},
        {"rules": [{"priority": 5, "oif": "eth0;x"}]},
        {"dns": {"server": ["192.0.2.53\nup id"]}},
        {"dns": {"search": ["example.net\nup id"]}},
    ],
)
def test_data_that_a_person_wrote_has_no_words_that_would_be_more_than_one(data: Dict[str, Any]) -> None:
    with pytest.raises(BadDesired):
        from_data(data)


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("part, owner", [("bridge", "bridge"), ("link_aggregation", "bond"), ("vlan", "vlan")])
def test_a_part_of_another_type_is_refused_and_not_left_out(type_: str, part: str, owner: str) -> None:
    of_a_part = {"bridge": {"port": []}, "link_aggregation": {"port": []}, "vlan": {"base_iface": "eth0", "id": 5}}
    data = {"interfaces": [{"name": "x0", "type": type_, part: of_a_part[part]}]}
    if type_ == owner:
        assert from_data(data).interfaces[0].type == type_
    else:
        with pytest.raises(BadDesired, match=f"{part} is for interfaces of the type {owner}, and 'x0' is of the type {type_}"):
            from_data(data)


@pytest.mark.parametrize(
    "route, key",
    [
        ({"destination": "0.0.0.0"}, "destination"),
        ({"destination": "::"}, "destination"),
        ({"next-hop-address": "192.0.2.0"}, "next-hop-address"),
        ({"next-hop-address": "192.0.2.255"}, "next-hop-address"),
        ({"next-hop-address": "255.255.255.255"}, "next-hop-address"),
    ],
)
def test_a_route_that_the_kernel_would_not_take_or_that_means_another_is_refused(route: Dict[str, Any], key: str) -> None:
    ((variable, _message, _remedy),) = said(of(network_routes={"config": [{**GATEWAY, **route}]}))
    assert variable == f"network_routes.config[0].{key}"


def test_the_ends_of_a_network_of_two_addresses_are_hosts() -> None:
    pair = {"name": "eth0", "ipv4": static("192.0.2.91", 31)}
    assert said({"network_interfaces": [pair], "network_routes": {"config": [{**GATEWAY, "next-hop-address": "192.0.2.90"}]}}) == ()


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0"])
def test_a_rule_for_everything_is_none_however_it_is_written(everything: str) -> None:
    ((variable, message, _remedy),) = said(of(network_rules={"config": [{**RULE, "ip-from": everything}]}))
    assert variable == "network_rules.config[0]" and message == "would match everything"
    plan = planned(of(network_rules={"config": [{**RULE, "ip-from": everything, "fwmark": 5}]}))
    (rule,) = plan.hosts["app1"]["network"]["desired"]["rules"]
    assert (rule["ip_from"], rule["family"]) == ("", "ipv6" if ":" in everything else "ipv4")


@pytest.mark.parametrize("more", [{"ip-from": "198.51.100.7/24"}, {"iif": "a b"}, {"suppress-prefix-length": 33}])
def test_what_is_wrong_in_a_rule_is_said_once(more: Dict[str, Any]) -> None:
    rule = {"priority": 100, "route-table": 77, **more}
    ((variable, _message, _remedy),) = said(of(network_rules={"config": [rule]}))
    assert variable == f"network_rules.config[0].{next(iter(more))}"


@pytest.mark.parametrize("key", ["iif", "oif"])
def test_a_rule_may_be_about_the_loopback_interface(key: str) -> None:
    assert said(of(network_rules={"config": [{"priority": 100, "route-table": 77, key: "lo"}]})) == ()


def test_a_word_that_is_only_a_little_like_another_is_not_taken_for_it() -> None:
    ((_variable, message, remedy),) = said(of(network_rules={"config": [{**RULE, "sport": 5}]}))
    assert message == "is not an option of a rule" and remedy.startswith("Use ip-from, ip-to, priority")


def test_a_sound_network_is_still_one() -> None:
    assert said(sound()) == ()
