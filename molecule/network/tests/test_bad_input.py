# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be right is refused through the role, before the first change, naming host, variable and remedy.

Each network is that of a host of its own, so that one run shows what the plan refuses, and one what the hosts refuse.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import Mover, ansible

HOSTS = {"mover": Mover(SCENARIO, "molecule-network", "mover", 1), "leaser": Mover(SCENARIO, "molecule-network", "leaser", 3)}

OWN = {
    "ipv4": {"enabled": True, "address": [{"ip": "198.18.0.3", "prefix-length": 24}]},
    "ipv6": {"enabled": True, "address": [{"ip": "2001:db8:0:1::3", "prefix-length": 64}]},
}
ETH0 = {"name": "eth0", **OWN}
ONE = {"enabled": True, "address": [{"ip": "198.18.9.1", "prefix-length": 24}]}
Case = Tuple[str, List[Dict[str, Any]], Tuple[str, ...]]
# What is wrong: the host, its network, and what the refusal names.
BY_THE_PLAN: Dict[str, Case] = {
    "bridge of a bridge port": (
        "twice",
        [{"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth1"}]}}, {"name": "br1", "type": "bridge", "bridge": {"port": [{"name": "eth1"}]}}],
        ("network_interfaces", "eth1"),
    ),
    "address on two interfaces": (
        "leaser",
        [ETH0, {"name": "eth1", "ipv4": ONE}, {"name": "br1", "type": "bridge", "ipv4": ONE}],
        ("network_interfaces", "198.18.9.1"),
    ),
    "MTU above that of the interface below": (
        "wide",
        [{"name": "eth1", "mtu": 1400}, {"name": "eth1.5", "type": "vlan", "mtu": 1500, "vlan": {"base-iface": "eth1", "id": 5}}],
        ("network_interfaces", "1400"),
    ),
    "name over 15 characters": ("lengthy", [{"name": "a-bridge-of-a-name", "type": "bridge"}], ("network_interfaces", "15")),
}
BY_THE_HOST: Dict[str, Case] = {
    "unknown card": ("leaser", [ETH0, {"name": "eth7", "ipv4": ONE}], ("interfaces.eth7", "has no such interface", "eth0, eth1")),
    "management interface removed": (
        "mover",
        [{"name": "eth0"}, {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}}],
        ("management: 198.18.0.1", "network_allow_disconnect: true"),
    ),
}


def state() -> List[str]:
    kernel, files = "ip -o address | sed 's/ valid_lft.*//'; ip route", "find /etc/systemd/network -type f | xargs sha256sum"
    return [host.on(f"{kernel}; {files}; cat /var/lib/smallfleet/network/last || :") for host in HOSTS.values()]


def refusals(cases: Dict[str, Case], folder: Path, mark: str) -> List[str]:
    """The texts of which each begins after a mark, from a run that was to give all these hosts these networks."""
    shutil.copytree(SCENARIO / "inventory", folder / "inventory")
    (folder / "inventory/host_vars").mkdir()
    hosts = {}
    for number, (host, interfaces, _named) in enumerate(cases.values()):
        variables = {"network_interfaces": interfaces, "network_routes": {"config": []}}
        (folder / f"inventory/host_vars/{host}.yml").write_text(json.dumps(variables), encoding="utf-8")
        hosts[host] = {} if host in HOSTS else {"fleet_host_number": 20 + number}
    (folder / "inventory/more.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    before = state()
    status, said = ansible("ansible-playbook", "-i", str(folder / "inventory"), str(SCENARIO / "converge.yml"), "--limit", ",".join(HOSTS))
    assert status != 0
    assert "Traceback" not in said
    assert state() == before
    return said.split(mark)[1:]


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> List[str]:
    by_plan = refusals(BY_THE_PLAN, tmp_path_factory.mktemp("plan"), "\\n- ")
    return by_plan + refusals(BY_THE_HOST, tmp_path_factory.mktemp("host"), "fatal: [")


@pytest.mark.parametrize("what", {**BY_THE_PLAN, **BY_THE_HOST})
def test_it_is_refused_before_the_first_change(what, refused):
    host, _interfaces, named = {**BY_THE_PLAN, **BY_THE_HOST}[what]
    assert [text for text in refused if text.startswith(host) and all(word in text for word in named)], refused
