# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parts of the planner share: the two states, the growing plan, and the words of its operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Dict, List, Mapping, Sequence, Tuple

from ..model import MAIN_TABLE, Address, Desired, Interface, Link, Observed, Operation, Route, Rule
from ..variables.hops import Key, route_key

Words = Tuple[str, ...]


@dataclass
class Draft:
    """A plan while it is written. ``managed`` are the desired interfaces, by name, ``entered`` the routes that it enters,
    and ``kept`` the observed ones with an MTU of their own that it leaves as they are. ``last`` belongs at the end of ``cleanup``.
    """

    desired: Desired
    observed: Observed
    prepare: List[Operation] = field(default_factory=list)
    switch: List[Operation] = field(default_factory=list)
    cleanup: List[Operation] = field(default_factory=list)
    last: List[Operation] = field(default_factory=list)
    retire: List[Operation] = field(default_factory=list)
    carriers: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    entered: List[Route] = field(default_factory=list)
    kept: List[Route] = field(default_factory=list)

    @property
    def managed(self) -> Dict[str, Interface]:
        return {interface.name: interface for interface in self.desired.interfaces}

    @property
    def links(self) -> Mapping[str, Link]:
        return self.observed.links

    def on(self, name: str) -> Tuple[Address, ...]:
        """The addresses that the interface has now."""
        return self.observed.addresses.get(name, ())


def set_link(name: str, words: Sequence[str], undo: Sequence[Sequence[str]] = ()) -> Operation:
    """``ip link set`` with its way back."""
    return Operation("set_link", name, ("link", "set", "dev", name, *words), tuple(tuple(line) for line in undo))


def masters(desired: Desired) -> Dict[str, str]:
    """The bridge or bond of each interface that shall be a port."""
    return {port: one.name for one in desired.interfaces if not one.absent for port in one.ports}


def in_bond(link: Link, draft: Draft) -> bool:
    """Whether the interface is a port of a bond now."""
    return link.master in draft.links and draft.links[link.master].kind == "bond"


def goes_down(name: str, draft: Draft) -> bool:
    """Whether an interface that is up must go down for a moment, to join a bond."""
    return joins_bond(name, draft) and name in draft.links and draft.links[name].up


def joins_bond(name: str, draft: Draft) -> bool:
    """Whether the interface becomes a port of a bond that it is not a port of yet."""
    master = masters(draft.desired).get(name, "")
    there = draft.links[name].master if name in draft.links else ""
    return bool(master) and draft.managed[master].type == "bond" and there != master


def address_words(verb: str, name: str, address: Address) -> Words:
    """``ip address VERB``. Detection of duplicates (RFC 4862, 5.4) would leave an address useless for a second. An advertised
    address without an end is known by having no route of its own (see ``observe``), so it gets none.
    """
    words: Words = ("address", verb, *str(address).split())
    if verb != "del":
        if address.family == 4 and address.prefix_length < 31 and not address.peer and not address.foreign:
            words += ("broadcast", "+")
        if address.link_local:
            words += ("scope", "link")
    words += ("dev", name)
    if verb != "del" and address.valid:
        words += ("valid_lft", str(address.valid), "preferred_lft", str(min(address.preferred, address.valid)))
    if verb != "del" and address.family == 6:
        words += ("nodad",)
        if address.dynamic and not address.valid and not address.link_local:
            words += ("noprefixroute",)
    return (*words, *address.attributes) if verb != "del" and address.foreign else words


