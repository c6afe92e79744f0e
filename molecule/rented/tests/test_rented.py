# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines of two providers, each in a subnet of its own behind a router: they reach each other, and DNS publishes their public addresses."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[3]
SSH_CONFIG = "/var/lib/smallfleet/labs/molecule-rented/ssh_config"
ZONE = "rented.example.net"
IPV4 = {"ns1": "198.18.7.11", "app1": "198.18.9.142", "app2": "198.18.7.200", "ns2": "198.18.40.70", "backup1": "198.18.41.9"}
IPV6 = {
    "ns1": "2001:db8:a1::1",
    "app1": "2001:db8:a2::1",
    "app2": "2001:db8:a3::1",
    "db1": "2001:db8:a4::1",
    "ns2": "2001:db8:b1::2",
    "backup1": "2001:db8:b2::2",
    "watch1": "2001:db8:b3::2",
}
VLAN = {"ns1": "198.18.64.1", "app1": "198.18.64.21", "app2": "198.18.64.22", "db1": "198.18.64.31"}

testinfra_hosts = ["ansible://all"]


@pytest.fixture
def name(host):
    return host.backend.get_pytest_id().rpartition("/")[2]


@pytest.fixture
def on(request):
    """A host by its name, for what one host shows for all."""
    return lambda name: testinfra.get_host(f"ansible://{name}", ansible_inventory=request.config.option.ansible_inventory)


def unreachable(host, addresses):
    """The addresses that the host cannot reach, in one call."""
    return host.check_output(f"for address in {' '.join(addresses)}; do ping -n -q -c 1 -W 2 $address > /dev/null || echo $address; done").split()


@pytest.fixture(scope="session")
def reached_at():
    """host -> ansible_host, as the inventory plugin derives it."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    command = ["ansible-inventory", "--inventory", str(ROOT / "inventories/rented"), "--list"]
    hostvars = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)["_meta"]["hostvars"]
    return {name: variables["ansible_host"] for name, variables in hostvars.items()}


def test_each_host_answers_at_the_address_in_its_management_network(reached_at, name):
    assert reached_at[name] == IPV4.get(name, IPV6[name])
    said = subprocess.run(["ssh", "-F", SSH_CONFIG, reached_at[name], "uname", "-n"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == name


def test_hosts_reach_all_others_of_both_providers_by_each_family_that_they_have(host, name):
    others = [*IPV6.values(), *(VLAN.values() if name in VLAN else ()), *(IPV4.values() if name in IPV4 else ())]
    assert unreachable(host, others) == []


def test_the_vlan_is_private(on):
    assert unreachable(on("ns2"), list(VLAN.values())) == list(VLAN.values())


def test_a_host_has_the_gateways_of_its_provider(host, name):
    routes = [json.loads(host.check_output(f"ip {family} -json route show default")) for family in ("-4", "-6")]
    expected = {"fe80::1"} if name in VLAN else {f"{IPV6[name].rpartition('::')[0]}::1"}
    expected |= {"198.18.0.1"} if name in VLAN and name in IPV4 else {"ns2": {"198.18.40.65"}, "backup1": {"198.18.41.14"}}.get(name, set())
    assert {route["gateway"] for family in routes for route in family} == expected


def test_names_of_hosts_lead_to_addresses_that_the_host_can_reach(host, name):
    entries = {line.split()[0] for line in host.file("/etc/hosts").content_string.splitlines() if ZONE in line}
    assert entries == {*IPV6.values(), *(IPV4.values() if name in IPV4 else ())}


@pytest.mark.parametrize("server", ["ns1", "ns2"])
def test_both_servers_answer_with_the_public_addresses_of_all_hosts(on, server):
    questions = " ".join(f"{label}.{ZONE} {kind}" for label in IPV6 for kind in ("A", "AAAA"))
    answers = on("watch1").check_output(f"dig +noall +answer +tries=1 +time=5 @{IPV6[server]} {questions}")
    records = {(fields[0].partition(".")[0], fields[3], fields[4]) for fields in map(str.split, answers.splitlines())}
    assert records == {*((label, "A", address) for label, address in IPV4.items()), *((label, "AAAA", address) for label, address in IPV6.items())}
