# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record sets of one zone as they are written in an inventory: read, checked and put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..._fleet.fields import in_context, list_of, one_or_list, optional, parsed, required, table_of, whole
from ..._fleet.places import Items, Place, Values
from ..._fleet.values import shown as quoted
from .. import names, values
from ..host_names import owner_trouble, pointer_trouble, value_trouble

_EXAMPLE = "{record: www2, type: A, ttl: 60, value: [192.0.2.1]}"
_TEXTS = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
RECORDS = list_of(
    table_of(
        {
            "record": required(in_context(), "Write the name before the zone, or '@' for the zone"),
            "type": required(parsed(values.type_name, values.BadValue, "Use for example A, AAAA, CNAME or TXT")),
            "ttl": optional(whole(0, values.TTL_MAX, "seconds", 60)),
            "value": required(one_or_list(in_context("raw", _TEXTS), "[192.0.2.1]")),
        },
        "a record",
        _EXAMPLE,
    ),
    f"[{_EXAMPLE}]",
)
"""A list in ``value`` has a list where a TXT record has several strings."""

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


def read_records(entries: Items, cuts: Sequence[str], claims: Mapping[str, str], table: Table) -> None:
    """Put the static records of a zone into its table; notes what is wrong with them.

    ``cuts`` are zones of their own below this one, ``claims`` names that a standby service swaps.
    """
    for entry in entries:
        _read_record(entry, cuts, claims, table)


def _read_record(entry: Values, cuts: Sequence[str], claims: Mapping[str, str], table: Table) -> None:
    here, kind = entry.place, entry["type"]
    before = len(here.notes.problems)
    name = _name(entry, table.zone) if "record" not in entry.refused else None
    given = _values(entry, kind, table.zone) if kind and "value" not in entry.refused else ()
    if name and kind:
        _check_place(name, kind, here, cuts, claims, table.zone)
    if not name or not kind or entry.refused or len(here.notes.problems) > before:
        return
    for value, place in zip(given, entry["value"].places):
        trouble = value_trouble(name, kind, values.present(kind, value, table.zone)) if isinstance(value, str) else ""
        if trouble:
            place.refuse(f"{quoted(value)} {trouble}", "Name a host, with letters, digits and hyphens in each part of its name")
    trouble = table.add(name, kind, table.ttl if entry["ttl"] is None else entry["ttl"], given, here.path)
    if trouble:
        here.refuse(f"names {name} {kind}, and {trouble}", "Write all values of one name and type as one record set, and a CNAME alone")


def _name(entry: Values, zone: str) -> Optional[str]:
    try:
        return names.qualify(entry["record"], zone)
    except names.BadName as error:
        entry.at("record").refuse(f"{quoted(entry['record'])} {error}", f"Write a name in the zone {zone[:-1]}")
        return None


def _values(entry: Values, kind: str, zone: str) -> Tuple[Given, ...]:
    given: Items = entry["value"]
    places: List[Place] = []
    written: List[Tuple[str, bool]] = []
    for value, place in zip(given, given.places):
        try:
            shown = values.present(kind, value, zone)
        except values.BadValue as error:
            place.refuse(f"{quoted(value)} {error}", f"Write a value that {kind} allows")
            continue
        places.append(place)
        written.append((shown, values.is_plain_text(kind, value)))
    for again, first in values.repeated(kind, written).items():
        places[again].refuse(f"is the same as {places[first].path.rpartition('.')[2]}", "Write each value once")
    if kind in values.SINGLE and len(given) > 1:
        entry.at("value").refuse(f"has {len(given)} values", f"A {kind} has exactly one")
    return tuple(given)


def _check_place(name: str, kind: str, here: Place, cuts: Sequence[str], claims: Mapping[str, str], zone: str) -> None:
    misplaced = of_no_apex(name, kind, zone)
    if misplaced:
        here.refuse(misplaced, "Use A and AAAA there, or a name below the zone")
    trouble = owner_trouble(name, kind)
    if trouble:
        remedy = "Delegate single names" if kind == "NS" else "Take a name of letters, digits and hyphens; instances of DNS-SD have SRV and TXT records"
        here.refuse(f"{name} {trouble}", remedy)
    unasked = pointer_trouble(name, kind, zone)
    if unasked:
        here.refuse(f"{name} {unasked}", _POINTER)
    if name in claims:
        here.refuse(f"{name} is swapped by {claims[name]}", "Leave the record to the service")
    for cut in cuts:
        delegation = name == cut and kind in ("NS", "DS")
        glue = kind in ("A", "AAAA")  # whether it is glue is looked at when all delegations are known
        if names.within(name, cut) and not (delegation or glue):
            here.refuse(f"{name} lies in the zone {cut[:-1]}", f"Write it in dns_zones.{cut[:-1]}.records")
