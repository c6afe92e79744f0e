# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a zone at its old servers would not reach the new ones, as far as the source and the answers show.

Invariant, with a property test: a set that an old server answers with other data than the new servers get, and a line of the source
that is not taken over, is named here, unless each server has its own or a person decided about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..._shared.quoting import visible
from .. import names
from ..model import Key, RRset
from ..query.compare import Said
from .decisions import ANSWER, NOTHING, Decisions, decided, place
from .left_out import EXPECTED, NOTE, LeftOut
from .probes import is_data

_SHOWN = 4


@dataclass(frozen=True)
class Evidence:
    """What is known of the old zone.

    ``known`` are the sets that are imported, with data from a transfer or the first old server; ``listed`` those that the source
    has, with its own data; ``answers`` what each old server answered afterwards, the one that ``known`` came from among them.
    ``unwritable`` are those of ``left`` that an inventory cannot hold with the data they have.
    """

    transferred: bool
    known: Mapping[Key, RRset]
    listed: Mapping[Key, RRset]
    left: Sequence[LeftOut]
    answers: Sequence[Said]
    unwritable: FrozenSet[Key] = frozenset()


@dataclass(frozen=True)
class Loss:
    """A record set in doubt. ``reason`` completes a sentence that begins with it; ``decision`` is what was decided, or empty."""

    key: Key
    record: str
    reason: str
    decision: str = ""

    def __post_init__(self) -> None:
        for name in ("record", "reason"):
            object.__setattr__(self, name, visible(getattr(self, name)))

    def as_data(self) -> Dict[str, Any]:
        """As a module returns it."""
        return {"record": self.record, "type": self.key[1], "reason": self.reason, "publish": self.decision}

    def __str__(self) -> str:
        return f"{self.record} {self.key[1]} {self.reason}"


def losses(zone: str, evidence: Evidence, decisions: Decisions) -> Tuple[Loss, ...]:
    """Every set in doubt, the likeliest cause first: what the source lost, what is answered beyond it, what differs."""
    reasons: Dict[Key, List[str]] = {}
    shown: Dict[Key, str] = {}
    for one in evidence.left:
        if one.kind not in (EXPECTED, NOTE):
            key = (place(one.record, zone), one.type)
            shown[key] = one.record
            reasons.setdefault(key, []).append(one.reason)
    for key, reason in (
        *_not_asked(zone, evidence),
        *_without_answer(zone, evidence),
        *_beyond_source(zone, evidence, frozenset(reasons)),
        *_differing(zone, evidence),
        *_decided_without_answer(evidence, decisions),
    ):
        reasons.setdefault(key, []).append(reason)
    for key, reason in _decided_freely(zone, evidence, decisions):
        reasons.setdefault(key, [reason])
    return tuple(Loss(key, shown.get(key, _relative(key[0], zone)), "; ".join(texts), _decision(evidence, decisions, key)) for key, texts in reasons.items())


def unexplained(found: Iterable[Loss]) -> List[Loss]:
    """Those about which nobody decided."""
    return [one for one in found if not one.decision]


def not_seen(answers: Iterable[Said]) -> List[str]:
    """Types of which nothing is known, since a server gives an error in place of an answer, each with the error."""
    return [f"{said.server} does not say which {kind} records there are: {text}" for said in answers for kind, text in sorted(said.refused.items())]


def _relative(name: str, zone: str) -> str:
    return names.relative(name, zone) if names.within(name, zone) else name


def _decision(evidence: Evidence, decisions: Decisions, key: Key) -> str:
    decision = decided(decisions, key)
    if key[1] == "SOA":  # stands for a server that cannot be asked
        return ""
    if decision is None or (decision.publish == ANSWER and key in decisions and key not in evidence.known):
        return ""
    if key in evidence.unwritable and decision.publish != NOTHING:
        return ""
    return decision.publish


Found = Iterable[Tuple[Key, str]]


