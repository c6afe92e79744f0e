# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zone files (RFC 1035 section 5, RFC 2308 section 4, $GENERATE of BIND) as record sets.

The layout of the file is read here, one record at a time, because a library that reads whole files stops at the first record it
does not know, skips names outside the zone without a word, and takes other TTLs in other versions. What names and values mean is
the library's decision alone: ``Library.name`` makes every owner absolute, inside the zone and outside, and ``Library.value`` reads
every value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Protocol, Sequence, Set, Tuple

from ..._shared.limits import MIB, BadText, Limits, check_size, excerpt
from .. import names
from ..model import Key, RRset
from ..record_types import has_names
from ..values import TTL_MAX
from .left_out import BY_ADDRESSES, BY_PROXY, BY_ROUTING, BY_ROUTING_ONE, LOST, NOTE, PROXIED, VARIES, LeftOut, is_obsolete, not_written
from .zone_lines import FLATTENED, PROXY, ROUTED, BadZoneFile, Line, check_visible, logical_lines, substitute

__all__ = ["LIMITS", "BadZoneFile", "LeftOut", "Library", "read_zone_file"]
LIMITS = Limits(size=16 * MIB, entries=250_000)
"""A zone of 100,000 records has about 5 MiB."""
GENERATED = Limits(size=MIB, entries=5_000)
"""What the $GENERATE of a file may make, in characters and records: a short line can ask for any number."""

_TTL = re.compile(r"[0-9]{1,20}|(?:[0-9]{1,10}[smhdw]){1,8}", re.IGNORECASE)
_TTL_PART = re.compile(r"([0-9]+)([smhdw]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CLASS = re.compile(r"IN|CH|HS|CLASS[0-9]{1,5}", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]{1,10})-([0-9]{1,10})(?:/([0-9]{1,10}))?")
_AGE = re.compile(r"\[AGE:[0-9]{1,20}\]", re.IGNORECASE)
_IN_COMMENT = re.compile(r"^;([^\s;]{1,255})[ \t]+(?:[0-9]{1,10}[ \t]+)?IN[ \t]+([A-Z][A-Z0-9_-]{0,62})[ \t]+\S", re.MULTILINE)
_DNSCONTROL = re.compile(r"^[ \t]*D(?:_EXTEND)?\(\s*[\"']|\bNewDnsProvider\(", re.MULTILINE)
_FLATTENED = "is a CNAME at the zone's own name, which only this provider can answer; write what it stands for"
# A bad value of these is a mistake in the file. For the others, libraries differ in what they know and check: the set is left out.
_STRICT = ("A", "AAAA", "CNAME", "DNAME", "MX", "NS", "PTR", "SRV", "TXT")
_SINGLE = ("CNAME", "DNAME")
_ANSWERS = {PROXY: (BY_PROXY, PROXIED), FLATTENED: (BY_ADDRESSES, PROXIED), ROUTED: (BY_ROUTING, VARIES)}
_BESIDE_CNAME = ("CNAME", "RRSIG", "NSEC", "KEY", "SIG", "NXT")  # RFC 4034 section 2.5, RFC 2535 section 3.1


class Library(Protocol):
    """What names, types and values mean. Names are absolute and in lower case. A text it cannot read raises ValueError."""

    def name(self, text: str, origin: str) -> str:
        """The absolute form of a name as the file has it."""
        ...  # pylint: disable=unnecessary-ellipsis

    def type(self, text: str) -> str:
        """The type in upper case, or an empty text when DNS has no such type."""
        ...  # pylint: disable=unnecessary-ellipsis

    def value(self, kind: str, text: str, origin: str) -> str:
        """The canonical form of a value as the file has it."""
        ...  # pylint: disable=unnecessary-ellipsis


@dataclass
class _Set:
    line: int
    ttl: int
    values: Dict[str, None] = field(default_factory=dict)
    ttls: Set[int] = field(default_factory=set)
    bad: str = ""


