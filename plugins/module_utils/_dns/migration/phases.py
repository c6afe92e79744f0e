# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the move of a zone from one provider to another stands, and what comes next.

What has happened is seen, not remembered: the old servers show whether TTLs are low, the new ones whether they serve
the zone, the parent whom it names. Remembered is only what cannot be seen any more: what TTLs there were, and since
when things are as they are. Invariants, with a property test that interrupts after every step:

- the parent is not switched before every answer given out with an old TTL has run out of every cache;
- nothing is published, and the parent is not switched, while a record set is seen at the old servers, or in the source, that would
  not reach the new servers and about which nobody decided;
- the old servers may go only when every answer that names them has run out of every cache;
- a DS record at the parent that the new servers' keys do not match goes first, and runs out too;
- a wait that is over is not begun again by a later look, and one that was begun goes on from where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, FrozenSet, Mapping, Optional, Tuple

from ..._shared.limits import BadText, integer
from ..model import Key, RRset
from ..values import TTL_MAX

LOWER, WAIT_TTL, EXPLAIN, PUBLISH, UNSIGN, WAIT_DS, SWITCH, SETTLE, WAIT_NS, DONE = (
    "lower",
    "wait_ttl",
    "explain",
    "publish",
    "unsign",
    "wait_ds",
    "switch",
    "settle",
    "wait_ns",
    "done",
)
STEPS = (LOWER, WAIT_TTL, EXPLAIN, PUBLISH, UNSIGN, WAIT_DS, SWITCH, SETTLE, WAIT_NS, DONE)
MARGIN = 1  # seconds: an answer may have left a server just before it was seen to change
FORM = 1  # of the memory as a file


class BadMemory(ValueError):
    """A file of an earlier run that cannot be read. The message is a whole sentence."""


@dataclass(frozen=True)
class OldZone:
    """The zone at the old provider. ``sets`` hold the zone's own NS, and no SOA; ``negative`` is in seconds."""

    sets: Mapping[Key, RRset]
    negative: int
    serials: FrozenSet[int] = frozenset()


@dataclass(frozen=True)
class Seen:
    """The world at one moment. ``now`` in seconds since the epoch.

    ``old`` is None when no old server answers. ``nameservers`` are those that the new servers give for the zone, empty
    when not all of them serve it. ``delegations`` holds what each of the parent's servers says, empty when one does not
    answer; ``delegation_ttl`` is the longest TTL among them. ``ds`` is the parent's DS set that no key of the new
    servers matches. ``unexplained`` is how many record sets would be lost without a decision.
    """

    now: int
    old: Optional[OldZone]
    nameservers: FrozenSet[str]
    delegations: Tuple[FrozenSet[str], ...]
    delegation_ttl: int = 0
    ds: Optional[RRset] = None
    unexplained: int = 0


@dataclass(frozen=True)
class Memory:
    """What cannot be seen any more. Times are in seconds since the epoch, or None for not yet.

    ``ttls`` are those that the sets had before they were lowered; ``longest`` the longest of these and of the zone's
    negative answers. ``apex_ttl`` and ``delegation_ttl`` are for how long caches may have the old nameservers from the
    old zone and from the parent. ``since_low``, ``since_unsigned`` and ``since_switched`` are when it was first seen.
    """

    ttls: Mapping[Key, int] = field(default_factory=dict)
    longest: int = 0
    since_low: Optional[int] = None
    ds_ttl: int = 0
    since_unsigned: Optional[int] = None
    apex_ttl: int = 0
    delegation_ttl: int = 0
    since_switched: Optional[int] = None


@dataclass(frozen=True)
class Position:
    """What comes next, one of STEPS; ``until`` is when a wait is over, and ``memory`` what to keep."""

    next: str
    memory: Memory
    until: Optional[int] = None


def look(seen: Seen, memory: Memory, low: int) -> Position:
    """Where the move stands. ``low`` is the longest TTL that the old zone may have while it is switched."""
    memory = remember(seen, memory, low)
    step, until = _next(seen, memory)
    return Position(step, memory, until)


