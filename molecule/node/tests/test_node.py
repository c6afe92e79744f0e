# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role node left on the two machines of this scenario."""

from __future__ import annotations

import pytest

SSH_CONFIG = "/var/lib/smallfleet/labs/molecule-node/ssh_config"
ADDRESSES = {
    "alpha": {"198.18.0.1", "2001:db8:0:1::1"},
    "beta": {"198.18.0.2", "2001:db8:0:1::2"},
}
ZONES = {"alpha": "Etc/UTC", "beta": "Europe/Vienna"}

testinfra_hosts = [f"ssh://{name}?ssh_config={SSH_CONFIG}" for name in sorted(ADDRESSES)]


def name_of(host):
    return host.backend.host.name


def test_a_machine_knows_its_own_name_now_and_at_the_next_boot(host):
    name = name_of(host)
    assert host.check_output("uname -n") == name
    assert host.file("/etc/hostname").content_string == f"{name}\n"
    assert host.check_output("hostname --fqdn") == f"{name}.node.example.net"


@pytest.mark.parametrize("name", sorted(ADDRESSES))
@pytest.mark.parametrize("suffix", ["", ".node.example.net"])
def test_a_machine_finds_every_machine_by_short_and_full_name(host, name, suffix):
    lines = host.check_output(f"getent ahosts {name}{suffix}").splitlines()
    assert {line.split()[0] for line in lines} == ADDRESSES[name]


def test_what_was_in_etc_hosts_before_is_still_there(host):
    assert host.file("/etc/hosts").content_string.startswith("127.0.0.1 localhost\n")
    assert host.file("/etc/hosts").mode == 0o644


def test_the_package_is_installed_and_works(host):
    assert host.package("tree").is_installed
    assert "hosts" in host.check_output("tree /etc -L 1 -P hosts")


def test_the_clock_shows_the_time_of_the_zone(host):
    zone = ZONES[name_of(host)]
    assert host.file("/etc/localtime").linked_to == f"/usr/share/zoneinfo/{zone}"
    assert host.check_output("date +%z") == host.check_output(f"TZ={zone} date +%z")


def test_an_administrator_may_log_in_and_whoever_could_before_still_can(host):
    keys = host.file("/root/.ssh/authorized_keys")
    assert keys.mode == 0o600
    lines = keys.content_string.splitlines()
    assert sum(line.endswith(" alice@example.net") for line in lines) == 1
    assert any(line.endswith(" smallfleet-molecule-node") for line in lines)


def test_the_kernel_setting_holds_now_and_at_the_next_boot(host):
    assert host.check_output("cat /proc/sys/net/ipv4/ip_forward") == "1"
    assert "net.ipv4.ip_forward = 1" in host.file("/etc/sysctl.d/60-smallfleet.conf").content_string.splitlines()


def test_the_clock_of_a_container_is_left_to_its_host(host):
    assert host.check_output("systemd-detect-virt --container") == "systemd-nspawn"
    assert not host.file("/etc/systemd/timesyncd.conf.d/60-smallfleet.conf").exists
