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
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .interfaces import Attachment, bridge
from .macvtap import Link, Member
from .plan import METHODS, OFF, Entry, Guest, Move, back, expected, longest_first, plan
from .request import is_address

SWITCH_SECONDS = 3.0
"""From the last guest on the bridge until the card joins it: two calls of the controller, and its delay of a second."""


@dataclass(frozen=True)
class Wish:
    """How one guest shall be moved, and the addresses at which it must answer the host afterwards."""

    method: str = "suspend"
    addresses: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """What is seen on the host, and what the inventory says: ``bridges`` maps each bridge to its ports. ``made`` are those
    that are only made beside their cards, and not the host's own yet."""

    links: Mapping[str, Link]
    guests: Mapping[str, Guest]
    entries: Mapping[str, Entry] = field(default_factory=dict)
    members: Sequence[Member] = ()
    bridges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    mac_filter: bool = False
    made: Sequence[str] = ()

    @property
    def bridge_of(self) -> Dict[str, str]:
        """Card -> the bridge whose port it shall be."""
        return {port: name for name, ports in sorted(self.bridges.items()) for port in ports}

    @property
    def leaving(self) -> List[str]:
        """The macvtaps of guests that keep cards from joining their bridges."""
        cards = self.bridge_of
        return sorted(one.link.name for one in self.members if one.owner.type == "guest" and one.link.lower in cards)

    @property
    def joined(self) -> List[str]:
        """The cards that are ports of their bridges already; nothing returns to a macvtap on one of them."""
        cards = self.bridge_of
        return sorted(card for card, name in cards.items() if card in self.links and self.links[card].master == name)


def beside_path(name: str) -> str:
    """Of the files that make systemd-networkd make a bridge, without their endings."""
    return f"/run/systemd/network/10-smallfleet-beside-{name}"


@dataclass(frozen=True)
class Beside:
    """A bridge beside a card, with its MAC and MTU and nothing of IPv6 on its own. ``there``: it only was not finished."""

    name: str
    card: Link
    there: bool = False

    @property
    def make(self) -> Tuple[str, ...]:
        """The request to the kernel."""
        return tuple(f"ip link add name {self.name} address {self.card.mac} mtu {self.card.mtu} type bridge stp_state 0".split())

    @property
    def commands(self) -> Tuple[Tuple[str, ...], ...]:
        """What is to be done with it when it is there."""
        where = ("ip", "link", "set", "dev", self.name)
        return ((*where, "addrgenmode", "none"), (*where, "up"))

    @property
    def files(self) -> Dict[str, str]:
        """For systemd-networkd, which takes over no bridge that it did not make (257). The host's own files come before
        these, those of netplan too, so they may stay until the host's own are there."""
        path = beside_path(self.name)
        device = f"[NetDev]\nName={self.name}\nKind=bridge\nMACAddress={self.card.mac}\nMTUBytes={self.card.mtu}\n\n[Bridge]\nSTP=no\n"
        network = "LinkLocalAddressing=no\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n"
        return {f"{path}.netdev": device, f"{path}.network": f"[Match]\nName={self.name}\n\n[Network]\n{network}"}

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
    bridge_of = scene.bridge_of
    moves = [move for guest in scene.guests.values() for move in _moves(guest, scene.entries.get(guest.uuid), bridge_of, wishes)]
    problems = [*_host(scene, bridge_of, moves), *_wishes(scene, wishes, moves)]
    for move in moves:
        guest = scene.guests[move.guest]
        problems += plan(move, guest, scene.entries.get(guest.uuid)).problems
    if problems:
        return Order(problems=tuple(dict.fromkeys(problems)))
    beside = tuple(_beside(scene, bridge_of, moves))
    return Order(beside, tuple(longest_first(moves, scene.guests, rate)), (), tuple(_left(scene, bridge_of)))


def _beside(scene: Scene, bridge_of: Mapping[str, str], moves: Sequence[Move]) -> Iterator[Beside]:
    """What guests need that leave a card. A bridge that is down and empty is one that a run was cut off at."""
    for card in sorted({card for move in moves for card in _cards(scene.guests[move.guest], scene.entries, bridge_of)}):
        link = scene.links.get(bridge_of[card])
        if link is None:
            yield Beside(bridge_of[card], scene.links[card])
        elif not link.up and not [one for one in scene.links.values() if one.master == link.name]:
            yield Beside(link.name, scene.links[card], there=True)


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
        if scene.guests[move.guest].state != OFF and not wishes.get(move.guest, Wish()).addresses:
            yield (
                f"replace_macvtap_guests.{move.guest}.addresses: at which addresses {move.guest} must answer is not said. "
                "Name them, so that the change is kept only when it does"
            )


def _left(scene: Scene, bridge_of: Mapping[str, str]) -> Iterator[str]:
    others = {member.link.lower for member in scene.members if member.link.lower} - set(bridge_of)
    for card in sorted(others):
        yield f"{card}: what is on macvtap or macvlan there stays, for no bridge of network_interfaces has the port {card}"


def read_wishes(data: Mapping[str, Any]) -> Tuple[Dict[str, Wish], List[str]]:
    """What somebody wrote of the guests, and what is wrong with it."""
    wishes: Dict[str, Wish] = {}
    problems: List[str] = []
    for name, given in data.items():
        where = f"replace_macvtap_guests.{name}"
        if not isinstance(given, Mapping):
            problems.append(f"{where}: is no dictionary. Write for example {{method: suspend, addresses: [192.0.2.21]}}")
            continue
        for key in sorted(set(given) - {"method", "addresses"}, key=str):
            problems.append(f"{where}.{key}: has no meaning here. Use method and addresses")
        method, addresses = given.get("method", "suspend"), given.get("addresses", [])
        if method not in METHODS:
            problems.append(f"{where}.method: {method} is no method. Write {' or '.join(METHODS)}")
        if not isinstance(addresses, list) or not all(isinstance(one, str) and is_address(one) for one in addresses):
            problems.append(f"{where}.addresses: {addresses} is no list of addresses. Write for example [192.0.2.21]")
            continue
        wishes[str(name)] = Wish(str(method), tuple(addresses))
    return wishes, problems


def returning(scene: Scene) -> List[Move]:
    """The moves that take every guest back whose journal is open, the quickest last; but none to a card that is a port of
    its bridge already, which lets no macvtap on it."""
    free = set(scene.bridge_of) - set(scene.joined)
    moves = [back(entry) for entry in scene.entries.values()]
    return longest_first([move for move in moves if {at.source for at in move.to.values() if at.type == "direct"} & free], scene.guests)


def outages(order: Order, scene: Scene, wishes: Mapping[str, Wish], rate: float = 0.0) -> Dict[str, str]:
    """For people: how long each running guest will be without network. The first waits for all that follow."""
    found: Dict[str, str] = {}
    after = SWITCH_SECONDS
    for move in reversed(order.moves):
        guest = scene.guests[move.guest]
        if not guest.active or not plan(move, guest, scene.entries.get(guest.uuid)).live:
            continue
        own = expected(move.method, guest.memory_mib, rate)
        after += own.seconds
        found[move.guest] = (
            f"{move.method}: about {after:.1f} s without network, of which {own}; then {SWITCH_SECONDS:g} s and those after it, until the card joins the bridge"
        )
    return found
