# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone moves between real BINDs: an old provider, new servers and the parent. Only the clock is not real."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator

import pytest
import yaml
from fakes import FakeClock, FakeFiles
from reading_fixtures import Serving, serving

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration import move_client as dns_move
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import from_transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.move_client import MemoryFile, proceed
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.result_client import move_of, result_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused

ZONE = "example.net."
OLD = """$TTL 3600
@ 300 SOA ns1.provider.example.com. hostmaster 1 3600 600 1209600 60
@ NS ns1.provider.example.com.
www 7200 A 192.0.2.80
sub NS ns.sub
ns.sub 60 A 192.0.2.60
long TXT "in " "two"
"""
EMPTY = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\nns1 A 127.0.0.1\n"
PARENT = """$TTL 600
@ SOA ns hostmaster 1 3600 600 1209600 60
@ NS ns
ns A 127.0.0.1
example NS ns1.provider.example.com.
"""
DS = "12345 13 2 " + "ab" * 32


@dataclass
class Stage:
    """The three servers, and a clock that only the test moves."""

    old: Serving
    new: Serving
    parent: Serving
    files: FakeFiles = field(default_factory=FakeFiles)
    clock: FakeClock = field(default_factory=lambda: FakeClock(1000000.0))
    lock: ContextManager[None] = field(default_factory=nullcontext)

    def look(self, check: bool = False, wait: float = 0, **more: Any) -> Dict[str, Any]:
        canonical = self.new.client().canonical
        options = {
            "zone_name": "example.net",
            "parent_zone": None,
            "record_sets": [],
            "left_out": [],
            "names": [],
            "decisions": [],
            "ttl": 60,
            "timeout": 3.0,
            "families": ["ipv4"],
            **{name: self.side(getattr(self, name), name == "old") for name in ("old", "new", "parent")},
            **more,
        }
        move = move_of(options, self.files, canonical)
        memory = MemoryFile(self.files, None, ZONE, lambda path: self.lock)
        progress = proceed(move, memory, self.clock, lambda: int(self.clock.now), wait, check)
        return result_of(move, progress, memory.path)

    def side(self, server: Serving, transferred: bool) -> Dict[str, Any]:
        keys = {name: None for name in ("key_name", "key_secret", "key_file")}
        return {"servers": ["127.0.0.1"], "port": server.port, "transfer": transferred, "key_algorithm": "", **keys}

    def lower(self) -> None:
        for one in self.look(check=True)["lower"]:
            if one["type"] != "TXT":
                self.old.write(ZONE, one)
        self.old.write(ZONE, {"record": "long", "type": "TXT", "ttl": 60, "value": ["in two"]})

    def publish(self) -> None:
        client = self.old.client()
        found = take(ZONE, from_transfer(transfer(client.server, None, ZONE))[0], client.canonical)
        self.new.write(ZONE, *found.record_sets)

    def switch(self, *names: str) -> None:
        self.parent.write("net.", {"record": "example.net.", "type": "NS", "ttl": 600, "value": list(names)})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with serving(tmp_path / "old", {"example.net": OLD}) as old, serving(tmp_path / "new", {"example.net": EMPTY}) as new:
        with serving(tmp_path / "parent", {"net": PARENT}) as parent:
            yield Stage(old, new, parent)


def low_stage(stage: Stage) -> Stage:
    stage.look()
    stage.lower()
    assert stage.look()["next"] == "wait_ttl"
    stage.clock.sleep(7201)
    return stage


