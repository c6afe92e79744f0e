# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for what has effects: commands, files, the clock, and a DNS server that answers as RFC 2136 says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import NOERROR, DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Change, Key, Message, Prerequisite, RRset, ZoneContents
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.visibility import Answer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import LIMIT, estimate
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.prune import without_server_sets
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, CommandResult
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import Access, NewFile


@dataclass
class FakeRunner:
    """Answers from a table, for tests; a command that is not in the table fails with status 127."""

    answers: Dict[Tuple[str, ...], CommandResult] = field(default_factory=dict)
    calls: List[Tuple[str, ...]] = field(default_factory=list)

    def answer(self, argv: Sequence[str], rc: int = 0, stdout: str = "", stderr: str = "") -> None:
        self.answers[tuple(argv)] = CommandResult(tuple(argv), rc, stdout, stderr)

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        self.calls.append(tuple(argv))
        result = self.answers.get(tuple(argv), CommandResult(tuple(argv), 127, "", "not in the table"))
        if check and result.rc != 0:
            raise CommandFailed(result)
        return result


@dataclass
class FakeFiles:
    """Files in memory, for tests: path -> (content, mode), and path -> (owner, group)."""

    files: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    owners: Dict[str, Tuple[str, str]] = field(default_factory=dict)

    def read(self, path: str) -> Optional[str]:
        return self.files[path][0] if path in self.files else None

    def access(self, path: str) -> Optional[Access]:
        if path not in self.files:
            return None
        return Access(self.files[path][1], *self.owners.get(path, ("root", "root")))

    def write(self, path: str, content: str, mode: int, owner: str = "", group: str = "") -> None:
        self.files[path] = (content, mode)
        self.owners[path] = (owner or "root", group or "root")

    def write_all(self, files: Sequence[NewFile]) -> None:
        for one in files:
            self.write(*one)

    def rename(self, path: str, other: str) -> None:
        self.files[other] = self.files.pop(path)
        self.owners[other] = self.owners.pop(path, ("root", "root"))

    def remove(self, path: str) -> None:
        self.files.pop(path, None)
        self.owners.pop(path, None)

    def own_folder(self, path: str, mode: int) -> None:
        """There are no folders here."""


@dataclass
class FakeClock:
    """A clock that only moves when someone sleeps, for tests."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeDns:
    """A zone in memory. ``meddle`` is called before every update, as a rival would be; ``deaf`` ignores changes.

    Its serial counts the updates that changed something; a rival counts it up with ``touch()``.
    """

    zone: str
    sets: Dict[Key, RRset] = field(default_factory=dict)
    meddle: Callable[[FakeDns], None] = lambda server: None
    deaf: bool = False
    sent: List[Message] = field(default_factory=list)
    fail: Optional[DnsFailure] = None
    fail_after: bool = False
    limit: int = LIMIT
    serial: int = 1

    def touch(self) -> None:
        self.serial += 1

    @property
    def soa(self) -> RRset:
        return RRset(self.zone, "SOA", 300, frozenset({f"ns1.{self.zone} hostmaster.{self.zone} {self.serial} 1 1 1 1"}))

    def transfer(self, zone: str) -> ZoneContents:
        sets = without_server_sets(self.zone, self.sets.values())
        return ZoneContents(self.zone, self.serial, self.soa, sets, (self.zone, "DNSKEY") in self.sets)

    def size(self, zone: str, message: Message) -> int:
        return estimate(message.groups, message.guard)

    def canonical(self, kind: str, text: str) -> str:
        return text

    stream = False

    def check_zone(self, zone: str) -> None:
        """It serves its zone."""

    def ask(self, zone: str, name: str, kind: str) -> Answer:
        """Without cuts, wildcards and names that only have others below them."""
        there = [one for key, one in self.sets.items() if key[0] == name]
        found = tuple(one for one in there if one.type in (kind, "CNAME") or kind == "ANY")
        return Answer(0 if there else 3, True, found, (self.soa,))

    def send(self, zone: str, message: Message) -> int:
        self.meddle(self)
        self.sent.append(message)
        if self.fail is not None and not self.fail_after:
            raise self.fail
        for one in message.prerequisites:
            rcode = self._unmet(one)
            if rcode:
                return rcode
        if not self.deaf:
            before = dict(self.sets)
            for change in message.changes:
                self._change(change)
            self.serial += before != self.sets
        if self.fail is not None:
            raise self.fail
        return NOERROR

    def _unmet(self, one: Prerequisite) -> int:
        found = self.soa if one.type == "SOA" else self.sets.get((one.name, one.type))
        if one.kind == "exists":
            return 0 if found is not None else 8
        if one.kind == "equals":
            return 0 if found is not None and set(found.exact or found.values) == set(one.values) else 8
        if one.kind == "absent":
            return 7 if found is not None else 0
        return 6 if any(key[0] == one.name for key in self.sets) else 0

    def _change(self, change: Change) -> None:
        """RFC 2136 section 3.4.2, with all that it silently ignores."""
        key = (change.name, change.type)
        found = self.sets.get(key)
        own_servers = key == (self.zone, "NS")
        if change.kind == "clear":
            if not own_servers:
                self.sets.pop(key, None)
        elif change.kind == "drop":
            if found is not None and not (own_servers and len(found.values) == 1):
                rest = frozenset(value for value in found.values if found.spelling(value) != change.value)
                self.sets.pop(key)
                if rest:
                    self.sets[key] = RRset(*key, found.ttl, rest)
        else:
            beside = {kind for name, kind in self.sets if name == change.name}
            if (change.type == "CNAME" and beside - {"CNAME"}) or (change.type != "CNAME" and "CNAME" in beside):
                return
            held = found.values if found is not None and change.type != "CNAME" else frozenset()
            self.sets[key] = RRset(*key, change.ttl, held | {change.value})
