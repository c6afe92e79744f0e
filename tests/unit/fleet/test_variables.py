# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of variables, and places without a value, in any variable of any subject."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from random import Random
from typing import Any, Dict, Iterator, Tuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import PREFIXES, VARIABLES, belongs, names_a_secret

ROOT = Path(__file__).resolve().parents[3]
COMMON: Dict[str, Any] = yaml.safe_load(
    """
fleet_name: demo
fleet_domain: demo.example.net
fleet_networks:
  main: {ipv4: 192.0.2.0/24, ipv6: "2001:db8:0:1::/64", mtu: 1500}
  storage: {ipv4: 198.51.100.0/24}
fleet_purposes: {management: main}
node_packages: [htop]
node_timezone: Europe/Vienna
node_administrators: {root: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@example.net"]}
node_sysctl: {net.ipv4.ip_forward: 1}
node_time_servers: [192.0.2.1]
dns_server_provider: bind
dns_zones:
  demo.example.net:
    primary: ns1
    secondaries: [ns2]
    ttl: 300
    dnssec: true
    soa: {contact: me@example.net, refresh: 3600, retry: 120, expire: 1209600, negative_ttl: 60}
    records:
      - {record: www2, type: A, value: [192.0.2.50], ttl: 60}
      - {record: mail, type: MX, value: ["10 app1"]}
dns_keys:
  writer: {hosts: [app1], grants: [{zone: demo.example.net, name: www3.demo.example.net, match: name, types: [A]}]}
acme_contact: me@example.net
acme_directory: https://acme.example.net/directory
acme_certificates: {web: {hosts: [app1], names: [app1.demo.example.net]}}
standby_services:
  web:
    active: app1
    standby: app2
    unit: web.service
    exec_start_pre: /bin/true
    exec_start: /usr/bin/python3 -m http.server 8080
    record: www
    ttl: 5
    check: {port: 8080, path: /}
probe_targets:
  web: {from: watch1, url: "http://www.demo.example.net:8080/", interval: 0.05, timeout: 1.0, duration: 300}
"""
)
HOSTS: Dict[str, Dict[str, Any]] = yaml.safe_load(
    """
ns1: {fleet_host_number: 11}
ns2: {fleet_host_number: 12, dns_server_provider: knot}
app1:
  fleet_host_number: 21
  fleet_host_fqdn: app1.demo.example.net
  fleet_host_networks: {main: {interface: eth0}, storage: {interface: eth1}}
  network_backend: networkd
  network_rollback_timeout: 60
  network_interfaces:
    - {name: eth0, type: ethernet, mtu: 1500}
    - name: br0
      type: linux-bridge
      bridge: {port: [{name: eth0}], options: {stp: {enabled: false}}}
      ipv4: {enabled: true, address: [{ip: 192.0.2.21, prefix-length: 24}]}
      ipv6: {enabled: true, address: [{ip: "2001:db8:0:1::15", prefix-length: 64}]}
    - {name: eth1, type: ethernet, ipv4: {enabled: true, address: [{ip: 198.51.100.21, prefix-length: 24}]}}
    - {name: eth1.5, type: vlan, vlan: {base-iface: eth1, id: 5}}
  network_routes: {config: [{destination: 0.0.0.0/0, next-hop-address: 192.0.2.1, next-hop-interface: br0, metric: 100}]}
  network_rules: {config: [{priority: 100, ip-from: 192.0.2.21, route-table: 100}]}
  network_dns: {config: {server: [192.0.2.11], search: [demo.example.net]}}
  network_from_fleet: true
  network_checks: {gateway: true, hosts: [ns1], names: [demo.example.net]}
app2: {fleet_host_number: 22}
watch1: {fleet_host_number: 31}
vm1:
  fleet_host_number: 41
  vm_host_guests:
    web: {memory: 1024, vcpus: 2, disks: [{file: web.qcow2, size: 20G}], interfaces: [{bridge: br0, mac: "52:54:00:00:00:01"}]}
"""
)
Path_ = Tuple[Any, ...]


def planned(inventory: Dict[str, Dict[str, Any]]) -> Plan:
    return plan_fleet({name: {**inventory["common"], **own} for name, own in inventory["hosts"].items()}, {})


