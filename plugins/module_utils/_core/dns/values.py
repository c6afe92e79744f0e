# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of records as text: checked, and put into the absolute presentation form of a zone file (RFC 1035 section 5).

Pure Python, so that an inventory can be checked where no DNS library is. A type that is not in the table here is passed
through and checked by the library on the host that sends it.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Callable, List, Mapping

from . import names

TTL_MAX = 2**31 - 1  # RFC 2181 section 8
_GENERIC = re.compile(r"TYPE([0-9]{1,5})")
# Types whose values are passed through, with the numbers of all types that have a name here (IANA, DNS parameters).
_OPAQUE = ("NAPTR", "LOC", "SVCB", "HTTPS", "URI", "CDS", "CDNSKEY", "CERT", "HINFO", "OPENPGPKEY", "RP", "SMIMEA")
_NUMBERS: Mapping[int, str] = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP", 28: "AAAA", 29: "LOC",
    33: "SRV", 35: "NAPTR", 37: "CERT", 39: "DNAME", 41: "OPT", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC",
    48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY",
    63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI",
    257: "CAA",
}  # fmt: skip
SERVER_OWNED = (
    *("SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "ZONEMD"),
    *("ANY", "AXFR", "IXFR", "TSIG", "OPT", "TKEY"),
)


def type_of(number: int) -> str:
    """The name of a type, ``TYPE<number>`` (RFC 3597) for one that is not known here."""
    return _NUMBERS.get(number, f"TYPE{number}")


def by_number(kind: str) -> str:
    """``TYPE<number>`` of a type that type_name() accepted, or of one that only servers use."""
    if _GENERIC.fullmatch(kind):
        return kind
    return f"TYPE{next(number for number, name in _NUMBERS.items() if name == kind)}"


class BadValue(ValueError):
    """A value that its type does not allow. The message completes the sentence "'x' ..."."""


def type_name(text: Any) -> str:
    """The record type in upper case. Raises BadValue for what is no type, or is the server's own business."""
    if not isinstance(text, str):
        raise BadValue("is not the name of a record type")
    name = text.upper()
    number = _GENERIC.fullmatch(name)
    if number:
        name = type_of(int(number[1]))
    if name in SERVER_OWNED:
        raise BadValue("is a type that the server itself looks after")
    if name in _CHECKS or name in _OPAQUE or (number and 0 < int(number[1]) < 65536):
        return name
    raise BadValue(f"is not a record type; known are {', '.join(sorted([*_CHECKS, *_OPAQUE]))} and TYPE<number>")


def is_ttl(number: Any) -> bool:
    """Whether this is a time to live, in whole seconds."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= TTL_MAX


def present(kind: str, value: Any, zone: str) -> str:
    """The presentation form of one value of a type that type_name() accepted, its names absolute. Raises BadValue.

    A TXT value is the text itself, without quotes, of any length. Of any other type, a value may be in the generic form
    of RFC 3597, such as ``\\# 4 C0000201``.
    """
    if not isinstance(value, str):
        raise BadValue("is not a text; put it in quotes")
    if kind != "TXT" and ("\n" in value or "\r" in value):
        raise BadValue("has a line break")
    generic = kind != "TXT" and value.lstrip().startswith("\\#")
    return _opaque(value, zone) if generic else _CHECKS.get(kind, _opaque)(value, zone)


def quote(text: str) -> str:
    """A text of any length as the strings of a TXT record, at most 255 bytes each (RFC 1035 section 3.3.14)."""
    data = text.encode("utf-8", "surrogateescape")
    parts = [data[start : start + 255] for start in range(0, len(data), 255)] or [b""]
    return " ".join('"' + "".join(_escape(byte) for byte in part) + '"' for part in parts)


def unquote(shown: str) -> str:
    """The text of a TXT value in presentation form; bytes that are not UTF-8 as ``\\xNN``."""
    data = bytearray()
    for part in re.findall(r'"((?:[^"\\]|\\.)*)"', shown, re.DOTALL):
        for digits, escaped, plain in re.findall(r"\\([0-9]{3})|\\(.)|([^\\])", part, re.DOTALL):
            data.extend(bytes([int(digits) & 255]) if digits else (escaped or plain).encode())
    return data.decode("utf-8", "backslashreplace")


def _escape(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"


def _opaque(value: str, zone: str) -> str:
    text = value.strip()
    if not text:
        raise BadValue("is empty")
    return text


def _ipv4(value: str, zone: str) -> str:
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        raise BadValue("is not an IPv4 address") from None


def _ipv6(value: str, zone: str) -> str:
    try:
        address = IPv6Address(value)
    except AddressValueError:
        raise BadValue("is not an IPv6 address") from None
    if "%" in value:
        raise BadValue("has an interface, which means nothing on another machine")
    return str(address)


def _name(value: str, zone: str) -> str:
    try:
        return names.target(value, zone)
    except names.BadName as error:
        raise BadValue(str(error)) from None


def _name_or_root(value: str, zone: str) -> str:
    return "." if value == "." else _name(value, zone)


def _fields(value: str, count: int, form: str) -> List[str]:
    parts = value.split()
    if len(parts) != count:
        raise BadValue(f"is not of the form '{form}'")
    return parts


def _number(text: str, bits: int, what: str) -> str:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 2**bits:
        raise BadValue(f"has '{text}' as {what}, which must be a number from 0 to {2**bits - 1}")
    return str(int(text))


def _hex(text: str, what: str) -> str:
    if not re.fullmatch(r"([0-9a-fA-F]{2})+", text):
        raise BadValue(f"has a {what} that is not hexadecimal")
    return text.lower()


def _mx(value: str, zone: str) -> str:
    preference, exchange = _fields(value, 2, "preference name")
    return f"{_number(preference, 16, 'preference')} {_name_or_root(exchange, zone)}"


def _srv(value: str, zone: str) -> str:
    priority, weight, port, host = _fields(value, 4, "priority weight port name")
    numbers = (_number(priority, 16, "priority"), _number(weight, 16, "weight"), _number(port, 16, "port"))
    return f"{' '.join(numbers)} {_name_or_root(host, zone)}"


def _txt(value: str, zone: str) -> str:
    try:
        size = len(value.encode("utf-8", "surrogateescape"))
    except UnicodeError:
        raise BadValue("has characters that are half of a surrogate pair") from None
    if size > 60000:
        raise BadValue("is longer than a DNS message can carry")
    return quote(value)


def _caa(value: str, zone: str) -> str:
    found = re.fullmatch(r'\s*(\d+)\s+([A-Za-z0-9]{1,15})\s+("(?:[^"\\]|\\.)*"|[^\s"]+)\s*', value)
    if not found:
        raise BadValue("is not of the form '0 issue \"ca.example.net\"'")
    body = found[3] if found[3].startswith('"') else f'"{found[3]}"'
    return f"{_number(found[1], 8, 'flags')} {found[2].lower()} {body}"


def _sshfp(value: str, zone: str) -> str:
    algorithm, kind, digest = _fields(value, 3, "algorithm type fingerprint")
    return f"{_number(algorithm, 8, 'algorithm')} {_number(kind, 8, 'type')} {_hex(digest, 'fingerprint')}"


def _tlsa(value: str, zone: str) -> str:
    usage, selector, match, data = _fields(value, 4, "usage selector matching-type data")
    numbers = (_number(usage, 8, "usage"), _number(selector, 8, "selector"), _number(match, 8, "matching type"))
    return f"{' '.join(numbers)} {_hex(data, 'certificate association')}"


def _ds(value: str, zone: str) -> str:
    tag, algorithm, kind, digest = _fields(value, 4, "key-tag algorithm digest-type digest")
    numbers = (_number(tag, 16, "key tag"), _number(algorithm, 8, "algorithm"), _number(kind, 8, "digest type"))
    return f"{' '.join(numbers)} {_hex(digest, 'digest')}"


_CHECKS: Mapping[str, Callable[[str, str], str]] = {
    "A": _ipv4,
    "AAAA": _ipv6,
    "CAA": _caa,
    "CNAME": _name,
    "DNAME": _name,
    "DS": _ds,
    "MX": _mx,
    "NS": _name,
    "PTR": _name,
    "SRV": _srv,
    "SSHFP": _sshfp,
    "TLSA": _tlsa,
    "TXT": _txt,
}
SINGLE = ("CNAME", "DNAME")  # at most one value in a set (RFC 2181 section 10.1, RFC 6672 section 2.4)
