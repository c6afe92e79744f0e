# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server would take and nobody can have meant is refused, with what was probably meant."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from servers import fleet, zone
from test_dns_losses import API, WWW, ZONE, decisions, evidence
from test_dns_types import CANONICAL

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import txt
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import as_sets, take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.unused_decisions import unused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.record_types import BadValue, known_type, type_name
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.values import present

SPF = '"v=spf1 include:_spf.example.com -all"'
OCTETS, NIBBLES = "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"
WHOLE = ".".join("b000" + "0" * 20)


def problems(name: str, *records: Dict[str, Any]) -> List[str]:
    written = {name: {"primary": "ns1", "records": list(records), "hosts": False}}
    return [str(one) for one in resolve(fleet(dns_zones={**zone(), **written})).problems]


@pytest.mark.parametrize("text", [SPF, f" {SPF} ", '"v=DKIM1; k=rsa; " "p=abc"', '"MS=ms123"', '"google-site-verification=a"'])
def test_a_text_in_quotes_inside_of_quotes_is_refused_and_kept_where_a_zone_has_it(text: str) -> None:
    with pytest.raises(BadValue, match="in quotes inside of quotes.* leave the inner ones out"):
        txt.write(text)
    (found,) = problems("example.net", {"record": "@", "type": "TXT", "value": [text]})
    assert "in quotes inside of quotes" in found
    held = txt.write([text])
    assert txt.read(held) == [text] and txt.write(txt.read(held)) == held
    (entry,) = take(ZONE, [RRset(ZONE, "TXT", 60, frozenset([held]))], CANONICAL).record_sets
    assert as_sets(ZONE, [entry], CANONICAL)[0].values == {held}


@pytest.mark.parametrize("text", ["v=spf1 -all", 'say "x=1" twice', '"', '""', '"quoted"', 'a="b"'])
def test_other_quotes_are_part_of_the_text(text: str) -> None:
    assert txt.read(txt.write(text)) == text


@pytest.mark.parametrize(
    ("name", "record", "says"),
    [
        (OCTETS, "www", "'www' is not a number from 0 to 255"),
        (OCTETS, "256", "'256' is not a number"),
        (OCTETS, "010", "'010' is not a number"),
        (OCTETS, "1.10", "it has 5 of 4 parts"),
        ("0/26.2.0.192.in-addr.arpa", "www", "'www' is not a number"),
        (NIBBLES, "1", "it has 9 of 32 parts"),
        (NIBBLES, "b0.0", "'b0' is not one hexadecimal digit"),
        (NIBBLES, f"0.{WHOLE}", "it has 33 of 32 parts"),
    ],
)
def test_a_pointer_at_what_is_not_the_name_of_an_address_is_refused(name: str, record: str, says: str) -> None:
    (found,) = problems(name, {"record": record, "type": "PTR", "value": ["www.example.net."]})
    assert "is not the name of an address" in found and says in found
    owner = f"{record}.{name}."
    left = take(f"{name}.", [RRset(owner, "PTR", 60, frozenset(["www.example.net."]))], CANONICAL)
    assert not left.record_sets and says in left.left_out[0].reason, "an import writes nothing that the inventory refuses"


@pytest.mark.parametrize(
    ("name", "record"),
    [
        (OCTETS, "10"),
        (OCTETS, "@"),
        (OCTETS, "10.0/26"),
        (OCTETS, "*"),
        (OCTETS, "b._dns-sd._udp.0"),
        ("0/26.2.0.192.in-addr.arpa", "10"),
        ("customer.2.0.192.in-addr.arpa", "10"),
        ("0.192.in-addr.arpa", "2"),
        (NIBBLES, WHOLE),
        ("example.net", "_http._tcp"),
    ],
)
def test_a_pointer_that_somebody_asks_for_is_not_refused(name: str, record: str) -> None:
    assert not problems(name, {"record": record, "type": "PTR", "value": ["www.example.net."]})


@pytest.mark.parametrize(
    ("kind", "value"),
    [("MX", "10 192.0.2.1."), ("NS", "192.0.2.1."), ("SRV", "0 5 443 192.0.2.1."), ("CNAME", "192.0.2.1."), ("PTR", "192.0.2.1.")],
)
def test_an_address_in_the_place_of_a_name_is_refused(kind: str, value: str) -> None:
    name, record = (OCTETS, "10") if kind == "PTR" else ("example.net", "a")
    (found,) = [one for one in problems(name, {"record": record, "type": kind, "value": [value]}) if "is an address" in one]
    assert "192.0.2.1., which is an address" in found


