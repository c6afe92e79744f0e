# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where what programs have added goes when the addresses of its interface go elsewhere: along with them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import List, Mapping, Tuple

from ..model import DEFAULT_DESTINATIONS, Address, Desired, Observed, Route
from ..variables.hops import merged, split
from .draft import masters

_NOT_MOVED = ("redirect", "kernel", "ra", "dhcp", "static")


def heir(name: str, desired: Desired, observed: Observed) -> str:
    """The interface itself while it stays; the bridge or bond that it becomes a port of; where the addresses go of one that is
    to be absent. Empty where that is nowhere.
    """
    above = masters(desired)
    path = [name]
    while path[-1] in above and above[path[-1]] not in path:
        path.append(above[path[-1]])
    managed = {one.name: one for one in desired.interfaces}
    if path[-1] not in managed or not managed[path[-1]].absent:
        return path[-1]
    own = {one.ip for one in observed.addresses.get(name, ())}
    for one in desired.interfaces:
        if not one.absent and any(address.ip in own for address in one.addresses):
            return one.name
    ports = [link.name for link in observed.links.values() if link.master == name and link.name in managed]
    leased = [port for port in ports if managed[port].ipv4.dynamic or managed[port].ipv6.dynamic]
    return next((port for port in leased if not managed[port].absent), "")


def kept_addresses(name: str, desired: Desired, observed: Observed) -> List[Address]:
    """The foreign addresses that are on the interface in the end, with a label of its own name where they have one."""
    found: List[Address] = []
    for interface in desired.interfaces:
        have = [one for one in observed.addresses.get(interface.name, ()) if one.foreign]
        if have and heir(interface.name, desired, observed) == name:
            found += [replace(one, attributes=_labelled(one.attributes, interface.name, name)) for one in have]
    return found


def _labelled(attributes: Tuple[str, ...], before: str, after: str) -> Tuple[str, ...]:
    """The kernel wants a label to begin with the interface's name, and to be no longer than one."""
    if before == after or "label" not in attributes:
        return attributes
    index = attributes.index("label") + 1
    label = f"{after}{attributes[index][len(before) :]}"
    return (*attributes[:index], label, *attributes[index + 1 :]) if len(label) <= 15 else attributes[: index - 1] + attributes[index + 1 :]


def moved_routes(desired: Desired, observed: Observed, ends: Mapping[str, Tuple[Address, ...]]) -> List[Route]:
    """The routes of programs on interfaces that give their addresses away, as they are where the addresses go. ``ends`` are
    the addresses of each interface in the end. What its gateway does not reach from there is left out.
    """
    managed = {interface.name for interface in desired.interfaces}
    found: List[Route] = []
    for route in (one for one in observed.routes if _moves(one)):
        where = {name: heir(name, desired, observed) if name in managed else name for name in route.interfaces}
        if any(name != after for name, after in where.items()):
            hops = [(replace(hop, interface=where[hop.interface], nhid=0), weight) for hop, weight in split(route)]  # a next hop object stays
            if all(hop.interface and reached(hop, ends.get(hop.interface, ())) for hop, _weight in hops):
                found += merged(hops)
    return found


def _moves(route: Route) -> bool:
    if route.protocol == "boot" and route.destination in DEFAULT_DESTINATIONS:
        return False
    return route.foreign or route.protocol not in _NOT_MOVED


def reached(route: Route, addresses: Tuple[Address, ...]) -> bool:
    """Whether the route, of a single next hop, can be entered where the interface has these addresses."""
    if route.source and route.source not in [one.ip for one in addresses]:
        return False
    if not route.gateway or route.onlink:
        return bool([one for one in addresses if one.family == route.family])
    gateway = ip_address(route.gateway)
    return gateway.is_link_local and gateway.version == 6 or any(gateway in one.network for one in addresses)
