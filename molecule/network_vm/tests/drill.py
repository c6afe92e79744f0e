# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the drills share: changes of a host's network, and what became of it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Dict, Tuple

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
sys.path[:0] = [str(PROJECT / "collections"), str(SCENARIO.parent / "support")]

from moving import LABS, Mover, start
from moving import until as until_it_holds

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.module_host import existing_lab
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.plan import plan_node

MOVER = Mover(SCENARIO, "molecule-network-vm", "bonded", 1, shared=False)
until = partial(until_it_holds, cut_off=True)
V4, V6, TAGGED = MOVER.v4, MOVER.v6, "198.18.5.1"
FOUR = {"enabled": True, "address": [{"ip": V4, "prefix_length": 24}]}
SIX = {"enabled": True, "address": [{"ip": V6, "prefix_length": 64}]}
FIVE = {"enabled": True, "address": [{"ip": TAGGED, "prefix_length": 24}]}
ROUTE = {"destination": "0.0.0.0/0", "next_hop_interface": "br0", "next_hop_address": "198.18.0.254"}
BOND = {"mode": "active-backup", "port": ["eth0", "eth1"], "options": {"miimon": "100", "primary": "eth0"}}
HYBRID: Dict[str, Any] = {
    "interfaces": [
        {"name": "eth0"},
        {"name": "eth1"},
        {"name": "bond0", "type": "bond", "link_aggregation": BOND},
        {"name": "bond0.5", "type": "vlan", "vlan": {"base_iface": "bond0", "id": 5}, "ipv4": FIVE},
        {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "bond0"}]}, "ipv4": FOUR, "ipv6": SIX},
    ],
    "routes": [ROUTE],
}
PLAIN: Dict[str, Any] = {
    "interfaces": [
        {"name": "eth0"},
        {"name": "eth1"},
        {"name": "bond0", "type": "bond", "state": "absent"},
        {"name": "bond0.5", "type": "vlan", "state": "absent"},
        {"name": "eth0.5", "type": "vlan", "vlan": {"base_iface": "eth0", "id": 5}, "ipv4": FIVE},
        {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}, "ipv4": FOUR, "ipv6": SIX},
    ],
    "routes": [ROUTE],
}
GONE = {"name": "eth0.5", "type": "vlan", "state": "absent"}
HYBRID_AGAIN = {**HYBRID, "interfaces": [*HYBRID["interfaces"], GONE]}
STATES = {
    "hybrid": {"eth0": ("bond0", set()), "eth1": ("bond0", set()), "bond0": ("br0", set()), "bond0.5": ("", {TAGGED}), "br0": ("", {V4, V6})},
    "plain": {"eth0": ("br0", set()), "eth1": ("", set()), "eth0.5": ("", {TAGGED}), "br0": ("", {V4, V6})},
}
"""Interface -> what it is a port of, and its addresses."""


def change(desired: Dict[str, Any], **options: Any) -> subprocess.Popen[str]:
    """A change that has been started."""
    given = {"checks": {"hosts": {"peer": [f"198.18.0.{MOVER.peer_number}"]}}, "rollback_timeout": 90, **options}
    return start(*MOVER.change(desired, **given))


def links() -> Dict[str, Tuple[str, set]]:
    listed = json.loads(MOVER.on("ip -json address show"))
    return {
        link["ifname"]: (link.get("master", ""), {one["local"] for one in link["addr_info"] if one.get("scope") == "global"})
        for link in listed
        if link["ifname"] != "lo"
    }


def configuration() -> str:
    """Which of the two it is; all that is there where it is neither."""
    found = links()
    return next((name for name, wanted in STATES.items() if found == wanted), repr(found))


def settled() -> bool:
    """Whether networkd has set all that it is to set."""
    listed = json.loads(MOVER.on("networkctl list --json=short"))["Interfaces"]
    return {link["AdministrativeState"] for link in listed if link["Name"] != "lo"} <= {"configured", "unmanaged"}


def power(state: str) -> None:
    """As the module lab_node does it, but at once: when the power goes is what is drilled."""
    lab = existing_lab(str(LABS), MOVER.lab)
    node = lab.node(MOVER.node)
    lab.apply(plan_node(lab.described(MOVER.node), state, node.running() is not None, False))
