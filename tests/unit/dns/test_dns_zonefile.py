# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A provider's zone becomes data of an inventory: exactly, or it is said what was left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from timing import AT_ONCE, Effort
from written import read_written

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import txt
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.host_names import owner_trouble
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import Imported, as_sets, is_edited, render_variables, take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.records import Table

ZONE = "example.net."
CANONICAL = WireClient(Server("192.0.2.53")).canonical
ZONE_FILE = r"""
$ORIGIN example.net.
$TTL 1h
@   IN SOA ns1.provider.example.com. hostmaster ( 2026112101 ; serial
        3600 600 1209600 60 )
    IN NS ns1.provider.example.com.
    NS ns2.provider.example.com.
    MX 10 mail
    60 CAA 0 issue "ca.example.com; validationmethods=dns-01"
@   TXT "v=spf1 mx -all" ; the policy
www ALIAS origin.provider.example.com.
    A 192.0.2.80
mail 300 IN A 192.0.2.25
     IN 300 AAAA 2001:db8::25
*.any CNAME www
dkim TXT ( "v=DKIM1; k=rsa; "
           "p=abc\"def\\ghi" )
sub NS ns.sub
sub DS 12345 13 2 ( 0123456789abcdef0123456789abcdef
    0123456789abcdef0123456789abcdef )
ns.sub A 192.0.2.60
$ORIGIN deep.example.net.
host A 192.0.2.99
elsewhere.example.com. A 192.0.2.1
  TXT "also elsewhere"
_sip._udp SRV 0 5 5060 mail.example.net.
@ DNSKEY 257 3 13 bm90IGEgcmVhbCBrZXk=
"""


def read(text: str, form: str = "zone", **options: Any) -> Imported:
    sets, left = read_source(text, {"format": form, "default_ttl": 3600}, ZONE, CANONICAL)
    found = take(ZONE, sets, CANONICAL, **options)
    return Imported(found.record_sets, found.ttl, (*left, *found.left_out))


def by_key(found: Imported) -> Dict[Any, Mapping[str, Any]]:
    return {(entry["record"], entry["type"]): entry for entry in found.record_sets}


def left(found: Imported) -> Dict[Any, str]:
    return {(one.record, one.type): one.reason for one in found.left_out}


def test_a_zone_file_is_read_with_all_that_zone_files_can_have() -> None:
    sets = by_key(read(ZONE_FILE))
    assert sets["@", "MX"] == {"record": "@", "type": "MX", "ttl": 3600, "value": ["10 mail.example.net."]}
    assert sets["@", "CAA"]["ttl"] == 60
    assert sets["www", "A"]["value"] == ["192.0.2.80"]
    assert sets["mail", "AAAA"]["ttl"] == 300
    assert sets["*.any", "CNAME"]["value"] == ["www.example.net."]
    assert sets["dkim", "TXT"]["value"] == [["v=DKIM1; k=rsa; ", 'p=abc"def\\ghi']]
    assert sets["sub", "DS"]["value"] == ["12345 13 2 " + "0123456789abcdef" * 4]
    assert sets["host.deep", "A"]["value"] == ["192.0.2.99"]
    assert sets["_sip._udp.deep", "SRV"]["value"] == ["0 5 5060 mail.example.net."]


def test_what_is_left_out_is_named_with_the_reason() -> None:
    found = left(read(ZONE_FILE))
    assert sorted(found) == [
        ("@", "NS"),
        ("@", "SOA"),
        ("deep", "DNSKEY"),
        ("elsewhere.example.com.", "A"),
        ("elsewhere.example.com.", "TXT"),
        ("www", "ALIAS"),
    ]
    assert "old provider" in found["@", "NS"]
    assert "outside the zone" in found["elsewhere.example.com.", "A"]
    assert "provider's own" in found["www", "ALIAS"]
    assert "signs" in found["deep", "DNSKEY"]


def test_the_nameservers_are_taken_when_asked() -> None:
    assert by_key(read(ZONE_FILE, nameservers=True))["@", "NS"]["value"] == [
        "ns1.provider.example.com.",
        "ns2.provider.example.com.",
    ]


