# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of others of systemd-networkd: ours are read in their place, and what only they say is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.networkd import effective, pairs, settings_of
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Link

from .booting import DESIRED, HOME, MAC, OBSERVED, ON_CARD, OTHER_MAC, said

FOLDER = "/etc/systemd/network"
CARD = f"{FOLDER}/10-eth0.network"
BRIDGE = f"{FOLDER}/10-br0.netdev"
KEEP = f"{FOLDER}/05-smallfleet-eth0.network.d/keep.conf"
PLAIN = f"[Match]\nName=eth0\n\n[Network]\nAddress={HOME}/24\nGateway=192.0.2.1\nDNS=192.0.2.53\nDomains=example.net\nDHCP=no\n"


def test_a_file_of_which_the_inventory_says_everything_gives_no_word() -> None:
    found, _files, _after = said("networkd", {CARD: PLAIN})
    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "[Network]\nDNS=192.0.2.54\n",
        "[Network]\nDomains=~.\n",
        "[Network]\nIPForward=yes\n",
        "[Network]\nNTP=192.0.2.3\n",
        "[Network]\nLLDP=yes\n",
        "[Network]\nAddress=192.0.2.99/32\n",
        "[Address]\nAddress=192.0.2.99/32\n",
        "[Address]\nAddress=192.0.2.10/24\nLabel=eth0:1\n",
        "[Route]\nGateway=192.0.2.1\nDestination=198.51.100.0/24\n",
        "[Route]\nGateway=192.0.2.7\n",
        "[Route]\nGateway=192.0.2.1\nInitialCongestionWindow=30\n",
        "[DHCPv4]\nUseDNS=no\n",
        "[DHCPv4]\nRouteMetric=50\n",
        "[IPv6AcceptRA]\nUseDNS=no\n",
        "[Link]\nMTUBytes=9000\n",
        "[Link]\nRequiredForOnline=no\n",
        "[DHCPServer]\nPoolOffset=10\n",
        "[BridgeVLAN]\nVLAN=5\n",
    ],
)
def test_each_setting_that_is_lost_is_named_with_its_file(text: str) -> None:
    found, _files, _after = said("networkd", {CARD: f"{PLAIN}{text}"})
    section, last = text.split("\n")[0], text.split("\n")[-2]
    assert found.problems == [] and len(found.warnings) == 1, found
    assert CARD in found.warnings[0] and f"{section} {last}" in found.warnings[0]


@pytest.mark.parametrize("line", ["MulticastSnooping=no", "AgeingTimeSec=60", "ForwardDelaySec=4", "VLANFiltering=yes", "GroupForwardMask=8", "HelloTimeSec=1"])
def test_options_of_a_bridge_that_the_next_boot_does_not_give_are_named(line: str) -> None:
    text = f"[NetDev]\nName=br0\nKind=bridge\n\n[Bridge]\nSTP=no\nPriority=32768\nAgeingTimeSec=5min\n{line}\n"
    found, _files, _after = said("networkd", {BRIDGE: text})
    assert len(found.warnings) == 1 and BRIDGE in found.warnings[0] and line in found.warnings[0]
    assert "STP" not in found.warnings[0] and "Priority" not in found.warnings[0] and "5min" not in found.warnings[0]


def test_what_is_in_a_drop_in_of_ours_is_kept() -> None:
    lost = f"{PLAIN}IPForward=yes\nNTP=192.0.2.3\n"
    found, _files, _after = said("networkd", {CARD: lost, KEEP: "[Network]\nIPForward=yes\nNTP=192.0.2.3\n"})
    assert found.warnings == []
    found, _files, _after = said("networkd", {CARD: lost, KEEP: "[Network]\nIPForward=yes\n"})
    assert "NTP" in found.warnings[0] and "IPForward" not in found.warnings[0] and KEEP in found.warnings[0]


def test_a_vlan_that_only_the_old_file_makes_is_refused() -> None:
    found, _files, _after = said("networkd", {CARD: f"{PLAIN}VLAN=eth0.5\nMACVLAN=mv0\n"})
    assert len(found.problems) == 2 and all(CARD in text for text in found.problems)
    assert "eth0.5" in found.problems[0] and "mv0" in found.problems[1]
    found, _files, _after = said("networkd", {CARD: f"{PLAIN}VLAN=eth0.5\n", KEEP: "[Network]\nVLAN=eth0.5\n"})
    assert found.problems == []


