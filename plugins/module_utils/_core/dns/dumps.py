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
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from .zonefile import LeftOut, not_written

_ESCAPE = re.compile(r"\\([0-9]{3})|\\(.)|([^\\])|(\\)", re.DOTALL)
_QUOTED = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"\s*)+', re.DOTALL)
_METADATA = re.compile(r"(?:cloudflare|hedns)_[a-z_]+=.*", re.DOTALL)


class BadDump(ValueError):
    """A file that is not what it should be. The message is a whole sentence."""


@dataclass(frozen=True)
class Dumped:
    """A record set as the file has it. ``values`` are in presentation form, those of TXT the text itself."""

    record: str
    type: str
    ttl: int
    values: Tuple[str, ...]
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
        record = str(name) if name not in ("", None) else "@"
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
                raise BadDump(f"{record}: is not a record of octoDNS, which is a dictionary with type and values.")
            _read_octodns_entry(record, entry, default_ttl, found, left)
    return found, left


def _read_octodns_entry(
    record: str, entry: Mapping[str, Any], default_ttl: int, found: List[Dumped], left: List[LeftOut]
) -> None:
    kind = entry["type"].upper()
    options = entry.get("octodns") or {}
    if isinstance(options, dict) and options.get("ignored"):
        left.append(LeftOut(record, kind, "is marked as ignored for octoDNS"))
        return
    if kind not in _OCTODNS:
        left.append(LeftOut(record, kind, not_written(kind)))
        return
    for special in ("geo", "dynamic"):
        if entry.get(special):
            left.append(LeftOut(record, kind, f"has {special} answers, of which only the default is taken over"))
    given = entry.get("values", entry.get("value"))
    ttl = entry.get("ttl", default_ttl)
    if given is None or isinstance(ttl, bool) or not isinstance(ttl, int):
        raise BadDump(f"{record} {kind}: has no values, or a ttl that is no number of seconds.")
    shown = []
    for value in given if isinstance(given, list) else [given]:
        try:
            shown.append(_OCTODNS[kind](value))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadDump(f"{record} {kind}: {value!r} is not a value of octoDNS ({error!r}).") from None
    found.append(Dumped(record, kind, ttl, tuple(shown), f"{record} {kind}"))


def _plain(value: Any) -> str:
    return str(value)


def _text(value: Any) -> str:
    """octoDNS escapes semicolons, leaves quotes bare, and writes other backslashes as it got them from the provider."""
    shown = str(value)
    if len(shown) > 1 and shown[0] == '"' and shown[-1] == '"':
        shown = shown[1:-1]
    return _unescape(re.sub(r'\\(?![0-9]{3}|[;"\\])', r"\\\\", shown.replace('" "', "")))


def _unescape(shown: str) -> str:
    data = bytearray()
    for digits, escaped, plain, lone in _ESCAPE.findall(shown):
        data.extend(bytes([int(digits) & 255]) if digits else (escaped or plain or lone).encode("utf-8"))
    return data.decode("utf-8", "surrogateescape")


def _quoted(text: Any) -> str:
    """As one string of a zone file; what is escaped already stays so."""
    inner = re.sub(r'(\\.)|"', lambda found: found[1] or '\\"', str(text), flags=re.DOTALL)
    return f'"{inner}"'


def _mx(value: Any) -> str:
    preference = value["preference"] if "preference" in value else value["priority"]
    return f"{preference} {value['exchange'] if 'exchange' in value else value['value']}"


def _caa(value: Any) -> str:
    return f"{value.get('flags', 0)} {value['tag']} {_quoted(value['value'])}"


def _ds(value: Any) -> str:
    if "public_key" in value:  # the names before octoDNS 1.0 were those of other fields
        return " ".join(str(value[name]) for name in ("flags", "protocol", "algorithm", "public_key"))
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
    parts = [str(value["svcpriority"]), str(value["targetname"])]
    for name, given in (value.get("svcparams") or {}).items():
        shown = ",".join(str(one) for one in given) if isinstance(given, list) else given
        parts.append(str(name) if shown is None else f"{name}={_quoted(shown)}")
    return " ".join(parts)


def _uri(value: Any) -> str:
    return f"{value['priority']} {value['weight']} {_quoted(value['target'])}"


def _fields(*wanted: str) -> Callable[[Any], str]:
    return lambda value: " ".join(str(value[name]) for name in wanted)


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
    sets: Dict[Tuple[str, str], Dumped] = {}
    left: List[LeftOut] = []
    for number, row in _rows(text):
        name, record, ttl, _class, kind, content = row
        if name.rstrip(".").lower() + "." != zone and not name.rstrip(".").lower().endswith("." + zone[:-1]):
            left.append(LeftOut(name, kind, f"is outside the zone {zone[:-1]}"))
            continue
        if not known(kind):
            left.append(LeftOut(record, kind, not_written(kind)))
            continue
        content = _without_metadata(content, record, kind, left)
        value = _tsv_text(content) if kind == "TXT" else content
        before = sets.get((name, kind))
        if before is None:
            sets[name, kind] = Dumped(name.rstrip(".") + ".", kind, int(ttl), (value,), f"line {number}")
        else:
            lowest = min(before.ttl, int(ttl))
            sets[name, kind] = Dumped(before.record, kind, lowest, (*before.values, value), before.source)
    return list(sets.values()), left


def _rows(text: str) -> Iterator[Tuple[int, List[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = line.split("\t", 5)
        if len(row) != 6 or row[3] != "IN" or not row[2].isdigit():
            raise BadDump(
                f"Line {number}: is not of the form that dnscontrol get-zones --format=tsv writes:"
                " name, label, TTL, IN, type and content, with tabs between them."
            )
        yield number, row


def _without_metadata(content: str, record: str, kind: str, left: List[LeftOut]) -> str:
    head, tab, tail = content.rpartition("\t")
    if not tab or not _METADATA.fullmatch(tail):
        return content
    if "cloudflare_proxy=true" in tail.split(","):
        reason = "was answered by the provider's proxy; the address behind it is taken over"
        left.append(LeftOut(record, kind, reason))
    return head


def _tsv_text(content: str) -> str:
    """dnscontrol 5 writes the text itself, dnscontrol 4 wrote it as a zone file does."""
    if not _QUOTED.fullmatch(content):
        return content
    parts: List[Optional[str]] = re.findall(r'"((?:[^"\\]|\\.)*)"', content, re.DOTALL)
    return _unescape("".join(part or "" for part in parts))
