# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of a module to record sets with canonical values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import names, txt, values
from ..model import Key, RRset
from ..record_types import known_type
from .plan import Refused, Wanted
from .prune import Ignore, ignored
from .single_values import Values

Canonical = Callable[[str, str], str]  # type and presentation form -> canonical form; raises ValueError
Pair = Tuple[Dict[Key, Optional[RRset]], Dict[Key, Optional[RRset]]]


@dataclass(frozen=True)
class Desired:
    """What is wanted of one zone.

    ``given`` are the values that came with sets that must not exist. With ``prune``, what is not in ``wanted`` and not
    ignored must not exist either. ``on_existing`` is ``keep`` or ``replace`` for sets that say so themselves.
    """

    wanted: Wanted
    given: Wanted
    prune: bool = False
    ignore: Tuple[Ignore, ...] = ()
    on_existing: Mapping[Key, str] = field(default_factory=dict)


def zone_of(text: Any, option: str = "zone_name") -> str:
    """The canonical name of a zone. Raises Refused."""
    try:
        return names.plain(text)
    except names.BadName as error:
        raise Refused([f"{option}: '{text}' {error}."]) from None


def read_entries(zone: str, entries: List[Mapping[str, Any]], canonical: Canonical, quoted: bool = False) -> Pair:
    """What is wanted by (name, type), and for sets that must not exist the values given with them.

    An entry has ``record`` or ``prefix``, ``type``, ``ttl``, ``value`` and ``state``. ``quoted`` says that TXT values
    are in the form of a zone file. Raises Refused with every reason, each with the path of its option.
    """
    wanted: Dict[Key, Optional[RRset]] = {}
    given: Dict[Key, Optional[RRset]] = {}
    reasons: List[str] = []
    for index, entry in enumerate(entries):
        place = f"record_sets[{index}]." if len(entries) > 1 else ""
        try:
            key = (_name(entry, zone), _type(entry))
            found = read_values(key, entry.get("value") or [], zone, canonical, quoted)
            if entry["state"] == "present" and not found.values:
                raise Refused(["value: is missing or empty; use state=absent to delete the set."])
            if not values.is_ttl(entry["ttl"]):
                raise Refused([f"ttl: {entry['ttl']} is not from 0 to {values.TTL_MAX} seconds."])
            if key in wanted:
                raise Refused([f"{key[0]} {key[1]} is there twice; write all its values in one set."])
        except Refused as refused:
            reasons.extend(place + reason for reason in refused.reasons)
            continue
        one = replace(found, ttl=entry["ttl"]) if found.values else None
        wanted[key] = one if entry["state"] == "present" else None
        if entry["state"] == "absent" and one is not None:
            given[key] = one
    if reasons:
        raise Refused(reasons)
    return wanted, given


def read_some(zone: str, entry: Mapping[str, Any], canonical: Canonical, quoted: bool = False) -> Values:
    """Single values of one set: ``value`` or ``values``, with ``ttl`` that may be None. Raises Refused."""
    key = (_name(entry, zone), _type(entry))
    one, ttl = entry.get("value"), entry["ttl"]
    try:
        found = read_values(key, entry["values"] if one is None else [one], zone, canonical, quoted)
    except Refused as refused:
        raise Refused([reason.replace("value[0]", "value", int(one is not None)) for reason in refused.reasons]) from None
    if not found.values:
        raise Refused(["values: is empty; name at least one."])
    if ttl is not None and not values.is_ttl(ttl):
        raise Refused([f"ttl: {ttl} is not from 0 to {values.TTL_MAX} seconds."])
    return Values(key, found.values, entry["state"] == "present", ttl, found.texts)


def read_zones(asked: List[Mapping[str, Any]], canonical: Canonical, quoted: bool = False) -> Dict[str, Desired]:
    """What is wanted of several zones, by canonical name. Raises Refused with every reason of every zone.

    An entry has ``zone_name``, ``record_sets``, and may have ``prune`` and ``ignore``.
    """
    zones: Dict[str, Desired] = {}
    reasons: List[str] = []
    for entry in asked:
        try:
            zone = zone_of(entry["zone_name"])
            if zone in zones:
                raise Refused(["is there twice; write each zone once."])
            zones[zone] = _read_zone(zone, entry, canonical, quoted)
        except Refused as refused:
            reasons.extend(f"{entry['zone_name']}: {reason}" for reason in refused.reasons)
    if reasons:
        raise Refused(reasons)
    return zones


