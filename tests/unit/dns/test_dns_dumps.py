# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What octoDNS and dnscontrol write about a zone, read as record sets. The texts are theirs; none of them runs here."""

from __future__ import annotations

from typing import Any, Dict, Mapping

import pytest
from timing import AT_ONCE, Effort

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import Imported, take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.left_out import LeftOut
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient

ZONE = "example.net."
CANONICAL = WireClient(Server("192.0.2.53")).canonical
OCTODNS = r"""
---
? ''
: - {ttl: 300, type: A, values: [192.0.2.1, 192.0.2.2]}
  - type: CAA
    values: [{flags: 0, tag: issue, value: ca.example.com}]
  - type: NS
    values: [ns1.provider.example.com.]
  - {type: ALIAS, value: origin.provider.example.com.}
1: {type: PTR, value: host.example.com.}
'*.any': {type: CNAME, value: www.example.net.}
_sip._tcp:
  ttl: 600
  type: SRV
  values: [{priority: 12, weight: 20, port: 30, target: sip.example.net.}]
deleg: {type: DNAME, value: other.example.com.}
ds:
  - type: DS
    value: {key_tag: 1, algorithm: 13, digest_type: 2, digest: abababababababababababababababababababababababababababababababab}
  - {type: NS, value: ns.example.com.}
geo:
  geo: {AF: [192.0.2.8]}
  type: A
  value: 192.0.2.7
ignored: {octodns: {ignored: true}, type: A, value: 192.0.2.9}
loc:
  type: LOC
  value: {altitude: 20, lat_degrees: 31, lat_direction: S, lat_minutes: 58, lat_seconds: 52.1, long_degrees: 115,
          long_direction: E, long_minutes: 49, long_seconds: 11.7, precision_horz: 10, precision_vert: 2, size: 10}
mail:
  - type: AAAA
    value: 2001:db8::25
  - type: MX
    values: [{exchange: mx.example.net., preference: 10}, {value: mx2.example.net., priority: 20}]
naptr:
  type: NAPTR
  value:
    {flags: U, order: 100, preference: 10, service: SIP+D2U, replacement: .,
     regexp: '!^.*$!sip:info@example.net!'}
spf: {type: SPF, value: v=spf1 -all}
ssh:
  type: SSHFP
  value: {algorithm: 4, fingerprint: abababababababababababababababababababababababababababababababab, fingerprint_type: 2}
svc:
  - type: HTTPS
    value: {svcpriority: 1, targetname: ., svcparams: {alpn: [h2, h3], no-default-alpn: null, ipv4hint: [192.0.2.3]}}
tlsa:
  type: TLSA
  value:
    {certificate_usage: 3, selector: 1, matching_type: 1,
     certificate_association_data: abababababababababababababababababababababababababababababababab}
txt:
  type: TXT
  values:
    - v=DKIM1\; k=rsa\; p=abc
    - say "hi"
    - gr\195\188n
    - '"in " "two"'
    - c:\dir
uri._tcp: {type: URI, value: {priority: 1, weight: 2, target: "https://example.net/x"}}
url: {type: URLFWD, values: [{code: 302, masking: 2, path: /, query: 0, target: "http://www.example.net"}]}
"""
BOMB = "a: &c0 [x, x]\n" + "".join(f"b{n}: &c{n} [{f'*c{n - 1}, ' * 9}]\n" for n in range(1, 12))
TSV = """\
example.net	@	300	IN	SOA	ns1.provider.example.com. hostmaster.example.net. 1 3600 600 1209600 60
example.net	@	300	IN	NS	ns1.provider.example.com.
example.net	@	300	IN	A	192.0.2.1	cloudflare_proxy=true
www.example.net	www	60	IN	A	192.0.2.80
www.example.net	www	60	IN	A	192.0.2.81
txt.example.net	txt	60	IN	TXT	say "hi"	there; \\o/
old.example.net	old	60	IN	TXT	"in " "two \\"parts\\""
_x._tcp.example.net	_x._tcp	60	IN	SRV	0 5 443 www.example.net.
a.example.net	a	60	IN	CLOUDFLAREAPI_SINGLE_REDIRECT	x
www.example.org	www	60	IN	A	192.0.2.1
"""


