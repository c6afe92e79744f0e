# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's half of the way from macvtap to a bridge: its guests go, it begins the change of its own network, and the guests'
definitions follow or the guests return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from ..._network.rollback.rollback_host import Refused
from ..._system.command import CommandRunner
from .guests_host import holders, links
from .macvtap import Link, members
from .mover_host import FAILURES, Batch, Mover, Outcome, Wanted, summary
from .replacement import Beside, Order, Scene, Wish, arrange, outages, returning
from .staged_bridges_host import Bridges


class Network(Protocol):
    """The change of the host's own network."""

    def prospect(self, gone: Sequence[str], beside: Sequence[Beside]) -> Prospect:
        """What would be done once these macvtaps are gone and these bridges are there."""
        ...  # pylint: disable=unnecessary-ellipsis

    def ready(self) -> None:
        """Do what can be done while the guests still have their network."""
        ...  # pylint: disable=unnecessary-ellipsis

    def begin(self) -> Dict[str, Any]:
        """Let it begin, and say what its confirmation needs to know. Raises Refused and CommandFailed."""
        ...  # pylint: disable=unnecessary-ellipsis


@dataclass(frozen=True)
class Prospect:
    """``wrong`` is why it must not be done, ``warnings`` what the next boot has otherwise."""

    needed: bool = False
    steps: Sequence[str] = ()
    diff: Sequence[Dict[str, str]] = ()
    wrong: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass
class Asked:
    """What somebody asks for, and for how many seconds guests may be silent."""

    bridges: Mapping[str, Sequence[str]]
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    mac_filter: bool = False
    timeout: float = 15.0


@dataclass
class Preview:
    """All that would be done. With ``problems`` nothing is."""

    scene: Scene
    order: Order
    batch: Batch
    network: Prospect
    outages: Mapping[str, str]
    problems: List[str]

    @property
    def needed(self) -> bool:
        """There are guests to move, or what a run left that was cut off. Else the network is left to its own role."""
        return bool(self.batch.steps() or self.scene.made)

    def steps(self) -> List[str]:
        """In order: the guests, the host, the definitions."""
        before = [str(one) for one in self.order.beside] + self.batch.steps(final=False)
        after = self.batch.steps()[len(self.batch.steps(final=False)) :]
        made = sorted({*self.scene.made, *(one.name for one in self.order.beside)})
        return [*before, *self.network.steps, *after, *(f"call {name} the host's own" for name in made)]

    def diff(self) -> List[Dict[str, str]]:
        return [*self.batch.diff(), *self.network.diff]

    def guests(self, outcome: Optional[Outcome] = None) -> Dict[str, Dict[str, Any]]:
        """Each guest with what becomes or became of it, and how long it is without network."""
        found = summary(self.batch, outcome or Outcome())
        for name, said in self.outages.items():
            found[name]["expected"] = said
        return found


class Failed(Exception):
    """The guests are back where they were, as far as ``outcome`` says so."""

    def __init__(self, why: str, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(why)


class Replacement:
    """One host's."""

    def __init__(
        self, mover: Mover, network: Network, bridges: Bridges, runner: CommandRunner, asked: Asked,
        echoes: Callable[[str, float], bool], holding: Callable[[Dict[str, Link]], Dict[str, str]] = holders,
    ) -> None:  # fmt: skip
        self._mover = mover
        self._network = network
        self._bridges = bridges
        self._runner = runner
        self._asked = asked
        self._echoes = echoes
        self._holding = holding

    def scene(self) -> Scene:
        """What is there. Raises CommandFailed, Unreadable and BadDefinition."""
        there = links(self._runner)
        guests = self._mover.guests.read()
        running = [guest.live for guest in guests.values() if guest.live is not None]
        found = members(there, running, self._holding(there))
        made = self._bridges.made(self._asked.bridges)
        return Scene(there, guests, self._mover.journal.read(), found, self._asked.bridges, self._asked.mac_filter, made)

    def preview(self) -> Preview:
        """Look, and plan all of it. Raises what ``scene`` does, and Refused."""
        scene, rate = self.scene(), self._mover.journal.rate()
        order = arrange(scene, self._asked.wishes, rate)
        wanted = [Wanted(move, *self._first(move.guest)) for move in order.moves]
        batch = self._mover.prepare(wanted)
        problems = [*order.problems, *batch.problems]
        network = Prospect()
        if batch.steps() or scene.made:
            network = self._network.prospect(scene.leaving, order.beside)
            problems += network.wrong
        return Preview(scene, order, batch, network, outages(order, scene, self._asked.wishes, rate), problems)

    def _first(self, guest: str) -> Tuple[str, float]:
        addresses = self._asked.wishes.get(guest, Wish()).addresses
        return (addresses[0] if addresses else "", self._asked.timeout)

    def addresses(self, preview: Preview) -> Dict[str, List[str]]:
        """Where each running guest that is moved must answer."""
        moved = [one.move.guest for one in preview.batch.wanted if preview.batch.guests[one.move.guest].active]
        return {name: list(self._asked.wishes.get(name, Wish()).addresses) for name in moved}

    def begin(self, preview: Preview) -> Tuple[Outcome, Dict[str, Any]]:
        """The guests leave their macvtaps, and the host begins its change. Raises Failed when the guests are back."""
        outcome = Outcome()
        try:
            if preview.network.needed:
                self._network.ready()
            for beside in preview.order.beside:
                self._bridges.make(beside)
            outcome = self._mover.move(preview.batch, whole=True)
            if not outcome.failed:
                self._mover.ask(preview.batch, outcome)
            if not outcome.failed:
                return outcome, self._network.begin() if preview.network.needed else {}
            why = "; ".join(outcome.failed.values())
        except (*FAILURES, Refused) as error:
            why = str(error)
        self.take_back(outcome)
        raise Failed(why, outcome)

    def on_their_way(self) -> List[str]:
        """The guests that can return: what is noted of them is open, and their card is no port of a bridge yet."""
        return [move.guest for move in returning(self.scene())]

    def take_back(self, outcome: Outcome) -> None:
        """Every guest that is on its way returns, and the bridges that were made for them go."""
        self._mover.take_back(self.on_their_way(), outcome)
        scene = self.scene()
        used = {link.master for link in scene.links.values()}
        for name in scene.made:
            if name not in used:
                self._bridges.remove(name)

    def silent(self, preview: Preview) -> List[str]:
        """Who does not answer the host at its addresses. An echo goes both ways."""
        return [
            f"guest {guest} does not answer this host at {ip}"
            for guest, addresses in self.addresses(preview).items() for ip in addresses
            if not self._echoes(ip, self._asked.timeout)
        ]  # fmt: skip

    def finish(self, preview: Preview) -> Outcome:
        """The definitions follow, and the bridges are the host's own."""
        outcome = Outcome()
        self._mover.finish(preview.batch, outcome, final=True)
        for name in preview.scene.made if not outcome.failed else ():
            self._bridges.adopt(name)
        return outcome
