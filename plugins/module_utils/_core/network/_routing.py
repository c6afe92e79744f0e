# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_routes``, ``network_rules`` and ``network_dns``."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..fleet.values import is_domain, shown
from ._read import Place, address, boolean, choice, mapping, name, network, number, sequence
from .model import MAIN_TABLE, METRIC_IPV6, Dns, Interface, Route, Rule

LARGEST = 4294967295
LOCAL_TABLE = 255
_ROUTE = "{destination: 0.0.0.0/0, next-hop-interface: br0, next-hop-address: 192.0.2.1}"
_RULE = "{ip-from: 198.51.100.0/24, priority: 100, route-table: 77}"
_ROUTE_KEYS = ("destination", "next-hop-interface", "next-hop-address", "metric", "table-id", "on-link", "state")
_RULE_KEYS = ("ip-from", "ip-to", "priority", "route-table", "fwmark", "iif", "family", "state")


def _config(value: Any, example: str, place: Place) -> List[Any]:
    given = mapping(value, ("config",), f"{{config: [{example}]}}", place)
    return sequence(given.get("config"), f"[{example}]", place / "config")


def read_routes(value: Any, managed: Mapping[str, Interface], place: Place) -> Tuple[Route, ...]:
    found: List[Tuple[Route, Place]] = []
    for index, entry in enumerate(_config(value, _ROUTE, place)):
        where = place / "config" / index
        route = _route(mapping(entry, _ROUTE_KEYS, _ROUTE, where), managed, where)
        if route is None:
            continue
        key = (route.destination, route.metric, route.table)
        if not route.absent and key in [(one.destination, one.metric, one.table) for one, _place in found if not one.absent]:
            where.note(
                f"there is another route to {route.destination} with the same metric and table", "Give it a metric"
            )
            continue
        found.append((route, where))
    linked = [route for route, _place in found if not route.gateway and not route.absent]
    return tuple(_reachable(route, managed[route.interface], linked, where) for route, where in found)


def _route(given: Dict[str, Any], managed: Mapping[str, Interface], place: Place) -> Optional[Route]:
    if not given:
        return None
    for key in ("destination", "next-hop-interface"):
        if key not in given:
            (place / key).note("is missing", f"Write for example {_ROUTE}")
            return None
    destination = network(given["destination"], place / "destination")
    interface = name(given["next-hop-interface"], place / "next-hop-interface")
    if not destination or not interface:
        return None
    family = 6 if ":" in destination else 4
    written = given.get("next-hop-address")
    gateway = address(written, family, place / "next-hop-address") if written not in (None, "") else ""
    metric = (
        None if given.get("metric") == -1 else number(given.get("metric"), 0, LARGEST, "a metric", place / "metric")
    )
    table = (
        None if given.get("table-id") == 0 else number(given.get("table-id"), 1, LARGEST, "a table", place / "table-id")
    )
    if table == LOCAL_TABLE:
        (place / "table-id").note("255 is the kernel's own table of local addresses", "Use another table")
    absent = choice(given.get("state"), ("present", "absent"), "present", place / "state") == "absent"
    if family == 6:
        metric = metric or METRIC_IPV6
    onlink = boolean(given.get("on-link"), False, place / "on-link")
    if onlink and not gateway:
        (place / "on-link").note("a route without a next-hop-address is on the link anyway", "Remove on-link")
    route = Route(destination, interface, gateway, metric or 0, table or MAIN_TABLE, onlink and bool(gateway), absent)
    if interface not in managed:
        where = place / "next-hop-interface"
        where.note(f"{interface} is not among the interfaces", f"Name {interface} in network_interfaces")
        return None
    return route


def _reachable(route: Route, interface: Interface, linked: Sequence[Route], place: Place) -> Route:
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


def _networks(route: Route, linked: Sequence[Route]) -> List[Union[IPv4Network, IPv6Network]]:
    """What is declared to be on the link of the route's interface, in the route's family and table."""
    alike = (route.interface, route.family, route.table)
    return [ip_network(one.destination) for one in linked if (one.interface, one.family, one.table) == alike]


def read_rules(value: Any, place: Place) -> Tuple[Rule, ...]:
    found: List[Rule] = []
    for index, entry in enumerate(_config(value, _RULE, place)):
        where = place / "config" / index
        rule = _rule(mapping(entry, _RULE_KEYS, _RULE, where), where)
        if rule is None:
            continue
        if (rule.priority, rule.family) in [(one.priority, one.family) for one in found]:
            (where / "priority").note(f"{rule.priority} is used twice", "Give each rule a priority of its own")
            continue
        found.append(rule)
    return tuple(found)


def _rule(given: Dict[str, Any], place: Place) -> Optional[Rule]:
    if not given:
        return None
    for key in ("priority", "route-table"):
        if key not in given:
            (place / key).note("is missing", f"Write for example {_RULE}")
            return None
    source = network(given["ip-from"], place / "ip-from") if given.get("ip-from") else ""
    destination = network(given["ip-to"], place / "ip-to") if given.get("ip-to") else ""
    iif = name(given["iif"], place / "iif") if given.get("iif") else ""
    mark = number(given.get("fwmark"), 0, LARGEST, "a mark", place / "fwmark") or 0
    priority = number(given["priority"], 1, 32765, "a priority between the kernel's own rules", place / "priority")
    table = number(given["route-table"], 1, LARGEST, "a table", place / "route-table")
    absent = choice(given.get("state"), ("present", "absent"), "present", place / "state") == "absent"
    families = {6 if ":" in one else 4 for one in (source, destination) if one}
    asked = choice(given.get("family"), ("ipv4", "ipv6"), "ipv6" if families == {6} else "ipv4", place / "family")
    family = 6 if asked == "ipv6" else 4
    if families - {family}:
        place.note("mixes IPv4 and IPv6", "Write one rule for each")
    elif not (source or destination or iif or mark):
        place.note("would match everything", "Write ip-from, ip-to, iif or fwmark")
    elif priority is not None and table is not None:
        return Rule(priority, family, table, source, destination, iif, mark, absent)
    return None


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
