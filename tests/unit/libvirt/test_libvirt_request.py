# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for interface by interface: what is wrong with it, and the moves that it means."""

from __future__ import annotations

from typing import Sequence

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import bridge, direct, read_domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import Link
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import RUNNING, Guest, Move
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.request import Request, malformed, moves, unfit

from . import domains

BR0 = bridge("br0")
LINKS = {
    "eth0": Link("eth0"),
    "eth1": Link("eth1", master="br0"),
    "br0": Link("br0", kind="bridge"),
    "mt0": Link("mt0", kind="macvtap", lower="eth0"),
}


def guest(*macs: str) -> Guest:
    read = read_domain(domains.domain(nics=[domains.nic(mac, number) for number, mac in enumerate(macs, 1)]))
    return Guest("web", read.uuid, RUNNING, read, read)


def wrong(requests: Sequence[Request]) -> Sequence[str]:
    return [said.split(":")[0] for said in malformed(requests)]


def test_a_sound_request_has_nothing_wrong() -> None:
    assert malformed([Request("web", BR0, domains.MAC.upper(), "replug", "2001:db8::1"), Request("db", direct("eth0"))]) == []


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        (Request("", BR0), "guest"),
        (Request("../web", BR0), "guest"),
        (Request("web", BR0, "52:54:00"), "mac"),
        (Request("web", bridge("a-name-that-is-too-long")), "source"),
        (Request("web", bridge("")), "source"),
        (Request("web", direct("eth0", "hairpin")), "mode"),
        (Request("web", BR0, ip="192.0.2.300"), "answer.ip"),
        (Request("web", BR0, ip="192.0.2.1", timeout=0.0), "answer.timeout"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(request_: Request, where: str) -> None:
    assert wrong([Request("other", BR0), request_]) == [f"interfaces[1].{where}"]


def test_all_interfaces_of_a_guest_go_by_one_method() -> None:
    assert wrong([Request("web", BR0, domains.MAC), Request("web", BR0, domains.OTHER, "replug")]) == ["interfaces[1].method"]


def test_each_guest_is_one_move_with_all_its_interfaces() -> None:
    requests = [Request("web", BR0, domains.MAC.upper()), Request("web", direct("eth0"), domains.OTHER)]
    assert moves(requests, {"web": guest(domains.MAC, domains.OTHER)}) == (
        [Move("web", "suspend", {domains.MAC: BR0, domains.OTHER: direct("eth0")})],
        [],
    )


def test_the_only_interface_need_not_be_named_and_one_of_several_must() -> None:
    assert moves([Request("web", BR0)], {"web": guest(domains.MAC)}, define=False)[0] == [Move("web", "suspend", {domains.MAC: BR0}, define=False)]
    found, problems = moves([Request("web", BR0)], {"web": guest(domains.MAC, domains.OTHER)})
    assert found == [] and problems == [f"interfaces[0].mac: web has the interfaces {domains.MAC}, {domains.OTHER}. Say which"]


def test_an_interface_that_is_named_twice_is_refused() -> None:
    _found, problems = moves([Request("web", BR0, domains.MAC), Request("web", BR0)], {"web": guest(domains.MAC)})
    assert problems == [f"interfaces[1]: {domains.MAC} of web is there twice. Leave one out"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request("web", bridge("br1")), "this host has no br1. It has br0, eth0, eth1, mt0"),
        (Request("web", bridge("eth0")), "eth0 is a card, not a bridge"),
        (Request("web", direct("eth1")), "eth1 is a port of br0, which lets no macvtap on it"),
        (Request("web", direct("eth0", "passthrough")), "eth0 carries others, and passthrough wants it alone"),
    ],
)
def test_a_link_that_cannot_carry_a_guest_is_refused(request_: Request, said: str) -> None:
    found = unfit([Request("other", BR0), request_], LINKS)
    assert len(found) == 1 and found[0].startswith(f"interfaces[1].source: {said}")
