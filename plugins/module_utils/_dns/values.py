# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of records as text: checked, and put into the absolute presentation form of a zone file (RFC 1035 section 5).

Pure Python, so that an inventory can be checked where no DNS library is. Which fields a type has is in the table of
record types; here is how each kind of field is read. A name in any field is relative to the zone, or whole. What a
kind leaves to the DNS library is checked on the host that sends it.
"""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from . import names, txt
from .record_types import SERVER_OWNED, SINGLE, TYPES, BadValue, RecordType, by_number, type_name, type_of
from .value_parts import parameters, position

__all__ = [
    "FIELDS",
    "SERVER_OWNED",
    "SINGLE",
    "TTL_MAX",
    "BadValue",
    "by_number",
    "canonical_case",
    "is_plain_text",
    "is_ttl",
    "present",
    "repeated",
    "type_name",
    "type_of",
]

TTL_MAX = 2**31 - 1  # RFC 2181 section 8
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(?:[^\s"\\]|\\.)+', re.DOTALL)
_GENERIC = re.compile(r"\\#[ \t]+([0-9]{1,5})((?:[ \t]+[0-9A-Fa-f]+)*)")
_EXAMPLE = "such as '\\# 4 C0000201'"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_CAA_TAG = re.compile(r"^(\d+ )([A-Za-z0-9]+)")


def is_ttl(number: Any) -> bool:
    """Whether this is a time to live, in whole seconds."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= TTL_MAX


def is_plain_text(kind: str, value: Any) -> bool:
    """Whether a value stands for its text however it is split; see the module txt."""
    return kind == "TXT" and not isinstance(value, list)


def repeated(kind: str, written: Sequence[Tuple[str, bool]]) -> Mapping[int, int]:
    """The places of values of one set that are the same as an earlier one, with the place of that one.

    A value is its presentation form and whether it is plain text.
    """
    if kind == "TXT":
        return txt.repeated(written)
    first: Dict[str, int] = {}
    places = {place: first.setdefault(value, place) for place, (value, _plain) in enumerate(written)}
    return {place: earlier for place, earlier in places.items() if earlier != place}


def present(kind: str, value: Any, zone: str) -> str:
    """The presentation form of one value of a type that type_name() accepted, its names absolute. Raises BadValue.

    A TXT value is plain text without quotes, or a list of strings. Of any other type, a value may be in the generic
    form of RFC 3597, such as ``\\# 4 C0000201``.
    """
    if kind == "TXT":
        return txt.write(value)
    if isinstance(value, list):
        raise BadValue("is a list, which only a TXT value can be")
    if not isinstance(value, str):
        raise BadValue("is not a text; put it in quotes")
    if "\n" in value or "\r" in value:
        raise BadValue("has a line break")
    if _CONTROL.search(value):
        raise BadValue("has a control character; write its octet as three digits, such as \\007, or leave it out")
    text = value.strip()
    if not text:
        raise BadValue("is empty")
    known = TYPES.get(kind)
    if text.startswith("\\#"):
        return _generic(text)
    if known is None or not known.fields:
        raise BadValue(f"is not in the generic form of RFC 3597, {_EXAMPLE}")
    return _read_fields(known, text, zone)


def _generic(text: str) -> str:
    """``\\#``, the number of octets, and those in hexadecimal digits (RFC 3597 section 5)."""
    form = _GENERIC.fullmatch(text)
    if form is None or len(re.sub("[ \t]", "", form[2])) != 2 * int(form[1]):
        raise BadValue(f"is not the number of octets and their hexadecimal digits, {_EXAMPLE}")
    return text


def canonical_case(kind: str, presentation: str) -> str:
    """A value with the letters that make no difference in lower case, which wire formats leave as they are.

    The tag of CAA is such (RFC 8659 section 4.1). Names in values are lower-cased with the wire form (RFC 4034 section 6.2).
    """
    return _CAA_TAG.sub(lambda tag: tag[1] + tag[2].lower(), presentation) if kind == "CAA" else presentation


def _read_fields(known: RecordType, text: str, zone: str) -> str:
    tokens = _tokens(text)
    done: List[str] = []
    for name, kind in known.fields:
        how, _at, argument = kind.partition("@")
        if how in _TAILS:
            part = _TAILS[how](tokens, name, zone)
            tokens = []
        elif not tokens and how.endswith("?"):
            continue
        elif not tokens:
            raise BadValue(f"is not of the form '{known.form}'")
        elif how == "gateway":
            part = _gateway(tokens.pop(0), done[int(argument)], name, zone)
        else:
            part = FIELDS[how.rstrip("?")](tokens.pop(0), name, zone)
        done.append(part)
    if tokens:
        raise BadValue(f"is not of the form '{known.form}'")
    return " ".join(filter(None, done))


def _tokens(text: str) -> List[str]:
    tokens: List[List[str]] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise BadValue("has a quote or backslash that does not end")
        if tokens and not text[position - 1].isspace():  # such as alpn="h2,h3"
            tokens[-1].append(token[0])
        else:
            tokens.append([token[0]])
        position = token.end()
        while position < len(text) and text[position].isspace():
            position += 1
    return ["".join(parts) for parts in tokens]


def _ipv4(value: str, field: str, zone: str) -> str:
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        raise BadValue("is not an IPv4 address" if field == "address" else f"has no IPv4 address as {field}") from None


