# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record sets out of files about a zone: by dnspython's parser of zone files, and from the dumps of other tools."""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..._shared.limits import MIB, BadText, Limits
from ..._system.files import FileStore, NotText
from ..._system.yaml_text import YAML_ERROR, load_yaml, safe_loader
from .. import names, values
from ..dnspython_client import dns
from ..model import Key, RRset, ZoneContents
from ..option_files_host import read_option
from ..rdata_client import canonical_text, read_name, read_value
from ..record_types import SERVER, SIGNING, TYPES
from ..update.plan import Refused
from .foreign_formats import BadDump, Dumped, read_octodns, read_tsv
from .imported import Canonical
from .left_out import EXPECTED, NOTE, LeftOut
from .zone_file import BadZoneFile, read_zone_file

with suppress(ImportError):  # the modules report it, see YAML_ERROR
    import yaml  # type: ignore[import-untyped]

__all__ = ["FORMATS", "YAML_ERROR", "from_transfer", "is_name", "known_type", "read_source", "refuse_nothing", "text_of"]

FORMATS = ("zone", "octodns", "tsv")
OCTODNS = Limits(size=8 * MIB, depth=16, entries=500_000)
"""A set of one value has seven entries: about 70,000 of them, for which PyYAML takes 250 MB."""
_TAG = "tag:yaml.org,2002:"
_MISTAKEN = (
    (
        re.compile(r"(?:---\s*)?kind: dns#resourceRecordSet\b"),
        "YAML of Google Cloud DNS. Export the zone as a zone file: gcloud dns record-sets export FILE --zone=ZONE --zone-file-format",
    ),
    (re.compile(r'\{\s*"ResourceRecordSets"\s*:'), "JSON of Route 53. Export the zone as a zone file: cli53 export ZONE"),
    (
        re.compile(r"(?:#[^\n]*\n|[ \t]*\n)*[.&=+@'^CZ:36][^\s:;\"]+(?::[^\s:]*){2,}[ \t]*(?:\n|\Z)"),
        "a data file of tinydns. Allow a transfer from axfrdns, and name that server in place of the file",
    ),
    (
        re.compile(r'"?(?:name|type|host|hostname|record|domain|zone|subdomain)"?[,;]"?[a-z]', re.IGNORECASE),
        "a table (CSV). Export the zone as a zone file (BIND format)",
    ),
    (re.compile(r'(?:#[^\n]*\n|\s)*(?:resource|data) "[a-z0-9_]+" "'), "Terraform's language. Export the zone at the provider as a zone file (BIND format)"),
)
"""What other programs write, by how it begins; none of it can begin a file of one of FORMATS."""
_CUT_TRANSFER = re.compile(r"^; Transfer failed\.[ \t\r]*$", re.MULTILINE)
Read = Tuple[List[RRset], List[LeftOut]]


def text_of(options: Mapping[str, Any], files: FileStore) -> str:
    """What ``content`` or ``content_base64`` holds, or the file in ``src``. Raises Refused."""
    if options["content"] is not None:
        return str(options["content"])
    if options["content_base64"] is not None:
        try:
            return b64decode(options["content_base64"], validate=True).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused([f"content_base64: {_no_text(bytes(error.object[:8]), error.start)}"]) from None
        except ValueError:
            raise Refused(["content_base64: is not valid base64."]) from None
    path = options["src"]
    try:
        text = read_option(files, "src", path)
    except NotText as error:
        raise Refused([f"src: {path} {_no_text(error.head, error.start)}"]) from None
    if text is None:
        raise Refused([f"src: {path} does not exist on the host where this module runs."])
    return text


