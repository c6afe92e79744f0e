# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be right is refused through the role, before the first change, naming host, variable and remedy."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import Mover, ansible  # noqa: E402

LEASER = Mover(SCENARIO, "molecule-network", "leaser", 3)

OWN = {
    "ipv4": {"enabled": True, "address": [{"ip": "198.18.0.3", "prefix-length": 24}]},
    "ipv6": {"enabled": True, "address": [{"ip": "2001:db8:0:1::3", "prefix-length": 64}]},
}
ETH0 = {"name": "eth0", **OWN}
ONE = {"enabled": True, "address": [{"ip": "198.18.9.1", "prefix-length": 24}]}
TABLE = {
    "bridge of a bridge port": (
        [{"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth1"}]}}, {"name": "br1", "type": "bridge", "bridge": {"port": [{"name": "eth1"}]}}],
        ("network_interfaces", "eth1"),
    ),
    "address on two interfaces": ([ETH0, {"name": "eth1", "ipv4": ONE}, {"name": "br1", "type": "bridge", "ipv4": ONE}], ("network_interfaces", "198.18.9.1")),
    "MTU above that of the interface below": (
        [ETH0, {"name": "eth1", "mtu": 1400}, {"name": "eth1.5", "type": "vlan", "mtu": 1500, "vlan": {"base-iface": "eth1", "id": 5}}],
        ("network_interfaces", "1400"),
    ),
    "unknown card": ([ETH0, {"name": "eth7", "ipv4": ONE}], ("interfaces.eth7", "has no such interface", "eth0, eth1")),
    "name over 15 characters": ([ETH0, {"name": "a-bridge-of-a-name", "type": "bridge"}], ("network_interfaces", "15")),
    "management interface removed": ([{"name": "eth0"}], ("management: 198.18.0.3", "network_allow_disconnect: true")),
}

testinfra_hosts = ["ansible://peer"]


def state() -> str:
    kernel, files = "ip -o address | sed 's/ valid_lft.*//'; ip route", "find /etc/systemd/network -type f | xargs sha256sum"
    return LEASER.on(f"{kernel}; {files}; cat /var/lib/smallfleet/network/last || :")


@pytest.mark.parametrize("what", TABLE)
def test_it_is_refused_before_the_first_change(what, tmp_path):
    interfaces, named = TABLE[what]
    shutil.copytree(SCENARIO / "inventory", tmp_path / "inventory")
    (tmp_path / "inventory/host_vars").mkdir()
    (tmp_path / "inventory/host_vars/leaser.yml").write_text(json.dumps({"network_interfaces": interfaces}), encoding="utf-8")
    before = state()
    status, said = ansible("ansible-playbook", "-i", str(tmp_path / "inventory"), str(SCENARIO / "converge.yml"), "--limit", "leaser")
    assert status != 0
    assert "leaser" in said and all(word in said for word in named), said[-1500:]
    assert "Traceback" not in said
    assert state() == before
