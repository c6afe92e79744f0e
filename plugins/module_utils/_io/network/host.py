# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's network as one thing: what would be done to make it what is desired, and whether it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..._core.network.backends.base import Backend
from ..._core.network.backends.networkd import Networkd
from ..._core.network.conflicts import asking
from ..._core.network.guard import FIRST, Change, prepare
from ..._core.network.model import Desired, Files, Observed, Plan
from ..._core.network.obstacles import obstacles
from ..._core.network.plan import pinned, plan
from ..._core.network.slice import from_data
from ..clock import Clock
from ..command import CommandRunner
from ..files import FileStore
from .conflicts import Conflicts
from .guard import Guard, Record, Refused
from .observe import active, read_files, read_kernel

NETWORKD = "systemd-networkd.service"
BACKENDS: Mapping[str, Backend] = {backend.name: backend for backend in (Networkd(),)}
SETTLE = 5.0
"""Seconds that a service gets to take its files over."""


@dataclass(frozen=True)
class Work:
    """What would be done. ``wrong`` is why it must not be."""

    observed: Observed
    operations: Plan
    files: Files
    shown: Mapping[str, str]
    leaving: Sequence[str]
    wrong: Sequence[str]

    @property
    def needed(self) -> bool:
        return bool(self.operations.operations or self.files.changes)

    def steps(self) -> List[str]:
        done = [str(one) for one in self.operations.operations]
        return done + [f"{'remove' if one.after is None else 'write'} {one.path}" for one in self.files.changes]

    def diff(self) -> List[Dict[str, str]]:
        """The requests to the kernel, and each file before and after."""
        found: List[Dict[str, str]] = []
        if self.operations.operations:
            requests = "".join(f"{one}\n" for one in self.operations.operations)
            found.append({"before_header": "kernel", "after_header": "kernel", "before": "", "after": requests})
        for one in self.files.changes:
            header = {"before_header": one.path, "after_header": one.path}
            found.append({**header, "before": one.before or "", "after": one.after or ""})
        return found


class HostNetwork:
    """Observes, plans, and hands changes to the guard."""

    def __init__(self, runner: CommandRunner, files: FileStore, clock: Clock) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock
        self.guard = Guard(runner, files, clock)

    def observe(self) -> Observed:
        return read_kernel(self._runner)

    def backend(self, wanted: str) -> Backend:
        """The one that is named, or the one that this host uses. Raises Refused."""
        if wanted != "auto":
            return BACKENDS[wanted]
        if active(self._runner, NETWORKD):
            return BACKENDS["networkd"]
        known = ", ".join(sorted(BACKENDS))
        raise Refused("backend", f"No program known here configures the network of this host. Set network_backend to one of {known}")

    def work(self, data: Mapping[str, Any], backend: Backend, management: Sequence[str], disconnect: bool) -> Work:
        """Raises CommandFailed, Unreadable and BadSlice."""
        observed = self.observe()
        desired = pinned(from_data(data), observed)
        existing = {path: text for path, text in read_files(backend.reads).items() if f"/{FIRST}" not in path}
        files = backend.changes(desired, existing)
        wrong = [*obstacles(desired, observed, management, disconnect), *files.problems]
        shown = Networkd().files(desired) if active(self._runner, NETWORKD) else {}
        leaving = [one.name for one in desired.interfaces if one.absent and one.name in observed.links]
        return Work(observed, plan(desired, observed), files, shown, leaving, wrong)

    def conflicts(self, work: Work, data: Mapping[str, Any]) -> List[str]:
        """Addresses and MACs of the change that another host has. It asks on the links and waits for answers."""
        return Conflicts(self._runner, self._clock).found(pinned(from_data(data), work.observed), work.observed)

    def begin(self, work: Work, data: Mapping[str, Any], token: str, holder: str, timeout: int, delay: float) -> Record:
        """Let the guard begin. Raises Refused."""

        def make(folder: str) -> Change:
            return prepare(folder, work.operations, work.files.changes, work.shown, work.observed, work.leaving)

        late = asking(pinned(from_data(data), work.observed), work.observed).late
        beside = {"desired.json": json.dumps(data), "late.json": json.dumps(late)}
        return self.guard.start(token, holder, timeout, delay, make, beside)

    def confirm(self, token: str) -> Record:
        """Make the change that is under way final. Raises Refused."""
        record = self.guard.demand(token)
        folder = self.guard.folder(record.id)
        late = json.loads(self._files.read(f"{folder}/late.json") or "[]")
        taken = Conflicts(self._runner, self._clock).taken_late([(ip, name) for ip, name in late], self.observe())
        if taken:
            raise Refused("check", "; ".join(taken))
        desired = from_data(json.loads(self._files.read(f"{folder}/desired.json") or "{}"))
        return self.guard.confirm(token, lambda: self._settled(desired))

    def _settled(self, desired: Desired) -> str:
        """What the kernel still lacks some seconds after the boot configuration changed, or nothing."""
        ends = self._clock.monotonic() + SETTLE
        left: Optional[Plan] = None
        while left is None or self._clock.monotonic() < ends:
            observed = self.observe()
            left = plan(pinned(desired, observed), observed)
            if not (left.prepare or left.switch or left.cleanup):
                return ""
            self._clock.sleep(0.25)
        return "the network would still need: " + "; ".join(str(one) for one in left.operations)
