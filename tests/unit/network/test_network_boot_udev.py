# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A card that would have another name after the next boot is found before the change."""

from __future__ import annotations

from typing import List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.findings import Boot
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.udev import renamed

from .booting import DESIRED, MAC, OBSERVED, OTHER_MAC, said

LINK = "/etc/systemd/network/10-lan.link"
RULE = "/etc/udev/rules.d/70-persistent-net.rules"


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        (LINK, f"[Match]\nMACAddress={MAC}\n[Link]\nName=lan0\n", "lan0"),
        (LINK, f"[Match]\nPermanentMACAddress={MAC.upper()}\n[Link]\nName=lan0\n", "lan0"),
        (LINK, f"[Match]\nMACAddress={OTHER_MAC} {MAC.replace(':', '-')}\n[Link]\nName=lan0\n", "lan0"),
        (LINK, f"[Match]\nMACAddress={MAC}\n[Link]\nName=eth0\n", ""),
        (LINK, f"[Match]\nMACAddress={OTHER_MAC}\n[Link]\nName=lan0\n", ""),
        (LINK, f"[Match]\nMACAddress={MAC}\n[Link]\nWakeOnLan=magic\n", ""),
        ("/usr/lib/systemd/network/99-default.link", "[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep kernel\n", ""),
        (RULE, f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{MAC}", NAME="wan"\n', "wan"),
        (RULE, f'SUBSYSTEM=="net", \\\n ATTR{{address}}=="{MAC.upper()}", NAME:="wan"\n', "wan"),
        (RULE, f'# SUBSYSTEM=="net", ATTR{{address}}=="{MAC}", NAME="wan"\n', ""),
        (RULE, f'SUBSYSTEM=="net", ATTR{{address}}=="{MAC}", NAME="eth0"\n', ""),
        (RULE, f'SUBSYSTEM=="net", ATTR{{address}}=="{OTHER_MAC}", NAME="wan"\n', ""),
    ],
)
def test_a_file_that_renames_a_card_of_the_inventory_is_named(path: str, text: str, name: str) -> None:
    found: List[str] = renamed(Boot(DESIRED, OBSERVED), {path: text})
    assert [one.startswith(f"{path}: names eth0 {name} at the next boot") for one in found] == ([True] if name else [])


@pytest.mark.parametrize("backend", ["networkd", "netplan", "ifupdown", "networkmanager"])
def test_a_new_name_at_the_next_boot_is_refused_whatever_configures_the_host(backend: str) -> None:
    (problem,) = said(backend, {}, names={LINK: f"[Match]\nMACAddress={MAC}\n[Link]\nName=lan0\n"})[0].problems
    assert problem.startswith(LINK)


def test_of_several_files_the_first_counts_and_one_in_etc_masks_its_namesake() -> None:
    other = f"[Match]\nMACAddress={MAC}\n[Link]\nName=lan0\n"
    mine = other.replace("lan0", "eth0")
    assert renamed(Boot(DESIRED, OBSERVED), {LINK: other, "/etc/systemd/network/05-mine.link": mine}) == []
    assert renamed(Boot(DESIRED, OBSERVED), {LINK: mine, LINK.replace("/etc", "/run"): other}) == []