def _not_asked(zone: str, evidence: Evidence) -> Found:
    """Servers that did not answer: what only they have is not known."""
    for said in evidence.answers:
        if said.failure:
            yield (zone, "SOA"), f"cannot be asked of {said.server}: {said.message}"


def _without_answer(zone: str, evidence: Evidence) -> Found:
    """What a source has and the first old server does not answer: deleted since, hidden, or answered in another way."""
    for key in _in_order(zone, evidence.listed):
        one = evidence.listed[key]
        if key in evidence.known or not is_data(zone, one) or _below_cut(zone, key, evidence.listed):
            continue
        others = [said.server for said in evidence.answers if key in said.sets]
        instead = sorted({kind for said in evidence.answers for name, kind in said.sets if name == key[0]})
        who = f"only {', '.join(others)} answers it" if others else "no old server answers it"
        yield key, f"is in the source ({_values([one])}), and {who}{_but(instead) if instead and not others else ''}"


def _but(kinds: Sequence[str]) -> str:
    return f", but {', '.join(kinds)}"


def _beyond_source(zone: str, evidence: Evidence, left: FrozenSet[Key]) -> Found:
    """What is answered and in no source: made up by the provider, added since, or hidden from the file."""
    answered: Dict[Key, List[RRset]] = {}
    for said in evidence.answers:
        for key, one in said.sets.items():
            if is_data(zone, one):
                answered.setdefault(key, []).append(one)
    for key in _in_order(zone, answered):
        text = f"the old servers answer {_values(answered[key])}"
        if key in left:
            yield key, text
        elif key not in evidence.listed:
            yield key, f"is not in the {'transfer' if evidence.transferred else 'file'}, and {text}"


def _differing(zone: str, evidence: Evidence) -> Found:
    """Sets whose data is not the same at every old server and in every answer."""
    for key in _in_order(zone, evidence.known):
        one = evidence.known[key]
        if key not in evidence.listed or not is_data(zone, one) or _below_cut(zone, key, evidence.known):
            continue
        other = [said for said in evidence.answers if not said.failure and _data(said.sets.get(key)) != one.values]
        if other:
            texts = [f"{said.server} {_values([said.sets[key]]) if key in said.sets else 'nothing'}" for said in other[:_SHOWN]]
            first = "in the transfer" if evidence.transferred else "at first"
            yield key, f"has data that is not the same in every answer: {_values([one])} {first}, then {', '.join(texts)}"


def _below_cut(zone: str, key: Key, sets: Mapping[Key, RRset]) -> bool:
    """Whether a server does not answer for a set: it is at or below a delegation, or below a DNAME (RFC 1034 section 4.2.1)."""
    name, kind = key
    above = names.parents(name, zone)
    cut = any((one, "NS") in sets for one in above if one != zone) or any((one, "DNAME") in sets for one in above)
    return cut or (name != zone and (name, "NS") in sets and kind not in ("NS", "DS"))


def _in_order(zone: str, keys: Iterable[Key]) -> List[Key]:
    return sorted(keys, key=lambda one: (one[0] != zone, one))


def _data(one: Optional[RRset]) -> FrozenSet[str]:
    return one.values if one is not None else frozenset()


def _decided_without_answer(evidence: Evidence, decisions: Decisions) -> Found:
    """Where the answer was to be published and there is none."""
    for key, decision in decisions.items():
        if decision.publish == ANSWER and key not in evidence.known:
            yield key, "is to be published as answered, and no old server answers it"


def _decided_freely(zone: str, evidence: Evidence, decisions: Decisions) -> Found:
    """What nobody doubts, and somebody decided to publish in another way or not at all."""
    for key in _in_order(zone, evidence.known):
        decision = decided(decisions, key)
        if decision is not None and not (decision.publish == ANSWER and key in decisions) and is_data(zone, evidence.known[key]):
            yield key, f"is {_values([evidence.known[key]])} at the old servers"


def _values(sets: Sequence[RRset]) -> str:
    found = sorted({value for one in sets for value in one.values})
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return " | ".join(value if len(value) <= 60 else f"{value[:57]}..." for value in found[:_SHOWN]) + more
