# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel's network as far as the planner uses it. test_network_kernel.py compares it with the real one.

It has the habits that make a change of the network hard: secondary addresses go with their primary, routes with the
last IPv4 address or with their source address, everything of IPv6 when an interface goes down; a bond takes no
port that is up, a card with a macvtap joins nothing, a VLAN is not larger than what it stands on; the MTU of a bridge follows
its ports until somebody changes it, and that of an IPv6 route its interface.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Dict, Iterable, List, Sequence, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network._hops import route_key, split, with_hops
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.link_options import BRIDGE, FILTERING, STP
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.model import (
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
    Vlan,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.vlans import by_default, canonical, less, pvid_of

BRIDGE_DEFAULTS = {option.key: option.default for option in (*STP, *BRIDGE, FILTERING)}
PORT_DEFAULTS = {"hairpin": "off", "priority": "32"}


class Failed(Exception):
    """The kernel refused."""


class Kernel:
    """``promote`` is the sysctl net.ipv4.conf.all.promote_secondaries, ``fixed`` are the bridges whose MTU does not follow their ports
    since somebody has changed it (BROPT_MTU_SET_BY_USER), which the kernel does not tell; others are where it is not that of their ports.
    """

    def __init__(self, observed: Observed, promote: bool = False, fixed: Iterable[str] = ()) -> None:
        self.links: Dict[str, Link] = dict(observed.links)
        self.addresses: Dict[str, List[Address]] = {name: list(observed.addresses.get(name, ())) for name in self.links}
        self.routes: List[Route] = list(observed.routes)
        self.rules: List[Rule] = list(observed.rules)
        self.vlans: Dict[str, Tuple[Vlan, ...]] = dict(observed.vlans)
        self.pairs: Dict[str, str] = {}
        self.promote = promote
        lowest = {one.name: self._lowest(one.name) for one in self.links.values() if one.kind == "bridge"}
        self.fixed = {*fixed, *(name for name, mtu in lowest.items() if self.links[name].mtu != mtu)}

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

    def _link(self, name: str) -> Link:
        if name not in self.links:
            raise Failed(f"no device {name}")
        return self.links[name]

    def _add_link(self, words: List[str]) -> None:
        kind = words[words.index("type") + 1]
        head, tail = words[: words.index("type")], words[words.index("type") + 2 :]
        given = dict(zip(head[::2], head[1::2]))
        options = dict(zip(tail[::2], tail[1::2])) if kind != "veth" else {}
        name = given["name"]
        if name in self.links:
            raise Failed(f"{name} exists")
        lower = given.get("link", "")
        if lower:
            self._link(lower)
            protocol = options.get("protocol", "802.1q")
            if any((one.lower, one.vlan_id, one.vlan_protocol) == (lower, int(options["id"]), protocol) for one in self.links.values()):
                raise Failed("this VLAN exists")
        mtu = int(given.get("mtu", self.links[lower].mtu if lower else 1500))
        mac = given.get("address", self.links[lower].mac if lower else "02:00:00:00:00:fe")
        stp = options.get("stp_state", "0") == "1"
        mode = options.pop("mode", "")
        if kind == "bridge":
            options = {**BRIDGE_DEFAULTS, **{key: value for key, value in options.items() if key != "stp_state"}}
        self.links[name] = Link(
            name, kind, mac, mtu=mtu, up=False, carrier=False, lower=lower, stp=stp, mode=mode,
            vlan_id=int(options.get("id", 0)), options=options if kind in ("bond", "bridge") else {},
            vlan_protocol=options.get("protocol", "802.1q"),
        )  # fmt: skip
        self.addresses[name] = []
        if kind == "bridge":
            self.vlans[name] = by_default(int(options["vlan_default_pvid"]))
        if kind == "veth":
            peer = tail[tail.index("name") + 1]
            self.links[peer] = Link(peer, kind, mac, mtu=int(tail[tail.index("mtu") + 1]), up=False)
            self.addresses[peer] = []
            self.pairs.update({name: peer, peer: name})

    def _delete_link(self, words: List[str]) -> None:
        name = words[1]
        self._link(name)
        over = {self.links[gone].master for gone in (name, self.pairs.get(name, "")) if gone in self.links}
        self.fixed.discard(name)
        for gone in [name, self.pairs.get(name, ""), *(one.name for one in self.links.values() if one.lower == name)]:
            if gone in self.links:
                del self.links[gone]
                self.addresses.pop(gone)
                self.vlans.pop(gone, None)
                self.routes = [route for route in self.routes if route.interface != gone]
        for port in [one for one in self.links.values() if one.master == name]:
            self.vlans.pop(port.name, None)
            self.links[port.name] = replace(port, master="", port_options={}, up=port.up and not self._is(name, "bond"))
        for bridge in over:
            self._follow_ports(bridge)

    def _is(self, name: str, kind: str) -> bool:
        return name in self.links and self.links[name].kind == kind

    def _set_link(self, words: List[str]) -> None:
        name, verb = words[1], words[2]
        link = self._link(name)
        if verb == "up":
            if link.lower and not self.links[link.lower].up and link.kind == "vlan":
                raise Failed(f"{link.lower} is down")
            self.links[name] = replace(link, up=True)
        elif verb == "down":
            self._down(link)
        elif verb == "master":
            self._enslave(link, words[3])
        elif verb == "nomaster":
            bonded = self._is(link.master, "bond")
            self.links[name] = replace(link, master="", port_options={})
            self.vlans.pop(name, None)
            self._follow_ports(link.master)
            if bonded:
                self._down(self.links[name])
        elif verb == "mtu":
            self._mtu(link, int(words[3]))
        elif verb == "address":
            self.links[name] = replace(link, mac=words[3])
        elif verb == "addrgenmode":
            self.links[name] = replace(link, link_local=words[3] != "none")
        elif verb == "type":
            if words[4] == "stp_state":
                self.links[name] = replace(link, stp=words[5] == "1")
            elif words[3] == "bridge_slave":
                if not self._is(link.master, "bridge"):
                    raise Failed("is not the port of a bridge")
                self.links[name] = replace(link, port_options={**link.port_options, words[4]: words[5]})
            else:
                if words[4] == "vlan_default_pvid":
                    self._default_pvid(link, int(words[5]))
                self.links[name] = replace(link, options={**link.options, words[4]: words[5]})
        else:
            raise AssertionError(words)

    def _enslave(self, link: Link, master: str) -> None:
        self._link(master)
        if any(one.lower == link.name and one.kind == "macvtap" for one in self.links.values()):
            raise Failed("EBUSY")
        if link.kind == "bridge" and self._is(master, "bridge"):
            raise Failed("ELOOP")
        if self._is(master, "bond") and link.up and link.master != master:
            raise Failed(f"{link.name} is up")
        if link.master == master:
            return
        bridge = self._is(master, "bridge")
        self.links[link.name] = replace(link, master=master, up=link.up or self._is(master, "bond"), port_options=PORT_DEFAULTS if bridge else {})
        self.vlans.pop(link.name, None)
        if bridge and "vlan_default_pvid" in self.links[master].options:  # not every kernel can filter VLANs
            self.vlans[link.name] = by_default(int(self.links[master].options["vlan_default_pvid"]))
        self._follow_ports(link.master)
        self._follow_ports(master)

    def _default_pvid(self, bridge: Link, number: int) -> None:
        """As __br_vlan_set_default_pvid: who has the old one as its own loses it, and who has none gets the new one."""
        if bridge.options["vlan_filtering"] == "1":
            raise Failed("EPERM")
        old = by_default(int(bridge.options["vlan_default_pvid"]))
        for name in [bridge.name, *(one.name for one in self.links.values() if one.master == bridge.name)]:
            had = self.vlans.get(name, ())
            if old and old[0] not in had or not old and pvid_of(had):
                continue
            self.vlans[name] = canonical([*(one for one in had if one not in old), *by_default(number)])

    def _vlan(self, verb: str, words: List[str]) -> None:
        name, ends = words[1], [int(part) for part in words[3].split("-")]
        link = self._link(name)
        if ("self" in words) != (link.kind == "bridge") or not (link.kind == "bridge" or self._is(link.master, "bridge")):
            raise Failed("EOPNOTSUPP")
        mine = Vlan(ends[0], ends[-1], "pvid" in words, "untagged" in words)
        rest = [one for number in less(self.vlans.get(name, ()), [mine]) for one in self._flags(name, number)]
        if verb == "add" and mine.pvid:
            rest = [replace(one, pvid=False) for one in rest]
        self.vlans[name] = canonical([*rest, *([mine] if verb == "add" else [])])

    def _flags(self, name: str, part: Vlan) -> List[Vlan]:
        """The numbers of this range with the flags that they have."""
        numbers = range(part.first, part.last + 1)
        return [replace(one, first=number, last=number) for number in numbers for one in self.vlans[name] if one.first <= number <= one.last]

    def _mtu(self, link: Link, mtu: int) -> None:
        if link.kind == "vlan" and mtu > self.links[link.lower].mtu:
            raise Failed("ERANGE")
        if link.kind == "bridge" and link.mtu != mtu:
            self.fixed.add(link.name)
        self._change_mtu(link.name, mtu)

    def _change_mtu(self, name: str, mtu: int) -> None:
        link = self.links[name]
        if link.mtu == mtu:
            return
        self.links[name] = replace(link, mtu=mtu)
        self.routes = [self._with_mtu(route, link.mtu, mtu) if route.interface == name else route for route in self.routes]
        for one in list(self.links.values()):
            if one.lower == name and one.kind == "vlan" and one.mtu > mtu:
                self._change_mtu(one.name, mtu)
        self._follow_ports(link.master)

    @staticmethod
    def _with_mtu(route: Route, before: int, mtu: int) -> Route:
        """As fib6_nh_mtu_change in net/ipv6/route.c, where ``before`` is the interface's net.ipv6.conf.*.mtu. IPv4 does no such thing."""
        known = dict(route.attributes)
        if route.family == 4 or "mtu" not in known or "lock" in route.beyond or not (known["mtu"] >= mtu or known["mtu"] == before):
            return route
        return replace(route, attributes=tuple((name, mtu if name == "mtu" else value) for name, value in route.attributes))

    def _follow_ports(self, bridge: str) -> None:
        """As br_mtu_auto_adjust in net/bridge/br_if.c."""
        if self._is(bridge, "bridge") and bridge not in self.fixed:
            self._change_mtu(bridge, self._lowest(bridge))

    def _lowest(self, bridge: str) -> int:
        return min((one.mtu for one in self.links.values() if one.master == bridge), default=1500)

    def _down(self, link: Link) -> None:
        self.links[link.name] = replace(link, up=False)
        self.routes = [route for route in self.routes if route.interface != link.name]
        self.addresses[link.name] = [one for one in self.addresses[link.name] if one.family == 4]

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

    These are the order of routes with different keys, of addresses of different networks, and of secondary ones.
    """
    routes = sorted((str(one), one.onlink, one.protocol, one.source, one.attributes) for one in observed.routes)
    rules = sorted(map(str, observed.rules))
    addresses: Dict[str, object] = {}
    for name, have in observed.addresses.items():
        primary: Dict[object, Address] = {}
        for one in have:
            if one.family == 4:
                primary.setdefault(one.network, one)
        addresses[name] = (sorted(map(str, primary.values())), sorted(map(str, have)))
    return (dict(observed.links), addresses, routes, rules, dict(observed.vlans))
