# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record sets of one zone as they are written in an inventory: read, checked and put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..fleet.problems import Problem
from ..fleet.values import integer
from . import names, values
from .host_names import owner_trouble, pointer_trouble, value_trouble

OPTIONS = ("record", "type", "ttl", "value")
EXAMPLE = "Write for example {record: www2, type: A, ttl: 60, value: [192.0.2.1]}"

_POINTER = 'Write the part of the reversed address that is before the zone, such as "10" in 2.0.192.in-addr.arpa, or leave the record out'
Given = Union[str, List[str]]  # a value as written; only a TXT value can be a list


@dataclass(frozen=True)
class Entry:
    """One record set with its source, for messages. ``given`` are the values as written, ``shown`` as presented."""

    ttl: int
    given: Tuple[Given, ...]
    shown: Tuple[str, ...]
    source: str


@dataclass
class Table:
    """The record sets of a zone by (canonical name, type).

    ``replaced`` are sets that the zone may have from an inventory before, and that cannot stand beside these.
    """

    zone: str
    ttl: int
    entries: Dict[Tuple[str, str], Entry] = field(default_factory=dict)
    replaced: List[Tuple[str, str]] = field(default_factory=list)
    _kinds: Dict[str, List[str]] = field(default_factory=dict)  # by name

    def add(self, name: str, kind: str, ttl: int, given: Sequence[Given], source: str) -> str:
        """Add a record set; answers why it cannot be, completing "... and", or an empty text when all is well."""
        if (name, kind) in self.entries:
            return f"{self.entries[name, kind].source} has its {kind} too"
        beside = self._kinds.setdefault(name, [])
        if kind == "CNAME" and beside:
            return f"{self.entries[name, beside[0]].source} puts a {beside[0]} there, beside which no CNAME can stand"
        if "CNAME" in beside:
            return f"{self.entries[name, 'CNAME'].source} makes it a CNAME, beside which nothing else can stand"
        shown = tuple(values.present(kind, value, self.zone) for value in given)
        self.entries[name, kind] = Entry(ttl, tuple(given), shown, source)
        beside.append(kind)
        return ""

    def values_at(self, name: str, kind: str) -> Tuple[str, ...]:
        entry = self.entries.get((name, kind))
        return entry.shown if entry else ()

    def as_data(self, skip: Sequence[Tuple[str, str]] = ()) -> List[Dict[str, Any]]:
        """Plain data in a stable order; values other than TXT in their absolute form."""
        return [
            {
                "record": names.relative(name, self.zone),
                "type": kind,
                "ttl": entry.ttl,
                "value": sorted(entry.given, key=repr) if kind == "TXT" else sorted(entry.shown),
            }
            for (name, kind), entry in sorted(self.entries.items())
            if (name, kind) not in skip
        ]


def of_no_apex(name: str, kind: str, zone: str) -> str:
    """Why no zone can have a record set of this type at its own name; empty when it can, or this is another name."""
    if name != zone or kind not in ("CNAME", "DNAME", "DS"):
        return ""
    return f"puts a {kind} at the zone itself"


def read_records(entries: Any, path: str, cuts: Sequence[str], claims: Mapping[str, str], table: Table) -> Iterator[Problem]:
    """Put the static records of a zone into its table; yields what is wrong with them.

    ``cuts`` are zones of their own below this one, ``claims`` names that a standby service swaps.
    """
    if entries is None:
        return
    if not isinstance(entries, list):
        yield Problem("", path, "is not a list", EXAMPLE)
        return
    for index, entry in enumerate(entries):
        here = f"{path}[{index}]"
        if not isinstance(entry, dict):
            yield Problem("", here, "is not a dictionary", EXAMPLE)
            continue
        yield from _read_record(entry, here, cuts, claims, table)


