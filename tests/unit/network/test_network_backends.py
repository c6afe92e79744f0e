# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot configuration of four backends, and what becomes of files that others wrote for the same interfaces."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import ifupdown, netplan, registry
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.backend import Backend
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Interface
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import from_data

from .kernel import bare
from .test_network_resolve import planned, sound

GOLDEN = Path(__file__).parent / "golden"
BACKENDS: List[Backend] = [*registry.BACKENDS.values()]
NAMES = [backend.name for backend in BACKENDS]


def hybrid() -> Desired:
    """The sound network of test_network_resolve: a bond, a VLAN of it, a bridge on top, routes, a rule, DNS, and
    a card with leases.
    """
    variables = sound()
    leases = {"name": "eth2", "ipv4": {"dhcp": True}, "ipv6": {"enabled": True, "autoconf": True}}
    variables["network_interfaces"].append(leases)
    plan = planned(variables)
    assert plan.problems == ()
    desired = from_data(plan.hosts["app1"]["network"]["desired"])
    return pinned(desired, bare("eth0", "eth1", "eth2"))


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_the_files_are_these(backend: Backend) -> None:
    files = backend.files(hybrid())
    assert "".join(f"## {path}\n{text}\n" for path, text in sorted(files.items())) == (GOLDEN / f"{backend.name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_files_that_are_there_already_do_not_change_and_an_absent_interface_loses_its_own(backend: Backend) -> None:
    desired = hybrid()
    first = backend.changes(desired, {})
    there = {change.path: change.after for change in first.changes if change.after is not None}
    assert first.problems == () and set(backend.files(desired)) <= set(there)
    assert backend.changes(desired, there) == replace(first, changes=())
    gone = replace(desired, interfaces=(Interface("bond0.5", "vlan", absent=True),), routes=(), rules=())
    changes = backend.changes(gone, there).changes
    assert changes and all(change.after is None and "bond0.5" in change.path.replace("--", ".") for change in changes)


@pytest.mark.parametrize("backend", BACKENDS, ids=NAMES)
def test_a_file_about_other_interfaces_is_not_touched(backend: Backend) -> None:
    others = {
        "/etc/systemd/network/01-eth7.network": "[Match]\nName=eth7\n",
        "/etc/network/interfaces.d/eth7": "auto eth7\niface eth7 inet dhcp\n",
        "/etc/netplan/50-cloud-init.yaml": "network:\n  version: 2\n  ethernets:\n    eth7: {dhcp4: true}\n",
        "/etc/NetworkManager/system-connections/eth7.nmconnection": "[connection]\ninterface-name=eth7\n",
    }
    files = backend.changes(hybrid(), others)
    assert files.problems == ()
    assert not [change for change in files.changes if change.path in others]


@pytest.mark.parametrize(("backend", "own"), [(Networkd(), "05-smallfleet-"), (netplan.Netplan(), "10-netplan-")])
def test_a_file_of_networkd_that_would_come_first_is_refused_by_name(backend: Backend, own: str) -> None:
    early = {
        "/etc/systemd/network/00-all.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n",
        "/etc/systemd/network/01-kind.network": "[Match]\nType=ether\n",
        "/etc/systemd/network/02-not.network": "[Match]\nName=!eth* !b*\n",
        "/etc/systemd/network/03-masked.network": "",
        "/etc/systemd/network/50-late.network": "[Match]\nName=eth0\n",
        "/usr/lib/systemd/network/04-bridge.netdev": "[NetDev]\nName=br0\nKind=bridge\n",
    }
    said = backend.changes(hybrid(), {**early, f"/run/systemd/network/{own}eth0.network": early["/etc/systemd/network/50-late.network"]}).problems
    assert any(text.startswith("/etc/systemd/network/01-kind.network") and f"{own}bond0.network and may match bond0" in text for text in said)
    assert {text.split(":")[0].rpartition("/")[2] for text in said} == {
        "00-all.network",
        "01-kind.network",
        "04-bridge.netdev",
    }


INTERFACES = """\
# This file describes the network interfaces.
source /etc/network/interfaces.d/*

auto lo eth0
iface lo inet loopback

allow-hotplug eth0
iface eth0 inet static
    # the old one
    address 192.0.2.9/24
    up echo \\
       iface eth7

iface eth7 inet dhcp
"""


def test_ifupdown_takes_its_interfaces_out_of_the_files_of_others_and_leaves_the_rest() -> None:
    after, problems = ifupdown.without(INTERFACES, {"eth0"})
    assert problems == []
    assert after == (
        "# This file describes the network interfaces.\n"
        "source /etc/network/interfaces.d/*\n\n"
        "auto lo\niface lo inet loopback\n\n"
        "    # the old one\n\n"
        "iface eth7 inet dhcp\n"
    )
    existing = {ifupdown.MAIN: "auto lo\niface lo inet loopback\n"}
    changes = ifupdown.Ifupdown().changes(hybrid(), existing).changes
    (main,) = [change.after for change in changes if change.path == ifupdown.MAIN]
    assert main == "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/smallfleet-*\n"
    clever = {ifupdown.MAIN: "auto /eth*\niface eth* inet dhcp\nsource interfaces.d/*\n"}
    assert len(ifupdown.Ifupdown().changes(hybrid(), clever).problems) == 2


CLOUD = """\
# This file is generated.
network:
    version: 2
    ethernets:
        eth0:
            match:
                macaddress: "02:00:00:00:00:00"
            addresses:
            - 192.0.2.9/24
            set-name: eth0
        eth7:
            dhcp4: true
"""


def test_netplan_takes_its_interfaces_out_of_the_files_of_others_and_leaves_the_rest() -> None:
    after, problems = netplan.without(CLOUD, {"eth0"})
    assert problems == [] and yaml.safe_load(after) == {"network": {"version": 2, "ethernets": {"eth7": {"dhcp4": True}}}}
    after, problems = netplan.without(CLOUD, {"eth0", "eth7"})
    assert problems == [] and yaml.safe_load(after) == {"network": {"version": 2}}
    renamed = CLOUD.replace("eth0:\n", "first:\n", 1)
    assert netplan.without(renamed, {"eth0"})[1] == ["first is eth0 by another name. Name it eth0 there"]
    flow = "network: {version: 2, ethernets: {eth0: {dhcp4: true}}}\n"
    assert "flow style" in netplan.without(flow, {"eth0"})[1][0]


def test_netplan_is_given_yaml_that_says_what_was_meant() -> None:
    value = {"a": {"b": [], "c": [{"d": "x: y", "e": 1}, "f"], "g": {}, "h": None, "i": "no"}}
    assert yaml.safe_load(netplan.yaml(value)) == value


def test_networkmanager_removes_other_profiles_of_its_interfaces_and_refuses_the_old_format() -> None:
    existing = {
        "/etc/NetworkManager/system-connections/lan.nmconnection": "[connection]\nid=lan\ninterface-name=eth0\n",
        "/etc/NetworkManager/system-connections/wifi.nmconnection": "[connection]\nid=wifi\n",
        "/etc/NetworkManager/system-connections/odd": "no keyfile at all\n",
        "/etc/sysconfig/network-scripts/ifcfg-eth1": "DEVICE=eth1\n",
    }
    files = NetworkManager().changes(hybrid(), existing)
    assert [change.path for change in files.changes if change.after is None] == ["/etc/NetworkManager/system-connections/lan.nmconnection"]
    assert all(change.mode == 0o600 for change in files.changes)
    assert len(files.problems) == 1 and "ifcfg-eth1" in files.problems[0]


@pytest.mark.skipif(shutil.which("netplan") is None, reason="netplan.io is not installed here")
def test_netplan_itself_accepts_the_files(tmp_path: Path) -> None:
    written: Dict[str, str] = netplan.Netplan().files(hybrid())
    for path, text in written.items():
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o600)
    done = subprocess.run(["netplan", "generate", "--root-dir", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    made = (tmp_path / "run/systemd/network/10-netplan-br0.network").read_text(encoding="utf-8")
    assert "Address=192.0.2.11/24" in made and "LinkLocalAddressing=ipv6" in made
