# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at on the host itself for its next boot, and what netplan made of the files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.boot_host import boot_files
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.findings import Boot
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.generated import differences
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Link

from .booting import DESIRED, HOME, OBSERVED

ROOT = Path(__file__).resolve().parents[3]
PEERS = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.boot_host import _peers
print(*_peers())
"""


def test_files_that_are_read_in_are_read_too_and_each_once(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (tmp_path / "interfaces").write_text("source more/*.cfg\nsource-directory more\n", encoding="utf-8")
    (folder / "a.cfg").write_text(f"source {folder}/b\n", encoding="utf-8")
    (folder / "b").write_text(f"source {folder}/a.cfg\niface eth0 inet dhcp\n", encoding="utf-8")
    (tmp_path / "c").write_text("iface eth1 inet dhcp\n", encoding="utf-8")
    backend = Ifupdown()
    backend.reads = (str(tmp_path / "interfaces"),)
    assert set(boot_files(backend)) == {str(tmp_path / "interfaces"), str(folder / "a.cfg"), str(folder / "b")}


def test_who_manages_the_host_is_known_by_the_session_above_sudo() -> None:
    command = f"env -u SSH_CONNECTION {sys.executable} -c '{PEERS}' {ROOT / 'collections'}; true"
    done = subprocess.run(
        ["sh", "-c", command], env={"SSH_CONNECTION": "203.0.113.5 40000 192.0.2.10 22", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "203.0.113.5"


MADE = {
    "10-netplan-eth0.network": "[Match]\nName=eth0\n\n[Network]\nLinkLocalAddressing=no\nBridge=br0\n",
    "10-netplan-br0.network": f"[Match]\nName=br0\n\n[Network]\nAddress={HOME}/24\n",
}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, []),
        ({"10-netplan-br0.network": MADE["10-netplan-br0.network"] + "Address=192.0.2.99/24\n"}, ["br0: netplan would give it 192.0.2.99/24"]),
        ({"10-netplan-br0.network": "[Match]\nName=br0\n"}, [f"br0: netplan would not give it {HOME}/24"]),
        ({"10-netplan-br0.network": MADE["10-netplan-br0.network"] + "DHCP=ipv4\n"}, ["br0: netplan would use DHCP=ipv4"]),
        ({"10-netplan-all.network": "[Match]\nName=e*\n"}, ["10-netplan-all.network"]),
        ({"10-netplan-eth0.network": "[Match]\nName=eth7\n"}, ["no file"]),
    ],
)
def test_what_netplan_made_is_compared_with_the_inventory(more: Dict[str, str], named: list[str]) -> None:
    found = differences(DESIRED, {**MADE, **more})
    assert len(found) == len(named) and all(text in one for text, one in zip(named, found)), found


def test_the_host_is_managed_by_what_stands_on_an_interface_too() -> None:
    vlan = replace(OBSERVED, links={**OBSERVED.links, "v5": Link("v5", "vlan", lower="eth1", vlan_id=5)}, addresses={"v5": (Address("198.51.100.1", 24),)})
    boot = Boot(DESIRED, vlan, management=("198.51.100.1",))
    assert boot.carries_management("eth1") and boot.carries_management("v5") and not boot.carries_management("eth0")
    assert Boot(DESIRED, OBSERVED, management=(HOME,)).carries_management("eth0")
