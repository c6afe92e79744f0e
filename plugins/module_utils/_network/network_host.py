# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's network as one thing: what would be done to make it what is desired, and whether it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from .._shared.diff import file_diff, text_diff
from .._system.clock import Clock
from .._system.command import CommandRunner
from .._system.files import FileStore
from .backends.advertisements import Heeding, heedings, requests
from .backends.backend import Backend
from .backends.control import Trial
from .backends.detect import choose, preflight_errors
from .backends.programs_host import ACCEPT_RA, kernel_values, look
from .backends.registry import BACKENDS
from .backends.registry_host import HOST_BACKENDS
from .boot.boot_host import backends, boot_files, findings
from .boot.findings import Findings
from .boot.review import after_changes
from .duplicate_addresses import asking
from .duplicate_addresses_client import Conflicts
from .foreign import known_addresses, marked, mentioned, notes_on_addresses, notes_on_routes, notes_on_tunnels, statics
from .foreign_host import boot_texts, program_settings
from .given_up import with_given_up
from .kernel.observe_host import active, read_kernel, unwritable
from .kernel.support_host import lacking
from .model import Desired, Files, Observed, Plan
from .obstacles import obstacles
from .plan.plan import pinned, plan
from .rollback.change import Change, Claim, prepare, unrestorable, without_ipv6
from .rollback.foreign_script import Foreign
from .rollback.record import read_desired, read_known_addresses, read_late, write_desired, write_known_addresses, write_late
from .rollback.rollback_host import Guard, Record, Refused
from .serialization import from_data

SETTLE = 5.0
"""Seconds that a service gets to take its files over."""


@dataclass(frozen=True)
class Work:
    """What would be done. ``wrong`` is why it must not be; ``known`` are addresses that are not a program's; ``warnings`` are what the
    next boot has otherwise.
    """

    backend: str
    observed: Observed
    operations: Plan
    files: Files
    trial: Trial
    claims: Tuple[Claim, ...]
    clients: Tuple[str, ...]
    heedings: Tuple[Heeding, ...]
    wrong: Sequence[str]
    known: FrozenSet[str] = frozenset()
    warnings: Sequence[str] = ()

    @property
    def needed(self) -> bool:
        return bool(self.steps())

    def steps(self) -> List[str]:
        done = requests(self.operations, self.heedings)
        return done + [f"{'remove' if one.after is None else 'write'} {one.path}" for one in self.files.changes]

    def diff(self) -> List[Dict[str, str]]:
        """The requests to the kernel, and what changes in each file, without its secrets."""
        found: List[Dict[str, str]] = []
        asked = "".join(f"{one}\n" for one in requests(self.operations, self.heedings))
        if asked:
            found.append(text_diff("kernel", "", asked))
        return found + [file_diff(one.path, one.before or "", one.after or "") for one in self.files.changes]


