# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the plan about interfaces: making them, their ports, their MTU, and taking them away."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ..kernel.link_options import VLAN_PROTOCOL
from ..model import Address, Interface, Link, Operation
from ..variables.interfaces import MTU_IPV6
from .draft import Draft, address_words, in_bond, joins_bond, link_local, masters, restore, set_link, without_link_local
from .link_settings import born_with
from .mtu import carrier_mtu, mtus

CARRIER = re.compile(r"sf-(up|dn)[0-9]+")
"""Names of the temporary pairs that give a new bridge its carrier before its real port joins."""


def in_order(interfaces: Sequence[Interface]) -> List[Interface]:
    """The same, each after those that it stands on (its ports and its base); what is in a circle comes last."""
    rest = list(interfaces)
    found: List[Interface] = []
    while rest:
        waiting = {one.name for one in rest}
        ready = [one for one in rest if not waiting & {*one.ports, one.base} - {one.name}] or rest
        found += ready
        rest = [one for one in rest if one not in ready]
    return found


def plan_new(draft: Draft) -> None:
    """Make what does not exist, up and with a carrier, while everything else goes on as it is."""
    leftovers = sorted(name for name in draft.links if re.fullmatch(r"sf-up[0-9]+", name))
    for name in leftovers:
        draft.prepare.append(Operation("delete_link", name, ("link", "delete", "dev", name)))
    ordered = in_order(draft.desired.interfaces)
    present = mtus(draft, ordered)
    for interface in ordered:
        link = draft.links.get(interface.name)
        if interface.absent or (link is None and not interface.virtual):
            continue
        if link is None:
            _make(interface, present[interface.name], draft)
        if (link is None or not link.up) and not joins_bond(interface.name, draft):
            undo = [("link", "set", "dev", interface.name, "down")] if link is not None else []
            draft.prepare.append(set_link(interface.name, ["up"], undo))
        if link is None and interface.ports:
            _carrier(interface, present, draft)


def _make(interface: Interface, born: int, draft: Draft) -> None:
    """``born``: the MTU that it has at first."""
    name = interface.name
    words = ["link", "add"]
    words += ["link", interface.base] if interface.type == "vlan" else []
    words += ["name", name]
    words += ["address", interface.mac] if interface.mac else []
    words += ["type", interface.type]
    if interface.type == "bridge":
        # the ports of a bridge that speaks STP do nothing for 30 seconds: turned on later
        words += ["stp_state", "0", *born_with(interface)]
    elif interface.type == "bond":
        words += ["mode", interface.mode, *born_with(interface)]
    elif interface.type == "vlan":
        words += vlan_words(interface)
    gone = (("link", "delete", "dev", name),)
    draft.prepare.append(Operation("add_link", name, tuple(words), gone))
    if not interface.ipv6.enabled and draft.observed.ipv6 and (interface.type != "vlan" or born >= MTU_IPV6):
        draft.prepare.append(set_link(name, ["addrgenmode", "none"]))  # before an MTU without which there is no such setting
    if interface.mtu is not None and interface.type != "vlan":
        draft.prepare.append(set_link(name, ["mtu", str(interface.mtu)]))  # said after, so that it stays with any port


def vlan_words(interface: Interface) -> List[str]:
    """What ip-link(8) is told of a VLAN."""
    words = ["protocol", interface.vlan_protocol] if interface.vlan_protocol != VLAN_PROTOCOL.default else []
    return [*words, "id", str(interface.vlan_id)]


def _carrier(interface: Interface, present: Mapping[str, int], draft: Draft) -> None:
    """A temporary pair of which one end is a port: the kernel takes up to a second to notice the first carrier."""
    number = len(draft.carriers)
    up, down = f"sf-up{number}", f"sf-dn{number}"
    size = carrier_mtu(interface, present, draft)
    mtu = str(size)
    made = ("link", "add", "name", up, "mtu", mtu, "type", "veth", "peer", "name", down, "mtu", mtu)
    draft.prepare.append(Operation("add_link", up, made, (("link", "delete", "dev", up),)))
    if draft.observed.ipv6 and size >= MTU_IPV6:
        draft.prepare += [set_link(end, ["addrgenmode", "none"]) for end in (up, down)]
    draft.prepare.append(set_link(up, ["master", interface.name]))
    draft.prepare += [set_link(end, ["up"]) for end in (up, down)]
    draft.carriers.append(interface.name)
    draft.cleanup.append(Operation("delete_link", up, ("link", "delete", "dev", up)))