def sound() -> Dict[str, Dict[str, Any]]:
    return copy.deepcopy({"common": COMMON, "hosts": HOSTS})


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def in_words(path: Path_) -> str:
    """A path below ``common`` or below a host, as problems name it."""
    inner = path[1:] if path[0] == "common" else path[2:]
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in inner)[1:]


PLACES = [path for path in places({"common": COMMON, "hosts": HOSTS}) if len(path) > (1 if path[0] == "common" else 2)]
NAMES = [path for path in PLACES if len(path) == (2 if path[0] == "common" else 3)]


def test_the_inventory_is_sound() -> None:
    assert planned(sound()).problems == ()


@pytest.mark.parametrize("path", PLACES, ids=in_words)
def test_what_has_no_value_is_refused_wherever_it_is_and_nothing_is_said_of_other_variables(path: Path_) -> None:
    inventory = sound()
    around: Any = inventory
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = None
    found = planned(inventory).problems
    assert {problem.variable for problem in found if problem.message == "has no value"} == {in_words(path)}
    if not in_words(path).startswith("fleet_host_number"):  # without an address of that host, much is wrong elsewhere
        assert {re.split(r"[.[]", problem.variable)[0] for problem in found} == {path[1] if path[0] == "common" else path[2]}


def reordered(value: Any, random: Random) -> Any:
    """A copy in which the keys of each dictionary stand in another order."""
    if isinstance(value, dict):
        keys = random.sample(list(value), len(value))
        return {key: reordered(value[key], random) for key in keys}
    return [reordered(inner, random) for inner in value] if isinstance(value, list) else value


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_nothing_depends_on_the_order_of_a_dictionary(random: Random) -> None:
    inventory = sound()
    hosts = {name: reordered({**inventory["common"], **own}, random) for name, own in inventory["hosts"].items()}
    plan = plan_fleet(reordered(hosts, random), {})
    assert plan.problems == ()
    assert json.dumps([plan.fleet, plan.hosts]) == json.dumps([planned(sound()).fleet, planned(sound()).hosts])


def value_at(inventory: Any, path: Path_) -> Any:
    for key in path:
        inventory = inventory[key]
    return inventory


@pytest.mark.parametrize("path", [path for path in PLACES if isinstance(value_at(sound(), path), (int, float))], ids=in_words)
def test_numbers_and_booleans_in_quotes_are_the_same_as_without(path: Path_) -> None:
    """As an INI inventory, a survey of AWX, and a template of ansible-core 2.18 write them."""
    inventory = sound()
    value = value_at(inventory, path)
    value_at(inventory, path[:-1])[path[-1]] = str(value).lower()
    plan = planned(inventory)
    assert plan.problems == ()
    assert json.dumps(plan.hosts) == json.dumps(planned(sound()).hosts)


@pytest.mark.parametrize("path", NAMES, ids=in_words)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(path: Path_) -> None:
    name = path[-1]
    for misspelt in (name[:-2] + name[-1] + name[-2], name[:-1], name + "s", name[:6] + name[7:], name[1] + name[0] + name[2:]):
        inventory = sound()
        around: Any = inventory["common"] if path[0] == "common" else inventory["hosts"][path[1]]
        around[misspelt] = around.pop(name)
        found = [problem for problem in planned(inventory).problems if problem.variable == misspelt]
        assert misspelt in VARIABLES or found and all(f"did you mean {name}" in problem.message for problem in found), misspelt


@pytest.mark.parametrize("name", ["node_exporter_port", "dns_servers", "lab_contact", "probe_interval", "ansible_user", "standby_color", "acme_email"])
def test_variables_of_other_roles_are_left_alone(name: str) -> None:
    inventory = sound()
    inventory["common"][name] = None
    assert planned(inventory).problems == ()


def test_every_input_of_a_role_or_a_playbook_is_a_variable_and_every_variable_is_described() -> None:
    described = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            described |= {name for name in entry.get("options", {}) if name.startswith(PREFIXES)}
    assert {name for name in described if belongs(name)} - set(VARIABLES) == set()
    documented = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    words = set(re.findall(r"\w+", documented))
    assert [name for name in VARIABLES if name not in described | words] == []
    assert [name for name in VARIABLES if names_a_secret(name)] == ["dns_keys_secrets"]
