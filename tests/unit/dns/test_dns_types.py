# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every type of record is known by name and number, and names in its values are never relative to the root."""

from __future__ import annotations

from typing import Any, Dict, List

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from written import read_written

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.export_client import generic
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import type_of as type_to_read
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.record_types import (
    COMMON,
    SERVER_OWNED,
    TYPES,
    WRITABLE,
    BadValue,
    by_number,
    known_type,
    type_name,
    type_of,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_ignore, read_values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.values import present
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.records import Table

ZONE = "example.net."
CANONICAL = WireClient(Server("192.0.2.53")).canonical

# Type -> value as people write it -> canonical form. Names are relative where a type has any.
VALUES: Dict[str, Dict[str, str]] = {
    "A": {"192.0.2.1": "192.0.2.1"},
    "AAAA": {"2001:DB8:0::2": "2001:db8::2"},
    "AFSDB": {"1 DB1": "1 db1.example.net."},
    "AMTRELAY": {"10 0 3 relay": "10 0 3 relay.example.net.", "10 1 0 .": "10 1 0 .", "10 0 1 192.0.2.1": "10 0 1 192.0.2.1"},
    "APL": {"1:192.0.2.0/24 !2:2001:db8::/32": "1:192.0.2.0/24 !2:2001:db8::/32"},
    "AVC": {'"a=b" c': '"a=b" "c"'},
    "CAA": {"0 ISSUE ca.example.com": '0 issue "ca.example.com"', '128 iodef "mailto:a@example.net"': '128 iodef "mailto:a@example.net"'},
    "CDNSKEY": {"0 3 0 AA==": "0 3 0 AA=="},
    "CDS": {"0 0 0 00": "0 0 0 00"},
    "CERT": {"PKIX 1 8 YWJj ZGVm": "PKIX 1 RSASHA256 YWJjZGVm"},
    "CNAME": {"app1": "app1.example.net."},
    "CSYNC": {"66 3 A NS AAAA": "66 3 A NS AAAA"},
    "DHCID": {"AAIB Y2/A": "AAIBY2/A"},
    "DNAME": {"other.example.com.": "other.example.com."},
    "DS": {"12345 13 2 " + "AB " * 32: "12345 13 2 " + "ab" * 32},
    "EUI48": {"00-00-5E-00-53-2a": "00-00-5e-00-53-2a"},
    "EUI64": {"00-00-5e-ef-10-00-00-2A": "00-00-5e-ef-10-00-00-2a"},
    "GPOS": {"-32.6882 116.8652 10.0": "-32.6882 116.8652 10.0"},
    "HINFO": {'PC "Debian 13"': '"PC" "Debian 13"'},
    "HIP": {"2 200100107B1A74DF365639CC39F1D578 AwEAAQ== rvs": "2 200100107b1a74df365639cc39f1d578 AwEAAQ== rvs.example.net."},
    "HTTPS": {"1 app1 alpn=h2": '1 app1.example.net. alpn="h2"', "1 . alpn=h2,h3": '1 . alpn="h2,h3"', "0 @": "0 example.net."},
    "IPSECKEY": {
        "10 3 2 gw AQNR": "10 3 2 gw.example.net. AQNR",
        "10 0 2 . AQNR": "10 0 2 . AQNR",
        "10 1 2 192.0.2.1 AQNR": "10 1 2 192.0.2.1 AQNR",
        "10 2 2 2001:db8::1 AQNR": "10 2 2 2001:db8::1 AQNR",
    },
    "ISDN": {'"150862028003217" 004': '"150862028003217" "004"', "150862028003217": '"150862028003217"'},
    "KEY": {"512 3 13 AQNR": "512 3 13 AQNR"},
    "KX": {"10 mail": "10 mail.example.net."},
    "L32": {"10 192.0.2.1": "10 192.0.2.1"},
    "L64": {"10 2001:0db8:1140:1000": "10 2001:0db8:1140:1000"},
    "LOC": {"52 22 23 N 4 53 32 E -2.00m": "52 22 23.000 N 4 53 32.000 E -2.00m"},
    "LP": {"10 l64": "10 l64.example.net."},
    "MX": {"10 Mail": "10 mail.example.net.", "0 .": "0 ."},
    "NAPTR": {
        '100 10 "S" "SIP+D2U" "" sip': '100 10 "S" "SIP+D2U" "" sip.example.net.',
        '100 10 U E2U+sip "!^.*$!sip:i@example.net!" .': '100 10 "U" "E2U+sip" "!^.*$!sip:i@example.net!" .',
    },
    "NID": {"10 0014:4fff:ff20:ee64": "10 0014:4fff:ff20:ee64"},
    "NINFO": {"a b": '"a" "b"'},
    "NS": {"ns1": "ns1.example.net."},
    "NSAP": {"0x47000580": "0x47000580"},
    "NSAP-PTR": {"app1": "app1.example.net."},
    "OPENPGPKEY": {"AQNR AQNR": "AQNRAQNR"},
    "PTR": {"app1": "app1.example.net."},
    "PX": {"10 map822 mapx400": "10 map822.example.net. mapx400.example.net."},
    "RESINFO": {"qnamemin": '"qnamemin"'},
    "RP": {"admin txt": "admin.example.net. txt.example.net.", "first\\.last .": "first\\.last.example.net. ."},
    "RT": {"10 relay": "10 relay.example.net."},
    "SMIMEA": {"3 1 0 ABcd": "3 1 0 abcd"},
    "SRV": {"0 5 443 app1": "0 5 443 app1.example.net."},
    "SSHFP": {"4 2 " + "AB" * 16 + " " + "cd" * 16: "4 2 " + "ab" * 16 + "cd" * 16},
    "SVCB": {"1 svc alpn=dot port=853": '1 svc.example.net. alpn="dot" port="853"', "0 svc": "0 svc.example.net."},
    "TLSA": {"3 0 0 " + "AB" * 200: "3 0 0 " + "ab" * 200, "3 1 0 AB CD": "3 1 0 abcd"},
    "TXT": {"v=spf1 -all": '"v=spf1 -all"'},
    "URI": {"10 1 https://example.net/": '10 1 "https://example.net/"'},
    "WALLET": {"ETH 0x0": '"ETH" "0x0"'},
    "X25": {"311061700956": '"311061700956"'},
}
# Types that this version of the DNS library has no reader for, or that only old hosts have.
UNREAD = ("DSYNC", "WKS")
VALUE_CASES = [(kind, given, canonical) for kind, cases in VALUES.items() for given, canonical in cases.items()]


def is_read(kind: str) -> bool:
    """The oldest supported DNS libraries read some types only in the generic form."""
    return dns.rdata.get_rdata_class(dns.rdataclass.IN, TYPES[kind].number) is not dns.rdata.GenericRdata


def skip_unless_read(kind: str) -> None:
    if not is_read(kind):
        pytest.skip(f"this version of dnspython has no {kind}")


@pytest.mark.parametrize(("kind", "given", "canonical"), VALUE_CASES)
def test_a_value_of_every_type_has_one_form_and_its_names_are_in_the_zone(kind: str, given: str, canonical: str) -> None:
    shown = present(kind, given, ZONE)
    assert kind == "TXT" or present(kind, shown, ZONE) == shown
    skip_unless_read(kind)
    assert "".join(CANONICAL(kind, shown).split()) == "".join(canonical.split())
    assert read_values((ZONE, kind), [given], ZONE, CANONICAL).values == {CANONICAL(kind, shown)}


@pytest.mark.parametrize(("kind", "given", "canonical"), VALUE_CASES)
def test_a_value_of_every_type_is_imported_and_read_again(kind: str, given: str, canonical: str) -> None:
    skip_unless_read(kind)
    one = RRset(f"t.{ZONE}", kind, 60, frozenset({CANONICAL(kind, present(kind, given, ZONE))}))
    servers = RRset(one.name, "NS", 60, frozenset({"ns.example.com."}))  # a DS needs some
    found = take(ZONE, [one, servers] if kind == "DS" else [one], CANONICAL)
    if TYPES[kind].signing:
        assert [left.reason for left in found.left_out] == ["is made by the server that signs the zone"]
        return
    assert not found.left_out
    (entry,) = (entry for entry in found.record_sets if entry["type"] == kind)
    assert read_values(one.key, entry["value"], ZONE, CANONICAL).values == one.values
    assert read_written([entry], Table(ZONE, 300)) == []


@pytest.mark.parametrize(("kind", "given", "canonical"), VALUE_CASES)
def test_a_value_of_every_type_is_the_same_in_the_generic_form(kind: str, given: str, canonical: str) -> None:
    skip_unless_read(kind)
    text = CANONICAL(kind, present(kind, given, ZONE))
    generic_form = generic(kind, text)
    assert generic_form.startswith("\\#") and CANONICAL(kind, generic_form) == text


def test_every_type_with_fields_is_tried() -> None:
    assert {name for name in WRITABLE if TYPES[name].fields} - {*VALUES, *UNREAD} == set()


@pytest.mark.parametrize("kind", sorted(WRITABLE))
def test_every_type_may_be_in_an_inventory_in_the_generic_form_and_be_ignored_by_name_and_number(kind: str) -> None:
    assert type_name(kind.lower()) == type_name(by_number(kind)) == type_to_read(kind) == kind
    (ignore,) = read_ignore(ZONE, [{"record": "t", "type": kind}])
    assert ignore.covers((f"t.{ZONE}", kind))
    if kind != "TXT":
        assert present(kind, "\\# 4 C0000201", ZONE) == "\\# 4 C0000201"


def test_the_table_agrees_with_the_dns_library() -> None:
    for kind in dns.rdatatype.RdataType:
        if int(kind):
            assert type_of(int(kind)) == kind.name.replace("_", "-")
    assert len({one.number for one in TYPES.values()}) == len(TYPES)
    assert set(COMMON) <= set(WRITABLE)


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("HTTPS", "1 svc.example.com alpn=h2", "could be meant as"),
        ("NAPTR", '100 10 "S" "SIP+D2U" "" _sip._udp', "could be meant as"),
        ("RP", "first\\.last.example.com txt", "could be meant as"),
        ("AFSDB", "1", "is not of the form 'subtype name'"),
        ("AFSDB", "x db1", "has 'x' as subtype"),
        ("KX", "70000 mail", "from 0 to 65535"),
        ("IPSECKEY", "10 4 2 gw AQNR", "from 0 to 3"),
        ("IPSECKEY", "10 1 2 gw AQNR", "no IPv4 address as gateway"),
        ("EUI48", "00:00:5e:00:53:2a", "6 hexadecimal bytes with hyphens"),
        ("DHCID", "not base64!", "not base64"),
        ("TLSA", "3 1 1 abc", "not hexadecimal"),
        ("SVCB", "1 . alpn=h2 ; a comment", "outside quotes"),
        ("HINFO", '"PC', "does not end"),
        ("EID", "1234", "generic form"),
        ("MX", "10 straße", "IDNA 2008"),
    ],
)
def test_a_wrong_value_says_what_is_wrong(kind: str, given: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        present(kind, given, ZONE)


def test_types_that_are_not_for_an_inventory_say_why() -> None:
    reasons: List[Any] = []
    for kind in ("SOA", "RRSIG", "ANY", "SPF", "HTTP", "TYPE65536", "TYPE0", "TYPE01", 5):
        with pytest.raises(BadValue) as caught:
            type_name(kind)
        reasons.append(str(caught.value))
    assert [reason.split(";")[0].split(", ")[0] for reason in reasons] == [
        "is a type that the server itself looks after",
        "is a type that the server itself looks after",
        "is a type that no zone holds",
        "is a type that is not used any more",
        *["is not a record type"] * 4,
        "is not the name of a record type",
    ]
    assert "RFC 7208" in reasons[3] and "did you mean HTTPS?" in reasons[4]
    assert type_name("TYPE99") == "SPF"
    assert {"SOA", "DNSKEY", "ZONEMD", "AXFR"} <= set(SERVER_OWNED)


def test_what_only_the_server_writes_can_be_read_and_ignored() -> None:
    for kind in ("SOA", "DNSKEY", "SPF"):
        assert type_to_read(kind) == known_type(kind) == kind
        assert read_ignore(ZONE, [{"record": "@", "type": kind}])[0].type == kind
    with pytest.raises(Refused, match="no zone holds"):
        read_ignore(ZONE, [{"record": "@", "type": "AXFR"}])


def test_an_import_says_of_a_type_that_exists_why_it_is_left_out() -> None:
    left = take(ZONE, [RRset(ZONE, "ZONEMD", 60, frozenset({"1 1 1 ab"}))], CANONICAL).left_out
    assert [(one.reason, one.kind) for one in left] == [("is a type that the server itself looks after", "expected")]


def test_an_alias_of_powerdns_in_a_transfer_is_not_taken_for_a_record_that_others_resolve() -> None:
    sets = [RRset(ZONE, kind, 60, frozenset({"\\# 2 abcd"})) for kind in ("TYPE65401", "TYPE65402", "TYPE65280")]
    found = take(ZONE, sets, CANONICAL)
    assert [(one.type, one.kind) for one in found.left_out] == [("TYPE65401", "lost"), ("TYPE65402", "lost")]
    assert "ALIAS of PowerDNS" in found.left_out[0].reason
