# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who will write the boot configuration again is refused before the change, with the remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.rewriters import REMEDY, Writers, cloud_writes

from .booting import HOME, said

ENI = f"auto eth0\niface eth0 inet static\n    address {HOME}/24\n"
NETPLAN = f"network:\n  ethernets:\n    eth0:\n      addresses: [{HOME}/24]\n"
PROFILE = f"[connection]\nid=cloud-init eth0\ntype=ethernet\ninterface-name=eth0\n[ipv4]\naddress1={HOME}/24\n"
CLOUD = {
    "/etc/netplan/50-cloud-init.yaml": ("netplan", NETPLAN),
    "/etc/netplan/99-other.yaml": ("netplan", f"# This file is generated from information provided by the datasource.  Changes\n{NETPLAN}"),
    "/etc/network/interfaces.d/50-cloud-init": ("ifupdown", ENI),
    "/etc/network/interfaces.d/50-cloud-init.cfg": ("ifupdown", ENI),
    "/etc/network/interfaces": ("ifupdown", f"# This file is generated from information provided by the datasource.\n{ENI}"),
    "/etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection": ("networkmanager", PROFILE),
}
RUNS = Writers(installed=True)


@pytest.mark.parametrize("path", CLOUD)
def test_cloud_init_is_refused_where_it_writes_what_the_change_removes(path: str) -> None:
    backend, text = CLOUD[path]
    (problem,) = said(backend, {path: text}, writers=RUNS)[0].problems
    assert problem.startswith(f"{path}: cloud-init writes it again") and f"'network: {{config: disabled}}' into {REMEDY}" in problem
    assert said(backend, {path: text}, writers=Writers())[0].problems == []


def test_what_cloud_init_has_written_for_networkd_stays_behind_ours() -> None:
    text = f"[Match]\nName=eth0\n[Network]\nAddress={HOME}/24\n"
    assert said("networkd", {"/etc/systemd/network/10-cloud-init-eth0.network": text}, writers=RUNS)[0].problems == []


def test_a_file_of_cloud_init_without_the_inventory_s_interfaces_gives_no_word() -> None:
    text = NETPLAN.replace("eth0", "eth1").replace(HOME, "198.51.100.1")
    assert said("netplan", {"/etc/netplan/50-cloud-init.yaml": text}, writers=RUNS)[0].problems == []


OFF: Dict[str, Any] = {"network": {"config": "disabled"}}


@pytest.mark.parametrize(
    ("writers", "writes"),
    [
        (RUNS, True),
        (Writers(), False),
        (replace(RUNS, off=True), False),
        (replace(RUNS, command_line="ro network-config=disabled quiet"), False),
        (replace(RUNS, command_line="ro network-config=disabledx"), True),
        (replace(RUNS, command_line="cloud-init=disabled"), False),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg": OFF}), False),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg.d/99-x.cfg": OFF}), False),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg.d/99-x.cfg": {"network": {"config": "enabled"}}}), True),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg": OFF, "/etc/cloud/cloud.cfg.d/50.cfg": {"network": {"version": 2}}}), True),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg.d/50.cfg": {"network": {"version": 2}}, "/etc/cloud/cloud.cfg.d/99.cfg": OFF}), False),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg": {"network": "x"}, "/etc/cloud/cloud.cfg.d/a.cfg": []}), True),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg": "network: {config: disabled}\n"}), False),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg": "users: x\nnetwork:\n  config: 'disabled'\n"}), False),
        (replace(RUNS, cloud={"/etc/cloud/cloud.cfg": "# network: {config: disabled}\n"}), True),
    ],
)
def test_cloud_init_can_be_turned_off_in_several_ways(writers: Writers, writes: bool) -> None:
    assert cloud_writes(writers) is writes


def test_what_netplan_makes_for_networkmanager_is_refused() -> None:
    path = "/run/NetworkManager/system-connections/netplan-eth0.nmconnection"
    (problem,) = said("networkmanager", {path: PROFILE})[0].problems
    assert problem.startswith(path) and "/etc/netplan" in problem


def test_a_profile_that_the_initrd_makes_is_refused_where_it_will_again() -> None:
    path = "/run/NetworkManager/system-connections/default_connection.nmconnection"
    for line, refused in (("ro ip=dhcp", True), ("rd.neednet=1", True), ("ro ip=off", False), ("ro", False)):
        found = said("networkmanager", {path: PROFILE}, writers=Writers(command_line=line))[0]
        assert [one.startswith(f"{path}: the initrd makes it again") for one in found.problems] == ([True] if refused else [])


def test_files_of_proxmox_ve_are_refused() -> None:
    assert "SDN" in said("ifupdown", {"/etc/network/interfaces.d/sdn": ENI})[0].problems[0]
    (problem,) = said("ifupdown", {"/etc/network/interfaces": ENI}, writers=Writers(pending=True))[0].problems
    assert problem.startswith("/etc/network/interfaces.new") and "next boot" in problem
