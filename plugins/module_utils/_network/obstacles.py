# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a host cannot become what is desired: what only the host itself can tell."""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, Optional, Sequence

from .model import Desired, Interface, Link, Observed
from .plan.addresses import final
from .plan.cards import by_another_name, unidentified
from .plan.draft import masters
from .plan.links import CARRIER, in_order
from .plan.mtu import grown
from .plan.routes import wanted_routes
from .plan.rule_removal import removals
from .plan.vlan_obstacles import vlan_obstacles
from .variables.hops import route_key
from .variables.interfaces import MTU_IPV6, TOO_SMALL
from .variables.values import LOOPBACK_REMEDY

KINDS = ("bridge", "bond", "vlan", "dummy")
_ONLY_WHEN_DOWN = ("lacp_rate", "ad_select", "fail_over_mac")  # BOND_OPTFLAG_IFDOWN, _NOSLAVES in drivers/net/bonding/bond_options.c
_BY_HAND = ("boot", "static")  # what ip(8) and the boot configuration's programs make
_OVERHEAD = {"vxlan": 50}
"""Octets that a tunnel adds at least: Ethernet 14, VXLAN 8, UDP 8, IPv4 20 (RFC 7348, section 5)."""
NEEDS_CARD_ALONE = ("macvlan", "macvtap", "ipvlan", "ipvtap")


def obstacles(desired: Desired, observed: Observed, management: Sequence[str] = (), allow_disconnect: bool = False) -> List[str]:
    """Why this host cannot become what is desired, said before anything is changed: what, where, and a remedy.

    ``management`` are the addresses that the host shall be reached at. At least one of them must be there afterwards,
    and none that is there now may go, unless ``allow_disconnect``.
    """
    managed = {interface.name: interface for interface in desired.interfaces}
    found: List[str] = []
    for interface in desired.interfaces:
        where = f"interfaces.{interface.name}"
        found += [f"{where}: {said}" for said in _interface(interface, observed, managed)]
    for port, master in masters(desired).items():
        found += [f"interfaces.{master}.ports: {said}" for said in _port(port, master, managed, observed)]
    found += vlan_obstacles(desired, observed)
    found += _mtus(desired, observed, managed)
    found += _shared_routes(desired, observed, managed)
    found += _sources(desired, observed)
    found += _rules(desired, observed)
    if not allow_disconnect:
        found += _disconnects(desired, observed, management)
    return list(dict.fromkeys(found))


def _interface(interface: Interface, observed: Observed, managed: Dict[str, Interface]) -> Iterator[str]:
    link = observed.links.get(interface.name)
    if link is not None and link.loopback:
        yield f"the loopback interface is not managed. {LOOPBACK_REMEDY}"
        return
    if interface.absent:
        yield from _absent(interface, observed, managed)
        return
    unknown = list(unidentified(interface, observed))
    if unknown:
        yield from unknown
        return
    if link is None and not interface.virtual:
        cards = sorted(one.name for one in observed.links.values() if one.kind in ("", "veth") and not one.loopback)
        known = [name for name in cards if not CARRIER.fullmatch(name)]
        other = by_another_name(interface.name, observed)
        if other:
            yield f"is another name (altname) of {other} on this host. Write {other}"
            return
        yield f"this host has no such interface. Name one that it has ({', '.join(known) or 'none'})"
        return
    if link is not None and (interface.type if interface.virtual else "") != _kind(link):
        yield f"is {_words(link)} on this host, not {interface.type}. Give the new one a name of its own"
        return
    if link is not None and link.master and link.master not in managed and interface.name not in _ports(managed):
        yield f"is a port of {link.master}, which is not in the inventory. Name {link.master} too, or leave this alone"
    if interface.ipv6.enabled and not observed.ipv6:
        yield "asks for IPv6, which this kernel has turned off. Turn it on, or remove ipv6"
    yield from _unchangeable(interface, link, observed)
    yield from _strangers(interface, observed, managed)
    for address in interface.addresses:
        for name, others in sorted(observed.addresses.items()):
            if name not in managed and any(address.ip == other.ip for other in others):
                yield f"{address.ip} is already on {name}, which is not in the inventory. Name {name} too"


def _kind(link: Link) -> str:
    return link.kind if link.kind in KINDS else ""


def _words(link: Link) -> str:
    return f"a {link.kind}" if link.kind in KINDS else "a card"


def _ports(managed: Dict[str, Interface]) -> List[str]:
    return [port for one in managed.values() if not one.absent for port in one.ports]


