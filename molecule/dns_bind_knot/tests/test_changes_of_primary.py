# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones that move to another primary, and changes that stop halfway. The scenario dns_knot_bind has these tests too, the other way round.

Provisioning both servers takes longer than anything that is looked at here, so that each test begins where the one before has ended.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
import yaml
from test_dns_pair import (
    BELOW,
    HOSTS,
    KEYS,
    NS1,
    NS2,
    SCENARIO,
    TRANSFER_KEY,
    UPDATE_KEY,
    ZONE,
    await_answer,
    configure,
    converge,
    dig,
    nsupdate,
    play,
    transfer,
    unit,
)

testinfra_hosts = ["ansible://ns1"]
SERVERS = ("--limit", "ns1,ns2")
SIGNED = "pair.example.net"
OTHER = "hidden.example.net"
BUSY = "app1-busy"
FROZEN = "/var/lib/smallfleet/dns_server.frozen"
SUM = f"sha256sum {KEYS}/%s.key"
Updates = List[Tuple[str, str]]
"""Updates that were acknowledged: the number, and the address of the server."""

# A client that adds name after name at the first server that takes it, many a second, and notes which were acknowledged.
WRITER = f"""
number=0
while [ ! -e /root/enough ]; do
    number=$((number + 1))
    for server in {NS1} {NS2}; do
        if printf 'server %s\\nzone {ZONE}\\nupdate add n%s.busy.{ZONE} 60 TXT x\\nsend\\n' $server $number | nsupdate -t 3 -u 3 -r 0 -k {KEYS}/{BUSY}.key; then
            echo $number $server >> /root/acknowledged
            break
        fi
    done
    sleep 0.03
done
"""


@pytest.fixture(scope="module")
def ns2(host):
    return host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture(scope="module")
def app1(host):
    return host.get_host("ansible://app1", ansible_inventory=host.backend.ansible_inventory)


def with_half(variables: Dict[str, Any]) -> None:
    variables["dns_zones"]["half.example.net"] = {"primary": "ns1", "hosts": False}
    del variables["dns_keys"]["app1-below"]


@dataclass
class Pair:
    """Both servers, and the inventory that they were last provisioned with.

    All inventories are without a catalog, and with a key for the busy client whose secret stays where it is when the zone moves.
    """

    folder: Path
    now: Optional[Path] = None

    def inventory(self, *zones: str, change: Callable[[Dict[str, Any]], None] = lambda variables: None) -> Path:
        """The scenario's inventory with these zones on ns2, and with a change."""
        made = self.folder / "-".join((change.__name__.strip("<>"), *zones))
        if not made.exists():
            shutil.copytree(SCENARIO / "inventory", made)
            path = made / "group_vars/all.yml"
            variables = yaml.safe_load(path.read_text(encoding="utf-8"))
            variables["dns_catalog"] = False
            grants = [{"zone": SIGNED, "name": "busy", "types": ["TXT"]}, {"zone": ZONE, "name": "busy", "match": "subdomain", "types": ["TXT"]}]
            variables["dns_keys"][BUSY] = {"hosts": ["app1"], "grants": grants}
            for zone in zones:
                variables["dns_zones"][zone].update({"primary": "ns2", "secondaries": ["ns1"]})
            change(variables)
            path.write_text(yaml.safe_dump(variables, sort_keys=False), encoding="utf-8")
        return made

    def provision(self, inventory: Path) -> str:
        self.now = None  # until it is done
        said = converge(*SERVERS, inventory=inventory)
        self.now = inventory
        return said

    def begin(self, *zones: str) -> Path:
        """Provision the servers with these zones on ns2, unless they are; the inventory."""
        inventory = self.inventory(*zones)
        if self.now != inventory:
            self.provision(inventory)
        return inventory


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("inventories"))
    converge(inventory=made.inventory())  # app1 gets its key
    made.now = made.inventory()
    yield made
    converge()


