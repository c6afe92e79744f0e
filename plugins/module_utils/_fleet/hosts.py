# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading one host: its name, its number and its place in each network."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import routed
from .model import MANAGEMENT, Attachment, Host, Network
from .networks import MTU_IPV6, Networks, read_mtu
from .purposes import choose
from .values import Notes, integer, is_domain, kind, shown, truth
from .variables import FLEET_WIDE

INTERFACE_LONGEST = 15  # IFNAMSIZ in linux/if.h is 16 with the final NUL

_INTERFACE = re.compile(r"[^/:\s]{1,15}")
_NOT_NAMES = (".", "..", "all", "default", "lo")
"""What no card can be called, or what names more than one in /proc/sys/net."""
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
_KEYS = ("interface", "ipv4", "ipv6", "mac", "mtu")
_KEYS_ROUTED = ("interface", *routed.KEYS, "mac", "mtu")
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
    purposes: Mapping[str, str],
    notes: Notes,
) -> Host:
    """The host as far as it can be read; notes what is wrong with the rest. It depends on no other host.

    ``purposes`` are those of the fleet: purpose -> network.
    """
    number = _read_number(name, variables, notes)
    attachments: List[Attachment] = []
    members = _read_places(name, variables.get(_PLACES), networks, notes)
    chosen = choose(name, variables, purposes, members, networks, notes)
    places = [(network, *members[network]) for network in sorted(members, key=lambda network: (network != chosen.get(MANAGEMENT), network))]
    for position, (network, settings, where) in enumerate(places):
        attachments.append(_attach(name, networks.usable[network], settings, where, f"eth{position}", number, notes))
    _note_shared_interfaces(name, attachments, notes)
    _note_double_addresses(name, attachments, notes)
    if _number_is_missing(variables, number, places, networks):
        notes.add(name, _NUMBER, "is not set", "Give the host a number of its own: its addresses are network + number")
    own = {key: value for key, value in variables.items() if key not in FLEET_WIDE}
    fqdn = _read_fqdn(name, variables.get("fleet_host_fqdn"), domain, notes)
    return Host(name, fqdn, groups, tuple(attachments), chosen, own)


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


def _read_places(host: str, value: Any, networks: Networks, notes: Notes) -> Dict[str, Tuple[Mapping[str, Any], str]]:
    """network -> (settings, path of the variable) for each network that the host is in."""
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
            chosen[name] = (_read_settings(host, settings, networks.usable[name], where, notes), where)
    else:
        chosen = {name: ({}, _PLACES) for name in networks.usable}
        if value is not None:
            notes.add(host, _PLACES, f"must be a list or a dictionary, found {kind(value)}", "Write for example [main]")
    return chosen


def _is_known(host: str, name: Any, where: str, networks: Networks, notes: Notes) -> bool:
    """Whether the network can be used; one that is declared but broken has been noted where it is declared."""
    if isinstance(name, str) and name in networks.usable:
        return True
    if not isinstance(name, str) or name not in networks.declared:
        names = ", ".join(networks.declared) or "none so far"
        notes.add(host, where, f"there is no network {shown(name)}", f"The networks of fleet_networks are: {names}")
    return False


def _read_settings(host: str, value: Any, network: Network, where: str, notes: Notes) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        notes.add(host, where, f"must be a dictionary, found {kind(value)}", "Write for example {interface: eth0}")
        return {}
    keys = _KEYS_ROUTED if network.routed else _KEYS
    for key in value:
        if key in _KEYS_ROUTED and key not in keys:
            notes.add(host, f"{where}.{key}", f"the network {network.name} is shared, and only in a routed one hosts have gateways", "Use network_routes")
        elif key not in keys:
            notes.add(host, f"{where}.{key}", "no such setting of a host's network", f"Use only {', '.join(keys)}")
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
    if network.routed:
        ipv4, gateway4, ipv6, gateway6 = routed.read_place(host, network.name, settings, where, notes)
    else:
        ipv4, ipv6 = _read_shared(host, network, settings, where, number, notes)
        gateway4 = gateway6 = None
    if ipv6 is not None and network.mtu < MTU_IPV6:
        message = f"network {network.name} has an mtu of {network.mtu}, which cannot carry IPv6"
        notes.add(host, f"{where}.ipv6", message, f"Raise the network's mtu to {MTU_IPV6} or more, or take IPv6 away")
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
        has_ipv6 = ipv6 is not None
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
        ipv4,
        ipv6,
        network.mtu if mtu is None else mtu,
        gateway4,
        gateway6,
        _read_mac(host, settings.get("mac"), f"{where}.mac", notes),
    )


def _read_shared(
    host: str, network: Network, settings: Mapping[str, Any], where: str, number: Optional[int], notes: Notes
) -> Tuple[Optional[IPv4Interface], Optional[IPv6Interface]]:
    """The host's addresses in a shared network."""
    ipv4 = _place(host, network.ipv4, settings.get("ipv4"), f"{where}.ipv4", number, notes)
    ipv6 = _place(host, network.ipv6, settings.get("ipv6"), f"{where}.ipv6", number, notes)
    if truth(settings.get("ipv4")) is False and truth(settings.get("ipv6")) is False:
        notes.add(host, where, "has no address of either family", "Leave ipv4 or ipv6 out to have it derived")
    return ipv4 if isinstance(ipv4, IPv4Interface) else None, ipv6 if isinstance(ipv6, IPv6Interface) else None


def _read_mac(host: str, value: Any, where: str, notes: Notes) -> str:
    if value is None:
        return ""
    mac = value.lower() if isinstance(value, str) else ""
    if not _MAC.fullmatch(mac) or mac == "00:00:00:00:00:00":
        notes.add(host, where, f"{shown(value)} is not the MAC of a card", 'Write it in quotes, such as "52:54:00:12:34:56"')
        return ""
    return mac


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
    said = routed.reserved(address, network)
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


def _note_double_addresses(host: str, attachments: Sequence[Attachment], notes: Notes) -> None:
    seen: Dict[str, str] = {}
    for place in attachments:
        for address in place.addresses:
            if seen.setdefault(address, place.network) != place.network:
                message = f"{address} is the host's address in the network {seen[address]} too"
                notes.add(host, f"{_PLACES}.{place.network}", message, "Give it to one of them")
