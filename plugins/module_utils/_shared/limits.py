# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading text that others wrote within limits: bytes, nesting and entries, with an error that says what to do.

Every function raises ``BadText`` and nothing else. A reader turns that into its own refusal.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, NoReturn, Optional, Tuple
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

MIB = 2**20
_JSON_MARK = re.compile(r'\\.|["\[\]{},]', re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]{1,19}")


class BadText(ValueError):
    """Text that cannot be read, or exceeds a limit. The message says what, where and the remedy."""


@dataclass(frozen=True)
class Limits:
    """What one text may have: bytes of UTF-8, levels of nesting, and entries (scalars, lists and dictionaries, or elements)."""

    size: int
    depth: int = 64
    entries: int = 10**6


CONFIGURATION = Limits(size=MIB, entries=50_000)
"""A file that configures one program, by hand or by an installer."""
XML = Limits(size=8 * MIB, entries=250_000)
"""A definition of libvirt: an interface takes about 250 bytes and seven elements."""
OUTPUT = Limits(size=16 * MIB, entries=2 * 10**6)
"""What a program printed: ip(8) prints about 1 KB for an interface."""


def check_size(text: str, what: str, limits: Limits = CONFIGURATION) -> None:
    """Raises BadText when the text is larger than it may be. ``what`` begins the message: a path or a program's name."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > limits.size:
        raise BadText(f"{what}: is larger than {limits.size} bytes, and no more are read. Split it or remove what is not needed")


def split_lines(text: str) -> List[str]:
    """Lines with their ends. Only a line feed ends one: what ``str.splitlines()`` takes for an end may stand inside of a value."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def integer(text: object, what: str, low: int = 0, high: int = 2**63 - 1) -> int:
    """A whole number in ASCII digits, or one that is a number already. ``int()`` alone takes other scripts, blanks and ``_``.

    Raises BadText for everything else and for numbers outside ``low`` to ``high``.
    """
    number = text if isinstance(text, int) and not isinstance(text, bool) else None
    if isinstance(text, str) and _INTEGER.fullmatch(text):
        number = int(text)
    if number is None or not low <= number <= high:
        raise BadText(f"{what}: expected a whole number from {low} to {high}, got {excerpt(text)}")
    return number


