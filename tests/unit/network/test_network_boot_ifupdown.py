# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""interfaces(5) of others: what a change loses of it is said, what would count at the next boot is refused."""

from __future__ import annotations

from typing import List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import MAIN, named, sources
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.interfaces5 import read

from .booting import DESIRED, HOME, ON_CARD, said

PLAIN = f"""\
auto lo eth0
iface lo inet loopback

iface eth0 inet static
    address {HOME}/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53
    dns-search example.net
    mtu 1500
    up ip route add default via 192.0.2.1 dev eth0
    post-down ip route del default via 192.0.2.1
"""


def test_a_file_of_which_the_inventory_says_everything_gives_no_word() -> None:
    found, _files, after = said("ifupdown", {MAIN: PLAIN})
    assert (found.problems, found.warnings) == ([], [])
    assert "eth0" not in after[MAIN]


def test_an_alias_is_an_address_of_its_interface_and_goes_with_it() -> None:
    alias = f"{PLAIN}\nauto eth0:0\niface eth0:0 inet static\n    address 192.0.2.99/32\n"
    found, _files, after = said("ifupdown", {MAIN: alias})
    assert "eth0" not in after[MAIN] and "192.0.2.99" not in after[MAIN]
    assert found.problems == [] and len(found.warnings) == 1
    assert MAIN in found.warnings[0] and "'address 192.0.2.99/32' (of eth0:0)" in found.warnings[0]
    moved, _files, after = said("ifupdown", {MAIN: PLAIN.replace("iface eth0 ", "iface eth0:1 ").replace("lo eth0", "lo eth0:1")})
    assert "eth0" not in after[MAIN] and moved.warnings == []


def test_an_alias_says_that_ifupdown_has_the_interface() -> None:
    assert named(["auto eth0:0\niface eth0:0 inet static\n"]) == {"eth0"}


@pytest.mark.parametrize(
    "line",
    [
        "post-up iptables-restore < /etc/iptables.rules",
        "up ethtool -K eth0 tso off",
        "pre-up /usr/local/sbin/prepare",
        "post-up ip route add 198.51.100.0/24 via 192.0.2.2",
        "post-up route add -net 198.51.100.0 netmask 255.255.255.0 gw 192.0.2.2",
        "down /usr/local/sbin/gone",
        "gateway 192.0.2.77",
        "dns-nameservers 192.0.2.54",
        "dns-search other.example.net",
        "mtu 9000",
        "privext 2",
        "wpa-ssid home",
        "ethernet-wol g",
        "hostname web",
    ],
)
def test_each_line_that_is_lost_is_named_with_its_file(line: str) -> None:
    path = "/etc/network/interfaces.d/eth0"
    found, _files, after = said("ifupdown", {MAIN: "source /etc/network/interfaces.d/*\n", path: f"{PLAIN}    {line}\n"}, management=())
    assert found.problems == [] and len(found.warnings) == 1, found
    assert path in found.warnings[0] and line.split()[0] in found.warnings[0] and line.split()[-1] in found.warnings[0]
    assert line not in after[path]


def test_a_secret_in_a_line_is_not_printed() -> None:
    found, _files, _after = said("ifupdown", {MAIN: f"{PLAIN}    wpa-psk topsecret-topsecret\n"}, management=())
    assert "wpa-psk" in found.warnings[0] and "topsecret" not in found.warnings[0]


def test_a_route_by_which_the_host_is_managed_now_is_refused_and_not_when_the_inventory_has_it() -> None:
    text = f"{PLAIN}    post-up ip route add 203.0.113.0/24 via 192.0.2.2\n"
    found, _files, _after = said("ifupdown", {MAIN: text}, peers=("203.0.113.5",))
    assert len(found.problems) == 1 and "203.0.113.0/24" in found.problems[0] and MAIN in found.problems[0]
    found, _files, _after = said("ifupdown", {MAIN: text}, peers=("198.51.100.5",))
    assert found.problems == [] and "203.0.113.0/24" in found.warnings[0]
    text = text.replace("203.0.113.0/24", "default")
    assert said("ifupdown", {MAIN: text})[0].warnings == []


def test_what_an_interface_inherits_is_lost_with_it() -> None:
    text = "iface common inet static\n    up /sbin/common\niface eth0 inet static inherits common\n    address 192.0.2.10/24\n"
    found, _files, after = said("ifupdown", {MAIN: text})
    assert "/sbin/common" in found.warnings[0] and "/sbin/common" in after[MAIN]