def test_most_sets_have_the_ttl_that_is_returned() -> None:
    assert read(ZONE_FILE).ttl == 3600


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$TTL 60\n$INCLUDE other.zone\n", "Line 2: \\$INCLUDE is not followed"),
        ('D("example.net", REG_NONE,\n  A("@", "192.0.2.1"))', "dnscontrol get-zones --format=zone"),
        ('var DSP = NewDnsProvider("x");\n', "dnscontrol's own language"),
        ('@ 60 TXT "open\n', "Line 1: there is a quote that does not end"),
        ("@ 60 SOA a b ( 1 2 3 4 5\n", "Line 1: a parenthesis opens"),
        ("\n\n\n\n@ 60 A not-an-address\n", "^Line 5: 'not-an-address' is not a value of type A"),
        ("www 60 A 192.0.2.1\nwww 60 CNAME x\n", "^Line 2: www.example.net. has a CNAME and a A"),
        ("www 60 CNAME a\nwww 60 CNAME b\n", "^Line 2: .* second CNAME; the first is in line 1"),
        ("www A 192.0.2.1\n", "^Line 1: www A has no TTL"),
        ("www 60\n", "^Line 1: expected a record type"),
        ("www 1x A 192.0.2.1\n", "^Line 1: expected a record type such as A or MX, got '1x'"),
        ("  60 A 192.0.2.1\n", "^Line 1: begins with a blank"),
        ("a..b 60 A 192.0.2.1\n", "^Line 1: 'a..b' cannot be a name"),
        ("www 4294967295 A 192.0.2.1\n", "^Line 1: expected a TTL from 0 to 2147483647"),
        ("$TTL 4294967295\nwww A 192.0.2.1\n", "^Line 1: expected a TTL"),
        ("@ 60 TXT a ) b\n", "^Line 1: a parenthesis closes"),
        ("$ORIGIN a..b\n", "^Line 1: 'a..b' cannot be the \\$ORIGIN"),
        ("$ORIGIN\n", "^Line 1: expected \\$ORIGIN NAME"),
        ("$GENERATE 3-1 a$ 60 A 192.0.2.$\n", "^Line 1: expected \\$GENERATE"),
        ("$GENERATE 1-2 a$ 60 A 192.0.2.$ more\n", "a value with blanks in quotes"),
        ("$GENERATE 1-2 a${1,200} 60 A 192.0.2.$\n", "^Line 1: expected \\$\\{OFFSET"),
        ("faß 60 A 192.0.2.1\n", "^Line 1: .*write its xn-- form"),
        ("a\u202eb 60 A 192.0.2.1\n", "^Line 1: .*is too long or has characters that no internationalised name can have"),
        ("@ 60 SOA a b 1 2 3 4 5\na 60 A 192.0.2.1\n; Transfer failed.\n", "dig for a transfer that failed, and may lack records"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(text: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        read(text)


def test_a_text_that_quotes_what_dig_says_is_no_failed_transfer() -> None:
    found = read('a 60 TXT "; Transfer failed."\n; Transfer failed. (an old note)\n')
    assert by_key(found)["a", "TXT"]["value"] == ["; Transfer failed."] and not found.left_out


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("bücher 60 A 192.0.2.1", ("xn--bcher-kva", "A"), "192.0.2.1"),
        ('"bücher" 60 A 192.0.2.1', ("xn--bcher-kva", "A"), "192.0.2.1"),
        ("BÜCHER 60 A 192.0.2.1", ("xn--bcher-kva", "A"), "192.0.2.1"),
        ("a\u3002b 60 A 192.0.2.1", ("a.b", "A"), "192.0.2.1"),
        ("\ufeffa 60 A 192.0.2.1", ("a", "A"), "192.0.2.1"),
        ("a 60 MX 10 bücher.example.", ("a", "MX"), "10 xn--bcher-kva.example."),
        ('a 60 NAPTR 1 2 "s" "ü" "" bücher', ("a", "NAPTR"), '1 2 "s" "\\195\\188" "" xn--bcher-kva.example.net.'),
        ("$GENERATE 1-1 ü$ 60 A 192.0.2.$", ("xn--1-dha", "A"), "192.0.2.1"),
    ],
)
def test_a_name_outside_ascii_is_taken_in_its_ascii_form_and_named(line: str, key: Any, value: str) -> None:
    found = read(f"first 60 A 192.0.2.1\n{line}\n TXT ü\n")
    assert by_key(found)[key]["value"] == [value]
    (note,) = found.left_out
    assert ((note.record, note.type), note.kind) == (key, "note")
    assert note.reason.endswith("which is taken over in its ASCII form (IDNA), where BIND takes its octets as they are (line 2)")