@dataclass(frozen=True)
class _Header:
    """What stands before the value: ``ttl`` is None where the record does not say its own.

    ``age`` is the mark that a Windows DNS server writes at a record that was registered by an update, before the TTL.
    """

    ttl: Optional[int]
    other_class: str
    type: str
    next: int
    age: str = ""


def read_zone_file(text: str, zone: str, library: Library, server_made: Sequence[str]) -> Tuple[List[RRset], List[LeftOut]]:
    """The record sets of the zone in a text, and every other one with the reason and its line.

    ``server_made`` are types that are not taken over whatever their value: they are sets with the values as written. Raises
    BadZoneFile for ``$INCLUDE``, for more than LIMITS, and for what is no zone file. Takes time in proportion to the text.
    """
    text = text.lstrip("\ufeff")
    try:
        check_size(text, "The zone file", LIMITS)
    except BadText as error:
        raise BadZoneFile(f"{error}.") from None
    if _DNSCONTROL.search(text):
        raise BadZoneFile(
            "This is dnscontrol's own language, which only dnscontrol can read. Write the zone anew: dnscontrol get-zones --format=zone CREDENTIALS - ZONE"
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = _Reader(zone, library, server_made)
    for line in logical_lines(text):
        reader.read(line)
    reader.read_comments(text)
    return reader.sets(), reader.left


@dataclass
class _Reader:
    """The state between two records: ``$ORIGIN``, the owner of the record before, and the TTLs that may be omitted."""

    zone: str
    library: Library
    server_made: Sequence[str]
    left: List[LeftOut] = field(default_factory=list)
    _origin: str = ""
    _owner: str = ""
    _bad_owner: str = ""
    _default_ttl: Optional[int] = None
    _last_ttl: Optional[int] = None
    _last_ttl_of: int = 0  # the line, if its record is left out
    _minimum: Optional[int] = None
    _soa_has_ttl: bool = False
    _entries: int = 0
    _generated: int = 0
    _generated_size: int = 0
    _sets: Dict[Key, _Set] = field(default_factory=dict)
    _named: Set[Tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._origin = self.zone

    def read(self, line: Line) -> None:
        """One logical line."""
        check_visible(line)
        if line.fields[0].startswith("$"):
            self._directive(line)
        else:
            self._record(line)

    def read_comments(self, text: str) -> None:
        """Records of types that DNS does not have, which dnscontrol writes as comments."""
        number, counted = 1, 0
        for match in _IN_COMMENT.finditer(text):
            number, counted = number + text.count("\n", counted, match.start()), match.start()
            if not self.library.type(match[2]):
                self._leave_out(match[1], match[2], f"stands in a comment, and {not_written(match[2])}", number)

    def _directive(self, line: Line) -> None:
        name = line.fields[0].upper()
        if name == "$INCLUDE":
            raise BadZoneFile(
                f"Line {line.number}: $INCLUDE is not followed."
                " Put the lines of the other file in its place, or let named-compilezone -o write the zone as one file."
            )
        if name == "$GENERATE":
            self._generate(line)
            return
        if name == "$DATE":  # BIND notes in a dump when it was made, and does not look at it when it reads a zone
            return
        if name not in ("$ORIGIN", "$TTL") or len(line.fields) != 2:
            raise BadZoneFile(f"Line {line.number}: expected $ORIGIN NAME, $TTL SECONDS or $GENERATE, got {excerpt(line.rest(0))}.")
        argument = line.fields[1]
        if name == "$TTL":
            if not _TTL.fullmatch(argument):
                raise BadZoneFile(f"Line {line.number}: expected $TTL and seconds, got {excerpt(argument)}. Write for example $TTL 3600.")
            self._default_ttl = _checked_ttl(_seconds(argument), line.number)
            return
        try:
            self._origin = self.library.name(argument, self._origin)
        except ValueError as error:
            raise BadZoneFile(f"Line {line.number}: {excerpt(argument)} cannot be the $ORIGIN: {_sentence(error)}") from None

    def _record(self, line: Line) -> None:
        written = line.fields[0]
        if written:
            self._bad_owner, self._owner = "", ""
            try:
                self._owner = self.library.name(_unquoted(written), self._origin)
            except ValueError as error:
                self._bad_owner = f"{excerpt(written)} cannot be a name: {_sentence(error)}"
        elif not self._owner and not self._bad_owner:
            raise BadZoneFile(f"Line {line.number}: begins with a blank, which stands for the name above, and there is none.")
        header = _header(line, 1)
        self._check_type(header.type, line)
        if self._bad_owner:
            self._state_ttl(header, line.number)
            if self.library.type(header.type) not in ("", *self.server_made):
                raise BadZoneFile(f"Line {line.number}: {self._bad_owner}")
            self._leave_out(excerpt(written)[1:-1], header.type.upper(), "has a name that cannot be read", line.number)
            return
        self._add(self._owner, header, line.rest(header.next), line)
        self._check_ascii(written, self._owner, header, line)

    def _check_ascii(self, written: str, owner: str, header: _Header, line: Line) -> None:
        """Names outside ASCII are taken as people mean them (RFC 3490); a server that reads the file takes their octets."""
        odd = [text for text in line.fields[header.next :] if not text.isascii() and not text.startswith('"')]
        if written.isascii() and not odd:
            return
        kind = self.library.type(header.type)
        if (owner, kind) not in self._sets or kind in self.server_made:
            return
        for text in (*(() if written.isascii() else (written,)), *(odd if has_names(kind) else ())):
            reason = f"has the name {text}, which is taken over in its ASCII form (IDNA), where BIND takes its octets as they are"
            self._leave_out(names.relative(owner, self.zone), kind, reason, line.number, NOTE)

    def _check_type(self, kind: str, line: Line) -> None:
        if not re.fullmatch(r"[!#%-/:-~][!-~]{0,62}", kind):
            got = excerpt(kind) if kind else "the end of the line"
            raise BadZoneFile(f"Line {line.number}: expected a record type such as A or MX, got {got}.")

    def _generate(self, line: Line) -> None:
        """``$GENERATE start-stop[/step] name [ttl] [class] type value`` (BIND 9 Administrator Reference Manual)."""
        limits = _RANGE.fullmatch(line.fields[1]) if len(line.fields) > 1 else None
        start, stop, step = (int(number or 1) for number in limits.groups()) if limits else (0, 0, 0)
        header = _header(line, 3) if step else None
        if header is None or start > stop or max(start, stop, step) > TTL_MAX or header.next != len(line.fields) - 1:
            raise BadZoneFile(
                f"Line {line.number}: expected $GENERATE START-STOP NAME TYPE VALUE, got {excerpt(line.rest(0))}."
                " Write for example $GENERATE 1-9 host$ A 192.0.2.$ and a value with blanks in quotes."
            )
        self._check_type(header.type, line)
        self._generated += (stop - start) // step + 1
        self._check_generated(line.number)
        value = line.fields[-1]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", lambda pair: '"' if pair[1] == '"' else pair[0], value[1:-1], flags=re.DOTALL)
        for number in range(start, stop + 1, step):
            written = substitute(line.fields[2], number, line.number)
            try:
                owner = self.library.name(written, self._origin)
            except ValueError as error:
                raise BadZoneFile(f"Line {line.number}: $GENERATE makes {excerpt(written)}: {_sentence(error)}") from None
            text = substitute(value, number, line.number)
            self._generated_size += len(written) + len(text)
            self._check_generated(line.number)
            self._add(owner, header, text, line)
            self._check_ascii(written, owner, header, line)

    def _check_generated(self, number: int) -> None:
        if self._generated > GENERATED.entries or self._generated_size > GENERATED.size:
            raise BadZoneFile(
                f"Line {number}: $GENERATE makes more than {GENERATED.entries} records or {GENERATED.size} characters."
                " Let named-compilezone -o write the zone without it."
            )

    def _add(self, owner: str, header: _Header, value: str, line: Line) -> None:
        self._entries += 1
        if self._entries > LIMITS.entries:
            raise BadZoneFile(f"Line {line.number}: the file has more than {LIMITS.entries} records. Split it.")
        self._state_ttl(header)
        kind = self.library.type(header.type)
        inside = names.within(owner, self.zone)
        record = names.relative(owner, self.zone) if inside else owner
        reason = ""
        if not inside:
            reason = f"is outside the zone {self.zone[:-1]}"
        elif not kind or is_obsolete(header.type.upper()):
            kind, reason = "", not_written(header.type.upper())
        elif header.other_class:
            reason = f"is of class {header.other_class}"
        elif header.age and kind not in self.server_made:
            reason = f"has the mark {header.age}, so a client registered it by an update; remove the mark to take it over"
        elif kind == "CNAME" and owner == self.zone:
            reason = _FLATTENED
        if reason:
            self._state_ttl(header, line.number)
            self._leave_out(record, kind or header.type.upper(), reason, line.number)
        elif kind in self.server_made:
            self._add_unread(owner, kind, header, value)
        else:
            self._add_read(owner, kind, header, value, line)

    def _state_ttl(self, header: _Header, left_out: int = 0) -> None:
        """The TTL of a record is that of later ones without, also when it is ``left_out``, in that line (RFC 1035 section 5.1)."""
        if header.ttl is not None:
            self._last_ttl, self._last_ttl_of = header.ttl, left_out

    def _add_unread(self, owner: str, kind: str, header: _Header, value: str) -> None:
        """A set that is not taken over. Of a SOA, the last field counts for later records (RFC 1035 section 3.3.13)."""
        minimum: Optional[int] = None
        if kind == "SOA":
            try:
                minimum = int(self.library.value(kind, value, self._origin).split()[6])
            except ValueError:
                minimum = None
        if minimum is not None and self._minimum is None:
            self._minimum, self._soa_has_ttl = minimum, self._last_ttl is not None
        known = (header.ttl, self._default_ttl, self._last_ttl, self._minimum)
        ttl = next((seconds for seconds in known if seconds is not None), 0)
        self._sets.setdefault((owner, kind), _Set(0, ttl)).values[value] = None

    def _add_read(self, owner: str, kind: str, header: _Header, value: str, line: Line) -> None:
        record = names.relative(owner, self.zone)
        entry = self._sets.setdefault((owner, kind), _Set(line.number, TTL_MAX))
        try:
            ttl = self._ttl(record, kind, header, line.number)
            canonical = self._value(kind, value, line.number)
            if kind in _SINGLE and line.answers == ROUTED and entry.values and canonical not in entry.values:
                self._leave_out(record, kind, BY_ROUTING_ONE, line.number, VARIES)
                return
            entry.values[canonical] = None
        except BadZoneFile as error:
            if kind in _STRICT and (owner, kind) != (self.zone, "NS"):
                raise
            entry.bad = entry.bad or f"is left out whole, for one of its records cannot be read. {str(error).rstrip('.')}"
            return
        entry.ttls.add(ttl)
        entry.ttl = min(entry.ttl, ttl)
        if kind in _SINGLE and len(entry.values) > 1:
            raise BadZoneFile(f"Line {line.number}: {owner} has a second {kind}; the first is in line {entry.line}. Keep one of them.")
        if line.answers:
            self._leave_out(record, kind, _ANSWERS[line.answers][0], line.number, _ANSWERS[line.answers][1])

    def _value(self, kind: str, text: str, number: int) -> str:
        try:
            return self.library.value(kind, text, self._origin)
        except ValueError as error:
            raise BadZoneFile(f"Line {number}: {excerpt(text)} is not a value of type {kind}: {_sentence(error)}") from None

    def _ttl(self, record: str, kind: str, header: _Header, number: int) -> int:
        """RFC 2308 section 4: the record's own, that of $TTL, the last one stated (RFC 1035 section 5.1), the SOA's last field."""
        if header.ttl is not None:
            return _checked_ttl(header.ttl, number)
        if self._default_ttl is not None:
            return self._default_ttl
        if self._last_ttl is not None:
            if self._last_ttl_of:
                reason = f"has no TTL; {self._last_ttl} of line {self._last_ttl_of}, which is left out, is taken over (RFC 1035); write a $TTL if that is wrong"
                self._leave_out(record, kind, reason, number, NOTE)
            elif self._minimum not in (None, self._last_ttl) and not self._soa_has_ttl:
                reason = f"has no TTL; the last one above it, {self._last_ttl}, is taken over (RFC 1035), where BIND takes {self._minimum}"
                self._leave_out(record, kind, reason, number, NOTE)
            return _checked_ttl(self._last_ttl, number)
        if self._minimum is None:
            raise BadZoneFile(f"Line {number}: {record} {kind} has no TTL, and there is none above. Begin the file with, say, $TTL 3600.")
        return _checked_ttl(self._minimum, number)

    def _leave_out(self, record: str, kind: str, reason: str, number: int, what: str = LOST) -> None:
        """Name it, once for each set and reason."""
        if (record, kind, reason) not in self._named:
            self._named.add((record, kind, reason))
            self.left.append(LeftOut(record, kind, f"{reason} (line {number})", what))

    def sets(self) -> List[RRset]:
        """What was read, when it can stand in one zone."""
        self._check_cnames()
        result = []
        for (owner, kind), entry in self._sets.items():
            record = names.relative(owner, self.zone)
            if entry.bad:
                self.left.append(LeftOut(record, kind, entry.bad))
                continue
            if len(entry.ttls) > 1:
                ttls = ", ".join(str(ttl) for ttl in sorted(entry.ttls))
                reason = f"has values with different TTLs ({ttls}), of which the lowest is taken over"
                self._leave_out(record, kind, reason, entry.line, NOTE)
            self._check_dots(owner, kind, entry)
            result.append(RRset(owner, kind, entry.ttl, frozenset(entry.values)))
        return result

    def _check_dots(self, owner: str, kind: str, entry: _Set) -> None:
        """A name that ends in the zone's own name twice is one that lost its final dot, more often than not."""
        if kind in self.server_made:
            return
        words = (word for value in entry.values for word in value.split()) if kind != "TXT" else ()
        doubled = next((name for name in (owner, *words) if f".{name}".endswith(f".{self.zone}{self.zone}")), "")
        if doubled:
            reason = f"has the name {doubled}, since a name without a final dot is below the $ORIGIN; write the dot if that is not meant"
            self._leave_out(names.relative(owner, self.zone), kind, reason, entry.line, NOTE)

    def _check_cnames(self) -> None:
        for (owner, kind), entry in self._sets.items():
            cname = self._sets.get((owner, "CNAME"))
            if cname is None or kind in _BESIDE_CNAME or kind in self.server_made:
                continue
            raise BadZoneFile(
                f"Line {max(entry.line, cname.line)}: {owner} has a CNAME and a {kind}, which cannot stand together"
                " (RFC 1034 section 3.6.2). Remove one of them."
            )


def _header(line: Line, start: int) -> _Header:
    """TTL and class, in either order, and the type. The type is empty when the line ends before it."""
    ttl: Optional[int] = None
    written = age = ""
    for index in range(start, len(line.fields)):
        token = line.fields[index]
        if not age and _AGE.fullmatch(token):
            age = token
        elif ttl is None and _TTL.fullmatch(token):
            ttl = _seconds(token)
        elif not written and _CLASS.fullmatch(token):
            written = token.upper()
        else:
            return _Header(ttl, "" if written in ("", "IN", "CLASS1") else written, token, index + 1, age)
    return _Header(ttl, "", "", len(line.fields))


def _seconds(text: str) -> int:
    return sum(int(number) * _SECONDS[unit.lower()] for number, unit in _TTL_PART.findall(text))


def _checked_ttl(ttl: int, number: int) -> int:
    if ttl > TTL_MAX:
        raise BadZoneFile(f"Line {number}: expected a TTL from 0 to {TTL_MAX} seconds (RFC 2181 section 8), got {ttl}.")
    return ttl


def _sentence(error: ValueError) -> str:
    return f"{excerpt(str(error).rstrip('.'), 200)[1:-1]}."


def _unquoted(token: str) -> str:
    return token[1:-1] if token.startswith('"') else token
