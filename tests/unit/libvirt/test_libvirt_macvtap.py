# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is on macvtap, and who cannot talk to whom."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import read_domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import Unreadable, apart, describe, members, read_links

from . import domains


def link(name: str, index: int, **more: Any) -> Dict[str, Any]:
    return {"ifname": name, "ifindex": index, "flags": ["UP"], "mtu": 1500, "address": domains.MAC, **more}


def tap(name: str, index: int, mode: str = "bridge", kind: str = "macvtap", card: str = "eth0") -> Dict[str, Any]:
    return link(name, index, link=card, linkinfo={"info_kind": kind, "info_data": {"mode": mode}})


def look(entries: List[Dict[str, Any]], guests: Dict[str, str], processes: Dict[str, str]) -> Any:
    found = [read_domain(domains.domain(name, [domains.nic().replace("macvtap0", target)])) for name, target in guests.items()]
    seen = members(read_links(json.dumps([link("eth0", 2), *entries])), found, processes)
    return seen, apart(seen), describe(seen, found, apart(seen))


def pairs(separated: Any) -> List[Any]:
    return [(one.first, one.second) for one in separated]


def test_host_and_guest_on_macvtap_cannot_talk_but_two_guests_in_bridge_mode_can() -> None:
    _seen, separated, said = look([tap("macvtap0", 5), tap("macvtap1", 6)], {"web": "macvtap0", "db": "macvtap1"}, {})
    assert pairs(separated) == [("this host", "guest web"), ("this host", "guest db")]
    assert said[0] == "macvtap0: macvtap on eth0 (bridge), MAC 52:54:00:aa:00:01, PCI 0000:01:00.0, of guest web"
    assert "this host and guest web cannot talk to each other over eth0" in said[2]
    assert "except through a switch that sends frames back" in said[2]


@pytest.mark.parametrize(
    ("modes", "apart_too", "remedy"),
    [(("bridge", "vepa"), True, True), (("vepa", "vepa"), True, True), (("private", "bridge"), True, False)],
)
def test_guests_in_other_modes_cannot_talk_to_each_other_either(modes: Any, apart_too: bool, remedy: bool) -> None:
    entries = [tap("macvtap0", 5, modes[0]), tap("macvtap1", 6, modes[1])]
    _seen, separated, _said = look(entries, {"web": "macvtap0", "db": "macvtap1"}, {})
    last = separated[-1]
    assert ((last.first, last.second) == ("guest web", "guest db")) is apart_too
    assert bool(last.but) is remedy


def test_a_macvlan_of_the_host_in_bridge_mode_is_a_way_round() -> None:
    _seen, separated, said = look([tap("macvtap0", 5), tap("shim", 7, kind="macvlan")], {"web": "macvtap0"}, {})
    assert separated == []
    assert said[-1] == "All of them can talk to this host and to each other"


def test_a_macvtap_that_no_guest_of_libvirt_uses_is_shown_with_the_process_that_does() -> None:
    seen, separated, _said = look([tap("tap9", 9)], {}, {"tap9": "qemu-system-x86 (4711)"})
    assert str(seen[0].owner) == "process qemu-system-x86 (4711)"
    assert pairs(separated) == [("this host", "process qemu-system-x86 (4711)")]


def test_one_that_nobody_uses_is_kept_from_nobody() -> None:
    seen, separated, _said = look([tap("tap9", 9)], {}, {})
    assert str(seen[0].owner) == "nobody" and separated == []


def test_cards_are_looked_at_apart_from_each_other() -> None:
    entries = [tap("macvtap0", 5, "private"), tap("macvtap1", 6, "private", card="eth1")]
    _seen, separated, _said = look(entries, {"web": "macvtap0", "db": "macvtap1"}, {})
    assert pairs(separated) == [("this host", "guest web"), ("this host", "guest db")]


def test_nothing_is_said_to_be_there_when_nothing_is() -> None:
    assert look([], {}, {})[2] == ["No macvtap and no macvlan is on this host"]


@pytest.mark.parametrize("text", ["no json", '[{}, {"ifname": "eth0"}]', "[1]"])
def test_what_ip_does_not_print_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_links(text)
