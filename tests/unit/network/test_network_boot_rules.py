# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that only an old boot configuration has stay in the kernel until the next boot: each is named as lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Rule

from .booting import DESIRED, HOME, said

WITH_RULES = replace(DESIRED, rules=(Rule(7, 4, 5, f"{HOME}/32"), Rule(8, 6, 254, "2001:db8::/64"), Rule(9, 4, 6, "", "198.51.100.0/24")))
ENI, NETPLAN = "/etc/network/interfaces", "/etc/netplan/50-cloud-init.yaml"
NETWORK, PROFILE = "/etc/systemd/network/50-eth0.network", "/etc/NetworkManager/system-connections/wired.nmconnection"


def eni(line: str) -> Dict[str, str]:
    return {ENI: f"auto lo eth0\niface eth0 inet static\n    address {HOME}/24\n    {line}\n"}


def netplan(rule: str) -> Dict[str, str]:
    return {NETPLAN: f"network:\n  ethernets:\n    eth0:\n      addresses: [{HOME}/24]\n      routing-policy: [{rule}]\n"}


def networkd(lines: str) -> Dict[str, str]:
    return {NETWORK: f"[Match]\nName=eth0\n[Network]\nAddress={HOME}/24\n[RoutingPolicyRule]\n{lines}\n"}


def profile(family: str, rule: str) -> Dict[str, str]:
    return {PROFILE: f"[connection]\ntype=ethernet\ninterface-name=eth0\n[{family}]\nrouting-rule1={rule}\n"}


@pytest.mark.parametrize(
    "backend, files",
    [
        ("ifupdown", eni(f"up ip rule add from {HOME} table 5 priority 7")),
        ("ifupdown", eni(f"up ip rule add from {HOME}/32 lookup 5 prio 7 || true")),
        ("ifupdown", eni("post-up ip -6 rule add from 2001:db8::/64 table main pref 8")),
        ("ifupdown", eni(f"pre-down ip rule del from {HOME} table 5")),
        ("netplan", netplan(f"{{from: {HOME}, table: 5}}")),
        ("netplan", netplan("{to: 198.51.100.0/24, table: 6, priority: 9}")),
        ("netplan", netplan("{from: '2001:db8::/64', table: 254}")),
        ("networkd", networkd(f"From={HOME}\nTable=5\nPriority=7\nFamily=ipv4")),
        ("networkd", networkd("From=2001:db8::/64\nTable=main")),
        ("networkmanager", profile("ipv4", f"priority 7 from {HOME} table 5")),
        ("networkmanager", profile("ipv6", "priority 8 from 2001:db8::/64 table 254")),
    ],
)
def test_a_rule_that_the_inventory_has_too_gives_no_word(backend: str, files: Dict[str, str]) -> None:
    found, _files, _after = said(backend, files, WITH_RULES)
    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.parametrize(
    "backend, files, lost",
    [
        ("ifupdown", eni("up ip rule add from 192.0.2.11 table 5"), "up ip rule add from 192.0.2.11 table 5"),
        ("ifupdown", eni(f"up ip rule add to {HOME} table 5"), f"up ip rule add to {HOME} table 5"),
        ("netplan", netplan("{from: 192.0.2.11, table: 5}"), "routing-policy: from 192.0.2.11, table 5"),
        ("netplan", netplan(f"{{from: {HOME}, table: 6}}"), f"routing-policy: from {HOME}, table 6"),
        ("netplan", netplan(f"{{from: {HOME}, table: 5, priority: 8}}"), f"routing-policy: from {HOME}, table 5, priority 8"),
        ("networkd", networkd("From=192.0.2.11\nTable=5"), "[RoutingPolicyRule] From=192.0.2.11"),
        ("networkd", networkd(f"From={HOME}\nTable=77"), "[RoutingPolicyRule] Table=77"),
        ("networkd", networkd(f"From={HOME}\nTable=5\nSuppressPrefixLength=0"), "[RoutingPolicyRule] SuppressPrefixLength=0"),
        ("networkmanager", profile("ipv4", f"priority 6 from {HOME} table 5"), f"[ipv4] routing-rule1=priority 6 from {HOME} table 5"),
        ("networkmanager", profile("ipv6", "priority 7 from 2001:db8::/64 table 5"), "[ipv6] routing-rule1=priority 7 from 2001:db8::/64 table 5"),
    ],
)
def test_a_rule_that_only_the_old_file_has_is_named(backend: str, files: Dict[str, str], lost: str) -> None:
    found, _files, _after = said(backend, files, WITH_RULES)
    assert found.problems == [] and len(found.warnings) == 1
    assert f"does not have '{lost}'." in found.warnings[0]
