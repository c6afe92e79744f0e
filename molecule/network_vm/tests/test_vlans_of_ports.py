# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge that filters VLANs, with a dummy interface as its port, on a real kernel that knows both."""

from __future__ import annotations

import json

import pytest
from drill import HYBRID, MOVER, change, configuration, until
from moving import ended

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone
TRUNK = {"mode": "trunk", "enable_native": True, "tag": 7, "trunk_tags": [{"id": 8}, {"id_range": {"min": 20, "max": 29}}]}
FOUR = {"enabled": True, "address": [{"ip": "198.18.7.1", "prefix_length": 24}]}
BRIDGE = {"vlan": {"mode": "access", "tag": 7}, "port": [{"name": "dummy7", "vlan": TRUNK}]}
FILTERING = {
    **HYBRID,
    "interfaces": [
        *HYBRID["interfaces"],
        {"name": "dummy7", "type": "dummy"},
        {"name": "br7", "type": "bridge", "bridge": BRIDGE, "ipv4": FOUR},
    ],
}
GONE = [{"name": name, "type": kind, "state": "absent"} for name, kind in (("br7", "bridge"), ("dummy7", "dummy"))]


def test_ports_have_exactly_the_vlans_of_the_inventory_and_go_again():
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
    status, said = ended(change({**HYBRID, "interfaces": [*HYBRID["interfaces"], *GONE]}, rollback_timeout=240))
    assert status == 0, said[-1500:]
    until(lambda: configuration() == "hybrid", 90)
