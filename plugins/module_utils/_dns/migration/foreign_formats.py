# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that octoDNS and dnscontrol write about a zone, read as record sets.

Sources: octoDNS 1.x, ``docs/records.md`` and the files of its YamlProvider; dnscontrol 4 and 5, ``get-zones
--format=tsv``, whose columns are name, label, TTL, ``IN``, type, content, and for some providers metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Set, Tuple, Union

from ..._shared.limits import BadText, check_size, excerpt, integer
from .. import names
from ..values import TTL_MAX
from .left_out import BY_ADDRESSES, BY_PROXY, NOTE, PROXIED, VARIES, LeftOut, not_written
from .zone_file import LIMITS

_ESCAPE = re.compile(r"\\([0-9]{3})|\\(.)|([^\\])|(\\)", re.DOTALL)
_QUOTED = re.compile(r'\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"\s*)+', re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PROXIED = re.compile(r"(?:^|,)cloudflare_proxy=(?:true|on|full)(?:,|$)")
_FLATTENED = re.compile(r"(?:^|,)cloudflare_cname_flatten=on(?:,|$)")
_METADATA = re.compile(r"(?:cloudflare|hedns)_[a-z_]+=.*", re.DOTALL)


class BadDump(ValueError):
    """A file that is not what it should be. The message is a whole sentence."""


@dataclass(frozen=True)
class Dumped:
    """A record set as the file has it. ``values`` are in presentation form, those of TXT as people write them."""

    record: str
    type: str
    ttl: int
    values: Tuple[Any, ...]
    source: str


Found = Tuple[List[Dumped], List[LeftOut]]


def read_octodns(document: Any, default_ttl: int) -> Found:
    """The zone in a file of octoDNS's YamlProvider, already parsed. Raises BadDump."""
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise BadDump("An octoDNS file holds a dictionary of names; this one does not.")
    found: List[Dumped] = []
    left: List[LeftOut] = []
    for name, entries in document.items():
        record = _clean(name, "the key") if name not in ("", None) else "@"
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
                raise BadDump(f"{record}: is not a record of octoDNS, which is a dictionary with type and values.")
            _clean(entry["type"], f"{record}: the type")
            _read_octodns_entry(record, entry, default_ttl, found, left)
    return found, left


def _read_octodns_entry(record: str, entry: Mapping[str, Any], default_ttl: int, found: List[Dumped], left: List[LeftOut]) -> None:
    kind = entry["type"].upper()
    options = entry.get("octodns") or {}
    if isinstance(options, dict) and _as_bool(options.get("ignored")):
        left.append(LeftOut(record, kind, "is marked as ignored for octoDNS"))
        return
    if kind not in _OCTODNS:
        left.append(LeftOut(record, kind, not_written(kind)))
        return
    for special in ("geo", "dynamic"):
        if entry.get(special):
            left.append(LeftOut(record, kind, f"has {special} answers, of which only the default is taken over", VARIES))
    for special in ("included", "excluded"):
        if isinstance(options, dict) and options.get(special):
            left.append(LeftOut(record, kind, f"is marked as {special} for octoDNS, so only some of the providers have it", NOTE))
    if "values" in entry and "value" in entry:
        left.append(LeftOut(record, kind, "has values and value, of which octoDNS takes values", NOTE))
    provider = options.get("cloudflare") if isinstance(options, dict) else None
    if isinstance(provider, dict) and _as_bool(provider.get("proxied")):
        left.append(LeftOut(record, kind, BY_PROXY, PROXIED))
    source = f"{record} {kind}"
    values = entry.get("values", entry.get("value"))
    if values in (None, []):
        raise BadDump(f"{source}: has no values.")
    try:
        ttl = _ttl(entry.get("ttl", default_ttl), f"{source}, ttl")
    except BadText as error:
        raise BadDump(f"{error}.") from None
    shown = []
    for value in values if isinstance(values, list) else [values]:
        try:
            if value is None:
                raise ValueError("null")
            shown.append(_OCTODNS[kind](value))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadDump(f"{source}: {excerpt(value)} is not a value of octoDNS ({excerpt(str(error))}).") from None
    found.append(Dumped(record, kind, ttl, tuple(shown), source))


def _ttl(value: Any, where: str) -> int:
    """Seconds. Raises BadText."""
    return integer(value, where, 0, TTL_MAX)


def _clean(text: Any, where: str) -> str:
    """A name or a type, which has no control characters and is not of any length. Raises BadDump."""
    if not isinstance(text, (str, int)) or isinstance(text, str) and (_CONTROL.search(text) or len(text) > 1024):
        raise BadDump(f"{where}: expected the text of a name or a type without control characters, got {excerpt(text)}.")
    return str(text)


def _as_bool(value: Any) -> bool:
    """As YAML 1.1 reads it."""
    return value.lower() in ("true", "yes", "on", "y") if isinstance(value, str) else bool(value)


def _plain(value: Any) -> str:
    return _field(value)


def _field(value: Any) -> str:
    """One scalar as text."""
    if not isinstance(value, (str, int, float)):
        raise ValueError("expected a string or a number")
    return str(value)


def _text(value: Any) -> str:
    """octoDNS escapes semicolons, leaves quotes bare, and writes other backslashes as it got them from the provider."""
    shown = _field(value)
    if len(shown) > 1 and shown[0] == '"' and shown[-1] == '"':
        shown = shown[1:-1]
    return _unescape(re.sub(r'\\(?![0-9]{3}|[;"\\])', r"\\\\", shown.replace('" "', "")))


def _unescape(shown: str) -> str:
    """Octets that are not UTF-8 stay what they are. Raises UnicodeError, which is a ValueError, for halves of characters."""
    data = bytearray()
    for digits, escaped, plain, lone in _ESCAPE.findall(shown):
        data.extend(bytes([int(digits) & 255]) if digits else (escaped or plain or lone).encode("utf-8", "surrogateescape"))
    return data.decode("utf-8", "surrogateescape")


def _quoted(text: Any) -> str:
    """As one string of a zone file; what is escaped already stays so."""
    inner = re.sub(r'(\\.)|"', lambda found: found[1] or '\\"', _field(text), flags=re.DOTALL)
    return f'"{inner}"'


def _mx(value: Any) -> str:
    preference = value["preference"] if "preference" in value else value["priority"]
    return f"{preference} {value['exchange'] if 'exchange' in value else value['value']}"


def _caa(value: Any) -> str:
    return f"{value.get('flags', 0)} {value['tag']} {_quoted(value['value'])}"


def _ds(value: Any) -> str:
    if "public_key" in value:  # the names before octoDNS 1.0 were those of other fields
        return " ".join(_field(value[name]) for name in ("flags", "protocol", "algorithm", "public_key"))
    return _fields("key_tag", "algorithm", "digest_type", "digest")(value)


def _loc(value: Any) -> str:
    place = _fields(
        *("lat_degrees", "lat_minutes", "lat_seconds", "lat_direction"),
        *("long_degrees", "long_minutes", "long_seconds", "long_direction"),
    )(value)
    sizes = " ".join(f"{value[name]}m" for name in ("altitude", "size", "precision_horz", "precision_vert"))
    return f"{place} {sizes}"


def _naptr(value: Any) -> str:
    texts = " ".join(_quoted(value[name]) for name in ("flags", "service", "regexp"))
    return f"{value['order']} {value['preference']} {texts} {value['replacement']}"


def _svcb(value: Any) -> str:
    parts = [_field(value["svcpriority"]), _field(value["targetname"])]
    for name, given in (value.get("svcparams") or {}).items():
        shown = ",".join(_field(item) for item in given) if isinstance(given, list) else given
        parts.append(str(name) if shown is None else f"{name}={_quoted(shown)}")
    return " ".join(parts)


def _uri(value: Any) -> str:
    return f"{value['priority']} {value['weight']} {_quoted(value['target'])}"


def _fields(*wanted: str) -> Callable[[Any], str]:
    return lambda value: " ".join(_field(value[name]) for name in wanted)


_OCTODNS: Dict[str, Callable[[Any], str]] = {
    **{kind: _plain for kind in ("A", "AAAA", "CNAME", "DNAME", "NS", "PTR", "OPENPGPKEY")},
    "CAA": _caa,
    "DS": _ds,
    "HTTPS": _svcb,
    "LOC": _loc,
    "MX": _mx,
    "NAPTR": _naptr,
    "SRV": _fields("priority", "weight", "port", "target"),
    "SSHFP": _fields("algorithm", "fingerprint_type", "fingerprint"),
    "SVCB": _svcb,
    "TLSA": _fields("certificate_usage", "selector", "matching_type", "certificate_association_data"),
    "TXT": _text,
    "URI": _uri,
}


def read_tsv(text: str, zone: str, known: Callable[[str], bool]) -> Found:
    """The lines of ``dnscontrol get-zones --format=tsv`` that are about this zone. Raises BadDump."""
    first: Dict[Tuple[str, str], _Row] = {}
    values: Dict[Tuple[str, str], List[Any]] = {}
    ttls: Dict[Tuple[str, str], Set[int]] = {}
    left: List[LeftOut] = []
    for row in _rows(text):
        if not names.within(row.name.lower(), zone):
            left.append(LeftOut(row.name[:-1], row.type, f"is outside the zone {zone[:-1]} ({row.source})"))
            continue
        if not known(row.type):
            left.append(LeftOut(row.record, row.type, f"{not_written(row.type)} ({row.source})"))
            continue
        content = _without_metadata(row, left)
        try:
            value = _tsv_text(content) if row.type == "TXT" else content
        except UnicodeError:
            left.append(LeftOut(row.record, row.type, f"has a text with half a character ({row.source})"))
            continue
        key = (row.name.lower(), row.type)
        first.setdefault(key, row)
        values.setdefault(key, []).append(value)
        ttls.setdefault(key, set()).add(row.ttl)
    for key, seconds in ttls.items():
        if len(seconds) > 1:
            several = ", ".join(str(ttl) for ttl in sorted(seconds))
            reason = f"has values with different TTLs ({several}), of which the lowest is taken over ({first[key].source})"
            left.append(LeftOut(names.relative(key[0], zone), key[1], reason, NOTE))
    return [Dumped(row.name, row.type, min(ttls[key]), tuple(values[key]), row.source) for key, row in first.items()], left


class _Row(NamedTuple):
    """One line; ``name`` is absolute."""

    name: str
    record: str
    ttl: int
    type: str
    content: str
    source: str


def _rows(text: str) -> Iterator[_Row]:
    try:
        check_size(text, "The TSV file", LIMITS)
    except BadText as error:
        raise BadDump(f"{error}.") from None
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").split("\n", LIMITS.entries + 1)
    if len(lines) > LIMITS.entries + 1:
        raise BadDump(f"The TSV file has more than {LIMITS.entries} lines. Split it.")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = line.split("\t", 5)
        if len(parts) != 6 or parts[3] != "IN":
            raise BadDump(
                f"Line {number}: is not of the form that dnscontrol get-zones --format=tsv writes:"
                " name, label, TTL, IN, type and content, with tabs between them."
            )
        name, record, kind = (_clean(parts[index], f"Line {number}") for index in (0, 1, 4))
        try:
            ttl = _ttl(parts[2], f"Line {number}, TTL")
        except BadText as error:
            raise BadDump(f"{error}.") from None
        yield _Row(name.rstrip(".") + ".", record, ttl, kind.upper(), parts[5], f"line {number}")


def _without_metadata(row: _Row, left: List[LeftOut]) -> str:
    head, tab, tail = row.content.rpartition("\t")
    if not tab or not _METADATA.fullmatch(tail):
        return row.content
    if _PROXIED.search(tail):
        left.append(LeftOut(row.record, row.type, f"{BY_PROXY} ({row.source})", PROXIED))
    elif _FLATTENED.search(tail):
        left.append(LeftOut(row.record, row.type, f"{BY_ADDRESSES} ({row.source})", PROXIED))
    return head


def _tsv_text(content: str) -> Union[str, List[str]]:
    """dnscontrol 5 writes the text itself, dnscontrol 4 wrote it as a zone file does, with each string in quotes."""
    if not _QUOTED.fullmatch(content):
        return content
    strings = [_unescape(part) for part in re.findall(r'"([^"\\]*(?:\\.[^"\\]*)*)"', content, re.DOTALL)]
    return strings[0] if len(strings) == 1 else strings
