# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person decided about single record sets of a zone that moves: what the new servers get in place of a doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from ..._shared.quoting import visible
from .. import names, values
from ..model import Key, RRset
from ..update.plan import Refused
from ..zones.records import of_no_apex
from .imported import DEFAULT_TTL, Canonical, as_sets
from .left_out import PROXIED, LeftOut

NOTHING, ANSWER, SOURCE, VALUE = PUBLISH = ("nothing", "answer", "source", "value")

_BY_PROXY = ("A", "AAAA", "CNAME", "HTTPS", "SVCB")  # what a proxy answers in place of a set


@dataclass(frozen=True)
class Decision:
    """What is published under a key: nothing, what the old servers answer, what the source has, or other values.

    ``wanted`` is the set of the last two. ``ttl`` is None where nobody said one.
    """

    publish: str
    wanted: Optional[RRset] = None
    ttl: Optional[int] = None


Decisions = Mapping[Key, Decision]


def place(record: str, zone: str) -> str:
    """The absolute name of a record as a source names it, whatever it is."""
    if record in ("@", ""):
        return zone
    return record.lower() if record.endswith(".") else f"{record.lower()}.{zone}"


def read_decisions(zone: str, entries: Sequence[Mapping[str, Any]], listed: Mapping[Key, RRset], canonical: Canonical) -> Decisions:
    """The option ``decisions``. ``listed`` are the sets of the source, by key. Raises Refused with all that is wrong."""
    found: Dict[Key, Decision] = {}
    wrong: List[str] = []
    places: Dict[Key, str] = {}
    for number, entry in enumerate(entries):
        key = (_name(entry["record"], zone), _type(entry["type"]))
        shown, ttl = visible(f"{entry['record']} {entry['type']}"), entry.get("ttl")
        if ttl is not None and not values.is_ttl(ttl):
            wrong.append(f"decisions[{number}].ttl: {ttl} is not from 0 to {values.TTL_MAX} seconds.")
            continue
        try:
            decision = _decision(zone, key, entry, listed.get(key), canonical)
        except ValueError as error:  # BadName and BadValue are
            wrong.append(f"decisions[{number}]: {shown} {error}.")
            continue
        if key in found:
            wrong.append(f"decisions[{number}]: {shown} is there twice. Keep one.")
        found[key] = decision
        places.setdefault(key, f"decisions[{number}]: {shown}")
    wrong += [f"{places[key]} {reason}." for key in found for reason in _conflicts(key, found, listed)]
    if wrong:
        raise Refused(wrong)
    return found


def _name(record: str, zone: str) -> str:
    try:
        return names.qualify(record, zone)
    except names.BadName:
        return place(record, zone)  # what was left out may have such a name


def _type(text: str) -> str:
    try:
        return values.type_name(text)
    except values.BadValue:
        return text.strip().upper()  # what was left out may have such a type


def _conflicts(key: Key, found: Decisions, listed: Mapping[Key, RRset]) -> Iterator[str]:
    """Why a set that is to be published cannot stand beside the others at its name, as far as the source shows them."""
    name, kind = key
    if found[key].publish == NOTHING:
        return

    def reaches(other: str) -> bool:
        decision = found.get((name, other))
        return (name, other) in listed if decision is None else decision.publish != NOTHING

    if kind != "CNAME" and reaches("CNAME"):
        yield "cannot stand beside a CNAME. Decide about the CNAME of this name with publish: nothing, or about this set"
    if kind == "DS" and not reaches("NS") and (listed or (name, "NS") in found):
        yield "cannot be without NS records of the same name. Publish those too, or nothing here"


def _decision(zone: str, key: Key, entry: Mapping[str, Any], listed: Optional[RRset], canonical: Canonical) -> Decision:
    publish, ttl = entry["publish"], entry.get("ttl")
    if publish == NOTHING:
        return Decision(publish)
    kind = values.type_name(entry["type"])
    if key == (zone, "NS"):
        raise ValueError("names the nameservers, which are what the move changes. Take this decision away")
    misplaced = of_no_apex(*key, zone)
    if misplaced:
        addresses = ", and its addresses as A and AAAA with value" if kind == "CNAME" else ""
        raise ValueError(f"{misplaced}. Decide nothing about it{addresses}")
    if not names.within(key[0], zone):
        raise ValueError(f"is outside the zone {zone[:-1]}; only nothing can be published there")
    if publish == SOURCE:
        if listed is None:
            raise ValueError("is not in the source, or was left out of it; publish value, answer or nothing")
        return Decision(publish, listed if ttl is None else replace(listed, ttl=ttl), ttl)
    if publish == ANSWER:
        return Decision(publish, None, ttl)
    if not entry.get("value"):
        raise ValueError("needs value, a list of at least one")
    written = {"record": key[0], "type": kind, "ttl": DEFAULT_TTL if ttl is None else ttl, "value": entry["value"]}
    wanted = as_sets(zone, [written], canonical)[0]
    if kind in values.SINGLE and len(wanted.values) > 1:
        raise ValueError(f"has {len(wanted.values)} values, and a {kind} has exactly one. Keep one of them")
    return Decision(publish, wanted, ttl)


def with_proxies(decisions: Decisions, left: Iterable[LeftOut], listed: Mapping[Key, RRset], zone: str) -> Decisions:
    """What else a proxy answers at a name, beyond the source, goes with it when something behind the proxy is published there."""
    result = dict(decisions)
    for one in left:
        name = place(one.record, zone)
        decision = decisions.get((name, one.type))
        if one.kind == PROXIED and decision is not None and decision.publish != ANSWER:
            for key in ((name, kind) for kind in _BY_PROXY):
                if key not in listed:
                    result.setdefault(key, Decision(NOTHING))
    return result


def decided(decisions: Decisions, key: Key) -> Optional[Decision]:
    """The decision about a key. Who publishes a CNAME at a name decides about all else that is answered there."""
    name, _kind = key
    alias = decisions.get((name, "CNAME"))
    return decisions.get(key) or (alias if alias is not None and alias.publish != NOTHING else None)


def published(known: Mapping[Key, RRset], decisions: Decisions) -> Dict[Key, RRset]:
    """The old zone's sets as the new servers get them."""
    result = {key: one for key, one in known.items() if decided(decisions, key) is None or key in decisions}
    for key, decision in decisions.items():
        before = result.pop(key, None)
        chosen = decision.wanted or (before if decision.publish == ANSWER else None)
        if chosen is None:
            continue
        ttl = decision.ttl
        if ttl is None:
            ttl = before.ttl if before is not None else chosen.ttl
        result[key] = replace(chosen, ttl=ttl, exact=())
    return result
