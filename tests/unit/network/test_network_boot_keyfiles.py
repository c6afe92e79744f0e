# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Profiles of others of NetworkManager: which would be used at the next boot, and what is lost with those that go."""

from __future__ import annotations

from typing import Dict

import pytest

from .booting import DESIRED, HOME, MAC, ON_CARD, OTHER_MAC, said

FOLDER = "/etc/NetworkManager/system-connections"
LAN = f"{FOLDER}/lan.nmconnection"


def profile(more: str = "", connection: str = "interface-name=eth0", kind: str = "ethernet", priority: int = 0) -> str:
    text = f"[connection]\nid=lan\nuuid=5a7b1f0e-94a5-4c67-8f59-3f2f2f0a9f11\ntype={kind}\n{connection}\n"
    text += f"autoconnect-priority={priority}\n" if priority else ""
    return f"{text}\n{more}"


ADDRESS = f"[ipv4]\nmethod=manual\naddress1={HOME}/24,192.0.2.1\ndns=192.0.2.53;\ndns-search=example.net;\n[ipv6]\nmethod=disabled\n"


def test_a_profile_of_which_the_inventory_says_everything_goes_without_a_word() -> None:
    found, _files, after = said("networkmanager", {LAN: profile(ADDRESS)})
    assert (found.problems, found.warnings) == ([], []) and LAN not in after


@pytest.mark.parametrize("section", ["ethernet", "802-3-ethernet"])
@pytest.mark.parametrize("mac", [MAC, MAC.upper()])
def test_a_profile_that_is_bound_by_the_mac_of_the_card_goes_as_one_that_names_it(section: str, mac: str) -> None:
    text = profile(f"[{section}]\nmac-address={mac}\n\n{ADDRESS}", "", priority=200)
    found, _files, after = said("networkmanager", {LAN: text})
    assert LAN not in after and (found.problems, found.warnings) == ([], [])
    other = {LAN: text.replace(mac, OTHER_MAC).replace(HOME, "198.51.100.1")}
    found, _files, after = said("networkmanager", other)
    assert after[LAN] == other[LAN] and found.problems == []


def test_a_vlan_that_names_its_parent_by_mac_is_no_profile_of_the_card() -> None:
    text = profile(f"[ethernet]\nmac-address={MAC}\n[vlan]\nid=5\n", "", "vlan")
    found, _files, after = said("networkmanager", {LAN: text})
    assert LAN in after and found.problems == []


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (profile("", "", priority=200), True),
        (profile("", "", priority=100), True),
        (profile("", "", priority=99), False),
        (profile("[match]\ninterface-name=eth*;\n", "", priority=150), True),
        (profile("[match]\ninterface-name=en*;!eth0;\n", "", priority=150), False),
        (profile("[match]\ninterface-name=&eth*;\n", "", priority=150), True),
        (profile("[match]\ninterface-name=wl*;\n", "", priority=150), False),
        (profile("[match]\ndriver=virtio_net\n", "", priority=150), True),
        (profile(f"[ethernet]\nmac-address-blacklist={MAC};\n", "", priority=150), False),
        (profile("", "autoconnect=false", priority=150), False),
        (profile("", "", "wifi", priority=150), False),
        (profile("", "interface-name=eth1", priority=150), False),
    ],
)
def test_a_profile_that_would_be_used_in_place_of_ours_is_refused(text: str, refused: bool) -> None:
    found, _files, _after = said("networkmanager", {LAN: text}, ON_CARD)
    assert [one.startswith(f"{LAN}: ") and "eth0" in one for one in found.problems] == ([True] if refused else [])


@pytest.mark.parametrize(
    "line",
    [
        "[connection] zone=dmz",
        "[connection] metered=2",
        "[connection] secondaries=x;",
        "[ipv4] dns=192.0.2.54;",
        "[ipv4] dns-priority=5",
        "[ipv4] address2=192.0.2.99/24",
        "[ipv4] route1=198.51.100.0/24,192.0.2.1",
        "[ipv4] route-metric=50",
        "[ipv4] may-fail=true",
        "[ipv6] ra-timeout=5",
        "[ipv6] ip6-privacy=2",
        "[ethernet] mtu=9000",
        "[ethernet] wake-on-lan=64",
        "[ethtool] feature-tso=off; x",
        "[proxy] method=1",
    ],
)
def test_each_setting_that_is_lost_is_named_with_its_file(line: str) -> None:
    section, setting = line.split(" ", 1)
    found, _files, after = said("networkmanager", {LAN: f"{profile(ADDRESS)}\n{section}\n{setting}\n"})
    assert LAN not in after and found.problems == [] and len(found.warnings) == 1, found
    assert LAN in found.warnings[0] and line in found.warnings[0]