def _no_text(head: bytes, start: int) -> str:
    """What a file probably is that is not UTF-8 from byte ``start`` on, and what makes text of it."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "is UTF-16. Convert it with iconv -f utf-16 -t utf-8."
    if head[:4] in (b"\x00\x00\x00\x02", b"\x00\x00\x00\x03"):
        return "is a zone in BIND's raw or map form. Convert it with named-compilezone -f raw -F text -o FILE ZONE SOURCE."
    if head[:4] == b";BIN":
        return "is a journal of BIND. Let rndc sync ZONE write it into the zone file, and take that."
    return f"is not UTF-8 text, from byte {start} on. Convert it, for example with iconv -f latin1 -t utf-8."


def refuse_nothing(sets: Sequence[RRset], left: Sequence[LeftOut], zone: str) -> None:
    """Raise Refused for a source without any record set of the zone: an empty file, or that of another zone."""
    if not sets:
        seen = f"; left out is {left[0].record} {left[0].type}, which {left[0].reason}" if left else ""
        raise Refused([f"The source has no record of {zone[:-1]}{seen}. Compare its name with zone_name, and look into the file."])


def read_source(text: str, options: Mapping[str, Any], zone: str, canonical: Canonical) -> Read:
    """The sets in a text of the ``format`` that is one of FORMATS, and what is not for a DNS server. Raises Refused."""
    form, default_ttl = options["format"], options["default_ttl"]
    mistaken = _mistaken(text, form)
    if mistaken:
        raise Refused([f"The source is {mistaken}."])
    try:
        if form == "zone":
            sets, left = read_zone_file(text, zone, _Dnspython(), ("SOA", *SIGNING))
            return sets, [*left, *_automatic_ttl(sets, zone)]
        if form == "tsv":
            found, left = read_tsv(text, zone, known_type)
        else:
            document = load_yaml(text.lstrip("\ufeff"), "The octoDNS file", OCTODNS, _as_written())
            found, left = read_octodns(document, default_ttl)
    except BadText as error:
        raise Refused([f"{error}."]) from None
    except (BadZoneFile, BadDump) as error:
        raise Refused([str(error)]) from None
    sets, left = _collect(found, left, zone, canonical, absolute=form == "tsv")
    return sets, [*left, *_automatic_ttl(sets, zone)]


def _automatic_ttl(sets: Sequence[RRset], zone: str) -> List[LeftOut]:
    """One note about all sets with the TTL 1, which nobody means as a second."""
    short = [one for one in sets if one.ttl == 1 and one.type not in ("SOA", *SIGNING)]
    if not short:
        return []
    others = f", as have {len(short) - 1} other sets" if len(short) > 1 else ""
    reason = f"has a TTL of 1 second{others}; Cloudflare writes 1 where it chooses the TTL itself, which is 300 seconds. Write the TTL that is meant"
    return [LeftOut(names.relative(short[0].name, zone), short[0].type, reason, NOTE)]


def _mistaken(text: str, form: str) -> str:
    """What a text is that is certainly not a zone, and what to do; empty for everything else."""
    start = text[:4096].lstrip("\ufeff \t\r\n").lower()
    if re.match(r"<(!doctype html|html|head|body)\b", start):
        return "a web page (HTML), such as a panel's login page or an error. Log in and export the zone as a file again"
    if start.startswith("<?xml"):
        return "XML, which no format is. Export the zone as a zone file (BIND format)"
    if form != "octodns" and re.match(r"[{\[]\s*[\"{\]}]", start):
        return "JSON, such as the answer of a provider's API. Export the zone as a zone file (BIND format)"
    if form == "zone" and _CUT_TRANSFER.search(text):
        return "the output of dig for a transfer that failed, and may lack records. Repeat the transfer"
    head = text[:4096].lstrip("\ufeff \t\r\n")
    return next((what for form_of, what in _MISTAKEN if form_of.match(head)), "")


@cache
def _as_written() -> Any:
    """A loader that leaves every scalar but null as it is written, and refuses a key that is there twice.

    YAML 1.1 makes true of the name ``on``, 750 of ``12:30``, and 1.1 of ``1.10``.
    """

    class AsWritten(safe_loader()):  # type: ignore[misc]
        """Knows text, null, lists and dictionaries."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            """A dictionary whose keys are text."""
            names_read = set()
            for key, _value in node.value if isinstance(node, yaml.MappingNode) else ():
                if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                    continue
                if key.value in names_read:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
                names_read.add(key.value)
                key.tag = f"{_TAG}str"
            return super().construct_mapping(node, deep)

    for name in ("binary", "bool", "float", "int", "timestamp", "value"):
        AsWritten.add_constructor(_TAG + name, AsWritten.construct_yaml_str)
    return AsWritten


def from_transfer(contents: ZoneContents) -> Read:
    """The sets of a transfer as those of a file are read, with what the transfer itself leaves out."""
    left = [LeftOut("@", "DNSKEY", "is made by the server that signs the zone", EXPECTED)] if contents.signed else []
    return [contents.soa, *contents.sets.values()], left


def known_type(text: str) -> bool:
    """Whether a type exists in DNS, by name or by number."""
    return bool(_Dnspython().type(text))


def is_name(text: str) -> bool:
    """Whether a server can be asked about a name."""
    try:
        return bool(_Dnspython().name(text, "."))
    except ValueError:
        return False


class _Dnspython:
    """Implements Library of zonefile.py."""

    def name(self, text: str, origin: str) -> str:
        try:
            return names.from_wire(read_name(text, _name(origin)).labels[:-1])
        except dns.exception.DNSException as error:
            raise ValueError(str(error)) from None

    def type(self, text: str) -> str:
        try:
            return values.type_of(int(dns.rdatatype.from_text(text)))
        except (dns.rdatatype.UnknownRdatatype, ValueError):
            return text.upper() if text.upper() in TYPES else ""

    def value(self, kind: str, text: str, origin: str) -> str:
        try:
            return canonical_text(read_value(values.by_number(kind), text, _name(origin)))
        except dns.exception.DNSException as error:
            if kind in TYPES and not TYPES[kind].fields and TYPES[kind].use != SERVER and not text.startswith("\\#"):
                raise ValueError("only the generic form of RFC 3597 is read, such as '\\# 4 C0000201'") from None
            raise ValueError(str(error)) from None


@lru_cache(maxsize=64)
def _name(text: str) -> Any:
    return dns.name.from_text(text)


def _collect(found: List[Dumped], left: List[LeftOut], zone: str, canonical: Canonical, absolute: bool) -> Read:
    """Dumped sets with canonical values; a set that cannot be is left out with the reason. ``absolute``: their names are."""
    sets: Dict[Key, RRset] = {}
    for one in found:
        try:
            # octoDNS's names are relative to the zone, whatever they end in.
            name = names.qualify(one.record if one.record in ("@", "") or absolute else f"{one.record}.{zone}", zone)
            if one.type in ("SOA", *SIGNING):
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
