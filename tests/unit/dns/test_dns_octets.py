# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A value has the octets that its escapes stand for, with every version of the DNS library, and is written as it is read."""

from __future__ import annotations

from typing import Dict, List

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.rdata_client import canonical_text, presentation, read_value
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.record_types import TYPES, by_number
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.txt import quoted
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.values import present

ZONE = "example.net."
OCTETS = (b"\xc3\xbc", b"\xff", b"\x80\xc3", b"\x00", b'"', b"\\", b"a;b", b"a,b", b"(", b" ", b"\n")
STRINGS = ("string", "string?", "strings", "text")
OTHERS = {"u8": "0", "u16": "1", "tag": "issue", "host": "."}
NUMBERS = ("GPOS",)  # its strings are numbers, which RFC 1712 section 3 allows no other octet


def with_strings(kind: str, octets: bytes) -> str:
    """A value of a type with these octets in each of its strings."""
    kinds = [how for _name, how in TYPES[kind].fields]
    return " ".join(quoted(octets) if how in STRINGS else OTHERS[how] for how in kinds)


def types_with_strings() -> List[str]:
    return [kind for kind, row in TYPES.items() if kind not in NUMBERS and any(how in STRINGS for _name, how in row.fields)]


def test_the_types_with_character_strings_are_those_of_the_table() -> None:
    assert types_with_strings() == ["HINFO", "TXT", "X25", "ISDN", "NAPTR", "NINFO", "URI", "CAA", "AVC", "RESINFO", "WALLET", "SPF"]


@pytest.mark.parametrize("octets", OCTETS)
@pytest.mark.parametrize("kind", types_with_strings())
def test_an_octet_in_a_string_of_every_type_is_the_octet_that_its_escape_says(kind: str, octets: bytes) -> None:
    if dns.rdata.get_rdata_class(dns.rdataclass.IN, TYPES[kind].number) is dns.rdata.GenericRdata:
        pytest.skip(f"this version of dnspython has no {kind}")
    text = with_strings(kind, octets)
    value = read_value(by_number(kind), text, dns.name.root)
    count = sum(how in STRINGS for _name, how in TYPES[kind].fields)
    assert value.to_wire().count(octets) >= count
    assert presentation(value) == canonical_text(value) == text
    if kind != "TXT":
        assert present(kind, text, ZONE) == text


@pytest.mark.parametrize("kind", [kind for kind in types_with_strings() if kind not in ("RESINFO", "WALLET")])
def test_text_outside_ascii_is_the_same_with_and_without_escapes(kind: str) -> None:
    plain = with_strings(kind, b"|").replace("|", 'ü\\"')
    assert canonical_text(read_value(by_number(kind), plain, dns.name.root)) == with_strings(kind, b'\xc3\xbc"')


def counted(octets: bytes) -> bytes:
    return bytes([len(octets)]) + octets


def from_server(octets: bytes) -> Dict[str, bytes]:
    """Values as a server sends them."""
    return {
        "URI": b"\0\1\0\1" + octets,
        "CAA": b"\0" + counted(b"issue") + octets,
        "NAPTR": b"\0\1\0\1" + counted(octets) * 3 + counted(octets) + b"\0",
        "SVCB": b"\0\1\0" + b"\0\1" + bytes([0, len(octets) + 1]) + counted(octets),
        "HTTPS": b"\0\1\0" + b"\xf0\1" + bytes([0, len(octets)]) + octets,
        "MX": b"\0\1" + counted(octets) + b"\0",
        "TXT": counted(octets) * 2,
    }


@pytest.mark.parametrize("octets", OCTETS)
@pytest.mark.parametrize("kind", from_server(b""))
def test_what_a_server_sends_is_written_in_a_form_that_is_read_as_the_same_value(kind: str, octets: bytes) -> None:
    wire = from_server(octets)[kind]
    value = dns.rdata.from_wire("IN", dns.rdatatype.from_text(kind), wire, 0, len(wire))
    for text in (presentation(value), canonical_text(value)):
        again = read_value(by_number(kind), text, dns.name.root)
        assert again.to_wire() == wire
        assert canonical_text(again) == canonical_text(value)


def test_a_protocol_of_plain_letters_is_written_by_its_name() -> None:
    assert canonical_text(read_value("SVCB", "1 svc.example.com. alpn=h2,dot", dns.name.root)) == '1 svc.example.com. alpn="h2,dot"'


@pytest.mark.parametrize("text", [r'1 2 "\1" "" "" .', r'1 2 "\999" "" "" .', '1 2 "\udcff" "" "" .', r'1 2 "\" "" "" .'])
def test_an_escape_that_is_none_and_half_a_character_are_refused(text: str) -> None:
    with pytest.raises(dns.exception.DNSException):
        read_value("NAPTR", text, dns.name.root)
