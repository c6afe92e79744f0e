# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone's SOA, PTR records of hosts, names with escapes, and signing policies, on BIND (ns1) and Knot (ns3)."""

from __future__ import annotations

import pytest
from servers import HIDDEN, NS1, NS2, OWN_KEY, UPDATE_KEY, ZONE, converge, dig, nsupdate, other_inventory, serial, soon

NS3 = "198.18.0.13"
REVERSE, REVERSE_IPV6 = "18.198.in-addr.arpa", "1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
PRINTER = r"My\032Printer._ipp._tcp." + ZONE

testinfra_hosts = ["ansible://client1"]


def soa(asker, zone, server):
    """The SOA's fields by name, without its serial."""
    line = asker.check_output(f"dig +noall +answer +tries=1 +time=3 @{server} {zone} SOA").split()
    names = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
    return {"ttl": line[1], **{name: value for name, value in zip(names, line[4:]) if name != "serial"}}


def denial(asker, zone, server):
    """The types of records that prove that a name is not there."""
    said = asker.check_output(f"dig +dnssec +noall +authority +tries=1 +time=3 @{server} nobody.{zone} A")
    return sorted({line.split()[3] for line in said.splitlines()} & {"NSEC", "NSEC3"})


def test_the_soa_has_the_contact_and_timers_of_the_inventory(host):
    timers = {"refresh": "1800", "retry": "120", "expire": "1209600", "minimum": "300", "ttl": "300"}
    for server in (NS1, NS2):
        assert soa(host, ZONE, server) == {"mname": f"ns1.{ZONE}.", "rname": r"dns\.admin.example.net.", **timers}
    found = soa(host, REVERSE_IPV6, NS3)
    assert (found["rname"], found["minimum"], found["ttl"]) == (r"dns\.admin.example.net.", "600", "600")


def test_every_host_is_found_by_its_addresses_and_a_ptr_of_the_inventory_wins(host):
    for number, name in ((11, "ns1"), (13, "ns3"), (21, "client1")):
        assert dig(host, f"-x 198.18.0.{number}", NS1) == [f"{name}.{ZONE}."]
        assert dig(host, f"-x 2001:db8:0:1::{number:x}", NS3)[0] == f"{name}.{ZONE}."
    assert dig(host, "-x 198.18.0.12", NS1) == ["mail.example.com."]
    assert dig(host, "-x 198.18.0.14", NS1) == []


def test_a_record_with_a_blank_in_its_name_is_served_by_all(host):
    for server in (NS1, NS2):
        assert dig(host, f"'{PRINTER}' SRV", server) == [f"0 0 631 client1.{ZONE}."]


def test_a_key_may_change_a_name_with_a_blank_and_no_other_like_it(host):
    assert nsupdate(host, NS1, f"update add My\\\\032Printer._ipp._tcp.{ZONE} 60 TXT x", OWN_KEY) == ""
    assert dig(host, f"'{PRINTER}' TXT") == ['"x"']
    assert nsupdate(host, NS1, f"update add My\\\\032Other._ipp._tcp.{ZONE} 60 TXT x", OWN_KEY) == "update failed: REFUSED"
    assert nsupdate(host, NS1, f"update delete My\\\\032Printer._ipp._tcp.{ZONE} TXT", OWN_KEY) == ""


@pytest.mark.parametrize(("zone", "server"), [(HIDDEN, NS1), (HIDDEN, NS2), (REVERSE_IPV6, NS3)])
def test_a_zone_denies_names_by_nsec3_without_iterations_and_salt(host, zone, server):
    soon(lambda: denial(host, zone, server), ["NSEC3"])
    assert dig(host, f"{zone} NSEC3PARAM", server)[0].startswith("1 0 0 -")


def test_a_zone_with_ksk_and_zsk_is_signed_by_both(host):
    keys = [line.split()[:3] for line in dig(host, f"{REVERSE_IPV6} DNSKEY", NS3)]
    assert keys == [["256", "3", "15"], ["257", "3", "15"]]