def _read_record(entry: Mapping[Any, Any], here: str, cuts: Sequence[str], claims: Mapping[str, str], table: Table) -> Iterator[Problem]:
    for option in entry:
        if option not in OPTIONS:
            yield Problem("", f"{here}.{option}", "is no option of a record", f"Use {', '.join(OPTIONS)}")
    found: List[Problem] = []
    name = _name(entry, here, table.zone, found)
    kind = _type(entry, here, found)
    ttl = integer(entry.get("ttl", table.ttl))
    if ttl is None or not values.is_ttl(ttl):
        remedy = f"Write whole seconds from 0 to {values.TTL_MAX}"
        found.append(Problem("", f"{here}.ttl", f"{entry['ttl']!r} is no time to live", remedy))
    given = _values(entry, here, kind, table.zone, found) if kind else ()
    if name and kind:
        found.extend(_place(name, kind, here, cuts, claims, table.zone))
    if not found and name and kind and ttl is not None:
        for index, value in enumerate(given):
            trouble = value_trouble(name, kind, values.present(kind, value, table.zone)) if isinstance(value, str) else ""
            if trouble:
                remedy = "Name a host, with letters, digits and hyphens in each part of its name"
                yield Problem("", f"{here}.value[{index}]", f"{value!r} {trouble}", remedy)
        trouble = table.add(name, kind, ttl, given, here)
        if trouble:
            remedy = "Write all values of one name and type as one record set, and a CNAME alone"
            found.append(Problem("", here, f"names {name} {kind}, and {trouble}", remedy))
    yield from found


def _name(entry: Mapping[Any, Any], here: str, zone: str, found: List[Problem]) -> Optional[str]:
    if "record" not in entry:
        found.append(Problem("", f"{here}.record", "is missing", "Write the name before the zone, or '@' for the zone"))
        return None
    try:
        return names.qualify(entry["record"], zone)
    except names.BadName as error:
        message = f"{entry['record']!r} {error}"
        found.append(Problem("", f"{here}.record", message, f"Write a name in the zone {zone[:-1]}"))
        return None


def _type(entry: Mapping[Any, Any], here: str, found: List[Problem]) -> Optional[str]:
    if "type" not in entry:
        found.append(Problem("", f"{here}.type", "is missing", EXAMPLE))
        return None
    try:
        return values.type_name(entry["type"])
    except values.BadValue as error:
        found.append(Problem("", f"{here}.type", f"{entry['type']!r} {error}", "Use for example A, AAAA, CNAME or TXT"))
        return None


def _values(entry: Mapping[Any, Any], here: str, kind: str, zone: str, found: List[Problem]) -> Tuple[Given, ...]:
    given = entry.get("value")
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not given:
        found.append(Problem("", f"{here}.value", "is not a list of values", EXAMPLE))
        return ()
    places: List[int] = []
    written: List[Tuple[str, bool]] = []
    for index, value in enumerate(given):
        where = f"{here}.value[{index}]"
        try:
            shown = values.present(kind, value, zone)
        except values.BadValue as error:
            found.append(Problem("", where, f"{value!r} {error}", f"Write a value that {kind} allows"))
            continue
        places.append(index)
        written.append((shown, values.is_plain_text(kind, value)))
    for again, first in values.repeated(kind, written).items():
        message = f"is the same as value[{places[first]}]"
        found.append(Problem("", f"{here}.value[{places[again]}]", message, "Write each value once"))
    if kind in values.SINGLE and len(given) > 1:
        found.append(Problem("", f"{here}.value", f"has {len(given)} values", f"A {kind} has exactly one"))
    return tuple(value for value in given if isinstance(value, (str, list)))


def _place(name: str, kind: str, here: str, cuts: Sequence[str], claims: Mapping[str, str], zone: str) -> Iterator[Problem]:
    misplaced = of_no_apex(name, kind, zone)
    if misplaced:
        yield Problem("", here, misplaced, "Use A and AAAA there, or a name below the zone")
    trouble = owner_trouble(name, kind)
    if trouble:
        remedy = "Delegate single names" if kind == "NS" else "Take a name of letters, digits and hyphens; instances of DNS-SD have SRV and TXT records"
        yield Problem("", here, f"{name} {trouble}", remedy)
    unasked = pointer_trouble(name, kind, zone)
    if unasked:
        yield Problem("", here, f"{name} {unasked}", _POINTER)
    if name in claims:
        yield Problem("", here, f"{name} is swapped by {claims[name]}", "Leave the record to the service")
    for cut in cuts:
        delegation = name == cut and kind in ("NS", "DS")
        glue = kind in ("A", "AAAA")  # whether it is glue is looked at when all delegations are known
        if names.within(name, cut) and not (delegation or glue):
            yield Problem("", here, f"{name} lies in the zone {cut[:-1]}", f"Write it in dns_zones.{cut[:-1]}.records")