def test_a_pointer_leads_to_a_host_and_not_back_to_an_address() -> None:
    (found,) = problems(OCTETS, {"record": "10", "type": "PTR", "value": ["11"]})
    assert "11.2.0.192.in-addr.arpa., which is the name of an address" in found


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("HTTPS", "1 . alpm=h2", "'alpm', which is not registered .*; did you mean alpn"),
        ("SVCB", "1 . key65535=x", "'key65535', which is not registered"),
        ("SVCB", "1 . key007=x", "'key007', which is not registered"),
        ("HTTPS", "1 . alpn=h2 ALPN=h3", "'alpn' twice"),
        ("LOC", "52 22 23 N 4 53 32 E", "has no altitude"),
        ("LOC", "52 N 4 E", "has no altitude"),
        ("LOC", "91 N 4 E 0m", "latitude that is not from 0 to 90"),
        ("LOC", "90 0 1 N 4 E 0m", "latitude that is not from 0 to 90"),
        ("LOC", "52 N 4 60 E 0m", "longitude"),
        ("LOC", "52 N 4 E high", "'high' where a length"),
        ("LOC", "52 N 4 E 0m 1m 1m 1m 1m", "where a length"),
        ("LOC", "Amsterdam", "RFC 1876"),
    ],
)
def test_a_parameter_or_a_place_that_is_none_is_refused(kind: str, value: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        present(kind, value, ZONE)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("HTTPS", value) for value in ("1 . key65280=x key9", '1 . alpn="h2,h3" no-default-alpn port=8443')),
        *(("LOC", value) for value in ("52 N 4 E -10", "90 S 180 W 0m 1m 1m 1m")),
        ("SVCB", "0 ."),
    ],
)
def test_what_the_standards_allow_is_not_refused(kind: str, value: str) -> None:
    assert CANONICAL(kind, present(kind, value, ZONE))


@pytest.mark.parametrize("kind", ["ALIAS", "aname", "URL301"])
def test_a_type_of_a_providers_own_is_named_as_one(kind: str) -> None:
    with pytest.raises(BadValue, match="is a provider's own type, .* write"):
        type_name(kind)


@pytest.mark.parametrize("kind", ["MAILC", "AXFRR", "RRSIGN", "SOAP", "TSIGG", "MFF"])
def test_a_type_that_is_near_is_one_that_may_be_written(kind: str) -> None:
    with pytest.raises(BadValue) as refused:
        known_type(kind)
    hint = str(refused.value).partition("did you mean ")[2].partition("?")[0]
    assert not hint or type_name(hint) == hint


def test_a_decision_about_nothing_is_named_with_what_is_near() -> None:
    chosen = decisions({"record": "wwww", "type": "A", "publish": "nothing"}, {"record": "zzz", "type": "A", "publish": "value", "value": ["192.0.2.9"]})
    first, second = unused(ZONE, evidence({WWW: "192.0.2.1"}, {WWW: "192.0.2.1"}), chosen)
    assert first == "wwww A: neither the source nor an old server has it, so the decision has no effect. There is www."
    assert second == "zzz A: neither the source nor an old server has it, so the decision adds a record set."
    (third,) = unused(ZONE, evidence({WWW: "192.0.2.1"}), decisions({"record": "www", "type": "AAAA", "publish": "nothing"}))
    assert third.endswith("There is A.")


def test_a_decision_about_what_is_there_or_in_doubt_is_not_named() -> None:
    entries = [{"record": "www", "type": "A", "publish": "nothing"}, {"record": "api", "type": "A", "publish": "answer"}]
    also = {"record": "www", "type": "AAAA", "publish": "value", "value": ["2001:db8::1"]}
    assert not unused(ZONE, evidence({}, {WWW: "192.0.2.1", API: "192.0.2.2"}), decisions(*entries, also))


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("A", r"\# 4 c0000201 ) ; x", "number of octets and their hexadecimal digits"),
        ("A", r"\# 5 c0000201", "number of octets and their hexadecimal digits"),
        ("TYPE65280", r"\# 2 abc", "number of octets and their hexadecimal digits"),
        ("TYPE65280", r"\#2 abcd", "number of octets and their hexadecimal digits"),
        ("TYPE65280", "abcd", "not in the generic form of RFC 3597"),
        ("TYPE65280", "$INCLUDE /etc/passwd", "not in the generic form of RFC 3597"),
        ("URI", '1 1 "a""b"', "has a quote within its target"),
        ("CAA", '0 issue "a"b"c"', "has a quote within its value"),
        ("URI", '1 1 "a\x00b"', "has a control character"),
        ("HINFO", '"a" "\x1b[2J"', "has a control character"),
    ],
)
def test_what_no_server_could_read_is_refused_before_it_gets_there(kind: str, value: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        present(kind, value, ZONE)
    (found,) = problems("example.net", {"record": "x", "type": kind, "value": [value]})
    assert says in found


@pytest.mark.parametrize("value", [r"\# 0", r"\# 2 ABCD", "\\#  2  AB\tcd", r"\# 4 abcd ef01"])
def test_the_generic_form_is_taken_as_it_is_written(value: str) -> None:
    assert present("TYPE65280", value, ZONE) == value
