# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading one host: its name, its number and its place in each network."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from .model import Attachment, Host, Network
from .networks import Networks, read_mtu
from .values import Notes, integer, is_domain, kind, shown, truth
from .variables import FLEET_WIDE

INTERFACE_LONGEST = 15  # IFNAMSIZ in linux/if.h is 16 with the final NUL

_INTERFACE = re.compile(r"[^/:\s]{1,15}")
_NOT_NAMES = (".", "..", "all", "default", "lo")
"""What no card can be called, or what names more than one in /proc/sys/net."""
_KEYS = ("interface", "ipv4", "ipv6", "mtu")
_NUMBER = "fleet_host_number"
_PLACES = "fleet_host_networks"
_NetworkOf = Union[IPv4Network, IPv6Network]
_InterfaceOf = Union[IPv4Interface, IPv6Interface]


def read_host(
    name: str,
    variables: Mapping[str, Any],
    groups: Tuple[str, ...],
    networks: Networks,
    domain: str,
    management: str,
    notes: Notes,
) -> Host:
    """The host as far as it can be read; notes what is wrong with the rest. It depends on no other host."""
    number = _read_number(name, variables, notes)
    attachments: List[Attachment] = []
    places = list(_read_places(name, variables.get(_PLACES), networks, management, notes))
    for position, (network, settings, where) in enumerate(places):
        attachments.append(_attach(name, networks.usable[network], settings, where, f"eth{position}", number, notes))
    _note_shared_interfaces(name, attachments, notes)
    if management in networks.usable and management not in [place.network for place in attachments]:
        notes.add(
            name,
            _PLACES,
            f"the management network {management} is missing",
            f"Add {management}, or name another fleet_management_network",
        )
    if _number_is_missing(variables, number, places, networks):
        notes.add(name, _NUMBER, "is not set", "Give the host a number of its own: its addresses are network + number")
    own = {key: value for key, value in variables.items() if key not in FLEET_WIDE}
    fqdn = _read_fqdn(name, variables.get("fleet_host_fqdn"), domain, notes)
    return Host(name, fqdn, groups, tuple(attachments), management, own)


def _read_number(host: str, variables: Mapping[str, Any], notes: Notes) -> Optional[int]:
    value = variables.get(_NUMBER)
    if value is None:
        return None
    number = integer(value)
    if number is None or number < 1:
        notes.add(host, _NUMBER, f"must be a whole number from 1, found {shown(value)}", "Write for example 11")
        return None
    return number


def _number_is_missing(
    variables: Mapping[str, Any],
    number: Optional[int],
    places: Sequence[Tuple[str, Mapping[str, Any], str]],
    networks: Networks,
) -> bool:
    """Whether an address of the host would have to be derived from the number that nobody gave."""
    if number is not None or variables.get(_NUMBER) is not None:
        return False
    return any(
        getattr(networks.usable[name], family) is not None and settings.get(family) is None for name, settings, _where in places for family in ("ipv4", "ipv6")
    )


def _read_fqdn(host: str, value: Any, domain: str, notes: Notes) -> str:
    if value is not None:
        if is_domain(value) and "." in value:
            return str(value)
        notes.add(
            host,
            "fleet_host_fqdn",
            f"{shown(value)} is not a full host name",
            "Write small letters, digits, - and dots, such as app1.example.net",
        )
        return host
    derived = host if host.endswith(f".{domain}") else f"{host}.{domain}"
    foreign = "." in host and derived != host
    if foreign or not is_domain(derived):
        said = "has dots but is not in fleet_domain" if foreign else "cannot be part of a host name"
        notes.add(
            host,
            "fleet_host_fqdn",
            f"the inventory name {said}, so no full name can be derived",
            "Set fleet_host_fqdn, or use small letters, digits and - in the inventory name",
        )
    return derived


def _read_places(host: str, value: Any, networks: Networks, management: str, notes: Notes) -> Iterator[Tuple[str, Mapping[str, Any], str]]:
    """(network, settings, path of the variable) for each network that the host is in, the management network first, then by name."""
    chosen: Dict[str, Tuple[Mapping[str, Any], str]] = {}
    if isinstance(value, (list, tuple)):
        for index, name in enumerate(value):
            where = f"{_PLACES}[{index}]"
            if isinstance(name, str) and name in chosen:
                notes.add(host, where, f"network {name} is listed twice", "Name each network once")
            elif _is_known(host, name, where, networks, notes):
                chosen[name] = ({}, where)
    elif isinstance(value, Mapping):
        for name, settings in value.items():
            where = f"{_PLACES}.{name}"
            if not _is_known(host, name, where, networks, notes):
                continue
            chosen[name] = (_read_settings(host, settings, where, notes), where)
    else:
        chosen = {name: ({}, _PLACES) for name in networks.usable}
        if value is not None:
            notes.add(host, _PLACES, f"must be a list or a dictionary, found {kind(value)}", "Write for example [main]")
    for name in sorted(networks.usable, key=lambda name: (name != management, name)):
        if name in chosen:
            yield name, chosen[name][0], chosen[name][1]


