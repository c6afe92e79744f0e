# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting rules of one place, of which others stay.

A request to delete a rule takes the first one that has what it names: what it does not name is a wildcard (rule_find in
net/core/fib_rules.c, where ``not`` is never compared). So no request can name a rule that has less than one that stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence, Tuple

from ..model import Desired, Observed, Rule


@dataclass(frozen=True)
class Removal:
    """``deleted`` in this order, then ``restored`` in this order: rules that stay, but had to be deleted to reach those behind them.

    ``before`` are the rules that an undo deletes and adds again, in this order: the first of ``deleted`` and all behind it, since a
    rule that is added is the last of its place.
    """

    deleted: Tuple[Rule, ...]
    restored: Tuple[Rule, ...]
    before: Tuple[Rule, ...]


def removals(desired: Desired, observed: Observed) -> List[Removal]:
    """One for each place of rules that are to be absent, without those places in which another rule is wanted."""
    wanted = {rule.place for rule in desired.rules if not rule.absent}
    absent = [rule for rule in desired.rules if rule.absent and rule.place not in wanted]
    places = dict.fromkeys(rule.place for rule in absent)
    found = (removal([rule for rule in observed.rules if rule.place == place], absent) for place in places)
    return [one for one in found if one.deleted]


def removal(there: Sequence[Rule], absent: Sequence[Rule]) -> Removal:
    """``there`` are all rules of one place, in the kernel's order. Invariant: each request takes the rule that it is for."""
    leaving = [index for index, rule in enumerate(there) if rule in absent]
    start = _end(there, leaving, len(there))
    deleted = [index for index in range(len(there)) if index in leaving or index >= start]
    restored = [rule for rule in there[start:] if rule not in absent]
    first = min(deleted, default=len(there))
    before = there[_end(there, range(first, len(there)), first) :]
    return Removal(tuple(there[index] for index in deleted), tuple(restored), tuple(before))


def _end(there: Sequence[Rule], deleted: Sequence[int], start: int) -> int:
    """The largest index up to ``start`` from which on all rules can be deleted, and the others of ``deleted``, each by its request."""
    while True:
        requests = [index for index in range(len(there)) if index in deleted or index >= start]
        others = (index for index in range(start) if index not in deleted)
        taken = next((index for index in others if any(_takes(there[one], there[index]) for one in requests if one > index)), None)
        if taken is None:
            return start
        start = taken


def _takes(rule: Rule, other: Rule) -> bool:
    """Whether a request to delete the rule may take another one of its place."""
    named = (
        (rule.source, other.source),
        (rule.destination, other.destination),
        (rule.iif, other.iif),
        (rule.oif, other.oif),
        (rule.mark, other.mark),
        (rule.action, other.action),
        (rule.table, other.table),
    )
    return all(value == there for value, there in named if value) and rule.suppress in (None, other.suppress)
