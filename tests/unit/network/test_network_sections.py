# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of sections as systemd and GLib read them: a byte order mark, lines that go on, and lists that begin anew."""

from __future__ import annotations

from typing import Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import matches
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.sections import last, pairs
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.macs import mac_of

from .booting import DESIRED, HOME, MAC, said

FIRST = "/etc/systemd/network/00-first.network"
PROFILE = "/etc/NetworkManager/system-connections/wired.nmconnection"
LOST = "[Network]\nAddress=192.0.2.77/24\n"


@pytest.mark.parametrize(
    "text, fits",
    [
        ("[Match]\nName=eth0\n", True),
        ("\ufeff[Match]\nName=eth0\n", True),
        ("[Match]\nName=foo \\\n  eth0\n", True),
        ("[Match]\nName=foo \\\n# a comment in it\n  eth0\n", True),
        ("[Match]\nName=eth0\nName=\nName=eth1\n", False),
        ("[Match]\nName=!eth0\nName=\nName=eth0\n", True),
        ("[Match]\nName=eth1 \\\n# eth0\n", False),
    ],
)
def test_which_interfaces_a_file_is_for(text: str, fits: bool) -> None:
    assert matches("eth0", text, "Match") is fits
    found, _files, _after = said("networkd", {FIRST: f"{text}{LOST}"})
    assert any("comes before 05-smallfleet-eth0.network" in one for one in found.problems) is fits


def test_an_empty_value_takes_the_earlier_ones_of_its_key_away() -> None:
    assert last(pairs("[A]\nx=1\ny=2\nx=\nx=3\n[B]\nx=4\n")) == [("A", "y", "2"), ("A", "x", "3"), ("B", "x", "4")]


@pytest.mark.parametrize(
    "text, mac",
    [
        (MAC, MAC),
        ("02-00-00-00-00-01", MAC),
        ("2:0:0:0:0:1", MAC),
        ("0200.0000.0001", MAC),
        ("2;0;0;0;0;1;", MAC),
        ("AA:BB:CC:DD:EE:FF", "aa:bb:cc:dd:ee:ff"),
        ("256;0;0;0;0;1", ""),
        ("02:00:00:00:00", ""),
        ("permanent", ""),
        ("", ""),
    ],
)
def test_the_notations_of_a_mac(text: str, mac: str) -> None:
    assert mac_of(text) == mac


@pytest.mark.parametrize("mac", ["02-00-00-00-00-01", "2:0:0:0:0:1", "2;0;0;0;0;1;"])
def test_a_profile_is_bound_to_a_card_by_its_mac_in_any_notation(mac: str) -> None:
    text = f"[connection]\ntype=ethernet\nautoconnect-priority=999\n[ethernet]\nmac-address={mac}\n[ipv4]\nmethod=manual\naddress1={HOME}/24\n"
    found, _files, after = said("networkmanager", {PROFILE: text})
    assert (found.problems, found.warnings) == ([], []) and PROFILE not in after


BOUND = "[connection]\ntype=ethernet\ninterface-name=eth0\nuuid=1-2-3\n"
LOSSES: Dict[str, str] = {
    "[ipv4]\nmethod=shared\n": "[ipv4] method=shared",
    "[ipv4]\nmethod=link-local\n": "[ipv4] method=link-local",
    "[ipv6]\nmethod=shared\n": "[ipv6] method=shared",
    "[ethtool]\nfeature-tso=false\n": "[ethtool] feature-tso=false",
    "[ipv4]\nmay-fail=false\n": "[ipv4] may-fail=false",
    "[ipv4]\ndhcp-send-hostname=false\n": "[ipv4] dhcp-send-hostname=false",
    "[ethernet]\nwake-on-lan=0\n": "[ethernet] wake-on-lan=0",
    f"[ipv4]\naddress1={HOME}/24,192.0.2.77\n": f"[ipv4] address1={HOME}/24,192.0.2.77",
}


@pytest.mark.parametrize("lines", LOSSES)
def test_what_looks_like_nothing_in_a_profile_and_is_something_is_named(lines: str) -> None:
    found, _files, _after = said("networkmanager", {PROFILE: f"{BOUND}{lines}"})
    assert found.problems == [] and len(found.warnings) == 1
    assert f"does not have '{LOSSES[lines]}'." in found.warnings[0]


@pytest.mark.parametrize(
    "lines",
    [
        "[ipv4]\nmethod=auto\n[ipv6]\nmethod=ignore\n",
        f"[ipv4]\nmethod=manual\naddress1={HOME}/24,192.0.2.1\n",
        f"[ipv4]\naddresses1={HOME};24;0.0.0.0;\n",
    ],
)
def test_what_the_inventory_says_of_a_profile_gives_no_word(lines: str) -> None:
    found, _files, after = said("networkmanager", {PROFILE: f"{BOUND}{lines}"})
    assert (found.problems, found.warnings) == ([], []) and PROFILE not in after


def test_a_bridge_keeps_its_mac_by_our_profile() -> None:
    bridge = f"[connection]\ntype=bridge\ninterface-name=br0\n[bridge]\ninterface-name=br0\nmac-address={MAC}\n"
    found, _files, _after = said("networkmanager", {PROFILE: bridge}, DESIRED)
    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.parametrize("base", [".wired.swp", "wired.nmconnection~", ".hidden", "wired.nmmeta"])
def test_files_that_networkmanager_does_not_read_are_left_alone(base: str) -> None:
    path = PROFILE.replace("wired.nmconnection", base)
    found, files, after = said("networkmanager", {path: f"{BOUND}autoconnect-priority=999\n"})
    assert found.problems == [] and after[path] and path not in [one.path for one in files.changes]


def test_a_port_whose_bridge_is_named_by_the_uuid_of_a_profile_that_goes_is_refused() -> None:
    bridge = "[connection]\ntype=bridge\ninterface-name=br0\nuuid=1-2-3\n"
    port = "[connection]\ntype=ethernet\ninterface-name=eth1\nmaster=1-2-3\nslave-type=bridge\n"
    other = PROFILE.replace("wired", "port")
    (problem,) = said("networkmanager", {PROFILE: bridge, other: port})[0].problems
    assert problem == f"{other}: has the profile {PROFILE} as its master, which the change removes. Write the name of the interface there"
