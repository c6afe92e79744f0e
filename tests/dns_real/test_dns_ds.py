# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chain of trust from a real parent to a real signed zone, on BIND and on Knot.

The child is ``example.com`` of the servers of this folder, at 127.0.0.1; its parent ``com`` is a BIND at ::1, which is
the resolver too.
"""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import dns.query
import dns.rcode
import dns.rdata
import dns.update
import pytest
from conftest import program
from fakes import FakeClock

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.dnssec_client import read_key
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation import Child, judge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation_client import Asker, Look, Patience, Report, as_result, look, wait_for
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.resolver_client import Resolver
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock

ZONE = "example.com."
PARENT = "::1"
CONFIG = """
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on {{ none; }}; listen-on-v6 port {port} {{ {address}; }};
    recursion yes; allow-recursion {{ any; }}; dnssec-validation no; notify no; minimal-responses yes;
}};
controls {{ }};
zone "com" {{ type primary; file "{folder}/com.db"; allow-update {{ any; }}; }};
zone "example.com" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {port}; }}; }};
"""
ZONE_FILE = """$TTL 300
@ SOA ns hostmaster 1 3600 600 1209600 60
@ NS ns
ns AAAA ::1
example NS ns1.example
ns1.example A 127.0.0.1
"""


class Parent:
    """The zone above."""

    def __init__(self, port: int) -> None:
        self.port = port

    def publish(self, *values: str) -> None:
        """Have exactly these DS records for the child."""
        update = dns.update.UpdateMessage("com.")
        update.delete("example", "DS")
        for value in values:
            update.add("example", 900, "DS", value)
        assert dns.query.tcp(update, PARENT, port=self.port, timeout=5).rcode() == dns.rcode.NOERROR

    def look(self) -> Report:
        return look(Asker(self.port), Look(ZONE, ["127.0.0.1"], [PARENT]))


@pytest.fixture
def parent(server: Any, tmp_path: Path) -> Iterator[Parent]:
    (tmp_path / "named.conf").write_text(CONFIG.format(folder=tmp_path, port=server.port, address=PARENT))
    (tmp_path / "com.db").write_text(ZONE_FILE)
    command = [program("named"), "-g", "-n", "1", "-c", str(tmp_path / "named.conf")]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _attempt in range(200):
            if b" running\n" in (tmp_path / "log").read_bytes():
                break
            time.sleep(0.05)
        yield Parent(server.port)
    finally:
        process.terminate()
        process.wait(timeout=20)


def stranger() -> str:
    """The DS of a key that the zone does not have."""
    key = dns.rdata.from_text("IN", "DNSKEY", "257 3 13 " + "A" * 86 + "==")
    return str(read_key(ZONE, key).ds[0])


def test_the_ds_that_is_asked_for_makes_the_chain_and_any_other_breaks_it(parent: Parent) -> None:
    first = as_result(ZONE, parent.look())
    assert first["verdict"] == "missing" and len(first["wanted"]) == 1
    wanted = first["wanted"][0]
    assert first["ds_lines"] == [f"{ZONE} 3600 IN DS {wanted}"]
    parent.publish(wanted)
    assert as_result(ZONE, parent.look())["verdict"] == "ok"
    parent.publish(wanted, stranger())
    assert as_result(ZONE, parent.look())["verdict"] == "stale"
    parent.publish(stranger())
    found = as_result(ZONE, parent.look())
    assert found["verdict"] == "mismatch" and found["ttl"] == 900
    assert found["parent_servers"] == [{"server": PARENT, "ds": [stranger()], "verdict": "mismatch"}]


def test_what_is_wanted_validates_the_zone_for_another_validator(parent: Parent, server: Any) -> None:
    """delv of BIND, with the DS as its only trust."""
    wanted = as_result(ZONE, parent.look())["wanted"][0].split()
    anchor = f'trust-anchors {{ "example.com" static-ds {" ".join(wanted[:3])} "{"".join(wanted[3:])}"; }};'
    folder = server.folder / "anchor"
    folder.write_text(anchor)
    command = ["delv", "@127.0.0.1", "-p", str(server.port), "-a", str(folder), "+root=example.com", "ns1.example.com", "A"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert "fully validated" in said.stdout, said.stdout + said.stderr


def test_a_zone_without_keys_is_unsigned_and_a_ds_makes_it_unreachable(parent: Parent, server: Any) -> None:
    above = look(Asker(server.port), Look(ZONE, ["127.0.0.1"], [PARENT]))
    keys = Asker(server.port).child(PARENT, "com.").keys
    assert keys == () and judge((), Child()).verdict == "unsigned"
    assert judge(above.judgement.wanted, Child()).verdict == "mismatch"


def test_all_servers_are_found_by_a_resolver(parent: Parent) -> None:
    asker = Asker(parent.port, resolver=Resolver(PARENT, parent.port, unvalidated=True))
    assert asker.parent_of(ZONE) == "com."
    assert (asker.servers_of("com."), asker.servers_of(ZONE)) == ([PARENT], ["127.0.0.1"])
    assert look(asker, Look(ZONE)).judgement.verdict == "missing"


def test_it_waits_until_the_parent_has_it(parent: Parent) -> None:
    wanted = as_result(ZONE, parent.look())["wanted"]
    later = threading.Timer(0.5, parent.publish, wanted)
    later.start()
    report = wait_for(Asker(parent.port), Look(ZONE, ["127.0.0.1"], [PARENT]), Patience(["ok"], 20, 0.1), SystemClock())
    later.join()
    assert report.judgement.verdict == "ok"


def test_when_the_time_is_over_it_says_what_is_still_wrong(parent: Parent) -> None:
    clock = FakeClock()
    with pytest.raises(DnsFailure, match="did not become ok in 30 s; it is missing") as caught:
        wait_for(Asker(parent.port), Look(ZONE, ["127.0.0.1"], [PARENT]), Patience(["ok"], 30, 5), clock)
    assert (caught.value.reason, clock.monotonic()) == ("deadline", 30)


FAILURES: List[Any] = [
    (Look(ZONE, ["127.0.0.1"], ["127.0.0.1"]), "not_auth", "not the zone above it"),
    (Look(ZONE, [PARENT], [PARENT]), "not_auth", "is not authoritative"),
    (Look("nobody.com.", ["127.0.0.1"], [PARENT]), "not_auth", "does not serve the zone nobody.com"),
    (Look("family.example.", ["127.0.0.1"], [PARENT]), "not_auth", "does not serve the zone above family.example"),
    (Look("com.", [PARENT], ["127.0.0.1"]), "refused", "does not serve the zone above com, or"),
    (Look(ZONE, ["127.0.0.9"], [PARENT]), "timeout", "127.0.0.9"),
    (Look("nobody.com.", (), [PARENT]), "no_servers", "name the servers"),
]


@pytest.mark.parametrize(("where", "reason", "said"), FAILURES)
def test_a_server_that_is_the_wrong_one_is_named(parent: Parent, where: Look, reason: str, said: str) -> None:
    asker = Asker(parent.port, timeout=1.0, resolver=Resolver(PARENT, parent.port, unvalidated=True))
    with pytest.raises(DnsFailure, match=said) as caught:
        look(asker, where)
    assert caught.value.reason == reason, caught.value
