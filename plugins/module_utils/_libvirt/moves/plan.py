# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a running guest's interfaces from what they are attached to, to something else.

Two ways, chosen for each guest. ``replug``: the interface is taken out and put in again, which takes a moment, but the
guest sees a new card and must configure it. ``suspend``: the guest's memory goes to a file that libvirt manages, the
definition in that file is changed, and the guest goes on from it; it notices a pause only.

What is planned depends on what is seen and on the journal alone, so a run that was cut off is finished, or taken back,
by planning again. A guest whose memory is on the disk is started only with that memory: no step ever boots a guest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from .interfaces import Attachment, Domain, Nic, attached, read_nic, settled, spliced

METHODS = ("suspend", "replug")
RUNNING, PAUSED, OFF = "running", "paused", "off"
RATE = 150.0
"""MiB/s for a guest's memory on its way to the disk, where nothing was measured: a plain SATA SSD or a busy disk array."""
_FIXED = {"suspend": 0.5, "replug": 0.5}
_SPARE_MIB = 64


@dataclass(frozen=True)
class Guest:
    """A guest as libvirt has it. ``live`` is its definition while it runs, ``definition`` the one that it boots with,
    ``image`` the one in the file that holds its memory. Each is None when there is none.

    ``state`` is running, paused, off, or libvirt's word for anything else.
    """

    name: str
    uuid: str
    state: str
    live: Optional[Domain] = None
    definition: Optional[Domain] = None
    image: Optional[Domain] = None

    @property
    def active(self) -> bool:
        return self.live is not None

    @property
    def memory_mib(self) -> int:
        known = self.live or self.image or self.definition
        return 0 if known is None else known.memory_mib


