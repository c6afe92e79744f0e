# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the drills share: changes of a host's network, and what became of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, Tuple

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
NAME, LABS = "molecule-network-vm", "/var/lib/smallfleet/labs"
sys.path.insert(0, str(PROJECT / "collections"))

from ansible_collections.smallfleet.infra.plugins.module_utils._core.lab.plan import plan_node  # noqa: E402
from ansible_collections.smallfleet.infra.plugins.module_utils._io.lab.glue import existing_lab  # noqa: E402

V4, V6, TAGGED = "198.18.0.1", "2001:db8:0:1::1", "198.18.5.1"
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


def start(*argv: str) -> "subprocess.Popen[str]":
    settings = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    return subprocess.Popen(
        argv,
        cwd=PROJECT,
        env={**os.environ, **settings, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(running: "subprocess.Popen[str]", seconds: float = 300) -> Tuple[int, str]:
    """The exit status, and all that was said on one line."""
    said, _nothing = running.communicate(timeout=seconds)
    return running.returncode, " ".join(said.split())


def change(desired: Dict[str, Any], **options: Any) -> "subprocess.Popen[str]":
    """A change that has been started. Without a shared connection: the node may lose its power meanwhile."""
    given = {"desired": desired, "management": [V4, V6], "checks": {"hosts": {"peer": ["198.18.0.2"]}}, "rollback_timeout": 90, **options}
    argv = ["ansible", "-i", str(SCENARIO / "inventory"), "bonded", "-e", "ansible_python_interpreter=/usr/bin/python3"]
    argv += ["-e", "ansible_ssh_control_path=none", "-e", f"ansible_ssh_common_args='-F {LABS}/{NAME}/ssh_config -o ControlPath=none'"]
    return start(*argv, "-m", "smallfleet.infra.host_network", "-a", json.dumps(given))


def on(node: str, command: str, seconds: float = 60) -> str:
    argv = ["ssh", "-F", f"{LABS}/{NAME}/ssh_config", "-o", "ControlPath=none", "-o", "ConnectTimeout=5", node, command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=True).stdout


def lost(act: Callable[[], Any], targets: Sequence[str]) -> Tuple[Any, Dict[str, Tuple[int, int]]]:
    """What ``act`` gives, and for each target how many of the peer's pings meanwhile were lost, of how many."""
    shell = ["ssh", "-F", f"{LABS}/{NAME}/ssh_config", "-o", "ControlPath=none", "peer"]
    pings = {target: start(*shell, f"exec ping -n -q -i 0.01 -W 1 -w 280 {target}") for target in targets}
    time.sleep(2)
    try:
        given = act()
    finally:
        on("peer", "pkill -INT ping || :")
    said = {target: ended(ping, 30)[1].split(" packets transmitted, ") for target, ping in pings.items()}
    sent = {target: int(parts[0].split()[-1]) for target, parts in said.items()}
    return given, {target: (sent[target] - int(parts[1].split()[0]), sent[target]) for target, parts in said.items()}


def until(condition, seconds: float = 90.0) -> None:
    ends = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except subprocess.SubprocessError:
            pass
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.5)


def links() -> Dict[str, Tuple[str, set]]:
    listed = json.loads(on("bonded", "ip -json address show"))
    return {
        link["ifname"]: (link.get("master", ""), {one["local"] for one in link["addr_info"] if one.get("scope") == "global"})
        for link in listed
        if link["ifname"] != "lo"
    }


def configuration() -> str:
    """Which of the two it is; all that is there where it is neither."""
    found = links()
    return next((name for name, wanted in STATES.items() if found == wanted), repr(found))


def under_way() -> bool:
    return bool(on("bonded", "cat /var/lib/smallfleet/network/open || :").strip())


def settled() -> bool:
    """Whether networkd has set all that it is to set."""
    listed = json.loads(on("bonded", "networkctl list --json=short"))["Interfaces"]
    return {link["AdministrativeState"] for link in listed if link["Name"] != "lo"} <= {"configured", "unmanaged"}


def power(state: str) -> None:
    """As the module lab_node does it, but at once: when the power goes is what is drilled."""
    lab = existing_lab(LABS, NAME)
    node = lab.node("bonded")
    lab.apply(plan_node(lab.described("bonded"), state, node.running() is not None, False))