@pytest.mark.parametrize(
    "text",
    [
        "mapping eth0\n    script /usr/local/sbin/where\n",
        "mapping eth*\n    script /usr/local/sbin/where\n",
        "rename eth0=lan0\n",
        "rename eth7=eth0\n",
        "auto br9\niface br9 inet manual\n    bridge_ports eth0 eth1\n",
        "auto br9\niface br9 inet manual\n    bridge-ports regex eth.*\n",
        "iface br9 inet manual\n    bridge_ports all\n",
        "iface bond9 inet manual\n    bond-slaves eth0\n",
        "iface eth1 inet manual\n    bond-master br0\n",
        "iface eth1 inet manual inherits eth0\n",
        f"iface eth1 inet static\n    address {HOME}/32\n",
        "auto /eth*\n",
        "allow-hotplug /e*\n",
        "auto eth[0-3]\n",
        "iface eth* inet dhcp\n",
        "iface /mac/02:00:00:00:00:01 inet dhcp\n",
    ],
)
def test_what_would_configure_an_interface_of_the_inventory_at_the_next_boot_is_refused(text: str) -> None:
    found, _files, _after = said("ifupdown", {MAIN: f"{PLAIN}\n{text}"})
    assert len(found.problems) == 1 and found.problems[0].startswith(f"{MAIN}: "), found


@pytest.mark.parametrize(
    "text",
    [
        "mapping wlan*\n    script x\n",
        "auto /wl*\n",
        "iface br9 inet manual\n    bridge_ports none\n",
        "iface br9 inet manual\n    bridge_ports eth1\n",
        "iface eth1 inet static\n    address 198.51.100.1/24\n    up /usr/local/sbin/eth1\n",
        "iface eth0.5 inet static\n    vlan-raw-device eth0\n    address 198.51.100.1/24\n",
    ],
)
def test_what_is_of_other_interfaces_stays_without_a_word(text: str) -> None:
    found, _files, after = said("ifupdown", {MAIN: f"{PLAIN}\n{text}"})
    assert (found.problems, found.warnings) == ([], []) and text in after[MAIN]


def test_a_line_of_another_interface_that_changes_one_of_the_inventory_is_named() -> None:
    text = f"{PLAIN}\niface eth1 inet manual\n    up ip address add 192.0.2.99/24 dev br0\n"
    found, _files, _after = said("ifupdown", {MAIN: text})
    assert found.problems == [] and "ip address add 192.0.2.99/24 dev br0" in found.warnings[0] and "br0" in found.warnings[0]


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("bridge_fd 15", False),
        ("bridge_fd 4", True),
        ("bridge-ageing 300", False),
        ("bridge-ageing 60", True),
        ("bridge_vlan_aware yes", True),
        ("bridge-vlan-aware no", False),
        ("bridge_stp off", False),
        ("bridge_mcsnoop 0", True),
        ("bridge_bridgeprio 4096", True),
        ("bridge_maxwait 0", False),
        ("bridge-vids 2-4094", True),
    ],
)
def test_options_of_a_bridge_are_compared_with_what_the_next_boot_gives(line: str, lost: bool) -> None:
    text = f"auto br0\niface br0 inet static\n    address {HOME}/24\n    gateway 192.0.2.1\n    bridge_ports eth0\n    {line}\n"
    found, _files, _after = said("ifupdown", {MAIN: text})
    assert found.problems == [] and [line in text for text in found.warnings] == ([True] if lost else [])


def test_files_that_another_reads_in_are_known_by_their_patterns() -> None:
    text = "source interfaces.d/*.cfg\nsource-directory /run/network/interfaces.d\n# source x\nsource /etc/a /etc/b\n"
    assert sources(MAIN, text) == ["/etc/network/interfaces.d/*.cfg", "/run/network/interfaces.d/*", "/etc/a", "/etc/b"]


def test_a_file_that_is_made_at_each_boot_is_refused_when_it_has_an_interface_of_the_inventory() -> None:
    path = "/run/network/interfaces.d/eth0"
    found, _files, _after = said("ifupdown", {MAIN: "source-directory /run/network/interfaces.d\n", path: "auto eth0\niface eth0 inet dhcp\n"})
    assert [text for text in found.problems if text.startswith(f"{path}: is written at each boot")]


def test_files_that_nothing_has_read_so_far_are_not_read_from_now_on() -> None:
    stale = "/etc/network/interfaces.d/old.bak"
    _found, _files, after = said("ifupdown", {MAIN: "auto lo\niface lo inet loopback\n", stale: "iface eth1 inet dhcp\n"})
    assert sources(MAIN, after[MAIN]) == ["/etc/network/interfaces.d/smallfleet-*"]


def test_a_second_run_says_nothing() -> None:
    existing = {MAIN: f"{PLAIN}    post-up /usr/local/sbin/x\n"}
    for desired in (DESIRED, ON_CARD):
        found, _files, after = said("ifupdown", existing, desired)
        assert found.warnings
        again, files, _after = said("ifupdown", after, desired)
        assert (again.problems, again.warnings, files.changes) == ([], [], ())


def test_lines_that_go_on_belong_to_one_option() -> None:
    stanzas = read(MAIN, "auto eth0 \\\n  eth1\niface eth0 inet manual\n  up echo \\\n  post-up\n# c\n  mtu 9000\n")
    options: List[str] = [key for stanza in stanzas for key, _value in stanza.options]
    assert stanzas[0].head == ["auto", "eth0", "eth1"] and options == ["up", "mtu"]