@dataclass(frozen=True)
class Entry:
    """What is remembered of a guest that is on its way: how its interfaces were, by MAC, as elements, and whether it ran."""

    uuid: str
    guest: str
    method: str
    ran: bool = True
    was: Mapping[str, str] = field(default_factory=dict)
    defined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """Where interfaces of one guest, by MAC, shall hang, and how they get there. Without ``define`` the definition that
    the guest boots with stays as it is, and the journal stays open. ``defined`` is for a definition that shall differ."""

    guest: str
    method: str
    to: Mapping[str, Attachment] = field(default_factory=dict)
    define: bool = True
    defined: Mapping[str, Attachment] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One act. ``text`` is the element (detach, attach) or the whole definition (define) that it needs, ``elements`` those of
    interfaces, by MAC, that are put into the definition beside the saved memory (rewrite), which only libvirt knows.

    ``kind`` is note, detach, attach, save, rewrite, start, define or forget.
    """

    kind: str
    guest: str
    mac: str = ""
    says: str = ""
    text: str = field(default="", repr=False)
    elements: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.says


@dataclass(frozen=True)
class Work:
    """The steps while the guest serves, and those once it has answered. With ``problems`` none may be made."""

    live: Tuple[Step, ...] = ()
    final: Tuple[Step, ...] = ()
    problems: Tuple[str, ...] = ()
    entry: Optional[Entry] = None

    @property
    def steps(self) -> Tuple[Step, ...]:
        return self.live + self.final


def plan(move: Move, guest: Guest, entry: Optional[Entry] = None) -> Work:
    """What is left to do. Nothing when the guest is where it shall be and the journal is closed.

    Invariants: carried out to the end, all interfaces of ``move`` hang where they shall; cut off after any step and
    planned again, with the same goal or with the way back, it ends there too; a guest runs afterwards if it ran before,
    and has been continuing ever since.
    """
    problems = tuple(_problems(move, guest, entry))
    if problems:
        return Work(problems=problems)
    noted = entry or _entry(move, guest)
    live = list(_live(move, guest, noted, entry is not None and entry.ran))
    if live and entry is None:
        live.insert(0, Step("note", guest.name, says=f"note how the interfaces of {guest.name} are"))
    final: List[Step] = []
    if move.define:
        final += _define(move, guest, noted)
        if entry is not None or live:
            final.append(Step("forget", guest.name, says=f"forget the note on {guest.name}"))
    return Work(tuple(live), tuple(final), entry=noted)


def back(entry: Entry, define: bool = True) -> Move:
    """The move that takes a guest back to what is noted of it."""
    was = {mac: read_nic(text).at for mac, text in entry.was.items()}
    return Move(entry.guest, entry.method, was, define, {mac: read_nic(text).at for mac, text in entry.defined.items()})


def _entry(move: Move, guest: Guest) -> Entry:
    live = guest.live or guest.image
    was = {mac: settled(nic.text) for mac in move.to for nic in [_in(live, mac)] if nic is not None}
    defined = {mac: nic.text for mac in move.to for nic in [_in(guest.definition, mac)] if nic is not None}
    return Entry(guest.uuid, guest.name, move.method, guest.active, was, defined)


def _in(domain: Optional[Domain], mac: str) -> Optional[Nic]:
    return None if domain is None else domain.nic(mac)


def _wanted(to: Attachment, now: str, known: Optional[str]) -> str:
    """The element as it was once, to the letter, when that is where it shall hang; else the present one attached anew."""
    if known is not None and read_nic(known).at == to:
        return known
    return attached(now, to)


def _live(move: Move, guest: Guest, entry: Entry, ours: bool) -> Iterator[Step]:
    name = guest.name
    if guest.live is not None:
        away = [mac for mac, to in move.to.items() for nic in [guest.live.nic(mac)] if nic is not None and nic.at != to]
        for mac, to in move.to.items():
            if guest.live.nic(mac) is None:
                yield Step("attach", name, mac, f"attach {mac} to {to} in {name}", _wanted(to, entry.was[mac], entry.was[mac]))
        if away and move.method == "replug":
            yield from _replug(move, guest.live, away, entry)
        elif away:
            yield Step("save", name, says=f"save the memory of {name} ({guest.memory_mib} MiB) and suspend it")
            yield _rewrite(move, name, guest.live, away, entry)
            yield Step("start", name, says=f"let {name} go on from the saved memory")
    elif guest.image is not None:
        away = [mac for mac, to in move.to.items() for nic in [guest.image.nic(mac)] if nic is not None and nic.at != to]
        if away:
            yield _rewrite(move, name, guest.image, away, entry)
        if ours:
            yield Step("start", name, says=f"let {name} go on from the saved memory")


def _replug(move: Move, live: Domain, away: Sequence[str], entry: Entry) -> Iterator[Step]:
    for mac in away:
        nic = _in(live, mac)
        if nic is not None:
            text = _wanted(move.to[mac], nic.text, entry.was.get(mac))
            yield Step("detach", live.name, mac, f"take {mac} ({nic.at}) out of {live.name}", nic.text)
            yield Step("attach", live.name, mac, f"attach {mac} to {move.to[mac]} in {live.name}", text)


def _rewrite(move: Move, name: str, domain: Domain, away: Sequence[str], entry: Entry) -> Step:
    elements = {mac: _wanted(move.to[mac], nic.text, entry.was.get(mac)) for mac in away for nic in [domain.nic(mac)] if nic}
    says = ", ".join(f"{mac} to {move.to[mac]}" for mac in away)
    return Step("rewrite", name, says=f"attach {says} in the saved memory of {name}", elements=elements)


def _define(move: Move, guest: Guest, entry: Entry) -> List[Step]:
    domain = guest.definition
    if domain is None:
        return []
    wanted = {**move.to, **move.defined}
    away = [mac for mac, to in wanted.items() for nic in [domain.nic(mac)] if nic is not None and nic.at != to]
    if not away:
        return []
    elements = {mac: _wanted(wanted[mac], nic.text, entry.defined.get(mac)) for mac in away for nic in [domain.nic(mac)] if nic}
    says = ", ".join(f"{mac} to {wanted[mac]}" for mac in away)
    return [Step("define", guest.name, says=f"attach {says} in the definition of {guest.name}", text=spliced(domain.text, elements))]


def _problems(move: Move, guest: Guest, entry: Optional[Entry]) -> Iterator[str]:
    where = f"guest {guest.name}"
    if guest.state not in (RUNNING, PAUSED, OFF):
        yield f"{where} is {guest.state}. Wait until it runs or is off"
        return
    now = guest.live or guest.image or guest.definition
    for mac, to in move.to.items():
        nic = _in(now, mac)
        if nic is None and (entry is None or mac not in entry.was):
            has = ", ".join(one.mac for one in now.nics) if now is not None else ""
            yield f"{where} has no interface with the MAC {mac}. It has {has or 'none'}"
        elif nic is not None and nic.at != to:
            yield from (f"{where}, {mac}: {said}" for said in _unmovable(nic, to))
    away = [mac for mac, to in move.to.items() for nic in [_in(guest.live, mac)] if nic is not None and nic.at != to]
    if away and guest.live is not None:
        yield from (f"{where}: {said}" for said in _unfit(move, guest, guest.live, away))


def _unmovable(nic: Nic, to: Attachment) -> Iterator[str]:
    if nic.network:
        yield f"it is attached by the libvirt network {nic.network}. Change that network, or attach the guest without it"
    elif nic.at.type not in ("direct", "bridge"):
        yield f"it is of the type {nic.at.type}, which this does not move. Leave it out"
    if "virtualport" in nic.special or "vlan" in nic.special:
        yield "it has a virtual port or VLAN tags of its own, which mean something else there. Leave it out"
    if "filterref" in nic.special and to.type == "direct":
        yield "it has a network filter, which libvirt does not apply to macvtap. Take the filter away first"


def _unfit(move: Move, guest: Guest, live: Domain, away: Sequence[str]) -> Iterator[str]:
    if move.method == "suspend":
        if guest.definition is None:
            yield "it has no definition of its own, so libvirt keeps no memory of it. Define it, or use method: replug"
        if live.host_devices:
            yield "it has devices of this host, so its memory cannot be saved. Use method: replug"
        return
    if guest.state != RUNNING:
        yield f"it is {guest.state}, and must run to let an interface go. Resume it, or use method: suspend"
    for mac in away:
        nic = _in(live, mac)
        if nic is not None and not live.hotplug(nic):
            place = f"its PCI address {nic.pci}" if nic.pci else "a place that is no PCI address"
            yield f"{mac} cannot be taken out while it runs, for {place} is on no port for that. Use method: suspend"


@dataclass(frozen=True)
class Expected:
    """How long a guest will be without network, in seconds, and where that number is from."""

    seconds: float
    basis: str

    def __str__(self) -> str:
        return f"about {self.seconds:.1f} s ({self.basis})"


def expected(method: str, memory_mib: int, rate: float = 0.0) -> Expected:
    """The guest's own outage. ``rate`` is what was measured here in MiB/s; 0 when nothing was."""
    if method == "replug":
        return Expected(_FIXED[method], "and as long as the guest takes to configure a new card")
    used = rate or RATE
    basis = f"{memory_mib} MiB written and read at {used:.0f} MiB/s, {'measured here' if rate else 'assumed'}"
    return Expected(round(_FIXED[method] + 2 * memory_mib / used, 1), basis)


def longest_first(moves: Sequence[Move], guests: Mapping[str, Guest], rate: float = 0.0) -> List[Move]:
    """The order in which guests that wait for each other are without network for the shortest time in all: who is moved
    last waits for nobody, so the longest goes first."""

    def seconds(move: Move) -> float:
        guest = guests.get(move.guest)
        if guest is None or not plan(move, guest).live:
            return 0.0
        return expected(move.method, guest.memory_mib, rate).seconds

    return sorted(moves, key=lambda move: (-seconds(move), move.guest))


def space_needed(guests: Sequence[Guest]) -> int:
    """Bytes on the disk, at most, while these guests are suspended one after the other."""
    return max(((guest.memory_mib + _SPARE_MIB) << 20 for guest in guests), default=0)