def _unchangeable(interface: Interface, link: Optional[Link], observed: Observed) -> Iterator[str]:
    if interface.type == "vlan":
        wanted = (interface.base, interface.vlan_id, interface.vlan_protocol)
        if link is not None and (link.lower, link.vlan_id, link.vlan_protocol) != wanted:
            yield (
                f"is VLAN {link.vlan_id} of {link.lower} by {link.vlan_protocol}, which cannot be changed while it exists. "
                "Give the new VLAN another name, and this one state: absent"
            )
        for other in observed.links.values():
            same = (other.lower, other.vlan_id, other.vlan_protocol) == wanted
            if other.kind == "vlan" and other.name != interface.name and same:
                yield f"VLAN {interface.vlan_id} of {interface.base} exists already as {other.name}. Use that name"
    for key in _ONLY_WHEN_DOWN if interface.type == "bond" and link is not None else ():
        asked, there = interface.options.get(key), link.options.get(key) if link else None
        if asked and there and asked != there:
            yield f"has {key} {there}, which a bond that is up cannot change. Keep it, or make a bond of another name"
    if interface.type == "bond" and link is not None and link.mode and link.mode != interface.mode:
        yield (f"has the mode {link.mode}, which a bond with ports cannot change. Keep it, or give the new bond another name and this one state: absent")


def _strangers(interface: Interface, observed: Observed, managed: Dict[str, Interface]) -> Iterator[str]:
    """Ports that nobody asks for. Those of guests and containers are theirs; a card must not be left over."""
    for name, link in sorted(observed.links.items()):
        if link.master != interface.name or name in managed or CARRIER.fullmatch(name):
            continue
        if interface.type == "bond" or link.kind in ("", *KINDS):
            yield f"has the port {name}, which is not in the inventory. Add it to the ports, or name it"


def _absent(interface: Interface, observed: Observed, managed: Dict[str, Interface]) -> Iterator[str]:
    link = observed.links.get(interface.name)
    if link is None or not interface.virtual:
        return
    if link.kind != interface.type:
        yield f"is {_words(link)} on this host, not a {interface.type}, and would be deleted. Correct its type"
    for other in sorted(observed.links):
        one = observed.links[other]
        if other not in managed and not CARRIER.fullmatch(other) and interface.name in (one.master, one.lower):
            yield f"is to be absent, but {other} needs it and is not in the inventory. Move {other} away, or name it"


def _port(port: str, master: str, managed: Dict[str, Interface], observed: Observed) -> Iterator[str]:
    link = observed.links.get(port)
    if link is None or link.master == master:
        return
    if link.master and link.master not in managed:
        yield f"{port} is a port of {link.master}, which is not in the inventory. Name {link.master} too"
    for other in sorted(observed.links.values(), key=lambda one: one.name):
        if other.lower == port and other.kind in NEEDS_CARD_ALONE:
            yield (
                f"{port} carries the {other.kind} {other.name}, and the kernel lets no such interface join "
                f"(EBUSY). Move the guests of {port} off {other.kind} first"
            )


def _mtus(desired: Desired, observed: Observed, managed: Dict[str, Interface]) -> Iterator[str]:
    """An interface is never larger than what it stands on. What nobody asks for stays as it is, unless it follows what is below."""
    desired = grown(desired, in_order(desired.interfaces), observed.links)
    size = {name: link.mtu for name, link in observed.links.items()}
    ends = final(desired, observed)
    for interface in in_order(desired.interfaces):
        if interface.absent:
            continue
        where = f"interfaces.{interface.name}.mtu"
        link = observed.links.get(interface.name)
        below = [interface.base] if interface.base else list(interface.ports)
        smallest = min((size[name] for name in below if name in size), default=0)
        if interface.mtu is not None:
            if link is not None and link.max_mtu and interface.mtu > link.max_mtu:
                yield f"{where}: {interface.mtu} is more than this card can do. Write at most {link.max_mtu}"
            for name in below:
                if interface.mtu > size.get(name, interface.mtu):
                    yield (
                        f"{where}: {interface.mtu} is more than the {size[name]} of {name}, which it stands on. "
                        f"Give {name} an mtu of {interface.mtu}, or write less"
                    )
        size[interface.name] = interface.mtu or _followed(interface, size, observed) or (link.mtu if link is not None else smallest or 1500)
        if link is not None and size[interface.name] < link.mtu:
            yield from (f"{where}: {said}" for said in _too_small_for_others(interface.name, size[interface.name], observed, managed))
        addresses = sorted(one.ip for one in ends[interface.name] if one.family == 6)
        if size[interface.name] < MTU_IPV6 and (interface.ipv6.enabled or addresses):
            lost = f", and so {' and '.join(addresses)}" if addresses else ""
            yield f"{where}: {size[interface.name]} {TOO_SMALL}{lost}. {_larger(interface, size, below)}"


