# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What else the kernel changes with the MTU of an interface, and how it is restored.

A bridge has the lowest MTU of its ports until somebody gives it another than it has (br_mtu_auto_adjust in net/bridge/br_if.c). A VLAN
becomes smaller with what it stands on, and not larger again (net/8021q/vlan.c). An IPv6 route whose own MTU is that of its interface, or
is larger than the new one, gets the new one (fib6_nh_mtu_change in net/ipv6/route.c); IPv4 routes keep theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from ..model import Desired, Interface, Link, Operation
from ..variables.hops import route_key
from ..variables.interfaces import MTU_IPV6
from .draft import Draft, Words, by_key, has_own_mtu, masters, restore_routes, restored, route_words, set_link, without_link_local


def grown(desired: Desired, ordered: Sequence[Interface], links: Mapping[str, Link]) -> Desired:
    """The same with an MTU for each bridge that has none in the inventory, is as small as its ports, and begins IPv6 with their larger one.

    The kernel does not tell whether the bridge follows its ports, as it does after the next boot. So it is given the MTU that it would
    have then, and is known to have IPv6 from there on. ``ordered``: as by ``in_order``.
    """
    sizes = {name: link.mtu for name, link in links.items()}
    found: Dict[str, Interface] = {}
    for interface in ordered:
        link = links.get(interface.name)
        if interface.type == "bridge" and interface.ports and interface.mtu is None and link is not None and link.mtu < MTU_IPV6:
            guests = [one.name for one in links.values() if one.master == link.name and one.name not in {item.name for item in ordered}]
            smallest = min(sizes.get(name, 1500) for name in (*interface.ports, *guests))
            before = min((one.mtu for one in links.values() if one.master == link.name), default=0)
            if before == link.mtu and smallest >= MTU_IPV6:
                found[interface.name] = replace(interface, mtu=smallest)
        sizes[interface.name] = found.get(interface.name, interface).mtu or sizes.get(interface.name, 1500)
    return replace(desired, interfaces=tuple(found.get(one.name, one) for one in desired.interfaces)) if found else desired


def mtus(draft: Draft, ordered: Sequence[Interface]) -> Dict[str, int]:
    """The MTU of each interface before any is changed, or with which it is made. ``ordered``: as by ``in_order``."""
    present = {name: link.mtu for name, link in draft.links.items()}
    for interface in ordered:
        if interface.type == "vlan":
            born = present.get(interface.base, 1500)
        elif interface.type == "bridge" and interface.ports:
            born = carrier_mtu(interface, present, draft)
        else:
            born = interface.mtu or 1500
        present.setdefault(interface.name, born)
    return present


def carrier_mtu(interface: Interface, present: Mapping[str, int], draft: Draft) -> int:
    """The MTU of the first port of a new bridge or bond, which is temporary. A bridge without an MTU of its own follows it."""
    desired = {one.name: one.mtu for one in draft.desired.interfaces}
    return interface.mtu or min(desired.get(port) or present.get(port, 1500) for port in interface.ports)


def plan_followers(draft: Draft, ordered: Sequence[Interface]) -> None:
    """At the end of ``cleanup``: the MTU of bridges that followed their ports, of the VLANs on them, and of routes."""
    present = mtus(draft, ordered)
    reset: Set[str] = set()
    late: Set[str] = set()
    for interface in ordered:
        if interface.absent:
            continue
        link = draft.links.get(interface.name)
        if interface.type == "bridge" and interface.ports:
            if link is None or any(one.master == interface.name and one.name not in interface.ports for one in draft.links.values()):
                late.add(interface.name)  # its temporary port goes after the routes have come, and so do ports that leave it
            followed = interface.mtu is not None and _follows(interface, present, draft)
        else:
            followed = interface.type == "vlan" and interface.base in reset and interface.mtu is not None
        if followed:
            reset.add(interface.name)
            undo = [] if link is None else [("link", "set", "dev", interface.name, "mtu", str(link.mtu))]
            draft.cleanup.append(set_link(interface.name, ["mtu", str(interface.mtu)], undo))
    _plan_routes(draft, _above(draft, late | reset))


def _follows(bridge: Interface, present: Mapping[str, int], draft: Draft) -> bool:
    """Whether the ports may give the bridge another MTU than it is to have: their lowest one is another, and it or they change."""
    managed = draft.managed
    desired = {port: present[port] if managed[port].mtu is None else managed[port].mtu for port in bridge.ports}
    ports = {one.name for one in draft.links.values() if one.master == bridge.name}
    changed = bridge.name not in draft.links or ports != set(bridge.ports) or any(desired[port] != present[port] for port in bridge.ports)
    return changed and min(mtu or 0 for mtu in desired.values()) != bridge.mtu


def changing(draft: Draft) -> Set[str]:
    """The interfaces whose MTU may change in the course of the plan, be they in the inventory or not."""
    wanted = masters(draft.desired)
    found: Set[str] = set()
    for interface in draft.desired.interfaces:
        link = draft.links.get(interface.name)
        if interface.mtu is not None and not interface.absent and (link is None or link.mtu != interface.mtu):
            found.add(interface.name)
        master = "" if interface.absent else wanted.get(interface.name, "")
        there = link.master if link is not None else ""
        if master != there:
            found.update(one for one in (master, there) if one)
    return _above(draft, found)


def _above(draft: Draft, names: Set[str]) -> Set[str]:
    """These, the bridges of which they are ports, and the VLANs on them."""
    wanted = masters(draft.desired)
    found, rest = set(names), list(names)
    while rest:
        name = rest.pop()
        over = [one.name for one in draft.links.values() if one.lower == name and one.kind == "vlan"]
        over += [one for one in (wanted.get(name, ""), draft.links[name].master if name in draft.links else "") if one]
        rest += [one for one in over if one not in found]
        found.update(over)
    return found


def _plan_routes(draft: Draft, late: Set[str]) -> None:
    """Restore the MTU of routes that stay, and of those that were entered before the last changes of an MTU."""
    changed = changing(draft)
    for route in draft.entered:
        if has_own_mtu(route) and late & set(route.interfaces):
            draft.cleanup.append(Operation("replace_route", route.interface, route_words("replace", route)))
    of_key = by_key(draft.observed)
    for route in draft.kept:
        if not route.beyond and changed & set(route.interfaces):
            lines = restored(route, of_key[route_key(route)])
            draft.cleanup += [Operation("replace_route", route.interface, words) for words in lines]


def _may_end(link: Link, draft: Draft) -> bool:
    """Whether IPv6 ends on the interface in the course of the plan with the MTU of one below it."""
    small = {one.name for one in draft.desired.interfaces if one.mtu is not None and one.mtu < MTU_IPV6 and not one.absent}
    return link.name in _above(draft, small)


def restore_followers(draft: Draft) -> Tuple[Words, ...]:
    """The lines that end a rollback: bridges and VLANs get their MTU back, those without link-local addresses lose what IPv6 has begun
    with, and then routes get theirs.
    """
    changed = changing(draft)
    above = [one for one in draft.links.values() if one.name in changed and one.kind in ("bridge", "vlan")]
    lines: List[Words] = [("link", "set", "dev", one.name, "mtu", str(one.mtu)) for one in sorted(above, key=lambda one: (one.kind, -one.mtu))]
    ended = [one for one in above if draft.observed.ipv6 and one.mtu >= MTU_IPV6 and not one.link_local and _may_end(one, draft)]
    lines += [words for one in ended for words in without_link_local(one)]
    return (*lines, *restore_routes(draft.observed, [*draft.managed, *sorted(changed - set(draft.managed))]))
