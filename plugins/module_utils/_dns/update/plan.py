# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the record sets wanted and the record sets there to UPDATE messages that cannot lose anybody's record.

Invariants, each with a property test:

- applying all messages to what was observed gives what was wanted, and touches no other set;
- every change of a set carries, in the same message, the prerequisite that the set is still as it was observed, so a
  writer in between makes the message fail as a whole and never loses a record;
- a message is done or not done; after any number of them the plan made anew holds the rest, and after all is empty.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..model import Change, Group, Key, Message, Prerequisite, RRset, Step
from ..record_types import COMMON, SINGLE
from ..txt import fitted

LIMIT = 65000  # bytes; a message over TCP ends at 65535 (RFC 1035 section 4.2.2), and the signature needs room
_ENVELOPE = 600  # header, zone section and TSIG record
_PASSING = "passing.invalid."


class Refused(Exception):
    """The wanted state cannot be, or is not ours to make.

    ``reasons`` are sentences, each complete in itself; ``done`` is what earlier messages of the same call did.
    """

    done: Tuple[str, ...] = ()

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(" ".join(reasons))


Measure = Callable[[Sequence[Group]], int]
Wanted = Mapping[Key, Optional[RRset]]  # None: this set must not exist
Observed = Mapping[Key, RRset]


def plan(zone: str, wanted: Wanted, observed: Observed, unused: AbstractSet[str] = frozenset()) -> List[Group]:
    """The groups of steps that make ``observed`` into ``wanted``, in a stable order.

    Should they need several messages, what is added comes first, the zone's own name then, and what goes comes last: a
    server may refuse a nameserver without an address at the end of any message.

    ``observed`` must hold every wanted key that exists and, for the names of wanted CNAMEs, all that exists there.
    ``unused`` are names known to have nothing: their conditions are shorter.

    Raises Refused, with every reason, for what no server would do: it would answer NOERROR and leave it out.
    """
    there: Dict[str, Dict[Key, RRset]] = {}
    for key, found in observed.items():
        there.setdefault(key[0], {})[key] = found
    asked: Dict[str, Dict[Key, Optional[RRset]]] = {}
    for key, want in wanted.items():
        asked.setdefault(key[0], {})[key] = want
    names = sorted(asked)
    reasons = [reason for name in names for reason in _objections(zone, name, asked[name], there.get(name, {}))]
    if reasons:
        raise Refused(reasons)
    groups = (_group(zone, name, asked[name], there.get(name, {}), name in unused) for name in names)
    return sorted((group for group in groups if group is not None), key=lambda group: _turn(zone, group))


def _turn(zone: str, group: Group) -> Tuple[int, str]:
    if group.name == zone:
        return (1, group.name)
    return (2 if any(step.after is None for step in group.steps) else 0, group.name)


def pack(groups: Iterable[Group], limit: int = LIMIT, measure: Optional[Measure] = None) -> List[Message]:
    """Whole groups, in their order, into as few messages as fit into ``limit`` bytes each.

    ``measure`` gives the bytes of a message with these groups, and never less for more of them; without it an upper
    bound is taken. Raises Refused when one group alone does not fit.
    """
    size = measure or estimate
    rest, messages = list(groups), []
    while rest:
        count = _fitting(rest, limit, size)
        if not count:
            raise Refused([f"{rest[0].name} has too much data for one message ({size(rest[:1])} bytes of {limit})."])
        messages.append(Message(tuple(rest[:count])))
        rest = rest[count:]
    return messages


def _fitting(groups: Sequence[Group], limit: int, size: Measure) -> int:
    """How many of the first groups fit into one message: all if they do, else found by halving."""
    if size(groups) <= limit:
        return len(groups)
    fits, fails = 0, len(groups)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        fits, fails = (middle, fails) if size(groups[:middle]) <= limit else (fits, middle)
    return fits


def estimate(groups: Sequence[Group], guard: Sequence[Prerequisite] = ()) -> int:
    """An upper bound of the bytes of a message with these groups."""
    return _ENVELOPE + _conditions_size(guard) + sum(group_size(group) for group in groups)


def _conditions_size(prerequisites: Sequence[Prerequisite]) -> int:
    return sum((len(one.name) + 11) * max(1, len(one.values)) + sum(len(value) + 32 for value in one.values) for one in prerequisites)


def group_size(group: Group) -> int:
    """An upper bound of the group's bytes on the wire: names uncompressed, text never shorter than its wire form."""
    return _conditions_size(group.prerequisites) + sum(len(one.name) + 11 + len(one.value) + 32 for one in group.changes)


def render(sets: Iterable[RRset]) -> str:
    """Record sets as the lines of a diff, in a stable order."""
    return "".join(f"{one}\n" for one in sorted(sets, key=lambda one: one.key))