@pytest.mark.parametrize("kind", ["DOA", "MB", "TALINK", "A6", "EID", "TA"])
def test_a_type_that_only_the_generic_form_is_read_of_is_not_a_providers_own(kind: str) -> None:
    found = read(f"a 60 {kind} some words\nb 60 TYPE65280 \\# 1 ab\n")
    assert list(by_key(found)) == [("b", "TYPE65280")]
    assert left(found)["a", kind].endswith(f"is not a value of type {kind}: only the generic form of RFC 3597 is read, such as '\\\\# 4 C0000201'")
    if kind != "A6":
        assert by_key(read(f"a 60 {kind} \\# 1 ab\n"))["a", kind]["value"] == ["\\# 1 ab"]


def test_a_ttl_of_one_second_is_named_once_for_all_sets() -> None:
    text = "example.net 1 SOA a b 1 2 3 4 5\na 1 A 192.0.2.1\nb 1 A 192.0.2.1 ; cf_tags=cf-proxied:false\nc 60 A 192.0.2.1\n"
    notes = [one for one in read(text).left_out if one.kind == "note"]
    assert [(one.record, one.type) for one in notes] == [("a", "A")]
    assert notes[0].reason.startswith("has a TTL of 1 second, as have 1 other sets; Cloudflare writes 1 where it chooses the TTL itself")
    assert read("c 2 A 192.0.2.1\n").left_out == ()


def test_a_soa_that_lost_its_final_dot_is_only_what_each_server_has_of_its_own() -> None:
    found = read("example.net 3600 SOA ns.example.com. dns.example.com. 1 2 3 4 5\na 60 A 192.0.2.1\n")
    assert [(one.record, one.type, one.kind) for one in found.left_out] == [("example.net", "SOA", "expected")]


def test_of_a_long_value_the_beginning_and_the_end_with_the_reason_are_shown() -> None:
    strings = " ".join(['"' + "x" * 255 + '"'] * 250)
    reason = left(read(f"a 60 TXT {strings}\n"))["a", "TXT"]
    assert len(reason) < 2100 and reason.startswith("has a value, ") and reason.endswith("is longer than a DNS message can carry")


def test_origin_and_owners_are_read_as_servers_write_them() -> None:
    text = """$ORIGIN .
$TTL 300
example.net IN SOA ns1.example.com. hostmaster.example.com. ( 1 2 3 4 5 )
            NS ns1.example.com.
            MX 10 mail.example.net.
            TXT "v=spf1 mx -all"
$ORIGIN example.net.
mail        A 192.0.2.25
$ORIGIN deep
host        A 192.0.2.99
"""
    found = read(text)
    assert set(by_key(found)) == {("@", "MX"), ("@", "TXT"), ("mail", "A"), ("host.deep", "A")}
    assert set(left(found)) == {("@", "SOA"), ("@", "NS")}


def test_what_would_be_left_out_anyway_never_fails_a_file() -> None:
    text = """\ufeff; a provider's export
example.net 3600 IN SOA ns.example.com dns.example.com 2049 10000 2400 604800 99999999999
example.net. 60 RRSIG nonsense
example.net. 60 NS ns1..example.com.
@ 60 CNAME origin.provider.example.com.
a..b 60 ALIAS x
www 60 ALIAS origin.provider.example.com. ; an ALIAS
outside.example.org. 99999999999 MX nonsense
chaos 60 CH TXT "version"
pc7 [AGE:3612300] 300 A 192.0.2.107
spf 60 SPF "v=spf1 -all"
svc 60 HTTPS 1 . alpn=h2
svc 60 HTTPS 2 . port=web
alias\\.example.net. 60 A 192.0.2.1
www2 60 A 192.0.2.2
"""
    found = read(text)
    reasons = left(found)
    assert list(by_key(found)) == [("www2", "A")]
    assert reasons["example.net", "SOA"]
    assert reasons["@", "RRSIG"]
    assert "Line 4: 'ns1..example.com.' is not a value" in reasons["@", "NS"]
    assert "only this provider can answer" in reasons["@", "CNAME"]
    assert reasons["a..b", "ALIAS"].endswith("(line 6)")
    assert reasons["www", "ALIAS"].endswith("write what it stands for (line 7)")
    assert reasons["outside.example.org.", "MX"] == "is outside the zone example.net (line 8)"
    assert reasons["chaos", "TXT"] == "is of class CH (line 9)"
    assert reasons["pc7", "A"].startswith("has the mark [AGE:3612300]") and reasons["pc7", "A"].endswith("(line 10)")
    assert "write it as TXT" in reasons["spf", "SPF"]
    assert "Line 13: '2 . port=web' is not a value of type HTTPS" in reasons["svc", "HTTPS"]
    assert reasons["alias\\.example.net.", "A"] == "is outside the zone example.net (line 14)"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_order_of_ttl_and_class_is_read(end: str) -> None:
    lines = ["a 600 IN A 192.0.2.1", "b IN 10m A 192.0.2.1", "c IN A 192.0.2.1", "d 1h30m A 192.0.2.1", "\t2H\tin\tTXT\tx", '( e 7 TXT "a"', " )"]
    found = by_key(read(end.join(lines)))
    assert {key: entry["ttl"] for key, entry in found.items()} == {
        **{("a", "A"): 600, ("b", "A"): 600, ("c", "A"): 600, ("d", "A"): 5400, ("d", "TXT"): 7200},
        ("e", "TXT"): 7,
    }
    assert found["e", "TXT"]["value"] == ["a"]


