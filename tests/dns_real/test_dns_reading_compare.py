# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Old and new servers compared, both real BINDs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, Tuple

import pytest
from reading_fixtures import MIXED, Serving, has_ipv6, serving

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import from_transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import as_sets, take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare import counted, table
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare_client import Side, compare_sides, side_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import Asking
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ZONE = "example.net."
EMPTY = "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\nns1 A 127.0.0.1\n"


def side(label: str, server: Serving, *addresses: str, transferred: bool = False) -> Side:
    options = {
        "servers": list(addresses or (server.address,)),
        "port": server.port,
        "transfer": transferred,
        **{name: None for name in ("key_name", "key_secret", "key_file")},
        "key_algorithm": "hmac-sha256",
    }
    return side_of(label, options, Asking(timeout=3.0), SystemFiles())


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Tuple[Serving, Serving]]:
    """An old provider, and a new server with the imported zone."""
    with serving(tmp_path / "old", {"example.net": MIXED}) as old:
        with serving(tmp_path / "new", {"example.net": EMPTY}, ipv6=has_ipv6()) as new:
            client = old.client()
            found = take(ZONE, from_transfer(transfer(client.server, None, ZONE))[0], client.canonical)
            new.write(ZONE, *found.record_sets)
            yield old, new


def compared(pair: Tuple[Serving, Serving], *addresses: str) -> Any:
    old, new = pair
    return compare_sides(ZONE, side("old", old, transferred=True), side("new", new, *addresses), [])


def test_an_imported_zone_answers_alike_but_for_what_must_differ(pair: Tuple[Serving, Serving]) -> None:
    found = compared(pair)
    assert len(found.keys) > 20
    assert counted(found.differences) == [], table(found.differences)
    assert {(one.key[1], one.kind) for one in found.differences} == {("SOA", "expected"), ("NS", "expected")}


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on its loopback interface")
def test_both_families_are_asked(pair: Tuple[Serving, Serving]) -> None:
    found = compared(pair, "127.0.0.1", "::1")
    assert found.servers == ("new 127.0.0.1", "new ::1")
    assert counted(found.differences) == []


def test_a_seeded_difference_of_each_kind_is_found(pair: Tuple[Serving, Serving]) -> None:
    _old, new = pair
    new.write(
        ZONE,
        {"record": "www", "type": "A", "ttl": 60, "value": ["192.0.2.80"]},
        {"record": "mail", "type": "A", "state": "absent"},
        {"record": "alias", "type": "CNAME", "ttl": 9, "value": ["www"]},
        {"record": "*.any", "type": "A", "ttl": 300, "value": ["192.0.2.98"]},
    )
    found = compared(pair)
    assert {(one.key[0], one.kind) for one in found.differences if one.kind != "expected"} == {
        ("www.example.net.", "values"),
        ("mail.example.net.", "missing"),
        ("alias.example.net.", "ttl"),
        ("*.any.example.net.", "values"),
    }
    assert len(counted(found.differences)) == 3


def test_a_set_that_only_the_new_server_has_is_found_by_transferring_it_too(pair: Tuple[Serving, Serving]) -> None:
    old, new = pair
    new.write(ZONE, {"record": "stray", "type": "A", "value": ["192.0.2.66"]})
    found = compare_sides(ZONE, side("old", old, transferred=True), side("new", new, transferred=True), [])
    (one,) = counted(found.differences)
    assert (one.key[0], one.kind) == ("stray.example.net.", "extra")


def test_a_new_server_that_is_down_or_does_not_serve_the_zone_is_a_difference(pair: Tuple[Serving, Serving]) -> None:
    _old, new = pair
    new.stop()
    (one,) = counted(compared(pair).differences)
    assert one.kind == "unreachable"


def test_without_an_old_server_that_answers_nothing_is_compared(pair: Tuple[Serving, Serving]) -> None:
    old, _new = pair
    old.stop()
    with pytest.raises(DnsFailure) as caught:
        compared(pair)
    assert caught.value.reason == "unreachable"


def test_imported_data_can_stand_for_the_old_servers(pair: Tuple[Serving, Serving]) -> None:
    old, new = pair
    client = old.client()
    found = take(ZONE, from_transfer(transfer(client.server, None, ZONE))[0], client.canonical)
    given = as_sets(ZONE, found.record_sets, client.canonical)
    assert counted(compare_sides(ZONE, None, side("new", new), given).differences) == []
    new.write(ZONE, {"record": "mail", "type": "A", "value": ["192.0.2.26"]})
    (one,) = counted(compare_sides(ZONE, None, side("new", new), given).differences)
    assert one.key[0] == "mail.example.net."


def test_nothing_to_ask_for_is_refused(pair: Tuple[Serving, Serving]) -> None:
    old, new = pair
    with pytest.raises(Refused, match="Nothing to compare"):
        compare_sides(ZONE, side("old", old), side("new", new), [])
