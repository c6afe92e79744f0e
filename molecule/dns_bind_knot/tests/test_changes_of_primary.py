# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones that move to another primary, and changes that stop halfway. The scenario dns_knot_bind has these tests too, the other way round."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager

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
BUSY = "app1-busy"
# A client that adds name after name, without a pause, at the first server that takes it, and notes which were acknowledged.
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
done
"""


@pytest.fixture
def ns2(host):
    return host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def app1(host):
    return host.get_host("ansible://app1", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def inventories(tmp_path):
    """Makes inventories with other variables."""
    made = []

    def make(change):
        folder = tmp_path / str(len(made))
        made.append(folder)
        shutil.copytree(SCENARIO / "inventory", folder)
        path = folder / "group_vars/all.yml"
        variables = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(variables)
        path.write_text(yaml.safe_dump(variables, sort_keys=False), encoding="utf-8")
        return folder

    return make


def without_catalog(variables):
    variables["dns_catalog"] = False


def moved(*zones):
    def change(variables):
        without_catalog(variables)
        for zone in zones:
            variables["dns_zones"][zone].update({"primary": "ns2", "secondaries": ["ns1"]})

    return change


@pytest.mark.drill
def test_a_zone_moves_to_another_primary_and_back_with_all_that_others_have_added(host, ns2, inventories):
    converge(*SERVERS, inventory=inventories(without_catalog))
    assert nsupdate(host, ZONE, f"update add moves.{ZONE} 60 TXT there", UPDATE_KEY) == ""
    await_answer(host, f"moves.{ZONE} TXT", NS2, ['"there"'])
    there = inventories(moved(ZONE))
    converge(*SERVERS, inventory=there)
    assert converge(*SERVERS, inventory=there).count("changed=0") == 2
    assert dig(ns2, f"{ZONE} SOA", NS2)[0].startswith("ns2.")
    assert nsupdate(ns2, ZONE, f"update add moves.{ZONE} 60 TXT back", UPDATE_KEY, NS2) == ""
    await_answer(host, f"moves.{ZONE} TXT", NS1, ['"back"', '"there"'])
    converge(*SERVERS, inventory=inventories(without_catalog))
    for server in (NS1, NS2):
        await_answer(host, f"moves.{ZONE} TXT", server, ['"back"', '"there"'])
    assert dig(host, f"{ZONE} SOA")[0].startswith("ns1.")
    converge()


@pytest.mark.drill
def test_a_key_keeps_its_secret_when_its_home_moves_with_the_zone_and_its_host_is_not_in_the_run(host, ns2, app1, inventories):
    here, there = inventories(without_catalog), inventories(moved(ZONE))
    converge(inventory=here)
    file = f"{KEYS}/{BELOW}.key"
    before, own = app1.check_output(f"sha256sum {file}"), host.check_output(f"sha256sum {KEYS}/{UPDATE_KEY}.key")
    play("--limit", "ns1", inventory=there)  # fails, since ns2 does not take the zone over, and must not remove the key
    assert host.check_output(f"sha256sum {file}") == before
    converge(*SERVERS, inventory=there)
    assert ns2.check_output(f"sha256sum {file}") == before and not host.file(file).exists
    assert converge(*SERVERS, inventory=there).count("changed=0") == 2
    assert nsupdate(app1, ZONE, f"update add kept.below.{ZONE} 60 TXT x", BELOW, NS2) == ""
    assert ns2.check_output(f"sha256sum {KEYS}/{UPDATE_KEY}.key") != own, "each primary has an update key of its own"
    converge(*SERVERS, inventory=here)
    assert host.check_output(f"sha256sum {file}") == before == app1.check_output(f"sha256sum {file}")
    assert nsupdate(app1, ZONE, f"update delete kept.below.{ZONE}", BELOW) == ""
    converge()


def with_writer(change):
    """The inventory with a key for the busy client, whose secret stays where it is when the zone moves."""

    def changed(variables):
        change(variables)
        grants = [{"zone": SIGNED, "name": "busy", "types": ["TXT"]}, {"zone": ZONE, "name": "busy", "match": "subdomain", "types": ["TXT"]}]
        variables["dns_keys"][BUSY] = {"hosts": ["app1"], "grants": grants}

    return changed


@contextmanager
def busy(app1):
    """A client that writes all the time; gives the list of updates that were acknowledged, (number, server), which is complete afterwards."""
    acknowledged = []
    app1.check_output(f"rm -f /root/enough /root/acknowledged; cat > /root/writer <<'E'\n{WRITER}\nE")
    app1.check_output("systemd-run --quiet --unit=writer bash /root/writer")
    try:
        yield acknowledged
    finally:
        app1.check_output("touch /root/enough; while systemctl is-active -q writer; do sleep 0.1; done; systemctl reset-failed writer 2> /dev/null || :")
        acknowledged += [tuple(line.split()) for line in app1.check_output("cat /root/acknowledged").splitlines()]


def lost(server, address, acknowledged):
    """The acknowledged updates that a primary does not have."""
    there = {line.split()[0] for line in transfer(server, ZONE, address, UPDATE_KEY).splitlines()}
    return [one for one in acknowledged if f"n{one[0]}.busy.{ZONE}." not in there]


@pytest.mark.drill
def test_no_acknowledged_update_is_lost_when_a_zone_that_is_written_all_the_time_gets_another_primary(host, ns2, app1, inventories):
    here, there = inventories(with_writer(without_catalog)), inventories(with_writer(moved(ZONE)))
    converge(inventory=here)
    for inventory, primary, address in ((there, ns2, NS2), (here, host, NS1)):
        with busy(app1) as acknowledged:
            converge(*SERVERS, inventory=inventory)
        assert {server for _number, server in acknowledged} == {NS1, NS2}, "the client wrote to one of them only"
        assert lost(primary, address, acknowledged) == []
    converge()


FROZEN = "/var/lib/smallfleet/dns_server.frozen"


def killed_while_frozen(host, inventory, *options):
    """What a run says whose module is killed on ns1 when it has frozen the zone."""
    command = ["ansible-playbook", "-i", str(inventory), *options, str(SCENARIO / "converge.yml")]
    running = subprocess.Popen(command, cwd=SCENARIO.parents[1], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    module = "pgrep -f '^/usr/bin/python3( .*dns_server_config.*)?$'"
    killed = host.run(f"for try in $(seq 1200); do if [ -s {FROZEN} ]; then kill -9 $({module}); exit 0; fi; sleep 0.1; done; exit 1")
    said, _nothing = running.communicate(timeout=300)
    assert killed.rc == 0, said
    assert running.returncode != 0, said
    return said


@pytest.mark.drill
def test_a_zone_that_a_killed_run_has_frozen_takes_updates_again_after_the_next_run_or_moves(host, ns2, inventories):
    here, there = inventories(without_catalog), inventories(moved(ZONE))
    converge(*SERVERS, inventory=here)
    assert nsupdate(host, ZONE, f"update add killed.{ZONE} 60 TXT before", UPDATE_KEY) == ""
    await_answer(host, f"killed.{ZONE} TXT", NS2, ['"before"'])
    killed_while_frozen(host, there, "--limit", "ns1")
    message = f"server {NS1}\\nzone {ZONE}\\nupdate add killed.{ZONE} 60 TXT frozen\\nsend\\n"
    frozen = host.run(f"printf '{message}' | nsupdate -t 3 -u 3 -r 0 -k {KEYS}/{UPDATE_KEY}.key")
    assert frozen.rc != 0 and '"frozen"' not in dig(host, f"killed.{ZONE} TXT"), frozen
    converge("--limit", "ns1", inventory=here)
    assert nsupdate(host, ZONE, f"update add killed.{ZONE} 60 TXT after", UPDATE_KEY) == ""
    killed_while_frozen(host, there, *SERVERS)
    converge(*SERVERS, inventory=there)
    assert host.run(f"ls {FROZEN}").rc != 0
    for server in (NS1, NS2):
        assert {'"before"', '"after"'} <= set(dig(host, f"killed.{ZONE} TXT", server))
    assert nsupdate(ns2, ZONE, f"update delete killed.{ZONE}", UPDATE_KEY, NS2) == ""
    await_answer(host, f"killed.{ZONE} TXT", NS1, [])
    converge(*SERVERS, inventory=here)
    converge()


@pytest.mark.drill
def test_zones_that_two_hosts_swap_are_refused_on_both_and_nothing_is_changed(host, ns2, inventories):
    other = "hidden.example.net"
    converge(*SERVERS, inventory=inventories(without_catalog))
    converge(*SERVERS, inventory=inventories(moved(other)))
    said = " ".join(play(*SERVERS, inventory=inventories(moved(ZONE))).split())
    assert f"The zone {ZONE} is to move from this host to ns2, and {other} the other way in the same run" in said, said
    assert f"The zone {other} is to move from this host to ns1, and {ZONE} the other way in the same run" in said, said
    assert dig(host, f"{ZONE} SOA", NS2)[0].startswith("ns1.")
    assert "SOA" not in transfer(host, other, NS1, TRANSFER_KEY), "it has become the primary"
    converge(*SERVERS, inventory=inventories(moved(ZONE, other)))
    converge(*SERVERS, inventory=inventories(moved(ZONE)))
    converge(*SERVERS, inventory=inventories(without_catalog))
    converge()


@pytest.mark.drill
def test_a_signed_zone_that_would_get_another_key_is_not_moved_and_keeps_its_primary(host, inventories):
    converge(*SERVERS, inventory=inventories(without_catalog))
    keys = dig(host, f"{SIGNED} DNSKEY")
    assert keys
    await_answer(host, f"{SIGNED} DNSKEY", NS2, keys)
    said = " ".join(play(*SERVERS, inventory=inventories(moved(SIGNED))).split())
    assert f"The zone {SIGNED} is left as it is" in said and "which is not on this host" in said, said
    assert f"stays the primary of the zone {SIGNED}, and nothing was changed" in said, said
    assert nsupdate(host, SIGNED, f"update add unmoved.{SIGNED} 60 TXT x", UPDATE_KEY) == ""
    for server in (NS1, NS2):
        await_answer(host, f"unmoved.{SIGNED} TXT", server, ['"x"'])
        assert dig(host, f"{SIGNED} DNSKEY", server) == keys
    assert nsupdate(host, SIGNED, f"update delete unmoved.{SIGNED}", UPDATE_KEY) == ""
    converge()


@pytest.mark.drill
def test_a_file_that_cannot_be_replaced_leaves_all_others_and_a_server_that_can_be_started(host, inventories):
    def change(variables):
        variables["dns_zones"]["half.example.net"] = {"primary": "ns1", "hosts": False}
        del variables["dns_keys"]["app1-below"]

    knot = HOSTS["ns1"]["dns_server_provider"] == "knot"
    folder, mounted, zones = ("/etc/knot", "knot.conf", "/var/lib/knot") if knot else ("/etc/bind", "named.conf.local", "/var/lib/bind")
    listing = f"ls -lai {folder}; sha256sum {folder}/*; ls -a {zones} | grep -e half -e smallfleet"
    inventory = inventories(change)
    before = host.run(listing).stdout
    host.check_output(f"mount --bind {folder}/{mounted} {folder}/{mounted}")
    try:
        said = " ".join(play("--limit", "ns1", inventory=inventory).split())
    finally:
        host.check_output(f"umount {folder}/{mounted}")
    assert f"Could not write {folder}/{mounted}: Something is mounted in the place of this file" in said, said
    after = host.run(listing).stdout
    assert [line.split()[2:] for line in after.splitlines()[2:]] == [line.split()[2:] for line in before.splitlines()[2:]]
    host.check_output(f"systemctl restart {unit('ns1')}")
    await_answer(host, f"stays.{ZONE} TXT", NS1, ['"written by the inventory"'])
    converge("--limit", "ns1", inventory=inventory)
    await_answer(host, "half.example.net NS", NS1, ["ns1.pair.example.net."])
    converge()  # and the key that was away reaches app1
