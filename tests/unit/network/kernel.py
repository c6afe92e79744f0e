# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel's network as far as the planner uses it. test_network_kernel.py compares it with the real one.

It has the habits that make a change of the network hard: secondary addresses go with their primary, routes with the
last IPv4 address or with their source address, everything of IPv6 when an interface goes down. Those of interfaces are in
``kernel_links``.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Dict, Iterable, List, Sequence, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import (
    MAIN_TABLE,
    REJECTING,
    ROUTE_ATTRIBUTES,
    Address,
    Hop,
    Link,
    Observed,
    Operation,
    Route,
    Rule,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.draft import link_local
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.hops import route_key, split, with_hops
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.interfaces import MTU_IPV6

from .kernel_links import Failed, Links


class Kernel(Links):
    """``promote`` is the sysctl net.ipv4.conf.all.promote_secondaries, ``fixed`` are the bridges whose MTU does not follow their ports
    since somebody has changed it (BROPT_MTU_SET_BY_USER), which the kernel does not tell; others are where it is not that of their ports.
    """

    def observed(self) -> Observed:
        addresses = {name: tuple(self.addresses.get(name, ())) for name in self.links}
        return Observed(dict(self.links), addresses, tuple(self.routes), tuple(self.rules), vlans=dict(self.vlans))

    def run(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            self.step(operation)

    def force(self, operations: Iterable[Operation]) -> None:
        """As ``ip -force -batch``: a line that fails does not stop the rest."""
        for operation in operations:
            try:
                self.step(operation)
            except Failed:
                continue

    def step(self, operation: Operation) -> None:
        words = list(operation.words)
        what, verb, rest = words[0], words[1], words[2:]
        if what == "link":
            {"add": self._add_link, "set": self._set_link, "delete": self._delete_link}[verb](rest)
        elif what == "address":
            self._address(verb, rest)
        elif what == "route":
            self._route(verb, rest)
        elif what == "rule":
            self._rule(verb, rest, operation.family or 4)
        elif what == "vlan":
            self._vlan(verb, rest)
        else:
            raise AssertionError(f"no such line: {operation.line}")

    def _address(self, verb: str, words: List[str]) -> None:
        text, name = words[0], words[words.index("dev") + 1]
        peer, _slash, length = words[2].partition("/") if words[1] == "peer" else ("", "", "")
        self._link(name)
        face = ip_interface(f"{text}/{length}" if peer else text)
        valid = int(words[words.index("valid_lft") + 1]) if "valid_lft" in words else 0
        address = Address(
            str(face.ip), face.network.prefixlen, dynamic=bool(valid) or "noprefixroute" in words, valid=valid, preferred=valid,
            link_local=face.version == 6 and face.ip.is_link_local, peer=peer,
        )  # fmt: skip
        have = self.addresses[name]
        if verb == "del":
            if address not in have:
                raise Failed(f"no {text} on {name}")
            self._remove(name, address)
            return
        if address.family == 6 and self.links[name].mtu < MTU_IPV6:
            raise Failed(f"{name} has no IPv6")
        there = address in have or any(one.ip == address.ip and address.family == 6 for one in have)
        if there and (verb == "add" or address not in have):
            raise Failed(f"{text} is on {name} already")
        if not there:
            self._insert(name, address)

    def _insert(self, name: str, address: Address) -> None:
        """Primary addresses stand before secondary ones, IPv4 before IPv6; a new IPv6 address of the same scope
        comes first, and link-local ones last.
        """
        have = self.addresses[name]
        four = [one for one in have if one.family == 4]
        six = [one for one in have if one.family == 6]
        if address.family == 6:
            wide, local = [[one for one in six if one.link_local is flag] for flag in (False, True)]
            (local if address.link_local else wide).insert(0, address)
            self.addresses[name] = [*four, *wide, *local]
        elif self._primary(four, address) is None:
            count = len([one for one in four if self._primary(four, one) is None])
            self.addresses[name] = [*four[:count], address, *four[count:], *six]
        else:
            self.addresses[name] = [*four, address, *six]

    @staticmethod
    def _primary(four: Sequence[Address], address: Address) -> Address | None:
        """The address of the same network that stands before this one."""
        network = address.network
        for one in four:
            if one == address:
                return None
            if one.network == network:
                return one
        return None

    def _remove(self, name: str, address: Address) -> None:
        have = self.addresses[name]
        gone = [address]
        four = [one for one in have if one.family == 4]
        if address.family == 4 and not self.promote and self._primary(four, address) is None:
            gone += [one for one in four if self._primary(four, one) == address]
        left = [one for one in have if one not in gone]
        ips = {one.ip for one in gone} - {one.ip for many in self.addresses.values() for one in many if one in left}
        self.addresses[name] = left
        self.routes = [route for route in self.routes if not (route.source in ips and route.interface == name)]
        if address.family == 4 and not [one for one in left if one.family == 4]:
            self.routes = [route for route in self.routes if route.interface != name or route.family == 6]

    def _route(self, verb: str, words: List[str]) -> None:
        route = read_route(words)
        for name in route.interfaces:
            self._link(name)
        key = route_key(route)
        alike = [one for one in self.routes if route_key(one) == key]
        if verb == "del":
            plain = [one for one in alike if _bare(one) == _bare(route) and one.protocol == route.protocol]
            if not plain:
                raise Failed(f"no route {route}")
            self.routes.remove(plain[0])
            return
        if route.source and route.source not in [one.ip for many in self.addresses.values() for one in many]:
            raise Failed("invalid source address")
        for hop, _weight in split(route) if route.interface else []:
            self._check_next_hop(hop)
        if verb == "append" and route in alike:
            raise Failed("EEXIST")
        if verb == "replace" and route in alike[1:]:
            raise Failed("EEXIST")
        if verb == "replace" and alike:
            self.routes[self.routes.index(alike[0])] = route
        else:
            self.routes.append(route)

    def _check_next_hop(self, route: Route) -> None:
        if not self.links[route.interface].up:
            raise Failed(f"{route.interface} is down")
        if route.family == 6 and self.links[route.interface].mtu < MTU_IPV6:
            raise Failed(f"{route.interface} has no IPv6")
        mine = self.addresses[route.interface]
        if not route.gateway or route.onlink or (route.family == 6 and ip_address(route.gateway).is_link_local):
            return
        linked = [one for one in self.routes if one.interface == route.interface and one.family == route.family and not one.gateway]
        if any(ip_address(route.gateway) in ip_network(one.destination) for one in linked if one.table == route.table):
            return
        if not any(ip_address(route.gateway) in one.network for one in mine):
            raise Failed(f"{route.gateway} is not to be reached")

    def _rule(self, verb: str, words: List[str], family: int) -> None:
        plain = [word for word in words if word != "not"]
        pairs = dict(zip(plain[::2], plain[1::2]))
        mark, _slash, mask = pairs.get("fwmark", "0").partition("/")
        rule = Rule(
            int(pairs["priority"]), family, int(pairs.get("table", 0)), pairs.get("from", ""), pairs.get("to", ""),
            pairs.get("iif", ""), int(mark), protocol=pairs.get("protocol", "boot"), oif=pairs.get("oif", ""),
            fwmask=int(mask or 0), invert="not" in words, action=pairs.get("type", ""),
            suppress=int(pairs["suppress_prefixlength"]) if "suppress_prefixlength" in pairs else None,
        )  # fmt: skip
        if verb == "add":
            if any(_covers(rule, one) for one in self.rules):
                raise Failed("EEXIST")
            self.rules.append(rule)
            return
        given = {field: value for field, value in vars(rule).items() if field not in ("protocol", "invert")}
        named = {field: value for field, value in given.items() if value not in ("", None) and (value or field == "suppress")}
        alike = [one for one in self.rules if named.items() <= vars(one).items()]
        if not alike:
            raise Failed("no such rule")
        self.rules.remove(alike[0])


def _covers(rule: Rule, one: Rule) -> bool:
    """As rule_exists in net/core/fib_rules.c: what is not said of the addresses is a wildcard, and ``not`` does not count."""
    source, destination = one.source if rule.source else "", one.destination if rule.destination else ""
    return replace(one, invert=rule.invert, source=source, destination=destination) == rule


def read_route(words: Sequence[str]) -> Route:
    """What ``ip route`` makes of the words after its verb."""
    kind = words[0] if words[0] in REJECTING else "unicast"
    cut = words.index("nexthop") if "nexthop" in words else len(words)
    head = [word for word in words[kind in REJECTING : cut] if word != "lock"]
    pairs = dict(zip(head[1::2], head[2::2]))
    route = Route(
        head[0],
        pairs.get("dev", ""),
        pairs.get("via", ""),
        int(pairs.get("metric", 1024 if ":" in head[0] else 0)),
        int(pairs.get("table", MAIN_TABLE)),
        "onlink" in head,
        protocol=pairs["proto"],
        source=pairs.get("src", ""),
        expires=int(pairs.get("expires", 0)),
        type=kind,
        attributes=tuple((name, int(pairs[name])) for name in ROUTE_ATTRIBUTES if name in pairs),
    )
    hops = []
    for text in " ".join(words[cut:]).split("nexthop ")[1:]:
        way = dict(zip(text.split()[::2], text.split()[1::2]))
        hops.append(Hop(way["dev"], way.get("via", ""), int(way.get("weight", 1)), "onlink" in text))
    return with_hops(route, hops)


def _bare(route: Route) -> Route:
    """What a request to delete a route says of it."""
    return replace(route, onlink=False, hops=tuple(replace(hop, weight=1, onlink=False) for hop in route.hops))


def card(name: str, number: int) -> Link:
    mac = f"02:00:00:00:00:{number:02x}"
    return Link(name, mac=mac, permanent_mac=mac)


def bare(*names: str) -> Observed:
    """A host with these cards, and nothing on them."""
    links = {"lo": Link("lo", loopback=True), **{name: card(name, index) for index, name in enumerate(names)}}
    return Observed(links, {"lo": (Address("127.0.0.1", 8),), **{name: () for name in names}})


def state(observed: Observed) -> Tuple[object, ...]:
    """What a rollback must give back: all of it, but for orders that have no meaning.

    These are the order of routes with different keys, of addresses of different networks, and of secondary ones. A link-local address
    that the kernel gives by itself may come by and by.
    """
    routes = sorted((str(one), one.onlink, one.protocol, one.source, one.attributes) for one in observed.routes)
    rules = sorted(map(str, observed.rules))
    addresses: Dict[str, object] = {}
    for name, listed in observed.addresses.items():
        link = observed.links[name]
        own = link_local(link.mac) if link.link_local and link.mac else None
        have = [one for one in listed if one != own]
        primary: Dict[object, Address] = {}
        for one in have:
            if one.family == 4:
                primary.setdefault(one.network, one)
        addresses[name] = (sorted(map(str, primary.values())), sorted(map(str, have)))
    return (dict(observed.links), addresses, routes, rules, dict(observed.vlans))
