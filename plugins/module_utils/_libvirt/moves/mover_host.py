# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving the interfaces of several guests, asking them, and taking back what does not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ..._shared.diff import text_diff
from ..._shared.masking import masked_xml
from ..._system.clock import Clock
from ..._system.command import CommandFailed, CommandRunner
from ..domain import BadDefinition
from .guests_host import IMAGES, Guests, Journal, MoveFailed, free_bytes, links
from .interfaces import read_domain, settled, shown
from .plan import Entry, Expected, Guest, Move, Work, back, expected, longest_first, plan, space_needed
from .reachability_client import Question, silent

Asking = Callable[[Sequence[Question], float, Clock], List[Question]]
FAILURES = (CommandFailed, MoveFailed, BadDefinition, OSError)


@dataclass(frozen=True)
class Wanted:
    """One guest's move, and the address at which it must answer on the bridge afterwards, if any."""

    move: Move
    ip: str = ""
    timeout: float = 15.0


@dataclass
class Batch:
    """What would be done with some guests. ``problems`` is why nothing must be."""

    wanted: List[Wanted]
    guests: Mapping[str, Guest]
    works: Mapping[str, Work]
    entries: Mapping[str, Entry]
    expected: Mapping[str, Expected]
    problems: List[str] = field(default_factory=list)

    def steps(self, final: bool = True) -> List[str]:
        """In order: everything that serves first, the definitions last."""
        ordered = [self.works[one.move.guest] for one in self.wanted]
        found = [str(step) for work in ordered for step in work.live]
        return found + [str(step) for work in ordered for step in work.final] if final else found

    def asking(self) -> List[Wanted]:
        """Those that are to answer: what is moved, or was and is not forgotten yet."""
        return [
            one for one in self.wanted
            if one.ip and self.guests[one.move.guest].active and (self.works[one.move.guest].steps or self._open(one))
        ]  # fmt: skip

    def _open(self, one: Wanted) -> bool:
        return self.guests[one.move.guest].uuid in self.entries

    def diff(self) -> List[Dict[str, str]]:
        """The interfaces in each definition, before and after."""
        found: List[Dict[str, str]] = []
        for one in self.wanted:
            guest, macs = self.guests[one.move.guest], list(one.move.to)
            for step in self.works[guest.name].steps:
                if step.kind == "define":
                    before, after = shown(guest.definition, macs), shown(read_domain(step.text), macs)
                    found.append(text_diff(f"definition of guest {guest.name}", before, after))
                elif step.kind == "rewrite":
                    before = shown(guest.live or guest.image, list(step.elements))
                    after = "".join(f"{masked_xml(settled(one))}\n" for one in step.elements.values())
                    found.append(text_diff(f"guest {guest.name}", before, after))
                elif step.kind == "attach":
                    found.append(text_diff(f"guest {guest.name}", shown(guest.live, [step.mac]), f"{masked_xml(step.text)}\n"))
        return found


@dataclass
class Outcome:
    """What became of each guest: moved, unchanged or taken back; with the seconds it took, and what went wrong."""

    became: Dict[str, str] = field(default_factory=dict)
    seconds: Dict[str, float] = field(default_factory=dict)
    failed: Dict[str, str] = field(default_factory=dict)


def summary(batch: Batch, outcome: Outcome) -> Dict[str, Dict[str, Any]]:
    """What becomes or became of each guest, for a result."""
    found: Dict[str, Dict[str, Any]] = {}
    for one in batch.wanted:
        name = one.move.guest
        found[name] = {"became": outcome.became.get(name, "to be moved" if batch.works[name].steps else "unchanged"), "method": one.move.method}
        if name in batch.expected:
            found[name]["expected"] = str(batch.expected[name])
        if name in outcome.seconds:
            found[name]["seconds"] = outcome.seconds[name]
    return found


