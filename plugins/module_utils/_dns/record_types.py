# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of record types: what they are called, who writes them, and which fields their values have.

Numbers and names are those of the IANA registry "Resource Record (RR) TYPEs"; the forms are those of the RFCs it refers
to. Planner, readers, modules and docs take from here what they know about a type. A type that is not in the table is
``TYPE<number>``, with values in the generic form of RFC 3597.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Dict, Tuple

DATA = "data"  # people write it, in an inventory or by an update
SERVER = "server"  # the server that serves or signs the zone makes it
QUERY = "query"  # never stored in a zone: a question, or part of a message
OBSOLETE = "obsolete"  # read and ignored under its name, written only by its number


@dataclass(frozen=True)
class RecordType:
    """One type of record.

    ``fields`` are the parts of a value as pairs of name and kind; see ``values.FIELDS`` for the kinds. Without fields,
    a value has only the generic form. ``signing`` types are made anew by each server that signs the zone.
    """

    name: str
    number: int
    fields: Tuple[Tuple[str, str], ...] = ()
    use: str = DATA
    signing: bool = False

    @property
    def form(self) -> str:
        """The names of the fields in their order, for messages and docs."""
        return " ".join(name for name, _kind in self.fields) or "\\# length hexadecimal"


class BadValue(ValueError):
    """A type that does not exist, or a value that its type does not allow. Completes the sentence "'x' ..."."""


def _rows(use: str, table: str, signing: bool = False) -> Tuple[RecordType, ...]:
    """One type a line: number, name, and fields as ``name=kind``."""
    rows = []
    for line in table.strip().splitlines():
        number, name, *fields = line.split()
        pairs = tuple((field.partition("=")[0], field.partition("=")[2]) for field in fields)
        rows.append(RecordType(name, int(number), pairs, use, signing))
    return tuple(rows)


_DATA = """
1 A address=ipv4
2 NS name=name
5 CNAME name=name
7 MB
8 MG
9 MR
10 NULL
11 WKS address=ipv4 protocol=word services=rest
12 PTR name=name
13 HINFO cpu=string os=string
14 MINFO
15 MX preference=u16 name=host
16 TXT text=text
17 RP mailbox=host text-name=host
18 AFSDB subtype=u16 name=host
19 X25 address=string
20 ISDN address=string subaddress=string?
21 RT preference=u16 name=host
22 NSAP address=word
23 NSAP-PTR name=name
25 KEY flags=word protocol=word algorithm=word key=base64?
26 PX preference=u16 map822=host mapx400=host
27 GPOS longitude=string latitude=string altitude=string
28 AAAA address=ipv6
29 LOC position=position
31 EID
32 NIMLOC
33 SRV priority=u16 weight=u16 port=u16 name=host
34 ATMA
35 NAPTR order=u16 preference=u16 flags=string service=string regexp=string name=host
36 KX preference=u16 name=host
37 CERT type=word key-tag=u16 algorithm=word certificate=base64
39 DNAME name=name
40 SINK
42 APL prefixes=rest?
43 DS key-tag=u16 algorithm=u8 digest-type=u8 digest=hex
44 SSHFP algorithm=u8 type=u8 fingerprint=hex
45 IPSECKEY precedence=u8 gateway-type=u8 algorithm=u8 gateway=gateway@1 key=base64?
49 DHCID digest=base64
52 TLSA usage=u8 selector=u8 matching-type=u8 data=hex
53 SMIMEA usage=u8 selector=u8 matching-type=u8 data=hex
55 HIP algorithm=u8 hit=hexword key=base64word servers=names
56 NINFO text=strings
57 RKEY
58 TALINK
61 OPENPGPKEY key=base64
62 CSYNC serial=u32 flags=u16 types=rest?
64 SVCB priority=u16 target=host parameters=parameters?
65 HTTPS priority=u16 target=host parameters=parameters?
66 DSYNC type=word scheme=word port=u16 name=host
67 HHIT
68 BRID
100 UINFO
101 UID
102 GID
103 UNSPEC
104 NID preference=u16 node-id=word
105 L32 preference=u16 locator=ipv4
106 L64 preference=u16 locator=word
107 LP preference=u16 name=name
108 EUI48 address=eui6
109 EUI64 address=eui8
256 URI priority=u16 weight=u16 target=string
257 CAA flags=u8 tag=tag value=string
258 AVC text=strings
259 DOA
260 AMTRELAY precedence=u8 discovery-optional=u8 relay-type=u8 relay=gateway@2
261 RESINFO text=strings
262 WALLET text=strings
263 CLA
264 IPN
32768 TA
"""
_SIGNALS = """
59 CDS key-tag=u16 algorithm=word digest-type=word digest=hex
60 CDNSKEY flags=word protocol=word algorithm=word key=base64
"""
_SERVER = """
6 SOA
63 ZONEMD
"""
_SIGNING = """
46 RRSIG
47 NSEC
48 DNSKEY
50 NSEC3
51 NSEC3PARAM
"""
_QUERY = """
41 OPT
128 NXNAME
249 TKEY
250 TSIG
251 IXFR
252 AXFR
253 MAILB
254 MAILA
255 ANY
"""
_OBSOLETE = """
3 MD
4 MF
38 A6
99 SPF text=strings
"""
_OLD_SIGNING = """
24 SIG
30 NXT
32769 DLV
"""
TYPES: Dict[str, RecordType] = {
    row.name: row
    for row in (
        *_rows(DATA, _DATA),
        *_rows(DATA, _SIGNALS, signing=True),
        *_rows(SERVER, _SERVER),
        *_rows(SERVER, _SIGNING, signing=True),
        *_rows(QUERY, _QUERY),
        *_rows(OBSOLETE, _OBSOLETE),
        *_rows(OBSOLETE, _OLD_SIGNING, signing=True),
    )
}
_BY_NUMBER = {row.number: row for row in TYPES.values()}
_GENERIC = re.compile(r"TYPE(0|[1-9][0-9]{0,4})")