def _objections(zone: str, name: str, wanted: Wanted, observed: Observed) -> Iterable[str]:
    """Why what would be at a name afterwards cannot be; both mappings hold this name only."""
    after = {kind: found for (_owner, kind), found in observed.items() if (name, kind) not in wanted}
    after.update({kind: want for (_owner, kind), want in wanted.items() if want is not None})
    if "CNAME" in after and len(after) > 1:
        others = ", ".join(sorted(kind for kind in after if kind != "CNAME"))
        yield f"{name} cannot have a CNAME beside {others}: name what goes with state=absent in the same call."
    for kind, found in sorted(after.items()):
        if kind in SINGLE and len(found.values) > 1:
            yield f"{name} {kind} can have one value only."
    if name == zone and (name, "NS") in wanted and "NS" not in after:
        yield f"{name} NS are the zone's own nameservers and cannot be deleted: replace them."
    if (name, "SOA") in wanted:
        yield f"{name} SOA belongs to the server, which counts it up by itself."


def _group(zone: str, name: str, wanted: Wanted, observed: Observed, unused: bool) -> Optional[Group]:
    steps = [_step(observed.get(key), wanted[key]) for key in sorted(wanted)]
    done = [step for step in steps if step is not None]
    if not done:
        return None
    conditions = (Prerequisite("unused", name),) if unused else tuple(_prerequisites(name, done))
    return Group(name, tuple(done), conditions, tuple(_changes(zone, done)))


def _step(before: Optional[RRset], after: Optional[RRset]) -> Optional[Step]:
    if before == after:
        return None
    if before is None:
        return Step("create", None, after)
    if after is None:
        return Step("delete", before, None)
    return Step("set the TTL of" if before.values == after.values else "replace", before, after)


def _prerequisites(name: str, steps: Sequence[Step]) -> Iterable[Prerequisite]:
    creates = [step.key[1] for step in steps if step.before is None]
    found = [step.before for step in steps if step.before is not None]
    for one in found:
        yield Prerequisite("equals", name, one.type, one.spelled)
    if "CNAME" in creates and not found:
        yield Prerequisite("unused", name)
        return
    known = {one.type for one in found}
    absent = set(creates)
    if "CNAME" in creates:
        absent.update(kind for kind in COMMON if kind not in known)
    elif creates and not known:
        absent.add("CNAME")
    for kind in sorted(absent):
        yield Prerequisite("absent", name, kind)


def _changes(zone: str, steps: Sequence[Step]) -> Iterable[Change]:
    """Deletions first: a server ignores a CNAME while other data is at its name, and the reverse."""
    own_servers = [step for step in steps if step.key == (zone, "NS")]
    others = [step for step in steps if step.key != (zone, "NS")]
    for step in others:
        if step.before is not None:
            yield Change("clear", *step.key)
    for step in others:
        yield from _adds(step)
    for step in own_servers:
        yield from _server_changes(step)


def _server_changes(step: Step) -> Iterable[Change]:
    """The zone's own nameservers may not be cleared and the last not dropped (RFC 2136 section 3.4.2.4): add first.

    Knot leaves out a value that is there already, its TTL too, but takes the TTL of a new one for all: so where only
    the TTL changes, a new one comes and goes within the message.
    """
    before, after = step.before, step.after
    passing = before is not None and after is not None and before.ttl != after.ttl and after.values <= before.values
    if passing and after is not None:
        yield Change("add", *step.key, ttl=after.ttl, value=_PASSING)
    yield from _adds(step)
    if before is not None and after is not None:
        for value in sorted(before.values - after.values):
            yield Change("drop", *step.key, value=before.spelling(value))
    if passing:
        yield Change("drop", *step.key, value=_PASSING)


def _adds(step: Step) -> Iterable[Change]:
    if step.after is not None:
        for value in step.after.spelled:
            yield Change("add", *step.key, ttl=step.after.ttl, value=value)


Settled = Tuple[Dict[Key, Optional[RRset]], List[str]]


def settle(wanted: Wanted, observed: Observed, on_existing: Callable[[Key], str], given: Wanted) -> Settled:
    """What remains wanted when sets that exist may be kept, and a sentence for each that is kept.

    ``on_existing(key)`` is ``replace`` or one of the ``keep`` words; nobody needs to be told of what is kept by plain
    ``keep``. ``given`` holds, for a set that must not exist, the values it may have to be deleted (None: any). A text
    of TXT that is held in other strings is wanted in those; see the module txt.
    """
    remaining: Dict[Key, Optional[RRset]] = {}
    kept: List[str] = []
    for key, want in wanted.items():
        found = observed.get(key)
        only = given.get(key)
        want = fitted(want, found) if want is not None else None
        differs = found is not None and (found != want if want is not None else only is not None and found.values != fitted(only, found).values)
        choice = on_existing(key) if differs else "replace"
        if choice == "replace":
            remaining[key] = want
        elif choice != "keep":
            kept.append(f"{key[0]} {key[1]} exists with other data: {describe(found)}.")
    return remaining, kept


def describe(found: Optional[RRset]) -> str:
    """One line for a message."""
    return f"{', '.join(sorted(found.values))} (TTL {found.ttl})" if found else "nothing"
