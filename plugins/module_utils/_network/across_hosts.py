# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host's network may not have because of the fleet's plan, or because another host has it."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Dict, Iterator, List, Mapping, Tuple, Union

from .._fleet.model import Attachment, Fleet, Host
from .._fleet.values import Notes
from .model import Address, Desired, Interface

_VARIABLE = "network_interfaces"
_FOR_ONE = "Set it for one host only, in host_vars"


def find_conflicts(fleet: Fleet, desired: Mapping[str, Desired], notes: Notes) -> None:
    """Note addresses and MACs that belong to another host, and what contradicts the host's own place in its networks.

    An address that several hosts have as a whole network (/32, /128) on an interface of type dummy is an anycast address.
    """
    planned = {str(face.ip): host.name for host in fleet.hosts.values() for _place, face in _faces(host)}
    addresses: Dict[str, str] = {}
    macs: Dict[str, str] = {}
    for name in sorted(desired):
        host = fleet.hosts[name]
        interfaces = [interface for interface in desired[name].interfaces if not interface.absent]
        for interface in interfaces:
            for address in interface.addresses:
                owner = planned.get(address.ip, name)
                if owner != name:
                    message = f"{interface.name} has the address {address.ip}, which fleet_networks gives to {owner}"
                    notes.add(name, _VARIABLE, message, "Write an address of this host")
                elif not _is_anycast(interface, address) and addresses.setdefault(address.ip, name) != name:
                    message = f"{interface.name} has the address {address.ip}, as {addresses[address.ip]} has"
                    notes.add(name, _VARIABLE, message, _FOR_ONE)
            for mac in {interface.mac, interface.card} - {""}:
                if macs.setdefault(mac, name) != name:
                    notes.add(name, _VARIABLE, f"{interface.name} has the MAC {mac}, as {macs[mac]} has", _FOR_ONE)
        _check_places(host, desired[name], notes)


def _faces(host: Host) -> Iterator[Tuple[Attachment, Union[IPv4Interface, IPv6Interface]]]:
    for place in host.attachments:
        for face in (place.ipv4, place.ipv6):
            if face is not None:
                yield place, face


def _is_anycast(interface: Interface, address: Address) -> bool:
    return interface.type == "dummy" and address.prefix_length == ip_address(address.ip).max_prefixlen


def _check_places(host: Host, desired: Desired, notes: Notes) -> None:
    """Against ``fleet_networks``: the prefix length and the MTU of the host's own addresses, and interfaces that are to be absent.

    Where a provider routes each address to its host, it stands alone (/32, /128).
    """
    absent: List[str] = [interface.name for interface in desired.interfaces if interface.absent]
    held = {address.ip: (interface, address) for interface in desired.interfaces if not interface.absent for address in interface.addresses}
    for place, face in _faces(host):
        interface, address = held.get(str(face.ip), (None, None))
        if interface is None or address is None:
            if place.interface in absent:
                message = f"{place.interface} is to be absent, and has {face.ip} in the network {place.network}"
                notes.add(host.name, _VARIABLE, message, f"Give {face.ip} to another interface, or take the host out of that network")
            continue
        if not address.peer and address.prefix_length not in (face.network.prefixlen, face.max_prefixlen):
            message = f"{interface.name} has {face.ip}/{address.prefix_length}, and the network {place.network} is {face.network}"
            notes.add(host.name, _VARIABLE, message, f"Write prefix-length: {face.network.prefixlen}")
        if interface.mtu is not None and interface.mtu > place.mtu:
            message = f"{interface.name} has an MTU of {interface.mtu}, and the network {place.network} one of {place.mtu}"
            notes.add(host.name, _VARIABLE, message, "Lower it, or raise the mtu of the network and of all its hosts")