class HostNetwork:
    """Observes, plans, and hands changes to the guard."""

    def __init__(self, runner: CommandRunner, files: FileStore, clock: Clock) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock
        self.guard = Guard(runner, files, clock)

    def observe(self) -> Observed:
        return read_kernel(self._runner)

    def work(
        self,
        data: Mapping[str, Any],
        wanted: str,
        management: Sequence[str],
        disconnect: bool,
        foreseen: Callable[[Observed], Observed] = lambda observed: observed,
    ) -> Work:
        """By the backend that is ``wanted``, or that this host uses. Raises CommandFailed, Unreadable, BadDesired, Refused.

        ``foreseen`` gives what will be observed when other things have been done, which are to be done before.
        """
        there = self.observe()
        observed = foreseen(there)
        desired = pinned(from_data(data), observed)
        facts = look(self._runner, there.links)
        name, why = choose(wanted, desired, facts)
        if why:
            raise Refused("backend", f"Nothing was changed: {why}")
        backend = backends(observed)[name]
        existing = boot_files(backend)
        files = backend.changes(desired, existing)
        desired = with_given_up(desired, observed, existing, after_changes(existing, files))
        known = mentioned([*existing.values(), *boot_texts(backend)])
        observed = marked(observed, desired, known, management)
        wrong = [*obstacles(desired, observed, management, disconnect), *files.problems, *preflight_errors(name, desired, facts)]
        wrong += [*map(str, backend.unsupported(desired)), *lacking(self._runner, desired, observed)]
        clients = backend.dhcp_clients_to_end(desired, facts)
        operations, owned = plan(desired, observed), _claims(backend, desired)
        trial = backend.trial(desired, operations, observed)
        leaving_files = mentioned(one.before or "" for one in files.changes) - mentioned(one.after or "" for one in files.changes)
        notes = notes_on_addresses(desired, observed) + notes_on_routes(desired, observed, leaving_files)
        notes += notes_on_tunnels(desired, observed)
        if trial.reloads and (operations.operations or files.changes):
            notes += backend.notes(desired, observed, program_settings(backend))
        operations = replace(operations, notes=(*operations.notes, *notes))
        wrong += unrestorable(operations, observed)
        wrong += unwritable([one.path for one in files.changes])
        # The others tell the kernel themselves, but not before they know an interface.
        needed = backend.kernel_accepts_ra or bool(operations.operations or files.changes)
        heard = heedings(desired, facts.accept_ra, backend.kernel_accepts_ra, observed.links) if needed else ()
        ours = known_addresses(observed, desired, known)
        boot = Findings()
        if not wrong and (operations.operations or files.changes):
            boot = findings(self._runner, self._files, backend, desired, observed, existing, files, management, facts.of(name).interfaces)
        wrong += () if disconnect else boot.problems
        warnings = [*boot.warnings, *(boot.problems if disconnect else ())]
        return Work(name, observed, operations, files, trial, owned, clients, heard, wrong, ours, warnings)

    def conflicts(self, work: Work, data: Mapping[str, Any]) -> List[str]:
        """Addresses and MACs of the change that another host has. It asks on the links and waits for answers."""
        return Conflicts(self._runner, self._clock).found(pinned(from_data(data), work.observed), work.observed)

    def begin(self, work: Work, data: Mapping[str, Any], token: str, holder: str, timeout: int, delay: float) -> Record:
        """Let the guard begin. Raises Refused."""

        def make(folder: str) -> Change:
            control = BACKENDS[work.backend].control
            change = prepare(folder, work.operations, work.files.changes, work.observed, control, work.trial)
            change = replace(change, foreign=Foreign(tuple(sorted(work.known)), statics(work.observed)))
            values = kernel_values(ACCEPT_RA)
            names = [*(name for name, _lines in change.remade), *without_ipv6(work.operations, work.observed)]
            accept_ra = tuple((name, values[name]) for name in dict.fromkeys(names) if name in values)
            return replace(change, claims=work.claims, clients=work.clients, heedings=work.heedings, accept_ra=accept_ra)

        late = asking(pinned(from_data(data), work.observed), work.observed).late
        beside = {"desired.json": write_desired(data), "late.json": write_late(late), "backend": work.backend}
        beside["known.json"] = write_known_addresses(work.known)
        return self.guard.start(token, holder, timeout, delay, make, beside)

    def confirm(self, token: str) -> List[str]:
        """Make the pending change final; what of programs' it has cost, for a warning. Raises Refused."""
        record = self.guard.demand(token)
        late = self.guard.stored(record, "late.json", read_late)
        taken = Conflicts(self._runner, self._clock).taken_late(late, self.observe())
        if taken:
            raise Refused("check", "; ".join(taken))
        backend = self.guard.stored(record, "backend", lambda text, _what: text)
        desired = self._desired(record)
        known = self.guard.stored(record, "known.json", read_known_addresses)
        lost: List[str] = []

        def settled() -> str:
            wrong = self.settled(desired, backend, known)
            lost.extend(() if wrong else self.guard.restore_foreign(record))
            return wrong

        self.guard.confirm(token, settled)
        return lost

    def going(self, token: str) -> List[str]:
        """The interfaces that go when the pending change is confirmed. Raises Refused."""
        return [one.name for one in self._desired(self.guard.demand(token)).interfaces if one.absent]

    def _desired(self, record: Record) -> Desired:
        return self.guard.stored(record, "desired.json", read_desired)

    def settled(self, desired: Desired, backend: str, known: FrozenSet[str]) -> str:
        """What is still wrong some seconds after the boot configuration changed, or nothing."""
        ends = self._clock.monotonic() + SETTLE
        wrong = "nothing could be seen"
        while wrong:
            observed = marked(self.observe(), desired, known)
            left = plan(pinned(desired, observed), observed)
            wrong = "; ".join(str(one) for one in (*left.prepare, *left.switch, *left.cleanup))
            wrong = self._lacking(wrong, backend) if wrong else self._not_adopted(desired, backend, observed)
            if not wrong or self._clock.monotonic() > ends:
                break
            self._clock.sleep(0.25)
        return wrong

    def _lacking(self, wrong: str, backend: str) -> str:
        """Whose fault it is: services have the network's files by now, and a program that works at boot only does nothing by itself."""
        unit = BACKENDS[backend].service if backend in BACKENDS else ""
        if unit and not active(self._runner, unit):
            return f"{unit} does not run (systemctl status {unit} says why), and the network would still need: {wrong}"
        who = f"{BACKENDS[backend].title} did not set up the network within {SETTLE:g} s, which" if unit else "the network"
        return f"{who} would still need: {wrong}"

    def _not_adopted(self, desired: Desired, backend: str, observed: Observed) -> str:
        """The interfaces that the program does not have by our files; of a backend that this version does not know, none."""
        return HOST_BACKENDS[backend].not_adopted(self._runner, desired, observed) if backend in HOST_BACKENDS else ""


def _claims(backend: Backend, desired: Desired) -> Tuple[Claim, ...]:
    before, after = HOST_BACKENDS[backend.name].records([one.name for one in desired.interfaces]), backend.claims(desired)
    names = [one.name for one in desired.interfaces if one.name in before or one.name in after]
    return tuple(Claim(name, before.get(name, ""), after.get(name, "")) for name in names)