@contextmanager
def busy(app1: Any, after: str) -> Iterator[Updates]:
    """A client that writes until it has written to the server that is the primary afterwards; its updates, complete afterwards."""
    acknowledged: Updates = []
    app1.check_output(f"rm -f /root/enough /root/acknowledged; cat > /root/writer <<'E'\n{WRITER}\nE")
    app1.check_output("systemd-run --quiet --unit=writer --nice=19 bash /root/writer")
    try:
        yield acknowledged
        app1.check_output(f"for try in $(seq 300); do grep -q ' {after}$' /root/acknowledged && exit; sleep 0.1; done; exit 1")
    finally:
        app1.check_output("touch /root/enough; while systemctl is-active -q writer; do sleep 0.1; done; systemctl reset-failed writer 2> /dev/null || :")
        acknowledged += [(line.split()[0], line.split()[1]) for line in app1.check_output("cat /root/acknowledged").splitlines()]


def lost(server: Any, address: str, acknowledged: Updates) -> Updates:
    """The acknowledged updates that a primary does not have."""
    there = {line.split()[0] for line in transfer(server, ZONE, address, UPDATE_KEY).splitlines()}
    return [one for one in acknowledged if f"n{one[0]}.busy.{ZONE}." not in there]


@dataclass
class Journey:
    """What was seen of a zone that moved to ns2 and back while a client wrote all the time; ``keys`` are digests of files."""

    keys: Dict[str, str] = field(default_factory=dict)
    acknowledged: Dict[str, Updates] = field(default_factory=dict)
    lost: Dict[str, Updates] = field(default_factory=dict)
    soas: Dict[str, str] = field(default_factory=dict)
    values: Dict[str, List[str]] = field(default_factory=dict)
    alone: str = ""
    too_early: str = ""
    again: str = ""


@pytest.fixture(scope="module")
def journey(host: Any, ns2: Any, app1: Any, pair: Pair) -> Journey:
    seen = Journey()
    here, there = pair.begin(), pair.inventory(ZONE)
    assert nsupdate(host, ZONE, f"update add moves.{ZONE} 60 TXT there", UPDATE_KEY) == ""
    await_answer(host, f"moves.{ZONE} TXT", NS2, ['"there"'])
    seen.keys["app1"], seen.keys["ns1, update"] = app1.check_output(SUM % BELOW), host.check_output(SUM % UPDATE_KEY)
    seen.alone = " ".join(play("--limit", "ns1", inventory=there).split())
    seen.keys["ns1, alone"] = host.check_output(SUM % BELOW)
    # Only the server: a home that is alone in a run of the whole role generates a secret of its own.
    seen.too_early = " ".join(play("--limit", "ns2", inventory=there, playbook="tests/configure.yml").split())
    seen.soas["too early"] = dig(ns2, f"{ZONE} SOA", NS2)[0]
    with busy(app1, NS2) as seen.acknowledged["there"]:
        pair.provision(there)
    seen.lost["there"] = lost(ns2, NS2, seen.acknowledged["there"])
    seen.again = pair.provision(there)
    seen.soas["there"] = dig(ns2, f"{ZONE} SOA", NS2)[0]
    seen.keys["ns2"], seen.keys["ns2, update"] = ns2.check_output(SUM % BELOW), ns2.check_output(SUM % UPDATE_KEY)
    seen.keys["ns1, moved"] = host.run(SUM % BELOW).stdout
    assert nsupdate(app1, ZONE, f"update add kept.below.{ZONE} 60 TXT x", BELOW, NS2) == ""
    assert nsupdate(ns2, ZONE, f"update add moves.{ZONE} 60 TXT back", UPDATE_KEY, NS2) == ""
    await_answer(host, f"moves.{ZONE} TXT", NS1, ['"back"', '"there"'])
    with busy(app1, NS1) as seen.acknowledged["here"]:
        pair.provision(here)
    seen.lost["here"] = lost(host, NS1, seen.acknowledged["here"])
    seen.soas["here"] = dig(host, f"{ZONE} SOA")[0]
    seen.keys["ns1"], seen.keys["app1, back"] = host.check_output(SUM % BELOW), app1.check_output(SUM % BELOW)
    for server in (NS1, NS2):
        await_answer(host, f"moves.{ZONE} TXT", server, ['"back"', '"there"'])
    seen.values["kept"] = dig(app1, f"kept.below.{ZONE} TXT")
    assert nsupdate(app1, ZONE, f"update delete kept.below.{ZONE}", BELOW) == ""
    return seen