def read(text: str, form: str) -> Imported:
    sets, left = read_source(text, {"format": form, "default_ttl": 3600}, ZONE, CANONICAL)
    found = take(ZONE, sets, CANONICAL)
    return Imported(found.record_sets, found.ttl, (*left, *found.left_out))


def shown(found: Imported) -> Dict[Any, Any]:
    return {(one["record"], one["type"]): one["value"] for one in found.record_sets}


def left(found: Imported) -> Mapping[Any, str]:
    return {(one.record, one.type): one.reason for one in found.left_out}


def test_a_proxy_and_answers_that_vary_are_told_from_what_is_lost() -> None:
    text = """
www: {type: A, value: 192.0.2.1, octodns: {cloudflare: {proxied: true}}}
api: {type: A, value: 192.0.2.1, octodns: {cloudflare: {proxied: false}}}
geo: {type: A, value: 192.0.2.7, geo: {AF: [192.0.2.8]}}
"@": {type: ALIAS, value: lb.example.com.}
old: {type: A, value: 192.0.2.9, octodns: {ignored: true}}
"""
    found = read(text, "octodns")
    assert {one.record: one.kind for one in found.left_out} == {"www": "proxied", "geo": "varies", "@": "lost", "old": "lost"}
    assert set(shown(found)) == {("www", "A"), ("api", "A"), ("geo", "A")}


@pytest.mark.parametrize("word", ["true", "on", "full"])
def test_a_proxy_in_a_tsv_file_is_named(word: str) -> None:
    found = read(f"www.example.net\twww\t60\tIN\tA\t192.0.2.1\tcloudflare_proxy={word}\n", "tsv")
    assert [(one.record, one.kind) for one in found.left_out] == [("www", "proxied")]


def test_every_type_of_octodns_is_read() -> None:
    found = shown(read(OCTODNS, "octodns"))
    assert found == {
        ("@", "A"): ["192.0.2.1", "192.0.2.2"],
        ("@", "CAA"): ['0 issue "ca.example.com"'],
        ("*.any", "CNAME"): ["www.example.net."],
        ("1", "PTR"): ["host.example.com."],
        ("_sip._tcp", "SRV"): ["12 20 30 sip.example.net."],
        ("deleg", "DNAME"): ["other.example.com."],
        ("ds", "DS"): ["1 13 2 " + "ab" * 32],
        ("ds", "NS"): ["ns.example.com."],
        ("geo", "A"): ["192.0.2.7"],
        ("loc", "LOC"): ["31 58 52.100 S 115 49 11.700 E 20.00m 10.00m 10.00m 2.00m"],
        ("mail", "AAAA"): ["2001:db8::25"],
        ("mail", "MX"): ["10 mx.example.net.", "20 mx2.example.net."],
        ("naptr", "NAPTR"): ['100 10 "U" "SIP+D2U" "!^.*$!sip:info@example.net!" .'],
        ("ssh", "SSHFP"): ["4 2 " + "ab" * 32],
        ("svc", "HTTPS"): ['1 . alpn="h2,h3" no-default-alpn ipv4hint="192.0.2.3"'],
        ("tlsa", "TLSA"): ["3 1 1 " + "ab" * 32],
        ("txt", "TXT"): ["c:\\dir", "grün", "in two", 'say "hi"', "v=DKIM1; k=rsa; p=abc"],
        ("uri._tcp", "URI"): ['1 2 "https://example.net/x"'],
    }


def test_what_is_octodns_own_is_named() -> None:
    found = left(read(OCTODNS, "octodns"))
    assert set(found) == {
        ("@", "ALIAS"),
        ("@", "NS"),
        ("geo", "A"),
        ("ignored", "A"),
        ("spf", "SPF"),
        ("url", "URLFWD"),
    }
    assert "only the default" in found["geo", "A"]
    assert "RFC 7208" in found["spf", "SPF"]