@pytest.mark.parametrize("soa_ttl", ["1800", ""])
def test_a_record_without_ttl_has_the_last_one_stated(soa_ttl: str) -> None:
    found = read(f"@ {soa_ttl} SOA a b 1 2 3 4 5\nfirst A 192.0.2.1\na 1800 A 192.0.2.1\nb A 192.0.2.2\n")
    assert by_key(found)["first", "A"]["ttl"] == (1800 if soa_ttl else 5)
    assert by_key(found)["b", "A"]["ttl"] == 1800
    assert (("b", "A") in left(found)) == (not soa_ttl), "BIND takes another there, which is said"


def test_a_set_with_several_ttls_takes_the_lowest_and_says_so() -> None:
    found = read("a 300 A 192.0.2.1\na 60 A 192.0.2.2\n")
    assert by_key(found)["a", "A"]["ttl"] == 60
    assert left(found)["a", "A"] == "has values with different TTLs (60, 300), of which the lowest is taken over (line 1)"


def parsed(text: str) -> Dict[str, Any]:
    sets, _left = read_source(text, {"format": "zone", "default_ttl": None}, ZONE, CANONICAL)
    return {f"{one.name[: -len(ZONE)]}{one.type}": sorted(one.values) for one in sets}


def test_a_file_that_went_through_windows_or_a_dump_of_bind_is_read() -> None:
    for text in (
        "$DATE 20261129103000\n$TTL 300\n@ SOA ns1 h 1 2 3 4 5\nwww A 192.0.2.1\n",
        "\ufeff\ufeff@ SOA ns1 h 1 2 3 4 5\r\nwww A 192.0.2.1\r\n\x1a",
        "$TTL 300 ; a\u00a0comment\n@ SOA ns1 h 1 2 3 4 5\nwww A 192.0.2.1\n\x1a\x1a",
    ):
        assert parsed(text)["www.A"] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("www\u00a0A 192.0.2.1", "U+00A0"),
        ("\x0bwww A 192.0.2.1", "U+000B"),
        ("www A 192.0.2.1\u2028mail A 192.0.2.2", "U+2028"),
        ("www TXT v=spf1\u00a0-all", "U+00A0"),
        ("www A 192.0.2.1\x00", "U+0000"),
        ("\x1b[31mwww A 192.0.2.1", "U+001B"),
    ],
)
def test_a_character_that_nobody_sees_is_named_with_its_line(line: str, found: str) -> None:
    with pytest.raises(Refused, match=f"Line 3: {re.escape(found)}, which is invisible"):
        parsed(f"$TTL 300\n@ SOA ns1 h 1 2 3 4 5\n{line}\n")
    assert parsed('$TTL 300\n@ SOA ns1 h 1 2 3 4 5\nwww TXT "a\u00a0b"\n')["www.TXT"]


def test_generate_is_expanded_as_bind_does() -> None:
    text = """$TTL 60
$GENERATE 1-3/2 h${10,4,x} A 192.0.2.$
$GENERATE 1-2 m$ 5m IN MX "10 ns$"
$GENERATE 1-1 t$ TXT "\\"$$ \\$\\""
$GENERATE 18-18 ${0,5,n} PTR $${-8}.
$GENERATE 9-10 out$.example.com. A 192.0.2.1
"""
    found = read(text)
    assert {key: entry["value"] for key, entry in by_key(found).items()} == {
        ("h000b", "A"): ["192.0.2.1"],
        ("h000d", "A"): ["192.0.2.3"],
        ("m1", "MX"): ["10 ns1.example.net."],
        ("m2", "MX"): ["10 ns2.example.net."],
        ("t1", "TXT"): ["$ $"],
        ("2.1.0", "PTR"): ["\\${-8}."],
    }
    assert set(left(found)) >= {("out9.example.com.", "A"), ("out10.example.com.", "A")}


