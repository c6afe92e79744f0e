# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is on macvtap or macvlan on this host, and who cannot talk to whom because of that.

A frame that a macvtap sends leaves by the card without a look at the host (drivers/net/macvlan.c in the kernel), so host
and guest never meet, unless a switch sends frames back to where they came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ..._shared.limits import BadText, Entry, entries_of, load_json
from .interfaces import Domain, Nic

LINKS: Tuple[str, ...] = ("ip", "-json", "-details", "link", "show")
KINDS = ("macvtap", "macvlan")
HOST = "this host"


class Unreadable(BadText):
    """ip(8) printed something else than expected."""


@dataclass(frozen=True)
class Link:
    """A network interface of this host. ``lower`` is what a macvtap or macvlan sits on, ``mode`` how it treats others."""

    name: str
    index: int = 0
    kind: str = ""
    mac: str = ""
    lower: str = ""
    mode: str = ""
    master: str = ""
    up: bool = False
    mtu: int = 1500


@dataclass(frozen=True)
class Owner:
    """Who uses a link: ``type`` is guest, process, host (a macvlan of its own) or nobody."""

    type: str
    name: str = ""

    def __str__(self) -> str:
        return {"guest": f"guest {self.name}", "process": f"process {self.name}", "host": HOST}.get(self.type, "nobody")


@dataclass(frozen=True)
class Member:
    """One macvtap or macvlan on a card, with who it belongs to."""

    link: Link
    owner: Owner


@dataclass(frozen=True)
class Apart:
    """Two that cannot talk to each other over a card. ``but`` says what would change that, as far as anything does."""

    first: str
    second: str
    card: str
    because: str
    but: str = ""

    def __str__(self) -> str:
        return f"{self.first} and {self.second} cannot talk to each other over {self.card}: {self.because}"


def read_links(text: str) -> Dict[str, Link]:
    """The links that ``LINKS`` prints, by name. Raises Unreadable."""
    try:
        return {link.name: link for link in map(_link, entries_of(load_json(text or "[]", "links"), "links"))}
    except BadText as error:
        raise Unreadable(f"ip -json printed what this version does not know: {error}") from None


def _link(entry: Entry) -> Link:
    info = entry.entry("linkinfo")
    kind = info.text("info_kind", "")
    on_top = kind in KINDS
    return Link(
        name=entry.text("ifname"),
        index=entry.integer("ifindex"),
        kind=kind,
        mac=entry.text("address", "").lower(),
        lower=entry.scalar("link", "") if on_top else "",
        mode=info.entry("info_data").text("mode", "") if on_top else "",
        master=entry.text("master", ""),
        up="UP" in entry.texts("flags"),
        mtu=entry.integer("mtu"),
    )


def members(links: Mapping[str, Link], domains: Sequence[Domain], processes: Mapping[str, str]) -> List[Member]:
    """Every macvtap and macvlan with its owner. ``processes`` maps the name of a macvtap to who holds its device open."""
    guests = {nic.target: domain.name for domain in domains for nic in domain.nics if nic.target}
    found: List[Member] = []
    for link in sorted(links.values(), key=lambda one: (one.lower, one.name)):
        if link.kind in KINDS:
            found.append(Member(link, _owner(link, guests, processes)))
    return found


def _owner(link: Link, guests: Mapping[str, str], processes: Mapping[str, str]) -> Owner:
    if link.kind == "macvtap" and link.name in guests:
        return Owner("guest", guests[link.name])
    if link.name in processes:
        return Owner("process", processes[link.name])
    return Owner("host") if link.kind == "macvlan" else Owner("nobody")


def apart(found: Sequence[Member]) -> List[Apart]:
    """Who cannot talk to whom: host and guest in every mode, and guests with each other in all modes but bridge."""
    said: List[Apart] = []
    for card in sorted({member.link.lower for member in found}):
        here = [member for member in found if member.link.lower == card]
        said += _host_and_guests(card, here)
        for number, first in enumerate(here):
            for second in here[number + 1 :]:
                said += _pair(card, first, second)
    return said


def _host_and_guests(card: str, here: Sequence[Member]) -> Iterator[Apart]:
    """A macvlan of the host itself, in bridge mode, is a way round; nothing else on the host is."""
    ways = [one.link for one in here if one.owner.type == "host" and one.link.up and one.link.mode == "bridge"]
    for member in here:
        if member.owner.type not in ("guest", "process"):
            continue
        if ways and member.link.mode == "bridge":
            continue
        if member.link.mode == "passthrough":
            because, but = f"its macvtap has all of {card} for itself", ""
        else:
            because = f"what its macvtap {member.link.name} sends leaves {card} without passing this host"
            but = "" if member.link.mode == "private" else "a switch that sends frames back to where they came from"
        yield Apart(HOST, str(member.owner), card, because, but)


def _pair(card: str, first: Member, second: Member) -> Iterator[Apart]:
    modes = {first.link.mode, second.link.mode}
    owners = (str(first.owner), str(second.owner))
    if modes == {"bridge"} or owners[0] == owners[1] or "nobody" in owners:
        return
    if HOST in owners:
        return  # the host has other ways than this macvlan, or it was said already
    if "private" in modes:
        yield Apart(*owners, card, "one of them is in private mode, which lets nothing of its neighbours in")
    elif "vepa" in modes:
        because = "in vepa mode frames leave the card even when they are for a neighbour"
        yield Apart(*owners, card, because, "a switch that sends frames back to where they came from")


def describe(found: Sequence[Member], domains: Sequence[Domain], separated: Sequence[Apart]) -> List[str]:
    """All of it for people, one line each."""
    lines: List[str] = []
    running = {nic.target: nic for domain in domains for nic in domain.nics if nic.target}
    for member in found:
        link = member.link
        nic = running.get(link.name)
        where = f", PCI {nic.pci}" if nic is not None and nic.pci else ""
        lines.append(f"{link.name}: {link.kind} on {link.lower} ({link.mode}), MAC {link.mac}{where}, of {member.owner}")
    lines += [f"{one}, except through {one.but}" if one.but else str(one) for one in separated]
    if not found:
        lines.append("No macvtap and no macvlan is on this host")
    elif not separated:
        lines.append("All of them can talk to this host and to each other")
    return lines


def interface_data(nic: Nic) -> Dict[str, Any]:
    """One interface of a guest for a result."""
    return {
        "mac": nic.mac,
        "type": nic.at.type,
        "source": nic.at.source,
        "mode": nic.at.mode,
        "network": nic.network,
        "pci": nic.pci,
        "model": nic.model,
        "target": nic.target,
    }
