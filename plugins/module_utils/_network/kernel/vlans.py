# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VLANs of a bridge's ports, as bridge-vlan(8) has them."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from ..model import Interface, Vlan

LARGEST = 4094
PROTOCOLS = {"[33024]": "802.1Q", "[34984]": "802.1ad"}
"""How ``ip -N`` shows the protocol of VLANs (ETH_P_8021Q and ETH_P_8021AD in linux/if_ether.h), and how it is set."""
Words = Tuple[str, ...]


def _each(vlans: Iterable[Vlan]) -> Dict[int, Tuple[bool, bool]]:
    """Number -> whether it is the port's own (PVID), and whether frames leave untagged."""
    return {number: (one.pvid, one.untagged) for one in vlans for number in range(one.first, one.last + 1)}


def canonical(vlans: Iterable[Vlan]) -> Tuple[Vlan, ...]:
    """The same in order, in as few ranges as there can be."""
    return joined(Vlan(number, number, pvid, untagged) for number, (pvid, untagged) in sorted(_each(vlans).items()))


def joined(ordered: Iterable[Vlan]) -> Tuple[Vlan, ...]:
    """Ranges that are in order with neighbours made one; a PVID stands alone, since bridge(8) takes it in no range."""
    found: List[Vlan] = []
    for one in ordered:
        last = found[-1] if found else None
        if last and last.last == one.first - 1 and last.untagged == one.untagged and not one.pvid and not last.pvid:
            found[-1] = Vlan(last.first, one.last, False, one.untagged)
        else:
            found.append(one)
    return tuple(found)


def by_default(default: int) -> Tuple[Vlan, ...]:
    """What the kernel gives a port when it joins a bridge with this vlan_default_pvid; 0 is none."""
    return (Vlan(default, default, True, True),) if default else ()


def with_default(vlans: Sequence[Vlan], default: int) -> Tuple[Vlan, ...]:
    """What a port has that joins such a bridge and is then given these. It stays in the default VLAN too, untagged: so do
    NetworkManager and systemd-networkd leave it.
    """
    if not default or any(one.first <= default <= one.last for one in vlans):
        return canonical(vlans)
    pvid = not any(one.pvid for one in vlans)
    return canonical([*vlans, Vlan(default, default, pvid, True)])


def pvid_of(vlans: Iterable[Vlan]) -> int:
    """The VLAN of frames that come without a tag; 0 when they are dropped."""
    return next((one.first for one in vlans if one.pvid), 0)


def includes(vlans: Iterable[Vlan], number: int) -> bool:
    return any(one.first <= number <= one.last for one in vlans)


def less(vlans: Iterable[Vlan], others: Iterable[Vlan]) -> Tuple[Vlan, ...]:
    """The VLANs whose numbers are not among those of the others."""
    gone = _each(others)
    return canonical(Vlan(number, number) for number in _each(vlans) if number not in gone)


def requests(name: str, wanted: Sequence[Vlan], surplus: Sequence[Vlan], itself: bool) -> Iterator[Words]:
    """The lines for ``bridge -batch``. ``itself``: the interface is the bridge. First what is wanted, so that nothing that stays
    is missing in between; VLANs that are not there may be deleted.
    """
    end = ("self",) if itself else ()
    for one in wanted:
        flags = (*(("pvid",) if one.pvid else ()), *(("untagged",) if one.untagged else ()))
        yield ("vlan", "add", "dev", name, "vid", span(one), *flags, *end)
    for one in less(surplus, wanted):
        yield ("vlan", "del", "dev", name, "vid", span(one), *end)


def span(vlan: Vlan) -> str:
    return str(vlan.first) if vlan.first == vlan.last else f"{vlan.first}-{vlan.last}"


def default_pvid(interface: Interface) -> int:
    """That of a bridge that is ``pinned`` and filters VLANs."""
    return int(interface.options.get("vlan_default_pvid", "1"))


def filters(interface: Interface) -> bool:
    return interface.type == "bridge" and interface.options.get("vlan_filtering") == "1"
