# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of bridges and bonds that the kernel has and the next boot does not give."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Mapping

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.options import DEFAULTS, from_kernel, kernel_name, kernel_value, made
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, Unreadable
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Family, Interface, Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned

from .booting import CARDS, DESIRED, MAC, OBSERVED, ON_CARD, said
from .namespace import Namespace

BOND = Interface("bond0", "bond", ports=("eth0", "eth1"), mode="active-backup", options={"miimon": "100"})
WITH_BOND = Observed({**CARDS, "bond0": Link("bond0", "bond", MAC, mode="active-backup", options={"miimon": "100"})})
WITH_BRIDGE = replace(OBSERVED, links={**OBSERVED.links, "br0": Link("br0", "bridge", MAC)})


def kernel(name: str, kind: str, **options: str) -> Dict[str, Mapping[str, str]]:
    return {name: {**DEFAULTS[kind], **options}}


@pytest.mark.parametrize(
    ("option", "value"),
    [("updelay", "200"), ("downdelay", "200"), ("fail_over_mac", "active"), ("arp_interval", "100"), ("primary", "eth0"), ("num_peer_notif", "3")],
)
def test_an_option_of_a_bond_that_only_the_kernel_has_is_named(option: str, value: str) -> None:
    desired = Desired((BOND,))
    (warning,) = said("networkd", {}, desired, WITH_BOND, kernel=kernel("bond0", "bond", miimon="100", **{option: value}))[0].warnings
    assert warning.startswith(f"interfaces.bond0: {option} is {value} now and {DEFAULTS['bond'][option]} after the next boot")
    assert said("networkd", {}, desired, WITH_BOND, kernel=kernel("bond0", "bond", miimon="100"))[0].warnings == []


def test_an_option_that_the_inventory_has_gives_no_word() -> None:
    desired = Desired((replace(BOND, options={"miimon": "100", "updelay": "200", "lacp_rate": "fast"}),))
    observed = kernel("bond0", "bond", miimon="100", updelay="400", ad_lacp_rate="fast")
    assert said("networkd", {}, desired, WITH_BOND, kernel=observed)[0].warnings == []
    born = made(pinned(desired, WITH_BOND), WITH_BOND)["bond0"]
    assert (born["updelay"], born["ad_lacp_rate"], born["downdelay"]) == ("200", "fast", "0")


@pytest.mark.parametrize(("option", "value"), [("ageing_time", "6000"), ("vlan_filtering", "1"), ("mcast_snooping", "0"), ("group_fwd_mask", "8")])
@pytest.mark.parametrize("backend", ["networkd", "netplan", "ifupdown", "networkmanager"])
def test_an_option_of_a_bridge_that_only_the_kernel_has_is_named(backend: str, option: str, value: str) -> None:
    found = said(backend, {}, DESIRED, WITH_BRIDGE, kernel=kernel("br0", "bridge", **{option: value}))[0]
    assert found.problems == [] and len(found.warnings) == 1 and f"br0: {option} is {value} now" in found.warnings[0]


def test_times_that_only_stp_uses_matter_with_stp_only() -> None:
    observed = kernel("br0", "bridge", forward_delay="0", hello_time="100")
    assert said("networkd", {}, DESIRED, WITH_BRIDGE, kernel=observed)[0].warnings == []
    spoken = replace(DESIRED, interfaces=(DESIRED.interfaces[0], replace(DESIRED.interfaces[1], stp=True)))
    assert len(said("networkd", {}, spoken, WITH_BRIDGE, kernel=observed)[0].warnings) == 2


def test_a_bridge_that_is_made_by_the_change_has_no_options_of_before() -> None:
    assert said("networkd", {}, DESIRED, OBSERVED, kernel=kernel("br0", "bridge", ageing_time="1"))[0].warnings == []


