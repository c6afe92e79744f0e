# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``fleet_networks``: the networks of a fleet, their addresses and their MTU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from .model import Network
from .values import Notes, integer, kind, shown, truth

MTU_DEFAULT = 1500
MTU_IPV4 = 68  # RFC 791, section 3.2: every internet module forwards a datagram of 68 octets
MTU_IPV6 = 1280  # RFC 8200, section 5
MTU_LARGEST = 65535

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,14}")
_KEYS = ("ipv4", "ipv6", "mtu", "routed")
_EXAMPLE = 'Write for example main: {ipv4: 192.0.2.0/24, ipv6: "2001:db8::/64"}'
_ROUTED = "Write routed: true alone, and the addresses of each host in its fleet_host_networks; or remove routed"


@dataclass(frozen=True)
class Networks:
    """The names somebody declared, and the networks of them that can be used, both in the order of their names."""

    declared: Tuple[str, ...]
    usable: Mapping[str, Network]


def read_networks(value: Any, notes: Notes) -> Networks:
    """The networks of the fleet; notes what is wrong with those that cannot be used."""
    if not isinstance(value, Mapping) or not value:
        said = "is empty" if isinstance(value, Mapping) else f"must be a dictionary of networks, found {kind(value)}"
        notes.add("", "fleet_networks", said, _EXAMPLE, blank=True)
        return Networks((), {})
    networks: Dict[str, Network] = {}
    for key, entry in value.items():
        where = f"fleet_networks.{key}"
        if not isinstance(key, str) or not _NAME.fullmatch(key):
            notes.add(
                "",
                where,
                "is not a usable name for a network",
                "Use 1 to 15 characters: a small letter, then small letters, digits, - or _",
            )
            continue
        network = _read_network(key, entry, where, notes)
        if network is not None:
            networks[key] = network
    find_overlaps(networks, notes)
    return Networks(tuple(str(key) for key in value), networks)


def find_overlaps(networks: Mapping[str, Network], notes: Notes) -> None:
    """Note every pair of networks that share addresses, at the one whose name comes later."""
    seen: Dict[str, Network] = {}
    for name, network in networks.items():
        for earlier, other in seen.items():
            for family in ("ipv4", "ipv6"):
                mine, theirs = getattr(network, family), getattr(other, family)
                if mine is not None and theirs is not None and mine.overlaps(theirs):
                    notes.add(
                        "",
                        f"fleet_networks.{name}.{family}",
                        f"{mine} overlaps {theirs} of network {earlier}",
                        "Give each network addresses of its own",
                    )
        seen[name] = network


def read_mtu(value: Any, has_ipv6: bool, host: str, where: str, notes: Notes) -> Optional[int]:
    """The MTU in bytes; None when it cannot be used, which is noted."""
    mtu = integer(value)
    if mtu is None:
        notes.add(host, where, f"must be a number of bytes, found {shown(value)}", f"Write {MTU_DEFAULT}, or leave it out")
        return None
    if has_ipv6 and mtu < MTU_IPV6:
        notes.add(
            host,
            where,
            f"{mtu} cannot carry IPv6, which needs {MTU_IPV6}",
            f"Raise it to {MTU_IPV6} or more, or take IPv6 away",
        )
        return None
    if not MTU_IPV4 <= mtu <= MTU_LARGEST:
        notes.add(host, where, f"{mtu} is not between {MTU_IPV4} and {MTU_LARGEST}", f"Write {MTU_DEFAULT}, or leave it out")
        return None
    return mtu


def _read_network(name: str, entry: Any, where: str, notes: Notes) -> Optional[Network]:
    if not isinstance(entry, Mapping):
        notes.add("", where, f"must be a dictionary, found {kind(entry)}", _EXAMPLE)
        return None
    for key in entry:
        if key not in _KEYS:
            notes.add("", f"{where}.{key}", "no such setting of a network", f"Use only {', '.join(_KEYS)}")
    routed = truth(entry.get("routed", False))
    if routed is None:
        notes.add("", f"{where}.routed", f"{shown(entry['routed'])} is neither true nor false", "Write true or false")
        return None
    if routed:
        return _read_routed(name, entry, where, notes)
    if entry.get("ipv4") is None and entry.get("ipv6") is None:
        notes.add("", where, "has neither ipv4 nor ipv6", f"{_EXAMPLE}, or routed: true where each host has a subnet of its own")
        return None
    ipv4 = _read_prefix(entry.get("ipv4"), 4, f"{where}.ipv4", notes)
    ipv6 = _read_prefix(entry.get("ipv6"), 6, f"{where}.ipv6", notes)
    mtu = read_mtu(entry.get("mtu", MTU_DEFAULT), entry.get("ipv6") is not None, "", f"{where}.mtu", notes)
    if ipv4 is None and ipv6 is None:
        return None
    return Network(
        name,
        ipv4 if isinstance(ipv4, IPv4Network) else None,
        ipv6 if isinstance(ipv6, IPv6Network) else None,
        MTU_DEFAULT if mtu is None else mtu,
    )


def _read_routed(name: str, entry: Mapping[Any, Any], where: str, notes: Notes) -> Network:
    for family in ("ipv4", "ipv6"):
        if entry.get(family) is not None:
            notes.add("", f"{where}.{family}", "a routed network has no subnet of its own", _ROUTED)
    mtu = read_mtu(entry.get("mtu", MTU_DEFAULT), False, "", f"{where}.mtu", notes)
    return Network(name, None, None, MTU_DEFAULT if mtu is None else mtu, routed=True)


def _read_prefix(value: Any, family: int, where: str, notes: Notes) -> Optional[Union[IPv4Network, IPv6Network]]:
    if value is None:
        return None
    example = "192.0.2.0/24" if family == 4 else "2001:db8::/64"
    try:
        if not isinstance(value, str) or "/" not in value or "%" in value:
            raise ValueError
        network = ip_network(value)
    except ValueError:
        notes.add(
            "",
            where,
            f"{shown(value)} is not a network{_host_bits(value)}",
            f"Write it with its prefix, such as {example}",
        )
        return None
    if network.version != family:
        notes.add(
            "",
            where,
            f"{network} is IPv{network.version}, not IPv{family}",
            f"Write it as ipv{network.version}, or give an IPv{family} network such as {example}",
        )
        return None
    if unusable(network):
        notes.add("", where, f"{network} {unusable(network)}", f"Give a network for hosts, such as {example}")
        return None
    return network


def _host_bits(value: Any) -> str:
    """What to add to a message when the value would be a network but for bits of a host's address."""
    try:
        if not isinstance(value, str):
            raise ValueError
        network = ip_network(value, strict=False)
    except ValueError:
        return ""
    return f": that is an address in {network}" if "/" in value else " without its prefix"


def unusable(network: Union[IPv4Network, IPv6Network]) -> str:
    """Why the network's addresses cannot be given to hosts; empty when they can."""
    if network.is_multicast:
        return "is for multicast"
    if network.is_loopback:
        return "is for loopback"
    if network.is_link_local:
        return "is for addresses that hosts give themselves on a link"
    if isinstance(network, IPv4Network) and network.is_reserved:
        return "is reserved (RFC 1112, section 4)"
    if network.network_address.is_unspecified:
        return "is for hosts without an address"
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        return "is IPv4 written as IPv6"
    return ""
