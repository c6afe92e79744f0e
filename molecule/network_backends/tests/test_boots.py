# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was confirmed is what boots, and a change whose controller is killed at a random moment ends in one of the two networks, whole.

SMALLFLEET_KILLS says how often the controller of each host is killed, and SMALLFLEET_SEED with which seed the first time.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from moving import ended, kill, start
from test_backends import MOVERS, ansible, at_once, connected, files, until

KILLS = int(os.environ.get("SMALLFLEET_KILLS", "1"))
SEED = int(os.environ.get("SMALLFLEET_SEED", str(time.time_ns() % 1_000_000)))
LONGEST = 12.0
"""Seconds of a change in which its controller is killed: on a machine without other work it takes half of it."""
LOOK = (
    "ip -N -d -json link show", "ip -N -d -json address show", "ip -N -d -json -4 route show table all",
    "ip -N -d -json -6 route show table all", "ip -N -json -4 rule show", "ip -N -json -6 rule show",
)  # fmt: skip
LINK = ("mtu", "address", "master", "inet6_addr_gen_mode")
BRIDGE = ("stp_state", "forward_delay", "hello_time", "max_age", "ageing_time", "vlan_filtering", "mcast_snooping", "priority")
ADDRESS = ("family", "local", "prefixlen", "address", "scope", "label", "deprecated", "dynamic", "tentative")
ROUTE = ("type", "dst", "gateway", "dev", "metric", "table", "scope", "prefsrc", "flags", "nexthops", "metrics")

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone


def _part(entry: Mapping[str, Any], keys: Tuple[str, ...]) -> str:
    return json.dumps({key: entry[key] for key in keys if entry.get(key)}, sort_keys=True)


def kernel(backend: str) -> Dict[str, List[str]]:
    """What the kernel has, without what says when it came: numbers of interfaces, counters, and who entered a route.

    NetworkManager makes link-local addresses and the routes of networks itself. When it takes an interface over that is up, it
    leaves those of the kernel beside them, until the next boot.
    """
    links, addresses, *routes, rules4, rules6 = (json.loads(one or "[]") for one in MOVERS[backend].answers(*LOOK))
    shown = [one for one in links if one and one["ifname"] != "lo"]
    if backend == "networkmanager":
        shown = [{**one, "inet6_addr_gen_mode": ""} for one in shown]
        routes = [[one if "gateway" in one else {**one, "metric": 0} for one in family if one] for family in routes]
    return {
        "links": sorted(f"{one['ifname']} {_part(one, LINK)} {_part(one.get('linkinfo', {}).get('info_data', {}), BRIDGE)}" for one in shown),
        "addresses": [f"{one['ifname']} {_part(each, ADDRESS)}" for one in addresses if one for each in one["addr_info"]],
        "routes": sorted({_part(one, ROUTE) for family in routes for one in family if one and one.get("table") != "255"}),
        "rules": [json.dumps(one, sort_keys=True) for one in (*rules4, *rules6)],
    }


def changed(backend: str, onto_bridge: bool) -> None:
    mover = MOVERS[backend]
    status, said = ansible(*mover.change(mover.on_bridge() if onto_bridge else mover.on_card()))
    assert status == 0, said


def settled(backend: str, onto_bridge: bool) -> Dict[str, List[str]]:
    """What the kernel has when the program says that it has configured all, and no address is tentative any more."""
    until(lambda: connected(backend, onto_bridge), 60)
    until(lambda: not any("tentative" in one for one in kernel(backend)["addresses"]), 20)
    return kernel(backend)


@pytest.mark.parametrize("onto_bridge", [False, True], ids=["card", "bridge"])
def test_a_host_boots_with_the_network_that_was_confirmed(onto_bridge):
    def boot(backend: str, mover: Any) -> None:
        changed(backend, onto_bridge)
        before = settled(backend, onto_bridge)
        mover.power("powered_off", "powered_on")
        assert settled(backend, onto_bridge) == before, backend

    at_once(boot)


def test_a_change_whose_controller_is_killed_ends_in_the_old_network_or_the_new_one_while_a_second_operator_begins_too(capsys):
    def networks(backend: str, _mover: Any) -> Dict[bool, Tuple[Any, Any]]:
        found = {}
        for onto_bridge in (False, True):
            changed(backend, onto_bridge)
            found[onto_bridge] = (settled(backend, onto_bridge), files(backend))
        return found

    known = at_once(networks)
    for number in range(KILLS):
        chance = random.Random(SEED + number)
        drawn = {backend: (chance.uniform(0.5, LONGEST), chance.random() < 0.4) for backend in MOVERS}

        def attempt(backend: str, mover: Any, drawn: Dict[str, Tuple[float, bool]] = drawn) -> str:
            moment, second = drawn[backend]
            before = next(side for side, network in known[backend].items() if files(backend) == network[1])
            desired = mover.on_card() if before else mover.on_bridge()
            running = start(*mover.change(desired, rollback_timeout=20))
            rival = start(*mover.change(desired, rollback_timeout=20)) if second else None
            time.sleep(moment)
            told = running.poll() == 0
            kill(running)
            if rival is not None:
                ended(rival)
            until(lambda: not mover.at_work(), 60)
            until(lambda: any(_same(backend, side, known[backend]) for side in known[backend]), 40)
            after = next(side for side in known[backend] if _same(backend, side, known[backend]))
            assert not told or after != before, "the change was confirmed, and is gone"
            status, said = ansible(*mover.change(mover.on_bridge() if after else mover.on_card()))
            assert status == 0 and '"changed": false' in said, said
            return f"{backend} killed after {moment:.1f} s{' beside a second' if second else ''}: {'old' if after == before else 'new'}"

        said = at_once(attempt)
        with capsys.disabled():
            print(f"\nround {number + 1} seed {SEED + number}: " + "; ".join(said.values()))

    at_once(lambda backend, _mover: changed(backend, True))


def _same(backend: str, side: bool, known: Mapping[bool, Tuple[Any, Any]]) -> bool:
    return (kernel(backend), files(backend)) == known[side] and connected(backend, side)
