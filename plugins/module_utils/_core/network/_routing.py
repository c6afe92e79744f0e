# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_routes`` and ``network_dns``."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ..fleet.values import is_domain, shown
from ._hops import merged, route_key
from ._interfaces import MTU_IPV6
from ._read import Place, address, boolean, choice, entry_of, mapping, name, network, number, sequence
from .model import MAIN_TABLE, METRIC_IPV6, REJECTING, ROUTE_ATTRIBUTES, Address, Dns, Interface, Route

LARGEST = 4294967295
LOCAL_TABLE = 255
_ROUTE = "{destination: 0.0.0.0/0, next-hop-interface: br0, next-hop-address: 192.0.2.1}"
_BLACKHOLE = "{destination: 198.51.100.0/24, route-type: blackhole}"
_ROUTE_KEYS = (
    "destination",
    "next-hop-interface",
    "next-hop-address",
    "metric",
    "table-id",
    "on-link",
    "weight",
    "route-type",
    "source",
    *ROUTE_ATTRIBUTES,
    "state",
)
_HOP_KEYS = ("next-hop-address", "on-link", "weight", "source", *ROUTE_ATTRIBUTES)
_ATTRIBUTE_RANGES = {
    "mtu": (68, 65520),
    "cwnd": (1, 65535),
    "initcwnd": (1, 1023),
    "initrwnd": (1, 1023),
    "advmss": (1, 65495),
}
"""What both the kernel (ip_metrics_convert in net/ipv4/metrics.c) and the backends take."""
_Found = List[Tuple[Route, int, Place]]
_Linked = Dict[Tuple[str, int, int, int], Set[Union[IPv4Network, IPv6Network]]]
"""The networks on links, by interface, family, table and prefix length."""


def config(value: Any, example: str, place: Place) -> List[Any]:
    given = mapping(value, ("config",), f"{{config: [{example}]}}", place)
    return sequence(given.get("config"), f"[{example}]", place / "config")


def read_routes(value: Any, managed: Mapping[str, Interface], place: Place) -> Tuple[Route, ...]:
    found: _Found = []
    alike: Dict[Any, _Found] = {}
    for index, entry in enumerate(config(value, _ROUTE, place)):
        where = place / "config" / index
        given = entry_of(entry, _ROUTE_KEYS, _ROUTE, where)
        route = _route(given, managed, where)
        if route is None:
            continue
        weight = number(given.get("weight"), 1, 256, "a weight", where / "weight") or 0
        others = alike.setdefault(route_key(route), [])
        if route.absent or not _clashes(route, weight, others, where):
            found.append((route, weight, where))
            others.append(found[-1])
    linked: _Linked = {}
    for route in (route for route, _weight, _place in found if route.interface and not route.gateway and not route.absent):
        on_link = ip_network(route.destination)
        linked.setdefault((route.interface, route.family, route.table, on_link.prefixlen), set()).add(on_link)
    reached = [(_reachable(route, managed[route.interface], linked, where) if route.interface else route, weight) for route, weight, where in found]
    return merged(reached)


def _clashes(route: Route, weight: int, others: _Found, place: Place) -> bool:
    """Whether another route, one of those with the same key, is in its place, and the two are not next hops of one."""
    for other, other_weight, _place in others:
        if other.absent:
            continue
        if not (weight and other_weight):
            remedy = "Give it a metric, or each of them a weight if both are to be used"
            place.note(f"there is another route to {route.destination} with the same metric and table", remedy)
        elif (other.interface, other.gateway) == (route.interface, route.gateway):
            place.note("has the next hop of another entry", "Write each next hop once")
        elif (other.source, other.attributes) != (route.source, route.attributes):
            place.note("is a next hop of a route with another source or other attributes", "Write them alike in each")
        else:
            continue
        return True
    if weight and not route.gateway:
        place.note("has a weight, but no next-hop-address", "Write next-hop-address, or remove weight")
    return False


def _route(given: Dict[str, Any], managed: Mapping[str, Interface], place: Place) -> Optional[Route]:
    if not given:
        return None
    kind = choice(given.get("route-type"), ("unicast", *REJECTING), "unicast", place / "route-type")
    rejects = kind != "unicast"
    for key in ("destination",) if rejects else ("destination", "next-hop-interface"):
        if key not in given:
            if not place.noted:
                (place / key).note("is missing", f"Write for example {_BLACKHOLE if rejects else _ROUTE}")
            return None
    destination = network(given["destination"], place / "destination")
    interface = "" if rejects else name(given["next-hop-interface"], place / "next-hop-interface")
    if not destination or not (interface or rejects):
        return None
    for key in _HOP_KEYS if rejects else ():
        if given.get(key) is not None:
            (place / key).note(f"means nothing for a route of type {kind}", f"Remove {key}, or route-type")
    if rejects and given.get("next-hop-interface") not in (None, "lo"):
        (place / "next-hop-interface").note(f"means nothing for a route of type {kind}", "Remove it, or route-type")
    if interface and interface not in managed:
        where = place / "next-hop-interface"
        where.note(f"{interface} is not among the interfaces", f"Name {interface} in network_interfaces")
        return None
    return Route(interface=interface, type=kind, **_more(given, destination, rejects, place))