@pytest.mark.drill
def test_a_change_of_the_soa_is_an_update_that_check_mode_shows(host, tmp_path):
    primary = host.get_host("ansible://ns1", ansible_inventory=host.backend.ansible_inventory)
    by_hand = f"ns1.{ZONE}. jane.example.net. {serial(host, ZONE, NS1) + 1} 1800 60 1209600 300"
    assert nsupdate(primary, "127.0.0.1", f"update add {ZONE} 300 SOA {by_hand}", UPDATE_KEY) == ""

    def change(variables):
        variables["dns_zones"][ZONE]["soa"] = {"contact": "hostmaster@example.net", "negative_ttl": 900}
        variables["dns_zones"][REVERSE_IPV6]["soa"] = {"retry": 60}

    with other_inventory(tmp_path, change) as inventory:
        said = converge("--check", "--diff", inventory=inventory, limit="ns1,ns3")
        assert "+" + f"{ZONE}. 900 SOA ns1.{ZONE}. hostmaster.example.net." in said
        assert soa(host, ZONE, NS1)["rname"] == "jane.example.net."
        before = serial(host, ZONE, NS1), serial(host, REVERSE_IPV6, NS3)
        converge(inventory=inventory, limit="ns1,ns3")
        found = soa(host, ZONE, NS1)
        assert (found["rname"], found["minimum"], found["ttl"]) == ("hostmaster.example.net.", "900", "900")
        assert found["retry"] == "60", "what the inventory does not say is left as somebody has set it"
        assert soa(host, REVERSE_IPV6, NS3)["retry"] == "60"
        assert serial(host, ZONE, NS1) > before[0] and serial(host, REVERSE_IPV6, NS3) > before[1]
        soon(lambda: soa(host, ZONE, NS2), found)
        assert converge(inventory=inventory, limit="ns1,ns3").count("changed=0") == 2
    converge(limit="ns1,ns3")
    assert soa(host, ZONE, NS1)["rname"] == r"dns\.admin.example.net."


@pytest.mark.drill
def test_a_policy_that_keeps_the_keys_is_changed_while_the_zone_is_served(host, tmp_path):
    keys = {zone: dig(host, f"{zone} DNSKEY", server) for zone, server in ((HIDDEN, NS1), (REVERSE_IPV6, NS3))}

    def with_nsec(variables):
        for zone in keys:
            variables["dns_zones"][zone]["dnssec"].pop("denial")

    with other_inventory(tmp_path, with_nsec) as inventory:
        converge(inventory=inventory, limit="ns1,ns3")
        for zone, server in ((HIDDEN, NS1), (HIDDEN, NS2), (REVERSE_IPV6, NS3)):
            soon(lambda zone=zone, server=server: denial(host, zone, server), ["NSEC"], 30)
        assert converge(inventory=inventory, limit="ns1,ns3").count("changed=0") == 2
    converge(limit="ns1,ns3")
    for zone, server in ((HIDDEN, NS1), (HIDDEN, NS2), (REVERSE_IPV6, NS3)):
        soon(lambda zone=zone, server=server: denial(host, zone, server), ["NSEC3"], 30)
    assert {zone: dig(host, f"{zone} DNSKEY", server) for zone, server in ((HIDDEN, NS1), (REVERSE_IPV6, NS3))} == keys


@pytest.mark.drill
def test_keys_that_need_another_ds_are_refused_before_anything_is_changed(host, tmp_path):
    def other_keys(variables):
        variables["dns_zones"][HIDDEN]["dnssec"] = {"algorithm": "ed25519"}
        variables["dns_zones"][REVERSE_IPV6]["dnssec"] = True

    keys = {zone: dig(host, f"{zone} DNSKEY", server) for zone, server in ((HIDDEN, NS1), (REVERSE_IPV6, NS3))}
    with other_inventory(tmp_path, other_keys) as inventory:
        said = converge(inventory=inventory, limit="ns1,ns3", fails=True)
    assert "it is signed with ecdsap256sha256 and keys: csk, and the inventory says ed25519" in said
    assert "it is signed with ed25519 and keys: ksk_zsk, and the inventory says ecdsap256sha256 and keys: csk" in said
    assert {zone: dig(host, f"{zone} DNSKEY", server) for zone, server in ((HIDDEN, NS1), (REVERSE_IPV6, NS3))} == keys
    assert converge(limit="ns1,ns3").count("changed=0") == 2
