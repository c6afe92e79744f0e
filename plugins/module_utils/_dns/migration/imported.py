# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the record sets of a provider's zone to data of an inventory, exactly or not at all.

Invariants, each with a property test: what is taken over, read as an inventory is read, gives the same record sets; dns_zones
takes it; and every other set is named with the reason.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..._shared.limits import integer
from ..._shared.quoting import visible, yaml_text, yaml_word
from .. import names, txt, values
from ..host_names import owner_trouble, pointer_trouble, value_trouble
from ..model import Key, RRset
from ..record_types import SERVER_OWNED, SIGNING, SINGLE, TYPES
from ..zones.records import of_no_apex
from .left_out import EXPECTED, LOST, LeftOut, not_written
from .occluded import occluded

DEFAULT_TTL = 3600
_CHECKSUM = "Checksum of the records: "
MARK = "written by smallfleet.infra.dns_zone_"

# Types for private use that a transfer shows, and that mean something to that server alone (PowerDNS, docs/appendices/types.rst).
_PROVIDERS_OWN = {"TYPE65401": "an ALIAS of PowerDNS", "TYPE65402": "a LUA record of PowerDNS"}

Canonical = Callable[[str, str], str]  # type and presentation form -> canonical form; raises ValueError


@dataclass(frozen=True)
class Written:
    """What wrote a file of variables: the beginning of the variable's name, a word for the act, and more lines of the entry."""

    prefix: str = "imported"
    act: str = "import"
    options: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported:
    """``record_sets`` as an inventory has them, in a stable order; ``ttl`` is the one that most of them have."""

    record_sets: Tuple[Dict[str, Any], ...]
    ttl: int
    left_out: Tuple[LeftOut, ...]


def take(
    zone: str,
    sets: Iterable[RRset],
    canonical: Canonical,
    nameservers: bool = False,
    quoted: bool = False,
) -> Imported:
    """The sets as data. ``nameservers`` takes the zone's own NS too, ``quoted`` leaves TXT as a zone file has it."""
    given = {one.key: one for one in sorted(sets, key=lambda found: (found.name != zone, found.name, found.type))}
    entries: Dict[Key, Dict[str, Any]] = {}
    reasons: Dict[Key, str] = {}
    expected = {key: reason for key, reason in ((key, _own_reason(zone, one, nameservers)) for key, one in given.items()) if reason}
    unseen = _misplaced(zone, {key: one for key, one in given.items() if key not in expected})
    for key, one in given.items():
        reasons[key] = expected.get(key, "") or _type_reason(one) or unseen.get(key, "")
        if not reasons[key]:
            entry, reasons[key] = _entry(zone, one, canonical, quoted)
            if entry is not None:
                entries[key] = entry
    while True:  # of what is left out, other sets may have been part
        unseen = _misplaced(zone, {key: given[key] for key in entries})
        if not unseen:
            break
        for key, reason in unseen.items():
            del entries[key]
            reasons[key] = reason
    left = [LeftOut(_shown(key[0], zone), key[1], reasons[key], EXPECTED if key in expected else LOST) for key in given if key not in entries]
    counted = Counter(int(entry["ttl"]) for entry in entries.values())
    ttl = max(counted, key=lambda one: (counted[one], -one)) if counted else DEFAULT_TTL
    return Imported(tuple(entries.values()), ttl, tuple(left))


def _misplaced(zone: str, sets: Mapping[Key, RRset]) -> Dict[Key, str]:
    """Why sets cannot be where they are in this zone, or nobody would see them there."""
    nameservers = {name: one.values for (name, kind), one in sets.items() if kind == "NS"}
    found = {key: reason.text for key, reason in occluded(zone, sets, nameservers).items()}
    aliases = {name for name, kind in sets if kind == "CNAME" and name != zone}
    for key in sets:
        if key[0] in aliases and key[1] != "CNAME":
            found[key] = "stands beside a CNAME record, beside which nothing else can"
        found[key] = of_no_apex(*key, zone) or found.get(key, "")
    return {key: reason for key, reason in found.items() if reason}


def _own_reason(zone: str, one: RRset, nameservers: bool) -> str:
    """Why each server has a set of its own in place of this one; empty when it has not."""
    if one.type == "SOA":
        return "is made by the server that serves the zone"
    if one.type in SIGNING:
        return "is made by the server that signs the zone"
    if one.type == "NS" and one.name == zone and not nameservers:
        return "names the servers of the old provider"
    return "is a type that the server itself looks after" if one.type in SERVER_OWNED else ""


def _type_reason(one: RRset) -> str:
    """Why no server can be given a set of this type; empty when one can."""
    if one.type in _PROVIDERS_OWN:
        return f"is {_PROVIDERS_OWN[one.type]}, which other servers do not resolve; write what it stands for"
    try:
        values.type_name(one.type)
    except values.BadValue as error:
        return str(error) if one.type in TYPES else not_written(one.type)
    return ""