def plan_mtu(draft: Draft) -> None:
    """Larger from the bottom up, smaller from the top down: what stands on another is never the larger one. One that ends IPv6 on its
    interface comes last, when that has lost what it has of it; one that begins it comes early, since the interface then is as a new one.
    """
    present = mtus(draft, in_order(draft.desired.interfaces))
    ordered = [one for one in in_order(draft.desired.interfaces) if not one.absent and one.mtu is not None]
    larger = [one for one in ordered if (one.mtu or 0) > present[one.name]]
    smaller = [one for one in reversed(ordered) if (one.mtu or 0) < present[one.name]]
    begins = any(present[one.name] < MTU_IPV6 <= (one.mtu or 0) for one in larger)
    for interface in [*smaller, *larger]:
        # the kernel makes the VLANs of an interface smaller with it, but not larger again
        shrunk = [one for one in draft.links.values() if one.lower == interface.name and one.kind == "vlan"]
        before = [draft.links[interface.name], *shrunk] if interface.name in draft.links else []
        undo: List[Tuple[str, ...]] = [("link", "set", "dev", one.name, "mtu", str(one.mtu)) for one in before]
        ends = present[interface.name] >= MTU_IPV6 > (interface.mtu or 0)
        if ends and draft.observed.ipv6 and interface.name in draft.links and not draft.links[interface.name].link_local:
            undo += without_link_local(draft.links[interface.name])
        part = draft.last if ends else draft.prepare if begins and interface in larger else draft.switch
        step = set_link(interface.name, ["mtu", str(interface.mtu)], undo)
        if interface.name not in draft.links and present[interface.name] < MTU_IPV6 <= (interface.mtu or 0) and not interface.ipv6.enabled:
            # a new VLAN on what was small: an interface that is down gets no link-local address with a larger MTU
            down, quiet, up = (set_link(interface.name, words) for words in (["down"], ["addrgenmode", "none"], ["up"]))
            part += [down, step, quiet, up] if draft.observed.ipv6 else [step]
        else:
            part.append(step)


def plan_mac(draft: Draft) -> None:
    """Only for an interface that exists and for which another address is asked: new ones are born with theirs."""
    bonded = {port for one in draft.desired.interfaces if one.type == "bond" for port in one.ports}
    for interface in draft.desired.interfaces:
        link = draft.links.get(interface.name)
        if link is None or interface.absent or not interface.mac or interface.mac == link.mac:
            continue
        if interface.name in bonded:
            continue  # its bond gives it its own
        undo = [("link", "set", "dev", interface.name, "address", link.mac)]
        draft.switch.append(set_link(interface.name, ["address", interface.mac], undo))


def plan_leaving_bonds(draft: Draft) -> None:
    """First of all: a bond closes the port that leaves it, which costs the port what was given to it before."""
    for name, link, master in _moving(draft):
        if in_bond(link, draft):
            back = [("link", "set", "dev", name, "down"), _back(link), ("link", "set", "dev", name, "up")]
            draft.switch.append(set_link(name, ["nomaster"], back))
            if not (master and draft.managed[master].type == "bond"):
                draft.switch.append(set_link(name, ["up"]))


def plan_joining(draft: Draft) -> None:
    """Every port to its bridge or bond, before the routes: one can still send through a port, but receives above it."""
    for name, link, master in _moving(draft):
        if master and draft.managed[master].type == "bond":
            _enslave(name, master, link, draft)
        elif master:
            back = ("link", "set", "dev", name, "nomaster") if in_bond(link, draft) else _back(link)
            draft.switch.append(set_link(name, ["master", master], [back]))
    for index, name in enumerate(draft.carriers):
        if draft.managed[name].type == "bond":  # nothing may choose the temporary port to send through
            draft.switch.append(set_link(f"sf-up{index}", ["nomaster"]))


def plan_leaving(draft: Draft) -> None:
    """After the routes, for the same reason."""
    for name, link, master in _moving(draft):
        if not master and not in_bond(link, draft):
            draft.switch.append(set_link(name, ["nomaster"], [_back(link)]))


