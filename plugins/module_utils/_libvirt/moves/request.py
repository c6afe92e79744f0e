# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody asks for, interface by interface, as moves guest by guest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..._shared.addresses import read_address
from ..domain import MODES
from .interfaces import Attachment
from .macvtap import Link
from .plan import Guest, Move

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class Request:
    """One interface of a guest, by its MAC or because it is the only one, and what it shall hang on."""

    guest: str
    to: Attachment
    mac: str = ""
    method: str = "suspend"
    ip: str = ""
    timeout: float = 15.0


def malformed(requests: Sequence[Request]) -> List[str]:
    """What can be told to be wrong without a look at the host."""
    found: List[str] = []
    for number, one in enumerate(requests):
        where = f"interfaces[{number}]"
        if not one.guest or "/" in one.guest:
            found.append(f"{where}.guest: {one.guest!r} is not the name of a guest. See virsh list --all")
        if one.mac and not _MAC.fullmatch(one.mac.lower()):
            found.append(f"{where}.mac: {one.mac} is not a MAC. Write six pairs of hexadecimal digits with colons")
        if not 1 <= len(one.to.source) <= 15 or set(one.to.source) & set("/ "):
            found.append(f"{where}.source: {one.to.source!r} is not the name of an interface. Write for example br0")
        if one.to.type == "direct" and one.to.mode not in MODES:
            found.append(f"{where}.mode: {one.to.mode} is no mode. Write one of {', '.join(MODES)}")
        if one.ip and not is_address(one.ip):
            found.append(f"{where}.answer.ip: {one.ip} is not an address. Write for example 192.0.2.21")
        if one.ip and not 0 < one.timeout <= 600:
            found.append(f"{where}.answer.timeout: {one.timeout:g} s cannot be waited. Write 1 to 600")
        for other in requests[:number]:
            if other.guest == one.guest and other.method != one.method:
                found.append(f"{where}.method: {one.guest} is moved as a whole. Give all its interfaces the same method")
    return found


def is_address(text: str) -> bool:
    """Whether this is an address of IPv4 or IPv6."""
    try:
        read_address(text)
    except ValueError:
        return False
    return True


def moves(requests: Sequence[Request], guests: Mapping[str, Guest], define: bool = True) -> Tuple[List[Move], List[str]]:
    """A move for each guest, and what is wrong. Guests that are not there are left to whoever plans the move."""
    to: Dict[str, Dict[str, Attachment]] = {}
    problems: List[str] = []
    for number, one in enumerate(requests):
        known = _macs(guests.get(one.guest))
        mac = one.mac.lower() or (known[0] if len(known) == 1 else "")
        if one.guest in guests and not mac:
            problems.append(f"interfaces[{number}].mac: {one.guest} has the interfaces {', '.join(known) or 'none'}. Say which")
        elif mac in to.get(one.guest, {}):
            problems.append(f"interfaces[{number}]: {mac} of {one.guest} is there twice. Leave one out")
        else:
            to.setdefault(one.guest, {})[mac] = one.to
    methods = {one.guest: one.method for one in requests}
    return [Move(guest, methods[guest], wanted, define) for guest, wanted in to.items()], problems


def _macs(guest: Optional[Guest]) -> List[str]:
    domains = [] if guest is None else [guest.live or guest.image, guest.definition]
    return list(dict.fromkeys(nic.mac for domain in domains if domain is not None for nic in domain.nics))


def unfit(requests: Sequence[Request], links: Mapping[str, Link]) -> List[str]:
    """Why an interface of this host cannot carry a guest."""
    found = [said for number, one in enumerate(requests) for said in _unfit(f"interfaces[{number}].source", one.to, links)]
    return list(dict.fromkeys(found))


def _unfit(where: str, to: Attachment, links: Mapping[str, Link]) -> Iterator[str]:
    link = links.get(to.source)
    if link is None:
        yield f"{where}: this host has no {to.source}. It has {', '.join(sorted(links))}"
    elif to.type == "bridge" and link.kind != "bridge":
        yield f"{where}: {to.source} is {link.kind or 'a card'}, not a bridge. Name a bridge, or use type: direct"
    elif to.type == "direct" and link.master:
        yield f"{where}: {to.source} is a port of {link.master}, which lets no macvtap on it. Use type: bridge, source: {link.master}"
    elif to.type == "direct" and to.mode == "passthrough" and any(one.lower == to.source for one in links.values()):
        yield f"{where}: {to.source} carries others, and passthrough wants it alone. Use another mode"
