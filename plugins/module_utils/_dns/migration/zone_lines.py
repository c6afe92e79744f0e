# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The logical lines of a zone file (RFC 1035 section 5.1), and the templates of BIND's $GENERATE."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterator, List, Match, Set, Tuple

from ..._shared.limits import excerpt
from ..values import TTL_MAX

LINES = 1_000_000
LINE_LIMIT = 300_000
"""Characters of one record: a TXT of 65,535 bytes has four for each byte, written as \\DDD."""

_TOKEN = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|;[^\n]*|[\n()]|[ \t]+|[^ \t\n"();\\]+|\\[^\n]', re.DOTALL)
_COUNTER = re.compile(r"\\.|\$\$|\$\{([+-]?[0-9]{1,10})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?\}|\$(\{?)", re.DOTALL)
_END_OF_FILE = "\x1a"  # what editors and COPY of DOS and Windows may write last
# Control characters, and what looks like a blank or the end of a line. Names may have other marks of Unicode, which IDNA knows.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
PROXY, FLATTENED, ROUTED = "proxy", "flattened", "routed"
# Comments of Cloudflare's own export, of dnscontrol about Cloudflare (pkg/prettyzone), and of cli53 about Route 53 (its README).
_ANSWERS = {
    PROXY: re.compile(r"cf-proxied:true|\bCF_PROXY_ON\b"),
    FLATTENED: re.compile(r"cf-flatten-cname|\bCF_CNAME_FLATTEN_ON\b"),
    ROUTED: re.compile(r"\A;[ \t]*AWS routing="),
}


class BadZoneFile(ValueError):
    """A text that is no zone file, or one that cannot be read alone. The message is a whole sentence."""


@dataclass
class Line:
    """One logical line: ``fields`` without comments and parentheses, the first one empty when the line begins with a blank.

    ``joined`` are the fields that follow the one before without a blank, as in ``alpn="h2"``. ``answers`` is what a comment says of how the
    provider answers: PROXY, FLATTENED, ROUTED or nothing.
    """

    number: int
    fields: List[str]
    joined: Set[int] = field(default_factory=set)
    answers: str = ""

    def rest(self, start: int) -> str:
        """The fields from this one on."""
        if not self.joined:
            return " ".join(self.fields[start:])
        pieces = ((("" if index in self.joined else " ") + self.fields[index]) for index in range(start, len(self.fields)))
        return "".join(pieces).lstrip(" ")


def substitute(template: str, number: int, line: int) -> str:
    """``$`` and ``${offset,width,base}`` in a text of $GENERATE; ``$$`` is a ``$``, and what is escaped stays."""

    def replace(match: Match[str]) -> str:
        text = match[0]
        if text[0] == "\\":
            return text
        if text == "$$":
            return "$"
        offset, width, base = int(match[1] or 0), int(match[2] or 0), match[3] or "d"
        counter = number + offset
        if match[4] or width > 127 or not -TTL_MAX <= counter <= TTL_MAX or (base in "nN" and counter < 0):
            raise BadZoneFile(f"Line {line}: expected ${{OFFSET,WIDTH,BASE}} with a base of d, o, x, X, n or N, got {excerpt(template)}.")
        if base in "nN":
            return _nibbles(counter, width, base == "N")
        return format(counter if base == "d" else counter & 0xFFFFFFFF, base).zfill(width)

    return _COUNTER.sub(replace, template)


def _nibbles(number: int, width: int, capitals: bool) -> str:
    """Hexadecimal digits with dots between them, the last digit first; ``width`` counts digits and dots."""
    digits = format(number, "X" if capitals else "x")[::-1]
    return ".".join(digits.ljust((width + 1) // 2, "0")) + ("." if width and width % 2 == 0 and width > 2 * len(digits) - 1 else "")


def logical_lines(text: str) -> Iterator[Line]:
    """The logical lines that are not empty. Raises BadZoneFile."""
    text = text.rstrip(_END_OF_FILE)
    if text.count("\n") > LINES:
        raise BadZoneFile(f"The zone file has more than {LINES} lines. Split it.")
    position, number = 0, 0
    while position < len(text):
        number += 1
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        raw = text[position:end]
        if not any(mark in raw for mark in '"();\\'):
            _check_length(len(raw), number)
            fields = re.findall(r"[^ \t]+", raw)
            position = end + 1
            if fields:
                yield Line(number, ["", *fields] if raw[0] in " \t" else fields)
            continue
        line = Line(number, [])
        position, number = _tokens(text, position, line)
        if any(line.fields):
            yield line


def check_visible(line: Line) -> None:
    """Raise BadZoneFile for a character outside quotes that nobody sees: it would be part of a name, or hide that a field ends there."""
    found = next((match[0] for match in (_UNSEEN.search(field) for field in line.fields if field[:1] != '"') if match), None)
    if found is not None:
        remedy = "Write an ordinary blank, or remove it; in a text that is to have it, put quotes around"
        raise BadZoneFile(f"Line {line.number}: U+{ord(found):04X}, which is invisible, is neither a blank nor part of a name. {remedy}.")


def _check_length(length: int, number: int) -> None:
    if length > LINE_LIMIT:
        raise BadZoneFile(f"Line {number}: the record has more than {LINE_LIMIT} characters.")


def _tokens(text: str, position: int, line: Line) -> Tuple[int, int]:
    """Fill a line that has quotes, comments or parentheses. Answers where the next one begins, and the number of its last line."""
    start, number, depth = position, line.number, 0
    separate = True
    pieces: List[str] = []  # of the field that is being read
    if text[position] in " \t":
        line.fields.append("")

    def finish() -> None:
        if pieces:
            line.fields.append("".join(pieces))
            pieces.clear()

    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            problem = "a quote that does not end" if text[position] == '"' else f"an odd {text[position]!r}"
            raise BadZoneFile(f"Line {number}: there is {problem}.")
        token, position = match[0], match.end()
        _check_length(position - start, line.number)
        if token[0] in " \t\n();":
            finish()
            separate = True
            depth += {"(": 1, ")": -1}.get(token, 0)
            if depth < 0:
                raise BadZoneFile(f"Line {number}: a parenthesis closes there that was not opened.")
            if token == "\n" and depth == 0:
                return position, number
            line.answers = line.answers or next((mark for mark, said in _ANSWERS.items() if said.search(token)), "")
            number += token == "\n"
            continue
        if token[0] == '"':
            finish()
            if not separate:
                line.joined.add(len(line.fields))
            line.fields.append(token)
            number += token.count("\n")
        else:
            if not separate and not pieces:
                line.joined.add(len(line.fields))
            pieces.append(token)
        separate = False
    finish()
    if depth:
        raise BadZoneFile(f"Line {line.number}: a parenthesis opens there and does not close.")
    return position, number
