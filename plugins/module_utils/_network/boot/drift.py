# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel has and the next boot does not give: options of bridges and bonds that nobody sets, MTU and MAC."""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

from ..backends.base import present
from ..model import Desired, Interface
from .findings import Boot
from .udev import link_file

_ONLY_WITH_STP = ("forward_delay", "hello_time", "max_age", "priority")


def drifted(boot: Boot, kernel: Mapping[str, Mapping[str, str]], names: Mapping[str, str]) -> List[str]:
    """What the kernel has and the next boot does not give: options of bridges and bonds, MTU and MAC.

    ``names``: path and content of the files of udev(7), which may set MTU and MAC of a card too.
    """
    found: List[str] = []
    for one in present(boot.desired):
        link = boot.observed.links.get(one.name)
        then = boot.made.get(one.name, {})
        for option, now in sorted(kernel.get(one.name, {}).items()) if link is not None and link.kind == one.type else ():
            after = then.get(option, now)
            if now == after or option in _ONLY_WITH_STP and then.get("stp_state") == "0":
                continue
            if option not in one.options and option != "stp_state":
                found.append(_drift(one.name, option, now, after))
    return found + _cards(boot, names)


def _cards(boot: Boot, names: Mapping[str, str]) -> List[str]:
    found: List[str] = []
    bonded = {port for one in present(boot.desired) if one.type == "bond" for port in one.ports}
    sizes: Dict[str, int] = {}
    for one, link in ((one, boot.observed.links[one.name]) for one in _ordered(boot.desired) if one.name in boot.observed.links):
        by_udev = link_file(link, names)[1] if not one.virtual else {}
        sizes[one.name] = one.mtu or (link.mtu if "MTUBytes" in by_udev else _born_with(one, boot, sizes))
        dynamic = one.ipv4.dhcp or one.ipv6.dynamic
        if one.mtu is None and not dynamic and one.name not in bonded and link.mtu != sizes[one.name] and link.mtu != link.max_mtu:
            found.append(_drift(one.name, "mtu", str(link.mtu), str(sizes[one.name])))
        changed = link.permanent_mac and link.mac != link.permanent_mac and not link.master
        changed = changed and not {"MACAddress", "MACAddressPolicy"} & set(by_udev)
        if not one.virtual and not one.mac and changed and one.name not in bonded:
            found.append(_drift(one.name, "mac-address", link.mac, link.permanent_mac))
    return found


def _ordered(desired: Desired) -> Tuple[Interface, ...]:
    """Cards, then bonds, VLANs and bridges, which mostly stand on each other in this order."""
    order = {"ethernet": 0, "bond": 1, "vlan": 2, "bridge": 3}
    return tuple(sorted(present(desired), key=lambda one: order.get(one.type, 4)))


def _born_with(one: Interface, boot: Boot, sizes: Mapping[str, int]) -> int:
    """The MTU of an interface for which none is written."""
    if one.type == "vlan" or one.type == "bridge" and one.ports:
        below = [one.base] if one.base else list(one.ports)
        known = [sizes.get(name) or boot.observed.links[name].mtu for name in below if name in sizes or name in boot.observed.links]
        return min(known, default=1500)
    return 1500


def _drift(name: str, what: str, now: str, after: str) -> str:
    return (
        f"interfaces.{name}: {what} is {now} now and {after} after the next boot, since the inventory does not say it. "
        f"Write it in network_interfaces, or set it to {after}"
    )
