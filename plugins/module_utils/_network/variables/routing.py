# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_routes`` and ``network_dns``."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ..._fleet.fields import Field, Option, boolean, choice, list_of, optional, required, whole
from ..._fleet.places import Place, Values
from ..model import MAIN_TABLE, METRIC_IPV6, REJECTING, ROUTE_ATTRIBUTES, Address, Dns, Interface, Route
from .hops import merged, route_key
from .interfaces import MTU_IPV6
from .values import DOMAIN, LINK_OR_LOOPBACK, NETWORK, address, of_family, refuse_loopback, settings

LARGEST = 4294967295
LOCAL_TABLE = 255
_ROUTE = "{destination: 0.0.0.0/0, next-hop-interface: br0, next-hop-address: 192.0.2.1}"
_BLACKHOLE = "{destination: 198.51.100.0/24, route-type: blackhole}"
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


def config(entry: Mapping[str, Option], what: str, example: str) -> Field:
    """A list below ``config``, as nmstate has it."""
    entries = list_of(settings(entry, what, example, empty=False), f"[{example}]")
    return settings({"config": optional(entries, ())}, f"{what}s", f"{{config: [{example}]}}")


ROUTES = config(
    {
        "destination": required(NETWORK),
        "next-hop-interface": optional(LINK_OR_LOOPBACK),
        "next-hop-address": optional(address(), ""),
        "metric": optional(whole(-1, LARGEST, "", 100), -1),
        "table-id": optional(whole(0, LARGEST, "", 77), 0),
        "on-link": optional(boolean(), False),
        "weight": optional(whole(1, 256, "", 1), 0),
        "route-type": optional(choice("unicast", *REJECTING), "unicast"),
        "source": optional(address(), ""),
        **{key: optional(whole(*_ATTRIBUTE_RANGES[key], "")) for key in ROUTE_ATTRIBUTES if key in _ATTRIBUTE_RANGES},
        "quickack": optional(boolean(), False),
        "state": optional(choice("present", "absent"), "present"),
    },
    "a route",
    _ROUTE,
)
DNS = settings(
    {
        "config": optional(
            settings(
                {"server": optional(list_of(address(), "[192.0.2.53]"), ()), "search": optional(list_of(DOMAIN, "[example.net]"), ())},
                "name servers",
                "{server: [192.0.2.53]}",
            )
        )
    },
    "name servers",
    "{config: {server: [192.0.2.53]}}",
)


def read_routes(entries: Sequence[Values], managed: Mapping[str, Interface]) -> Tuple[Route, ...]:
    read: _Found = []
    alike: Dict[Any, _Found] = {}
    for given in entries:
        route = _route(given, managed)
        if route is None:
            continue
        others = alike.setdefault(route_key(route), [])
        if route.absent or not _clashes(route, given["weight"], others, given.place):
            read.append((route, given["weight"], given.place))
            others.append(read[-1])
    linked: _Linked = {}
    for route in (route for route, _weight, _place in read if route.interface and not route.gateway and not route.absent):
        on_link = ip_network(route.destination)
        linked.setdefault((route.interface, route.family, route.table, on_link.prefixlen), set()).add(on_link)
    reached = [(_reachable(route, managed[route.interface], linked, where) if route.interface else route, weight) for route, weight, where in read]
    return merged(reached)


def _clashes(route: Route, weight: int, others: _Found, place: Place) -> bool:
    """Whether another route, one of those with the same key, is in its place, and the two are not next hops of one."""
    for other, other_weight, _place in others:
        if other.absent:
            continue
        if not (weight and other_weight):
            remedy = "Give it a metric, or each of them a weight if both are to be used"
            place.refuse(f"there is another route to {route.destination} with the same metric and table", remedy)
        elif (other.interface, other.gateway) == (route.interface, route.gateway):
            place.refuse("has the next hop of another entry", "Write each next hop once")
        elif (other.source, other.attributes) != (route.source, route.attributes):
            place.refuse("is a next hop of a route with another source or other attributes", "Write them alike in each")
        else:
            continue
        return True
    if weight and not route.gateway:
        place.refuse("has a weight, but no next-hop-address", "Write next-hop-address, or remove weight")
    return False


def _route(given: Values, managed: Mapping[str, Interface]) -> Optional[Route]:
    kind, interface = given["route-type"], given["next-hop-interface"]
    rejects = kind != "unicast"
    if "route-type" in given.refused:
        return None
    if not rejects and "next-hop-interface" not in given.written:
        if given.clean:
            given.at("next-hop-interface").refuse("is missing", f"Write for example {_ROUTE}")
        return None
    for key in _HOP_KEYS if rejects else ():
        if key in given.written:
            given.at(key).refuse(f"means nothing for a route of type {kind}", f"Remove {key}, or route-type")
    if rejects and interface not in (None, "lo"):
        given.at("next-hop-interface").refuse(f"means nothing for a route of type {kind}", "Remove it, or route-type")
    elif not rejects and interface == "lo":
        refuse_loopback(given.at("next-hop-interface"))
        return None
    elif not rejects and interface is not None and interface not in managed:
        given.at("next-hop-interface").refuse(f"{interface} is not among the interfaces", f"Name {interface} in network_interfaces")
        return None
    if given.refused & {"destination", "next-hop-interface"}:
        return None
    return Route(interface="" if rejects else interface, type=kind, **_more(given, rejects))