def test_of_two_operators_none_forgets_the_ttls_that_the_other_has_lowered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reads what is remembered, which is nothing; before it asks the servers, the other looks, and lowers the TTLs."""
    begun, real = threading.Event(), dns_move.observe

    def late(move: Any, now: int) -> Any:
        if threading.current_thread() is not first:
            return real(move, now)
        begun.set()
        other.join(1.0)
        return real(move, now)

    def whole_look() -> None:
        begun.wait()
        stage.look()
        stage.lower()

    monkeypatch.setattr(dns_move, "observe", late)
    stage.lock = threading.RLock()  # type: ignore[assignment]
    first, other = threading.Thread(target=stage.look), threading.Thread(target=whole_look)
    for thread in (other, first):
        thread.start()
    for thread in (other, first):
        thread.join()
    waiting = stage.look()
    assert (waiting["next"], waiting["state"]["longest_ttl"]) == ("wait_ttl", 7200)


def test_the_whole_move_step_by_step(stage: Stage) -> None:
    first = stage.look()
    assert (first["next"], first["changed"]) == ("lower", True)
    assert {(one["record"], one["type"]) for one in first["lower"]} == {
        (ZONE, "NS"),
        ("www.example.net.", "A"),
        ("sub.example.net.", "NS"),
        ("long.example.net.", "TXT"),
    }
    assert "www.example.net. A" in first["to_do"] and "60 seconds or less" in first["to_do"]
    assert stage.look()["changed"] is False
    stage.lower()
    waiting = stage.look()
    assert (waiting["next"], waiting["seconds"], waiting["state"]["longest_ttl"]) == ("wait_ttl", 7201, 7200)
    stage.clock.sleep(7000)
    assert stage.look(wait=60)["seconds"] == 141
    assert stage.look(wait=1000)["next"] == "switch"
    records = yaml.safe_load(stage.look()["variables"])["imported_example_net"]["records"]
    assert {(one["record"], one["ttl"]) for one in records} == {
        ("www", 7200),
        ("sub", 3600),
        ("ns.sub", 60),
        ("long", 3600),
    }
    stage.publish()
    ready = stage.look()
    assert "ns1.example.net." in ready["to_do"] and "127.0.0.1" in ready["to_do"]
    for one in ready["delegation"]:
        stage.parent.write("net.", one)
    after = stage.look()
    assert (after["next"], after["seconds"]) == ("wait_ns", 600 + 60 + 1)
    stage.old.stop()
    assert stage.look(wait=1000)["next"] == "done"
    assert stage.look()["plan"][-1].startswith("done")


def test_check_mode_remembers_nothing_and_does_not_wait(stage: Stage) -> None:
    assert stage.look(check=True, wait=1000)["changed"] is True
    assert stage.files.files == {}
    assert stage.clock.now == 1000000.0


def test_a_delegation_without_the_new_address_is_not_taken_for_the_switch(stage: Stage) -> None:
    low_stage(stage)
    stage.switch("ns1.example.net.")
    seen = stage.look()
    assert seen["next"] == "switch"
    assert "without an address" in seen["to_do"]
    stage.parent.write("net.", {"record": "ns1.example.net.", "type": "A", "value": ["192.0.2.1"]})
    assert "ns1.example.net. (192.0.2.1)" in stage.look()["to_do"]
    stage.parent.write("net.", {"record": "ns1.example.net.", "type": "A", "value": ["127.0.0.1"]})
    assert stage.look()["next"] == "wait_ns"


def test_a_ds_that_no_key_of_the_new_server_matches_goes_first(stage: Stage) -> None:
    stage.parent.write("net.", {"record": "example.net.", "type": "DS", "ttl": 900, "value": [DS]})
    low_stage(stage)
    seen = stage.look()
    assert seen["next"] == "unsign" and "DS record" in seen["to_do"]
    stage.parent.write("net.", {"record": "example.net.", "type": "DS", "state": "absent"})
    assert (stage.look()["next"], stage.look()["seconds"]) == ("wait_ds", 901)
    assert stage.look(wait=1000)["next"] == "switch"


def test_a_new_server_that_does_not_serve_the_zone_yet_is_to_be_published_to(stage: Stage) -> None:
    low_stage(stage)
    stage.new.stop()
    assert stage.look()["next"] == "publish"


def test_an_old_zone_that_cannot_be_transferred_is_looked_at_by_the_sets_of_a_file(stage: Stage) -> None:
    closed = stage.side(stage.old, False)
    with pytest.raises(Refused, match="set transfer, or give record_sets"):
        stage.look(old=closed)
    sets = [{"record": "www", "type": "A", "ttl": 1, "value": ["192.0.2.99"]}]
    seen = stage.look(old=closed, record_sets=sets)
    assert seen["next"] == "lower"
    assert yaml.safe_load(seen["variables"])["imported_example_net"]["records"] == [{"record": "www", "type": "A", "ttl": 7200, "value": ["192.0.2.80"]}]


def test_without_an_old_server_before_the_switch_nothing_is_said(stage: Stage) -> None:
    low_stage(stage)
    stage.old.stop()
    with pytest.raises(DnsFailure):
        stage.look()


def test_a_broken_file_of_what_is_remembered_is_refused_with_the_remedy(stage: Stage) -> None:
    stage.look()
    (path,) = stage.files.files
    stage.files.write(path, "{", 0o644)
    with pytest.raises(Refused, match="begin anew"):
        stage.look()
