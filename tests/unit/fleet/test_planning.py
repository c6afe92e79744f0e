# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for the plan of every fleet, whatever its inventory."""

from __future__ import annotations

import copy
import json
from typing import Any, Dict, List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import CAPABILITIES, plan_fleet, render_plan
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import FLEET_WIDE
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.variables import FLEET_DEFAULTS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@example.net"
COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {
        "main": {"ipv4": "198.18.0.0/24", "ipv6": "2001:db8:0:1::/64", "mtu": 1500},
        "storage": {"ipv4": "198.18.1.0/24", "mtu": 9000},
    },
    "fleet_purposes": {"management": "main"},
    "dns_zones": {
        "demo.example.net": {
            "primary": "h1",
            "ttl": 300,
            "records": [{"record": "www2", "type": "A", "ttl": 60, "value": ["192.0.2.1"]}],
        }
    },
    "dns_update_key": {"name": "demo-update", "algorithm": "hmac-sha256"},
    "acme_directory": "https://acme.example.com/directory",
    "acme_contact": "hostmaster@example.net",
    "acme_certificates": {"web": {"hosts": ["h2"], "names": ["demo.example.net", "*.demo.example.net"]}},
    "standby_services": {
        "web": {
            "active": "h2",
            "standby": "h3",
            "unit": "web.service",
            "exec_start": "/usr/bin/python3 -m http.server",
            "exec_start_pre": ["/bin/true"],
            "record": "www",
            "ttl": 5,
            "check": {"port": 8080, "path": "/"},
        }
    },
    "probe_targets": {
        "web": {
            "from": "h4",
            "url": "http://www.demo.example.net:8080/",
            "interval": 0.05,
            "timeout": 1.0,
            "duration": 600,
        }
    },
    "lab_packages": ["bind9"],
    "lab_release": "trixie",
    "node_packages": ["chrony"],
    "node_timezone": "Etc/UTC",
    "node_administrators": {"root": [KEY]},
    "node_sysctl": {"net.ipv4.ip_forward": 1},
    "node_time_servers": ["192.0.2.1"],
}
GROUPS = {"all": ["h1", "h2", "h3", "h4"], "compute": ["h2", "h3"]}


def sound() -> Dict[str, Dict[str, Any]]:
    hosts = {f"h{number}": {**copy.deepcopy(COMMON), "fleet_host_number": number} for number in range(1, 5)}
    hosts["h4"]["fleet_host_networks"] = {"main": {"interface": "nic0", "ipv4": "198.18.0.99", "mtu": 1400}}
    address = {"ip": "198.18.0.99", "prefix-length": 24}
    bridge = {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "nic0"}]}}
    hosts["h4"]["network_interfaces"] = [{"name": "nic0"}, {**bridge, "ipv4": {"enabled": True, "address": [address]}}]
    hosts["h4"]["vm_host_guests"] = {"web": {"memory": 64, "disks": [{"file": "web.raw"}], "interfaces": [{"bridge": "br0"}]}}
    hosts["h2"]["lab_memory"] = 512
    return hosts


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70000)
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
    | st.sampled_from(["192.0.2.1", "192.0.2.0/24", "::/0", "2001:db8::1/64", "www", "a..b", "h1", "x" * 300, "-", "\n"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.sampled_from(["main", "ipv4", "record", "type", "unit"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths_of(value: Any, here: Tuple[Any, ...] = ()) -> List[Tuple[Any, ...]]:
    """The path of every value inside, the whole included."""
    found = [here]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += paths_of(inner, (*here, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths_of(inner, (*here, index))
    return found


def put(value: Any, path: Tuple[Any, ...], replacement: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = replacement


VARIABLE_PATHS = [path for path in paths_of(sound()["h4"]) if path]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(VARIABLE_PATHS), json_like, st.booleans())
def test_no_value_of_any_type_at_any_place_makes_the_planner_raise(path: Any, garbage: Any, everywhere: bool) -> None:
    inventory = sound()
    for host in inventory if everywhere else ["h4"]:
        if path in paths_of(inventory[host]):
            put(inventory[host], path, garbage)
    plan = plan_fleet(inventory, GROUPS)
    assert bool(plan.problems) != bool(plan.hosts)
    json.dumps(plan.hosts)
    assert not plan.hosts or render_plan(plan.fleet, plan.hosts)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["h1", "h2"]),
        st.dictionaries(st.sampled_from(sorted([*COMMON, "fleet_host_number", "fleet_host_networks"])), json_like) | json_like,
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=5), json_like, max_size=3) | json_like,
)
def test_an_inventory_of_garbage_is_refused_and_never_raises(hosts: Any, groups: Any) -> None:
    plan = plan_fleet(hosts, groups)
    assert plan.problems
    assert plan.hosts == {}


def test_every_variable_of_the_example_reaches_the_planner() -> None:
    plan = plan_fleet(sound(), GROUPS)
    assert [str(problem) for problem in plan.problems] == []
    taken = {capability for host in plan.hosts.values() for capability in host["capabilities"]}
    assert taken == set(CAPABILITIES)


@settings(max_examples=60, deadline=None)
@given(st.permutations(sorted(sound())), st.permutations(sorted(GROUPS)))
def test_the_order_of_the_inventory_does_not_matter(hosts: List[str], groups: List[str]) -> None:
    inventory = sound()
    reordered = plan_fleet({host: inventory[host] for host in hosts}, {group: GROUPS[group][::-1] for group in groups})
    assert json.dumps(reordered.hosts) == json.dumps(plan_fleet(inventory, GROUPS).hosts)


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="abcxyz0129", min_size=1, max_size=8).map(lambda text: f"n{text}"),
    st.integers(5, 97),
    st.sampled_from([{}, {"fleet_host_networks": ["main"]}, {"fleet_host_networks": {"main": {"interface": "eno1"}}}]),
    st.sampled_from([{}, {"lab_memory": 256}, {"node_timezone": "Europe/Vienna"}]),
)
def test_a_host_that_joins_changes_no_other_but_in_the_hosts_entries(name: str, number: int, places: Dict[str, Any], more: Dict[str, Any]) -> None:
    before = plan_fleet(sound(), GROUPS)
    inventory = sound()
    inventory[name] = {**copy.deepcopy(COMMON), "fleet_host_number": number, **places, **more}
    after = plan_fleet(inventory, {**GROUPS, "all": [*GROUPS["all"], name]})
    assert after.problems == ()
    assert name in after.hosts
    for host in before.hosts:
        was, now = copy.deepcopy(before.hosts[host]), copy.deepcopy(after.hosts[host])
        added = [entry for entry in now["node"].pop("hosts_entries") if entry not in was["node"]["hosts_entries"]]
        assert {entry_name for entry in added for entry_name in entry["names"]} == {f"{name}.demo.example.net", name}
        del was["node"]["hosts_entries"]
        assert was == _without_records_of(name, now)


