# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what ip(8) of iproute2 says of the running kernel (measured with 6.1 and later)."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_address, ip_network
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Sequence, Set, Tuple

from ..._shared.limits import BadText, Entry, entries_of, excerpt, load_json
from ..model import REJECTING, ROUTE_ATTRIBUTES, Address, Hop, Link, Observed, Route, Rule
from ..variables.hops import with_hops
from .link_options import VLAN_PROTOCOL
from .observe_bridges import read_options, read_port_options, read_vlans
from .vlans import PROTOCOLS as vlan_protocols

# -N: tables and protocols as numbers, since a host may have names of its own for them in /etc/iproute2
COMMANDS: Mapping[str, Tuple[str, ...]] = {
    "links": ("ip", "-N", "-json", "-details", "link", "show"),
    "addresses": ("ip", "-N", "-json", "-details", "address", "show"),
    "routes4": ("ip", "-N", "-json", "-details", "-4", "route", "show", "table", "all"),
    "routes6": ("ip", "-N", "-json", "-details", "-6", "route", "show", "table", "all"),
    "rules4": ("ip", "-N", "-json", "-4", "rule", "show"),
    "rules6": ("ip", "-N", "-json", "-6", "rule", "show"),
    "vlans": ("bridge", "-json", "-compressvlans", "vlan", "show"),
}
PROTOCOLS: Mapping[str, str] = {"1": "redirect", "2": "kernel", "3": "boot", "4": "static", "9": "ra", "16": "dhcp"}
LOCAL_TABLE = 255
_UNICAST = "1"
_TYPES = {_UNICAST: "unicast", "6": "blackhole", "7": "unreachable", "8": "prohibit"}
_OTHER_TYPES = {"2": "local", "3": "broadcast", "4": "anycast", "5": "multicast", "9": "throw", "10": "nat"}
_LINK_SCOPE = "253"
_FOREVER = 4294967295
_KERNEL_PROTOCOLS = (0, 1, 2, 3)  # IFAPROT_* of linux/if_addr.h, which ip(8) prints as 0x1 to 0x3
_ON_TOP = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec")  # of others, "link" is the far end, or a tunnel's way out
_RULE_KEYS = tuple("priority src srclen dst dstlen iif iif_detached oif oif_detached fwmark fwmask table protocol not suppress_prefixlen".split())
_WHOLE_MARK = 0xFFFFFFFF
_TAKEN = ("ip", "ip6", "mpls", "seg6", "seg6local")
"""Encapsulations that ip(8) takes in the words in which it prints them; bpf, for one, it does not."""


class Unreadable(BadText):
    """ip(8) printed something else than expected."""


def observe(printed: Mapping[str, str]) -> Observed:
    """The kernel's network from the output of each of ``COMMANDS``, by its key. Raises Unreadable."""
    try:
        entries = {key: read_entries(printed.get(key, "-"), key) for key in COMMANDS}
        links = {link.name: link for link in map(_link, entries["links"])}
        routes = [*_routes(entries["routes4"], 4), *_routes(entries["routes6"], 6)]
        leases = _leases(routes)
        addresses = {
            name: tuple(_addresses(entry, leases.get(name, _Leases()))) for entry in entries["addresses"] for name in [entry.text("ifname")] if name in links
        }
        every_route = [*entries["routes4"], *entries["routes6"]]
        opaque = sorted({pair for entry in every_route for pair in _opaque(entry)})
        unmodelled = tuple(pair for entry in every_route for pair in _unmodelled(entry))
        rules = [*_rules(entries["rules4"], 4), *_rules(entries["rules6"], 6)]
        vlans = read_vlans(entries["vlans"])
    except Unreadable:
        raise
    except ValueError as error:  # BadText is one, and ipaddress raises it
        raise Unreadable(f"ip -json printed what this version does not know: {excerpt(str(error), 200)[1:-1]}") from None
    ipv6 = any("inet6_addr_gen_mode" in entry for entry in entries["links"])
    return Observed(links, addresses, tuple(routes), tuple(rules), ipv6, vlans, tuple(opaque), unmodelled)


