# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a zone's new servers answer other than its old ones, record set by record set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from .. import txt
from ..migration.decisions import ANSWER, Decision, Decisions, decided
from ..model import Key, RRset
from ..record_types import SIGNING

EXPECTED, TTL, EXTRA = "expected", "ttl", "extra"
_WORDS = {
    "missing": "is missing",
    "values": "has other data",
    EXTRA: "is only there",
    TTL: "has another TTL",
    EXPECTED: "differs as expected",
    "unreachable": "could not be asked",
}


@dataclass(frozen=True)
class Said:
    """What one server answered for all record sets, or why it did not. ``old``: it is one of the old provider's.

    ``refused`` are types for which it gave an error in place of an answer, with the error.
    """

    server: str
    sets: Mapping[Key, RRset]
    failure: str = ""
    message: str = ""
    old: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One record set that one server answers differently.

    ``kind`` is missing, values, extra (the reference has no such set), ttl (only that), expected (``note`` says why),
    or unreachable (for the whole server; ``note`` says why, ``key`` is the zone's SOA).
    """

    kind: str
    server: str
    key: Key
    old: Optional[RRset] = None
    new: Optional[RRset] = None
    note: str = ""
    by_old: bool = False


def compare(zone: str, reference: Mapping[Key, RRset], others: Iterable[Said], decisions: Optional[Decisions] = None) -> List[Difference]:
    """What each of the others answers other than the reference, in a stable order.

    A new server is expected to answer what ``decisions`` say.
    """
    decisions = decisions or {}
    found: List[Difference] = []
    for said in others:
        if said.failure:
            found.append(Difference("unreachable", said.server, (zone, "SOA"), note=said.message))
            continue
        own = nameserver_names(zone, said.sets)
        for key in sorted({*reference, *said.sets}, key=lambda one: (one[0] != zone, one)):
            before, after, decision = reference.get(key), said.sets.get(key), decided(decisions, key)
            if decision is not None and decision.wanted is not None and key in decisions and not said.old:
                wanted = decision.wanted
                before = wanted if decision.ttl is not None or before is None else replace(wanted, ttl=before.ttl)
            kind, note = _judge(zone, key, before, after, own)
            if decision is not None and kind not in ("", TTL, EXPECTED):
                kind, note = _as_decided(decision, said.old or key not in decisions, kind)
            if kind:
                found.append(Difference(kind, said.server, key, before, after, note, said.old))
    return found


def _as_decided(decision: Decision, apart: bool, kind: str) -> Tuple[str, str]:
    """A difference of a set that somebody decided about; ``apart``: the decision does not say what this server has."""
    if apart or decision.wanted is None and decision.publish != ANSWER:
        return EXPECTED, "as decided"
    if decision.publish == ANSWER and kind == "values":
        return EXPECTED, "as decided, what the old servers answered at the import"
    return kind, ""


def nameserver_names(zone: str, sets: Mapping[Key, RRset]) -> FrozenSet[str]:
    """The names of the zone's own nameservers."""
    servers = sets.get((zone, "NS"))
    return servers.values if servers else frozenset()


def _judge(zone: str, key: Key, old: Optional[RRset], new: Optional[RRset], own: FrozenSet[str]) -> Tuple[str, str]:
    """The kind of a difference and why it is expected; empty when there is none."""
    name, kind = key
    if old is not None and new is not None and txt.fitted(old, new).values == new.values:
        return (TTL, "") if old.ttl != new.ttl and kind != "SOA" else ("", "")
    if kind == "SOA":
        return EXPECTED, "each server keeps its own"
    if kind == "NS" and name == zone:
        return EXPECTED, "the nameservers are what changes"
    if kind in SIGNING:
        return EXPECTED, "each server signs with its own keys"
    if old is None and kind in ("A", "AAAA") and name in own:
        return EXPECTED, "the address of a new nameserver"
    if new is None:
        return "missing", ""
    return (EXTRA, "") if old is None else ("values", "")


def counted(differences: Iterable[Difference], ignore_extra: bool = False) -> List[Difference]:
    """Those that a resolver would notice in an answer's data. ``ignore_extra``: but for sets that only a new server has."""

    def harmless(one: Difference) -> bool:
        # What only one of the old servers has would be lost.
        return one.kind in (EXPECTED, TTL) or (ignore_extra and one.kind == EXTRA and not one.by_old)

    return [one for one in differences if not harmless(one)]


def as_data(one: Difference) -> Dict[str, Any]:
    """A difference as a module returns it."""
    name, kind = one.key
    return {
        "record": name[:-1],
        "type": kind,
        "server": one.server,
        "kind": one.kind,
        "old": _shown(one.old),
        "new": _shown(one.new),
        "old_ttl": one.old.ttl if one.old else None,
        "new_ttl": one.new.ttl if one.new else None,
        "note": one.note,
    }


def _shown(one: Optional[RRset]) -> List[Any]:
    """The values as people write them."""
    if one is None:
        return []
    return txt.read_all(one.values) if one.type == "TXT" else sorted(one.values)


def table(differences: Iterable[Difference]) -> str:
    """The differences for people, one block for each record set and kind, with the servers it is true of."""
    blocks: Dict[Tuple[str, Key, str, str, str], List[str]] = {}
    for one in differences:
        before, after = _told(one.old), _told(one.new)
        blocks.setdefault((one.kind, one.key, before, after, one.note), []).append(one.server)
    lines = []
    for (kind, key, before, after, note), servers in blocks.items():
        if kind == "unreachable":
            lines.append(f"{', '.join(servers)} {_WORDS[kind]}: {note}")
            continue
        lines.append(f"{key[0]} {key[1]} {_WORDS[kind]} at {', '.join(servers)}{f' ({note})' if note else ''}")
        lines.extend([f"    old: {before}", f"    new: {after}"])
    return "".join(f"{line}\n" for line in lines)


def _told(one: Optional[RRset]) -> str:
    return f"{one.ttl} {' | '.join(_line(value) for value in _shown(one))}" if one else "nothing"


def _line(value: Any) -> str:
    """A value in one line; several strings of TXT each in quotes."""
    return value if isinstance(value, str) else " ".join(txt.write(text) for text in value)


def diff(differences: Iterable[Difference]) -> Dict[str, str]:
    """The sets that differ as lines of a zone file, of the reference and of each server."""
    before: Dict[str, List[str]] = {}
    after: Dict[str, List[str]] = {}
    for one in differences:
        if one.kind in (EXPECTED, "unreachable"):
            continue
        before.setdefault(one.server, []).append(f"{one.old}\n" if one.old else "")
        after.setdefault(one.server, []).append(f"{one.new}\n" if one.new else "")
    return {
        "before": "".join(f"==> {server} <==\n{''.join(lines)}" for server, lines in before.items()),
        "after": "".join(f"==> {server} <==\n{''.join(lines)}" for server, lines in after.items()),
    }