def card(**more: object) -> Observed:
    return replace(OBSERVED, links={**OBSERVED.links, "eth0": replace(CARDS["eth0"], **more)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("observed", "what"),
    [
        (card(mtu=9000, max_mtu=9600), "mtu is 9000 now and 1500"),
        (card(mtu=1460, max_mtu=1460), ""),
        (card(mac="02:00:00:00:00:77"), f"mac-address is 02:00:00:00:00:77 now and {MAC}"),
        (card(), ""),
    ],
)
def test_mtu_and_mac_that_only_the_kernel_has_are_named(observed: Observed, what: str) -> None:
    warnings = said("networkd", {}, ON_CARD, observed)[0].warnings
    assert [what in one for one in warnings] == ([True] if what else [])


def test_what_udev_sets_at_boot_is_none_of_the_kernel_alone() -> None:
    path, match = "/etc/systemd/network/10-eth0.link", f"[Match]\nMACAddress={MAC}\n[Link]\n"
    large, changed = card(mtu=9000), card(mac="02:00:00:00:00:77")
    assert said("networkd", {}, ON_CARD, large, names={path: f"{match}MTUBytes=9000\n"})[0].warnings == []
    assert said("networkd", {}, ON_CARD, changed, names={path: f"{match}MACAddress=02:00:00:00:00:77\n"})[0].warnings == []
    assert len(said("networkd", {}, ON_CARD, large, names={path: f"{match}WakeOnLan=magic\n"})[0].warnings) == 1


def test_an_mtu_by_lease_or_of_what_stands_below_is_none_of_the_kernel_alone() -> None:
    leased = replace(ON_CARD, interfaces=(Interface("eth0", ipv4=Family(True, dhcp=True)),), routes=())
    assert said("networkd", {}, leased, card(mtu=9000))[0].warnings == []
    vlan = Interface("v5", "vlan", base="eth0", vlan_id=5)
    large = replace(card(mtu=9000), links={**card(mtu=9000).links, "v5": Link("v5", "vlan", MAC, mtu=9000, lower="eth0", vlan_id=5)})
    assert said("networkd", {}, Desired((replace(ON_CARD.interfaces[0], mtu=9000), vlan)), large)[0].warnings == []
    assert said("networkd", {}, Desired((vlan,)), large)[0].warnings == []


@pytest.mark.parametrize(
    ("kind", "names", "option"),
    [
        ("bridge", ("bridge_fd", "fd", "ForwardDelaySec", "forward-delay", "forward_delay"), "forward_delay"),
        ("bridge", ("bridge-ageing", "AgeingTimeSec", "ageing-time", "aging-time"), "ageing_time"),
        ("bridge", ("bridge_vlan_aware", "VLANFiltering", "vlan-filtering"), "vlan_filtering"),
        ("bridge", ("bridge-mcsnoop", "MulticastSnooping", "multicast-snooping"), "mcast_snooping"),
        ("bridge", ("bridge_bridgeprio", "Priority", "priority"), "priority"),
        ("bond", ("bond-updelay", "UpDelaySec", "up-delay", "updelay"), "updelay"),
        ("bond", ("bond-lacp-rate", "LACPTransmitRate", "lacp-rate", "lacp_rate"), "ad_lacp_rate"),
        ("bond", ("bond_miimon", "MIIMonitorSec", "mii-monitor-interval", "miimon"), "miimon"),
        ("bond", ("bond-xmit-hash-policy", "TransmitHashPolicy", "transmit-hash-policy"), "xmit_hash_policy"),
        ("bond", ("FailOverMACPolicy", "fail-over-mac-policy", "bond-fail-over-mac"), "fail_over_mac"),
        ("bond", ("ARPIntervalSec", "arp-interval", "bond-arp-interval"), "arp_interval"),
        ("bond", ("bond-slaves",), ""),
        ("bridge", ("bridge_ports", "port-priority", ""), ""),
    ],
)
def test_options_have_many_names(kind: str, names: tuple[str, ...], option: str) -> None:
    assert {kernel_name(kind, name) for name in names} == {option}


@pytest.mark.parametrize(
    ("option", "value", "plain"),
    [
        ("ageing_time", "300", "30000"),
        ("ageing_time", "5min", "30000"),
        ("forward_delay", "0.5", "50"),
        ("updelay", "200ms", "200"),
        ("updelay", "0.2s", "200"),
        ("updelay", "200", "200"),
        ("vlan_filtering", "Yes", "1"),
        ("group_fwd_mask", "0x8", "8"),
        ("ad_lacp_rate", "1", "fast"),
        ("updelay", "1e999", "1e999"),
        ("updelay", "x" * 100, "x" * 100),
    ],
)
def test_values_are_compared_in_the_kernel_s_notation(option: str, value: str, plain: str) -> None:
    assert kernel_value(option, value) == plain


def test_a_bridge_and_a_bond_of_a_real_kernel_have_these_defaults(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.run("ip", "link", "add", "br7", "type", "bridge")
    printed = namespace.run(*COMMANDS["links"])
    found = from_kernel(printed)
    assert found["br7"].items() <= DEFAULTS["bridge"].items() and len(found["br7"]) > 10
    namespace.run("ip", "link", "set", "br7", "type", "bridge", "ageing_time", "6000")
    assert from_kernel(namespace.run(*COMMANDS["links"]))["br7"]["ageing_time"] == "6000"


def test_the_protocol_of_a_bridge_s_vlans_is_no_drift_where_it_is_the_default() -> None:
    """As text, for kernels that filter VLANs: ip -N prints it as a number in brackets."""
    for number, warned in ((33024, False), (34984, True)):
        text = f'[{{"ifname":"br0","linkinfo":{{"info_kind":"bridge","info_data":{{"vlan_protocol":"[{number}]"}}}}}}]'
        warnings = said("networkd", {}, DESIRED, WITH_BRIDGE, kernel=from_kernel(text))[0].warnings
        assert ["vlan_protocol is 802.1ad now and 802.1q after the next boot" in line for line in warnings] == [True] * warned


def test_what_ip_prints_of_a_bond_is_read_with_its_lists_and_nulls() -> None:
    data = '{"mode":"active-backup","updelay":0,"arp_validate":null,"arp_ip_target":["192.0.2.1","192.0.2.2"],"ad_select":"stable"}'
    text = f'[{{"ifname":"bond0","linkinfo":{{"info_kind":"bond","info_data":{data}}}}},{{}},{{"ifname":"eth0"}}]'
    want = {"updelay": "0", "arp_validate": "none", "arp_ip_target": "192.0.2.1,192.0.2.2", "ad_select": "stable"}
    assert from_kernel(text) == {"bond0": want}
    with pytest.raises(Unreadable):
        from_kernel('[{"linkinfo":5}]')
