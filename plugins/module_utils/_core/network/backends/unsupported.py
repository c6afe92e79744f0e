# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory can say and a backend cannot: refused before the change, with the key and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Tuple

from .._auto import settings_of
from ..detect import TITLES
from ..link_options import VLAN_PROTOCOL
from ..model import ROUTE_ATTRIBUTES, Desired, Interface, Route, Rule
from . import netplan, networkd, networkmanager
from .base import present


@dataclass(frozen=True)
class Unsupported:
    """``where`` is the key in the inventory, below which variable it may be."""

    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}. {self.remedy}"


def unsupported(backend: str, desired: Desired) -> List[Unsupported]:
    """Everything that the program ``backend`` (one of ``detect.BACKENDS``) could not be told."""
    found: List[Unsupported] = []
    for interface in present(desired):
        found += _addresses(backend, interface)
        found += _vlan(backend, interface)
        found += _auto(backend, interface)
    for route in desired.routes:
        found += _route(backend, route) if not route.absent else []
    found += _rules(backend, desired)
    return found


def _lacks(backend: str, where: str, key: str, remedy: str) -> Unsupported:
    return Unsupported(where, f"{TITLES[backend]} cannot express {key}", remedy)


def _addresses(backend: str, interface: Interface) -> Iterator[Unsupported]:
    for address in interface.addresses if backend in ("netplan", "networkmanager") else ():
        if address.peer:
            where = f"interfaces.{interface.name}.ipv{address.family}.address"
            remedy = f"Remove peer: {address.peer}; a gateway outside the networks of a /{address.prefix_length} is reached all the same"
            if not address.alone:
                remedy = f"Remove peer: {address.peer}, and write a route to its network without next-hop-address"
            yield _lacks(backend, where, f"the peer of {address.ip}", remedy)


def _vlan(backend: str, interface: Interface) -> Iterator[Unsupported]:
    if backend == "netplan" and interface.vlan_protocol != VLAN_PROTOCOL.default:
        remedy = f"Set network_backend to another program, or remove protocol for {VLAN_PROTOCOL.default}"
        yield _lacks(backend, f"interfaces.{interface.name}.vlan.protocol", f"protocol: {interface.vlan_protocol}", remedy)


def _auto(backend: str, interface: Interface) -> Iterator[Unsupported]:
    for family, key, value in settings_of(interface):
        where = f"interfaces.{interface.name}.ipv{family}.{key}"
        if backend == "ifupdown":
            yield _lacks(backend, where, f"{key}: {value}", f"Remove {key}, and write down what is to be other than leased")
        elif backend == "netplan" and not _netplan_has(interface, family, key, value):
            yield _lacks(backend, where, f"{key}: {value}", f"Remove {key}")


def _netplan_has(interface: Interface, family: int, key: str, value: str) -> bool:
    """Of advertisements it knows little, and for DHCPv4 and DHCPv6 together only what is the same for both."""
    if key in ("token", "privacy"):
        return value != "prefer-public"
    if family == 4:
        return key != "auto-gateway" and (key != "auto-dns" or not interface.ipv6.dhcp or not interface.ipv6.auto.dns)
    return key == "auto-dns" and interface.ipv6.dhcp and interface.ipv4.dhcp and not interface.ipv4.auto.dns


_ROUTE_ATTRIBUTES = {
    "ifupdown": ROUTE_ATTRIBUTES,
    "networkd": tuple(networkd.ROUTE_KEYS),
    "netplan": tuple(netplan.ROUTE_KEYS),
    "networkmanager": networkmanager.ROUTE_KEYS,
}


def _route(backend: str, route: Route) -> Iterator[Unsupported]:
    where = f"routes.{route.destination}"
    if route.hops and backend in ("netplan", "networkmanager"):
        remedy = "Write one of them without weight, or give each a metric of its own"
        yield _lacks(backend, where, "several next hops", remedy)
    for hop in route.hops if backend == "networkd" else ():
        if hop.onlink:
            remedy = f"Write a route to {hop.gateway} without next-hop-address in place of on-link"
            yield _lacks(backend, where, f"that {hop.gateway}, one of several next hops, is on the link", remedy)
    for key, _value in route.attributes:
        if key not in _ROUTE_ATTRIBUTES[backend]:
            yield _lacks(backend, where, key, f"Remove {key}")


def _rules(backend: str, desired: Desired) -> Iterator[Unsupported]:
    for rule in desired.rules if backend == "netplan" else ():
        for key, value in () if rule.absent else _beyond_netplan(rule):
            if value:
                yield _lacks(backend, f"rules.{rule.priority}", key, f"Remove {key}; netplan has ip-from, ip-to, fwmark and route-table only")


def _beyond_netplan(rule: Rule) -> List[Tuple[str, bool]]:
    return [
        ("iif", bool(rule.iif)),
        ("oif", bool(rule.oif)),
        ("not", rule.invert),
        ("fwmask", bool(rule.fwmask)),
        ("suppress-prefix-length", rule.suppress is not None),
        ("action", bool(rule.action)),
    ]
