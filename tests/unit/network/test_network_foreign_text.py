# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a host's files hold and its programs print: read in linear time, or refused with the place and the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from timing import Growth

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import ifupdown, netplan, networkd, networkmanager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.backend import Backend
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.detect import choose
from ansible_collections.smallfleet.infra.plugins.module_utils._network.duplicate_addresses import same_macs
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, Unreadable, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe_host import read_files
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import CONFIGURATION, BadText

from .guarded import host_facts

DESIRED = Desired((Interface("eth0"),))
LINK = {"ifname": "eth0", "flags": ["UP"], "mtu": 1500}
ADDRESS = {"family": "inet", "local": "192.0.2.10", "prefixlen": 24}
ROUTE = {"dst": "198.51.100.0/24", "dev": "eth0", "gateway": "192.0.2.1", "flags": []}
BACKENDS = [
    (ifupdown.Ifupdown(), ifupdown.MAIN),
    (netplan.Netplan(), f"{netplan.FOLDER}/50-cloud-init.yaml"),
    (networkd.Networkd(), f"{networkd.FOLDER}/00-a.network"),
    (networkmanager.NetworkManager(), f"{networkmanager.FOLDER}/x"),
]


def printed(**given: Any) -> Dict[str, str]:
    found: Dict[str, Any] = {"links": [LINK], "addresses": [{"ifname": "eth0", "addr_info": [ADDRESS]}], "routes4": [ROUTE], **given}
    return {key: found[key] if isinstance(found.get(key), str) else json.dumps(found.get(key, [])) for key in COMMANDS}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"links": [{**LINK, "mtu": "big"}]}, "links[0].mtu: expected a whole number from 0 to 9223372036854775807, got 'big'"),
        ({"links": '[{"ifname":"eth0","flags":[],"mtu":1e999}]'}, "links[0].mtu: expected a whole number"),
        ({"links": [{**LINK, "mtu": True}]}, "links[0].mtu: expected a whole number"),
        ({"links": [{**LINK, "ifname": ["eth0"]}]}, "links[0].ifname: expected a string, got a list of 1"),
        ({"links": [{**LINK, "flags": "UP"}]}, "links[0].flags: expected a list of strings"),
        ({"links": [{**LINK, "linkinfo": "vlan"}]}, "links[0].linkinfo: expected a dictionary, got 'vlan'"),
        ({"links": [{**LINK, "linkinfo": {"info_kind": "vlan", "info_data": {"id": "five"}}}]}, "info_data.id: expected a whole number"),
        ({"links": [{**LINK, "linkinfo": {"info_kind": "bridge", "info_data": {"stp_state": "²"}}}]}, "stp_state: expected a whole number"),
        ({"addresses": [{"ifname": "eth0", "addr_info": "192.0.2.10/24"}]}, "addresses[0].addr_info: expected a list, got '192.0.2.10/24'"),
        ({"addresses": [{"ifname": "eth0", "addr_info": ["x"]}]}, "addresses[0].addr_info[0]: expected a dictionary, got 'x'"),
        ({"addresses": [{"ifname": "eth0", "addr_info": [{**ADDRESS, "local": "eth0"}]}]}, "does not appear to be an IPv4 or IPv6 address"),
        ({"addresses": [{"ifname": "eth0", "addr_info": [{**ADDRESS, "prefixlen": 99}]}]}, "prefixlen: expected a whole number from 0 to 32"),
        ({"routes4": [{**ROUTE, "dst": 7}]}, "routes4[0].dst: expected a string, got 7"),
        ({"routes4": [{**ROUTE, "metric": "low"}]}, "routes4[0].metric: expected a whole number"),
        ({"rules4": [{"table": "main"}]}, "rules4[0].table: expected a whole number"),
        ({"rules4": [{"table": 1, "fwmark": "mark"}]}, "invalid literal for int() with base 16"),
        ({"rules4": {"table": 1}}, "rules4: expected a list, got a dict of 1"),
        ({"links": "[" * 1200}, "links, line 1: is nested deeper than 64 levels"),
        ({"links": "no JSON"}, "links: is not JSON: Expecting value in line 1"),
    ],
)
def test_what_ip_prints_is_refused_with_the_place_when_it_has_another_form(given: Dict[str, Any], words: str) -> None:
    with pytest.raises(Unreadable) as error:
        observe(printed(**given))
    assert words in str(error.value) and "ip -json printed what this version does not know" in str(error.value)


