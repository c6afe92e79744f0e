# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What netplan itself makes for systemd-networkd of the files that a change leaves, compared with the inventory."""

from __future__ import annotations

from typing import List, Mapping, Set

from ..backends.base import present
from ..backends.netplan import MADE
from ..backends.networkd import matches
from ..model import Desired, Interface
from .sections import pairs


def differences(desired: Desired, made: Mapping[str, str]) -> List[str]:
    """``made``: base name -> content of the .network files. What the next boot would give an interface otherwise than the inventory."""
    found: List[str] = []
    for one in present(desired):
        fitting = [base for base in sorted(made) if base.endswith(".network") and matches(one.name, made[base], "Match")]
        own = f"{MADE}{one.name}.network"
        if fitting[:1] != [own]:
            used = fitting[0] if fitting else "no file"
            found.append(
                f"interfaces.{one.name}: netplan would have systemd-networkd use {used} for it at the next boot in place of {own}. "
                "Remove what else is about it in the files of netplan"
            )
            continue
        there, wanted = _addresses(made[own]), {str(address) for address in one.addresses}
        for address in sorted(there - wanted):
            found.append(f"interfaces.{one.name}: netplan would give it {address} at the next boot too. Remove it from the files of netplan")
        for address in sorted(wanted - there):
            found.append(f"interfaces.{one.name}: netplan would not give it {address} at the next boot. Remove what else is about it in its files")
        if _dhcp(made[own]) != _wanted(one):
            found.append(f"interfaces.{one.name}: netplan would use DHCP={_dhcp(made[own])} at the next boot. Remove what else is about it in its files")
    return found


def _addresses(text: str) -> Set[str]:
    return {value for section, key, value in pairs(text) if key == "Address" and section in ("Network", "Address")}


def _dhcp(text: str) -> str:
    found = [value for section, key, value in pairs(text) if (section, key) == ("Network", "DHCP")]
    return found[-1] if found else "no"


def _wanted(one: Interface) -> str:
    four, six = one.ipv4.dhcp, one.ipv6.dhcp
    return "yes" if four and six else "ipv4" if four else "ipv6" if six else "no"
