# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts are changed at once: never two that stand in for each other."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.batches import OTHER_KEYS, orders, sizes
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24"}},
}


def service(active: str, standby: str, record: str) -> Dict[str, Any]:
    return {"active": active, "standby": standby, "unit": f"{record}.service", "record": record, "ttl": 5, "check": {"port": 8080}}


def plans(names: Sequence[str], common: Dict[str, Any], **own: Dict[str, Any]) -> Dict[str, Any]:
    hosts = {name: {**COMMON, "fleet_host_number": number, **common, **own.get(name, {})} for number, name in enumerate(names, start=1)}
    plan = plan_fleet(hosts, {})
    assert plan.problems == ()
    return dict(plan.hosts)


def batches(capability: str, hosts: Dict[str, Any]) -> List[List[str]]:
    return [list(batch) for batch in orders(hosts)[capability].batches]


def nic(name: str) -> Dict[str, Any]:
    return {"network_interfaces": [{"name": name}]}


def test_two_servers_of_a_zone_are_never_changed_at_once_and_its_primary_comes_first() -> None:
    zones = {"a.example.net": {"primary": "z", "secondaries": ["b"]}, "demo.example.net": {"primary": "z", "secondaries": ["a"]}}
    hosts = plans(["a", "b", "z"], {"dns_zones": zones})
    assert batches("dns_server", hosts) == [["z"], ["a", "b"]]
    assert orders(hosts)["dns_server"].apart == {"a": ("z",), "b": ("z",), "z": ("a", "b")}


def test_servers_that_take_their_zones_from_a_catalog_are_not_changed_with_their_primary() -> None:
    hosts = plans(["a", "z"], {"dns_zones": {"demo.example.net": {"primary": "z", "secondaries": ["a"]}}, "dns_catalog": True})
    assert batches("dns_server", hosts) == [["z"], ["a"]]


def test_servers_without_a_common_zone_are_changed_at_once() -> None:
    hosts = plans(["a", "b"], {"dns_zones": {"a.example.net": {"primary": "a"}, "demo.example.net": {"primary": "b"}}})
    assert batches("dns_server", hosts) == [["a", "b"]]


def test_two_servers_that_are_primaries_for_each_other_are_not_changed_at_once() -> None:
    zones = {"a.example.net": {"primary": "a", "secondaries": ["b"]}, "demo.example.net": {"primary": "b", "secondaries": ["a"]}}
    assert batches("dns_server", plans(["a", "b"], {"dns_zones": zones})) == [["a"], ["b"]]


def test_networks_of_hosts_that_stand_in_for_each_other_are_changed_one_after_the_other_and_the_standby_comes_first() -> None:
    common = {
        "dns_zones": {"demo.example.net": {"primary": "ns1", "secondaries": ["ns2"]}},
        "standby_services": {"web": service("app1", "app2", "www"), "mail": service("app3", "app2", "smtp")},
        **nic("eth0"),
    }
    hosts = plans(["app1", "app2", "app3", "app4", "ns1", "ns2"], common)
    assert batches("network", hosts) == [["app2", "app4", "ns2"], ["app1", "app3", "ns1"]]


def test_hosts_with_guests_are_changed_one_at_a_time_and_those_without_any_together() -> None:
    guest = {"memory": 64, "disks": [{"file": "web.raw"}], "interfaces": [{"bridge": "br0"}]}
    bridge = {"network_interfaces": [{"name": "br0", "type": "bridge"}]}
    own = {
        "b": {"vm_host_guests": {"web": guest}, **bridge},
        "c": {"vm_host_guests": {"mail": guest}, **bridge},
        "d": {"vm_host_guests": {"mail": {**guest, "state": "stopped"}}, **bridge},
        "e": {"vm_host_guests": {"old": {"state": "absent"}}, **bridge},
    }
    hosts = plans(["a", "b", "c", "d", "e"], {"vm_host_guests": {}, **nic("eth0")}, **own)
    for capability in ("vm_host", "network"):
        assert batches(capability, hosts) == [["a", "d", "e"], ["b"], ["c"]]


def test_a_host_gets_its_keys_as_a_server_with_its_certificates_or_with_the_rest() -> None:
    common = {
        "dns_zones": {"demo.example.net": {"primary": "ns1"}},
        "dns_keys": {"own": {"hosts": ["app1", "ns1"], "grants": [{"zone": "demo.example.net", "name": "x", "types": ["TXT"]}]}},
    }
    assert batches(OTHER_KEYS, plans(["app1", "app2", "ns1"], common)) == [["app1", "app2"]]


def test_what_is_of_no_service_is_changed_at_once() -> None:
    hosts = plans(["a", "b"], {"standby_services": {"web": service("a", "b", "www")}, "dns_zones": {"demo.example.net": {"primary": "a"}}})
    assert batches("node", hosts) == [["a", "b"]]


def test_a_batch_is_as_large_as_what_the_run_is_limited_to_leaves_of_it() -> None:
    assert sizes([["ns1"], ["ns2", "ns3"]], ["ns2", "app1", "ns3"]) == [2]
    assert sizes([["a", "b"], ["c"]], ["c", "b"]) == [1, 1]
    assert sizes([], ["a"]) == []


names = st.sampled_from("abcdef")


@given(st.lists(st.tuples(names, st.lists(names, max_size=3)), max_size=6), st.sets(names), st.sets(names))
def test_no_two_hosts_that_are_apart_are_in_one_batch_and_each_host_is_in_one(zones: Any, guests: Any, networks: Any) -> None:
    hosts: Dict[str, Dict[str, Any]] = {name: {"capabilities": ["node"]} for name in "abcdef"}
    for number, (primary, secondaries) in enumerate(zones):
        for host in {primary, *secondaries}:
            role = "primary" if host == primary else "secondary"
            hosts[host].setdefault("dns_server", {"zones": []})["zones"].append({"name": f"zone{number}", "role": role})
    for host in guests:
        hosts[host]["vm_host"] = {"guests": [{"name": "web", "state": "running"}]}
    for host in networks:
        hosts[host]["network"] = {}
    for plan in hosts.values():
        plan["capabilities"] += [name for name in plan if name != "capabilities"]
    for capability, order in orders(hosts).items():
        taken = [host for batch in order.batches for host in batch]
        assert sorted(taken) == sorted(set(taken))
        if capability != OTHER_KEYS:
            assert sorted(taken) == [host for host in "abcdef" if capability in hosts[host]["capabilities"]]
        for batch in order.batches:
            assert not any(other in order.apart.get(host, ()) for host in batch for other in batch)