@pytest.mark.parametrize("text", ["[[", '[{"lladdr": 7}]', "7", '["x"]'])
def test_neighbours_of_an_unknown_form_are_refused_by_the_same_error(text: str) -> None:
    with pytest.raises(Unreadable):
        same_macs(DESIRED, Observed({}, {}, (), (), True), text)


@pytest.mark.parametrize("name", ["eth0", "net0"])
def test_many_addresses_and_routes_are_read_in_linear_time(growth: Growth, name: str) -> None:
    def text(size: int) -> str:
        numbers = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(size)]
        names = ["eth0" if name == "eth0" else f"net{number}" for number in range(size)]
        addresses = [{"ifname": one, "addr_info": [{**ADDRESS, "local": number}]} for one, number in zip(names, numbers)]
        routes = [{**ROUTE, "dst": number, "dev": one, "protocol": "16", "prefsrc": number} for one, number in zip(names, numbers)]
        return json.dumps(printed(links=[{**LINK, "ifname": one} for one in names], addresses=addresses, routes4=routes))

    assert growth(lambda given: observe(json.loads(given)), text, 1000) < 9


@pytest.mark.parametrize(("backend", "path"), BACKENDS)
def test_a_file_larger_than_any_configuration_is_a_problem_and_left_alone(backend: Backend, path: str) -> None:
    files = backend.changes(DESIRED, {path: "x " * CONFIGURATION.size})
    (problem,) = files.problems
    assert problem == f"{path}: is larger than {CONFIGURATION.size} bytes, and no more are read. Split it or remove what is not needed"
    assert path not in {change.path for change in files.changes}


def test_a_file_is_not_read_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x" * (CONFIGURATION.size + 1), encoding="utf-8")
    with pytest.raises(BadText, match="a.yaml: is larger than"):
        read_files([f"{tmp_path}/*.yaml"])


@pytest.mark.parametrize(
    ("number", "make"),
    [
        (0, lambda size: "iface eth1 inet manual\n" + "    up true \\\n" * size),
        (0, lambda size: "iface eth0 inet manual\n" + "    up true \\\n" * size),
        (0, lambda size: "auto" + " eth0" * size),
        (0, lambda size: "auto eth0\n" * size),
        (0, lambda size: "auto /eth\n" * size),
        (1, lambda size: "network:\n  ethernets:\n" * size),
        (1, lambda size: "network:\n ethernets:\n  eth0:\n" + "  bridges:\n" * size),
        (1, lambda size: "network:\n" + "  set-name: eth0\n" * size),
        (1, lambda size: "network:\n  ethernets:\n    eth7:\n" + "      - \n" * size),
        (2, lambda size: "[Match]\n" + "Name=a\n" * size),
        (2, lambda size: "[Match]\nName=" + "a* " * size),
        (2, lambda size: "[" * size),
        (3, lambda size: "[connection]\n" + "x\n" * size),
        (3, lambda size: "[connection]\n" + "interface-name=a\n y\n" * size),
    ],
)
def test_the_files_of_others_are_read_in_linear_time(growth: Growth, number: int, make: Callable[[int], str]) -> None:
    backend, path = BACKENDS[number]
    assert growth(lambda text: backend.changes(DESIRED, {path: text}), make, 8000) < 9


def test_a_hundred_thousand_continued_lines_are_one_line() -> None:
    text = "iface eth0 inet manual\n    up true " + "\\\n" * 100_000 + "\niface eth1 inet manual\n"
    assert ifupdown.without(text, {"eth0"}) == ("iface eth1 inet manual\n", [])


