# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory says of a zone, on a real BIND and a real Knot: its SOA, names with escapes, and how it is signed."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List

import dns.message
import dns.query
import dns.rdatatype
import pytest
from asking import entry as record
from asking import failure_of, names, write
from conftest import program
from rendered import Rendered, rendered, soon

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServedZone
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.knot import unsigning
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import ServerState, plan_server, soa_after
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.providers_host import PROVIDERS
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.self_check_client import replace_soa
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.signing_policy import SigningPolicy, needs_new_ds

ZONE = "example.net"


@pytest.fixture(params=["bind", "knot"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(made: Rendered, name: str, kind: str) -> Any:
    question = dns.message.make_query(name, kind, want_dnssec=True)
    return dns.query.tcp(question, "127.0.0.1", port=made.port, timeout=60)  # a busy machine makes RSA keys slowly


def values(made: Rendered, name: str, kind: str) -> List[str]:
    answer = ask(made, name, kind).answer
    return sorted(value.to_text() for one in answer if dns.rdatatype.to_text(one.rdtype) == kind for value in one)


def soa_steps(made: Rendered, client: Any) -> List[Any]:
    """What the planner would do about the SOA, from what the server answers."""
    config = made.config()
    seen = client.read(f"{ZONE}.", [(f"{ZONE}.", "SOA")])[f"{ZONE}.", "SOA"]
    state = ServerState(installed=True, active=True, enabled=True, soas={ZONE: seen})
    steps = plan_server(PROVIDERS[made.kind][0], config, state)
    return [(config.primaries[0], seen) for step in steps if step.action == "set_soa"]


def update_client(made: Rendered) -> Any:
    return made.running().client(name="demo-update")


@pytest.mark.parametrize("signed", [False, True])
def test_the_soa_of_a_zone_that_is_served_is_replaced_by_an_update(kind: str, signed: bool, tmp_path: Path) -> None:
    zones: Dict[str, Any] = {ZONE: {"primary": "ns1", "dnssec": signed}}
    with rendered(kind, tmp_path, zones) as made, closing(update_client(made)) as client:
        soon(lambda: bool(values(made, ZONE, "DNSKEY")), signed)
        assert soa_steps(made, client) == []
        before = int(values(made, ZONE, "SOA")[0].split()[2])
        zones[ZONE]["soa"] = {"contact": "dns.a+b@example.net", "refresh": 7200, "negative_ttl": 900}
        ((zone, seen),) = soa_steps(made, client)
        assert replace_soa(client, seen, soa_after(zone, seen))
        (answer,) = values(made, ZONE, "SOA")
        mname, rname, serial, *timers = answer.split()
        assert (mname, rname, timers) == ("ns1.example.net.", r"dns\.a+b.example.net.", ["7200", "120", "1209600", "900"])
        assert int(serial) > before
        assert not replace_soa(client, seen, soa_after(zone, seen)), "what was seen is there no more"
        assert soa_steps(made, client) == []
        del zones[ZONE]["soa"]["refresh"]
        assert soa_steps(made, client) == [], "what the inventory no longer says stays as it is"


def test_a_signed_zone_whose_soa_lives_longer_than_a_day_is_served(kind: str, tmp_path: Path) -> None:
    with rendered(kind, tmp_path, {ZONE: {"primary": "ns1", "dnssec": True, "soa": {"ttl": 172800}}}) as made:
        soon(lambda: bool(values(made, ZONE, "DNSKEY")), True)
        assert ask(made, ZONE, "SOA").answer[0].ttl == 172800


@pytest.mark.parametrize("ttl", [7 * 86400, 365 * 86400])
def test_a_signed_zone_with_a_record_that_lives_for_a_week_or_a_year_is_served(kind: str, ttl: int, tmp_path: Path) -> None:
    long = {"record": "long", "type": "A", "ttl": ttl, "value": ["192.0.2.1"]}
    with rendered(kind, tmp_path, {ZONE: {"primary": "ns1", "dnssec": True, "records": [long]}}) as made:
        soon(lambda: {dns.rdatatype.to_text(one.rdtype) for one in ask(made, f"long.{ZONE}", "A").answer}, {"A", "RRSIG"})


def test_a_ttl_above_that_of_the_signing_policy_is_an_error_where_the_server_cuts_it(kind: str, tmp_path: Path) -> None:
    """BIND answers NOERROR and writes the longest TTL that it allows; Knot writes what it gets."""
    with rendered(kind, tmp_path, {ZONE: {"primary": "ns1", "dnssec": True}}) as made, closing(update_client(made)) as client:
        soon(lambda: bool(values(made, ZONE, "DNSKEY")), True)
        long, fits = (record("long", "A", "192.0.2.9", ttl=ttl) for ttl in (172800, 86400))
        if kind == "knot":
            assert write(client, long).changed and not write(client, long).changed
            return
        failure = failure_of(lambda: write(client, long))
        assert failure.reason == "ignored" and failure.done == (f"create long.{ZONE}. A",)
        assert f"long.{ZONE}. A has a TTL of 86400 and not 172800" in str(failure) and "Write a ttl of at most 86400" in str(failure)
        assert str(failure_of(lambda: write(client, long))) == str(failure)
        assert not write(client, fits).changed


def test_records_with_escaped_names_are_written_once_and_read_back_as_they_are(server: Any) -> None:
    own = next(names)
    wanted = [
        record(rf"My\032Printer.{own}", "SRV", "0 0 631 ns1"),
        record(rf"a\.b.{own}", "TXT", "txtvers=1"),
        record(rf"a\+b\;\$\@\(.{own}", "TXT", "x"),
        record(own, "PTR", rf"My\032Printer.{own}.example.net", rf"a\.b.{own}.example.net."),
    ]
    with closing(server.client()) as client:
        assert len(write(client, *wanted).steps) == 4
        assert not write(client, *wanted).steps
    held = transfer(server.server(), server.key(), f"{ZONE}.").sets
    assert {key for key in held if key[0].endswith(f"{own}.{ZONE}.")} == {
        (rf"my\032printer.{own}.{ZONE}.", "SRV"),
        (rf"a\.b.{own}.{ZONE}.", "TXT"),
        (rf"a\+b\;\$\@\(.{own}.{ZONE}.", "TXT"),
        (f"{own}.{ZONE}.", "PTR"),
    }


def test_a_key_for_an_escaped_name_may_change_that_name_only(kind: str, tmp_path: Path) -> None:
    printer = r"My\032Printer\.\"B\"\;\035\\x._ipp._tcp"
    keys = {"app1-own": {"hosts": ["app1"], "grants": [{"zone": ZONE, "name": printer, "types": ["SRV"]}]}}
    zones = {ZONE: {"primary": "ns1", "records": [{"record": printer, "type": "SRV", "value": ["0 0 1 app1"]}]}}
    with rendered(kind, tmp_path, zones, keys) as made:
        soon(lambda: len(values(made, ZONE, "SOA")), 1)
        assert values(made, f"{printer}.{ZONE}", "SRV") == ["0 0 1 app1.example.net."]
        with closing(made.running().client(name="app1-own")) as client:
            assert write(client, record(printer, "SRV", "0 0 631 app1")).steps
            assert values(made, f"{printer}.{ZONE}", "SRV") == ["0 0 631 app1.example.net."]
            for other in ("my._ipp._tcp", r"My\032Printer._ipp._tcp", r"a\.b"):
                assert failure_of(lambda other=other: write(client, record(other, "SRV", "0 0 631 app1"))).reason == "refused"


POLICIES: Dict[str, Any] = {
    "nsec3": {"denial": "nsec3"},
    "split": {"denial": "nsec3", "keys": "ksk_zsk", "algorithm": "ed25519"},
    "rsa": {"keys": "ksk_zsk", "algorithm": "rsasha256", "zsk_lifetime": 2592000},
    "p384": {"algorithm": "ecdsap384sha384"},
}


def denial_types(made: Rendered) -> List[str]:
    answer = ask(made, f"nobody.{ZONE}", "A")
    return sorted({dns.rdatatype.to_text(one.rdtype) for one in answer.authority} & {"NSEC", "NSEC3"})


@pytest.mark.parametrize("name", POLICIES)
def test_a_zone_is_signed_as_its_policy_says(kind: str, name: str, tmp_path: Path) -> None:
    options = POLICIES[name]
    with rendered(kind, tmp_path, {ZONE: {"primary": "ns1", "dnssec": options}}) as made:
        denial = options.get("denial", "nsec").upper()
        soon(lambda: denial_types(made), [denial])
        dnskeys = values(made, ZONE, "DNSKEY")
        assert [value.split()[0] for value in dnskeys] == (["256", "257"] if "keys" in options else ["257"])
        zone: ServedZone = made.config().primaries[0]
        assert needs_new_ds(zone.signing, dnskeys) == "" != needs_new_ds(SigningPolicy(algorithm="rsasha256"), dnskeys)
        assert [value.split()[1:] for value in values(made, ZONE, "NSEC3PARAM")] == ([["0", "0", "-"]] if denial == "NSEC3" else [])


def test_a_change_of_denial_keeps_the_keys_and_answers_all_the_time(kind: str, tmp_path: Path) -> None:
    zones: Dict[str, Any] = {ZONE: {"primary": "ns1", "dnssec": True}}
    with rendered(kind, tmp_path, zones) as made:
        soon(lambda: denial_types(made), ["NSEC"])
        dnskeys = values(made, ZONE, "DNSKEY")
        for denial in ("nsec3", "nsec"):
            zones[ZONE]["dnssec"] = {"denial": denial}
            made.reload()
            soon(lambda: denial_types(made), [denial.upper()])
            assert values(made, ZONE, "DNSKEY") == dnskeys


def run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run([program(argv[0]), *argv[1:]], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_knot_signs_with_another_algorithm_once_the_old_key_is_deleted_as_the_guide_says(tmp_path: Path) -> None:
    zones: Dict[str, Any] = {ZONE: {"primary": "ns1", "dnssec": True}}
    with rendered("knot", tmp_path, zones) as made:
        soon(lambda: [value.split()[2] for value in values(made, ZONE, "DNSKEY")], ["13"])
        zones[ZONE]["dnssec"] = False
        made.reload()
        soon(lambda: (tmp_path / "log").read_text().count("configuration reloaded"), 1)
        config = made.config()
        read = run("knotc", "-s", str(tmp_path / "knot.sock"), "zone-read", ZONE)
        for script in unsigning(config.primaries[0], read, config.keys[0].generations[0]):
            run("knsupdate", "-v", stdin=script.replace("server 127.0.0.1", f"server 127.0.0.1 {made.port}"))
        assert values(made, ZONE, "DNSKEY") == []
        keymgr = ("keymgr", "-c", str(tmp_path / "server.conf"), ZONE)
        (key,) = run(*keymgr, "list").splitlines()
        run(*keymgr, "delete", key.split()[1])
        zones[ZONE]["dnssec"] = {"algorithm": "ed25519"}
        made.reload()
        soon(lambda: [value.split()[2] for value in values(made, ZONE, "DNSKEY")], ["15"])