def excerpt(value: object, longest: int = 60) -> str:
    """A value as it may be quoted in a message: on one line, short, without control characters."""
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    text = ascii(value[: longest + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def load_json(text: str, what: str, limits: Limits = OUTPUT) -> Any:
    """The value of a JSON text (RFC 8259; no NaN, no Infinity). Raises BadText."""
    check_size(text, what, limits)
    _count_json(text, what, limits)
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadText(f"{what}: is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:  # an integer of more than 4300 digits, NaN
        raise BadText(f"{what}: is not JSON that can be used: {excerpt(str(error), 120)}") from None


def _count_json(text: str, what: str, limits: Limits) -> None:
    """In one pass, before anything is built: Python's parser goes by the stack, which has no limit of ours."""
    depth = entries = 0
    in_string = False
    for token in _JSON_MARK.finditer(text):
        mark = token.group()
        if mark == '"':
            in_string = not in_string
        elif in_string or mark[0] == "\\":
            continue
        elif mark in "[{,":
            entries += 1
            depth += mark != ","
        else:
            depth -= 1
        if depth > limits.depth:
            _too_deep(what, text.count("\n", 0, token.start()) + 1, limits)
        if entries > limits.entries:
            _too_many(what, text.count("\n", 0, token.start()) + 1, limits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def parse_xml(text: str, what: str, limits: Limits = XML) -> Element:
    """The root element of an XML text without a document type, so that nothing in it expands. Raises BadText."""
    check_size(text, what, limits)
    builder = _Bounded(what, limits)
    parser = XMLParser(target=builder)
    try:
        parser.feed(text)
        root: Element = parser.close()
    except ParseError as error:
        raise BadText(f"{what}: is not XML: {error}") from None
    except UnicodeEncodeError:
        raise BadText(f"{what}: is not XML: it has characters that are not Unicode") from None
    return root


class _Bounded(TreeBuilder):
    """Builds elements up to the limits."""

    def __init__(self, what: str, limits: Limits) -> None:
        super().__init__()
        self._what, self._limits = what, limits
        self._depth = self._entries = 0

    def start(self, tag: Any, attrs: Dict[Any, Any], /) -> Element:
        self._depth += 1
        self._entries += 1
        if self._depth > self._limits.depth:
            raise BadText(f"{self._what}: is nested deeper than {self._limits.depth} levels, at <{excerpt(tag)[1:-1]}>")
        if self._entries > self._limits.entries:
            raise BadText(f"{self._what}: has more than {self._limits.entries} elements. Split it or remove what is not needed")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)

    def doctype(self, name: str, pubid: str, system: str) -> None:
        """Entities are defined in a document type, and those of others may expand without end."""
        raise BadText(f"{self._what}: has a document type (<!DOCTYPE {excerpt(name)[1:-1]}>), which is not read. Remove it")


class Entry:
    """A dictionary out of a JSON text: each value is checked when it is taken. All raise BadText with the place.

    A key that is missing has the default; without a default that is an error too.
    """

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise BadText(f"{place}: expected a dictionary, got {excerpt(value)}")
        self._value: Dict[str, Any] = value
        self.place = place

    def keys(self) -> List[str]:
        """The keys that are there, whatever their values."""
        return [str(key) for key in self._value]

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def _get(self, key: str, default: Any) -> Any:
        if key not in self._value and default is None:
            raise BadText(f"{self.place}: has no {key}")
        return self._value.get(key, default)

    def is_null(self, key: str) -> bool:
        """Whether the key is there without a value."""
        return key in self._value and self._value[key] is None

    def text(self, key: str, default: Optional[str] = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise BadText(f"{self.place}.{key}: expected a string, got {excerpt(value)}")
        return value

    def scalar(self, key: str, default: Optional[str] = None) -> str:
        """A string, a number or a boolean, as text."""
        value = self._get(key, default)
        if not isinstance(value, (str, int, float)) or isinstance(value, int) and value.bit_length() > 64:
            raise BadText(f"{self.place}.{key}: expected a string or a number, got {excerpt(value)}")
        return str(value)

    def integer(self, key: str, default: Optional[int] = None, low: int = 0, high: int = 2**63 - 1) -> int:
        return integer(self._get(key, default), f"{self.place}.{key}", low, high)

    def number(self, key: str, low: float, high: float) -> float:
        """An integer or a decimal fraction."""
        value = self._get(key, None)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise BadText(f"{self.place}.{key}: expected a number from {low:g} to {high:g}, got {excerpt(value)}")
        return float(value)

    def texts(self, key: str) -> List[str]:
        """A list of strings; empty when the key is missing."""
        value = self._value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(inner, str) for inner in value):
            raise BadText(f"{self.place}.{key}: expected a list of strings, got {excerpt(value)}")
        return value

    def entry(self, key: str) -> Entry:
        """A dictionary inside; empty when the key is missing."""
        return Entry(self._value.get(key, {}), f"{self.place}.{key}")

    def entries(self, key: str) -> List[Entry]:
        """The dictionaries of a list inside; none when the key is missing."""
        return list(entries_of(self._value.get(key, []), f"{self.place}.{key}"))


def entries_of(value: Any, place: str) -> Iterable[Entry]:
    """The dictionaries of a list, less those that are empty. Raises BadText."""
    if not isinstance(value, list):
        raise BadText(f"{place}: expected a list, got {excerpt(value)}")
    return [Entry(inner, f"{place}[{index}]") for index, inner in enumerate(value) if inner != {}]


class Counter:
    """Counts the nodes of a YAML document with all its aliases expanded, from the parser's events.

    An alias counts as many entries as what it stands for, and as deep: that is what those who walk the result meet. One
    inside of its own anchor has no end and is refused.
    """

    def __init__(self, what: str, limits: Limits) -> None:
        self._what, self._limits = what, limits
        self._open: List[Tuple[str, int, int]] = []  # anchor, entries before, deepest level below
        self._anchors: Dict[str, Tuple[int, int]] = {}  # anchor -> entries, levels
        self._entries = 0

    def begin(self, anchor: str, line: int) -> None:
        """A list or a dictionary begins."""
        self._open.append((anchor, self._entries, 0))
        self._count(1, 1, line)
        if anchor:
            self._anchors[anchor] = (-1, 0)

    def end(self) -> None:
        """The list or dictionary that began last ends."""
        anchor, before, below = self._open.pop()
        if anchor:
            self._anchors[anchor] = (self._entries - before, below + 1)
        self._deepen(below + 1)

    def scalar(self, anchor: str, line: int) -> None:
        self._count(1, 1, line)
        if anchor:
            self._anchors[anchor] = (1, 1)

    def alias(self, anchor: str, line: int) -> None:
        """Undefined ones are left to the parser."""
        entries, levels = self._anchors.get(anchor, (1, 1))
        if entries < 0:
            raise BadText(f"{self._what}, line {line}: *{excerpt(anchor)[1:-1]} is part of itself. Write it out")
        self._count(entries, levels, line)

    def _count(self, entries: int, levels: int, line: int) -> None:
        self._entries += entries
        self._deepen(levels)
        if self._entries > self._limits.entries:
            _too_many(self._what, line, self._limits)
        if len(self._open) + levels > self._limits.depth + 1:
            _too_deep(self._what, line, self._limits)

    def _deepen(self, levels: int) -> None:
        if self._open and self._open[-1][2] < levels:
            anchor, before, _less = self._open[-1]
            self._open[-1] = (anchor, before, levels)


def _too_deep(what: str, line: int, limits: Limits) -> NoReturn:
    raise BadText(f"{what}, line {line}: is nested deeper than {limits.depth} levels. Write it flatter")


def _too_many(what: str, line: int, limits: Limits) -> NoReturn:
    raise BadText(f"{what}, line {line}: has more than {limits.entries} entries, aliases expanded. Split it or remove what is not needed")