def _read_zone(zone: str, entry: Mapping[str, Any], canonical: Canonical, quoted: bool) -> Desired:
    reasons: List[str] = []
    ignore: Tuple[Ignore, ...] = ()
    try:
        ignore = read_ignore(zone, entry.get("ignore") or [])
    except Refused as refused:
        reasons.extend(refused.reasons)
    try:
        wanted, given = read_entries(zone, entry["record_sets"], canonical, quoted)
    except Refused as refused:
        raise Refused([*refused.reasons, *reasons]) from None
    both = [key for key in wanted if ignored(key, ignore)]
    reasons += [f"{name} {kind} is in record_sets and in ignore; take it out of one of them." for name, kind in both]
    if reasons:
        raise Refused(reasons)
    own = {(_name(one, zone), _type(one)): one["on_existing"] for one in entry["record_sets"] if one.get("on_existing")}
    return Desired(wanted, given, bool(entry.get("prune")), ignore, own)


def read_ignore(zone: str, entries: List[Mapping[str, Any]]) -> Tuple[Ignore, ...]:
    """Which sets of a zone are somebody else's. Raises Refused with every reason.

    An entry has ``record``, and may have ``type`` (a type or ANY, the default) and ``match``: ``name`` is exactly this
    name (the default), ``subdomain`` this and all below, and in a ``pattern`` a star stands for any text.
    """
    found, reasons = [], []
    for index, entry in enumerate(entries):
        match, kind = entry.get("match") or "name", str(entry.get("type") or "ANY").upper()
        text = entry["record"]
        try:
            if kind != "ANY":
                kind = known_type(kind)
            name = _pattern(text, zone) if match == "pattern" else names.qualify(text, zone)
            found.append(Ignore(name, kind, match))
        except names.BadName as error:
            reasons.append(f"ignore[{index}].record: '{text}' {error}.")
        except values.BadValue as error:
            reasons.append(f"ignore[{index}].type: '{entry['type']}' {error}.")
    if reasons:
        raise Refused(reasons)
    return tuple(found)


def _pattern(text: str, zone: str) -> str:
    """An absolute name with stars in it. Raises BadName."""
    stand_in = "0star0"
    return names.qualify(text.replace("*", stand_in), zone).replace(stand_in, "*")


def read_values(key: Key, given: Sequence[Any], zone: str, canonical: Canonical, quoted: bool = False) -> RRset:
    """A set of canonical values, without a TTL. Raises Refused with every reason.

    A value is a text, and for TXT a list of strings too. ``quoted`` says that TXT values are in the form of a zone file;
    then each is exactly the strings that it shows.
    """
    kind = key[1]
    reasons: List[str] = []
    written: List[Tuple[str, bool]] = []
    for index, value in enumerate(given):
        try:
            presentation = canonical(kind, _present(kind, value, zone, quoted))
        except values.BadValue as error:
            reasons.append(f"value[{index}]: '{value}' {error}.")
            continue
        except ValueError as error:
            reasons.append(f"value[{index}]: {error}")
            continue
        written.append((presentation, values.is_plain_text(kind, value) and not quoted))
    if not reasons:
        for place, other in values.repeated(kind, written).items():
            if written[place][0] != written[other][0]:
                text = f"'{given[place]}' is the text of value[{other}] in other strings; write one of them."
                reasons.append(f"value[{place}]: {text}")
    if reasons:
        raise Refused(reasons)
    exact = {value for value, plain in written if not plain}  # also where the same is there as plain text
    texts = frozenset(value for value, _plain in written) - exact
    return RRset(*key, 0, frozenset(value for value, _plain in written), texts=texts)


def _present(kind: str, value: Any, zone: str, quoted: bool) -> str:
    """Raises BadValue."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)  # YAML takes a text of digits for a number
    if not (quoted and kind == "TXT"):
        return values.present(kind, value, zone)
    if not isinstance(value, str):
        raise values.BadValue("is not in the form of a zone file, which txt_transformation=quoted expects")
    return value


def show(one: Optional[RRset], quoted: bool = False) -> Optional[Dict[str, Any]]:
    """A set as a module returns it; None when it does not exist. A TXT value of several strings is a list of them."""
    if one is None:
        return None
    plain = one.type == "TXT" and not quoted
    return {"ttl": one.ttl, "value": txt.read_all(one.values) if plain else sorted(one.values)}


def _name(entry: Mapping[str, Any], zone: str) -> str:
    option = "record" if entry.get("record") is not None else "prefix"
    text = entry.get(option)
    try:
        if option == "prefix" and text not in ("", "@", None):
            return names.canonical(f"{text}.{zone}")
        return names.qualify(text or "", zone)
    except names.BadName as error:
        raise Refused([f"{option}: '{text}' {error}."]) from None


def _type(entry: Mapping[str, Any]) -> str:
    try:
        return values.type_name(entry["type"])
    except values.BadValue as error:
        raise Refused([f"type: '{entry['type']}' {error}."]) from None