class Mover:
    """Guests of this host on their way."""

    def __init__(self, guests: Guests, journal: Journal, clock: Clock, runner: CommandRunner, asking: Asking = silent) -> None:
        self.guests = guests
        self.journal = journal
        self._clock = clock
        self._runner = runner
        self._asking = asking

    def prepare(self, wanted: Sequence[Wanted], free: Callable[[], int] = free_bytes) -> Batch:
        """Look, and plan all moves, the longest first. Raises CommandFailed and BadDefinition."""
        seen = self.guests.read([one.move.guest for one in wanted])
        entries, rate = self.journal.read(), self.journal.rate()
        missing = sorted({one.move.guest for one in wanted} - set(seen))
        problems = [f"guest {name}: libvirt has no guest of this name here. See virsh list --all" for name in missing]
        order = longest_first([one.move for one in wanted if one.move.guest in seen], seen, rate)
        works = {move.guest: plan(move, seen[move.guest], entries.get(seen[move.guest].uuid)) for move in order}
        problems += [said for work in works.values() for said in work.problems]
        saving = [seen[name] for name, work in works.items() if any(step.kind == "save" for step in work.live)]
        needed, there = space_needed(saving), free()
        if saving and needed > there:
            problems.append(f"{IMAGES}: {there >> 20} MiB are free, {needed >> 20} needed for a guest's memory. Make room, or use method: replug")
        by_name = {one.move.guest: one for one in wanted}
        guessed = {move.guest: expected(move.method, seen[move.guest].memory_mib, rate) for move in order if works[move.guest].live}
        return Batch([by_name[move.guest] for move in order], seen, works, entries, guessed, problems)

    def move(self, batch: Batch, whole: bool = False) -> Outcome:
        """Everything that serves, guest by guest. One that fails is taken back at once; ``whole``: no other follows it."""
        outcome = Outcome()
        for one in batch.wanted:
            name = one.move.guest
            work = batch.works[name]
            outcome.became[name] = "moved" if work.steps else "unchanged"
            if not work.live:
                continue
            began = self._clock.monotonic()
            try:
                self._carry_out(work, work.live)
            except FAILURES as error:
                self._take_back(name, str(error), outcome)
                if whole:
                    break
                continue
            outcome.seconds[name] = round(self._clock.monotonic() - began, 2)
            self._measure(batch.guests[name], work, outcome.seconds[name])
        return outcome

    def ask(self, batch: Batch, outcome: Outcome) -> None:
        """Each guest on a bridge, at its address. One that is silent is taken back."""
        asked = [one for one in batch.asking() if one.move.guest not in outcome.failed]
        there = links(self._runner)
        questions = [
            Question(one.move.guest, to.source, there[to.source].mac, mac, one.ip)
            for one in asked for mac, to in list(one.move.to.items())[:1] if to.type == "bridge" and to.source in there
        ]  # fmt: skip
        longest = max((one.timeout for one in asked), default=0.0)
        for one in self._asking(questions, longest, self._clock):
            said = f"guest {one.guest} does not answer at {one.ip} on {one.bridge} within {longest:g} s"
            self._take_back(one.guest, said, outcome)

    def finish(self, batch: Batch, outcome: Outcome, final: bool = False) -> None:
        """The definitions follow, and the journal is closed, for those that were not taken back. ``final``: there is no way
        back any more, so what fails is only told."""
        for one in batch.wanted:
            if one.move.guest not in outcome.failed:
                try:
                    self._carry_out(batch.works[one.move.guest], batch.works[one.move.guest].final)
                except FAILURES as error:
                    if final:
                        outcome.failed[one.move.guest] = str(error)
                    else:
                        self._take_back(one.move.guest, str(error), outcome)

    def take_back(self, names: Sequence[str], outcome: Outcome) -> None:
        """These guests, in this order, as their journals say that they were."""
        for name in names:
            self._take_back(name, "", outcome)

    def _take_back(self, name: str, why: str, outcome: Outcome) -> None:
        outcome.became[name] = "taken back"
        if why:
            outcome.failed[name] = why
        entry = next((one for one in self.journal.read().values() if one.guest == name), None)
        if entry is None:
            return
        try:
            guest = self.guests.read([name])[name]
            work = plan(back(entry), guest, entry)
            if work.problems:
                raise MoveFailed("; ".join(work.problems))
            self._carry_out(work, work.steps)
        except (*FAILURES, KeyError) as error:
            outcome.became[name] = "stuck"
            said = f"it could not be taken back either: {error}. What it was is noted; run this again"
            outcome.failed[name] = f"{why}; {said}" if why else f"guest {name}: {said}"

    def _carry_out(self, work: Work, steps: Sequence[Any]) -> None:
        for step in steps:
            if step.kind == "note" and work.entry is not None:
                self.journal.note(work.entry)
            elif step.kind == "forget" and work.entry is not None:
                self.journal.forget(work.entry.uuid)
            else:
                self.guests.carry_out(step)

    def _measure(self, guest: Guest, work: Work, seconds: float) -> None:
        """Only a whole suspension says how fast the disk is."""
        kinds = {step.kind for step in work.live}
        fixed = expected("suspend", 0).seconds
        if {"save", "start"} <= kinds and seconds > fixed:
            self.journal.measured(2 * guest.memory_mib, seconds - fixed)