def test_hexadecimal_values_may_have_blanks_and_any_length() -> None:
    digest = "ab" * 16 + " " + "CD" * 16
    text = f"a 60 NS ns.example.com.\na 60 DS 1 13 2 {digest}\nb 60 SSHFP 4 2 {digest}\nc 60 TLSA 3 1 1 {digest}\nd 60 TLSA 3 0 0 {'ef' * 200}\n"
    found = read(text)
    assert not found.left_out
    plain = digest.replace(" ", "").lower()
    assert by_key(found)["a", "DS"]["value"] == [f"1 13 2 {plain}"]
    assert len(by_key(found)["d", "TLSA"]["value"][0].replace(" ", "")) == 3 + 400


def test_the_tag_of_a_caa_is_in_lower_case_whatever_the_file_has() -> None:
    assert by_key(read('@ 60 CAA 0 ISSUE "ca.example.com"\n'))["@", "CAA"]["value"] == ['0 issue "ca.example.com"']


def test_a_parameter_that_the_library_knows_by_number_only_is_read() -> None:
    found = read("_dns 60 SVCB 1 dns alpn=h2 dohpath=/dns-query{?dns}\n")
    assert not found.left_out and len(found.record_sets) == 1


def test_a_record_that_a_proxy_answers_is_named() -> None:
    found = read("a 60 A 192.0.2.1 ; cf_tags=cf-proxied:true\nb 60 A 192.0.2.1 ; cf_tags=cf-proxied:false\n")
    assert set(by_key(found)) == {("a", "A"), ("b", "A")}
    assert list(left(found)) == [("a", "A")] and "proxy" in left(found)["a", "A"]
    assert [one.kind for one in found.left_out] == ["proxied"]


def test_a_name_that_ends_in_the_zone_twice_is_taken_and_named() -> None:
    found = read(
        "www 60 CNAME example.net\nmail.example.net 60 A 192.0.2.1\nx 60 MX 10 mail.example.net\n"
        'y 60 TXT "a.example.net.example.net."\nz 60 CNAME example.net.\nmyexample.net 60 A 192.0.2.1\n'
    )
    notes = {one.record: one.reason for one in found.left_out if one.kind == "note"}
    assert list(notes) == ["www", "mail.example.net", "x"] and "write the dot" in notes["www"] and "line 3" in notes["x"]
    assert by_key(found)["www", "CNAME"]["value"] == ["example.net.example.net."]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("octodns", "www: {type: CNAME, values: [a.example.net., b.example.net.]}\nx: {type: A, value: 192.0.2.1}\n"),
        ("tsv", "".join(f"{one}\t60\tIN\t{rest}\n" for one, rest in [
            ("www.example.net\twww", "CNAME\ta.example.net."), ("www.example.net\twww", "CNAME\tb.example.net."), ("x.example.net\tx", "A\t192.0.2.1"),
        ])),
    ],
)  # fmt: skip
def test_a_cname_of_two_values_is_left_out_since_no_inventory_takes_it(form: str, text: str) -> None:
    found = read(text, form)
    assert list(by_key(found)) == [("x", "A")]
    assert left(found)["www", "CNAME"] == "has 2 values, a.example.net., b.example.net., and a CNAME has exactly one"


def kinds(found: Imported) -> Any:
    return {(one.record, one.kind) for one in found.left_out if one.kind in ("proxied", "varies")}


def test_what_exports_say_in_comments_about_how_the_provider_answers_is_named() -> None:
    by_dnscontrol = 'a 60 IN A 192.0.2.1 ; CF_PROXY_ON CF_COMMENT="x"\nb 60 IN CNAME c ; CF_CNAME_FLATTEN_ON\nd 60 IN A 192.0.2.1 ; CF_TAGS=x\n'
    assert kinds(read(by_dnscontrol)) == {("a", "proxied"), ("b", "proxied")}
    assert kinds(read("b 60 CNAME c ; cf_tags=cf-flatten-cname,cf-proxied:false\n")) == {("b", "proxied")}
    assert kinds(read('a 60 TXT "; CF_PROXY_ON" "AWS routing="\nb 60 TXT "cf-proxied:true"\n')) == set()
    flattened = "b.example.net\tb\t60\tIN\tCNAME\tc.example.net.\tcloudflare_cname_flatten=on,cloudflare_comment=x\n"
    assert kinds(read(flattened, "tsv")) == {("b", "proxied")}