@pytest.mark.parametrize("make", [lambda size: "\n" * size, lambda size: "network: {" * size, lambda size: "renderer \n" * size])
def test_the_renderer_of_netplan_is_looked_for_in_linear_time(growth: Growth, make: Callable[[int], str]) -> None:
    ready = frozenset({"netplan", "networkd"})
    assert growth(lambda text: choose("netplan", DESIRED, host_facts(ready, yaml=(text,))), make, 20_000) < 9
    assert "renderer" in choose("netplan", DESIRED, host_facts(ready, yaml=("network:\n\n  renderer: NetworkManager\n",)))[1]


def problems(text: str) -> List[str]:
    return netplan.without(text, {"eth0"})[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("set-name: eth0\n", "line 1 has 'set-name: eth0' outside of an interface. Write it directly below the interface, or remove it"),
        ("network:\n  set-name: eth0\n", "line 2 has 'set-name: eth0' outside of an interface"),
        ("network:\n  ethernets:\n    set-name: 'eth0' # text\n", "line 3 has 'set-name: eth0' outside of an interface"),
        ("network:\n  ethernets:\n    eth7:\n      match:\n        set-name: eth0\n", "line 5 has 'set-name: eth0' outside of an interface"),
        ("a: &a [x]\nnetwork:\n  ethernets: *a\n", "line 3 is an alias that may define any interface. Write it out in place of the alias"),
        ("a: &a [x]\nnetwork: *a\n", "line 2 is an alias that may define any interface"),
        ("network:\n  ethernets:\n    <<: *a\n", "line 3 merges an alias that may define any interface"),
        ("network:\n  ethernets:\n    eth0: &e\n      dhcp4: true\n    eth7: *e\n", "line 3 has an anchor or an alias, which may be of what is removed"),
    ],
)
def test_what_of_netplan_cannot_be_taken_apart_is_a_problem_with_its_line(text: str, words: str) -> None:
    (problem,) = problems(text)
    assert words in problem


def test_an_alias_bomb_in_a_file_of_netplan_is_never_expanded() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join([f'*{chr(97 + level)}'] * 9)}]\n" for level in range(20)
    )
    assert problems(bomb) == [] and netplan.without(bomb, {"eth0"})[0] == bomb
    (problem,) = problems(bomb + "network:\n  ethernets:\n    eth0: *u\n")
    assert "line 1 has an anchor or an alias" in problem


def test_files_without_aliases_at_our_interfaces_are_taken_as_they_are() -> None:
    text = "network:\n  ethernets:\n    eth7: {dhcp4-overrides: &o {use-dns: false}, dhcp6-overrides: *o}\n  wifis:\n    w:\n      password: 'a *b'\n"
    assert netplan.without(text, {"eth0"}) == (text, [])
    quoted = 'network:\n  ethernets:\n    eth0:\n      dhcp4: true\n  wifis:\n    w:\n      match: {name: "*x"}\n'
    assert problems(quoted) == []


@pytest.mark.parametrize("depth", [1200])
def test_deep_nesting_is_no_exception(depth: int) -> None:
    block = "network:\n" + "".join(" " * level + "a:\n" for level in range(1, depth))
    for text in (block, "network: " + "[" * depth, "network: " + "{a: " * depth):
        assert netplan.without(text, set())[0] == text


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("[connection]\ninterface-name=eth0\n", True),
        ("[connection]\nid=x\n  interface-name = eth0\n[connection]\nuuid=y\n", True),
        ("no section\n[connection]\ninterface-name=eth0\n", True),
        ("[connection]\n#interface-name=eth0\n[ipv4]\ninterface-name=eth0\n", False),
        ("[connection]\ninterface-name=eth0\ninterface-name=eth7\n", False),
    ],
)
def test_a_profile_is_known_by_the_last_name_in_its_section(text: str, taken: bool) -> None:
    path = f"{networkmanager.FOLDER}/x"
    changes = networkmanager.NetworkManager().changes(DESIRED, {path: text}).changes
    assert (path in {change.path for change in changes if change.after is None}) is taken


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x1c", "\r"])
def test_only_a_line_feed_ends_a_line_of_interfaces(separator: str) -> None:
    text = f"# text{separator}iface eth0 inet manual\niface eth1 inet manual\n"
    assert ifupdown.without(text, {"eth0"}) == (text, [])