def _moving(draft: Draft) -> Iterator[Tuple[str, Link, str]]:
    """Name, observed link and master to be of each interface that is the port of another than it shall be."""
    wanted = masters(draft.desired)
    for interface in in_order(draft.desired.interfaces):
        link = draft.links.get(interface.name, Link(interface.name, up=False))
        master = "" if interface.absent else wanted.get(interface.name, "")
        if link.master != master and not (interface.absent and interface.name not in draft.links):
            yield interface.name, link, master


def _back(link: Link) -> Tuple[str, ...]:
    where = ("master", link.master) if link.master else ("nomaster",)
    return ("link", "set", "dev", link.name, *where)


def _enslave(name: str, bond: str, link: Link, draft: Draft) -> None:
    """A bond takes no port that is up; going down costs the port its routes and its IPv6 addresses.

    The IPv4 addresses go before that too: systemd-networkd takes them away as soon as it sees a card without carrier.
    """
    if link.up and not in_bond(link, draft):
        for address in reversed(draft.on(name)):
            words = address_words("del", name, address)
            draft.switch.append(Operation("delete_address", name, words, restore(name, draft.observed)))
        back = [("link", "set", "dev", name, "up"), *restore(name, draft.observed)]
        draft.switch.append(set_link(name, ["down"], back))
    out = [("link", "set", "dev", name, "nomaster")]
    draft.switch.append(set_link(name, ["master", bond], out if in_bond(link, draft) else [*out, _back(link)]))
    draft.switch.append(set_link(name, ["up"], [] if link.up else [("link", "set", "dev", name, "down")]))


def plan_link_local(draft: Draft) -> Dict[str, Address]:
    """Whether the kernel makes link-local addresses (RFC 4291, 2.5.6). Returns those that must be given by hand:
    an interface that is up does not make one for being allowed to.
    """
    by_hand: Dict[str, Address] = {}
    for interface in draft.desired.interfaces:
        link = draft.links.get(interface.name)
        if link is None or interface.absent or not draft.observed.ipv6:
            continue
        has = any(address.link_local for address in draft.on(interface.name))
        if link.mtu < MTU_IPV6 <= (interface.mtu or 0):
            _begin_ipv6(interface, link, draft)
            continue
        if interface.ipv6.enabled and not link.link_local and not has:
            mac = interface.mac or link.permanent_mac or link.mac
            by_hand[interface.name] = link_local(mac)
            undo = [("link", "set", "dev", interface.name, "addrgenmode", "none")]
            draft.switch.append(set_link(interface.name, ["addrgenmode", "eui64"], undo))
            mine = by_hand[interface.name]
            gone = (address_words("del", interface.name, mine),)
            words = address_words("add", interface.name, mine)
            draft.switch.append(Operation("add_address", interface.name, words, gone))
        elif not interface.ipv6.enabled and link.link_local:
            undo = [("link", "set", "dev", interface.name, "addrgenmode", "eui64")]
            draft.cleanup.append(set_link(interface.name, ["addrgenmode", "none"], undo))
    return by_hand


def _begin_ipv6(interface: Interface, link: Link, draft: Draft) -> None:
    """The kernel begins IPv6 with the larger MTU, as on a new interface: with a link-local address, unless that is a port of a bond."""
    if interface.ipv6.enabled:
        return
    quiet, gone = without_link_local(link)
    if in_bond(link, draft):
        draft.prepare.append(Operation("set_link", link.name, quiet))  # before it may leave the bond
    else:
        draft.switch += [Operation("set_link", link.name, quiet), Operation("delete_address", link.name, gone)]


def plan_absent(draft: Draft) -> None:
    """Taken away at the end, when the change is confirmed; a card itself cannot be, so it goes down."""
    # the kernel deletes a VLAN with what it stands on
    for interface in sorted(draft.desired.interfaces, key=lambda one: -_height(one.name, draft.links)):
        link = draft.links.get(interface.name)
        if not interface.absent or link is None:
            continue
        if interface.virtual:
            words = ("link", "delete", "dev", interface.name)
            draft.retire.append(Operation("delete_link", interface.name, words))
        elif link.up:
            draft.retire.append(set_link(interface.name, ["down"]))


def _height(name: str, links: Mapping[str, Link]) -> int:
    """How many interfaces the interface stands on."""
    lower = links[name].lower if name in links else ""
    return 1 + _height(lower, links) if lower and lower != name else 0
