# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single values put in and taken out, against a real BIND and a real Knot."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

import dns.message
import dns.query
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.update
import pytest
from asking import ZONE, at, entry, names, raw, write

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Result
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_some
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values_client import converge_values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient


def put(client: WireClient, record: str, kind: str, *values: str, ttl: Optional[int] = None, check: bool = False) -> Result:
    return some(client, record, kind, values, ttl, "present", check)


def take(client: WireClient, record: str, kind: str, *values: str, check: bool = False) -> Result:
    return some(client, record, kind, values, None, "absent", check)


def some(client: WireClient, record: str, kind: str, values: Any, ttl: Optional[int], state: str, check: bool) -> Result:
    options = {"record": record, "type": kind, "values": list(values), "ttl": ttl, "state": state}
    return converge_values(client, ZONE, read_some(ZONE, options, client.canonical), check)


KINDS = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "AAAA": ("2001:db8::1", "2001:DB8:0::2"),
    "MX": ("10 ns1", "20 mail.example.com."),
    "TXT": ('say "hi" \\ there', "k" * 700),
    "SRV": ("0 5 443 ns1", "1 5 443 ns1"),
    "CAA": ('0 issue "ca.example.net"', "0 iodef mailto:a@example.net"),
    "NS": ("ns1", "ns.example.com."),
    "PTR": ("ns1", "host.example.com."),
    "SSHFP": ("4 2 " + "AB" * 32, "1 2 " + "cd" * 32),
    "TLSA": ("3 1 1 " + "AB" * 32, "3 1 1 " + "ef" * 32),
    "DS": ("12345 13 2 " + "ab" * 32, "12346 13 2 " + "cd" * 32),
    "HTTPS": ("1 . alpn=h2", "2 svc.example.com. port=8443"),
    "SVCB": ("1 svc.example.com. alpn=dot", "2 . ipv4hint=192.0.2.1"),
    "NAPTR": ('100 10 "U" "E2U+sip" "!^.*$!sip:i@example.net!" .', '100 20 "S" "SIP+D2U" "" _sip._udp.example.net.'),
    "AFSDB": ("1 db1", "2 db2"),
    "KX": ("10 mail", "20 mail"),
    "RP": ("admin .", "admin txt"),
    "IPSECKEY": ("10 3 2 gw AQNR", "10 1 2 192.0.2.1 AQNR"),
    "APL": ("1:192.0.2.0/24", "2:2001:db8::/32"),
    "CERT": ("PKIX 1 8 YWJj", "PGP 2 8 YWJj"),
    "CSYNC": ("66 3 A NS", "67 3 A NS"),
    "DHCID": ("AAIBY2/FuCJdmYU=", "AAIBY2/AuCJdmYU="),
    "EUI48": ("00-00-5e-00-53-2a", "00-00-5e-00-53-2b"),
    "EUI64": ("00-00-5e-ef-10-00-00-2a", "00-00-5e-ef-10-00-00-2b"),
    "HINFO": ('PC "Debian 13"', 'PC "Debian 12"'),
    "KEY": ("512 3 13 " + "YWJj" * 16 + "YWJjYWJjYWJjYWJjYWJjYQ==", "512 3 13 " + "ZGVm" * 16 + "YWJjYWJjYWJjYWJjYWJjYQ=="),
    "OPENPGPKEY": ("YWJj", "ZGVm"),
    "SMIMEA": ("3 1 1 " + "AB" * 32, "3 1 1 " + "ef" * 32),
    "URI": ("10 1 https://example.net/", "20 1 https://example.net/"),
    "LOC": ("52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "1 2 3.000 S 4 5 6.000 W 0.00m"),
    "TYPE65280": (r"\# 2 ABCD", r"\# 0"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_every_type_is_added_and_removed_and_the_other_stays(server: Any, kind: str) -> None:
    if kind == "KEY" and dns.rdata.get_rdata_class(dns.rdataclass.IN, dns.rdatatype.KEY) is dns.rdata.GenericRdata:
        pytest.skip("this version of dnspython reads KEY in the generic form only")
    client, name = server.client(), next(names)
    if kind == "DS":
        write(client, entry(name, "NS", "ns1"))
    one, two = KINDS[kind]
    assert put(client, name, kind, one).steps == (f"create {name}.{ZONE} {kind}",)
    said = put(client, name, kind, two, check=True)
    done = put(client, name, kind, two)
    assert said.steps == done.steps == (f"add a value to {name}.{ZONE} {kind}",)
    assert said.after == done.after
    assert not put(client, name, kind, two).changed and not put(client, name, kind, one).changed
    assert take(client, name, kind, one).steps == (f"remove a value from {name}.{ZONE} {kind}",)
    assert not take(client, name, kind, one).changed
    assert len((at(client, name, kind) or {})["value"]) == 1
    assert take(client, name, kind, two).steps == (f"delete {name}.{ZONE} {kind}",)
    assert at(client, name, kind) is None


OCTETS = {
    "CAA": r'0 issue "ca.example.net; note=\195\188\255"',
    "HINFO": r'"\195\188" "\255"',
    "NAPTR": r'1 2 "s" "\195\188" "!^.*$!\255!" .',
    "URI": r'1 2 "https://example.net/\195\188\255"',
}


@pytest.mark.parametrize("kind", OCTETS)
def test_octets_above_127_in_a_value_are_those_that_are_written(server: Any, kind: str) -> None:
    client, name = server.client(), next(names)
    put(client, name, kind, OCTETS[kind])
    question = dns.message.make_query(f"{name}.{ZONE}", kind)
    (answer,) = dns.query.tcp(question, "127.0.0.1", port=server.port, timeout=5).answer
    assert answer[0].to_wire().count(b"\xc3\xbc") == answer[0].to_wire().count(b"\xff") == 1
    assert (at(client, name, kind) or {})["value"] == [OCTETS[kind]]
    assert not put(client, name, kind, OCTETS[kind]).changed
    assert take(client, name, kind, OCTETS[kind]).changed and at(client, name, kind) is None


def test_a_new_value_takes_the_ttl_of_its_set_and_a_named_one_is_for_all(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1", ttl=77))
    put(client, name, "A", "192.0.2.2")
    assert at(client, name, "A") == {"ttl": 77, "value": ["192.0.2.1", "192.0.2.2"]}
    put(client, name, "A", "192.0.2.3", ttl=60)
    assert at(client, name, "A") == {"ttl": 60, "value": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]}
    assert put(client, name, "A", "192.0.2.3", ttl=61).steps == (f"set the TTL of {name}.{ZONE} A",)
    take(client, name, "A", "192.0.2.1", "192.0.2.2")
    assert at(client, name, "A") == {"ttl": 61, "value": ["192.0.2.3"]}
    put(client, next(names), "A", "192.0.2.1")


def test_a_value_of_several_strings_stays_so_and_plain_text_is_it_in_any_strings(server: Any) -> None:
    client, name = server.client(), next(names)
    service = ["txtvers=1", "u=root", "p="]
    options = {"record": name, "type": "TXT", "values": [service, ["v=spf1 include:a.example ", "-all"]], "ttl": None}
    converge_values(client, ZONE, read_some(ZONE, {**options, "state": "present"}, client.canonical))
    assert service in (at(client, name, "TXT") or {})["value"]
    assert not put(client, name, "TXT", "v=spf1 include:a.example -all").changed
    assert take(client, name, "TXT", "v=spf1 include:a.example -all").changed
    assert (at(client, name, "TXT") or {})["value"] == [service]


def test_several_values_are_one_step(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "TXT", "stays"))
    assert put(client, name, "TXT", "a", "b", "stays").steps == (f"add 2 values to {name}.{ZONE} TXT",)
    assert take(client, name, "TXT", "a", "b", "c").steps == (f"remove 2 values from {name}.{ZONE} TXT",)
    assert (at(client, name, "TXT") or {})["value"] == ["stays"]


def test_a_second_cname_and_a_value_beside_one_are_refused(server: Any) -> None:
    client, name = server.client(), next(names)
    put(client, name, "CNAME", "ns1")
    assert not put(client, name, "CNAME", "ns1").changed
    with pytest.raises(Refused, match="one value only. To replace it, use dns_record_set"):
        put(client, name, "CNAME", "x.example.com.")
    with pytest.raises(Refused, match="cannot have a CNAME beside A"):
        put(client, name, "A", "192.0.2.1")
    assert not take(client, name, "CNAME", "x.example.com.").changed
    assert take(client, name, "CNAME", "ns1").changed
    write(client, entry(name, "A", "192.0.2.1"))
    with pytest.raises(Refused, match="cannot have a CNAME beside A"):
        put(client, name, "CNAME", "ns1")


def test_the_last_nameserver_of_the_zone_stays(server: Any) -> None:
    client = server.client()
    write(client, entry("@", "NS", "ns1"))
    assert put(client, "@", "NS", "ns.example.com.").changed
    assert take(client, "@", "NS", "ns.example.com.").changed
    with pytest.raises(Refused, match="cannot be deleted"):
        take(client, "@", "NS", "ns1")
    assert put(client, "@", "NS", "ns1", ttl=299).changed and put(client, "@", "NS", "ns1", ttl=300).changed


def test_a_value_is_removed_however_its_letters_are_written(server: Any) -> None:
    client, name = server.client(), next(names)
    raw(
        server,
        (f"{name}.{ZONE}", 300, "MX", "10 MAIL.Example.COM."),
        (f"{name}.{ZONE}", 300, "MX", "20 b.example.com."),
    )
    assert not put(client, name, "MX", "10 mail.example.com.").changed
    assert take(client, name, "MX", "10 mail.example.com.").changed
    assert (at(client, name, "MX") or {})["value"] == ["20 b.example.com."]


@pytest.mark.parametrize("ttl", [None, 60])
def test_eight_rivals_add_and_remove_on_one_name_and_every_one_gets_what_it_asked(server: Any, ttl: Optional[int]) -> None:
    """As ACME clients do: each adds its own value, sees it there, and takes it away; a stranger's stays throughout."""
    name, rounds = next(names), 10
    write(server.client(), entry(name, "TXT", "stranger", ttl=60))
    barrier = threading.Barrier(8)

    def rival(number: int) -> int:
        client, good = server.client(), 0
        for round_ in range(rounds):
            barrier.wait(timeout=60)
            mine = f"r{number}-{round_}"
            put(client, name, "TXT", mine, ttl=ttl)
            good += mine in (at(client, name, "TXT") or {})["value"]
            take(client, name, "TXT", mine)
            good += mine not in (at(client, name, "TXT") or {})["value"]
        return good

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rival, range(8))) == [2 * rounds] * 8
    assert at(server.client(), name, "TXT") == {"ttl": 60, "value": ["stranger"]}


def test_eight_rivals_create_one_set_together(server: Any) -> None:
    barrier = threading.Barrier(8)

    def rival(job: Any) -> bool:
        number, name = job
        barrier.wait(timeout=60)
        return put(server.client(), name, "A", f"192.0.2.{number + 1}").changed

    with ThreadPoolExecutor(8) as pool:
        for _round in range(5):
            name = next(names)
            assert all(pool.map(rival, [(number, name) for number in range(8)]))
            assert len((at(server.client(), name, "A") or {})["value"]) == 8


def test_a_lost_answer_is_looked_for(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1"))
    real = client._transmit

    def lose(message: Any) -> Any:
        answer = real(message)
        if isinstance(message, dns.update.UpdateMessage):
            put(server.client(), name, "A", "192.0.2.9")
            raise EOFError("cut")
        return answer

    monkeypatch.setattr(client, "_transmit", lose)
    assert put(client, name, "A", "192.0.2.2").changed
    monkeypatch.undo()
    assert (at(client, name, "A") or {})["value"] == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]
