# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DNS server behind a small protocol, and a fake one for tests that answers as RFC 2136 says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Mapping, Optional, Protocol, Tuple

from .._core.dns.model import Change, Key, Message, Prerequisite, RRset, ZoneContents
from .._core.dns.plan import LIMIT, estimate
from .._core.dns.prune import without_server_sets
from .._core.dns.visibility import Answer

NOERROR = 0
RCODES: Mapping[int, str] = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    7: "YXRRSET",
    8: "NXRRSET",
    9: "NOTAUTH",
    10: "NOTZONE",
}
PREREQUISITE_FAILED = (3, 6, 7, 8)  # RFC 2136 section 3.2.5


class DnsFailure(Exception):
    """An exchange that did not do what was asked.

    ``reason`` is one word of a fixed list (see the documentation of the modules), ``rcode`` the server's answer when
    there was one, ``sent`` whether an update may have reached the server, ``done`` what earlier messages did.
    """

    def __init__(self, reason: str, message: str, rcode: Optional[int] = None, sent: bool = False) -> None:
        self.reason = reason
        self.rcode = rcode
        self.sent = sent
        self.done: Tuple[str, ...] = ()
        super().__init__(message)


def refusal(who: str, question: str, rcode: int) -> DnsFailure:
    """The failure for an answer with a response code that is neither NOERROR nor NXDOMAIN."""
    reason = {5: "refused", 2: "server_failure"}.get(rcode, "malformed")
    return DnsFailure(reason, f"{who} answered the question for {question} with {RCODES.get(rcode, str(rcode))}.", rcode)


class DnsClient(Protocol):
    """One authoritative server. ``limit`` is the most bytes that one update may have, without its signature."""

    @property
    def limit(self) -> int:
        """Bytes, without the signature."""
        ...  # pylint: disable=unnecessary-ellipsis

    def size(self, zone: str, message: Message) -> int:
        """The bytes of an update on the wire, without its signature; more than ``limit`` when it cannot be made."""
        ...  # pylint: disable=unnecessary-ellipsis

    def canonical(self, kind: str, text: str) -> str:
        """The canonical form of one value in presentation form, its names absolute. Raises ValueError."""
        ...  # pylint: disable=unnecessary-ellipsis

    @property
    def stream(self) -> bool:
        """Whether messages go over a connection, so that reading a whole zone is cheap."""
        ...  # pylint: disable=unnecessary-ellipsis

    def ask(self, zone: str, name: str, kind: str) -> Answer:
        """The answer to one question about a name in a zone: NOERROR or NXDOMAIN."""
        ...  # pylint: disable=unnecessary-ellipsis

    def check_zone(self, zone: str) -> None:
        """Raises DnsFailure ``not_auth`` when the server does not serve exactly this zone."""
        ...  # pylint: disable=unnecessary-ellipsis

    def transfer(self, zone: str) -> ZoneContents:
        """The whole zone at one moment."""
        ...  # pylint: disable=unnecessary-ellipsis

    def send(self, zone: str, message: Message) -> int:
        """Send one update; the response code, which is NOERROR or one of PREREQUISITE_FAILED."""
        ...  # pylint: disable=unnecessary-ellipsis


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
