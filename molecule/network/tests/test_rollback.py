# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody has entered by hand, and no inventory can describe, is there after a rollback as it was."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import List

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import OPEN_CHANGE, Mover, ansible, kill, start, until

MOVER = Mover(SCENARIO, "molecule-network", "mover", 1)
ON_BRIDGE = MOVER.on_bridge()
ENTERED = (
    "ip route replace default nexthop via 198.18.0.254 dev br0 weight 2 nexthop via 198.18.0.2 dev br0",
    "ip route add blackhole 198.18.128.0/20",
    "ip route add 198.18.144.0/20 via 198.18.0.2 dev br0 mtu 1300 initcwnd 20 table 77 proto 12",
    "ip address add 198.18.0.201/32 dev br0 preferred_lft 0",
    "ip address add 198.18.0.202 peer 198.18.0.203 dev br0",
    "ip address add 2001:db8:0:77::1/64 dev br0 nodad preferred_lft 0",
    "ip rule add priority 150 not from 198.18.0.0/24 lookup main suppress_prefixlength 0",
)
KILL_THE_ROLLBACK = """
for turn in $(seq 1500); do
    if pgrep -f '^/bin/sh .*/restore[.]sh' > /dev/null; then sleep 0.2; pkill -KILL -f '^/bin/sh .*/restore[.]sh' && echo killed; exit; fi
    sleep 0.02
done
"""
REMOVED = (
    "ip rule del priority 150",
    "ip address del 2001:db8:0:77::1/64 dev br0",
    "ip address del 198.18.0.202 peer 198.18.0.203/32 dev br0",
    "ip address del 198.18.0.201/32 dev br0",
    "ip route flush table 77",
    "ip route del blackhole 198.18.128.0/20",
    "ip route replace default via 198.18.0.254 dev br0 proto static",
)

testinfra_hosts = ["ssh://mover?ssh_config=/var/lib/smallfleet/labs/molecule-network/ssh_config"]


def printed() -> List[str]:
    """Addresses, routes and rules in the words of ip(8), less the seconds that pass."""
    commands = ("address show", "-4 route show table all", "-6 route show table all", "-4 rule show", "-6 rule show")
    text = MOVER.on("; ".join(f"ip -d -o {words}" for words in commands))
    return sorted(re.sub(r"[0-9]+sec", "", text).splitlines())


@pytest.mark.drill
def test_what_was_entered_by_hand_is_there_after_a_rollback_as_it_was():
    MOVER.on("; ".join(ENTERED))
    try:
        before = printed()
        wrong = {**ON_BRIDGE, "routes": [{**ON_BRIDGE["routes"][0], "next_hop_address": "198.18.0.99"}]}
        status, said = ansible(*MOVER.change(wrong, rollback_timeout=10))
        assert status != 0 and "the gateway 198.18.0.99 does not answer on br0" in said
        assert "is as it was before" in said, said
        assert printed() == before
        assert not MOVER.on(OPEN_CHANGE).isalnum()
    finally:
        MOVER.on("; ".join(REMOVED))
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0, said


@pytest.mark.drill
def test_a_rollback_that_is_killed_in_the_middle_is_begun_again_by_itself():
    before = printed()
    card, bridge = ON_BRIDGE["interfaces"]
    four = {"enabled": True, "address": [*bridge["ipv4"]["address"], {"ip": "198.18.0.77", "prefix_length": 24}]}
    routes = [{**ON_BRIDGE["routes"][0], "next_hop_address": "198.18.0.99"}]
    running = start(*MOVER.change({"interfaces": [card, {**bridge, "ipv4": four}], "routes": routes}, rollback_timeout=10))
    until(lambda: "198.18.0.77" in MOVER.on("ip -o address"), 60)
    kill(running)
    assert MOVER.on(KILL_THE_ROLLBACK).strip() == "killed"
    until(lambda: not MOVER.under_way())
    assert printed() == before and not MOVER.left()
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said and "nobody confirmed it within 10 s" in said, said
