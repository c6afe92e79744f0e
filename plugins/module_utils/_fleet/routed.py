# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a host's place in a routed network: address, prefix and gateway of its own, as a provider assigns them.

A gateway outside the host's subnet is usable when it is on the link: a link-local one is (RFC 3927, RFC 4291 section 2.5.6), and where the
host's address stands alone (/32, /128) nothing else is possible. Every other one must be said to be by ``gateway_on_link``.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_address, ip_interface
from typing import Any, Mapping, Optional, Tuple, Union

from .networks import unusable
from .values import Notes, shown, truth

KEYS = ("ipv4", "ipv4_gateway", "ipv6", "ipv6_gateway", "gateway_on_link")
_EXAMPLES = {4: ("203.0.113.7/32", "172.31.1.1"), 6: ("2001:db8:7::1/64", "fe80::1")}

Face = Union[IPv4Interface, IPv6Interface]
Address = Union[IPv4Address, IPv6Address]
Place = Tuple[Optional[IPv4Interface], Optional[IPv4Address], Optional[IPv6Interface], Optional[IPv6Address]]


def read_place(host: str, network: str, settings: Mapping[str, Any], where: str, notes: Notes) -> Place:
    """The host's IPv4 address and gateway and its IPv6 address and gateway in the network; notes what is wrong with them."""
    if all(settings.get(family) is None or truth(settings.get(family)) is False for family in ("ipv4", "ipv6")):
        remedy = f"Write for example fleet_host_networks.{network}: {{ipv4: 203.0.113.7/32, ipv4_gateway: 172.31.1.1}}"
        notes.add(host, where, f"has no address, and the network {network} is routed, so that none can be derived", remedy)
    on_link = truth(settings.get("gateway_on_link", False))
    if on_link is None:
        notes.add(host, f"{where}.gateway_on_link", f"{shown(settings['gateway_on_link'])} is neither true nor false", "Write true or false")
    ipv4 = _read_face(host, 4, settings.get("ipv4"), f"{where}.ipv4", notes)
    ipv6 = _read_face(host, 6, settings.get("ipv6"), f"{where}.ipv6", notes)
    gateway4 = _read_gateway(host, 4, ipv4, settings, where, on_link is not False, notes)
    gateway6 = _read_gateway(host, 6, ipv6, settings, where, on_link is not False, notes)
    return (
        ipv4 if isinstance(ipv4, IPv4Interface) else None,
        gateway4 if isinstance(gateway4, IPv4Address) else None,
        ipv6 if isinstance(ipv6, IPv6Interface) else None,
        gateway6 if isinstance(gateway6, IPv6Address) else None,
    )


def on_link(face: Face, gateway: Address) -> bool:
    """Whether a route by the gateway must say that it is on the link, since the host's subnet does not."""
    return gateway not in face.network


def reserved(address: Address, network: Union[IPv4Network, IPv6Network]) -> str:
    """What the address stands for when no host may have it (RFC 3021 for /31; RFC 4291, 2.6.1 and RFC 6164)."""
    if network.max_prefixlen - network.prefixlen < 2:
        return ""
    if address == network.network_address:
        return "the network address" if network.version == 4 else "the routers' anycast address"
    if network.version == 4 and address == network.broadcast_address:
        return "the broadcast address"
    return ""


def _read_face(host: str, family: int, value: Any, where: str, notes: Notes) -> Optional[Face]:
    if value is None or truth(value) is False:
        return None
    remedy = f"Write the address with its prefix, as the provider assigned it, such as {_EXAMPLES[family][0]}"
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        face = ip_interface(value)
    except ValueError:
        notes.add(host, where, f"{shown(value)} is not an address with a prefix", remedy)
        return None
    if "/" not in value:
        notes.add(host, where, f"{face.ip} has no prefix, and none can be derived in a routed network", remedy)
    elif face.version != family:
        notes.add(host, where, f"{face} is IPv{face.version}, not IPv{family}", remedy)
    elif unusable(face.network):
        notes.add(host, where, f"{face.network} {unusable(face.network)}", remedy)
    elif reserved(face.ip, face.network):
        notes.add(host, where, f"{face.ip} is {reserved(face.ip, face.network)} of {face.network}", remedy)
    else:
        return face
    return None


def _read_gateway(host: str, family: int, face: Optional[Face], settings: Mapping[str, Any], where: str, anywhere: bool, notes: Notes) -> Optional[Address]:
    """The gateway of a family; with ``anywhere`` it may be outside the host's subnet."""
    value, where = settings.get(f"ipv{family}_gateway"), f"{where}.ipv{family}_gateway"
    if value is None:
        return None
    if face is None:
        if settings.get(f"ipv{family}") is None or truth(settings.get(f"ipv{family}")) is False:
            notes.add(host, where, f"is set, and the host has no IPv{family} address here", f"Write ipv{family}, or remove the gateway")
        return None
    remedy = f"Write the gateway that the provider names, such as {_EXAMPLES[family][1]}"
    try:
        gateway = ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        notes.add(host, where, f"{shown(value)} is not an address", remedy)
        return None
    if gateway.version != family:
        notes.add(host, where, f"{gateway} is IPv{gateway.version}, not IPv{family}", remedy)
    elif gateway.is_multicast or gateway.is_loopback or gateway.is_unspecified:
        notes.add(host, where, f"{gateway} is no address of a router", remedy)
    elif gateway == face.ip:
        notes.add(host, where, f"{gateway} is the address of the host itself", remedy)
    elif gateway in face.network and family == 4 and reserved(gateway, face.network):
        notes.add(host, where, f"{gateway} is {reserved(gateway, face.network)} of {face.network}", remedy)
    elif gateway not in face.network and not (anywhere or gateway.is_link_local or face.network.prefixlen == face.max_prefixlen):
        notes.add(host, where, f"{gateway} is outside {face.network}", "Correct it, or write gateway_on_link: true if it is on the same link")
    else:
        return gateway
    return None
