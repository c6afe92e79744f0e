# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a bridge cannot filter VLANs as it is asked to: who would be cut off, and what the kernel does not change meanwhile."""

from __future__ import annotations

from typing import Iterator, List

from ..kernel.link_options import VLAN_PROTOCOL
from ..kernel.vlans import by_default, default_pvid, filters, includes, pvid_of
from ..model import Desired, Interface, Observed
from .links import CARRIER


def vlan_obstacles(desired: Desired, observed: Observed) -> List[str]:
    found: List[str] = []
    for interface in desired.interfaces:
        if filters(interface) and not interface.absent:
            found += [f"interfaces.{interface.name}.bridge: {said}" for said in _bridge(interface, desired, observed)]
    return found


def _bridge(interface: Interface, desired: Desired, observed: Observed) -> Iterator[str]:
    default = default_pvid(interface)
    link = observed.links.get(interface.name)
    there = link.options if link is not None else {}
    filtering = there.get("vlan_filtering") == "1"
    before = there.get("vlan_default_pvid", "1")
    if filtering and before != str(default):
        yield (f"has vlan-default-pvid {before}, which a bridge that filters VLANs cannot change. Keep it, or give no port a vlan for one run")
    itself = interface.vlans.get(interface.name, by_default(default))
    if (interface.ipv4.enabled or interface.ipv6.enabled) and not pvid_of(itself):
        yield (
            f"{interface.name} has addresses, but is itself in no VLAN without a tag, so that no port reaches them. "
            "Write bridge.vlan, for example {mode: access, tag: 10}, or give the addresses to a VLAN interface on it"
        )
    own = interface.options.get("vlan_protocol", VLAN_PROTOCOL.default).lower()
    for other in desired.interfaces:
        if other.type != "vlan" or other.absent or other.base != interface.name:
            continue
        if other.vlan_protocol != own:
            if not pvid_of(itself):
                yield (
                    f"{interface.name} itself is in no VLAN without a tag, in which frames of {other.name} ({other.vlan_protocol}) "
                    f"are for a bridge of {own}. Write bridge.vlan, for example {{mode: access, tag: 10}}, or the same protocol for both"
                )
        elif not includes(itself, other.vlan_id):
            yield (
                f"{interface.name} itself is not in VLAN {other.vlan_id}, which {other.name} is for. "
                f"Write it in bridge.vlan: {{mode: trunk, trunk-tags: [{{id: {other.vlan_id}}}]}}"
            )
    named = {one.name for one in desired.interfaces}
    for name, port in sorted(observed.links.items()):
        if filtering or default or port.master != interface.name or name in named or CARRIER.fullmatch(name):
            continue
        if observed.vlans.get(name, ()) in ((), by_default(int(before))):
            yield (
                f"{name}, which is not in the inventory, would be in no VLAN. Write in options.vlan-default-pvid that of such ports, "
                f"or give it one first (bridge vlan add dev {name} vid 10 pvid untagged)"
            )
