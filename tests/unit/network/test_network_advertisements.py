# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who heeds router advertisements after a change, where the kernel does so itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.advertisements import Heeding, heedings, requests
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Observed, Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import restore, switch

from .guarded import prepare
from .guarded_node import BOOT, HEEDINGS, bridge_plan

WRITTEN_DOWN = Family(True, addresses=(Address("2001:db8::1", 64),))
BY_ROUTER = Family(True, autoconf=True)


@pytest.mark.parametrize(
    ("wish", "now", "change"),
    [
        (WRITTEN_DOWN, "1", [Heeding("eth0", "1", "0")]),
        (WRITTEN_DOWN, "0", []),
        (Family(), "2", [Heeding("eth0", "2", "0")]),
        (BY_ROUTER, "0", [Heeding("eth0", "0", "2")]),
        (BY_ROUTER, "1", []),
        (BY_ROUTER, "2", []),
    ],
)
def test_only_an_interface_with_addresses_from_routers_listens_to_them(wish: Family, now: str, change: list[Heeding]) -> None:
    desired = Desired((Interface("eth0", ipv6=wish),))
    assert list(heedings(desired, {"default": "1", "eth0": now, "eth9": "1"}, True, {})) == change


def test_a_new_interface_has_what_the_kernel_gives_to_new_ones() -> None:
    desired = Desired((Interface("br0", "bridge", ipv6=WRITTEN_DOWN), Interface("br1", "bridge", ipv6=BY_ROUTER)))
    assert heedings(desired, {"default": "1"}, True, {}) == (Heeding("br0", "", "0"),)
    assert heedings(desired, {"default": "0"}, True, {}) == (Heeding("br1", "", "2"),)


def test_what_listens_in_the_kernels_stead_is_left_to_it() -> None:
    """systemd-networkd and NetworkManager have the kernel ignore what they heed."""
    now = {"default": "1", "eth0": "0"}
    assert heedings(Desired((Interface("eth0", ipv6=BY_ROUTER),)), now, False, {}) == ()
    assert heedings(Desired((Interface("br0", "bridge", ipv6=WRITTEN_DOWN),)), now, False, {}) == (Heeding("br0", "", "0"),)


def test_an_interface_that_goes_and_a_kernel_without_ipv6_are_told_nothing() -> None:
    assert heedings(Desired((Interface("br0", "bridge", absent=True),)), {"default": "1", "br0": "1"}, True, {}) == ()
    assert heedings(Desired((Interface("eth0", ipv6=WRITTEN_DOWN),)), {}, True, {}) == ()


def test_it_is_told_in_words_that_sysctl_takes_for_a_name_with_dots() -> None:
    assert str(Heeding("eth0.7", "1", "0")) == "sysctl net/ipv6/conf/eth0.7/accept_ra=0"


def test_it_is_shown_after_what_makes_the_interface() -> None:
    add, join = Operation("", "br0", ("link", "add", "br0")), Operation("", "eth0", ("link", "set", "eth0"))
    told = (Heeding("br0", "", "0"),)
    assert requests(Plan(prepare=(add,), switch=(join,)), told) == [str(add), "sysctl net/ipv6/conf/br0/accept_ra=0", str(join)]


def test_a_new_interface_is_told_of_router_advertisements_before_it_can_hear_any() -> None:
    change = replace(prepare("/x", bridge_plan(), BOOT, {}, Observed()), heedings=HEEDINGS)
    kinds = [step.kind for step in switch(change)]
    assert kinds[:6] == ["remember", "batch", "heed", "heed", "heed", "carrier"]
    assert [step.file for step in restore(change, False) if step.kind == "heed"] == ["eth0", "eth1"]
