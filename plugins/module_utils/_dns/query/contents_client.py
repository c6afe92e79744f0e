# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a zone holds, which is not always what its server answers.

``held()`` is for everything that plans or compares. It takes answers where they prove what the zone holds (see the
module visibility), and that is one question for each name more than the answers themselves need. The rest, which is
what lies at and below cuts and DNAMEs, is read by zone transfer. Where the key may not transfer, the server is asked by
updates that consist of prerequisites alone (RFC 2136 section 2.4): they are compared with the zone itself, but for the TTL.

``answered()`` is what a client gets, for waiting until servers have propagated a change.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

from .. import names
from ..client import NOERROR, DnsClient, DnsFailure
from ..model import Key, Message, Prerequisite, RRset, Seen, seen_among
from ..record_types import SERVER_OWNED
from .visibility import ALIAS, PROVEN, Answer, at_name, judge, referred, renaming

MANY = 100  # sets that are read faster by a transfer of the zone, where it is allowed, than one by one
_NO_TRANSFER = ("refused", "malformed", "server_failure", "unreachable", "timeout", "broken")
_LISTED = 5  # names in one sentence


def held(client: DnsClient, zone: str, keys: Sequence[Key], guesses: Optional[Iterable[Optional[RRset]]] = None) -> Seen:
    """The sets of these keys that the zone holds, and CNAMEs in their place; for a CNAME, all that is at its name.

    With ``guesses``, sets that it may hold, a zone that cannot be transferred is asked by updates without a change: a set
    has the TTL of the guess then, and is among ``unseen_ttls``. Raises DnsFailure, ``not_readable`` when a set can be read
    in no way.
    """
    found, unreadable = look(client, zone, keys, guesses)
    if unreadable:
        owners = list(dict.fromkeys(f"{name[:-1]} {kind}" for name, kind in unreadable))
        more = f" and {len(owners) - _LISTED} more sets" if len(owners) > _LISTED else ""
        raise DnsFailure(
            "not_readable",
            f"What the zone {zone[:-1]} holds cannot be read for {', '.join(owners[:_LISTED])}{more}."
            f" {' '.join(dict.fromkeys(unreadable.values()))}"
            f" Allow this key, on this server, to transfer the zone {zone[:-1]} (BIND: allow-transfer; Knot: an acl with"
            " action transfer), or use a key that may.",
        )
    return found


def look(client: DnsClient, zone: str, keys: Sequence[Key], guesses: Optional[Iterable[Optional[RRset]]] = None) -> Tuple[Seen, Dict[Key, str]]:
    """As held(), and sentences for the keys that cannot be read, in the place of a failure."""
    whole = _transferred(client, zone, keys) if len(keys) >= MANY and client.stream else None
    if whole is not None:
        return whole, {}
    client.check_zone(zone)
    reader = _Reader(client, zone)
    for key in dict.fromkeys(keys):
        reader.read(key)
    if not reader.hidden:
        return reader.seen(), {}
    rest = list(reader.hidden)
    whole = _transferred(client, zone, rest)
    if whole is not None:
        reader.found.update(whole)
        reader.unused.update(whole.unused)
        return reader.seen(), {}
    if guesses is None:
        return reader.seen(), reader.hidden
    candidates = [*(one for one in guesses if one is not None), *reader.candidates]
    before = frozenset(reader.found)
    unreadable = {key: reader.hidden[key] for key in rest if not _asked_by_update(client, zone, key, candidates, reader.found)}
    seen = reader.seen()
    seen.unseen_ttls = frozenset(seen) - before
    return seen, unreadable


def unseen_ttls(seen: Seen, keys: Iterable[Key]) -> List[str]:
    """A sentence for each of these sets whose TTL is not known."""
    return [
        f"The TTL of {name} {kind} cannot be seen with this key and is left as it is; the values are as wanted. Allow the key to"
        " transfer the zone, and the TTL is compared too."
        for name, kind in keys
        if (name, kind) in seen.unseen_ttls
    ]


def answered(client: DnsClient, zone: str, keys: Sequence[Key]) -> Seen:
    """As held(), but as the server answers a client: below a cut, what the server refers to or another zone has."""
    whole = _transferred(client, zone, keys) if len(keys) >= MANY and client.stream else None
    if whole is not None:
        return whole
    client.check_zone(zone)
    reader = _Reader(client, zone)
    for key in dict.fromkeys(keys):
        reader.read_answer(key)
    return reader.seen()


def _transferred(client: DnsClient, zone: str, keys: Sequence[Key]) -> Optional[Seen]:
    """The sets by zone transfer; None when the server does not give it."""
    try:
        return seen_among(client.transfer(zone).sets, keys)
    except DnsFailure as failure:
        if failure.reason not in _NO_TRANSFER:
            raise
    return None


def _asked_by_update(client: DnsClient, zone: str, key: Key, candidates: Sequence[RRset], found: Dict[Key, RRset]) -> bool:
    """Find out by prerequisites alone whether a set has the values of a candidate, or does not exist.

    No prerequisite compares the TTL. A set has that of the first candidate, so that it makes no difference to what is wanted.
    """
    name, kind = key
    absent = [Prerequisite("absent", name, kind)]
    absent += [Prerequisite("unused", name)] if kind == "CNAME" else [Prerequisite("absent", name, "CNAME")]
    try:
        if _holds(client, zone, absent):
            return True
        possible = [one for one in candidates if one.key == key]
        for one in possible:
            if _holds(client, zone, [Prerequisite("equals", name, kind, one.spelled)]):
                found[key] = replace(one, ttl=possible[0].ttl)
                return True
    except DnsFailure as failure:
        if failure.reason not in ("refused", "not_auth", "malformed", "server_failure"):
            raise
    return False