def _more(given: Values, rejects: bool) -> Dict[str, Any]:
    """The other fields of a route."""
    family = 6 if ":" in given["destination"] else 4
    gateway, source = ("" if rejects else _in_family(given, key, family) for key in ("next-hop-address", "source"))
    if given["table-id"] == LOCAL_TABLE:
        given.at("table-id").refuse("255 is the kernel's own table of local addresses", "Use another table")
    if given["on-link"] and "next-hop-address" not in given.written and not rejects:
        given.at("on-link").refuse("a route without a next-hop-address is on the link anyway", "Remove on-link")
    metric = max(given["metric"], 0)
    return {
        "destination": given["destination"],
        "gateway": gateway,
        "metric": (metric or METRIC_IPV6) if family == 6 else metric,
        "table": given["table-id"] or MAIN_TABLE,
        "onlink": given["on-link"] and bool(gateway),
        "absent": given["state"] == "absent",
        "source": source,
        "attributes": () if rejects else _attributes(given, family),
    }


def _in_family(given: Values, key: str, family: int) -> str:
    ip: str = given[key]
    return ip if ip and of_family(ip, family, given.at(key)) else ""


def _attributes(given: Values, family: int) -> Tuple[Tuple[str, int], ...]:
    if given["mtu"] is not None and given["mtu"] < MTU_IPV6 and family == 6:
        given.at("mtu").refuse(f"{given['mtu']} is less than {MTU_IPV6}, the least of IPv6", f"Write at least {MTU_IPV6}")
    return tuple((key, int(given[key])) for key in ROUTE_ATTRIBUTES if given[key])


def _reachable(route: Route, interface: Interface, linked: _Linked, place: Place) -> Route:
    """The route, told to be on the link when its gateway can be nowhere else: beyond an address that is alone in its network, or
    169.254.0.0/16, which is on every link but which the kernel does not look for there, as it does for fe80::/10.

    ``linked`` are the routes without a gateway; one of them may lead to the gateway.
    """
    if route.absent:
        return route
    family = interface.ipv4 if route.family == 4 else interface.ipv6
    mine = family.addresses
    where = place.key("next-hop-address")
    if interface.absent or not family.enabled:
        text = "is to be absent" if interface.absent else f"has no IPv{route.family}"
        place.key("next-hop-interface").refuse(f"{interface.name} {text}", "Name an interface that has an address")
    elif not route.gateway:
        return route
    elif route.gateway in [one.ip for one in mine]:
        where.refuse(f"{route.gateway} is an address of this host", "Write that of the router")
    elif _of_nobody(route, mine):
        where.refuse(f"{route.gateway} is the network or the broadcast address of a network of {interface.name}", "Write that of the router")
    elif route.onlink or (route.family == 6 and ip_address(route.gateway).is_link_local):
        return route
    elif any(ip_address(route.gateway) in network for network in [*(one.network for one in mine), *_networks(route, linked)]):
        return route
    elif ip_address(route.gateway).is_link_local or any(one.alone for one in mine):
        return replace(route, onlink=True)
    elif not family.dynamic:
        networks = " or ".join(str(one.network) for one in mine)
        remedy = "Correct one of them, or write on-link: true where the router is on this link all the same"
        where.refuse(f"{route.gateway} is not in {networks or 'any network'} of {interface.name}", remedy)
    return route


def _of_nobody(route: Route, mine: Sequence[Address]) -> bool:
    """Whether the gateway is the first or the last address of an IPv4 network of the interface, which no host has."""
    networks = [one.network for one in mine if one.family == 4 and one.prefix_length < 31]
    return route.gateway in [str(end) for one in networks for end in (one.network_address, one.broadcast_address)]


def _networks(route: Route, linked: _Linked) -> List[Union[IPv4Network, IPv6Network]]:
    """What has the route's gateway of that which is declared to be on the link of its interface, in the route's family and table."""
    around = (ip_network((route.gateway, length), strict=False) for length in range(33 if route.family == 4 else 129))
    return [one for one in around if one in linked.get((route.interface, route.family, route.table, one.prefixlen), ())]


def read_dns(given: Optional[Values]) -> Dns:
    chosen: Optional[Values] = None if given is None else given["config"]
    return Dns() if chosen is None else Dns(tuple(chosen["server"]), tuple(chosen["search"]))