def _is_known(host: str, name: Any, where: str, networks: Networks, notes: Notes) -> bool:
    """Whether the network can be used; one that is declared but broken has been noted where it is declared."""
    if isinstance(name, str) and name in networks.usable:
        return True
    if not isinstance(name, str) or name not in networks.declared:
        names = ", ".join(networks.declared) or "none so far"
        notes.add(host, where, f"there is no network {shown(name)}", f"The networks of fleet_networks are: {names}")
    return False


def _read_settings(host: str, value: Any, where: str, notes: Notes) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        notes.add(host, where, f"must be a dictionary, found {kind(value)}", "Write for example {interface: eth0}")
        return {}
    for key in value:
        if key not in _KEYS:
            notes.add(host, f"{where}.{key}", "no such setting of a host's network", f"Use only {', '.join(_KEYS)}")
    return value


def _attach(
    host: str,
    network: Network,
    settings: Mapping[str, Any],
    where: str,
    interface: str,
    number: Optional[int],
    notes: Notes,
) -> Attachment:
    ipv4 = _place(host, network.ipv4, settings.get("ipv4"), f"{where}.ipv4", number, notes)
    ipv6 = _place(host, network.ipv6, settings.get("ipv6"), f"{where}.ipv6", number, notes)
    if truth(settings.get("ipv4")) is False and truth(settings.get("ipv6")) is False:
        notes.add(host, where, "has no address of either family", "Leave ipv4 or ipv6 out to have it derived")
    named = settings.get("interface")
    if named is not None:
        if isinstance(named, str) and named.isprintable() and _INTERFACE.fullmatch(named) and named not in _NOT_NAMES:
            interface = named
        else:
            notes.add(
                host,
                f"{where}.interface",
                f"{shown(named)} is not a name for an interface",
                f"Write the name of a card, 1 to {INTERFACE_LONGEST} characters without spaces, / and :",
            )
    mtu: Optional[int] = network.mtu
    if settings.get("mtu") is not None:
        has_ipv6 = network.ipv6 is not None and truth(settings.get("ipv6")) is not False
        mtu = read_mtu(settings["mtu"], has_ipv6, host, f"{where}.mtu", notes)
        if mtu is not None and mtu > network.mtu:
            notes.add(
                host,
                f"{where}.mtu",
                f"{mtu} is more than the {network.mtu} of network {network.name}",
                "Lower it, or raise the network's mtu",
            )
    return Attachment(
        network.name,
        interface,
        ipv4 if isinstance(ipv4, IPv4Interface) else None,
        ipv6 if isinstance(ipv6, IPv6Interface) else None,
        network.mtu if mtu is None else mtu,
    )


def _place(host: str, network: Optional[_NetworkOf], value: Any, where: str, number: Optional[int], notes: Notes) -> Optional[_InterfaceOf]:
    """The host's address in the network: as given, derived from its number, or none when the value is false."""
    if truth(value) is False:
        return None
    if network is None:
        if value is not None:
            notes.add(host, where, "the network has no addresses of this family", "Remove it, or add it to fleet_networks")
        return None
    if value is None:
        if number is None:
            return None
        where, remedy = _NUMBER, "Choose another number, or a larger network"
        if number >= network.num_addresses:
            notes.add(host, where, f"{number} leads out of {network}", remedy)
            return None
        address = network[number]
    else:
        remedy = f"Choose an address in {network}"
        given = _read_address(host, value, network, where, notes)
        if given is None:
            return None
        address = given
    said = _reserved(address, network)
    if said:
        notes.add(host, where, f"{address} is {said} of {network}", remedy)
        return None
    kind_of_interface = IPv4Interface if network.version == 4 else IPv6Interface
    return kind_of_interface(f"{address}/{network.prefixlen}")


def _read_address(host: str, value: Any, network: _NetworkOf, where: str, notes: Notes) -> Any:
    """The address a person wrote, with or without the network's prefix length; None when it cannot be used."""
    remedy = f"Choose an address in {network}"
    text, _slash, prefix = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        address = ip_address(text if "%" not in text else "")
    except ValueError:
        notes.add(host, where, f"{shown(value)} is not an address", remedy)
        return None
    if address.version != network.version:
        notes.add(host, where, f"{address} is IPv{address.version}, not IPv{network.version}", remedy)
    elif address not in network:
        notes.add(host, where, f"{address} is outside {network}", remedy)
    elif prefix not in ("", str(network.prefixlen)):
        notes.add(host, where, f"/{prefix} is not the prefix of {network}", "Write the address alone")
    else:
        return address
    return None


def _reserved(address: Any, network: _NetworkOf) -> str:
    """What the address stands for when no host may have it (RFC 3021 for /31; RFC 4291, 2.6.1 and RFC 6164)."""
    if network.max_prefixlen - network.prefixlen < 2:
        return ""
    if address == network.network_address:
        return "the network address" if network.version == 4 else "the routers' anycast address"
    if network.version == 4 and address == network.broadcast_address:
        return "the broadcast address"
    return ""


def _note_shared_interfaces(host: str, attachments: Sequence[Attachment], notes: Notes) -> None:
    seen: Dict[str, str] = {}
    for place in attachments:
        if place.interface in seen:
            notes.add(
                host,
                f"{_PLACES}.{place.network}.interface",
                f"{place.interface} is already in network {seen[place.interface]}",
                "Give each network an interface of its own",
            )
        seen.setdefault(place.interface, place.network)
