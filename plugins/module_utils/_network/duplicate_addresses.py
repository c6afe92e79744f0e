# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses that another host has already: what to ask on the link, and what an answer says.

IPv4 by ARP probes (RFC 5227, 2.1.1), IPv6 by neighbour solicitations from the unspecified address (RFC 4862, 5.4).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import List, Mapping, Optional, Tuple

from .._shared.limits import BadText
from .kernel.observe import Unreadable, read_entries
from .model import Desired, Interface, Link, Observed

EVERYBODY = b"\xff" * 6
_ARP, _IPV6 = 0x0806, 0x86DD
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136


@dataclass(frozen=True)
class Probe:
    """Ask on ``card``, an interface that is up, with its ``mac``, who has ``ip``, which ``interface`` is to get."""

    ip: str
    interface: str
    card: str
    mac: str

    @property
    def frame(self) -> bytes:
        """The Ethernet frame that asks."""
        own = _octets(self.mac)
        address = ip_address(self.ip)
        return _arp_probe(own, address) if isinstance(address, IPv4Address) else _solicitation(own, address)


@dataclass(frozen=True)
class Asking:
    """``probes`` can be sent at once. ``late``: address and interface, where there is nothing to ask by before the change."""

    probes: Tuple[Probe, ...] = ()
    late: Tuple[Tuple[str, str], ...] = ()


def asking(desired: Desired, observed: Observed) -> Asking:
    """The addresses that this host does not have yet, with the card by which their network is reached today."""
    mine = {one.ip for addresses in observed.addresses.values() for one in addresses}
    managed = {one.name: one for one in desired.interfaces}
    probes: List[Probe] = []
    late: List[Tuple[str, str]] = []
    for interface in desired.interfaces:
        for address in () if interface.absent else interface.addresses:
            if address.ip in mine:
                continue
            card = _card(interface.name, managed, observed)
            if card is None:
                late.append((address.ip, interface.name))
            else:
                probes.append(Probe(address.ip, interface.name, card.name, card.mac))
    return Asking(tuple(probes), tuple(late))


def _card(name: str, managed: Mapping[str, Interface], observed: Observed) -> Optional[Link]:
    """What is on the wire of an interface already: itself, or a port of it. A VLAN that does not exist is on none."""
    wish = managed.get(name)
    link = observed.links.get(name)
    ports = wish.ports if wish is not None else ()
    alive = link is not None and link.up and link.carrier
    joined = [port for port in ports if port in observed.links and observed.links[port].master == name]
    if alive and (joined or not ports):
        return link
    if wish is not None and wish.type == "vlan":
        return None
    for port in ports:
        found = _card(port, managed, observed)
        if found is not None:
            return found
    return None


def claim(frame: bytes) -> Optional[Tuple[str, str]]:
    """The address that the sender of a frame has, or is about to take, and the sender's MAC; None for other frames."""
    if len(frame) < 14:
        return None
    sender = ":".join(f"{octet:02x}" for octet in frame[6:12])
    kind: int = struct.unpack("!H", frame[12:14])[0]
    if kind == _ARP and len(frame) >= 42 and frame[14:20] == struct.pack("!HHBB", 1, 0x0800, 6, 4):
        theirs, asked = frame[28:32], frame[38:42]
        return str(IPv4Address(theirs if any(theirs) else asked)), sender
    if kind == _IPV6 and len(frame) >= 78 and frame[20] == _ICMPV6 and frame[54] in (_SOLICITATION, _ADVERTISEMENT):
        if frame[54] == _SOLICITATION and any(frame[22:38]):
            return None  # asks for another's address, and not whether it may take it
        return str(IPv6Address(frame[62:78])), sender
    return None


def said(interface: str, ip: str, mac: str) -> str:
    """What is wrong, where, and what to do."""
    return (
        f"interfaces.{interface}: the host with the MAC {mac} has {ip} already. Give this host another address, or take that one away from the other host first"
    )


def same_macs(desired: Desired, observed: Observed, neighbours: str) -> List[str]:
    """MACs that are asked for and that a neighbour has, by what ``ip -json neighbour`` printed. Raises observe.Unreadable."""
    entries = [entry for entry in read_entries(neighbours, "neighbours") if "lladdr" in entry]
    try:
        theirs = {entry.text("lladdr").lower(): entry.text("dst", "a neighbour") for entry in entries}
    except BadText as error:
        raise Unreadable(f"ip -json printed what this version does not know: {error}") from None
    mine = {mac for link in observed.links.values() for mac in (link.mac, link.permanent_mac)}
    return [
        f"interfaces.{one.name}.mac_address: {theirs[one.mac]} has the MAC {one.mac}. Give this host another, or none"
        for one in desired.interfaces
        if not one.absent and one.mac and one.mac not in mine and one.mac in theirs
    ]


def _octets(mac: str) -> bytes:
    return bytes(int(part, 16) for part in mac.split(":"))


def _arp_probe(own: bytes, address: IPv4Address) -> bytes:
    """From no address, so that nobody remembers it (RFC 5227, 1.1)."""
    words = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    return EVERYBODY + own + struct.pack("!H", _ARP) + words + own + bytes(4) + bytes(6) + address.packed


def _solicitation(own: bytes, address: IPv6Address) -> bytes:
    """To the solicited-node group of the address (RFC 4291, 2.7.1)."""
    group = IPv6Address("ff02::1:ff00:0").packed[:13] + address.packed[13:]
    message = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address.packed
    pseudo = bytes(16) + group + struct.pack("!II", len(message), _ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    head = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + bytes(16) + group
    return b"\x33\x33" + group[12:] + own + struct.pack("!H", _IPV6) + head + message


def _checksum(data: bytes) -> int:
    """RFC 1071, for data of even length."""
    total = sum(data[index] << 8 | data[index + 1] for index in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
