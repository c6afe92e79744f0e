# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether all servers of a zone say what they should, and if not, which one says what instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterable, List, Optional, Sequence

from ..model import Key, RRset
from ..txt import fitted
from ..update.plan import describe

_HALF = 2**31


@dataclass(frozen=True)
class Answer:
    """What one server said. ``failure`` is one word, and ``message`` the sentence, when it said nothing of use."""

    server: str
    serial: Optional[int] = None
    found: Optional[RRset] = None
    failure: str = ""
    message: str = ""


@dataclass(frozen=True)
class Goal:
    """What is waited for: a set with these values, a serial of at least this one, or neither: that all say the same.

    ``values`` may be empty, for a set that must not exist; ``texts`` are those written as plain text, which a server may
    have in any split. ``contains`` allows more values than these. ``ttl``, when
    given, must be the set's.
    """

    key: Optional[Key] = None
    values: Optional[FrozenSet[str]] = None
    contains: bool = False
    ttl: Optional[int] = None
    serial: Optional[int] = None
    texts: FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class Lag:
    """A server that is not there yet.

    ``reason`` is that of a failed question, or old_serial, other_value or missing.
    """

    server: str
    reason: str
    message: str


def at_least(serial: int, wanted: int) -> bool:
    """Whether a serial is the wanted one or a later one, in serial number arithmetic (RFC 1982 section 3.2)."""
    return (serial - wanted) % 2**32 < _HALF


def newest(serials: Iterable[int]) -> Optional[int]:
    """The serial that no other one is later than; None without any."""
    latest: Optional[int] = None
    for serial in serials:
        if latest is None or at_least(serial, latest):
            latest = serial
    return latest


def judge(goal: Goal, answers: Sequence[Answer]) -> List[Lag]:
    """The servers that are not there yet, in the order of the answers; empty when the goal is reached.

    Without any answer nothing is reached, and the one that lags is nobody in particular.
    """
    if not answers:
        return [Lag("", "no_server", "The zone has no nameserver that could be asked.")]
    latest = newest(answer.serial for answer in answers if answer.serial is not None)
    reference = next((one for one in answers if not one.failure and one.serial == latest), None)
    lags = (_lag(goal, answer, latest, reference) for answer in answers)
    return [lag for lag in lags if lag is not None]


def describe_lags(zone: str, lags: Sequence[Lag], seconds: float) -> str:
    """One sentence about servers that are not there yet: first those that do not serve the zone, which waiting will not mend."""
    strangers = [lag for lag in lags if lag.reason == "not_auth"]
    behind = [lag for lag in lags if lag.reason != "not_auth"]
    details = "; ".join(f"{lag.server} {lag.message}".strip() for lag in behind)
    parts = [f"{lag.message}" for lag in strangers]
    if behind:
        parts.append(f"The servers of {zone[:-1]} do not agree after {seconds:g} s: {details}")
    return " ".join(parts)


def _lag(goal: Goal, answer: Answer, latest: Optional[int], reference: Optional[Answer]) -> Optional[Lag]:
    if answer.failure:
        return Lag(answer.server, answer.failure, answer.message)
    if goal.serial is not None:
        if answer.serial is None or not at_least(answer.serial, goal.serial):
            text = f"has serial {answer.serial}, where {goal.serial} or later is waited for"
            return Lag(answer.server, "old_serial", text)
        if goal.key is None:
            return None
    if goal.key is not None:
        return _lag_of_set(goal, answer, reference)
    if answer.serial != latest:
        return Lag(answer.server, "old_serial", f"has serial {answer.serial}, where another server has {latest}")
    return None


def _lag_of_set(goal: Goal, answer: Answer, reference: Optional[Answer]) -> Optional[Lag]:
    wanted, found = goal.values, answer.found
    if wanted is None:
        other = reference.found if reference is not None else found
        same = found == other
        text = f"answers {describe(found)}, where another server answers {describe(other)}"
        return None if same else Lag(answer.server, "missing" if found is None else "other_value", text)
    held = found.values if found else frozenset()
    if goal.key is not None:
        wanted = fitted(RRset(*goal.key, 0, wanted, texts=goal.texts), found).values
    reached = wanted <= held if goal.contains else wanted == held
    if reached and (goal.ttl is None or found is None or found.ttl == goal.ttl):
        return None
    should = ", ".join(sorted(wanted)) or "nothing"
    should += f" (TTL {goal.ttl})" if goal.ttl is not None else ""
    return Lag(answer.server, "missing" if found is None else "other_value", f"answers {describe(found)} instead of {should}")
