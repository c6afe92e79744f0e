# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_ignored_addresses`` and ``network_absent_addresses``."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Callable, List, Sequence, Tuple

from ..._fleet.fields import list_of
from ..._fleet.places import Items, Place
from ..model import Interface
from .values import NETWORK, address

IGNORED, ABSENT = "network_ignored_addresses", "network_absent_addresses"
NETWORKS, ADDRESSES = list_of(NETWORK, "[192.0.2.100, 198.51.100.0/24]"), list_of(address(), "[192.0.2.100]")


def read_address_lists(
    networks: Items, addresses: Items, written: Sequence[Tuple[Interface, Place]], at: Callable[[str], Place]
) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """The networks that are ignored and the addresses that are to be absent; notes those that contradict each other."""
    ignored, absent = _limited(networks), list(dict.fromkeys(addresses))
    for interface, place in written:
        for one in interface.addresses:
            if one.ip in absent:
                place.refuse(f"{one.ip} is in {ABSENT} too", "Remove one of the two")
            elif is_ignored(one.ip, ignored):
                place.refuse(f"{one.ip} is in {IGNORED} too", "Remove one of the two: an ignored address is added by a program")
    for ip in absent:
        if is_ignored(ip, ignored):
            at(ABSENT).refuse(f"{ip} is in {IGNORED} too", "Remove one of the two")
    return tuple(ignored), tuple(absent)


def is_ignored(ip: str, ignored: Sequence[str]) -> bool:
    """Whether the address is in one of the networks."""
    return any(ip_address(ip) in ip_network(one) for one in ignored)


def _limited(networks: Items) -> List[str]:
    limited: List[str] = []
    for one, place in zip(networks, networks.places):
        if ip_network(one).prefixlen == 0:
            place.refuse(f"{one} is every address", "Write the addresses that programs add")
        elif one not in limited:
            limited.append(one)
    return limited
