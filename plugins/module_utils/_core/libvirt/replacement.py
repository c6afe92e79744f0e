# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All guests of a host from macvtap to a bridge, and the host with them.

The kernel lets a card join a bridge only when no macvtap is on it, so the guests go first: to a bridge that is made beside
the card and has its MAC, where they are alone. Then the card joins, with the host's addresses, by a confirmed change; at
that moment the guests have their network again. Only when they answer the host, that change is confirmed; otherwise the
host takes it back, and the guests return to their macvtaps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .interfaces import Attachment, bridge
from .macvtap import Link, Member
from .move import Entry, Guest, Move, back, expected, longest_first, plan

MARK = "made by smallfleet for guests that leave macvtap"
"""The alias of a bridge that is only made beside; it is gone when the bridge is the host's own."""
SWITCH_SECONDS = 3.0
"""From the last guest on the bridge until the card joins it: two calls of the controller, and its delay of a second."""


@dataclass(frozen=True)
class Wish:
    """How one guest shall be moved, and the address at which it must answer afterwards."""

    method: str = "suspend"
    ip: str = ""


@dataclass(frozen=True)
class Scene:
    """What is seen on the host, and what the inventory says: ``bridges`` maps each bridge to its ports."""

    links: Mapping[str, Link]
    guests: Mapping[str, Guest]
    entries: Mapping[str, Entry] = field(default_factory=dict)
    members: Sequence[Member] = ()
    bridges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mac_filter: bool = False


@dataclass(frozen=True)
class Beside:
    """A bridge that is made beside a card, with its MAC and MTU and nothing of IPv6 on its own."""

    name: str
    card: Link

    @property
    def commands(self) -> Tuple[Tuple[str, ...], ...]:
        make = f"ip link add name {self.name} address {self.card.mac} mtu {self.card.mtu} type bridge stp_state 0"
        mute = f"ip link set dev {self.name} addrgenmode none"
        return (
            tuple(make.split()),
            ("ip", "link", "set", "dev", self.name, "alias", MARK),
            tuple(mute.split()),
            tuple(f"ip link set dev {self.name} up".split()),
        )

    def __str__(self) -> str:
        return f"make the bridge {self.name} beside {self.card.name}, with its MAC {self.card.mac}"


@dataclass(frozen=True)
class Order:
    """What is to be done with the guests before the card joins the bridge. With ``problems`` nothing is."""

    beside: Tuple[Beside, ...] = ()
    moves: Tuple[Move, ...] = ()
    problems: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()


def arrange(scene: Scene, wishes: Mapping[str, Wish], rate: float = 0.0) -> Order:
    """Deterministic. A guest is moved when an interface of it hangs on a card that the inventory makes a bridge's port,
    or did when a run was cut off. What is in the way is told all at once: what, where, and a remedy."""
    bridge_of = {port: name for name, ports in sorted(scene.bridges.items()) for port in ports}
    moves = [move for guest in scene.guests.values() for move in _moves(guest, scene.entries.get(guest.uuid), bridge_of, wishes)]
    problems = [*_host(scene, bridge_of, moves), *_wishes(scene, wishes, moves)]
    for move in moves:
        guest = scene.guests[move.guest]
        problems += plan(move, guest, scene.entries.get(guest.uuid)).problems
    cards = {mac_card for move in moves for mac_card in _cards(scene.guests[move.guest], scene.entries, bridge_of)}
    beside = [Beside(bridge_of[card], scene.links[card]) for card in sorted(cards) if bridge_of[card] not in scene.links]
    if problems:
        return Order(problems=tuple(problems))
    return Order(tuple(beside), tuple(longest_first(moves, scene.guests, rate)), (), tuple(_left(scene, bridge_of)))


