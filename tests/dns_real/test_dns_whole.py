# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone made what the inventory says, against a real BIND and a real Knot."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List

import pytest
from asking import BARE, WHOLE, entry, failure_of, held, prune, raw, write

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_zone_client import Pruning
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_zones


@pytest.fixture(autouse=True)
def bare(server: Any) -> None:
    """Each test begins with a zone of one nameserver and its address."""
    prune(server.client(), *BARE)


def keys(server: Any) -> set[str]:
    return {f"{name[: -len(WHOLE) - 1]} {kind}".strip() for name, kind in held(server)}


def test_what_is_not_named_goes_and_the_second_run_is_silent(server: Any) -> None:
    client = server.client()
    write(client, entry("old", "A", "192.0.2.1"), entry("old", "TXT", "x"), entry("stays", "A", "192.0.2.2"), zone=WHOLE)
    said = prune(client, *BARE, entry("stays", "A", "192.0.2.2"), check=True)
    assert keys(server) >= {"old A", "old TXT"}
    done = prune(client, *BARE, entry("stays", "A", "192.0.2.2"))
    assert said.steps == done.steps == ("delete old.example.org. A", "delete old.example.org. TXT")
    assert (said.before, said.after) == (done.before, done.after)
    again = prune(client, *BARE, entry("stays", "A", "192.0.2.2"))
    assert (again.steps, again.messages, again.rcode) == ((), 0, None)
    assert keys(server) == {"NS", "ns1 A", "stays A"}


def test_what_is_ignored_stays_by_name_by_subdomain_and_by_pattern(server: Any) -> None:
    client = server.client()
    theirs = [
        entry("_acme-challenge", "TXT", "a"),
        entry("_acme-challenge.www", "TXT", "b"),
        entry("own", "A", "192.0.2.3"),
        entry("dyn", "A", "192.0.2.4"),
        entry("a.b.dyn", "AAAA", "2001:db8::4"),
        entry("*.star", "A", "192.0.2.5"),
    ]
    others = [
        entry("_acme-challenge", "SRV", "0 0 1 ns1"),
        entry("x.own", "A", "192.0.2.7"),
        entry("x.star", "A", "192.0.2.8"),
    ]
    write(client, *theirs, *others, zone=WHOLE)
    ignore = [
        {"record": "_acme-challenge*", "type": "TXT", "match": "pattern"},
        {"record": "own"},
        {"record": "dyn", "match": "subdomain"},
        {"record": "*.star"},
    ]
    assert len(prune(client, *BARE, ignore=ignore).steps) == 3
    assert len(held(server)) == len(BARE) + len(theirs)
    assert not prune(client, *BARE, ignore=ignore).changed


def test_the_zones_nameservers_the_glue_of_what_stays_and_nothing_else_stay_unnamed(server: Any) -> None:
    client = server.client()
    child = entry("child", "NS", "ns.child.example.org.", "ns1")
    write(
        client,
        child,
        entry("ns.child", "A", "192.0.2.1"),
        entry("ns.child", "AAAA", "2001:db8::1"),
        entry("gone", "NS", "ns.gone.example.org."),
        entry("ns.gone", "A", "192.0.2.3"),
        zone=WHOLE,
    )
    raw(server, (f"lost.child.{WHOLE}", 300, "A", "192.0.2.2"), zone=WHOLE)
    assert "lost.child A" in keys(server)
    prune(client, child)
    assert keys(server) == {"NS", "ns1 A", "child NS", "ns.child A", "ns.child AAAA"}
    prune(client, child, entry("ns.child", "A", "192.0.2.9"))
    assert keys(server) == {"NS", "ns1 A", "child NS", "ns.child A"}
    assert not prune(client, child, entry("ns.child", "A", "192.0.2.9")).changed


def test_an_address_becomes_a_cname_and_an_address_again_in_one_message(server: Any) -> None:
    client = server.client()
    address = [*BARE, entry("www", "A", "192.0.2.1"), entry("www", "AAAA", "2001:db8::1")]
    alias = [*BARE, entry("www", "CNAME", "ns1")]
    prune(client, *address)
    assert prune(client, *alias).messages == 1
    assert keys(server) == {"NS", "ns1 A", "www CNAME"}
    assert prune(client, *address).messages == 1
    assert keys(server) == {"NS", "ns1 A", "www A", "www AAAA"}


def test_a_signed_zone_keeps_what_the_server_made(server: Any) -> None:
    client, zone = server.client(), "example.com."
    for _attempt in range(100):
        if client.transfer(zone).signed:
            break
        time.sleep(0.1)
    write(client, entry("old", "A", "192.0.2.1"), zone=zone)
    assert prune(client, *BARE, zone=zone).steps == ("delete old.example.com. A",)
    assert not prune(client, *BARE, zone=zone).changed
    assert client.transfer(zone).signed
    assert client.read(zone, [(zone, "CDS")]) or server.kind == "bind"


