# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record sets out of files about a zone: by dnspython's parser of zone files, and from the dumps of other tools."""

from __future__ import annotations

import traceback
from contextlib import suppress
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .._core.dns import names, values
from .._core.dns.dumps import BadDump, Dumped, read_octodns, read_tsv
from .._core.dns.imported import DNSSEC, Canonical
from .._core.dns.model import Key, RRset, ZoneContents
from .._core.dns.plan import Refused
from .._core.dns.zonefile import BadZoneFile, LeftOut, prepare
from .dns_wire import canonical_text, kind_of
from .files import FileStore

with suppress(ImportError):  # the modules report it, see dns_wire.DNSPYTHON_ERROR
    import dns.exception
    import dns.rdatatype
    import dns.zone

YAML_ERROR: Optional[str] = None
try:
    import yaml  # type: ignore[import-untyped]
except ImportError:
    YAML_ERROR = traceback.format_exc()

FORMATS = ("zone", "octodns", "tsv")
Read = Tuple[List[RRset], List[LeftOut]]


def text_of(options: Mapping[str, Any], files: FileStore) -> str:
    """What ``content`` holds, or the file in ``src``. Raises Refused."""
    if options["content"] is not None:
        return str(options["content"])
    path = options["src"]
    try:
        text = files.read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused([f"src: {path} cannot be read: {error}."]) from None
    if text is None:
        raise Refused([f"src: {path} does not exist on the host where this module runs."])
    return text


def read_source(text: str, options: Mapping[str, Any], zone: str, canonical: Canonical) -> Read:
    """The sets in a text of the ``format`` that is one of FORMATS, and what is not for a DNS server. Raises Refused."""
    form, default_ttl = options["format"], options["default_ttl"]
    try:
        if form == "zone":
            return _read_zone_file(text, zone)
        if form == "tsv":
            found, left = read_tsv(text, zone, known_type)
        else:
            found, left = read_octodns(_load_yaml(text), default_ttl)
    except (BadZoneFile, BadDump) as error:
        raise Refused([str(error)]) from None
    return _collect(found, left, zone, canonical)


def from_transfer(contents: ZoneContents) -> Read:
    """The sets of a transfer as those of a file are read, with what the transfer itself leaves out."""
    left = [LeftOut("@", "DNSKEY", "is made by the server that signs the zone")] if contents.signed else []
    return [contents.soa, *contents.sets.values()], left


def known_type(text: str) -> bool:
    """Whether a type exists in DNS, by name or by number."""
    try:
        dns.rdatatype.from_text(text)
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        return False
    return True


def _read_zone_file(text: str, zone: str) -> Read:
    cleaned, left = prepare(text, zone, known_type)
    try:
        parsed: Any = dns.zone.from_text(cleaned, origin=zone, relativize=False, check_origin=False)
    except dns.exception.DNSException as error:
        raise Refused([f"This is no zone file that can be read: {error}."]) from None
    except ValueError as error:
        raise Refused([f"This is no zone file that can be read: {error}."]) from None
    sets = []
    for name, one in parsed.iterate_rdatasets():
        kind = kind_of(one)
        shown = frozenset(canonical_text(value) for value in one)
        sets.append(RRset(name.canonicalize().to_text(), kind, int(one.ttl), shown))
    return sets, left


def _load_yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadDump(f"This is no YAML that can be read: {' '.join(str(error).split())}.") from None


def _collect(found: List[Dumped], left: List[LeftOut], zone: str, canonical: Canonical) -> Read:
    """Dumped sets with canonical values; a set that cannot be is left out with the reason."""
    sets: Dict[Key, RRset] = {}
    for one in found:
        try:
            name = names.qualify(one.record, zone)
            if one.type in ("SOA", *DNSSEC):
                sets[name, one.type] = RRset(name, one.type, one.ttl, frozenset(one.values))
                continue
            shown = frozenset(canonical(one.type, _present(one.type, value, zone)) for value in one.values)
        except ValueError as error:  # BadName and BadValue are
            left.append(LeftOut(one.record, one.type, f"({one.source}) {error}"))
            continue
        if (name, one.type) in sets:
            left.append(LeftOut(one.record, one.type, "is there twice; the first was taken over"))
            continue
        sets[name, one.type] = RRset(name, one.type, one.ttl, shown)
    return list(sets.values()), left


def _present(kind: str, value: str, zone: str) -> str:
    try:
        values.type_name(kind)
    except values.BadValue:
        return value
    return values.present(kind, value, zone)
