# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A card that is named by its MAC, whatever the kernel calls it, and a card that is named by another of its names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.network_host import bridges_of
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.netplan import Netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd_change import RUN_NETWORKD
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface, Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import as_data, from_data

from .guarded import prepare
from .kernel import Kernel, bare
from .namespace import Namespace
from .test_network_resolve import planned, static

MAC = "02:00:00:00:00:01"
WAN: Dict[str, Any] = {"name": "wan", "identifier": "mac-address", "mac-address": MAC.upper()}
HOST = bare("eth0", "eth1")


def read(*interfaces: Dict[str, Any], **more: Any) -> Desired:
    made = planned({"network_interfaces": list(interfaces), **more})
    assert made.problems == ()
    return from_data(made.hosts["app1"]["network"]["desired"])


def everywhere() -> Desired:
    """The name stands wherever one can stand."""
    bond = {"mode": "active-backup", "port": ["wan"], "options": {"primary": "wan"}}
    bridge = {"port": [{"name": "wan.5", "stp-priority": 3}]}
    routes = [{"destination": "203.0.113.0/24", "next-hop-interface": "lan", "next-hop-address": "192.0.2.1"}]
    lan = {"name": "lan", "identifier": "mac-address", "mac-address": "02:00:00:00:00:00", "ipv4": static("192.0.2.11")}
    vlan = {"name": "wan.5", "type": "vlan", "vlan": {"base-iface": "bond0", "id": 5}}
    interfaces = [WAN, lan, {"name": "bond0", "type": "bond", "link-aggregation": bond}, vlan, {"name": "br0", "type": "bridge", "bridge": bridge}]
    rules = [{"priority": 100, "iif": "lan", "route-table": 77}]
    return read(*interfaces, network_routes={"config": routes}, network_rules={"config": rules})


def test_the_host_finds_the_name_of_the_card_and_it_stands_wherever_the_other_stood() -> None:
    desired = everywhere()
    assert from_data(as_data(desired)) == desired and desired.interfaces[0].card == MAC
    found = pinned(desired, HOST)
    assert obstacles(found, HOST) == []
    named = {one.name: one for one in found.interfaces}
    assert set(named) == {"eth0", "eth1", "bond0", "wan.5", "br0"}
    assert named["bond0"].ports == ("eth1",) and named["bond0"].options["primary"] == "eth1"
    assert (named["eth1"].card, named["eth1"].mac) == (MAC, "")
    assert found.routes[0].interface == "eth0" and found.rules[0].iif == "eth0"
    kernel = Kernel(HOST)
    kernel.run(plan(found, HOST).operations)
    assert plan(pinned(desired, kernel.observed()), kernel.observed()).operations == ()


def test_a_port_of_a_bond_is_found_by_its_own_mac_and_nothing_else_that_has_it() -> None:
    port = Link("eth1", mac="02:00:00:00:00:09", permanent_mac=MAC, master="bond0")
    others = {"bond0": Link("bond0", "bond", mac=MAC), "bond0.5": Link("bond0.5", "vlan", mac=MAC, lower="bond0")}
    observed = replace(HOST, links={"eth0": replace(HOST.links["eth0"], mac=MAC), "eth1": port, **others})
    assert pinned(read(WAN), observed).interfaces[0].name == "eth1"


@pytest.mark.parametrize(
    ("links", "text"),
    [
        ({"eth0": HOST.links["eth0"]}, f"this host has no card with the MAC {MAC}. Write that of one that it has (02:00:00:00:00:00 (eth0))"),
        ({name: replace(HOST.links["eth1"], name=name) for name in ("eth1", "eth2")}, f"eth1 and eth2 have the MAC {MAC}"),
        ({"wan": replace(HOST.links["eth0"], name="wan")}, f"this host has no card with the MAC {MAC}"),
    ],
)
def test_a_card_that_is_not_there_once_is_refused(links: Dict[str, Link], text: str) -> None:
    observed = replace(HOST, links=links)
    said = obstacles(pinned(read(WAN), observed), observed)
    assert len(said) == 1 and said[0].startswith(f"interfaces.wan: {text}")


