# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of bonds, and dummy interfaces. Test machines often have neither, so the kernel's half is a model of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Dict, List, Sequence

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.netplan import Netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface, Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import as_data, from_data

from .kernel import Kernel, bare
from .test_network_resolve import bond, bridge, planned, static

ARP = {"arp_interval": 500, "arp_ip_target": ["192.0.2.1", "192.0.2.2"], "arp_validate": "all", "arp_all_targets": "all"}
HOST = bare("eth0", "eth1")


def written(mode: str = "active-backup", **options: Any) -> Dict[str, Any]:
    return {"name": "bond0", "type": "bond", "link-aggregation": {"mode": mode, "port": ["eth0", "eth1"], "options": options}}


def read(*interfaces: Dict[str, Any]) -> Desired:
    made = planned({"network_interfaces": list(interfaces)})
    assert made.problems == ()
    return from_data(made.hosts["app1"]["network"]["desired"])


def test_arp_monitoring_and_the_policies_of_a_bond_are_read_and_come_back_from_the_plan() -> None:
    desired = read(written(**ARP, fail_over_mac="follow", primary="eth1", primary_reselect="better", resend_igmp=3))
    assert desired.interfaces[0].options == {
        "arp_interval": "500", "arp_ip_target": "192.0.2.1,192.0.2.2", "arp_validate": "all", "arp_all_targets": "all",
        "fail_over_mac": "follow", "primary": "eth1", "primary_reselect": "better", "resend_igmp": "3",
    }  # fmt: skip
    assert from_data(as_data(desired)) == desired
    assert read(written(arp_interval=500, arp_ip_target="192.0.2.1,192.0.2.2")).interfaces[0].options["arp_ip_target"] == "192.0.2.1,192.0.2.2"
    assert read(written("802.3ad", lacp_rate="fast", ad_select="count", min_links=1, xmit_hash_policy="layer3+4")).interfaces[0].mode == "802.3ad"


@pytest.mark.parametrize(
    ("mode", "options", "key", "text"),
    [
        ("active-backup", {**ARP, "miimon": 100}, "arp_interval", "miimon is there too"),
        ("active-backup", {"arp_interval": 500}, "arp_ip_target", "is missing"),
        ("active-backup", {"arp_ip_target": ["192.0.2.1"]}, "arp_ip_target", "no meaning without arp_interval"),
        ("active-backup", {"arp_validate": "all"}, "arp_validate", "no meaning without arp_interval"),
        ("active-backup", {**ARP, "updelay": 100}, "updelay", "no meaning without miimon"),
        ("active-backup", {"miimon": 0, "downdelay": 100}, "downdelay", "no meaning without miimon"),
        ("active-backup", {"updelay": 150}, "updelay", "150 is not a multiple of miimon, 100"),
        ("active-backup", {**ARP, "arp_ip_target": ["2001:db8::1"]}, "arp_ip_target[0]", "is IPv6, not IPv4"),
        ("active-backup", {**ARP, "arp_ip_target": ["192.0.2.1", "192.0.2.1"]}, "arp_ip_target", "twice"),
        ("active-backup", {**ARP, "arp_ip_target": [f"192.0.2.{host}" for host in range(1, 18)]}, "arp_ip_target", "at most 16"),
        ("active-backup", {"arp_interval": 500, "arp_ip_target": []}, "arp_ip_target", "is an empty list"),
        ("active-backup", {**ARP, "arp_validate": "some"}, "arp_validate", "got 'some'"),
        ("active-backup", {"lacp_rate": "fast"}, "lacp_rate", "no meaning with the mode active-backup, but with 802.3ad"),
        ("balance-rr", {"primary": "eth0"}, "primary", "no meaning with the mode balance-rr"),
        ("balance-xor", {"fail_over_mac": "active"}, "fail_over_mac", "no meaning with the mode balance-xor"),
        ("active-backup", {"xmit_hash_policy": "layer2"}, "xmit_hash_policy", "no meaning with the mode active-backup"),
        ("active-backup", {"primary": "eth7"}, "primary", "'eth7' is not a port of the bond"),
        ("active-backup", {"fail_over_mac": "always"}, "fail_over_mac", "got 'always'"),
        ("active-backup", {"resend_igmp": 256}, "resend_igmp", "expected a whole number from "),
        ("active-backup", {"use_carrier": 1}, "use_carrier", "is not an option of a bond"),
    ],
)
def test_options_that_contradict_each_other_or_the_mode_are_refused(mode: str, options: Dict[str, Any], key: str, text: str) -> None:
    problems = planned({"network_interfaces": [written(mode, **options)]}).problems
    assert [problem.variable for problem in problems] == [f"network_interfaces[0].link-aggregation.options.{key}"]
    assert text in problems[0].message and problems[0].remedy