def _followed(interface: Interface, size: Mapping[str, int], observed: Observed) -> int:
    """What a bridge or a VLAN that is there shrinks to with what is below it; 0 when it does not."""
    link = observed.links.get(interface.name)
    if link is None or interface.type not in ("bridge", "vlan"):
        return 0
    below = [name for name in (interface.base, *interface.ports) if name in size]
    there = [observed.links[name] for name in below if name in observed.links]
    changed = any(size[one.name] != one.mtu or (interface.ports and one.master != interface.name) for one in there)
    smallest = min((size[name] for name in below), default=link.mtu)
    return smallest if changed and smallest < link.mtu else 0


def _larger(interface: Interface, size: Mapping[str, int], below: Sequence[str]) -> str:
    smallest = min(below, key=lambda name: size.get(name, 0), default="")
    if interface.mtu is None and interface.type in ("bridge", "vlan") and size.get(smallest, MTU_IPV6) < MTU_IPV6:
        return f"Give {smallest} an mtu of at least {MTU_IPV6}"
    return f"Write at least {MTU_IPV6}"


def _too_small_for_others(name: str, mtu: int, observed: Observed, managed: Mapping[str, Interface]) -> Iterator[str]:
    """What stands on the interface, or sends by it, with a larger MTU. The kernel lowers that of VLANs and the like, and none of a tunnel."""
    for other in observed.links.values():
        needed = other.mtu + _OVERHEAD.get(other.kind, 0)
        if other.lower == name and other.name not in managed and needed > mtu:
            remedy = f"Name {other.name} too" if other.kind in KINDS else f"Write at least {needed}, or lower the MTU of {other.name} first"
            yield f"{other.name} needs {needed} and is not in the inventory. {remedy}"


def _shared_routes(desired: Desired, observed: Observed, managed: Dict[str, Interface]) -> Iterator[str]:
    """A route of an unmanaged interface would be replaced by one with the same destination, metric and table."""
    for route in wanted_routes(desired, observed):
        for other in observed.routes:
            if route_key(other) != route_key(route) or other == route:
                continue
            for name in sorted(set(other.interfaces) - set(managed)):
                yield (
                    f"routes.{route.destination}: {name}, which is not in the inventory, has this route "
                    f"with the same metric. Give the new one another metric, or name {name} too"
                )
            if not other.interfaces and other.protocol not in _BY_HAND:
                yield (
                    f"routes.{route.destination}: a program made the route '{other}' (protocol {other.protocol}) with the same "
                    "metric. Give the new one another metric"
                )


def _sources(desired: Desired, observed: Observed) -> Iterator[str]:
    """The kernel takes no route with a source address that it does not have, and drops it with that address."""
    there = {one.ip for addresses in {**observed.addresses, **final(desired, observed)}.values() for one in addresses}
    for route in desired.routes:
        if route.source and not route.absent and route.source not in there:
            yield (f"routes.{route.destination}: its source {route.source} would be an address of no interface. Give it to one, or remove source")


def _rules(desired: Desired, observed: Observed) -> Iterator[str]:
    """A rule in the place of one that is asked for goes, and must not be a program's."""
    wanted = {rule.place: rule for rule in desired.rules if not rule.absent}
    for rule in observed.rules:
        asked = wanted.get(rule.place)
        if asked is None or rule == asked:
            continue
        where = f"rules.{asked.priority}: the IPv{rule.family} rule '{rule}' is there, and"
        remedy = "Give the new rule another priority, or delete that one"
        if rule.protocol not in ("", *_BY_HAND):
            yield f"{where} a program made it (protocol {rule.protocol}). {remedy}"
    for removal in removals(desired, observed):
        absent = [rule for rule in removal.deleted if rule not in removal.restored][-1]
        unknown = next((rule for rule in removal.restored if rule.selectors), None)
        if unknown is not None:
            yield (
                f"rules.{absent.priority}: the IPv{absent.family} rule '{absent}' leaves, but the kernel cannot delete it without the rule "
                f"'{unknown}', which network_rules cannot describe, so that it could not be restored. Give that rule another priority"
            )


def _disconnects(desired: Desired, observed: Observed, management: Sequence[str]) -> Iterator[str]:
    ends = {**observed.addresses, **final(desired, observed)}
    after = {address.ip for addresses in ends.values() for address in addresses}
    now = {address.ip for addresses in observed.addresses.values() for address in addresses}
    remedy = "Give it to an interface, or set network_allow_disconnect: true"
    lost = [address for address in management if address in now - after]
    for address in lost:
        yield f"management: {address} would be on no interface any more, and this host is managed by it. {remedy}"
    if management and not lost and not after & set(management):
        wanted = " nor ".join(management)
        yield f"management: neither {wanted} would be on any interface, but this host is managed there. {remedy}"
