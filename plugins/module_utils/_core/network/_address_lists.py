# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_ignored_addresses`` and ``network_absent_addresses``."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any, Callable, List, Mapping, Sequence, Tuple

from ._read import Place, address, network, sequence
from .model import Interface

IGNORED, ABSENT = "network_ignored_addresses", "network_absent_addresses"


def read_address_lists(
    given: Mapping[str, Any], written: Sequence[Tuple[Interface, Place]], at: Callable[[str], Place]
) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """The networks that are ignored and the addresses that are to be absent, without those that contradict each other."""
    ignored, absent = _networks(given.get(IGNORED), at(IGNORED)), _addresses(given.get(ABSENT), at(ABSENT))
    for interface, place in written:
        for one in interface.addresses:
            if one.ip in absent:
                place.note(f"{one.ip} is in {ABSENT} too", "Remove one of the two")
            elif is_ignored(one.ip, ignored):
                place.note(f"{one.ip} is in {IGNORED} too", "Remove one of the two: an ignored address is added by a program")
    for ip in absent:
        if is_ignored(ip, ignored):
            at(ABSENT).note(f"{ip} is in {IGNORED} too", "Remove one of the two")
    return tuple(ignored), tuple(absent)


def is_ignored(ip: str, ignored: Sequence[str]) -> bool:
    """Whether the address is in one of the networks."""
    return any(ip_address(ip) in ip_network(one) for one in ignored)


def _networks(value: Any, place: Place) -> List[str]:
    found: List[str] = []
    for index, entry in enumerate(sequence(value, "[192.0.2.100, 198.51.100.0/24]", place)):
        one = network(entry, place / index)
        if one and ip_network(one).prefixlen == 0:
            (place / index).note(f"{one} is every address", "Write the addresses that programs add")
        elif one and one not in found:
            found.append(one)
    return found


def _addresses(value: Any, place: Place) -> List[str]:
    found = [address(entry, 0, place / index) for index, entry in enumerate(sequence(value, "[192.0.2.100]", place))]
    return list(dict.fromkeys(one for one in found if one))