def test_a_card_that_is_named_both_ways_is_refused() -> None:
    desired = pinned(read(WAN, {"name": "eth1"}), HOST)
    assert obstacles(desired, HOST) == [f"interfaces.wan: the card with the MAC {MAC} is eth1, which is named too. Write each card once"]
    problems = planned({"network_interfaces": [WAN, {**WAN, "name": "other"}]}).problems
    assert [(problem.variable, problem.message) for problem in problems] == [("network_interfaces[1].mac-address", f"{MAC} is already that of wan")]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"name": "wan", "identifier": "mac-address"}, "mac-address"),
        ({**WAN, "identifier": "pci-address"}, "identifier"),
        ({**WAN, "type": "bridge"}, "identifier"),
        ({**WAN, "mac-address": "01:00:5e:00:00:01"}, "mac-address"),
    ],
)
def test_what_names_no_card_is_refused_by_the_plan(written: Dict[str, Any], key: str) -> None:
    problems = planned({"network_interfaces": [written]}).problems
    assert f"network_interfaces[0].{key}" in [problem.variable for problem in problems]


def test_programs_that_can_find_it_by_its_mac_at_boot_do() -> None:
    desired = pinned(read({**WAN, "ipv4": static("192.0.2.11")}), HOST)
    assert f"[Match]\nPermanentMACAddress={MAC}\n" in Networkd().files(desired)["/etc/systemd/network/05-smallfleet-eth1.network"]
    assert f'    eth1:\n      match:\n        macaddress: "{MAC}"\n' in Netplan().files(desired)["/etc/netplan/90-smallfleet-0-eth1.yaml"]
    keyfile = NetworkManager().files(desired)["/etc/NetworkManager/system-connections/smallfleet-eth1.nmconnection"]
    assert f"[ethernet]\nmac-address={MAC}\n" in keyfile and "interface-name" not in keyfile
    assert "iface eth1 inet static\n" in Ifupdown().files(desired)["/etc/network/interfaces.d/smallfleet-0-eth1"]
    for backend in (Networkd(), Netplan(), NetworkManager(), Ifupdown()):
        assert backend.changes(desired, {}).problems == ()


def test_its_file_is_held_while_it_leaves_its_bridge_though_it_does_not_name_it() -> None:
    observed = replace(HOST, links={**HOST.links, "br0": Link("br0", "bridge"), "eth1": replace(HOST.links["eth1"], master="br0")})
    desired = pinned(read(WAN, {"name": "br0", "type": "bridge"}), observed)
    change = prepare("/x", plan(desired, observed), (), Networkd().files(desired), observed)
    assert [path for path, _text in change.held] == [f"{RUN_NETWORKD}00-0-smallfleet-trial-05-smallfleet-eth1.network"]


def test_another_name_of_a_card_is_answered_with_its_name() -> None:
    observed = replace(HOST, links={**HOST.links, "eth0": replace(HOST.links["eth0"], altnames=("enp3s0", "enx020000000000"))})
    assert obstacles(Desired((Interface("enp3s0"),)), observed) == ["interfaces.enp3s0: is another name (altname) of eth0 on this host. Write eth0"]


def test_the_real_kernel_tells_the_mac_and_the_other_names(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.run("ip", "link", "property", "add", "dev", "eth1", "altname", "enp3s0")
    observed: Observed = namespace.observed()
    assert observed.links["eth1"].altnames == ("enp3s0",)
    written = {**WAN, "mac-address": observed.links["eth1"].mac, "ipv4": static("192.0.2.11")}
    desired = pinned(read(written), observed)
    assert desired.interfaces[0].name == "eth1" and desired.interfaces[0].card == ""  # a veth has no MAC that is its own
    assert obstacles(desired, observed) == []
    namespace.batch(plan(desired, observed).operations)
    after = namespace.observed()
    assert plan(pinned(read(written), after), after).operations == ()
    assert "another name (altname) of eth1" in obstacles(Desired((Interface("enp3s0"),)), observed)[0]


def test_a_card_that_guests_are_brought_from_is_known_as_the_port_of_its_bridge() -> None:
    desired = as_data(read(WAN, {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "wan"}]}}))
    assert bridges_of(desired, HOST) == {"br0": ("eth1",)}
