# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the tests here ask and write, as the modules do."""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Optional

import dns.query
import dns.update
import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, Result, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_zone_client import converge_all
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries, read_zones, show
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient

ZONE = "example.net."
WHOLE = "example.org."  # tests here empty it first
BARE: List[Dict[str, Any]] = [
    {"record": "@", "type": "NS", "ttl": 300, "value": ["ns1"], "state": "present"},
    {"record": "ns1", "type": "A", "ttl": 300, "value": ["127.0.0.1"], "state": "present"},
]
names = (f"t{number}" for number in itertools.count())


def entry(record: str, kind: str, *values: str, ttl: int = 300, state: str = "present") -> Dict[str, Any]:
    return {"record": record, "type": kind, "ttl": ttl, "value": list(values), "state": state}


def write(client: WireClient, *entries: Dict[str, Any], check: bool = False, zone: str = ZONE, **more: Any) -> Result:
    wanted, given = read_entries(zone, list(entries), client.canonical)
    return converge(client, Request(zone, wanted, given, **more), check)


def prune(client: WireClient, *entries: Dict[str, Any], ignore: Any = (), check: bool = False, zone: str = WHOLE) -> Result:
    """Make the zone hold the entries and no more."""
    asked = [{"zone_name": zone, "record_sets": list(entries), "prune": True, "ignore": list(ignore)}]
    return converge_all(client, read_zones(asked, client.canonical), "replace", check)[zone]


def held(server: Any, zone: str = WHOLE) -> Dict[Key, RRset]:
    """All that is in a zone, without the server's own."""
    return dict(transfer(server.server(), server.key(), zone).sets)


def raw(server: Any, *changes: Any, zone: str = ZONE) -> None:
    """What another tool would send: no prerequisites, letters as it likes."""
    update = dns.update.UpdateMessage(zone)
    for name, *rest in changes:
        update.add(name, *rest)
    key = server.key()
    update.use_tsig(key, key.name)
    assert dns.query.tcp(update, "127.0.0.1", port=server.port, timeout=5).rcode() == 0


def at(client: WireClient, record: str, kind: str, zone: str = ZONE) -> Optional[Dict[str, Any]]:
    key = (f"{record}.{zone}", kind)
    return show(client.read(zone, [key]).get(key))


def failure_of(call: Any) -> DnsFailure:
    with pytest.raises(DnsFailure) as caught:
        call()
    return caught.value
