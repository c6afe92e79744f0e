# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields of single values of ``network_*``: names of interfaces, MACs, addresses, networks."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Mapping, Union

from ..._fleet.fields import Field, Option, table_of, whole
from ..._fleet.places import BLANK, REFUSED, Place
from ..._fleet.values import integer, is_domain, kind, shown
from ..kernel.vlans import LARGEST as VLAN_LARGEST

NAME_LONGEST = 15  # IFNAMSIZ in linux/if.h is 16 with the final NUL
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")  # the kernel takes more, which a shell or a file of a program would not
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_RESERVED = re.compile(r"sf-(up|dn)[0-9]+")
_NOBODY = (IPv4Address("255.255.255.255"),)
_NOT_NAMES = (".", "..", "all", "default")
LOOPBACK_REMEDY = "Remove it; an interface of type dummy can have its addresses"
_TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1}


def _name(value: Any, place: Place) -> Any:
    """The name of an interface as the kernel takes it."""
    if not isinstance(value, str) or not value:
        return place.refuse(f"expected the name of an interface, got {kind(value)}", "Write for example eth0")
    if len(value) > NAME_LONGEST:
        return place.refuse(f"{value} has {len(value)} characters, and the kernel takes at most {NAME_LONGEST}", "Choose a shorter name")
    if not _NAME.fullmatch(value) or value in _NOT_NAMES:
        return place.refuse(f"{shown(value)} cannot be the name of an interface", "Use letters, digits, . _ and -")
    if value == "lo":
        return refuse_loopback(place)
    if _RESERVED.fullmatch(value):
        return place.refuse(f"{value} is the name of a temporary interface", "Choose another name")
    return value


def refuse_loopback(place: Place) -> Any:
    return place.refuse("the loopback interface is not managed", LOOPBACK_REMEDY)


def _mac(value: Any, place: Place) -> Any:
    """A MAC in small letters."""
    text = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(text) or text == "00:00:00:00:00:00":
        return place.refuse(f"{shown(value)} is not a MAC address", 'Write for example "02:00:00:00:00:01", with quotes')
    if int(text[:2], 16) & 1:
        return place.refuse(f"{text} is a group address", "Write the address of one interface: its first octet is even")
    return text


def _network(value: Any, place: Place) -> Any:
    """A network in canonical form. An address stands for itself, but not ``0.0.0.0`` and ``::``."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        network = ip_network(value, strict=False)
    except ValueError:
        return place.refuse(f"{shown(value)} is not a network", "Write for example 198.51.100.0/24, or 0.0.0.0/0 or ::/0 for every address")
    if "/" not in value and network.network_address.is_unspecified:
        return place.refuse(f"{value} is not a network without its prefix length", f"Write {value}/0 for every address")
    if ip_address(value.split("/")[0]) != network.network_address:
        remedy = f"Write {network}, or {value.split('/')[0]} for that address alone"
        return place.refuse(f"{value} is not a network, but an address in {network}", remedy)
    return str(network)


def _vlan_id(value: Any, place: Place) -> Any:
    given = integer(value)
    if given is None or not 1 <= given <= VLAN_LARGEST:
        remedy = f"Write a whole number from 1 to {VLAN_LARGEST}"
        return place.refuse(f"{shown(value)} is not a VLAN (IEEE 802.1Q: 0 and 4095 are reserved)", remedy)
    return given


def _domain(value: Any, place: Place) -> Any:
    return value if is_domain(value) else place.refuse(f"{shown(value)} is not a domain", "Write it in small letters, such as example.net")


LINK = Field("str", _name, _TEXT)
LINK_OR_LOOPBACK = Field("str", lambda value, place: value if value == "lo" else _name(value, place), _TEXT)
"""With lo, by which the host's own packets come in."""
MAC = Field("str", _mac, _TEXT)
NETWORK = Field("str", _network, _TEXT)
DOMAIN = Field("str", _domain, _TEXT)
VLAN_ID = replace(whole(1, VLAN_LARGEST, ""), parse=_vlan_id)


def address(family: int = 0) -> Field:
    """An address of one host. Gives it in canonical form. ``family`` 0 takes both."""
    example = "2001:db8::10" if family == 6 else "192.0.2.10"

    def parse(value: Any, place: Place) -> Any:
        try:
            if not isinstance(value, str) or "/" in value or "%" in value:
                raise ValueError
            given: Union[IPv4Address, IPv6Address] = ip_address(value)
        except ValueError:
            return place.refuse(f"{shown(value)} is not an address", f"Write for example {example}")
        if given.is_multicast or given.is_loopback or given.is_unspecified or given in _NOBODY:
            return place.refuse(f"{given} is not the address of one host", f"Write for example {example}")
        return str(given) if of_family(str(given), family or given.version, place) else REFUSED

    return Field("str", parse, _TEXT)


def of_family(ip: str, family: int, place: Place) -> bool:
    """Whether the address is of the family; notes it if not."""
    version = 6 if ":" in ip else 4
    if version != family:
        place.refuse(f"{ip} is IPv{version}, not IPv{family}", f"Write it under ipv{version}")
    return version == family


def settings(options: Mapping[str, Option], what: str, example: str, empty: bool = True) -> Field:
    """A dictionary with nmstate's keys, for which ``_`` and ``-`` are the same; one in a list must not be ``empty``."""
    table = table_of(options, what, example, hyphens=True)
    if empty:
        return table

    def parse(value: Any, place: Place) -> Any:
        return place.refuse(BLANK, "Write one, or remove the line") if value == {} else table.parse(value, place)

    return Field(table.type, parse, table.schema, table.fits, options=table.options)