def _holds(client: DnsClient, zone: str, conditions: Sequence[Prerequisite]) -> bool:
    return client.send(zone, Message((), tuple(conditions))) == NOERROR


class _Reader:
    """One reading of a zone by questions: what was found, and what the answers do not prove."""

    def __init__(self, client: DnsClient, zone: str) -> None:
        self.client = client
        self.zone = zone
        self.found: Dict[Key, RRset] = {}
        self.unused: Set[str] = set()
        self.hidden: Dict[Key, str] = {}  # why each of these keys is not visible
        self.candidates: List[RRset] = []  # what answers have for them
        self._why: Dict[str, str] = {zone: ""}  # by name, why answers for it are not the zone's; empty when they are
        self._wildcards: Dict[Key, Optional[RRset]] = {}

    def seen(self) -> Seen:
        """All that was found."""
        seen = Seen(self.found)
        seen.unused = frozenset(self.unused)
        return seen

    def read(self, key: Key) -> None:
        """Find a set, or note why it is hidden."""
        answer = self.client.ask(self.zone, *key)
        why = self._hidden(key, answer)
        if why:
            self._read_hidden(key, answer, why)
            return
        self._take(key, answer)

    def read_answer(self, key: Key) -> None:
        """Find what a client gets."""
        answer = self.client.ask(self.zone, *key)
        if not answer.authoritative and not judge(self.zone, key, answer).cut:
            text = f"The server's answer for {key[0][:-1]} {key[1]} is not authoritative. Name a server of the zone."
            raise DnsFailure("not_auth", text)
        self._take(key, answer)

    def _take(self, key: Key, answer: Answer) -> None:
        name, kind = key
        if answer.rcode == 3 and not answer.answer:  # with a CNAME in the answer, it is the target that is not there
            self.unused.add(name)
        sets = self._shown(key, answer)
        if kind == "CNAME" and not sets and name not in self.unused:
            sets = self._shown((name, "ANY"), self.client.ask(self.zone, name, "ANY"))
        self.found.update({one.key: one for one in sets if not self._synthetic(one)})

    def _read_hidden(self, key: Key, answer: Answer, why: str) -> None:
        cut = judge(self.zone, key, answer).cut
        in_referral = referred(key, cut, answer) if cut else None
        if in_referral is not None and not self._hidden_name(names.parents(cut, self.zone)[0]):
            self.found[key] = in_referral
            return
        self.hidden[key] = why
        self.candidates.extend(at_name(key, answer.sets, SERVER_OWNED))

    def _hidden(self, key: Key, answer: Answer) -> str:
        """Why an answer is not the zone's; empty when it is."""
        name, kind = key
        proof = judge(self.zone, key, answer)
        if name == self.zone:
            return "A DS record of this name is in the zone above." if kind == "DS" and proof.word != PROVEN else ""
        place = names.parents(name, self.zone)[0] if kind == "DS" else name
        if proof.word == PROVEN:
            self._prove(place)
            return ""
        if kind == "DS" and proof.word != ALIAS:
            return proof.why or self._hidden_name(place)
        if kind != "DS" and proof.word == ALIAS:
            return self._hidden_name(names.parents(name, self.zone)[0])
        return self._hidden_name(name)  # of an alias in the place of a DS, too: it may be made up from a wildcard

    def _hidden_name(self, name: str) -> str:
        """Why answers for a name are not the zone's; empty when they are."""
        above = names.parents(name, self.zone)
        if name not in self._why:
            self._why[name] = next((self._why[one] for one in above if self._why.get(one)), "")
            if not self._why[name]:
                proof = judge(self.zone, (name, "SOA"), self.client.ask(self.zone, name, "SOA"))
                self._why[name] = self._hidden_name(above[0]) if proof.word == ALIAS else proof.why
                if proof.word == PROVEN:
                    self._prove(name)
        return self._why[name]

    def _prove(self, name: str) -> None:
        for one in (name, *names.parents(name, self.zone)):
            self._why[one] = ""

    def _shown(self, key: Key, answer: Answer) -> Tuple[RRset, ...]:
        if renaming(key[0], answer):
            return ()  # what else is in the answer was made up from the DNAME
        sets = answer.answer if answer.authoritative else answer.authority + answer.additional
        return at_name(key, sets, SERVER_OWNED)

    def _lookup(self, key: Key) -> Tuple[RRset, ...]:
        return self._shown(key, self.client.ask(self.zone, *key))

    def _synthetic(self, one: RRset) -> bool:
        """Whether the set was made up from a wildcard (RFC 4592).

        It was when a wildcard above holds the same data and a name below, which nobody has, is answered with it too: a
        name that exists stops the wildcard for itself and below. The name below is one level further down than the
        wildcard that the name may have itself.
        """
        wildcards = (f"*.{parent}" for parent in names.parents(one.name, self.zone))
        above = (self._wildcard(name, one.type) for name in wildcards if name != one.name)
        if not any(other is not None and other.values == one.values for other in above):
            return False
        below = names.from_presentation(f"probe-{secrets.token_hex(6)}.*.{one.name}")
        if len(below) > 254:
            return False
        return any(other.type == one.type and other.values == one.values for other in self._lookup((below, one.type)))

    def _wildcard(self, name: str, kind: str) -> Optional[RRset]:
        key = (name, kind)
        if key not in self._wildcards and len(name) <= 254:
            self._wildcards[key] = next((one for one in self._lookup(key) if one.type == kind), None)
        return self._wildcards.get(key)