def _ipv6(value: str, field: str, zone: str) -> str:
    try:
        address = IPv6Address(value)
    except AddressValueError:
        raise BadValue("is not an IPv6 address" if field == "address" else f"has no IPv6 address as {field}") from None
    if "%" in value:
        raise BadValue("has an interface, which means nothing on another machine")
    return str(address)


def _name(value: str, field: str, zone: str) -> str:
    try:
        return names.target(value, zone)
    except names.BadName as error:
        raise BadValue(str(error)) from None


def _host(value: str, field: str, zone: str) -> str:
    """A name, or the root, which stands for none."""
    return "." if value == "." else _name(value, field, zone)


def _gateway(value: str, kind: str, field: str, zone: str) -> str:
    """By its kind nothing, an IPv4 or IPv6 address, or a name (RFC 4025 section 2.3, RFC 8777 section 4.2.4)."""
    readers = {"0": _no_name, "1": _ipv4, "2": _ipv6, "3": _name}
    if kind not in readers:
        raise BadValue(f"has {kind} as the type of its {field}, which must be from 0 to 3")
    return readers[kind](value, field, zone)


def _no_name(value: str, field: str, zone: str) -> str:
    if value != ".":
        raise BadValue(f"has '{value}' as {field}, which must be '.' for type 0")
    return value


def _number(bits: int) -> Callable[[str, str, str], str]:
    def read(value: str, field: str, zone: str) -> str:
        if not re.fullmatch(r"[0-9]{1,10}", value, re.ASCII) or int(value) >= 2**bits:
            what = field.replace("-", " ")
            raise BadValue(f"has '{value}' as {what}, which must be a number from 0 to {2**bits - 1}")
        return str(int(value))

    return read


def _hex(value: str, field: str, zone: str) -> str:
    if not re.fullmatch(r"([0-9a-fA-F]{2})+", value):
        raise BadValue(f"has a {field} that is not hexadecimal")
    return value.lower()


def _base64(value: str, field: str, zone: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(f"has a {field} that is not base64") from None
    return value


def _word(value: str, field: str, zone: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:+-]+", value):
        raise BadValue(f"has '{value}' as {field.replace('-', ' ')}")
    return value


def _tag(value: str, field: str, zone: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{1,15}", value):
        raise BadValue(f"has '{value}' as {field}, which must be letters and digits")
    return value.lower()


def _string(value: str, field: str, zone: str) -> str:
    return value if _STRING.fullmatch(value) else _quoted(value, field)


def _quoted(value: str, field: str) -> str:
    if '"' in re.sub(r"\\.", "", value):
        raise BadValue(f"has a quote within its {field}")
    return f'"{value}"'


def _eui(count: int) -> Callable[[str, str, str], str]:
    def read(value: str, field: str, zone: str) -> str:
        if not re.fullmatch(rf"[0-9a-fA-F]{{2}}(-[0-9a-fA-F]{{2}}){{{count - 1}}}", value):
            raise BadValue(f"is not {count} hexadecimal bytes with hyphens between them")
        return value.lower()

    return read


FIELDS: Mapping[str, Callable[[str, str, str], str]] = {
    "base64word": _base64,
    "eui6": _eui(6),
    "eui8": _eui(8),
    "hexword": _hex,
    "host": _host,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "name": _name,
    "string": _string,
    "tag": _tag,
    "u16": _number(16),
    "u32": _number(32),
    "u8": _number(8),
    "word": _word,
}


def _hex_tail(tokens: Sequence[str], field: str, zone: str) -> str:
    """Hexadecimal digits, with blanks between them as dig prints them."""
    return _hex("".join(tokens), field, zone)


def _base64_tail(tokens: Sequence[str], field: str, zone: str) -> str:
    if not tokens:
        raise BadValue(f"has no {field}")
    return _base64("".join(tokens), field, zone)


def _any_base64(tokens: Sequence[str], field: str, zone: str) -> str:
    return _base64("".join(tokens), field, zone)


def _strings(tokens: Sequence[str], field: str, zone: str) -> str:
    if not tokens:
        raise BadValue(f"has no {field}")
    return " ".join(_string(token, field, zone) for token in tokens)


def _names(tokens: Sequence[str], field: str, zone: str) -> str:
    return " ".join(_name(token, field, zone) for token in tokens)


def _rest(tokens: Sequence[str], field: str, zone: str) -> str:
    if not tokens:
        raise BadValue(f"has no {field}")
    return _any_rest(tokens, field, zone)


def _any_rest(tokens: Sequence[str], field: str, zone: str) -> str:
    for token in tokens:
        if re.search(r"[;()]", re.sub(r'"(?:[^"\\]|\\.)*"|\\.', "", token)):
            raise BadValue(f"has ';', '(' or ')' outside quotes in its {field}")
    return " ".join(tokens)


def _parameters(tokens: Sequence[str], field: str, zone: str) -> str:
    _any_rest(tokens, field, zone)
    return " ".join(parameters(tokens))


_TAILS: Mapping[str, Callable[[Sequence[str], str, str], str]] = {
    "base64": _base64_tail,
    "base64?": _any_base64,
    "hex": _hex_tail,
    "names": _names,
    "parameters?": _parameters,
    "position": position,
    "rest": _rest,
    "rest?": _any_rest,
    "strings": _strings,
}
