# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone read from a real BIND and a real Knot."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import soa_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import history, transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import branched
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.self_check_client import replace_soa
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import make_key

ZONE = "example.org."


def write(server: Any, zone: str, *entries: Any) -> None:
    client = server.client()
    wanted, given = read_entries(zone, [{"ttl": 300, "state": "present", **one} for one in entries], client.canonical)
    converge(client, Request(zone, wanted, given))


def refused(call: Any) -> DnsFailure:
    with pytest.raises(DnsFailure) as caught:
        call()
    return caught.value


def test_a_zone_is_read_with_its_soa_its_delegations_and_their_glue(server: Any) -> None:
    write(
        server,
        ZONE,
        {"record": "sub", "type": "NS", "value": ["ns.sub.example.org.", "ns1"]},
        {"record": "ns.sub", "type": "A", "value": ["192.0.2.9"]},
        {"record": "*.wild", "type": "TXT", "value": ["x" * 300]},
    )
    read = transfer(server.server(), server.key(), ZONE)
    assert read.soa.key == (ZONE, "SOA") and read.soa.spelled[0].split()[2] == str(read.serial)
    assert read.sets["sub.example.org.", "NS"].values == {"ns.sub.example.org.", "ns1.example.org."}
    assert read.sets["ns.sub.example.org.", "A"].values == {"192.0.2.9"}
    assert ("*.wild.example.org.", "TXT") in read.sets and (ZONE, "NS") in read.sets
    assert (ZONE, "SOA") not in read.sets and not read.signed


def test_a_set_in_many_messages_is_one_set(server: Any) -> None:
    texts = [f"{number:04}" + "x" * 240 for number in range(90)]  # BIND takes 100 in a set
    write(server, ZONE, {"record": "big", "type": "TXT", "value": texts})
    write(server, ZONE, *({"record": f"m{i}", "type": "TXT", "value": ["t" * 250]} for i in range(150)))
    read = transfer(server.server(), server.key(), ZONE)
    assert len(read.sets["big.example.org.", "TXT"].values) == 90
    assert len([key for key in read.sets if key[0].startswith("m")]) == 150


def test_what_the_server_made_to_sign_a_zone_is_left_out(server: Any) -> None:
    for _attempt in range(100):
        read = transfer(server.server(), server.key(), "example.com.")
        if read.signed:
            break
        time.sleep(0.1)
    assert read.signed
    assert set(read.sets) == {("example.com.", "NS"), ("ns1.example.com.", "A")}


def test_who_may_not_transfer_is_refused_by_name(server: Any) -> None:
    failure = refused(lambda: transfer(server.server(), server.key("txt-only"), ZONE))
    assert failure.reason == "refused" and "txt-only" in str(failure) and "transfer example.org" in str(failure)
    nobody = refused(lambda: transfer(server.server(), None, ZONE))
    assert nobody.reason == "refused" and "without a key" in str(nobody)


def test_a_zone_that_is_not_there_a_wrong_key_and_a_wrong_clock_are_told_apart(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = refused(lambda: transfer(server.server(), server.key(), "example.edu."))
    assert elsewhere.reason == "not_auth" and "does not serve the zone example.edu" in str(elsewhere)
    assert refused(lambda: transfer(server.server(), server.key("stranger"), ZONE)).reason == "bad_key"
    wrong = make_key("all", "d3JvbmcgYnV0IGxvbmcgZW5vdWdoIHRvIGJlIHVzZWQ=", "hmac-sha256")
    assert refused(lambda: transfer(server.server(), wrong, ZONE)).reason == "bad_sig"
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + 3600)
    assert refused(lambda: transfer(server.server(), server.key(), ZONE)).reason == "bad_time"


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert refused(lambda: transfer(Server("127.0.0.1", port, timeout=2.0), None, ZONE)).reason == "unreachable"


def test_of_several_addresses_the_one_that_answers_is_transferred_from(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian names ::1 first for localhost, where these servers do not listen."""
    real = socket.getaddrinfo

    def both(host: str, port: int, *more: Any, **named: Any) -> Any:
        return [*real("::1", port, *more, **named), *real("127.0.0.1", port, *more, **named)]

    monkeypatch.setattr("socket.getaddrinfo", both)
    assert transfer(Server("localhost", server.port, timeout=5.0), server.key(), ZONE).sets


def test_no_version_of_a_branch_is_taken_for_one_of_another_where_only_the_serial_tells_them_apart(server: Any) -> None:
    """A hidden primary that has taken a zone over, while the one of before went on taking updates, each with the next serial."""
    client, at = server.client(), (server.server(), server.key())
    version = soa_of(client, ZONE)
    mname, rname, serial, *timers = version.spelled[0].split()

    def later(number: int) -> RRset:
        return RRset(ZONE, "SOA", version.ttl, frozenset([" ".join([mname, rname, str(int(serial) + number), *timers])]))

    write(server, ZONE, {"record": "branch", "type": "A", "value": ["192.0.2.9"]})
    assert history(*at, later(1)).known, "two branches of one length are not told apart by their serials"
    current = soa_of(client, ZONE)
    assert replace_soa(client, current, later(branched(current, None, 500_000) + 1 - int(serial)))
    for number in range(3):
        write(server, ZONE, {"record": f"branch{number}", "type": "A", "value": ["192.0.2.9"]})
    assert history(*at, current).known
    assert [number for number in range(2, 20) if history(*at, later(number)).known] == []


def test_it_is_known_whether_a_zone_grew_out_of_a_version(server: Any) -> None:
    """Also where the primary's name in the SOA is changed, as a new primary does before it takes any update."""
    client, at = server.client(), (server.server(), server.key())
    version = soa_of(client, ZONE)
    assert history(*at, version).known
    mname, rname, serial, *timers = version.spelled[0].split()
    taken_over = RRset(ZONE, "SOA", version.ttl, frozenset([" ".join(["ns9.example.org.", rname, str(int(serial) + 1), *timers])]))
    assert replace_soa(client, version, taken_over)
    other_branch = RRset(ZONE, "SOA", version.ttl, frozenset([" ".join([mname, rname, str(int(serial) + 1), *timers])]))
    assert history(*at, version) == (int(serial) + 1, True)
    assert history(*at, other_branch) == (int(serial) + 1, False)
    for number in range(3):
        write(server, ZONE, {"record": f"grows{number}", "type": "A", "value": ["192.0.2.9"]})
    assert history(*at, version).known and not history(*at, other_branch).known
    assert refused(lambda: history(server.server(), None, version)).reason in ("refused", "not_auth")
    assert replace_soa(client, soa_of(client, ZONE), RRset(ZONE, "SOA", version.ttl, frozenset([" ".join([mname, rname, str(int(serial) + 9), *timers])])))