def _opaque(route: Entry) -> Iterator[Tuple[str, str]]:
    """Interface and destination, for each next hop with an encapsulation that could not be given back."""
    for hop in (route, *route.entries("nexthops")):
        if hop.scalar("encap", "ip") not in _TAKEN:
            yield hop.text("dev", ""), route.text("dst")


def read_entries(text: str, what: str) -> List[Entry]:
    """The dictionaries of what ``ip -json`` printed. Some versions print nothing for an empty list, and empty dictionaries
    for what a filter left out. Raises Unreadable.
    """
    try:
        return list(entries_of(load_json(text, what), what)) if text.strip() else []
    except BadText as error:
        raise Unreadable(f"ip -json printed what this version does not know: {error}") from None


def _link(entry: Entry) -> Link:
    info = entry.entry("linkinfo")
    kind = info.text("info_kind", "")
    data = info.entry("info_data")
    flags = entry.texts("flags")
    return Link(
        name=entry.text("ifname"),
        kind=kind,
        mac=entry.text("address", ""),
        permanent_mac=entry.text("permaddr", "") or info.entry("info_slave_data").text("perm_hwaddr", ""),
        mtu=entry.integer("mtu"),
        max_mtu=entry.integer("max_mtu", 0),
        up="UP" in flags,
        carrier="LOWER_UP" in flags,
        loopback="LOOPBACK" in flags,
        master=entry.text("master", ""),
        lower=_lower(entry, kind),
        vlan_id=data.integer("id", 0) if kind == "vlan" else 0,
        stp=kind == "bridge" and bool(data.integer("stp_state", 0)),
        mode=data.scalar("mode", "") if kind == "bond" else "",
        options=read_options(kind, data),
        port_options=read_port_options(info),
        altnames=tuple(entry.texts("altnames")),
        link_local=entry.text("inet6_addr_gen_mode", "none") != "none",
        vlan_protocol=_vlan_protocol(data) if kind == "vlan" else VLAN_PROTOCOL.default,
    )


def _vlan_protocol(data: Entry) -> str:
    """As nmstate writes it."""
    shown = data.scalar("protocol", VLAN_PROTOCOL.default)
    return vlan_protocols.get(shown, shown).lower()


def _lower(entry: Entry, kind: str) -> str:
    """The interface with which this one goes: a VXLAN names it among its own settings (ip-link(8))."""
    if kind == "vxlan":
        return entry.entry("linkinfo").entry("info_data").scalar("link", "")
    return entry.scalar("link", "") if kind in _ON_TOP else ""


class _Leases:
    """What the routes of one interface say of addresses that came by a lease."""

    def __init__(self) -> None:
        self.dhcp: Set[str] = set()
        self.advertised: Set[IPv6Network] = set()

    @property
    def lengths(self) -> FrozenSet[int]:
        return frozenset(network.prefixlen for network in self.advertised)


def _leases(routes: Iterable[Route]) -> Dict[str, _Leases]:
    found: Dict[str, _Leases] = {}
    for route in routes:
        if route.protocol == "dhcp" and route.source:
            found.setdefault(route.interface, _Leases()).dhcp.add(route.source)
        elif route.protocol == "ra" and not route.gateway and not route.hops and ":" in route.destination:
            found.setdefault(route.interface, _Leases()).advertised.add(IPv6Network(route.destination))
    return found


