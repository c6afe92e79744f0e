# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces of each kind on a real kernel that knows them all: a bridge that filters VLANs, with a dummy as its port, and what becomes of
them when somebody deletes them during a trial.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, Dict, List

import pytest
from drill import HYBRID, MOVER, ROOT, change, configuration, settled, until
from moving import ended

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone
TRUNK = {"mode": "trunk", "enable_native": True, "tag": 7, "trunk_tags": [{"id": 8}, {"id_range": {"min": 20, "max": 29}}]}


def four(number: int, *more: str) -> Dict[str, Any]:
    return {"enabled": True, "address": [{"ip": ip, "prefix_length": 24} for ip in (f"198.18.{number}.1", *more)]}


BRIDGE = {"vlan": {"mode": "access", "tag": 7}, "port": [{"name": "dummy7", "vlan": TRUNK}]}
FILTERING: Dict[str, Any] = {
    "interfaces": [
        *HYBRID["interfaces"],
        {"name": "dummy7", "type": "dummy"},
        {"name": "br7", "type": "bridge", "bridge": BRIDGE, "ipv4": four(7)},
        {"name": "bond0.6", "type": "vlan", "vlan": {"base_iface": "bond0", "id": 6}, "mtu": 1400, "ipv4": four(6)},
        {"name": "dummy8", "type": "dummy", "ipv4": four(8)},
    ],
    "routes": [*HYBRID["routes"], {"destination": "198.18.60.0/24", "next_hop_interface": "bond0.6", "next_hop_address": "198.18.6.9"}],
}
GONE = [{"name": one["name"], "type": one["type"], "state": "absent"} for one in reversed(FILTERING["interfaces"][len(HYBRID["interfaces"]) :])]
BY_HAND = (
    "ip link set dev bond0.6 type vlan gvrp on loose_binding on egress-qos-map 1:5",
    "ip link set dev bond0 type bond resend_igmp 3",
    "ip route add 198.18.61.0/24 via 198.18.6.8 dev bond0.6 mtu 1300 proto 17",
    "ip -6 route add 2001:db8:0:61::/64 via 2001:db8:0:1::9 dev br0 proto 17",
    "ip rule add priority 100 from 198.18.6.0/24 lookup 77",
    "ip route add default via 198.18.6.9 dev bond0.6 table 77",
    "ip neigh add 198.18.7.9 lladdr 02:00:00:00:00:79 dev br7 nud permanent",
)
DELETED = ("bond0.6", "br0", "bond0", "br7", "dummy7", "dummy8")
"""Each by itself; bond0.5 goes with bond0."""
PRINTED = {
    "links": "ip -details -json link show",
    "addresses": "ip -details -json address show",
    "routes": "ip -details -json route show table all",
    "routes of IPv6": "ip -6 -details -json route show table all",
    "rules": "ip -details -json rule show",
    "neighbours": "ip -json neigh show nud permanent",
    "VLANs": "bridge -json -compressvlans vlan show",
}
PASSES = {
    *("ifindex", "link_index", "operstate", "state", "active_slave", "mii_status", "link_failure_count", "valid_life_time", "preferred_life_time"),
    *("hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "hold_timer", "message_age_timer", "forward_delay_timer"),
}
"""What the kernel counts or numbers, or how something fares, and not what it is."""


def settings(value: Any) -> Any:
    """What ip(8) printed, less what passes. Flags are a set, and say for a moment that there is no carrier."""
    if isinstance(value, dict):
        kept = {key: settings(inner) for key, inner in value.items() if key not in PASSES}
        return {**kept, **({"flags": sorted(set(kept["flags"]) - {"LOWER_UP", "NO-CARRIER"})} if "flags" in kept else {})}
    return [settings(one) for one in value] if isinstance(value, list) else value


def everything() -> Dict[str, List[str]]:
    """What the kernel has, in lines that can be compared."""
    printed = MOVER.answers(*PRINTED.values())
    return {what: sorted(json.dumps(one, sort_keys=True) for one in settings(json.loads(text or "[]"))) for what, text in zip(PRINTED, printed)}


def trial() -> Dict[str, Any]:
    """A change of all that is deleted then."""
    desired = json.loads(json.dumps(FILTERING))
    by_name = {one["name"]: one for one in desired["interfaces"]}
    by_name["bond0.6"]["mtu"] = 1380
    by_name["bond0"]["link_aggregation"]["options"]["resend_igmp"] = 2
    by_name["br7"]["bridge"]["options"] = {"mac_ageing_time": 200}
    for name, number in (("br0", 0), ("dummy8", 8)):
        by_name[name]["ipv4"]["address"].append({"ip": f"198.18.{number}.201", "prefix_length": 24})
    by_name["dummy7"]["mtu"] = 1450
    return desired


def test_ports_have_exactly_the_vlans_of_the_inventory():
    assert configuration() == "hybrid"
    status, said = ended(change(FILTERING, rollback_timeout=240))
    assert status == 0, said[-1500:]
    listed = {
        entry["ifname"]: [(vlan["vlan"], vlan.get("vlanEnd"), vlan.get("flags", [])) for vlan in entry["vlans"]]
        for entry in json.loads(MOVER.on("bridge -json -compressvlans vlan show"))
    }
    untagged = (7, None, ["PVID", "Egress Untagged"])
    assert listed["br7"] == [untagged]
    assert listed["dummy7"] == [untagged, (8, None, []), (20, 29, [])]
    assert MOVER.on("cat /sys/class/net/br7/bridge/vlan_filtering").strip() == "1"
    status, said = ended(change(FILTERING))
    assert status == 0 and '"changed": false' in said, said[-1500:]


def test_a_bond_its_vlans_bridges_and_dummies_that_somebody_deletes_during_the_trial_are_there_after_the_rollback_with_all_that_they_had():
    """The host is cut off with them, and goes back when its time is up."""
    MOVER.on(" && ".join(BY_HAND))
    until(settled, 90)
    before = everything()
    status, said = ended(change(trial(), state="applied", token=secrets.token_hex(16), rollback_timeout=60, delay=0.5))
    assert status == 0, said[-1500:]
    until(lambda: "applied" in MOVER.on(f"ls {ROOT}/$(cat {ROOT}/last)"), 60)
    assert everything() != before
    MOVER.on("systemd-run --quiet --collect --on-active=1 sh -c '" + "; ".join(f"ip link delete dev {name}" for name in DELETED) + "'")
    until(lambda: not MOVER.under_way(), 150)
    assert MOVER.on(f"cat {ROOT}/$(cat {ROOT}/last)/reason").strip() == "nobody confirmed it within 60 s"
    until(settled, 90)
    assert MOVER.on(f"cat {ROOT}/$(cat {ROOT}/last)/differs") == ""
    after = everything()
    assert {what: [line for line in lines if line not in before[what]] for what, lines in after.items()} == {what: [] for what in PRINTED}
    assert after == before


def test_they_go_again():
    status, said = ended(change({**HYBRID, "interfaces": [*HYBRID["interfaces"], *GONE]}, rollback_timeout=240))
    assert status == 0, said[-1500:]
    MOVER.on("ip rule del priority 100; ip link set dev bond0 type bond resend_igmp 1; ip -6 route del 2001:db8:0:61::/64")
    until(lambda: configuration() == "hybrid", 90)