@pytest.mark.parametrize("mode", ["802.3ad", "balance-tlb", "balance-alb"])
def test_arp_monitoring_is_refused_with_the_modes_that_the_kernel_refuses(mode: str) -> None:
    problems = planned({"network_interfaces": [written(mode, arp_interval=500, arp_ip_target=["192.0.2.1"])]}).problems
    assert {problem.variable.rpartition(".")[2] for problem in problems} == {"arp_interval", "arp_ip_target"}


def test_a_bond_whose_mac_is_that_of_its_active_port_is_given_none() -> None:
    problems = planned({"network_interfaces": [{**written(fail_over_mac="active"), "mac-address": "02:00:00:00:00:09"}]}).problems
    assert "has the MAC of its active port" in problems[0].message
    desired = pinned(read(written(fail_over_mac="active"), bridge("br0", "bond0")), HOST)
    made = {one.name: one.mac for one in desired.interfaces}
    assert made["bond0"] == "" and made["br0"] == "02:00:00:00:00:00"
    assert pinned(read(written(fail_over_mac="follow")), HOST).interfaces[0].mac == "02:00:00:00:00:00"


def there(**options: str) -> Observed:
    links = {name: replace(HOST.links[name], master="bond0", link_local=False) for name in ("eth0", "eth1")}
    made = Link("bond0", "bond", "02:00:00:00:00:00", mode="active-backup", options=options, link_local=False)
    return replace(HOST, links={**HOST.links, **links, "bond0": made}, addresses={**HOST.addresses, "bond0": ()})


def test_a_bond_is_watched_by_miimon_unless_something_else_is_said_or_there() -> None:
    assert pinned(read(written()), HOST).interfaces[0].options == {"miimon": "100"}
    assert pinned(read(written(**ARP)), HOST).interfaces[0].options.get("miimon") is None
    watching = there(miimon="0", arp_interval="300", arp_ip_target="192.0.2.9", arp_validate="all", updelay="0", fail_over_mac="none")
    kept = pinned(read(written()), watching)
    assert kept.interfaces[0].options == {"arp_interval": "300", "arp_ip_target": "192.0.2.9", "arp_validate": "all"}
    assert plan(kept, watching).operations == ()
    assert pinned(read(written(miimon=50)), watching).interfaces[0].options == {"miimon": "50"}


def test_what_nobody_asks_for_of_a_bond_stays_and_is_written_down() -> None:
    observed = there(miimon="100", updelay="200", primary="eth1", primary_reselect="failure", resend_igmp="1")
    desired = pinned(read(written()), observed)
    assert desired.interfaces[0].options == {"miimon": "100", "updelay": "200", "primary": "eth1", "primary_reselect": "failure"}
    assert plan(desired, observed).operations == ()
    assert "UpDelaySec=200ms\n" in Networkd().files(desired)["/etc/systemd/network/05-smallfleet-bond0.netdev"]