def _addresses(entry: Entry, leases: _Leases) -> Iterator[Address]:
    lengths = leases.lengths
    for one in entry.entries("addr_info"):
        family = one.text("family", "")
        if family not in ("inet", "inet6"):
            continue
        valid = one.integer("valid_life_time", _FOREVER)
        local = one.text("local")
        ip_address(local)
        yield Address(
            ip=local,
            prefix_length=one.integer("prefixlen", high=32 if family == "inet" else 128),
            dynamic=_is_set(one, "dynamic") or valid != _FOREVER or _leased_for_ever(one, leases, lengths),
            link_local=family == "inet6" and one.scalar("scope", "") == _LINK_SCOPE,
            valid=0 if valid == _FOREVER else valid,
            preferred=0 if valid == _FOREVER else one.integer("preferred_life_time", valid),
            peer=_peer(one),
            attributes=_address_attributes(one, entry.text("ifname")),
        )


def _peer(one: Entry) -> str:
    """ip(8) names the far end only where it is another address."""
    return str(ip_address(one.text("address"))) if "address" in one else ""


def _address_attributes(one: Entry, name: str) -> Tuple[str, ...]:
    """What else an address without an end has that ip-address(8) can set; iproute2 tells ``proto`` since 6.3."""
    found: Tuple[str, ...] = ()
    preferred = one.integer("preferred_life_time", _FOREVER)
    if preferred == _FOREVER and _is_set(one, "deprecated"):
        preferred = 0  # of IPv4 only the flag tells it
    if one.integer("valid_life_time", _FOREVER) == _FOREVER and preferred != _FOREVER:
        found += ("preferred_lft", str(preferred))
    if "broadcast" in one:
        found += ("broadcast", str(ip_address(one.text("broadcast"))))
    if one.text("label", name) != name:
        found += ("label", one.text("label"))
    if "metric" in one:
        found += ("metric", str(one.integer("metric")))
    if _is_set(one, "noprefixroute"):
        found += ("noprefixroute",)
    protocol = int(one.scalar("protocol", "0"), 0)
    return (*found, "proto", str(protocol)) if protocol not in _KERNEL_PROTOCOLS else found


def _is_set(entry: Entry, key: str) -> bool:
    """A flag, which ip(8) prints as true or leaves out."""
    return key in entry and entry.scalar(key) == "True"


def _leased_for_ever(one: Entry, leases: _Leases, lengths: Iterable[int]) -> bool:
    """Whether an address without an end came by a lease all the same: an infinite one (RFC 2131, 3.3; RFC 4861, 4.6.2) is
    to the kernel like one that somebody gave by hand, and only the routes that came with it tell. DHCP's name it as
    their source; an advertised prefix is a route of protocol ra, and who made that asked the kernel for none of its own.
    """
    local = one.text("local")
    if one.text("family") == "inet":
        return local in leases.dhcp
    if not _is_set(one, "noprefixroute"):
        return False
    return any(IPv6Network((local, length), strict=False) in leases.advertised for length in lengths)


def _routes(entries: Sequence[Entry], family: int) -> Iterator[Route]:
    """Routes that somebody made; the kernel's own come and go with the addresses."""
    for entry in entries:
        table = entry.integer("table", 254)
        number = entry.scalar("protocol", "")
        protocol = PROTOCOLS.get(number, number)
        kind = _TYPES.get(entry.scalar("type", _UNICAST), "")
        if not kind or table == LOCAL_TABLE or (protocol == "kernel" and "gateway" not in entry):
            continue  # what has a gateway was entered by somebody: ifupdown2 says that its default route is the kernel's
        ways = (entry.entries("nexthops") or [entry]) if kind == "unicast" else []
        if not all(map(_modelled, ways)):
            continue
        route = Route(
            destination=_destination(entry.text("dst"), family),
            interface="",
            metric=entry.integer("metric", 0),
            table=table,
            protocol=protocol,
            source=entry.text("prefsrc", ""),
            expires=max(1, entry.integer("expires")) if "expires" in entry else 0,
            type=kind,
            attributes=_attributes(entry),
            selectors=tuple(word for key in ("tos", "from") if key in entry for word in (key, entry.scalar(key))),
            nhid=entry.integer("nhid", 0),
            beyond=_beyond(entry, ways),
        )
        yield with_hops(route, [_hop(way) for way in ways]) if ways else route


