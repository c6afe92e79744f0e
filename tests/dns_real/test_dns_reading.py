# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading zones, importing them, and waiting for servers to agree, against real BINDs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
from reading_fixtures import MIXED, Serving, has_ipv6, serving

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import from_transfer, read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation import Goal
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import (
    Asking,
    Endpoint,
    Waited,
    ask_each,
    endpoints,
    question,
    wait_until,
    zone_endpoints,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import described, zone_facts
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock

ZONE = "example.net."
EMPTY = "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\nns1 A 127.0.0.1\n"
LOCAL = "$TTL 300\n@ SOA ns1 hostmaster {serial} 3600 600 1209600 60\n@ NS ns1\n{more}\nns1 A 127.0.0.1\n"
WWW = ("www.example.net.", "A")


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("provider"), {"example.net": MIXED}) as made:
        yield made


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("ours"), {"example.net": EMPTY}) as made:
        yield made


def contents(server: Serving) -> Dict[Key, RRset]:
    client = server.client()
    return dict(transfer(client.server, None, ZONE).sets)


def text_of(one: RRset) -> Any:
    """What a reader sees, with the strings of each TXT value."""
    return described(ZONE, one, False)


def test_a_zone_imported_by_transfer_and_written_to_another_server_is_the_same_zone(provider: Serving, ours: Serving) -> None:
    client = provider.client()
    sets, left = from_transfer(transfer(client.server, None, ZONE))
    found = take(ZONE, sets, client.canonical)
    assert {(one.record, one.type) for one in (*left, *found.left_out)} == {("@", "SOA"), ("@", "NS")}
    ours.write(ZONE, *found.record_sets)
    old, new = contents(provider), contents(ours)
    own = {(ZONE, "NS"), ("ns1.example.net.", "A")}
    assert {key: text_of(one) for key, one in old.items() if key not in own} == {key: text_of(one) for key, one in new.items() if key not in own}


def test_a_zone_file_and_a_transfer_of_it_give_the_same_data(provider: Serving) -> None:
    client = provider.client()
    by_transfer = take(ZONE, from_transfer(transfer(client.server, None, ZONE))[0], client.canonical)
    by_file = take(ZONE, read_source(MIXED, {"format": "zone", "default_ttl": 1}, ZONE, client.canonical)[0], client.canonical)
    assert by_file.record_sets == by_transfer.record_sets


def test_a_refused_transfer_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, {"example.net": MIXED}, transfer="none;") as closed:
        with pytest.raises(DnsFailure) as caught:
            transfer(closed.client().server, None, ZONE)
        assert caught.value.reason == "refused"


def test_what_a_zone_is_can_be_read(provider: Serving) -> None:
    facts = zone_facts(provider.client(), ZONE)
    assert facts["nameservers"] == ["ns1.provider.example.com.", "ns2.provider.example.com."]
    assert (facts["negative_ttl"], facts["signed"], facts["soa"]["refresh"]) == (60, False, 3600)
    with pytest.raises(DnsFailure) as caught:
        zone_facts(provider.client(), "example.org.")
    assert caught.value.reason == "not_auth" and "does not serve the zone example.org" in str(caught.value)


def test_all_types_of_a_name_are_read_and_a_wildcard_is_not_taken_for_one(provider: Serving) -> None:
    client = provider.client()
    assert {kind for _name, kind in client.read(ZONE, [("www.example.net.", "CNAME")])} == {"A", "AAAA"}
    assert client.read(ZONE, [("made-up.any.example.net.", "A")]) == {}
    assert set(client.read(ZONE, [("*.any.example.net.", "A")])) == {("*.any.example.net.", "A")}


def waited(goal: Goal, *servers: Serving, timeout: float = 0) -> Waited:
    """Each server has a port of its own here, so that each is asked with its own."""
    key = goal.key

    def look() -> Any:
        asked = []
        for server in servers:
            ask = question(ZONE, key, Asking(port=server.port, timeout=2.0))
            asked.extend(ask_each([Endpoint(f"port {server.port}", server.address)], ask))
        return asked

    return wait_until(goal, look, SystemClock(), timeout, 0.1)


def test_servers_agree_only_when_all_have_the_serial_or_the_value(tmp_path: Path) -> None:
    def zone(serial: int, address: str) -> Dict[str, str]:
        return {"example.net": LOCAL.format(serial=serial, more=f"www A {address}")}

    with serving(tmp_path / "a", zone(7, "192.0.2.2")) as new, serving(tmp_path / "b", zone(6, "192.0.2.1")) as old:
        (lag,) = waited(Goal(), new, old).lags
        assert (lag.server, lag.reason) == (f"port {old.port} (127.0.0.1)", "old_serial")
        assert waited(Goal(serial=6), new, old).lags == ()
        (lag,) = waited(Goal(WWW, frozenset(["192.0.2.2"])), new, old).lags
        assert (lag.reason, "answers 192.0.2.1" in lag.message) == ("other_value", True)

        def catch_up() -> None:
            time.sleep(0.5)
            old.write(ZONE, {"record": "www", "type": "A", "value": ["192.0.2.2"]})

        thread = threading.Thread(target=catch_up)
        thread.start()
        late = waited(Goal(WWW, frozenset(["192.0.2.2"])), new, old, timeout=10)
        thread.join()
        assert late.lags == () and 0.3 < late.seconds < 9
        old.stop()
        (lag,) = waited(Goal(WWW), new, old).lags
        assert lag.reason == "unreachable"


def test_a_server_that_does_not_serve_the_zone_is_named(ours: Serving) -> None:
    (answer,) = ask_each([Endpoint("x", ours.address)], question("example.org.", None, Asking(port=ours.port)))
    assert answer.failure == "not_auth" and "does not serve the zone example.org" in answer.message


def test_the_nameservers_of_a_zone_are_found_by_asking_one_of_its_servers_over_both_families(tmp_path: Path) -> None:
    more = "@ NS ns2\nns1 AAAA ::1\nns2 A 127.0.0.1"
    with serving(tmp_path, {"example.net": LOCAL.format(serial=1, more=more)}, ipv6=has_ipv6()) as made:
        asking = Asking(port=made.port, resolver=made.address, resolver_port=made.port, timeout=3.0)
        found = zone_endpoints(ZONE, asking)
        assert [str(one) for one in found] == [
            "ns1.example.net. (127.0.0.1)",
            "ns1.example.net. (::1)",
            "ns2.example.net. (127.0.0.1)",
        ]
        answers = ask_each(found, question(ZONE, None, asking))
        assert [answer.serial for answer in answers] == [1, 1 if has_ipv6() else None, 1]
        with pytest.raises(DnsFailure):
            zone_endpoints("example.org.", asking)


def test_a_server_name_without_an_address_is_an_answer_of_its_own() -> None:
    (place,) = endpoints(["no-such-name.invalid"], Asking())
    (answer,) = ask_each([place], question(ZONE, None, Asking()))
    assert (answer.server, answer.failure) == ("no-such-name.invalid (no address)", "no_address")
