# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading single values of ``network_*``: each function notes what is wrong and goes on with something harmless."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ..fleet.values import Notes, integer, kind, shown, truth

NAME_LONGEST = 15  # IFNAMSIZ in linux/if.h is 16 with the final NUL
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")  # the kernel takes more, which a shell or a file of a program would not
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_RESERVED = re.compile(r"sf-(up|dn)[0-9]+")
_NOBODY = (IPv4Address("255.255.255.255"),)
_NOT_NAMES = (".", "..", "all", "default")
LOOPBACK_REMEDY = "Remove it; an interface of type dummy can have its addresses"


@dataclass(frozen=True)
class Place:
    """Where in a host's variables something is written, and where to note what is wrong with it."""

    host: str
    path: str
    notes: Notes

    def __truediv__(self, key: Union[str, int]) -> Place:
        path = f"{self.path}[{key}]" if isinstance(key, int) else f"{self.path}.{key}"
        return Place(self.host, path, self.notes)

    def note(self, message: str, remedy: str) -> None:
        self.notes.add(self.host, self.path, message, remedy)

    @property
    def noted(self) -> bool:
        """Whether something is wrong here or below, so that what follows from it need not be noted too."""
        here = [one.variable for one in self.notes.problems if one.host == self.host and one.variable.startswith(self.path)]
        return any(one == self.path or one[len(self.path)] in ".[" for one in here)


def mapping(value: Any, known: Sequence[str], example: str, place: Place) -> Dict[str, Any]:
    """A dictionary with nmstate's keys, for which ``_`` counts as ``-``. Keys that nobody knows are noted."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        place.note(f"must be a dictionary, found {kind(value)}", f"Write for example {example}")
        return {}
    found: Dict[str, Any] = {}
    for key, inner in value.items():
        name = str(key).replace("_", "-")
        if name in known:
            found[name] = inner
        else:
            unknown(str(key), known, place / str(key), "no such setting")
    return found


def unknown(key: str, known: Sequence[str], place: Place, message: str) -> None:
    """Note a key that nobody knows, with the one that was probably meant."""
    near = difflib.get_close_matches(key[:64], known, n=1, cutoff=0.65)
    place.note(f"{message}; did you mean {near[0]}" if near else message, f"Write {near[0]}" if near else f"Use {', '.join(known)}")


def entry_of(value: Any, known: Sequence[str], example: str, place: Place) -> Dict[str, Any]:
    """A dictionary in a list, which has something in it."""
    if isinstance(value, Mapping) and not value:
        place.note("has no value", "Write one, or remove the line")
    return mapping(value, known, example, place)


def sequence(value: Any, example: str, place: Place) -> List[Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return list(value)
    place.note(f"must be a list, found {kind(value)}", f"Write for example {example}")
    return []


def boolean(value: Any, default: bool, place: Place) -> bool:
    found = default if value is None else truth(value)
    if found is None:
        place.note(f"{shown(value)} is neither true nor false", "Write true or false")
        return default
    return found


def number(value: Any, low: int, high: int, what: str, place: Place) -> Optional[int]:
    """A whole number from ``low`` to ``high``; None when there is none."""
    if value is None:
        return None
    found = integer(value)
    if found is None or not low <= found <= high:
        place.note(f"{shown(value)} is not {what}", f"Write a whole number from {low} to {high}")
        return None
    return found


def name(value: Any, place: Place) -> str:
    """The name of an interface as the kernel takes it; empty when it is none."""
    if not isinstance(value, str) or not value:
        place.note(f"must be the name of an interface, found {kind(value)}", "Write for example eth0")
    elif len(value) > NAME_LONGEST:
        place.note(f"{value} has {len(value)} characters, and the kernel takes at most {NAME_LONGEST}", "Choose a shorter name")
    elif not _NAME.fullmatch(value) or value in _NOT_NAMES:
        place.note(f"{shown(value)} cannot be the name of an interface", "Use letters, digits, . _ and -")
    elif value == "lo":
        place.note("the loopback interface is not managed", LOOPBACK_REMEDY)
    elif _RESERVED.fullmatch(value):
        place.note(f"{value} is the name of a temporary interface", "Choose another name")
    else:
        return value
    return ""


def mac(value: Any, place: Place) -> str:
    """A MAC in small letters; empty when there is none."""
    if value is None:
        return ""
    text = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(text) or text == "00:00:00:00:00:00":
        place.note(f"{shown(value)} is not a MAC address", 'Write for example "02:00:00:00:00:01", with quotes')
        return ""
    if int(text[:2], 16) & 1:
        place.note(f"{text} is a group address", "Write the address of one interface: its first octet is even")
        return ""
    return text


def address(value: Any, family: int, place: Place) -> str:
    """An address of one host in canonical form; empty when it is none. ``family`` 0 takes both."""
    example = "2001:db8::10" if family == 6 else "192.0.2.10"
    try:
        if not isinstance(value, str) or "/" in value or "%" in value:
            raise ValueError
        found: Union[IPv4Address, IPv6Address] = ip_address(value)
    except ValueError:
        place.note(f"{shown(value)} is not an address", f"Write for example {example}")
        return ""
    if family and found.version != family:
        place.note(f"{found} is IPv{found.version}, not IPv{family}", f"Write it under ipv{found.version}")
    elif found.is_multicast or found.is_loopback or found.is_unspecified or found in _NOBODY:
        place.note(f"{found} is not the address of one host", f"Write for example {example}")
    else:
        return str(found)
    return ""


def network(value: Any, place: Place) -> str:
    """A network in canonical form; empty when it is none. An address stands for itself, but not ``0.0.0.0`` and ``::``."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        found = ip_network(value, strict=False)
    except ValueError:
        place.note(f"{shown(value)} is not a network", "Write for example 198.51.100.0/24, or 0.0.0.0/0 or ::/0 for every address")
        return ""
    if "/" not in value and found.network_address.is_unspecified:
        place.note(f"{value} is not a network without its prefix length", f"Write {value}/0 for every address")
    elif ip_address(value.split("/")[0]) != found.network_address:
        place.note(f"{value} is not a network, but an address in {found}", f"Write {found}, or {value.split('/')[0]} for that address alone")
    else:
        return str(found)
    return ""


def choice(value: Any, known: Sequence[str], default: str, place: Place) -> str:
    found = default if value is None else value
    if found not in known:
        place.note(f"{shown(value)} is not accepted", f"Use one of {', '.join(known)}")
        return default
    return str(found)


def add_port(port: str, ports: List[str], place: Place) -> None:
    """Add a port to those of a bridge or a bond, unless it is there."""
    if port in ports:
        place.note(f"{port} is there twice", "Write each port once")
    elif port:
        ports.append(port)