def _entry(zone: str, one: RRset, canonical: Canonical, quoted: bool) -> Tuple[Optional[Dict[str, Any]], str]:
    """The set as data, or None and why it cannot be told so that reading it gives the same again."""
    record = names.relative(one.name, zone)
    troubles = [owner_trouble(one.name, one.type), pointer_trouble(one.name, one.type, zone)]
    troubles += [value_trouble(one.name, one.type, value) for value in sorted(one.values)]
    if any(troubles):
        return None, next(filter(None, troubles))
    try:
        if names.qualify(record, zone) != one.name:
            record = one.name  # such as example.net below example.net
        if names.qualify(record, zone) != one.name:
            return None, "has a name that an inventory would read as another"
    except names.BadName as error:
        return None, error.args[0]
    if one.type in SINGLE and len(one.values) > 1:
        return None, f"has {len(one.values)} values, {', '.join(sorted(one.values))}, and a {one.type} has exactly one"
    shown = txt.read_all(one.values, exact=True) if one.type == "TXT" and not quoted else sorted(one.values)
    for value, text in zip(sorted(one.values), shown):
        try:
            again = canonical(one.type, value if one.type == "TXT" and quoted else values.present(one.type, text, zone))
        except ValueError as error:  # BadValue is one
            return None, f"has a value, {value}, that {error}"
        if again != value:
            return None, f"has a value, {value}, that is not plain text; see txt_transformation"
    return {"record": record, "type": one.type, "ttl": one.ttl, "value": shown}, ""


def _shown(name: str, zone: str) -> str:
    return names.relative(name, zone) if names.within(name, zone) else name


def variable_name(zone: str, prefix: str = Written.prefix) -> str:
    """The variable that a file of variables defines for a zone."""
    return f"{prefix}_" + re.sub(r"[^a-z0-9]+", "_", zone.rstrip("."))


def is_ours(text: str) -> bool:
    """Whether a file of variables was written by ``render_variables``, and so holds nothing but public records."""
    return text.startswith("---\n# The records of ") and MARK in text.split("\n", 2)[1]


def render_variables(
    zone: str,
    found: Imported,
    ttl: Optional[int] = None,
    also_left_out: Sequence[LeftOut] = (),
    written: Written = Written(),
) -> str:
    """A file of variables with ``ttl`` and ``records``, as ``dns_zones.<zone>`` takes them."""
    left = (*also_left_out, *found.left_out)
    body = [
        f"{variable_name(zone, written.prefix)}:",
        f"  ttl: {found.ttl if ttl is None else ttl}",
        *(f"  {option}" for option in written.options),
        f"  records:{'' if found.record_sets else ' []'}",
        *(f"    - {_flow(entry)}" for entry in found.record_sets),
    ]
    by = f"{MARK}{written.act}. The next {written.act} replaces them. {_CHECKSUM}{_checksum(body)}"
    lines = [
        "---",
        f"# The records of {visible(zone[:-1])}, {visible(by)}",
        *(f"# Left out: {visible(f'{one.record} {one.type} {one.reason}')}." for one in left),
        *body,
    ]
    return "".join(f"{line}\n" for line in lines)


def is_edited(text: str) -> bool:
    """Whether somebody changed the records of a file that ``render_variables`` wrote; false of files without a checksum."""
    if not is_ours(text):
        return False
    lines = text.split("\n")
    said = lines[1].rpartition(_CHECKSUM)
    return bool(said[1]) and said[2] != _checksum(line for line in lines[1:] if line.strip() and not line.startswith("#"))


def _checksum(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _flow(entry: Dict[str, Any]) -> str:
    shown = ", ".join(_strings(value) if isinstance(value, list) else yaml_text(value) for value in entry["value"])
    return f"{{record: {yaml_word(entry['record'])}, type: {yaml_word(entry['type'])}, ttl: {int(entry['ttl'])}, value: [{shown}]}}"


def _strings(value: List[str]) -> str:
    return f"[{', '.join(yaml_text(text) for text in value)}]"


def as_sets(zone: str, entries: Sequence[Dict[str, Any]], canonical: Canonical) -> List[RRset]:
    """Data as imported back as sets. Raises BadName or ValueError for what was not imported."""
    return [_as_set(zone, entry, canonical) for entry in entries]


def _as_set(zone: str, entry: Dict[str, Any], canonical: Canonical) -> RRset:
    kind = str(entry["type"])
    shown = [(canonical(kind, values.present(kind, value, zone)), value) for value in entry["value"]]
    texts = frozenset(value for value, written in shown if values.is_plain_text(kind, written))
    name = names.qualify(entry["record"], zone)
    return RRset(name, kind, integer(entry["ttl"], "ttl", 0, values.TTL_MAX), frozenset(value for value, _written in shown), texts=texts)
