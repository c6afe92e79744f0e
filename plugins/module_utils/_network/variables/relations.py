# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the interfaces of a host must be to each other: ports, bases, circles, MTU, addresses that are there once."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from ..._fleet.places import Place
from ..model import Address, Interface
from .interfaces import MTU_IPV6, TOO_SMALL

Written = Sequence[Tuple[Interface, Place]]
_PORTS = {"bridge": ("ethernet", "bond", "vlan", "dummy"), "bond": ("ethernet", "dummy")}
_PORT_KEY = {"bridge": "bridge", "bond": "link-aggregation"}


def check_relations(written: Written) -> None:
    """Note everything that is wrong between interfaces that are each right by themselves."""
    managed = {interface.name: interface for interface, _unused in written}
    master: Dict[str, str] = {}
    for interface, place in written:
        if not interface.absent:
            _check_ports(interface, place, managed, master)
            _check_base(interface, place, managed)
            _check_mtu(interface, place, managed)
            _check_followed(interface, place, managed)
    for interface, place in written:
        if interface.name in master and (interface.ipv4.enabled or interface.ipv6.enabled):
            place.refuse(
                f"{interface.name} is a port of {master[interface.name]}, and a port has no addresses",
                f"Move its ipv4 and ipv6 to {master[interface.name]}",
            )
    _check_circles(written, managed)
    _check_addresses(written)
    _check_twins(written)
    _check_cards(written)


def _check_ports(interface: Interface, place: Place, managed: Dict[str, Interface], master: Dict[str, str]) -> None:
    for index, port in enumerate(interface.ports):
        where = place.key(_PORT_KEY[interface.type]).key("port").index(index)
        other = managed[port]
        if port == interface.name:
            where.refuse(f"{port} cannot be a port of itself", "Name another interface")
        elif other.absent:
            where.refuse(f"{port} is to be absent", "Remove the port, or its state")
        elif port in master:
            where.refuse(f"{port} is already a port of {master[port]}", "An interface is the port of one other only")
        elif other.type not in _PORTS[interface.type]:
            kinds = " or ".join(_PORTS[interface.type])
            where.refuse(f"{port} is of type {other.type}, which cannot be a port of a {interface.type}", f"Name one of {kinds}")
        master.setdefault(port, interface.name)


def _check_base(interface: Interface, place: Place, managed: Dict[str, Interface]) -> None:
    base = interface.base
    where = place.key("vlan.base-iface")
    if not base:
        return
    if base == interface.name:
        where.refuse(f"{base} cannot stand on itself", "Name another interface")
    elif base not in managed:
        where.refuse(f"{base} is not among the interfaces", f"Name {base} too, with the addresses that it has")
    elif managed[base].absent:
        where.refuse(f"{base} is to be absent", "Remove the VLAN, or that state")


def _check_mtu(interface: Interface, place: Place, managed: Dict[str, Interface]) -> None:
    for below in (interface.base, *interface.ports):
        other = managed.get(below)
        if other is None or other is interface or other.mtu is None or interface.mtu is None:
            continue
        if interface.mtu > other.mtu:
            place.key("mtu").refuse(
                f"{interface.mtu} is more than the {other.mtu} of {below}, which it stands on",
                f"Write at most {other.mtu}, or raise that of {below}",
            )


def _check_followed(interface: Interface, place: Place, managed: Dict[str, Interface]) -> None:
    """A bridge without an MTU of its own has the lowest of its ports', and a VLAN none that is above that of its base."""
    lowest = _lowest(interface, managed, []) if interface.ipv6.enabled and interface.mtu is None else None
    if lowest is not None and (lowest.mtu or 0) < MTU_IPV6:
        text = f"{interface.name} follows the MTU of {lowest.name}, and {lowest.mtu} {TOO_SMALL}"
        place.key("ipv6").refuse(text, f"Give {lowest.name} an mtu of at least {MTU_IPV6}, or remove ipv6")


def _lowest(interface: Interface, managed: Dict[str, Interface], above: Sequence[str]) -> Optional[Interface]:
    """The interface whose MTU this one gets, by way of others; None where nobody says one, or of a bond, which gives its ports its own."""
    if interface.mtu is not None:
        return interface
    below = [managed[one] for one in (interface.base, *interface.ports) if one in managed and one not in above] if interface.type != "bond" else []
    found = [one for one in (_lowest(other, managed, [*above, interface.name]) for other in below) if one is not None]
    return min(found, key=lambda one: one.mtu or 0, default=None)


def _check_circles(written: Written, managed: Dict[str, Interface]) -> None:
    """Note each interface that stands on itself by way of others."""
    for interface, place in written:
        seen: List[str] = []
        ahead = [one for one in (*interface.ports, interface.base) if one]
        while ahead:
            below = ahead.pop()
            if below == interface.name and seen:
                place.refuse(f"{interface.name} stands on itself, by way of {seen[0]}", "Break the circle")
                break
            if below in managed and below not in seen and below != interface.name:
                seen.append(below)
                ahead += [one for one in (*managed[below].ports, managed[below].base) if one]


def _check_addresses(written: Written) -> None:
    """An address is on one interface. Only a routed bridge has that of the uplink again: one of the two is then alone in its network,
    so that the network is on one link all the same.
    """
    owners: Dict[str, List[Tuple[str, Address]]] = {}
    for interface, place in written:
        for address in interface.addresses:
            there = owners.setdefault(address.ip, [])
            for name, other in there:
                if name == interface.name or address.alone == other.alone:
                    where = place.key(f"ipv{address.family}.address")
                    where.refuse(f"{address.ip} is already on {name}", f"Write each address once{_other_way(address)}")
            there.append((interface.name, address))


def _other_way(address: Address) -> str:
    """How two interfaces can both have this address."""
    if address.alone:
        return ", or on one of the two with the prefix length of its network"
    return f", or on one of the two as a /{32 if address.family == 4 else 128}"


def _check_twins(written: Written) -> None:
    seen: Dict[Tuple[str, int, str], str] = {}
    for interface, place in written:
        if interface.base and interface.vlan_id:
            key = (interface.base, interface.vlan_id, interface.vlan_protocol)
            if key in seen:
                place.key("vlan").refuse(f"VLAN {key[1]} of {key[0]} is already {seen[key]}", "Write each VLAN once")
            seen.setdefault(key, interface.name)


def _check_cards(written: Written) -> None:
    seen: Dict[str, str] = {}
    for interface, place in written:
        if interface.card in seen:
            place.key("mac-address").refuse(f"{interface.card} is already that of {seen[interface.card]}", "Write each card once")
        elif interface.card:
            seen[interface.card] = interface.name