def test_the_ttl_is_that_of_the_record_or_the_default() -> None:
    ttls = {(one["record"], one["type"]): one["ttl"] for one in read(OCTODNS, "octodns").record_sets}
    assert (ttls["@", "A"], ttls["_sip._tcp", "SRV"], ttls["mail", "MX"]) == (300, 600, 3600)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "dictionary of names"),
        ("www: 192.0.2.1\n", "www: is not a record of octoDNS"),
        ("www: {type: A}\n", "www A: has no values"),
        ("mx: {type: MX, value: {preference: 10}}\n", "mx MX: .*is not a value of octoDNS"),
        ("a: [\n", "is not YAML that can be read"),
        ("a: !include other.yaml\n", "is not YAML that can be read"),
    ],
)
def test_what_is_no_octodns_file_is_refused(text: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        read(text, "octodns")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("value: 192.0.2.1, values: [192.0.2.2]", "has values and value, of which octoDNS takes values"),
        ("octodns: {excluded: [a]}, value: 192.0.2.2", "is marked as excluded for octoDNS, so only some of the providers have it"),
        ("octodns: {included: [a]}, value: 192.0.2.2", "is marked as included for octoDNS, so only some of the providers have it"),
    ],
)
def test_what_octodns_would_not_do_with_the_whole_record_is_named(entry: str, says: str) -> None:
    found = read(f"a: {{type: A, {entry}}}\n", "octodns")
    assert shown(found)["a", "A"] == ["192.0.2.2"]
    assert [(one.record, one.reason, one.kind) for one in found.left_out] == [("a", says, "note")]


def test_a_quoted_text_that_is_not_utf_8_is_left_out_with_its_reason() -> None:
    rows = 'a.example.net\ta\t60\tIN\tTXT\t"x\udcaf"\nb.example.net\tb\t60\tIN\tTXT\t"x\ud800"\n'
    assert {one.record: one.reason for one in read(rows, "tsv").left_out} == {
        "a": r'has a value, "x\175", that is not plain text; see txt_transformation',
        "b": "has a text with half a character (line 2)",
    }


def test_a_type_of_a_tsv_file_may_be_in_lower_case() -> None:
    assert list(shown(read("a.example.net\ta\t60\tIN\ta\t192.0.2.1\n", "tsv"))) == [("a", "A")]


def test_a_ttl_of_one_second_in_a_dump_is_named() -> None:
    rows = "".join(f"{one}.example.net\t{one}\t1\tIN\tA\t192.0.2.1\n" for one in "abc")
    assert [one.reason[:43] for one in read(rows, "tsv").left_out] == ["has a TTL of 1 second, as have 2 other sets"]


def test_a_value_that_dns_does_not_allow_is_left_out_with_its_place() -> None:
    found = left(read("www: {type: A, value: 192.0.2.300}\nx: {type: CNAME, value: a.b.c}\n", "octodns"))
    assert found["www", "A"] == "(www A) is not an IPv4 address"
    assert "with its final dot" in found["x", "CNAME"]


def test_the_lines_of_dnscontrol_are_read() -> None:
    assert shown(read(TSV, "tsv")) == {
        ("@", "A"): ["192.0.2.1"],
        ("www", "A"): ["192.0.2.80", "192.0.2.81"],
        ("txt", "TXT"): ['say "hi"\tthere; \\o/'],
        ("old", "TXT"): [["in ", 'two "parts"']],
        ("_x._tcp", "SRV"): ["0 5 443 www.example.net."],
    }


def test_what_is_dnscontrols_or_the_providers_own_is_named() -> None:
    found = left(read(TSV, "tsv"))
    assert set(found) == {
        ("@", "SOA"),
        ("@", "NS"),
        ("@", "A"),
        ("a", "CLOUDFLAREAPI_SINGLE_REDIRECT"),
        ("www.example.org", "A"),
    }
    assert "proxy" in found["@", "A"]


@pytest.mark.parametrize("key", ["on", "off", "yes", "true", "null", "12", "0x10", "1_000", "010"])
def test_a_name_of_octodns_is_read_as_it_is_written(key: str) -> None:
    assert list(shown(read(f"{key}: {{type: TXT, value: x}}\n", "octodns"))) == [(key, "TXT")]


def test_a_name_of_octodns_is_relative_whatever_it_ends_in() -> None:
    sets, _left = read_source("www.example.net: {type: A, value: 192.0.2.1}\n", {"format": "octodns", "default_ttl": 60}, ZONE, CANONICAL)
    assert [rrset.name for rrset in sets] == ["www.example.net.example.net."]


def test_a_value_of_octodns_is_read_as_it_is_written() -> None:
    text = "t: {type: TXT, values: [on, 1.10, 0x1f, 2024-01-01, 2024-99-99, 12:30, 1e3]}\nn: {type: A, ttl: 60, value: 192.0.2.1}\n"
    found = shown(read(text, "octodns"))
    assert set(found["t", "TXT"]) == {"on", "1.10", "0x1f", "2024-01-01", "2024-99-99", "12:30", "1e3"}