def test_what_cli53_exports_of_the_routing_of_route_53_is_named() -> None:
    found = read(
        'www 60 IN A 192.0.2.1 ; AWS routing="WEIGHTED" weight=1 identifier="a"\n'
        'www 60 IN A 192.0.2.2 ; AWS routing="WEIGHTED" weight=9 identifier="b"\n'
        'app 60 IN CNAME a.example.com. ; AWS routing="LATENCY" region="eu-west-1" identifier="a"\n'
        'app 60 IN CNAME b.example.com. ; AWS routing="LATENCY" region="us-east-1" identifier="b"\n'
        "@ 60 AWS ALIAS A lb.example.com. Z32O12XQLNTSW2 false\n"
    )
    assert by_key(found)["www", "A"]["value"] == ["192.0.2.1", "192.0.2.2"]
    assert by_key(found)["app", "CNAME"]["value"] == ["a.example.com."]
    assert kinds(found) == {("www", "varies"), ("app", "varies")}
    assert any(one.record == "app" and "the first is taken over (line 4)" in one.reason for one in found.left_out)
    assert ("@", "AWS") in left(found)


def test_a_type_of_a_provider_that_dnscontrol_writes_as_a_comment_is_named_and_other_comments_are_not() -> None:
    lines = [
        "; www IN A 192.0.2.9 was here",
        ";old  IN A     192.0.2.9",
        ";@          300 IN ALIAS lb.provider.example.",
        ";; CNAME Records",
        "www 60 A 192.0.2.1",
        ";r                    IN CLOUDFLAREAPI_SINGLE_REDIRECT x",
    ]
    found = read("\n".join(lines))
    assert {key: reason[-8:] for key, reason in left(found).items()} == {
        ("@", "ALIAS"): "(line 3)",
        ("r", "CLOUDFLAREAPI_SINGLE_REDIRECT"): "(line 6)",
    }


def test_a_file_of_variables_that_somebody_edited_is_told_from_one_that_was_written() -> None:
    text = render_variables(ZONE, read('www 60 A 192.0.2.1\nx 60 ALIAS y\nt 60 TXT "{{ a }}"\n'))
    assert not is_edited(text) and not is_edited("") and not is_edited("---\nmine: 1\n")
    assert not is_edited(text.replace("# Left out", "# My note\n# Left out"))
    assert is_edited(text.replace("192.0.2.1", "192.0.2.2"))
    assert is_edited(text + "    - {record: mine, type: A, ttl: 60, value: [192.0.2.9]}\n")
    assert list(yaml.safe_load(text.replace("!unsafe ", ""))) == ["imported_example_net"]


def test_what_each_server_has_of_its_own_is_told_from_what_would_be_lost() -> None:
    text = "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a.example.com.\n@ 60 DNSKEY 257 3 13 AAAA\nw 5 A 192.0.2.1\nw 6 A 192.0.2.2\nx 60 ALIAS y\n"
    kinds = {(one.record, one.type): one.kind for one in read(text).left_out}
    assert kinds == {
        ("@", "SOA"): "expected",
        ("@", "NS"): "expected",
        ("@", "DNSKEY"): "expected",
        ("w", "A"): "note",
        ("x", "ALIAS"): "lost",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a 60 A 192.0.2.1\n$GENERATE 1-1000000000 h$ 60 A 192.0.2.1\n", "^Line 2: .GENERATE makes more than 5000 records"),
        ('$GENERATE 1-5000 h$ 60 TXT "' + ("x" * 250 + " ") * 1000 + '"\n', "^Line 1: .GENERATE makes more than"),
        (f"$GENERATE 1-5000 h$ 60 TXT {'${0,127}' * 30000}\n", "^Line 1: .GENERATE makes more than"),
        ("a 60 TXT " + "x " * 3_000_000 + "\n", "^Line 1: the record has more than 300000 characters"),
        ("a 60 TXT (" + "\nx" * 300_000 + ")\n", "^Line 1: the record has more than 300000 characters"),
        ("a 60 TXT " + "x" * 17_000_000 + "\n", "16777216"),
        ("\n" * 2_000_000, "more than 1000000 lines"),
        (f"a {'1' * 27}x A 192.0.2.1\n", "^Line 1: expected a record type"),
        ("a 60 TXT (" * 20_000, "a parenthesis opens there and does not close"),
        ('a 60 TXT "' + "\\\\" * 140_000, "a quote that does not end"),
    ],
)
def test_what_no_zone_has_is_refused_at_once(effort: Effort, text: str, says: str) -> None:
    def refused() -> None:
        with pytest.raises(Refused, match=says):
            read(text)

    assert effort(refused) < AT_ONCE


