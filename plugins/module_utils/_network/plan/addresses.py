# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the plan about addresses: first all that are new, at the very end those that nobody wants any more."""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

from ..model import Address, Desired, Interface, Observed, Operation
from .along import kept_addresses
from .draft import Draft, address_words, goes_down, restore


def donors(interface: Interface, family: int, desired: Desired, observed: Observed) -> Tuple[str, ...]:
    """Where the leased addresses of an interface come from when it has none of its own yet.

    They move along with the MAC: from the ports of a new bridge or bond, or back from such a one to its port.
    """
    wish = interface.ipv4 if family == 4 else interface.ipv6
    if interface.absent or not wish.dynamic or _leased(observed.addresses.get(interface.name, ()), family):
        return ()
    managed = {one.name: one for one in desired.interfaces}
    link = observed.links.get(interface.name)
    near = [*interface.ports, *([link.master] if link is not None and link.master else [])]
    found = []
    for name in near:
        other = managed.get(name)
        if other is None or not _leased(observed.addresses.get(name, ()), family):
            continue
        if other.absent or not (other.ipv4 if family == 4 else other.ipv6).dynamic:
            found.append(name)
    return tuple(found)


def _leased(addresses: Tuple[Address, ...], family: int) -> Tuple[Address, ...]:
    return tuple(one for one in addresses if one.dynamic and not one.link_local and one.family == family)


def final(desired: Desired, observed: Observed) -> Dict[str, Tuple[Address, ...]]:
    """The addresses of each managed interface in the end, less the link-local ones."""
    found: Dict[str, Tuple[Address, ...]] = {}
    for interface in desired.interfaces:
        if interface.absent:
            found[interface.name] = ()
            continue
        wanted = list(interface.addresses)
        for family, wish in ((4, interface.ipv4), (6, interface.ipv6)):
            sources = [interface.name] if wish.dynamic else []
            for name in [*sources, *donors(interface, family, desired, observed)]:
                leased = _leased(observed.addresses.get(name, ()), family)
                wanted += [one for one in leased if one not in wanted]
        wanted += [one for one in kept_addresses(interface.name, desired, observed) if one not in wanted]
        found[interface.name] = tuple(wanted)
    return found


def plan_addresses(draft: Draft, by_hand: Mapping[str, Address]) -> None:
    """Nothing is taken away before what replaces it is there. ``by_hand``: link-local addresses already planned."""
    wanted = final(draft.desired, draft.observed)
    for interface in draft.desired.interfaces:
        name = interface.name
        have = draft.on(name)
        clash = {one.ip for one in have if one.family == 6 and one not in wanted[name]}
        draft.switch += [_add(name, one) for one in wanted[name] if one not in have and one.ip not in clash]


def plan_removals(draft: Draft) -> None:
    """The addresses that nobody wants any more, secondary ones first: the kernel may drop them with their primary."""
    wanted = final(draft.desired, draft.observed)
    for interface in draft.desired.interfaces:
        name = interface.name
        have = draft.on(name)
        keep_local = interface.ipv6.enabled and not interface.absent
        gone = [one for one in have if one not in wanted[name] and not (one.link_local and keep_local)]
        if goes_down(name, draft):
            gone = []  # they went before it was let in
        heirs = _heirs(wanted[name], have)
        alone = [one for one in (Address(heir.ip, 32) for heir in heirs) if one not in wanted[name]]
        draft.switch += [_add(name, one) for one in alone if one not in have]
        for address in reversed([one for one in gone if one not in alone]):
            words = address_words("del", name, address)
            draft.switch.append(Operation("delete_address", name, words, restore(name, draft.observed)))
        for address in wanted[name]:
            if any(address.ip == one.ip and address.family == 6 for one in gone):
                draft.switch.append(_add(name, address))  # IPv6 has no address twice, with two prefix lengths
        for heir in heirs:
            # whatever the kernel did with it when its primary went: afterwards it is there
            back = (address_words("del", name, heir),)
            draft.switch.append(Operation("add_address", name, address_words("replace", name, heir), back))
        for one in alone:
            kept = restore(name, draft.observed) if one in have else (address_words("add", name, one),)
            draft.switch.append(Operation("delete_address", name, address_words("del", name, one), kept))


def _add(name: str, address: Address) -> Operation:
    return Operation("add_address", name, address_words("add", name, address), (address_words("del", name, address),))


def _heirs(wanted: Tuple[Address, ...], have: Tuple[Address, ...]) -> List[Address]:
    """IPv4 addresses that are, or would be, secondary to one that goes.

    The kernel deletes them with it unless the sysctl promote_secondaries is set, so for that moment each is there a
    second time, alone in a prefix of 32 bits.
    """
    primary: Dict[str, Address] = {}
    for one in have:
        if one.family == 4:
            primary.setdefault(str(one.network), one)
    leaving = {network for network, one in primary.items() if one not in wanted}
    return [one for one in wanted if one.family == 4 and (one.peer or not one.alone) and str(one.network) in leaving]
