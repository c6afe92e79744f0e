# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record sets, and the parts of a dynamic update (RFC 2136) as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

Key = Tuple[str, str]  # canonical name, type in upper case


@dataclass(frozen=True)
class RRset:
    """All values of one name and type.

    ``values`` are in canonical presentation form, so that equal sets are equal data; ``exact`` are the values as the
    server spelled them, which a prerequisite must repeat (servers may compare the letters of names in values), in the
    order of the sorted ``values``. ``texts`` are those of the values of a TXT set that somebody wrote as plain text, which
    stands for any split of it into strings; see the module txt.
    """

    name: str
    type: str
    ttl: int
    values: FrozenSet[str]
    exact: Tuple[str, ...] = field(default=(), compare=False)
    texts: FrozenSet[str] = field(default=frozenset(), compare=False)

    @property
    def key(self) -> Key:
        return (self.name, self.type)

    @property
    def spelled(self) -> Tuple[str, ...]:
        """The values as a message should carry them, in a stable order."""
        return tuple(sorted(self.exact or self.values))

    def spelling(self, value: str) -> str:
        """How the server spells one of the values."""
        known = dict(zip(sorted(self.values), self.exact))
        return known.get(value, value)

    def __str__(self) -> str:
        return "\n".join(f"{self.name} {self.ttl} {self.type} {value}" for value in sorted(self.values))


class Seen(Dict[Key, RRset]):
    """Sets that exist, by key. ``unused`` are names known to have no record of any type.

    ``unseen_ttls`` are sets of which only the values are known; the TTL that they have here is a guess.
    """

    unused: FrozenSet[str] = frozenset()
    unseen_ttls: FrozenSet[Key] = frozenset()


def seen_among(sets: Mapping[Key, RRset], keys: Sequence[Key]) -> Seen:
    """What of a whole zone is about these keys: the sets, CNAMEs in their place, and all that is beside a CNAME."""
    names = {name for name, _kind in sets}
    alone = {name for name, kind in keys if kind == "CNAME"}
    wanted = {*keys, *((name, "CNAME") for name, _kind in keys), *(key for key in sets if key[0] in alone)}
    found = Seen((key, sets[key]) for key in sorted(wanted) if key in sets)
    found.unused = frozenset(name for name, _kind in keys if name not in names)
    return found


@dataclass(frozen=True)
class ZoneContents:
    """A zone at one moment.

    ``soa`` is spelled as the server spells it: as a prerequisite it says that the zone is still this one. ``sets``
    leaves out the SOA and what the server made for DNSSEC; ``signed`` says whether there was a DNSKEY.
    """

    zone: str
    serial: int
    soa: RRset
    sets: Mapping[Key, RRset]
    signed: bool = False


@dataclass(frozen=True)
class Prerequisite:
    """A condition that the server checks in the same atomic step as the changes (RFC 2136 section 2.4).

    ``kind`` is ``equals`` (the set exists with exactly these values; the TTL is not compared), ``exists`` (with
    whatever values), ``absent`` (there is no such set) or ``unused`` (no record of any type has this name).
    """

    kind: str
    name: str
    type: str = ""
    values: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One change (RFC 2136 section 2.5): ``clear`` a whole set, ``add`` one value, or ``drop`` one value."""

    kind: str
    name: str
    type: str
    ttl: int = 0
    value: str = ""


@dataclass(frozen=True)
class Step:
    """What happens to one record set. ``before`` or ``after`` is None when it does not exist then."""

    action: str
    before: Optional[RRset]
    after: Optional[RRset]

    @property
    def key(self) -> Key:
        some = self.after or self.before
        if some is None:
            raise ValueError("a step has a set before it or after it")
        return some.key

    def __str__(self) -> str:
        name, kind = self.key
        return f"{self.action} {name} {kind}"


@dataclass(frozen=True)
class Group:
    """The steps of one name, with their prerequisites: never split over two messages."""

    name: str
    steps: Tuple[Step, ...]
    prerequisites: Tuple[Prerequisite, ...]
    changes: Tuple[Change, ...]


@dataclass(frozen=True)
class Message:
    """One UPDATE message: the server does all of it or nothing. ``guard`` are conditions on the zone as a whole."""

    groups: Tuple[Group, ...]
    guard: Tuple[Prerequisite, ...] = ()

    @property
    def steps(self) -> Tuple[Step, ...]:
        return tuple(step for group in self.groups for step in group.steps)

    @property
    def prerequisites(self) -> Tuple[Prerequisite, ...]:
        return self.guard + tuple(one for group in self.groups for one in group.prerequisites)

    @property
    def changes(self) -> Tuple[Change, ...]:
        return tuple(one for group in self.groups for one in group.changes)