def test_a_directive_inside_a_text_is_no_directive() -> None:
    found = by_key(read('a 60 TXT (\n"$INCLUDE" ; $INCLUDE x\n" two" )\nb 60 TXT \\$INCLUDE\n'))
    assert found["a", "TXT"]["value"] == [["$INCLUDE", " two"]]
    assert found["b", "TXT"]["value"] == ["$INCLUDE"]


def test_texts_that_are_no_utf8_are_left_out_unless_taken_in_the_form_of_a_zone_file() -> None:
    text = 'a 60 TXT "\\255\\254"\nb 60 TXT "gr\\195\\188n"\nc 60 TXT "in " "two"\n'
    found = read(text)
    assert left(found).keys() == {("a", "TXT")}
    assert "txt_transformation" in left(found)["a", "TXT"]
    assert by_key(found)["b", "TXT"]["value"] == ["grün"]
    assert by_key(found)["c", "TXT"]["value"] == [["in ", "two"]]
    quoted = read(text, quoted=True)
    assert by_key(quoted)["a", "TXT"]["value"] == ['"\\255\\254"']
    assert not quoted.left_out


def test_a_name_that_would_be_read_as_another_is_written_whole() -> None:
    (entry,) = read("example.net 60 A 192.0.2.1\n").record_sets
    assert entry["record"] == "example.net.example.net."


def test_names_with_escapes_are_taken_over_in_one_form() -> None:
    found = read("a\\.b 60 TXT x\nMy\\032Printer._ipp._tcp 60 TXT x\nx+y 60 TXT x\n\\097b 60 A 192.0.2.1\n")
    assert {entry["record"] for entry in found.record_sets} == {"a\\.b", "my\\032printer._ipp._tcp", "x\\+y", "ab"}
    assert not found.left_out
    (left,) = read("x+y 60 A 192.0.2.1\n").left_out
    assert left.record == "x\\+y" and "BIND does not load the zone" in left.reason


def test_records_that_bind_would_not_load_are_left_out() -> None:
    found = read("a_b 60 A 192.0.2.1\nmx 60 MX 0 a_b.example.net.\n* 60 NS ns.example.org.\nok 60 SRV 0 0 1 a.example.net.\n")
    assert [entry["record"] for entry in found.record_sets] == ["ok"]
    assert len(found.left_out) == 3 and all("BIND does not load" in one.reason for one in found.left_out)


def unsafe_yaml(text: str) -> Any:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
    return yaml.load(text, Loader)


def test_the_file_of_variables_marks_what_ansible_would_take_for_a_template() -> None:
    text = render_variables(ZONE, read('t 60 TXT "{{ 1 + 1 }}"\nno 60 A 192.0.2.1\n'))
    assert '!unsafe "{{ 1 + 1 }}"' in text
    loaded = unsafe_yaml(text)["imported_example_net"]
    assert [one["record"] for one in loaded["records"]] == ["no", "t"]


LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAME = st.one_of(st.just("@"), LABEL, st.builds("*.{}".format, LABEL), st.builds("{}.{}".format, LABEL, LABEL))
TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=300)
VALUES = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "MX": st.builds("{} {}.example.net.".format, st.integers(0, 65535), HOST),
    "TXT": st.one_of(TEXT, st.lists(TEXT, min_size=1, max_size=3)).map(txt.write),
    "CAA": st.builds('0 issue "{}"'.format, st.from_regex(r"[ -!#-\[\]-~]{1,20}", fullmatch=True)),
    "SRV": st.builds("0 5 {} {}.example.com.".format, st.integers(0, 65535), HOST),
    "CNAME": LABEL.map("{}.example.net.".format),
    "TYPE65280": st.binary(min_size=1, max_size=20).map(lambda data: f"\\# {len(data)} {data.hex()}"),
}