def test_from_miimon_to_arp_and_back_by_the_rollback() -> None:
    """The kernel ends one when the other is set, so its way back is that of both."""
    observed = there(miimon="100", updelay="200", arp_interval="0")
    steps = plan(pinned(read(written(**ARP)), observed), observed)
    lines = [str(one) for one in steps.operations]
    assert lines[:3] == [
        "ip link set dev bond0 type bond arp_all_targets all",
        "ip link set dev bond0 type bond arp_interval 500",
        "ip link set dev bond0 type bond arp_ip_target 192.0.2.1,192.0.2.2",
    ]
    back = [one.line for one in rollback(steps)]
    assert back == [
        f"link set dev bond0 type bond {rest}" for rest in ("arp_validate none", "arp_interval 0", "miimon 100", "updelay 200", "arp_all_targets any")
    ]


def test_what_a_bond_that_is_up_cannot_change_is_refused() -> None:
    observed = there(miimon="100", fail_over_mac="none")
    desired = pinned(read(written(fail_over_mac="active")), observed)
    assert ["has fail_over_mac none, which a bond that is up cannot change" in line for line in obstacles(desired, observed)] == [True]


def test_what_ip_8_prints_of_these_options_is_read() -> None:
    data = {
        "mode": "active-backup", "miimon": 0, "arp_interval": 500, "arp_ip_target": ["192.0.2.1", "192.0.2.2"], "arp_validate": None,
        "arp_all_targets": "any", "fail_over_mac": "active", "ad_lacp_rate": "fast", "primary_reselect": "always", "min_links": 0,
    }  # fmt: skip
    entry = {"ifname": "bond0", "flags": [], "mtu": 1500, "linkinfo": {"info_kind": "bond", "info_data": data}}
    printed = {key: json.dumps([entry]) if key == "links" else "" for key in COMMANDS}
    assert observe(printed).links["bond0"].options == {
        "miimon": "0", "arp_interval": "500", "arp_ip_target": "192.0.2.1,192.0.2.2", "arp_all_targets": "any", "fail_over_mac": "active",
        "lacp_rate": "fast", "primary_reselect": "always", "min_links": "0",
    }  # fmt: skip


def test_every_program_is_told_what_it_has_words_for() -> None:
    desired = pinned(read(written(**{**ARP, "arp_validate": "active"}, fail_over_mac="active", all_slaves_active=1)), HOST)
    netdev = Networkd().files(desired)["/etc/systemd/network/05-smallfleet-bond0.netdev"].split("[Bond]\n")[1].splitlines()
    assert netdev == [
        "Mode=active-backup", "AllSlavesActive=1", "ARPAllTargets=all", "ARPIntervalSec=500ms", "ARPIPTargets=192.0.2.1 192.0.2.2",
        "ARPValidate=active", "FailOverMACPolicy=active",
    ]  # fmt: skip
    written_yaml = yaml.safe_load(Netplan().files(desired)["/etc/netplan/90-smallfleet-1-bond0.yaml"])["network"]["bonds"]["bond0"]
    assert written_yaml["parameters"] == {
        "mode": "active-backup", "all-slaves-active": True, "arp-all-targets": "all", "arp-interval": 500,
        "arp-ip-targets": ["192.0.2.1", "192.0.2.2"], "arp-validate": "active", "fail-over-mac-policy": "active",
    }  # fmt: skip
    keyfile = NetworkManager().files(desired)["/etc/NetworkManager/system-connections/smallfleet-bond0.nmconnection"]
    assert "arp_interval=500\narp_ip_target=192.0.2.1,192.0.2.2\n" in keyfile
    stanza = Ifupdown().files(desired)["/etc/network/interfaces.d/smallfleet-1-bond0"]
    assert "type bond mode active-backup all_slaves_active 1 arp_all_targets all arp_interval 500 arp_ip_target 192.0.2.1,192.0.2.2 " in stanza