def _more(given: Dict[str, Any], destination: str, rejects: bool, place: Place) -> Dict[str, Any]:
    """The other fields of a route."""
    family = 6 if ":" in destination else 4
    written = None if rejects else given.get("next-hop-address")
    gateway = address(written, family, place / "next-hop-address") if written is not None else ""
    metric = None if given.get("metric") == -1 else number(given.get("metric"), 0, LARGEST, "a metric", place / "metric")
    table = None if given.get("table-id") == 0 else number(given.get("table-id"), 1, LARGEST, "a table", place / "table-id")
    if table == LOCAL_TABLE:
        (place / "table-id").note("255 is the kernel's own table of local addresses", "Use another table")
    absent = choice(given.get("state"), ("present", "absent"), "present", place / "state") == "absent"
    onlink = boolean(given.get("on-link"), False, place / "on-link")
    if onlink and not gateway and not rejects:
        (place / "on-link").note("a route without a next-hop-address is on the link anyway", "Remove on-link")
    written = None if rejects else given.get("source")
    return {
        "destination": destination,
        "gateway": gateway,
        "metric": (metric or METRIC_IPV6) if family == 6 else metric or 0,
        "table": table or MAIN_TABLE,
        "onlink": onlink and bool(gateway),
        "absent": absent,
        "source": address(written, family, place / "source") if written is not None else "",
        "attributes": () if rejects else _attributes(given, family, place),
    }


def _attributes(given: Dict[str, Any], family: int, place: Place) -> Tuple[Tuple[str, int], ...]:
    found: List[Tuple[str, int]] = []
    for key in ROUTE_ATTRIBUTES:
        if key == "quickack":
            value: Optional[int] = int(boolean(given.get(key), False, place / key))
        else:
            low, high = _ATTRIBUTE_RANGES[key]
            low = MTU_IPV6 if key == "mtu" and family == 6 else low
            value = number(given.get(key), low, high, "a number that the kernel takes", place / key)
        found += [(key, value)] if value else []
    return tuple(found)


def _reachable(route: Route, interface: Interface, linked: _Linked, place: Place) -> Route:
    """The route, told to be on the link when its gateway can be nowhere else: beyond an address that is alone in its network, or
    169.254.0.0/16, which is on every link but which the kernel does not look for there, as it does for fe80::/10.

    ``linked`` are the routes without a gateway; one of them may lead to the gateway.
    """
    if route.absent:
        return route
    family = interface.ipv4 if route.family == 4 else interface.ipv6
    mine = family.addresses
    where = place / "next-hop-address"
    if interface.absent or not family.enabled:
        text = "is to be absent" if interface.absent else f"has no IPv{route.family}"
        (place / "next-hop-interface").note(f"{interface.name} {text}", "Name an interface that has an address")
    elif not route.gateway:
        return route
    elif route.gateway in [one.ip for one in mine]:
        where.note(f"{route.gateway} is an address of this host", "Write that of the router")
    elif _of_nobody(route, mine):
        where.note(f"{route.gateway} is the network or the broadcast address of a network of {interface.name}", "Write that of the router")
    elif route.onlink or (route.family == 6 and ip_address(route.gateway).is_link_local):
        return route
    elif any(ip_address(route.gateway) in network for network in [*(one.network for one in mine), *_networks(route, linked)]):
        return route
    elif ip_address(route.gateway).is_link_local or any(one.alone for one in mine):
        return replace(route, onlink=True)
    elif not family.dynamic:
        networks = " or ".join(str(one.network) for one in mine)
        remedy = "Correct one of them, or write on-link: true where the router is on this link all the same"
        where.note(f"{route.gateway} is not in {networks or 'any network'} of {interface.name}", remedy)
    return route


def _of_nobody(route: Route, mine: Sequence[Address]) -> bool:
    """Whether the gateway is the first or the last address of an IPv4 network of the interface, which no host has."""
    networks = [one.network for one in mine if one.family == 4 and one.prefix_length < 31]
    return route.gateway in [str(end) for one in networks for end in (one.network_address, one.broadcast_address)]


def _networks(route: Route, linked: _Linked) -> List[Union[IPv4Network, IPv6Network]]:
    """What has the route's gateway of that which is declared to be on the link of its interface, in the route's family and table."""
    around = (ip_network((route.gateway, length), strict=False) for length in range(33 if route.family == 4 else 129))
    return [one for one in around if one in linked.get((route.interface, route.family, route.table, one.prefixlen), ())]


def read_dns(value: Any, place: Place) -> Dns:
    given = mapping(value, ("config",), "{config: {server: [192.0.2.53]}}", place)
    config = mapping(given.get("config"), ("server", "search"), "{server: [192.0.2.53]}", place / "config")
    servers = []
    for index, entry in enumerate(sequence(config.get("server"), "[192.0.2.53]", place / "config" / "server")):
        servers.append(address(entry, 0, place / "config" / "server" / index))
    search = []
    for index, entry in enumerate(sequence(config.get("search"), "[example.net]", place / "config" / "search")):
        if is_domain(entry):
            search.append(str(entry))
        else:
            where = place / "config" / "search" / index
            where.note(f"{shown(entry)} is not a domain", "Write it in small letters, such as example.net")
    return Dns(tuple(one for one in servers if one), tuple(search))
