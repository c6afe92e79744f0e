# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones that move to another primary, and changes that stop halfway. The scenario dns_knot_bind has these tests too, the other way round."""

from __future__ import annotations

import shutil

import pytest
import yaml
from test_dns_pair import HOSTS, NS1, NS2, SCENARIO, UPDATE_KEY, ZONE, await_answer, converge, dig, nsupdate, play, unit

testinfra_hosts = ["ansible://ns1"]
SERVERS = ("--limit", "ns1,ns2")
SIGNED = "pair.example.net"


@pytest.fixture
def ns2(host):
    return host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)


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
    converge()  # keys that were made anew reach app1


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
    converge()  # keys that were made anew reach app1


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
