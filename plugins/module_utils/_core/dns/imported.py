# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the record sets of a provider's zone to data of an inventory, exactly or not at all.

Invariant, with a property test: what is taken over, read as an inventory is read, gives the same record sets; and
every other set is named with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from ..quoting import visible, yaml_text
from . import names, values
from .model import RRset
from .zonefile import LeftOut, not_written

DEFAULT_TTL = 3600
MARK = "written by smallfleet.infra.dns_zone_import"
DNSSEC = ("DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "CDS", "CDNSKEY", "DLV", "KEY", "SIG", "NXT")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)

Canonical = Callable[[str, str], str]  # type and presentation form -> canonical form; raises ValueError


@dataclass(frozen=True)
class Imported:
    """``record_sets`` as an inventory has them, in a stable order; ``ttl`` is the one that most of them have."""

    record_sets: Tuple[Dict[str, Any], ...]
    ttl: int
    left_out: Tuple[LeftOut, ...]
    notes: Tuple[str, ...] = ()


def take(
    zone: str,
    sets: Iterable[RRset],
    canonical: Canonical,
    nameservers: bool = False,
    quoted: bool = False,
) -> Imported:
    """The sets as data. ``nameservers`` takes the zone's own NS too, ``quoted`` leaves TXT as a zone file has it."""
    taken: List[Dict[str, Any]] = []
    left: List[LeftOut] = []
    notes: List[str] = []
    for one in sorted(sets, key=lambda found: (found.name != zone, found.name, found.type)):
        reason = _reason(zone, one, nameservers)
        entry = None
        if not reason:
            entry, reason = _entry(zone, one, canonical, quoted)
        if entry is None:
            left.append(LeftOut(_shown(one.name, zone), one.type, reason))
            continue
        taken.append(entry)
        if one.type == "TXT" and not quoted and any(joined(value) != value for value in one.values):
            notes.append(f"{one.name} TXT was split into strings in other places; its text is the same.")
    counted = Counter(int(entry["ttl"]) for entry in taken)
    ttl = max(counted, key=lambda one: (counted[one], -one)) if counted else DEFAULT_TTL
    return Imported(tuple(taken), ttl, tuple(left), tuple(notes))


def _reason(zone: str, one: RRset, nameservers: bool) -> str:
    """Why a set is not for the new zone; empty when it is."""
    if one.type == "SOA":
        return "is made by the server that serves the zone"
    if one.type in DNSSEC:
        return "is made by the server that signs the zone"
    if one.type == "NS" and one.name == zone and not nameservers:
        return "names the servers of the old provider"
    try:
        values.type_name(one.type)
    except values.BadValue:
        return not_written(one.type)
    return ""


def _entry(zone: str, one: RRset, canonical: Canonical, quoted: bool) -> Tuple[Optional[Dict[str, Any]], str]:
    """The set as data, or None and why it cannot be told so that reading it gives the same again."""
    record = names.relative(one.name, zone)
    try:
        if names.qualify(record, zone) != one.name:
            record = one.name  # such as example.net below example.net
        if names.qualify(record, zone) != one.name:
            return None, "has a name that an inventory would read as another"
    except names.BadName as error:
        return None, error.args[0]
    shown = []
    for value in sorted(one.values):
        text = values.unquote(value) if one.type == "TXT" and not quoted else value
        try:
            again = canonical(one.type, value if one.type == "TXT" and quoted else values.present(one.type, text, zone))
        except ValueError as error:  # BadValue is one
            return None, f"has a value, {value}, that {error}"
        if again != value and not (one.type == "TXT" and again == joined(value)):
            return None, f"has a value, {value}, that is not plain text; see txt_transformation"
        shown.append(text)
    if len(set(shown)) != len(shown):
        return None, "has the same text twice, split in different places"
    return {"record": record, "type": one.type, "ttl": one.ttl, "value": shown}, ""


def joined(shown: str) -> str:
    """A TXT value with its strings split at 255 bytes, and nowhere else, so that equal texts are equal."""
    pieces = re.findall(r"\\[0-9]{3}|\\.|.", "".join(_STRING.findall(shown)), re.DOTALL)
    parts = ["".join(pieces[start : start + 255]) for start in range(0, len(pieces), 255)] or [""]
    return " ".join(f'"{part}"' for part in parts)


def _shown(name: str, zone: str) -> str:
    return names.relative(name, zone) if names.within(name, zone) else name


def variable_name(zone: str) -> str:
    """The variable that a file of variables defines for a zone."""
    return "imported_" + re.sub(r"[^a-z0-9]+", "_", zone.rstrip("."))


def is_ours(text: str) -> bool:
    """Whether a file of variables was written by ``render_variables``, and so holds nothing but public records."""
    return text.startswith("---\n# The records of ") and MARK in text.split("\n", 2)[1]


def render_variables(
    zone: str, found: Imported, ttl: Optional[int] = None, also_left_out: Sequence[LeftOut] = ()
) -> str:
    """A file of variables with ``ttl`` and ``records``, as ``dns_zones.<zone>`` takes them."""
    left = (*also_left_out, *found.left_out)
    lines = [
        "---",
        f"# The records of {visible(zone[:-1])}, {MARK}. The next import replaces them.",
        *(f"# Left out: {visible(f'{one.record} {one.type} {one.reason}')}." for one in left),
        f"{variable_name(zone)}:",
        f"  ttl: {found.ttl if ttl is None else ttl}",
        f"  records:{'' if found.record_sets else ' []'}",
        *(f"    - {_flow(entry)}" for entry in found.record_sets),
    ]
    return "".join(f"{line}\n" for line in lines)


def _flow(entry: Dict[str, Any]) -> str:
    shown = ", ".join(yaml_text(value) for value in entry["value"])
    return f"{{record: {_word(entry['record'])}, type: {_word(entry['type'])}, ttl: {int(entry['ttl'])}, value: [{shown}]}}"


_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def _word(text: str) -> str:
    """Without quotes where YAML takes it for the same text."""
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text) and text.lower() not in _WORDS else yaml_text(text)


def as_sets(zone: str, entries: Sequence[Dict[str, Any]], canonical: Canonical) -> List[RRset]:
    """Data as imported back as sets. Raises BadName or ValueError for what was not imported."""
    return [
        RRset(
            names.qualify(entry["record"], zone),
            str(entry["type"]),
            int(entry["ttl"]),
            frozenset(
                canonical(str(entry["type"]), values.present(str(entry["type"]), value, zone))
                for value in entry["value"]
            ),
        )
        for entry in entries
    ]