def _without_records_of(name: str, value: Any) -> Any:
    """A primary publishes the addresses of all hosts, so its zones are the other place where a new host shows."""
    if isinstance(value, dict):
        return {key: _without_records_of(name, inner) for key, inner in value.items()}
    if isinstance(value, list):
        kept = [inner for inner in value if not (isinstance(inner, dict) and inner.get("record") == name)]
        return [_without_records_of(name, inner) for inner in kept]
    return value


def test_every_number_in_a_network_derives_the_address_at_that_place() -> None:
    plan = plan_fleet(sound(), GROUPS)
    assert plan.hosts["h3"]["host"]["ipv4"] == "198.18.0.3"
    assert plan.hosts["h3"]["host"]["ipv6"] == "2001:db8:0:1::3"
    assert plan.hosts["h3"]["host"]["networks"]["storage"] == {
        "interface": "eth1",
        "ipv4": "198.18.1.3/24",
        "ipv6": None,
        "mtu": 9000,
    }


def test_a_host_may_override_what_is_derived() -> None:
    plan = plan_fleet(sound(), GROUPS)
    assert plan.hosts["h4"]["host"]["networks"] == {"main": {"interface": "nic0", "ipv4": "198.18.0.99/24", "ipv6": "2001:db8:0:1::4/64", "mtu": 1400}}


def test_a_host_without_an_address_of_one_family_says_so_with_false() -> None:
    inventory = sound()
    inventory["h4"]["fleet_host_networks"] = {"main": {"ipv4": False}}
    plan = plan_fleet(inventory, GROUPS)
    assert plan.hosts["h4"]["host"]["ipv4"] is None
    assert plan.hosts["h4"]["host"]["ipv6"] == "2001:db8:0:1::4"


def test_a_point_to_point_network_has_no_reserved_addresses() -> None:
    inventory = {
        f"h{number}": {
            "fleet_name": "demo",
            "fleet_domain": "example.net",
            "fleet_networks": {"link": {"ipv4": "192.0.2.0/31", "ipv6": "2001:db8::/127"}},
            "fleet_host_networks": {"link": {"ipv4": f"192.0.2.{number}", "ipv6": f"2001:db8::{number}"}},
        }
        for number in (0, 1)
    }
    plan = plan_fleet(inventory, {})
    assert [plan.hosts[host]["host"]["ipv4"] for host in ("h0", "h1")] == ["192.0.2.0", "192.0.2.1"]


def test_a_host_that_is_no_member_is_left_out_with_its_mistakes() -> None:
    inventory = sound()
    inventory["jump"] = {"fleet_host_member": "no", "fleet_host_number": "none of your business"}
    plan = plan_fleet(inventory, GROUPS)
    assert plan.problems == ()
    assert "jump" not in plan.hosts


def test_a_host_named_by_its_full_name_keeps_it() -> None:
    inventory = sound()
    inventory["mail.demo.example.net"] = {**copy.deepcopy(COMMON), "fleet_host_number": 50}
    plan = plan_fleet(inventory, GROUPS)
    assert plan.hosts["mail.demo.example.net"]["host"]["fqdn"] == "mail.demo.example.net"


def test_what_the_lab_reads_for_the_whole_fleet_must_be_the_same_on_every_host() -> None:
    assert set(FLEET_DEFAULTS) | {"lab_name"} <= FLEET_WIDE


def test_a_variable_that_may_be_a_secret_is_never_read() -> None:
    inventory = sound()
    for variables in inventory.values():
        variables["dns_api_token"] = "0123456789"
        variables["node_root_password"] = "0123456789"
    plan = plan_fleet(inventory, GROUPS)
    assert plan.problems == ()
    assert "0123456789" not in json.dumps(plan.hosts)