def remember(seen: Seen, memory: Memory, low: int) -> Memory:
    """The memory after a look. Times only ever appear, but go again when what they were noted for is no longer so."""
    if seen.old is not None and memory.since_switched is None:
        memory = _remember_ttls(seen, seen.old, memory)
        if high_sets(seen.old, low):
            memory = replace(memory, since_low=None)
        elif memory.since_low is None and len(seen.old.serials) < 2:
            memory = replace(memory, since_low=seen.now)  # all old servers have it
    if seen.ds is not None:
        memory = replace(memory, ds_ttl=max(memory.ds_ttl, seen.ds.ttl), since_unsigned=None)
    elif memory.ds_ttl and memory.since_unsigned is None and seen.delegations:
        memory = replace(memory, since_unsigned=seen.now)
    if switched(seen):
        if memory.since_switched is None:
            memory = replace(memory, since_switched=seen.now)
    elif seen.nameservers and any(one and one != seen.nameservers for one in seen.delegations):
        memory = replace(memory, since_switched=None)
    if memory.since_switched is None:
        memory = replace(memory, delegation_ttl=max(memory.delegation_ttl, seen.delegation_ttl))
    return memory


def _remember_ttls(seen: Seen, old: OldZone, memory: Memory) -> Memory:
    """Higher TTLs than before count anew, for caches may have them by now; lower ones were the lowering."""
    ttls = dict(memory.ttls)
    for key, one in old.sets.items():
        ttls[key] = max(one.ttl, ttls.get(key, 0))
    longest = max([memory.longest, old.negative, *ttls.values()])
    apex = max((one.ttl for one in old.sets.values() if one.type == "NS"), default=0)
    ran_out = memory.since_low is not None and seen.now >= memory.since_low + longest + MARGIN
    return replace(memory, ttls=ttls, longest=longest, apex_ttl=apex if ran_out else max(memory.apex_ttl, apex))


def high_sets(old: OldZone, low: int) -> Dict[Key, RRset]:
    """The sets whose TTL is to be lowered, with it lowered."""
    return {key: replace(one, ttl=low, exact=()) for key, one in old.sets.items() if one.ttl > low}


def switched(seen: Seen) -> bool:
    """Whether all of the parent's servers name the new nameservers, and only those."""
    return bool(seen.nameservers and seen.delegations) and all(one == seen.nameservers for one in seen.delegations)


def _half_switched(seen: Seen) -> bool:
    """Whether some of the parent's servers name them: it was done, and is on its way to the others."""
    return bool(seen.nameservers) and any(one == seen.nameservers for one in seen.delegations)


def _next(seen: Seen, memory: Memory) -> Tuple[str, Optional[int]]:
    if memory.since_switched is not None:
        # A cache may ask the old servers for their own names at the last moment of the parent's answer.
        until = memory.since_switched + memory.delegation_ttl + memory.apex_ttl + MARGIN
        return (DONE, until) if seen.now >= until else (WAIT_NS, until)
    if _half_switched(seen):
        return SETTLE, None
    if memory.since_low is None:
        return LOWER, None
    until = memory.since_low + memory.longest + MARGIN
    if seen.now < until:
        return WAIT_TTL, until
    if seen.unexplained:
        return EXPLAIN, None
    if not seen.nameservers:
        return PUBLISH, None
    if seen.ds is not None:
        return UNSIGN, None
    if memory.since_unsigned is not None:
        until = memory.since_unsigned + memory.ds_ttl + MARGIN
        if seen.now < until:
            return WAIT_DS, until
    return SWITCH, None


def store(memory: Memory) -> Dict[str, Any]:
    """The memory as plain data for a file."""
    return {
        "form": FORM,
        "ttls": [[name, kind, ttl] for (name, kind), ttl in sorted(memory.ttls.items())],
        **{name: getattr(memory, name) for name in _NUMBERS},
    }


def recall(data: Any) -> Memory:
    """The memory out of a file's data; of nothing, an empty one. Raises BadMemory."""
    if data is None:
        return Memory()
    try:
        if data["form"] != FORM:
            raise BadMemory(f"It has the form {data['form']}, which only another version of this collection can read.")
        ttls = {(str(name), str(kind)): integer(ttl, f"the TTL of {name} {kind}", 0, TTL_MAX) for name, kind, ttl in data["ttls"]}
        numbers = {name: data[name] if data[name] is None else integer(data[name], name) for name in _NUMBERS}
    except BadText as error:
        raise BadMemory(f"It is not what an earlier run wrote: {error}.") from None
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadMemory):
            raise
        raise BadMemory(f"It is not what an earlier run wrote ({error!r}).") from None
    return Memory(ttls, **numbers)


_NUMBERS = ("longest", "since_low", "ds_ttl", "since_unsigned", "apex_ttl", "delegation_ttl", "since_switched")
