# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs have added to a host's network (keepalived, flannel, Tailscale, and people with ip(8)), and whose it is.

An address without an end that is in neither the inventory nor the boot configuration is foreign, and so is a route that is
in neither and looks like one of a boot configuration (protocol static). Of all other protocols the kernel tells.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_interface
from typing import Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

from .backends.base import settings
from .model import DEFAULT_DESTINATIONS, MAIN_TABLE, Address, Desired, Observed, Route, Rule
from .plan.along import heir
from .plan.draft import masters
from .variables.address_lists import is_ignored
from .variables.hops import route_key

PROGRAMS: Mapping[str, str] = {
    "11": "zebra", "12": "bird", "15": "ntk", "18": "keepalived", "42": "babel", "99": "openr",
    "186": "BGP", "187": "IS-IS", "188": "OSPF", "189": "RIP", "192": "EIGRP",
}  # fmt: skip
"""RTPROT_* of linux/rtnetlink.h, by which programs sign routes, rules and (since Linux 5.18) addresses."""
KERNEL = ("redirect", "kernel", "ra", "dhcp")
"""Routes that the kernel makes, or that come with a lease: not foreign, and not put back."""
MANAGE = ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules", "ManageForeignNextHops")
_FALSE = ("0", "no", "n", "false", "f", "off")
_ADDRESS = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}[:.][0-9A-Fa-f:.]{2,45}(?![0-9A-Za-z:.])")
_SHOWN = 6


def mentioned(texts: Iterable[str]) -> FrozenSet[str]:
    """The addresses in boot configurations of any form, less those in comments. It takes time in proportion to the texts."""
    found = set()
    for text in texts:
        for line in text.split("\n"):
            if line.lstrip()[:1] in ("#", ";"):
                continue
            for match in _ADDRESS.finditer(line):
                try:
                    found.add(str(ip_address(match.group())))
                except ValueError:
                    continue
    return frozenset(found)


def marked(observed: Observed, desired: Desired, known: FrozenSet[str], management: Sequence[str] = ()) -> Observed:
    """The same with everything marked that programs have added to the interfaces of ``desired``.

    ``known`` are the addresses in the boot configuration. What the host is managed by is nobody's but the inventory's.
    """
    managed = [interface.name for interface in desired.interfaces]
    wanted = {address.ip for interface in desired.interfaces for address in interface.addresses}
    ours = wanted | set(management) | set(desired.unwanted)
    addresses = {
        name: tuple(replace(one, foreign=name in managed and _foreign(one, ours, known, desired.ignored)) for one in have)
        for name, have in observed.addresses.items()
    }
    routes = tuple(replace(one, foreign=_unknown(one, known) and one not in desired.given_up) for one in observed.routes)
    return replace(observed, addresses=addresses, routes=routes)


def _foreign(address: Address, ours: Iterable[str], known: FrozenSet[str], ignored: Sequence[str]) -> bool:
    if address.link_local or address.ip in ours:
        return False
    return is_ignored(address.ip, ignored) or not address.dynamic and address.ip not in known


def _unknown(route: Route, known: FrozenSet[str]) -> bool:
    """A route of protocol static whose destination no boot configuration has; default routes are the inventory's."""
    if route.protocol != "static" or route.destination in DEFAULT_DESTINATIONS and route.table == MAIN_TABLE:
        return False
    if route.destination in DEFAULT_DESTINATIONS:
        return route.gateway not in known
    return str(ip_interface(route.destination).ip) not in known


def known_addresses(observed: Observed, desired: Desired, known: FrozenSet[str]) -> FrozenSet[str]:
    """What is not to be taken for a program's while the change lasts and the boot configuration becomes another."""
    ours = {one.ip for have in observed.addresses.values() for one in have if not one.foreign}
    ours |= {one.ip for interface in desired.interfaces for one in interface.addresses}
    near = {text for route in observed.routes for text in (str(ip_interface(route.destination).ip), route.gateway)}
    return frozenset(ours | known & near)


def notes_on_addresses(desired: Desired, observed: Observed) -> List[str]:
    """What becomes of each foreign address that nobody said to ignore."""
    found: List[str] = []
    for name, have in observed.addresses.items():
        for one in have:
            if not one.foreign or is_ignored(one.ip, desired.ignored):
                continue
            whose = f"{name} has {one}, which {_by(one)}is in neither the inventory nor the boot configuration. "
            where = heir(name, desired, observed)
            stays = "It stays" if where == name else f"It moves to {where}" if where else f"It goes with {name}"
            remedy = "List it in network_ignored_addresses if a program looks after it, or in network_absent_addresses to delete it"
            found.append(f"{whose}{stays}. {remedy}")
    return found


