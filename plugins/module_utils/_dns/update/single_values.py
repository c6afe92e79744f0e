# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single values put into a set or taken out of it, the others untouched whoever writes them meanwhile.

A value is added or dropped by itself, so rivals with different values do not disturb each other. In the same message
are only the conditions without which the server would do something else:

- no CNAME at the name, or the server would leave the value out and say NOERROR;
- where the set decides the TTL, that the set is there or is not there, as it was read: a set has one TTL, and a value
  added with another would change it for all.

Where the set as a whole decides (CNAME and DNAME hold one value, a zone keeps at least one nameserver, another TTL is
for all values), the change is a compare-and-swap of the whole set, as plan() makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterable, List, Optional

from ..model import Change, Group, Key, Prerequisite, RRset, Step
from ..record_types import SINGLE
from ..txt import held_as
from .plan import Observed, Refused, plan

TTL = 3600  # of a new set, when nobody says


@dataclass(frozen=True)
class Values:
    """Values that a set must have among others, or must not have. Without ``ttl``, the set keeps its own.

    ``texts`` are those that were written as plain text: the set has such a value, however it is split, or has it in no way.
    """

    key: Key
    values: FrozenSet[str]
    present: bool = True
    ttl: Optional[int] = None
    texts: FrozenSet[str] = frozenset()

    def held(self, value: str, values: FrozenSet[str]) -> FrozenSet[str]:
        """The values among those of a set that one of these is."""
        return held_as(value, values, value in self.texts)


def merged(asked: Values, found: Optional[RRset]) -> Optional[RRset]:
    """The set as it has to become; None when nothing is left of it."""
    held = found.values if found is not None else frozenset()
    if asked.present:
        values = held | {value for value in asked.values if not asked.held(value, held)}
    else:
        values = held.difference(*(asked.held(value, held) for value in asked.values))
    if not values:
        return None
    if found is not None and (asked.ttl is None or not asked.present):
        return RRset(*asked.key, found.ttl, values)
    return RRset(*asked.key, TTL if asked.ttl is None else asked.ttl, values)


def merge(zone: str, asked: Values, observed: Observed) -> List[Group]:
    """One group, or none when the set is as asked. ``observed`` as for plan(). Raises Refused for what cannot be."""
    name, kind = asked.key
    before, after = observed.get(asked.key), merged(asked, observed.get(asked.key))
    try:
        groups = plan(zone, {asked.key: after}, observed)
    except Refused as refused:
        raise Refused([f"{reason}{_hint(kind, reason)}" for reason in refused.reasons]) from None
    whole = kind in SINGLE or asked.key == (zone, "NS")
    if whole or not groups or (before is not None and after is not None and before.ttl != after.ttl):
        return groups
    step = Step(_action(asked, before, after), before, after)
    return [Group(name, (step,), tuple(_conditions(asked, before)), tuple(_changes(asked, before, after)))]


def shows(asked: Values, found: Optional[RRset]) -> bool:
    """Whether a set is as asked."""
    return merged(asked, found) == found


def _hint(kind: str, reason: str) -> str:
    return " To replace it, use dns_record_set." if kind in SINGLE and "one value only" in reason else ""


def _action(asked: Values, before: Optional[RRset], after: Optional[RRset]) -> str:
    if before is None or after is None:
        return "create" if before is None else "delete"
    count = len(before.values ^ after.values)
    what = "a value" if count == 1 else f"{count} values"
    return f"add {what} to" if asked.present else f"remove {what} from"


def _conditions(asked: Values, before: Optional[RRset]) -> Iterable[Prerequisite]:
    if not asked.present:
        return
    name, kind = asked.key
    yield Prerequisite("absent", name, "CNAME")
    if asked.ttl is None:
        yield Prerequisite("absent" if before is None else "exists", name, kind)


def _changes(asked: Values, before: Optional[RRset], after: Optional[RRset]) -> Iterable[Change]:
    if asked.present:
        if after is not None:
            held = before.values if before is not None else frozenset()
            for value in sorted(after.values - held):
                yield Change("add", *asked.key, ttl=after.ttl, value=value)
    elif before is not None:
        for value in sorted(before.values - (after.values if after is not None else frozenset())):
            yield Change("drop", *asked.key, value=before.spelling(value))
