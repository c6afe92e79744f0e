# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zone files (RFC 1035 section 5) before a parser gets them: what it would refuse or silently leave out is taken away.

A parser stops at a type that only one provider knows, and says nothing about a name outside the zone. Here both are
taken out and named, and everything else is left to the parser, at the same line numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Optional, Tuple

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|;[^\n]*|\n|[()]|[ \t\r\f]+|(?:[^\s"();\\]|\\.)+', re.DOTALL)
_TTL = re.compile(r"(?:[0-9]+[smhdwSMHDW]?)+")
_NO_TYPE = "is no type of DNS but one of the provider's own; write what it stands for"
_OBSOLETE = {"SPF": "is of a type that is not used any more; write it as TXT (RFC 7208)"}
_CLASSES = ("IN", "CH", "HS", "ANY")
_DNSCONTROL = re.compile(r"^\s*D(?:_EXTEND)?\(\s*[\"']|\bNewDnsProvider\(", re.MULTILINE)


def not_written(kind: str) -> str:
    """Why a set of this type cannot be taken over."""
    return _OBSOLETE.get(kind, _NO_TYPE)


class BadZoneFile(ValueError):
    """A text that is no zone file, or one that cannot be read alone. The message is a whole sentence."""


@dataclass(frozen=True)
class LeftOut:
    """A record set that was not taken over. ``record`` is relative to the zone, or absolute outside of it."""

    record: str
    type: str
    reason: str


@dataclass
class _Line:
    """One logical line: ``fields`` without comments, the first one empty when the line begins with a blank."""

    number: int
    text: str
    fields: List[str] = field(default_factory=list)


@dataclass
class _Place:
    """Where a record belongs that does not say so itself: ``$ORIGIN``, and the owner of the record before."""

    origin: str
    owner: str = ""
    written: str = ""
    dropped: bool = False


def prepare(text: str, zone: str, known: Callable[[str], bool]) -> Tuple[str, List[LeftOut]]:
    """The text without the records that are not for a DNS server, and what they were.

    ``known`` says whether a type exists in DNS. Raises BadZoneFile for ``$INCLUDE`` and for what is no zone file.
    """
    if _DNSCONTROL.search(text):
        raise BadZoneFile(
            "This is dnscontrol's own language, which only dnscontrol can read."
            " Write the zone anew: dnscontrol get-zones --format=zone CREDENTIALS - ZONE"
        )
    place = _Place(zone)
    kept: List[str] = []
    left: List[LeftOut] = []
    for line in _lines(text):
        found = _look_at(line, place, zone, known)
        if found is not None:
            left.append(found)
            place.dropped = True
            kept.append("\n" * line.text.count("\n"))
        elif place.dropped and line.fields and not line.fields[0]:
            kept.append(place.written + line.text)
        else:
            kept.append(line.text)
    return "".join(kept), left


def _look_at(line: _Line, place: _Place, zone: str, known: Callable[[str], bool]) -> Optional[LeftOut]:
    fields = line.fields
    if not [one for one in fields if one]:
        return None
    directive = fields[0].upper()
    if directive == "$INCLUDE":
        raise BadZoneFile(
            f"Line {line.number}: $INCLUDE is not followed."
            " Put the lines of the other file in its place, or let named-compilezone -o write the zone as one file."
        )
    if directive == "$ORIGIN" and len(fields) > 1:
        place.origin = _absolute(fields[1], place.origin)
    if directive.startswith("$"):
        return None
    if fields[0]:
        place.owner, place.written, place.dropped = _absolute(fields[0], place.origin), fields[0], False
    kind = next((one for one in fields[1:] if not _TTL.fullmatch(one) and one.upper() not in _CLASSES), "").upper()
    outside = bool(place.owner) and place.owner != zone and not place.owner.endswith("." + zone)
    if outside:
        return LeftOut(place.owner, kind, f"is outside the zone {zone[:-1]}")
    if kind and not known(kind):
        return LeftOut(_relative(place.owner or zone, zone), kind, not_written(kind))
    return None


def _lines(text: str) -> Iterator[_Line]:
    position, number, depth = 0, 1, 0
    line = _Line(1, "")
    begins = True
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            what = "a quote that does not end" if text[position] == '"' else f"an odd {text[position]!r}"
            raise BadZoneFile(f"Line {number}: there is {what}.")
        token = found[0]
        position = found.end()
        line.text += token
        number += token.count("\n")
        if token == "\n" and depth == 0:
            yield line
            line, begins = _Line(number, ""), True
            continue
        depth = max(0, depth + {"(": 1, ")": -1}.get(token, 0))
        if begins and (token[0] in " \t\r\f" or token == "("):
            line.fields.append("")
        if token[0] not in "();\n \t\r\f":
            line.fields.append(token)
        begins = False
    if depth:
        raise BadZoneFile(f"Line {line.number}: a parenthesis opens there and does not close.")
    yield line


def _absolute(text: str, origin: str) -> str:
    """The owner as an absolute name in lower case. Escapes stay as they are: this is only to see where it lies."""
    if text == "@":
        return origin
    if text.endswith(".") and not text.endswith("\\."):
        return text.lower()
    return f"{text}.{origin}".lower()


def _relative(name: str, zone: str) -> str:
    return "@" if name == zone else name[: -len(zone) - 1]