@pytest.mark.drill
def test_a_zone_moves_to_another_primary_and_back_with_all_that_others_have_added(journey):
    assert journey.again.count("changed=0") == 2
    assert journey.soas["there"].startswith("ns2.") and journey.soas["here"].startswith("ns1.")
    assert journey.values["kept"] == ['"x"'], "and what ns1 had is looked at on the way"


@pytest.mark.drill
def test_a_zone_never_gets_a_second_primary_by_a_run_without_the_first(journey):
    assert f"The zone {ZONE} is left as it is: its primary ns1 is not in this run, or has failed in it" in journey.too_early, journey.too_early
    assert journey.soas["too early"].startswith("ns1.")


@pytest.mark.drill
def test_a_key_keeps_its_secret_when_its_home_moves_with_the_zone_and_its_host_is_not_in_the_run(journey):
    keys = journey.keys
    assert f"stays the primary of the zone {ZONE}" in journey.alone, journey.alone
    assert keys["ns1, alone"] == keys["app1"], "ns2 has not taken the zone over, so that ns1 needs the key"
    assert keys["ns2"] == keys["app1"] and keys["ns1, moved"] == ""
    assert keys["ns2, update"] != keys["ns1, update"], "each primary has an update key of its own"
    assert keys["ns1"] == keys["app1"] == keys["app1, back"]


@pytest.mark.drill
@pytest.mark.parametrize("way", ["there", "here"])
def test_no_acknowledged_update_is_lost_when_a_zone_that_is_written_all_the_time_gets_another_primary(journey, way):
    acknowledged = journey.acknowledged[way]
    assert {server for _number, server in acknowledged} == {NS1, NS2}, "the client wrote to one of them only"
    assert len(acknowledged) > 20 and journey.lost[way] == []


KILLER = f"""
until [ -s {FROZEN} ]; do sleep 0.1; done
kill -9 $(pgrep -f '^/usr/bin/python3( .*dns_server_config.*)?$') && touch /run/killed
"""


def killed_while_frozen(host: Any, inventory: Path, *options: str) -> None:
    """Run the playbook; its module is killed on ns1 as soon as it has frozen the zone, however long that takes."""
    host.check_output(f"rm -f /run/killed; cat > /root/killer <<'E'\n{KILLER}\nE")
    host.check_output("systemd-run --quiet --unit=killer bash /root/killer")
    try:
        said = play(*options, inventory=inventory)
    finally:
        host.run("systemctl stop killer; systemctl reset-failed killer")
    assert host.file("/run/killed").exists and re.search(r"ns1 +: .* failed=1 ", said), said


@pytest.mark.drill
def test_a_zone_that_a_killed_run_has_frozen_takes_updates_again_after_the_next_run_or_moves(host, ns2, pair):
    here, there = pair.begin(), pair.inventory(ZONE)
    assert nsupdate(host, ZONE, f"update add killed.{ZONE} 60 TXT before", UPDATE_KEY) == ""
    await_answer(host, f"killed.{ZONE} TXT", NS2, ['"before"'])
    pair.now = None
    killed_while_frozen(host, there, "--limit", "ns1")
    message = f"server {NS1}\\nzone {ZONE}\\nupdate add killed.{ZONE} 60 TXT frozen\\nsend\\n"
    frozen = host.run(f"printf '{message}' | nsupdate -t 3 -u 3 -r 0 -k {KEYS}/{UPDATE_KEY}.key")
    assert frozen.rc != 0 and '"frozen"' not in dig(host, f"killed.{ZONE} TXT"), frozen
    converge("--limit", "ns1", inventory=here)
    assert nsupdate(host, ZONE, f"update add killed.{ZONE} 60 TXT after", UPDATE_KEY) == ""
    killed_while_frozen(host, there, *SERVERS)
    pair.provision(there)
    assert host.run(f"ls {FROZEN}").rc != 0
    for server in (NS1, NS2):
        assert {'"before"', '"after"'} <= set(dig(host, f"killed.{ZONE} TXT", server))
    assert nsupdate(ns2, ZONE, f"update delete killed.{ZONE}", UPDATE_KEY, NS2) == ""
    await_answer(host, f"killed.{ZONE} TXT", NS1, [])