def test_a_zone_signed_beside_the_one_that_is_updated_is_named_and_not_tried_forever(named: Any) -> None:
    """BIND with ``inline-signing yes`` compares prerequisites with another SOA record than it shows."""
    client, zone = named.client(), "inline.example."
    for _attempt in range(100):
        if client.transfer(zone).signed:
            break
        time.sleep(0.1)
    write(client, entry("old", "A", "192.0.2.1"), zone=zone)
    time.sleep(0.5)
    failure = failure_of(lambda: prune(client, *BARE, zone=zone))
    assert failure.reason == "hidden_zone" and "inline-signing no" in str(failure)


def test_who_may_not_transfer_cannot_prune(server: Any) -> None:
    assert failure_of(lambda: prune(server.client("txt-only"), *BARE)).reason == "refused"


def mixed(count: int) -> List[Dict[str, Any]]:
    """A zone as people have it: hosts with both addresses, aliases, mail, services, texts, keys, a delegation."""
    found = [*BARE, entry("@", "MX", "10 mail", "20 mail.example.net."), entry("@", "TXT", "v=spf1 mx -all")]
    found += [
        entry("mail", "A", "192.0.2.25"),
        entry("child", "NS", "ns.child.example.org."),
        entry("ns.child", "A", "192.0.2.1"),
    ]
    for number in range(count):
        host = f"host{number:03}"
        found.append(entry(host, "A", f"198.51.100.{number % 250 + 1}"))
        found.append(entry(host, "AAAA", f"2001:db8::{number + 1:x}"))
        if number % 3 == 0:
            found.append(entry(f"alias{number:03}", "CNAME", host))
        if number % 5 == 0:
            found.append(entry(f"_sip{number}._tcp", "SRV", f"0 5 5060 {host}"))
            found.append(entry(host, "SSHFP", f"4 2 {number:064x}"))
        if number % 10 == 0:
            found.append(entry(f"text{number}", "TXT", f"some text of host {number}"))
            found.append(entry(host, "CAA", '0 issue "ca.example.net"'))
            found.append(entry(f"_443._tcp.{host}", "TLSA", f"3 1 1 {number:064x}"))
            found.append(entry(f"*.{host}", "HTTPS", "1 . alpn=h2"))
    return found


def test_more_than_a_thousand_mixed_records_are_one_message_and_the_second_call_sends_none(server: Any) -> None:
    client, entries = server.client(), mixed(400)
    records = sum(len(one["value"]) for one in entries)
    assert records > 1000 and len({one["type"] for one in entries}) >= 11
    first = prune(client, *entries)
    assert (first.messages, len(held(server))) == (1, len(entries))
    assert prune(client, *entries).messages == 0
    assert prune(client, *BARE).messages == 1


def test_what_needs_several_messages_is_locked_in_each_and_done_to_the_end(server: Any) -> None:
    client = server.client()
    entries = [*BARE, *(entry(f"x{i}", "TXT", "t" * 250) for i in range(500))]
    assert prune(client, *entries).messages > 1
    assert len(held(server)) == len(entries)
    assert not prune(client, *entries).changed


def test_a_rival_between_reading_and_writing_makes_it_read_again(server: Any) -> None:
    client, told = server.client(), []
    write(client, entry("mine", "TXT", "old"), zone=WHOLE)
    real = client.send

    def meddle(zone: str, message: Any) -> int:
        if len(told) < 3:
            told.append(raw(server, (f"rival{len(told)}.{WHOLE}", 300, "TXT", "new"), zone=WHOLE))
        return int(real(zone, message))

    client.send = meddle
    prune(client, *BARE, ignore=[{"record": "rival*", "match": "pattern"}])
    assert len(told) == 3
    assert keys(server) == {"NS", "ns1 A", "rival0 TXT", "rival1 TXT", "rival2 TXT"}


def test_an_update_while_the_zone_is_pruned_is_never_lost(server: Any) -> None:
    """A rival counts in one set, by compare-and-swap on its own; the pruner does not name it, and ignores it."""
    stop, counted = threading.Event(), []
    ignore = [{"record": "counter"}]

    def count() -> None:
        client = server.client()
        while not stop.is_set():
            write(client, entry("counter", "TXT", *(str(n) for n in range(len(counted) % 50 + 1))), zone=WHOLE)
            counted.append(1)

    rival = threading.Thread(target=count)
    rival.start()
    try:
        client = server.client()
        for round_ in range(6):
            write(client, *(entry(f"junk{n}", "A", "192.0.2.1") for n in range(20)), zone=WHOLE)
            wish = read_zones([{"zone_name": WHOLE, "record_sets": BARE, "prune": True, "ignore": ignore}], client.canonical)[WHOLE]
            Pruning(client, Request(WHOLE, wish.wanted), wish).run()
            assert not any("junk" in key for key in keys(server)), f"round {round_}"
    finally:
        stop.set()
        rival.join()
    assert counted
    values = held(server)[f"counter.{WHOLE}", "TXT"].values
    assert len(values) == (len(counted) - 1) % 50 + 1
