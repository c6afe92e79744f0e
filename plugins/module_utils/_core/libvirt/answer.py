# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking on a bridge who has an address, without having one there: as a host does that looks for a duplicate.

IPv4: an ARP probe (RFC 5227 section 2.1.1). IPv6: a neighbour solicitation from the unspecified address
(RFC 4861 section 4.3, RFC 4862 section 5.4.2). Whoever has the address must answer, so no firewall is in the way.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Tuple, Union

ARP, IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136

Address = Union[IPv4Address, IPv6Address]


def question(own_mac: str, ip: str) -> Tuple[int, bytes]:
    """The Ethernet type and the whole frame to send. Raises ValueError for what is no address."""
    address = ip_address(ip)
    return (ARP, _arp(_octets(own_mac), address)) if address.version == 4 else (IPV6, _solicit(_octets(own_mac), address))


def answers(frame: bytes, ip: str, mac: str) -> bool:
    """Whether a frame says that this card has this address."""
    address = ip_address(ip)
    if len(frame) < 14 or frame[6:12] != _octets(mac):
        return False
    kind, body = int.from_bytes(frame[12:14], "big"), frame[14:]
    if address.version == 4:
        return kind == ARP and len(body) >= 28 and body[6:8] == b"\0\2" and body[14:18] == address.packed
    if kind != IPV6 or len(body) < 64 or body[6] != _ICMPV6 or body[40] != _ADVERTISEMENT:
        return False
    return body[48:64] == address.packed


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _arp(own: bytes, address: Address) -> bytes:
    body = b"\0\1\x08\0\x06\x04\0\1" + own + bytes(4) + bytes(6) + address.packed
    return (_BROADCAST + own + ARP.to_bytes(2, "big") + body).ljust(60, b"\0")


def _solicit(own: bytes, address: Address) -> bytes:
    group = bytes.fromhex("ff0200000000000000000001ff") + address.packed[13:]
    message = bytes([_SOLICITATION, 0, 0, 0]) + bytes(4) + address.packed
    pseudo = bytes(16) + group + len(message).to_bytes(4, "big") + bytes([0, 0, 0, _ICMPV6])
    message = message[:2] + _checksum(pseudo + message) + message[4:]
    header = bytes([0x60, 0, 0, 0]) + len(message).to_bytes(2, "big") + bytes([_ICMPV6, 255]) + bytes(16) + group
    return b"\x33\x33" + group[12:] + own + IPV6.to_bytes(2, "big") + header + message


def _checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071); ``data`` has an even length here."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")