def test_a_secret_is_not_printed_and_8021x_is_refused_where_the_host_is_managed_by_it() -> None:
    text = f"{profile(ADDRESS)}\n[802-1x]\neap=peap;\npassword=topsecret-topsecret\n"
    found, _files, _after = said("networkmanager", {LAN: text})
    assert len(found.problems) == 1 and "eap" in found.problems[0] and "topsecret" not in str(found)
    found, _files, _after = said("networkmanager", {LAN: text}, management=())
    assert found.problems == [] and "password" in found.warnings[0] and "topsecret" not in str(found)


@pytest.mark.parametrize(("line", "lost"), [("multicast-snooping=false", True), ("ageing-time=300", False), ("ageing-time=60", True), ("stp=false", False)])
def test_options_of_a_bridge_are_compared_with_what_the_next_boot_gives(line: str, lost: bool) -> None:
    text = profile(f"[bridge]\n{line}\n{ADDRESS}", "interface-name=br0", "bridge")
    found, _files, _after = said("networkmanager", {LAN: text})
    assert [line in one for one in found.warnings] == ([True] if lost else [])


def test_a_profile_that_joins_a_bridge_of_the_inventory_is_refused_when_it_is_no_port_there() -> None:
    port = f"{FOLDER}/port.nmconnection"
    for key in ("master", "controller"):
        text = profile("", f"interface-name=eth1\n{key}=br0\nslave-type=bridge")
        found, _files, _after = said("networkmanager", {port: text})
        assert len(found.problems) == 1 and "eth1 joins br0" in found.problems[0]


def test_a_vlan_on_a_profile_that_goes_is_refused() -> None:
    vlan = f"{FOLDER}/vlan.nmconnection"
    files: Dict[str, str] = {
        LAN: profile(ADDRESS),
        vlan: profile("[vlan]\nid=5\nparent=5a7b1f0e-94a5-4c67-8f59-3f2f2f0a9f11\n", "interface-name=eth0.5", "vlan").replace("uuid=5", "uuid=6"),
    }
    found, _files, _after = said("networkmanager", files)
    assert len(found.problems) == 1 and vlan in found.problems[0] and LAN in found.problems[0]


def test_an_address_of_the_inventory_in_another_profile_is_refused() -> None:
    found, _files, _after = said("networkmanager", {LAN: profile(ADDRESS, "interface-name=eth1")})
    assert len(found.problems) == 1 and HOME in found.problems[0]
    assert said("networkmanager", {LAN: profile(ADDRESS, "interface-name=eth1\nautoconnect=false")})[0].problems == []


def test_profiles_of_packages_are_not_removed_and_are_named() -> None:
    path = "/usr/lib/NetworkManager/system-connections/card.nmconnection"
    found, _files, after = said("networkmanager", {path: profile()})
    assert path in after and found.problems == [] and path in found.warnings[0]
    assert path in said("networkmanager", {path: profile(priority=200)})[0].problems[0]


@pytest.mark.parametrize("text", ["DEVICE=eth0\n", 'DEVICE="eth0"\n', f"HWADDR={MAC.upper()}\n"])
def test_the_old_format_is_known_by_device_and_mac_too(text: str) -> None:
    path = "/etc/sysconfig/network-scripts/ifcfg-lan"
    assert path in said("networkmanager", {path: text})[0].problems[0]
    assert said("networkmanager", {path: "DEVICE=eth1\n"})[0].problems == []


def test_a_second_run_says_nothing() -> None:
    for desired in (DESIRED, ON_CARD):
        found, _files, after = said("networkmanager", {LAN: f"{profile(ADDRESS)}\n[proxy]\nmethod=1\n"}, desired)
        assert found.warnings
        again, files, _after = said("networkmanager", after, desired)
        assert (again.problems, again.warnings, files.changes) == ([], [], ())