def link_local(mac: str) -> Address:
    """The link-local address of a MAC (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    groups = [f"{octets[index] << 8 | octets[index + 1]:x}" for index in range(0, 8, 2)]
    return Address(str(IPv6Address("fe80::" + ":".join(groups))), 64, link_local=True)


def without_link_local(link: Link) -> Tuple[Words, ...]:
    """The lines for an interface on which a larger MTU has begun IPv6, and that is to have no link-local address."""
    return (("link", "set", "dev", link.name, "addrgenmode", "none"), address_words("del", link.name, link_local(link.mac)))


def route_words(verb: str, route: Route) -> Words:
    """``ip route VERB``; the family follows from the destination, since a line of a batch cannot say ``-6``."""
    words: Words = ("route", verb, *([] if route.interface else [route.type]), route.destination, *route.selectors)
    if route.nhid:
        words += ("nhid", str(route.nhid))
    if route.gateway and not route.nhid:
        words += ("via", route.gateway)
    if route.interface and not route.hops and not route.nhid:
        words += ("dev", route.interface)
    if route.metric:
        words += ("metric", str(route.metric))
    if route.table != MAIN_TABLE:
        words += ("table", str(route.table))
    words += ("proto", route.protocol)
    if verb != "del":
        if route.source:
            words += ("src", route.source)
        if route.expires:
            words += ("expires", str(route.expires))
        for name, value in route.attributes:
            words += (name, *(["lock"] if name == "cwnd" else []), str(value))  # a clamp that is not locked does nothing
        if route.onlink and not route.nhid:
            words += ("onlink",)
    for hop in () if route.nhid else route.hops:
        words += ("nexthop", "via", hop.gateway) if hop.gateway else ("nexthop",)
        words += ("dev", hop.interface)
        if verb != "del":
            words += ("weight", str(hop.weight), *(["onlink"] if hop.onlink else []))
    return words


def rule_words(verb: str, rule: Rule) -> Words:
    """``ip rule VERB``, for ``ip -6`` where the rule is of that family."""
    words: Words = ("rule", verb, "priority", str(rule.priority), *(["not"] if rule.invert else []))
    if rule.source:
        words += ("from", rule.source)
    if rule.destination:
        words += ("to", rule.destination)
    if rule.iif:
        words += ("iif", rule.iif)
    if rule.oif:
        words += ("oif", rule.oif)
    if rule.mark:
        words += ("fwmark", rule.mark)
    words += ("type", rule.action) if rule.action else ("table", str(rule.table))
    if rule.suppress is not None:
        words += ("suppress_prefixlength", str(rule.suppress))
    return (*words, "protocol", rule.protocol) if verb == "add" and rule.protocol else words


def restore(name: str, observed: Observed) -> Tuple[Words, ...]:
    """The lines that give an interface back every address that it had.

    The order is that which makes the kernel's lists what they were: it puts a new IPv6 address before the others.
    """
    had = observed.addresses.get(name, ())
    ordered = [one for one in had if one.family == 4] + [one for one in reversed(had) if one.family == 6]
    return tuple(address_words("replace", name, address) for address in ordered)


def restore_routes(observed: Observed, interfaces: Sequence[str]) -> Tuple[Words, ...]:
    """The lines that give interfaces back their routes: the kernel drops them with the last IPv4 address
    (fib_disable_ip), with the address they are sent from, and when the interface goes down. Those to the link are first:
    gateways of others may be reached by them.
    """
    of_key = by_key(observed)
    return tuple(
        words
        for route in sorted(observed.routes, key=lambda route: bool(route.gateway or route.hops))
        if set(route.interfaces) & set(interfaces)
        for words in restored(route, of_key[route_key(route)])
    )


def by_key(observed: Observed) -> Dict[Key, List[Route]]:
    """The routes of each place."""
    found: Dict[Key, List[Route]] = {}
    for route in observed.routes:
        found.setdefault(route_key(route), []).append(route)
    return found


def restored(route: Route, alike: Sequence[Route]) -> Tuple[Words, ...]:
    """The lines that give an observed route back, be it there, gone, or changed by the kernel. ``alike`` are all of its place.

    A request to replace it takes the first one of its place, and one to append it changes nothing where it is there: so those that share
    a place in which the kernel may have changed one are deleted before, each of them, which keeps their order.
    """
    if len(alike) == 1:
        return (route_words("replace", route),)
    again = (route_words("append", route),)
    return (route_words("del", route), *again) if any(has_own_mtu(one) for one in alike) else again


def has_own_mtu(route: Route) -> bool:
    """Whether the kernel may change the MTU of the route (see ``_mtu``)."""
    return route.family == 6 and "mtu" in dict(route.attributes)