def test_what_systemd_networkd_and_netplan_have_no_word_for_is_refused() -> None:
    filtered = pinned(read(written(**{**ARP, "arp_validate": "filter_active"})), HOST)
    hashed = pinned(read(written("balance-xor", xmit_hash_policy="vlan+srcmac")), HOST)
    for backend, title in ((Networkd(), "systemd-networkd"), (Netplan(), "netplan")):
        for desired, key in ((filtered, "arp_validate"), (hashed, "xmit_hash_policy")):
            problems: List[str] = list(backend.changes(desired, {}).problems)
            assert len(problems) == 1 and problems[0].startswith(f"interfaces.bond0.link-aggregation.options.{key}: {title} cannot say")
    assert NetworkManager().changes(filtered, {}).problems == () and not Ifupdown().changes(hashed, {}).problems


DUMMY = {"name": "dummy0", "type": "dummy", "mtu": 1400, "ipv4": static("198.51.100.1", 32), "ipv6": static("2001:db8:7::1", 128)}


def test_a_dummy_interface_is_made_and_goes_again() -> None:
    desired = pinned(read(DUMMY), HOST)
    assert desired.interfaces[0].type == "dummy" and obstacles(desired, HOST) == []
    steps = plan(desired, HOST)
    assert [str(one) for one in steps.prepare][:2] == ["ip link add name dummy0 type dummy", "ip link set dev dummy0 mtu 1400"]
    kernel = Kernel(HOST)
    kernel.run(steps.operations)
    assert plan(desired, kernel.observed()).operations == ()
    gone = Desired((Interface("dummy0", "dummy", absent=True),))
    assert [str(one) for one in plan(gone, kernel.observed()).retire] == ["ip link delete dev dummy0"]
    kernel.force(rollback(steps))
    assert "dummy0" not in kernel.links
    taken = replace(HOST, links={**HOST.links, "dummy0": Link("dummy0", "bridge")})
    assert "is a bridge on this host, not dummy" in obstacles(desired, taken)[0]


@pytest.mark.parametrize(("ports", "mac"), [(("dummy0",), ""), (("dummy0", "eth1"), HOST.links["eth1"].mac)])
def test_a_bridge_has_the_mac_of_a_card_and_never_what_chance_gave_to_a_dummy(ports: Sequence[str], mac: str) -> None:
    """Else the second run would write what the first could not know."""
    desired = read({"name": "dummy0", "type": "dummy"}, bridge("br0", *ports))
    chance = {"dummy0": Link("dummy0", "dummy", mac="46:62:4f:8e:c9:c3"), "br0": Link("br0", "bridge", mac=mac or "ce:88:d3:0f:d0:90")}
    made = replace(HOST, links={**HOST.links, **chance})
    assert [pinned(desired, observed).interfaces[1].mac for observed in (HOST, made)] == [mac, mac]


def test_every_program_makes_the_dummy_interface_at_boot() -> None:
    desired = pinned(read(DUMMY), HOST)
    assert "Name=dummy0\nKind=dummy\nMTUBytes=1400\n" in Networkd().files(desired)["/etc/systemd/network/05-smallfleet-dummy0.netdev"]
    assert "ip link add name dummy0 type dummy" in Ifupdown().files(desired)["/etc/network/interfaces.d/smallfleet-0-dummy0"]
    assert "type=dummy\n" in NetworkManager().files(desired)["/etc/NetworkManager/system-connections/smallfleet-dummy0.nmconnection"]
    section = yaml.safe_load(Netplan().files(desired)["/etc/netplan/90-smallfleet-0-dummy0.yaml"])["network"]["dummy-devices"]
    assert section["dummy0"]["addresses"] == ["198.51.100.1/32", "2001:db8:7::1/128"]


def test_a_dummy_interface_may_be_a_port_and_has_no_settings_of_others() -> None:
    assert read(bridge("br0", "dummy0"), {"name": "dummy0", "type": "dummy"}).interfaces[0].ports == ("dummy0",)
    assert bond("bond0", "dummy0")["link-aggregation"]["port"] == ["dummy0"]
    problems = planned({"network_interfaces": [{**DUMMY, "vlan": {"id": 5}}, {**DUMMY, "name": "d1", "identifier": "mac-address"}]}).problems
    assert {problem.variable for problem in problems} >= {"network_interfaces[0].vlan", "network_interfaces[1].identifier"}