def test_only_what_is_marked_as_ignored_is_ignored() -> None:
    entry = "{octodns: {ignored: %s}, type: A, value: 192.0.2.1}\n"
    assert shown(read("a: " + entry % "false", "octodns")) and not shown(read("a: " + entry % "yes", "octodns"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: {type: A, ttl: 2024-99-99, value: 192.0.2.1}\n", "^a A, ttl: expected a whole number from 0 to 2147483647, got '2024-99-99'"),
        ("a: {type: A, ttl: 4294967295, value: 192.0.2.1}\n", "^a A, ttl: expected a whole number"),
        ("a: {type: TXT, value: null}\n", "^a TXT: has no values"),
        ("a: {type: TXT, values: [null]}\n", "^a TXT: None is not a value of octoDNS"),
        ("a: {type: TXT, value: {b: c}}\n", "^a TXT: a dict of 1 is not a value of octoDNS"),
        ("a: {type: A, value: 192.0.2.1}\na: {type: A, value: 192.0.2.2}\n", "line 2: .* the key .*a.* is there twice"),
        ("a: " + "[" * 1200 + "\n", "nest(ed|ing)"),
        ("a: " + "{b: " * 1200 + "\n", "nest(ed|ing)"),
        (BOMB, "more than 500000 entries"),
        ("a: &a [*a]\n", "part of itself"),
        ('"x\\ny: \\"{{ 1 }}\\"": {type: ODD, value: x}\n', "^the key: expected the text of a name or a type without control characters"),
        ('a: {type: "A\\u2028b", value: x}\n', "^a: the type: expected the text"),
        ("a: " + "x" * 9_000_000 + "\n", "8388608"),
    ],
)
def test_what_no_octodns_file_has_is_refused_at_once(effort: Effort, text: str, says: str) -> None:
    def refused() -> None:
        with pytest.raises(Refused, match=says):
            read(text, "octodns")

    assert effort(refused) < AT_ONCE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.example.net\ta\t\u00b2\tIN\tA\t192.0.2.1\n", "^Line 1, TTL: expected a whole number"),
        ("\na.example.net\ta\t4294967295\tIN\tA\t192.0.2.1\n", "^Line 2, TTL: expected a whole number from 0 to 2147483647"),
        ("a\x85b.example.net\ta\t60\tIN\tODD\tx\n", "^Line 1: expected the text of a name or a type without control"),
        ("a.example.net\ta\u2028b\t60\tIN\tODD\tx\n", "^Line 1: expected the text of a name"),
        ("a.example.net\ta\t60\tIN\tA\x1bB\tx\n", "^Line 1: expected the text of a name"),
        ("\n" * 300_000, "more than 250000 lines"),
        ("x" * 17_000_000, "16777216"),
    ],
)
def test_what_no_file_of_dnscontrol_has_is_refused_at_once(effort: Effort, text: str, says: str) -> None:
    def refused() -> None:
        with pytest.raises(Refused, match=says):
            read(text, "tsv")

    assert effort(refused) < AT_ONCE


def test_a_file_of_dnscontrol_may_have_a_mark_at_its_beginning_and_the_line_ends_of_windows() -> None:
    found = shown(read("\ufeff" + TSV.replace("\n", "\r\n"), "tsv"))
    assert found == shown(read(TSV, "tsv"))


def test_the_lowest_of_several_ttls_is_taken_and_named() -> None:
    text = "a.example.net\ta\t300\tIN\tA\t192.0.2.1\na.example.net\ta\t60\tIN\tA\t192.0.2.2\n"
    found = read(text, "tsv")
    assert [one["ttl"] for one in found.record_sets] == [60]
    assert left(found)["a", "A"].startswith("has values with different TTLs (60, 300)")


def test_another_file_is_not_taken_for_one_of_dnscontrol() -> None:
    with pytest.raises(Refused, match="Line 1: is not of the form"):
        read("www 60 IN A 192.0.2.1\n", "tsv")


def test_what_was_left_out_of_a_dump_prints_on_one_line() -> None:
    left = LeftOut("a\nb", "TXT\U00083309", "has\x1b[2J a name")
    assert (left.record, left.type, left.reason) == ("a\\nb", "TXT\\U00083309", "has\\x1b[2J a name")