@pytest.mark.drill
def test_zones_that_two_hosts_swap_are_refused_on_both_and_move_one_after_the_other(host, ns2, pair):
    pair.begin(ZONE)
    said = " ".join(play(*SERVERS, inventory=pair.inventory(OTHER)).split())
    assert f"The zone {OTHER} is to move from this host to ns2, and {ZONE} the other way in the same run" in said, said
    assert f"The zone {ZONE} is to move from this host to ns1, and {OTHER} the other way in the same run" in said, said
    assert dig(host, f"{ZONE} SOA", NS1)[0].startswith("ns2.")
    assert "SOA" in transfer(host, OTHER, NS1, TRANSFER_KEY), "it is not the primary any more"
    pair.provision(pair.inventory(ZONE, OTHER))
    assert "SOA" not in transfer(host, OTHER, NS1, TRANSFER_KEY), "it is still the primary"
    pair.provision(pair.inventory())
    assert dig(host, f"{ZONE} SOA", NS2)[0].startswith("ns1.") and "SOA" in transfer(host, OTHER, NS1, TRANSFER_KEY)


@pytest.mark.drill
def test_a_signed_zone_that_would_get_another_key_is_not_moved_and_keeps_its_primary(host, pair):
    pair.begin()
    keys = dig(host, f"{SIGNED} DNSKEY")
    assert keys
    await_answer(host, f"{SIGNED} DNSKEY", NS2, keys)
    said = " ".join(play(*SERVERS, inventory=pair.inventory(SIGNED)).split())
    assert f"The zone {SIGNED} is left as it is" in said and "which is not on this host" in said, said
    assert f"stays the primary of the zone {SIGNED}, and nothing was changed" in said, said
    assert nsupdate(host, SIGNED, f"update add unmoved.{SIGNED} 60 TXT x", UPDATE_KEY) == ""
    for server in (NS1, NS2):
        await_answer(host, f"unmoved.{SIGNED} TXT", server, ['"x"'])
        assert dig(host, f"{SIGNED} DNSKEY", server) == keys
    assert nsupdate(host, SIGNED, f"update delete unmoved.{SIGNED}", UPDATE_KEY) == ""


@pytest.mark.drill
def test_a_file_that_cannot_be_replaced_leaves_all_others_and_a_server_that_can_be_started(host, pair):
    pair.begin()
    knot = HOSTS["ns1"]["dns_server_provider"] == "knot"
    folder, mounted, zones = ("/etc/knot", "knot.conf", "/var/lib/knot") if knot else ("/etc/bind", "named.conf.local", "/var/lib/bind")
    listing = f"ls -lai {folder}; sha256sum {folder}/*; ls -a {zones} | grep -e half -e smallfleet"
    inventory = pair.inventory(change=with_half)
    before = host.run(listing).stdout
    host.check_output(f"mount --bind {folder}/{mounted} {folder}/{mounted}")
    try:
        said = " ".join(play("--limit", "ns1", inventory=inventory, playbook="tests/configure.yml").split())
    finally:
        host.check_output(f"umount {folder}/{mounted}")
    assert f"Could not write {folder}/{mounted}: Something is mounted in the place of this file" in said, said
    after = host.run(listing).stdout
    assert [line.split()[2:] for line in after.splitlines()[2:]] == [line.split()[2:] for line in before.splitlines()[2:]]
    host.check_output(f"systemctl restart {unit('ns1')}")
    await_answer(host, f"stays.{ZONE} TXT", NS1, ['"written by the inventory"'])
    pair.now = None
    configure(inventory=inventory)
    await_answer(host, "half.example.net NS", NS1, ["ns1.pair.example.net."])