def _modelled(way: Entry) -> bool:
    """Whether a next hop goes somewhere, and is of the route's own family."""
    return "dev" in way and "via" not in way


def _unmodelled(entry: Entry) -> Iterator[Tuple[str, str]]:
    """Interface and text of a route that was entered by hand and is none of those of ``_routes``."""
    kind = entry.scalar("type", _UNICAST)
    ways = entry.entries("nexthops") or [entry]
    if PROTOCOLS.get(entry.scalar("protocol", "")) not in ("boot", "static") or entry.integer("table", 254) == LOCAL_TABLE:
        return
    if kind not in _TYPES or kind == _UNICAST and not all(map(_modelled, ways)):
        hops = "".join(f" via {way.entry('via').text('host', '')}" for way in ways if "via" in way)
        yield ways[0].text("dev", ""), f"{'' if kind == _UNICAST else f'{_OTHER_TYPES.get(kind, kind)} '}{entry.text('dst')}{hops}"


def _beyond(route: Entry, ways: Sequence[Entry]) -> Tuple[str, ...]:
    """What a route has that neither the model nor its selectors say."""
    found = ["encap"] if any("encap" in way for way in (route, *ways)) else []
    found += ["realm"] if "flow" in route else []
    found += ["pref"] if route.scalar("pref", "medium") != "medium" else []
    return (*found, *(name for metrics in route.entries("metrics") for name in sorted(metrics.keys()) if name not in ROUTE_ATTRIBUTES))


def _hop(entry: Entry) -> Hop:
    onlink = "onlink" in entry.texts("flags")
    return Hop(entry.text("dev"), entry.text("gateway", ""), entry.integer("weight", 1), onlink)


def _attributes(entry: Entry) -> Tuple[Tuple[str, int], ...]:
    known: Dict[str, int] = {}
    for metrics in entry.entries("metrics"):
        known.update({name: metrics.integer(name) for name in ROUTE_ATTRIBUTES if name in metrics})
    return tuple((name, known[name]) for name in ROUTE_ATTRIBUTES if known.get(name))


def _destination(text: str, family: int) -> str:
    if text == "default":
        return "0.0.0.0/0" if family == 4 else "::/0"
    return str(ip_network(text))


def _rules(entries: Sequence[Entry], family: int) -> List[Rule]:
    found: List[Rule] = []
    for entry in entries:
        number = entry.scalar("protocol", "")
        kind = entry.scalar("action", "")
        action = _TYPES[kind] if _TYPES.get(kind) in REJECTING else ""
        mark, mask = (int(entry.scalar(key, "0"), 16) for key in ("fwmark", "fwmask"))
        known = (*_RULE_KEYS, "action") if action else _RULE_KEYS
        others = [key for key in entry.keys() if key not in known]
        others += ["fwmask"] if mask and not mark else []  # every mark without these bits
        found.append(
            Rule(
                priority=entry.integer("priority", 0),
                family=family,
                table=0 if action else entry.integer("table", 0),
                source=_selector(entry, "src"),
                destination=_selector(entry, "dst"),
                iif=entry.text("iif", ""),
                fwmark=mark,
                protocol=PROTOCOLS.get(number, number),
                selectors=tuple(sorted(others)),
                oif=entry.text("oif", ""),
                fwmask=0 if mask == _WHOLE_MARK else mask,
                invert="not" in entry,
                suppress=entry.integer("suppress_prefixlen") if "suppress_prefixlen" in entry else None,
                action=action,
            )
        )
    return found


def _selector(entry: Entry, key: str) -> str:
    value = entry.text(key, "all")
    if value == "all":
        return ""
    length = f"/{entry.integer(f'{key}len', high=128)}" if f"{key}len" in entry else ""
    return str(ip_network(f"{value}{length}"))