SERVER_OWNED = tuple(row.name for row in TYPES.values() if row.use in (SERVER, QUERY))
SIGNING = tuple(row.name for row in TYPES.values() if row.signing)
WRITABLE = tuple(sorted(row.name for row in TYPES.values() if row.use == DATA))
# What usually stands at a name; asking about every type there is would be a long question.
COMMON = (
    *("A", "AAAA", "CAA", "DNAME", "DS", "HINFO", "HTTPS", "LOC", "MX", "NAPTR", "NS", "PTR", "SRV", "SSHFP", "SVCB"),
    *("TLSA", "TXT", "URI"),
)
SINGLE = ("CNAME", "DNAME")  # at most one value in a set (RFC 2181 section 10.1, RFC 6672 section 2.4)
_WHY_NOT = {
    SERVER: "is a type that the server itself looks after",
    QUERY: "is a type that no zone holds",
    OBSOLETE: "is a type that is not used any more",
}
_FOLLOWED = "is a provider's own type, which DNS does not have; write the addresses that it stands for as A and AAAA, or a CNAME below the zone's own name"
_REDIRECTED = "is a provider's own type, a redirection of web pages, which DNS does not have; write A and AAAA of a web server that redirects"
_OF_PROVIDERS = {
    **{one: _FOLLOWED for one in ("ALIAS", "ANAME", "FLATTEN", "AZURE_ALIAS", "R53_ALIAS", "AKAMAICDN", "LUA")},
    **{one: _REDIRECTED for one in ("URL", "URL301", "FRAME", "REDIRECT", "WEBREDIRECT", "FORWARD")},
}
_SPF = "is a type that is not used any more; write it as TXT (RFC 7208 section 3.1)"


def has_names(kind: str) -> bool:
    """Whether a value of this type has names in it."""
    return kind in TYPES and any(how.partition("@")[0] in ("name", "host", "names", "gateway") for _field, how in TYPES[kind].fields)


def type_of(number: int) -> str:
    """The name of a type, ``TYPE<number>`` (RFC 3597) for one that is not in the table."""
    known = _BY_NUMBER.get(number)
    return known.name if known else f"TYPE{number}"


def by_number(kind: str) -> str:
    """``TYPE<number>`` of a type that known_type() accepts."""
    return f"TYPE{TYPES[kind].number}" if kind in TYPES else kind


def known_type(text: Any) -> str:
    """The name of a type that a zone may hold, in upper case. Raises BadValue."""
    if not isinstance(text, str):
        raise BadValue("is not the name of a record type")
    name = text.strip().upper()
    generic = _GENERIC.fullmatch(name)
    if generic and 0 < int(generic[1]) < 65536:
        name = type_of(int(generic[1]))
    elif name not in TYPES:
        if name in _OF_PROVIDERS:
            raise BadValue(_OF_PROVIDERS[name])
        close = get_close_matches(name, WRITABLE, 1)
        hint = f"did you mean {close[0]}? Known are" if close else "known are"
        raise BadValue(f"is not a record type; {hint} {', '.join(WRITABLE)} and TYPE<number>")
    if name in TYPES and TYPES[name].use == QUERY:
        raise BadValue(_WHY_NOT[QUERY])
    return name


def type_name(text: Any) -> str:
    """The name of a type that an inventory or an update may hold, in upper case. Raises BadValue.

    A type that is not used any more can be written by its number.
    """
    name = known_type(text)
    use = TYPES[name].use if name in TYPES else DATA
    if use == SERVER or (use == OBSOLETE and not _GENERIC.fullmatch(text.strip().upper())):
        raise BadValue(_SPF if name == "SPF" else _WHY_NOT[use])
    return name