def notes_on_routes(desired: Desired, observed: Observed, leaving: FrozenSet[str] = frozenset()) -> List[str]:
    """What becomes of the routes of protocol static in the main table that are a program's, as far as can be told, and of those that
    ``ip route add`` made at boot: ``leaving`` are the addresses that the change removes from the boot configuration.
    """
    managed = {one.name for one in desired.interfaces}
    keys = {route_key(one) for one in desired.routes}
    kept = [
        f"the route {one} (protocol boot) leaves the boot configuration with this change, and stays in the kernel until the next boot. "
        "Add it to network_routes, with state: absent to delete it now"
        for one in observed.routes
        if one.protocol == "boot" and one.destination not in DEFAULT_DESTINATIONS and one.interface in managed
        if route_key(one) not in keys and str(ip_interface(one.destination).ip) in leaving
    ]
    return kept + [
        f"the route {one} (protocol static) is in neither the inventory nor the boot configuration, and stays. "
        "Name it in network_routes, with state: absent to delete it"
        for one in observed.routes
        if one.foreign and one.table == MAIN_TABLE and one.interface in managed and one not in desired.routes
    ]


def notes_on_tunnels(desired: Desired, observed: Observed) -> List[str]:
    """What sends by an interface that becomes a port, and has neither address nor route any more. VLANs and their like are no tunnels."""
    return [
        f"{link.name} ({link.kind}) sends by {link.lower}, which becomes a port of {master} and has no address then, so it reaches nobody. "
        f"Let its program create it again with dev {master} after the change"
        for port, master in masters(desired).items()
        for link in sorted(observed.links.values(), key=lambda one: one.name)
        if link.kind == "vxlan" and link.lower == port and observed.links[port].master != master
    ]


def program(address: Address) -> str:
    """The name of the program that signed the address, or its protocol's number; empty where nobody did."""
    protocol = dict(zip(address.attributes, address.attributes[1:])).get("proto", "")
    return PROGRAMS.get(protocol, f"protocol {protocol}") if protocol else ""


def _by(address: Address) -> str:
    return f"was added by {program(address)} and " if program(address) else ""


@dataclass(frozen=True)
class Manages:
    """Whether systemd-networkd deletes the routes and the rules of others (networkd.conf(5)). It does unless it is told not to."""

    routes: bool = True
    rules: bool = True


def manages(files: Mapping[str, str]) -> Manages:
    """From networkd.conf and its drop-ins (path and content), in the order in which systemd reads them."""
    last: Dict[str, str] = {}
    by_name: Dict[str, str] = {}
    for path in sorted(files, key=_rank):
        by_name[path.rsplit("/", 1)[1] if ".conf.d/" in path else ""] = files[path]
    for _name, text in sorted(by_name.items()):
        last.update({key: values[-1] for key, values in settings(text, "Network", "#;").items()})
    off = [key for key in MANAGE if last.get(key, "").lower() in _FALSE and last.get(key)]
    return Manages(MANAGE[0] not in off, MANAGE[1] not in off)


def _rank(path: str) -> int:
    """Of files of one name that in /etc counts, then that in /run."""
    return 2 if path.startswith("/etc/") else 1 if path.startswith("/run/") else 0


def notes_on_reloads(observed: Observed, desired: Desired, managing: Manages) -> List[str]:
    """What systemd-networkd would delete, and how to keep it from that."""
    routes = [one for one in observed.routes if foreign_route(one) and one not in desired.routes] if managing.routes else []
    rules = [one for one in observed.rules if foreign_rule(one, desired)] if managing.rules else []
    if not routes and not rules:
        return []
    kinds = Counter(f"by protocol {PROGRAMS.get(one.protocol, one.protocol)} on {one.interface or 'no interface'}" for one in routes)
    parts = [f"{count} route{'s' if count > 1 else ''} {kind}" for kind, count in sorted(kinds.items())]
    parts += [f"the IPv{one.family} rule '{one}'" for one in rules]
    more = [f"{len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else []
    options = [option for option, there in zip(MANAGE, (routes, rules)) if there]
    return [
        (
            f"systemd-networkd deletes what other programs have added whenever it reloads or restarts: {', '.join(parts[:_SHOWN] + more)}. "
            f"This change puts it back, other reloads do not: set {' and '.join(f'{one}=no' for one in options)} under [Network] in a file "
            "in /etc/systemd/networkd.conf.d"
        )
    ]


def foreign_route(route: Route) -> bool:
    """Whether a program added it: by its protocol, and default routes without one are configured by people."""
    if route.protocol == "static":
        return route.foreign
    return route.protocol not in KERNEL and not (route.protocol == "boot" and route.destination in DEFAULT_DESTINATIONS)


def foreign_rule(rule: Rule, desired: Desired) -> bool:
    return rule.protocol not in (*KERNEL, "static") and rule not in desired.rules and 0 < rule.priority < 32766


def statics(observed: Observed) -> Tuple[Tuple[str, int], ...]:
    """Destination and table of each foreign route that has the protocol of boot configurations."""
    return tuple(sorted({(one.destination, one.table) for one in observed.routes if one.foreign}))