def test_drop_ins_and_folders_count_as_they_do_for_networkd() -> None:
    files: Dict[str, str] = {
        "/usr/lib/systemd/network/10-x.network": "[Match]\nName=eth0\n[Network]\nDNS=192.0.2.1\n",
        "/run/systemd/network/10-x.network": "[Match]\nName=eth0\n[Network]\nDNS=192.0.2.2\n",
        "/etc/systemd/network/20-masked.network": "",
        "/usr/lib/systemd/network/20-masked.network": "[Match]\nName=eth0\n",
        "/etc/systemd/network/10-x.network.d/b.conf": "[Network]\nDNS=\nDNS=192.0.2.3\n",
        "/run/systemd/network/10-x.network.d/a.conf": "[Network]\nNTP=192.0.2.4\n",
    }
    assert effective(files, "network") == {"10-x.network": "/run/systemd/network/10-x.network"}
    assert settings_of("/run/systemd/network/10-x.network", files)[1:] == [("Network", "NTP", "192.0.2.4"), ("Network", "DNS", "192.0.2.3")]
    found, _files, _after = said("networkd", {CARD: PLAIN, f"{CARD}.d/more.conf": "[Network]\nNTP=192.0.2.3\n"})
    assert "NTP" in found.warnings[0]


@pytest.mark.parametrize(
    ("match", "counts"),
    [
        ("Name=eth*", True),
        ("Name=!eth0", False),
        ("Name=en* eth0", True),
        (f"MACAddress={MAC}", True),
        (f"MACAddress={MAC.upper().replace(':', '-')}", True),
        (f"MACAddress={OTHER_MAC}", False),
        (f"PermanentMACAddress={MAC}", True),
        ("Type=ether", True),
        ("Type=wlan", False),
        ("Kind=veth", False),
        ("Name=eth0\nMACAddress=02:00:00:00:00:99", False),
    ],
)
def test_the_old_file_is_known_by_its_match(match: str, counts: bool) -> None:
    found, _files, _after = said("networkd", {CARD: f"[Match]\n{match}\n[Network]\nNTP=192.0.2.3\n"})
    assert bool(found.warnings) is counts


def test_an_address_of_the_inventory_on_another_interface_at_the_next_boot_is_refused() -> None:
    other = f"{FOLDER}/20-eth1.network"
    found, _files, _after = said("networkd", {CARD: PLAIN, other: f"[Match]\nName=eth1\n[Network]\nAddress={HOME}/32\n"})
    assert len(found.problems) == 1 and other in found.problems[0] and HOME in found.problems[0]


def test_8021x_of_the_card_by_which_the_host_is_managed_is_refused() -> None:
    eap = f"{PLAIN}\n[802.1X]\nEAP=tls\n"
    assert "802.1X" in said("networkd", {CARD: eap})[0].problems[0]
    assert said("networkd", {CARD: eap}, management=())[0].problems == []


def test_a_second_run_says_nothing() -> None:
    for desired in (DESIRED, ON_CARD):
        found, _files, after = said("networkd", {CARD: f"{PLAIN}NTP=192.0.2.3\n"}, desired)
        assert found.warnings
        again, files, _after = said("networkd", after, desired)
        assert (again.problems, again.warnings, files.changes) == ([], [], ())


def test_what_is_not_said_of_the_inventory_s_interfaces_is_nobody_s_business() -> None:
    files = {f"{FOLDER}/20-eth1.network": "[Match]\nName=eth1\n[Network]\nNTP=192.0.2.3\n"}
    gone = replace(DESIRED, interfaces=(replace(DESIRED.interfaces[1], absent=True, ports=()),), routes=())
    observed = replace(OBSERVED, links={**OBSERVED.links, "br0": Link("br0", "bridge")})
    found, _files, _after = said("networkd", {**files, BRIDGE: "[NetDev]\nName=br0\nKind=bridge\n[Bridge]\nAgeingTimeSec=1\n"}, gone, observed)
    assert (found.problems, found.warnings) == ([], [])


def test_lines_are_read_as_systemd_reads_them() -> None:
    text = "# a\n; b\n[A]\nX=1\\\n2\nY = a = b \nnonsense\n[B]\nX=\n"
    assert pairs(text) == [("A", "X", "1 2"), ("A", "Y", "a = b"), ("B", "X", "")]
