# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges as a host has them: what ip(8) and bridge(8) print, what a real kernel takes, and what is exported."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.exported import export
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, Unreadable, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Vlan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback

from .namespace import Namespace
from .test_network_bridges import TRUNK, WHOLE, bridge, change, grown, read


def test_the_real_kernel_takes_the_options_and_gives_them_back(namespace: Namespace) -> None:
    """VLANs apart, which the kernel of a test machine may not know."""
    namespace.clear(False)
    written = copy.deepcopy(WHOLE)
    del written["bridge"]["vlan"], written["bridge"]["options"]["vlan-protocol"]
    for one in written["bridge"]["port"]:
        del one["vlan"]
    before = namespace.observed()
    desired = pinned(read(written), before)
    steps = plan(desired, before)
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    after = namespace.observed()
    there = after.links["br0"]
    assert {key: there.options[key] for key in desired.interfaces[0].options} == desired.interfaces[0].options
    assert after.links["eth0"].port_options == {"cost": "7", "hairpin": "on", "priority": "3"}
    assert plan(pinned(read(written), after), after).operations == ()
    plain = pinned(read(bridge({"port": [{"name": "eth0"}, {"name": "eth1"}]}, ipv4=WHOLE["ipv4"])), after)
    assert plan(plain, after).operations == ()
    away = pinned(read({"name": "eth0"}, bridge({"port": [{"name": "eth1"}]})), after)
    leaving = plan(away, after)
    namespace.batch(leaving.switch + leaving.cleanup)
    namespace.batch(rollback(leaving), force=True)
    assert namespace.observed().links["eth0"].port_options == {"cost": "7", "hairpin": "on", "priority": "3"}
    namespace.batch(rollback(steps), force=True)
    assert "br0" not in namespace.observed().links and not namespace.observed().links["eth0"].port_options


def test_an_export_has_the_options_and_vlans_that_the_host_has_and_needs_nothing() -> None:
    _desired, kernel = change(WHOLE)
    observed = kernel.observed()
    made = export(observed, ["br0", "eth0", "eth1"])
    (entry,) = [one for one in made.variables["network_interfaces"] if one["name"] == "br0"]
    assert entry["bridge"]["options"] == {**WHOLE["bridge"]["options"], "vlan-default-pvid": 0}
    assert entry["bridge"]["vlan"] == WHOLE["bridge"]["vlan"]
    assert {one["name"]: one["vlan"] for one in entry["bridge"]["port"]} == {"eth0": TRUNK, "eth1": {"mode": "access", "tag": 10}}
    again = pinned(read(*made.variables["network_interfaces"]), observed)
    assert plan(again, observed).operations == ()


def test_an_export_leaves_out_vlans_that_the_inventory_has_no_word_for() -> None:
    observed = grown(vlan_filtering="1")
    observed = replace(observed, vlans={"br0": (Vlan(1, 1, False, True), Vlan(7, 7, True, True)), "eth0": (Vlan(7, 7, True, False), Vlan(8, 9))})
    made = export(observed, ["br0", "eth0"])
    (entry,) = [one for one in made.variables["network_interfaces"] if one["name"] == "br0"]
    assert entry["bridge"]["vlan"] == {"mode": "access", "tag": 7} and "vlan" not in entry["bridge"]["port"][0]
    assert [one for one in plan(pinned(made.desired, observed), observed).operations if one.by_bridge] == []


def test_what_bridge_8_prints_is_read_and_nothing_of_another_form() -> None:
    def printed(vlans: Any) -> Dict[str, str]:
        return {key: json.dumps(vlans) if key == "vlans" else "" for key in COMMANDS}

    one = {"ifname": "eth0", "vlans": [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}, {"vlan": 5}, {"vlan": 6, "vlanEnd": 9}]}
    assert observe(printed([one, {"ifname": "br0", "vlans": []}])).vlans == {"eth0": (Vlan(1, 1, True, True), Vlan(5, 9))}
    for wrong in ([{"vlan": 5000}], [{"vlan": 6}, {"vlan": 5}], [{"vlan": 6, "vlanEnd": 5}], [{"flags": []}], 7):
        with pytest.raises(Unreadable):
            observe(printed([{"ifname": "eth0", "vlans": wrong}]))


def test_what_ip_8_prints_of_a_bridge_is_read() -> None:
    """With -N it prints a protocol as a number, which it does not take."""
    data = {"stp_state": 1, "ageing_time": 30000, "vlan_filtering": 1, "vlan_protocol": "[33024]", "group_fwd_mask": "0x4008", "vlan_default_pvid": 1}
    slave = {"info_slave_kind": "bridge", "info_slave_data": {"priority": 32, "cost": 2, "hairpin": True, "state": "forwarding"}}
    links = [
        {"ifname": "br0", "flags": [], "mtu": 1500, "linkinfo": {"info_kind": "bridge", "info_data": data}},
        {"ifname": "eth0", "flags": [], "mtu": 1500, "master": "br0", "linkinfo": slave},
    ]
    found = observe({key: json.dumps(links) if key == "links" else "" for key in COMMANDS}).links
    assert found["br0"].stp and found["br0"].options == {
        "ageing_time": "30000", "vlan_filtering": "1", "vlan_protocol": "802.1Q", "group_fwd_mask": "16392", "vlan_default_pvid": "1",
    }  # fmt: skip
    assert found["eth0"].port_options == {"priority": "32", "cost": "2", "hairpin": "on"}
    links[0]["linkinfo"] = {"info_kind": "bridge", "info_data": {"group_fwd_mask": "many"}}
    with pytest.raises(Unreadable, match="group_fwd_mask"):
        observe({key: json.dumps(links) if key == "links" else "" for key in COMMANDS})
