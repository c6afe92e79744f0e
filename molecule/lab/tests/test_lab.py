# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every node of a lab is a host with the inventory's NICs, addresses and disks."""

from __future__ import annotations

import subprocess

import pytest

testinfra_hosts = ["ansible://all"]


def test_systemd_runs_and_no_unit_has_failed(host):
    assert host.check_output("systemctl is-system-running --wait") == "running"


def test_every_network_of_the_inventory_has_its_nic(host):
    addresses = {name: host.interface(name).addresses for name in ("eth0", "eth1")}
    assert any(address.startswith("198.18.0.") for address in addresses["eth0"])
    assert any(address.startswith("2001:db8:0:1:") for address in addresses["eth0"])
    assert any(address.startswith("198.18.1.") for address in addresses["eth1"])
    assert host.file("/sys/class/net/eth1/mtu").content_string.strip() == "9000"


def test_a_jumbo_frame_crosses_the_storage_network_whole(host):
    assert host.run("ping -c 1 -W 2 -M do -s 8972 198.18.1.1").rc == 0


@pytest.mark.parametrize("target", ["198.51.100.1", "198.18.9.9", "2001:db8:9::1"])
def test_there_is_no_way_out(host, target):
    assert "unreachable" in host.run(f"ping -c 1 -W 1 {target}").stderr


@pytest.mark.parametrize("address", ["198.18.0.1", "198.19.255.1", "2001:db8:0:1::1", "2001:db8:9::1"])
def test_the_controller_has_no_way_out_for_these_addresses_either(address):
    answer = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True, check=False)
    assert answer.returncode != 0 and "No route to host" in answer.stderr


def test_apt_reaches_the_mirror_through_the_proxy_and_the_proxy_reaches_nothing_else(host):
    assert host.run("apt-get update -qq").rc == 0
    refused = host.run(
        "python3 -c 'import urllib.request as u; u.install_opener(u.build_opener(u.ProxyHandler("
        '{"http": "http://198.18.0.254:3142"}))); u.urlopen("http://127.0.0.1:22/", timeout=5)\''
    )
    assert "403" in refused.stderr


def test_further_disks_are_there_with_their_size(host):
    assert host.file("/srv/disks/data").size == 64 * 1024 * 1024