@st.composite
def zones(draw: st.DrawFn) -> List[RRset]:
    sets = {}
    for record in draw(st.lists(NAME, max_size=8, unique=True)):
        name = ZONE if record == "@" else f"{record}.{ZONE}"
        kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3, unique=True))
        kinds = [kind for kind in kinds if not owner_trouble(name, kind)] or ["TXT"]
        kinds = ["A"] if record == "@" and "CNAME" in kinds else ["CNAME"] if "CNAME" in kinds else kinds
        for kind in kinds:
            most = 1 if kind == "CNAME" else 3
            shown = draw(st.lists(VALUES[kind], min_size=1, max_size=most, unique=True))
            ttl = draw(st.integers(0, 86400))
            sets[name, kind] = RRset(name, kind, ttl, frozenset(CANONICAL(kind, value) for value in shown))
    return list(sets.values())


@settings(max_examples=150, deadline=None)
@given(zone=zones())
def test_a_zone_imported_and_desired_is_the_same_zone(zone: List[RRset]) -> None:
    found = take(ZONE, zone, CANONICAL)
    assert not found.left_out
    entries = unsafe_yaml(render_variables(ZONE, found))["imported_example_net"]["records"]
    assert entries == list(found.record_sets)
    wanted, _given = read_entries(ZONE, [{"state": "present", **entry} for entry in entries], CANONICAL)
    assert wanted == {one.key: one for one in zone}
    assert as_sets(ZONE, entries, CANONICAL) == sorted(zone, key=lambda one: (one.name != ZONE, one.name, one.type))
    table = Table(ZONE, found.ttl)
    assert read_written(entries, table) == []


@settings(max_examples=100, deadline=None)
@given(zone=zones(), signed=st.booleans())
def test_a_zone_file_of_the_zone_gives_the_same_zone(zone: List[RRset], signed: bool) -> None:
    lines = [f"{one.name} {one.ttl} {one.type} {value}" for one in zone for value in sorted(one.values)]
    extra = [f"{ZONE} 60 RRSIG A 13 2 60 20300101000000 20200101000000 1 {ZONE} YWJj"] if signed else []
    found = read("\n".join([*lines, *extra]) + "\n")
    assert found.record_sets == take(ZONE, zone, CANONICAL).record_sets
    assert [one.type for one in found.left_out if not one.reason.startswith("has a TTL of 1 second")] == ["RRSIG"] * signed


PACKAGE = "ansible_collections.smallfleet.infra.plugins.module_utils._dns"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_an_older_dnspython_is_named_with_the_one_that_is_needed() -> None:
    code = f"import dns.version as v; v.MAJOR, v.MINOR, v.version = 2, 2, '2.2.1'; import {PACKAGE}.dnspython_client as made; print(made.DNSPYTHON_ERROR)"
    printed = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    assert printed == "This is dnspython 2.2.1, and dnspython 2.3 or later is needed.\n"


def test_all_that_goes_by_dnspython_can_be_imported_without_it_and_says_so() -> None:
    folder = Path(__file__).resolve().parents[3] / "plugins"
    paths = [*folder.glob("modules/dns_*.py"), *folder.glob("module_utils/_dns/**/[a-z]*.py")]
    names = [f"ansible_collections.smallfleet.infra.plugins.{path.relative_to(folder).with_suffix('').as_posix().replace('/', '.')}" for path in paths]
    code = f"import sys; sys.modules['dns'] = None; import {', '.join(names)}; import {PACKAGE}.dnspython_client as made; print(made.DNSPYTHON_ERROR)"
    printed = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    assert len(names) > 40 and "import of dns halted" in printed


@pytest.mark.parametrize(
    "lost", ["pc [AGE:3612300] 1200 A 192.0.2.1", "@ 1200 WINS L1 900 192.0.2.1", "out.example.com. 1200 A 192.0.2.1", "a..b 1200 ALIAS x"]
)
def test_the_ttl_of_a_line_that_is_left_out_is_stated_and_that_is_said(lost: str) -> None:
    text = f"@ 3600 SOA ns1 host 1 2 3 4 3600\nmail 3600 A 192.0.2.2\n{lost}\nwww A 192.0.2.3\nftp 60 A 192.0.2.4\nweb A 192.0.2.5\n"
    sets, left_out = read_source(text, {"format": "zone", "default_ttl": 3600}, ZONE, CANONICAL)
    ttls = {one.name: one.ttl for one in sets}
    assert (ttls["www.example.net."], ttls["web.example.net."]) == (1200, 60)
    (note,) = [one for one in left_out if one.kind == "note"]
    assert (note.record, note.type) == ("www", "A") and note.reason.startswith("has no TTL; 1200 of line 3, which is left out, is taken over (RFC 1035)")