def _moves(guest: Guest, entry: Optional[Entry], bridge_of: Mapping[str, str], wishes: Mapping[str, Wish]) -> Iterator[Move]:
    to: Dict[str, Attachment] = {}
    for domain in (guest.live, guest.image, guest.definition):
        for nic in domain.nics if domain is not None else ():
            if nic.at.type == "direct" and nic.at.source in bridge_of:
                to[nic.mac] = bridge(bridge_of[nic.at.source])
    for mac, was in (back(entry).to if entry is not None else {}).items():
        if was.type == "direct" and was.source in bridge_of:
            to[mac] = bridge(bridge_of[was.source])
    if to:
        yield Move(guest.name, wishes.get(guest.name, Wish()).method, to)


def _cards(guest: Guest, entries: Mapping[str, Entry], bridge_of: Mapping[str, str]) -> Iterator[str]:
    entry = entries.get(guest.uuid)
    seen = [nic.at for domain in (guest.live, guest.image, guest.definition) if domain is not None for nic in domain.nics]
    for at in [*seen, *(back(entry).to.values() if entry is not None else ())]:
        if at.type == "direct" and at.source in bridge_of:
            yield at.source


def _host(scene: Scene, bridge_of: Mapping[str, str], moves: Sequence[Move]) -> Iterator[str]:
    on_macvtap = {member.link.lower for member in scene.members if member.owner.type == "guest"}
    if on_macvtap and not on_macvtap & set(bridge_of):
        cards = ", ".join(sorted(on_macvtap))
        yield f"network_interfaces: no bridge has the port {cards}, where the guests are. Describe that bridge first"
    for port, name in sorted(bridge_of.items()):
        link = scene.links.get(name)
        if link is not None and link.kind != "bridge":
            yield f"network_interfaces.{name}: this host has a {link.kind or 'card'} of that name. Give the bridge another name"
        for member in scene.members:
            if member.link.lower == port and member.owner.type != "guest":
                yield (
                    f"{member.link.name}: this {member.link.kind} on {port} belongs to {member.owner}, not to a guest of "
                    f"libvirt, and keeps {port} from joining {name}. Move it away first"
                )
    if scene.mac_filter and moves:
        yield (
            "network_provider_mac_filter: the provider lets only the card's own MAC through, and guests on a bridge have MACs "
            "of their own. Route their addresses to them instead: a bridge without ports, and the guests' addresses as routes"
        )


def _wishes(scene: Scene, wishes: Mapping[str, Wish], moves: Sequence[Move]) -> Iterator[str]:
    for name in sorted(set(wishes) - set(scene.guests)):
        known = ", ".join(sorted(scene.guests)) or "none"
        yield f"replace_macvtap_guests.{name}: libvirt has no guest of that name here. It has {known}"
    for move in moves:
        if scene.guests[move.guest].state != "off" and not wishes.get(move.guest, Wish()).ip:
            yield (
                f"replace_macvtap_guests.{move.guest}.answer.ip: at which address {move.guest} must answer is not said. "
                "Give it, so that the change is kept only when it does"
            )


def _left(scene: Scene, bridge_of: Mapping[str, str]) -> Iterator[str]:
    others = {member.link.lower for member in scene.members} - set(bridge_of)
    for card in sorted(others):
        yield f"{card}: what is on macvtap or macvlan there stays, for no bridge of network_interfaces has the port {card}"


def returning(scene: Scene) -> List[Move]:
    """The moves that take every guest back whose journal is open; the quickest last."""
    return longest_first([back(entry) for entry in scene.entries.values()], scene.guests)


def outages(order: Order, scene: Scene, wishes: Mapping[str, Wish], rate: float = 0.0) -> Dict[str, str]:
    """For people: how long each running guest will be without network. The first waits for all that follow."""
    found: Dict[str, str] = {}
    after = SWITCH_SECONDS
    for move in reversed(order.moves):
        guest = scene.guests[move.guest]
        if not guest.active:
            continue
        own = expected(move.method, guest.memory_mib, rate)
        after += own.seconds
        found[move.guest] = (
            f"{move.method}: about {after:.1f} s without network, of which {own}; "
            f"then {SWITCH_SECONDS:g} s and those after it, until the card joins the bridge"
        )
    return found
