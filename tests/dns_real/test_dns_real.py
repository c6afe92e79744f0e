# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules' own way of writing DNS, against a real BIND and a real Knot."""

from __future__ import annotations

import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, List

import dns.flags
import dns.message
import dns.query
import dns.update
import pytest
from asking import ZONE, at, entry, failure_of, names, raw, write

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Change, Group, Key, Message, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.contents_client import MANY
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update import apply_client as dns_apply
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries, read_values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient

KINDS = {
    "A": (["192.0.2.1", "192.0.2.2"], ["192.0.2.3"]),
    "AAAA": (["2001:DB8:0::1"], ["2001:db8::2", "2001:db8::3"]),
    "CNAME": (["ns1"], ["x.example.com."]),
    "MX": (["10 ns1", "20 mail.example.com."], ["0 ."]),
    "NS": (["ns1", "ns.example.com."], ["ns1"]),
    "TXT": (["v=spf1 -all", 'say "hi" \\ there', "", "k" * 700, "grüße"], ["one"]),
    "SRV": (["0 5 443 ns1", "1 5 443 ns1"], ["0 5 8443 ns1"]),
    "CAA": (['0 issue "ca.example.net"', "0 iodef mailto:a@example.net"], ["128 issue ;"]),
    "PTR": (["ns1"], ["host.example.com."]),
    "SSHFP": (["4 2 " + "AB" * 32], ["1 2 " + "cd" * 32]),
    "TLSA": (["3 1 1 " + "AB" * 32], ["3 1 1 " + "ef" * 32]),
    "DS": (["12345 13 2 " + "AB" * 32], ["12346 13 2 " + "cd" * 32, "12346 13 4 " + "cd" * 48]),
    "DNAME": (["ns1"], ["x.example.com."]),
    "TYPE65280": ([r"\# 2 ABCD"], [r"\# 0"]),
    "EUI48": ([r"\# 6 00005E005301"], [r"\# 6 00005E005302"]),
    "TYPE1": ([r"\# 4 C0000201"], ["192.0.2.2"]),
    "SVCB": (["1 svc.example.com. alpn=dot port=853"], ["0 other.example.com.", "2 . ipv6hint=2001:db8::1"]),
    "HTTPS": (["1 . alpn=h2,h3 ipv4hint=192.0.2.1"], ["0 svc.example.com."]),
    "URI": (['10 1 "https://example.net/"'], ['10 1 "https://example.org/  a"']),
    "CERT": (["PKIX 1 8 AQIDBA=="], ["PGP 0 0 AQID"]),
    "HINFO": (['"a  b" "c"'], ["x y"]),
    "RP": (["a.example.net. t.example.net."], [". ."]),
    "OPENPGPKEY": (["AQIDBA=="], ["AQIDBQ=="]),
    "SMIMEA": (["3 0 1 " + "ab" * 32], ["3 1 1 " + "cd" * 32]),
    "NAPTR": (
        ['100 10 "U" "E2U+sip" "!^.*$!sip:info@example.net!" .'],
        ['100 10 "S" "SIP+D2U" "" _sip._udp.example.net.'],
    ),
    "LOC": (["52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"], ["1 2 3.000 S 4 5 6.000 W 0.00m"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_created_replaced_and_deleted_and_each_second_run_is_silent(server: Any, kind: str) -> None:
    client, name = server.client(), next(names)
    held_as = "A" if kind == "TYPE1" else kind
    if kind == "DS":
        write(client, entry(name, "NS", "ns1"))
    for values in KINDS[kind]:
        assert write(client, entry(name, kind, *values)).changed
        again = write(client, entry(name, kind, *values))
        assert (again.changed, again.rcode) == (False, None)
        assert len((at(client, name, held_as) or {})["value"]) == len(values)
    assert write(client, entry(name, kind, state="absent")).changed
    assert not write(client, entry(name, kind, state="absent")).changed
    assert at(client, name, held_as) is None


def test_text_comes_back_as_it_was_given(server: Any) -> None:
    client, name = server.client(), next(names)
    texts = sorted(["a" * 256, 'quo"te', "back\\slash", "", "semi;colon", "grüße", "two  blanks"])
    write(client, entry(name, "TXT", *texts))
    assert (at(client, name, "TXT") or {})["value"] == texts


def test_special_names_work(server: Any) -> None:
    client = server.client()
    for record in ("@", "*.wild", "_dmarc", "bücher", f"deep.er.{next(names)}"):
        assert write(client, entry(record, "TXT", "x")).changed
        assert not write(client, entry(record, "TXT", "x")).changed
        assert write(client, entry(record, "TXT", state="absent")).changed


def test_deleting_a_set_leaves_other_types_and_names(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1"), entry(name, "TXT", "stays"), entry(f"x.{name}", "A", "192.0.2.2"))
    write(client, entry(name, "A", state="absent"))
    assert at(client, name, "TXT") and at(client, f"x.{name}", "A")


def test_absent_with_one_value_deletes_nothing_else_when_asked_to_keep(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"))
    kept = write(client, entry(name, "A", "192.0.2.1", state="absent"), on_existing=lambda _: "keep")
    assert not kept.changed
    assert len((at(client, name, "A") or {})["value"]) == 3


def test_another_ttl_alone_is_written(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1", ttl=300))
    assert write(client, entry(name, "A", "192.0.2.1", ttl=5)).steps == (f"set the TTL of {name}.example.net. A",)
    assert at(client, name, "A") == {"ttl": 5, "value": ["192.0.2.1"]}


def test_a_cname_beside_an_address_is_an_error_and_not_a_silent_success(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1"))
    with pytest.raises(Refused, match="cannot have a CNAME beside A"):
        write(client, entry(name, "CNAME", "ns1"))
    other = next(names)
    write(client, entry(other, "CNAME", "ns1"))
    with pytest.raises(Refused, match="cannot have a CNAME beside A"):
        write(client, entry(other, "A", "192.0.2.1"))


def test_an_address_and_a_cname_change_places_in_one_message(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1"))
    there = write(client, entry(name, "A", state="absent"), entry(name, "CNAME", "ns1"))
    assert (there.messages, at(client, name, "A")) == (1, None)
    back = write(client, entry(name, "A", "192.0.2.1"), entry(name, "CNAME", state="absent"))
    assert (back.messages, at(client, name, "CNAME")) == (1, None)


def test_the_zones_own_nameservers_are_replaced_and_never_lost(server: Any) -> None:
    client = server.client()
    assert write(client, entry("@", "NS", "ns.example.com.", ttl=600)).after[ZONE, "NS"].values == {"ns.example.com."}
    assert write(client, entry("@", "NS", "ns1", ttl=300)).changed
    assert not write(client, entry("@", "NS", "ns1", ttl=300)).changed
    with pytest.raises(Refused, match="cannot be deleted"):
        write(client, entry("@", "NS", state="absent"))


def test_the_ttl_of_the_zones_own_nameservers_can_change(server: Any) -> None:
    client = server.client()
    write(client, entry("@", "NS", "ns1", "ns.example.com.", ttl=300))
    assert write(client, entry("@", "NS", "ns1", "ns.example.com.", ttl=60)).changed
    assert write(client, entry("@", "NS", "ns1", ttl=300)).changed


def test_a_delegation_takes_a_second_nameserver_and_its_glue(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "NS", "ns1"))
    both = [entry(name, "NS", "ns1", f"ns.{name}.{ZONE}"), entry(f"ns.{name}", "A", "192.0.2.9")]
    assert write(client, *both).changed
    assert not write(client, *both).changed
    assert write(client, entry(name, "NS", state="absent")).changed


def test_letters_of_another_writer_do_not_matter(server: Any) -> None:
    client, name = server.client(), next(names)
    raw(server, (f"{name}.{ZONE}", 300, "CNAME", "NS1.Example.NET."))
    assert not write(client, entry(name, "CNAME", "ns1")).changed
    assert write(client, entry(name.upper(), "CNAME", "x.example.com.")).changed


def test_what_a_wildcard_answers_is_not_taken_for_a_record(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(f"*.{name}", "A", "192.0.2.1"))
    assert not write(client, entry(f"www.{name}", "A", state="absent")).changed
    assert write(client, entry(f"www.{name}", "A", "192.0.2.1")).steps == (f"create www.{name}.example.net. A",)
    assert not write(client, entry(f"www.{name}", "A", "192.0.2.1")).changed
    assert write(client, entry(f"www.{name}", "A", state="absent")).changed
    assert write(client, entry(f"www.{name}", "CNAME", "ns1")).changed
    write(client, entry(f"*.{name}", "A", state="absent"))


def test_check_mode_sends_no_update_and_needs_no_right_to(server: Any) -> None:
    client, name = server.client("txt-only"), next(names)
    before = soa(server)
    said = write(client, entry(name, "A", "192.0.2.1"), check=True)
    assert said.steps == (f"create {name}.example.net. A",)
    assert (soa(server), at(client, name, "A")) == (before, None)


def soa(server: Any) -> int:
    answer = dns.query.tcp(dns.message.make_query(ZONE, "SOA"), "127.0.0.1", port=server.port, timeout=5)
    return int(answer.answer[0][0].serial)


def test_eight_rivals_have_exactly_one_winner_in_each_of_sixty_rounds(server: Any) -> None:
    name = next(names)
    key: Key = (f"{name}.{ZONE}", "CNAME")
    clients = [server.client() for _rival in range(8)]
    write(clients[0], entry(name, "CNAME", "r0"))
    barrier = threading.Barrier(8)
    told: List[str] = []

    def rival(number: int, now: str) -> int:
        barrier.wait()
        try:
            expected = read_values(key, [now], ZONE, clients[number].canonical)
            wanted, given = read_entries(ZONE, [entry(name, "CNAME", f"w{number}-{now}"[:40])], clients[number].canonical)
            return int(converge(clients[number], Request(ZONE, wanted, given, expected=expected)).changed)
        except DnsFailure as failure:
            told.append(failure.reason)
            return 0

    now = "r0"
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(60):
            won = list(pool.map(rival, range(8), [now] * 8))
            assert sum(won) == 1, f"round {round_}: {won}"
            held = next(iter(clients[0].read(ZONE, [key])[key].values)).split(".")[0]
            assert held == f"w{won.index(1)}-{now}"[:40]
            now = f"r{round_ + 1}"
            write(clients[0], entry(name, "CNAME", now))
    assert len(told) == 7 * 60
    assert set(told) <= {"lost_race", "not_expected"}  # whether any of them looked after another had won is chance


def test_a_thousand_sets_are_one_message_and_the_second_run_sends_none(server: Any) -> None:
    client, name = server.client(), next(names)
    entries = [entry(f"h{i}.{name}", "A", f"198.51.100.{i % 250 + 1}") for i in range(1000)]
    first = write(client, *entries)
    assert len(first.steps) == 1000
    assert first.messages == 1
    assert write(client, *entries).messages == 0


def test_many_sets_are_read_one_by_one_where_a_transfer_is_refused(server: Any) -> None:
    client, name = server.client("txt-only"), next(names)
    entries = [entry(f"q{i}.{name}", "TXT", f"text {i}") for i in range(MANY + 20)]
    assert len(write(client, *entries).steps) == len(entries)
    assert not write(client, *entries).changed
    by_transfer = server.client().read(ZONE, [(f"q{i}.{name}.{ZONE}", "TXT") for i in range(MANY + 20)])
    assert by_transfer == client.read(ZONE, list(by_transfer))


def test_a_message_of_the_largest_size_is_taken(server: Any) -> None:
    client, name = server.client(), next(names)
    entries = [entry(f"x{i}.{name}", "TXT", "t" * 250) for i in range(400)]
    assert write(client, *entries).messages == 2
    assert not write(client, *entries).changed


def test_an_unknown_key_is_named(server: Any) -> None:
    failure = failure_of(lambda: write(server.client("stranger"), entry("x", "A", "192.0.2.1")))
    assert failure.reason == "bad_key" and "stranger" in str(failure)


def test_a_key_with_another_algorithm_is_named(server: Any) -> None:
    failure = failure_of(lambda: write(server.client(algorithm="hmac-md5"), entry("x", "A", "192.0.2.1")))
    assert failure.reason == "bad_key" and "hmac-md5" in str(failure)


def test_a_wrong_secret_is_named_and_not_shown(server: Any) -> None:
    secret = "d3JvbmcgYnV0IGxvbmcgZW5vdWdoIHRvIGJlIHVzZWQ="
    failure = failure_of(lambda: write(server.client(secret=secret), entry("x", "A", "192.0.2.1")))
    assert failure.reason == "bad_sig" and secret not in str(failure)


def test_a_clock_that_is_off_is_named(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, real = server.client(), time.time
    monkeypatch.setattr("time.time", lambda: real() + 3600)
    assert failure_of(lambda: write(client, entry("x", "A", "192.0.2.1"))).reason == "bad_time"


def test_a_set_that_the_server_leaves_out_is_not_among_the_steps(named: Any, monkeypatch: Any) -> None:
    """BIND answers NOERROR to a DS where there is no delegation, and leaves it out. We refuse that beforehand; here we do not."""
    monkeypatch.setattr(dns_apply, "objections", lambda *given: [])
    client, name = named.client(), next(names)
    failure = failure_of(lambda: write(client, entry(name, "DS", "12345 13 2 " + "ab" * 32), entry(f"{name}a", "A", "192.0.2.1")))
    assert failure.reason == "ignored" and f"{name}.{ZONE} DS" in str(failure)
    assert failure.done == (f"create {name}a.{ZONE} A",)
    assert failure_of(lambda: write(client, entry(name, "DS", "12345 13 2 " + "ab" * 32))).done == ()


def test_what_the_key_may_not_do_is_refused(server: Any) -> None:
    client = server.client("txt-only")
    failure = failure_of(lambda: write(client, entry(next(names), "A", "192.0.2.1")))
    assert failure.reason == "refused" and "txt-only" in str(failure)
    assert write(client, entry(next(names), "TXT", "may")).changed


def test_an_update_without_a_key_is_refused(server: Any) -> None:
    client = WireClient(Server("127.0.0.1", server.port, timeout=5.0))
    assert failure_of(lambda: write(client, entry(next(names), "TXT", "x"))).reason == "refused"


def test_a_zone_that_is_served_elsewhere_is_named(server: Any) -> None:
    client = server.client()
    wanted, given = read_entries("example.edu.", [entry("x", "A", "192.0.2.1")], client.canonical)
    failure = failure_of(lambda: converge(client, Request("example.edu.", wanted, given)))
    assert failure.reason == "not_auth" and "does not serve the zone example.edu" in str(failure)
    below, given = read_entries("sub.example.net.", [entry("x", "A", "192.0.2.1")], client.canonical)
    assert failure_of(lambda: converge(client, Request("sub.example.net.", below, given))).reason == "not_auth"


def test_what_a_cache_says_is_not_believed(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = server.client()
    real = client._transmit

    def from_a_cache(message: Any) -> Any:
        answer = real(message)
        answer.flags &= ~dns.flags.AA
        return answer

    monkeypatch.setattr(client, "_transmit", from_a_cache)
    failure = failure_of(lambda: at(client, "ns1", "A"))
    assert failure.reason == "not_auth" and "does not serve the zone example.net" in str(failure)


def test_a_name_outside_the_zone_is_notzone(server: Any) -> None:
    change = Change("add", "x.example.com.", "A", 5, "192.0.2.1")
    message = Message((Group("x.example.com.", (), (), (change,)),))
    failure = failure_of(lambda: server.client().send(ZONE, message))
    assert (failure.reason, failure.rcode) == ("not_zone", 10)


def test_nobody_listening_is_unreachable(server: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = WireClient(Server("127.0.0.1", closed.getsockname()[1], timeout=2.0))
        assert failure_of(lambda: at(client, "x", "A")).reason == "unreachable"
    assert failure_of(lambda: at(WireClient(Server("no-such-host.invalid")), "x", "A")).reason == "unreachable"


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_no_answer_is_a_timeout(mute: int) -> None:
    assert failure_of(lambda: at(WireClient(Server("127.0.0.1", mute, timeout=0.3)), "x", "A")).reason == "timeout"


def test_a_lost_answer_to_an_update_is_looked_for(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server gets the update and does it; its answer does not come back."""
    client, name = server.client(), next(names)
    real = client._transmit

    def lose(message: Any) -> Any:
        answer = real(message)
        if isinstance(message, dns.update.UpdateMessage):
            raise EOFError("cut")
        return answer

    monkeypatch.setattr(client, "_transmit", lose)
    assert write(client, entry(name, "A", "192.0.2.1")).after[f"{name}.{ZONE}", "A"].values == {"192.0.2.1"}


def test_over_udp_small_things_work_and_a_cut_answer_is_named(server: Any) -> None:
    udp, tcp, name = server.client(protocol="udp"), server.client(), next(names)
    assert write(udp, entry(name, "A", "192.0.2.1")).changed
    assert not write(udp, entry(name, "A", "192.0.2.1")).changed
    with pytest.raises(Refused, match="cannot have a CNAME beside A"):
        write(udp, entry(name, "CNAME", "ns1"))
    assert write(udp, *(entry(f"u{i}.{name}", "TXT", "t" * 200) for i in range(9))).messages == 3
    write(tcp, entry(name, "TXT", "x" * 2000))
    assert failure_of(lambda: at(udp, name, "TXT")).reason == "truncated"


def test_a_server_that_hangs_up_between_questions_is_asked_again(server: Any) -> None:
    client, name = server.client(), next(names)
    write(client, entry(name, "A", "192.0.2.1"))
    assert client._socket is not None
    client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client._socket.shutdown(socket.SHUT_RDWR)
    assert at(client, name, "A") is not None


def test_an_unsigned_answer_is_not_believed(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = server.client()
    plain = WireClient(Server("127.0.0.1", server.port, timeout=5.0))
    question = dns.message.make_query(ZONE, "SOA")
    monkeypatch.setattr(client, "_transmit", lambda message: plain._transmit(question))
    assert failure_of(lambda: at(client, "x", "A")).reason == "bad_sig"


def test_bind_is_said_to_limit_the_values_of_a_set(named: Any) -> None:
    name = next(names)
    write(named.client(), entry(name, "A", *(f"192.0.2.{number}" for number in range(100))))
    failure = failure_of(lambda: write(named.client(), entry(name, "A", *(f"192.0.2.{number}" for number in range(101)))))
    assert (failure.reason, failure.rcode) == ("server_failure", 2)
    assert str(failure).endswith("The set has 101 values; BIND takes 100 unless its max-records-per-type says another number.")


def test_a_value_the_library_refuses_is_a_plain_reason(server: Any) -> None:
    with pytest.raises(Refused, match=r"value\[0\]: 'nonsense' has 'nonsense' as algorithm, which must be a number from 0 to 255"):
        read_entries(ZONE, [entry("x", "SSHFP", "nonsense")], server.client().canonical)
    with pytest.raises(Refused, match=r"value\[0\]: 'nonsense' is not of the form 'd1 .*\(RFC 1876\). Write for example 52"):
        read_entries(ZONE, [entry("x", "LOC", "nonsense")], server.client().canonical)


def test_both_spellings_of_one_value_are_one_value(server: Any) -> None:
    found = read_values((ZONE, "AAAA"), ["2001:db8::1", "2001:0DB8::0:1"], ZONE, server.client().canonical)
    assert found.values == {"2001:db8::1"}
    assert RRset("a.", "A", 1, frozenset({"x"}), ("X",)) == RRset("a.", "A", 1, frozenset({"x"}))
