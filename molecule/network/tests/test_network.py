# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is moved from its card to a bridge and back while it serves, and that undoes what nobody confirms.

The tests run in the order in which they stand here; each leaves the address of the host on the bridge.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Dict

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import ADDRESSES, OPEN_CHANGE, UNITS_LEFT, Loss, Mover, Stream, addresses_in, ansible, ended, kill, start, until

MOVES = int(os.environ.get("SMALLFLEET_MOVES", "1"))
MOVER = Mover(SCENARIO, "molecule-network", "mover", 1)
LEASER = Mover(SCENARIO, "molecule-network", "leaser", 3)
V4, V6 = MOVER.v4, MOVER.v6
ON_BRIDGE, ON_CARD = MOVER.on_bridge(), MOVER.on_card()
OTHER_CARD = {**ON_CARD, "interfaces": [{**ON_CARD["interfaces"][0], "mtu": 1400}, ON_CARD["interfaces"][1]]}

testinfra_hosts = ["ssh://mover?ssh_config=/var/lib/smallfleet/labs/molecule-network/ssh_config"]


NETWORKD = "networkctl list --json=short"


def settled(listed: str = "") -> bool:
    """Whether networkd has set all that it is to set."""
    links = json.loads(listed or MOVER.on(NETWORKD))["Interfaces"]
    return {link["AdministrativeState"] for link in links if link["Name"] != "lo"} == {"configured"}


def as_before() -> None:
    """On the bridge, now and at the next boot, with nothing left of the attempt."""
    route, runtime = "ip -json route show default | cut -c1-60", "ls /run/systemd/network"
    files = "cat /etc/systemd/network/05-smallfleet-eth0.network"
    listed, routes, pending, volatile, card, units, links = MOVER.answers(ADDRESSES, route, OPEN_CHANGE, runtime, files, UNITS_LEFT, NETWORKD)
    found = addresses_in(listed)
    assert found["br0"] == {V4, V6}
    assert found["eth0"] == set()
    assert not any(name.startswith("sf-") for name in found)
    assert routes.count('"198.18.0.254","dev":"br0"') == 1
    assert not pending.isalnum()
    assert volatile == ""
    assert "Bridge=br0" in card
    assert units == ""
    if not settled(links):
        until(settled, 10)


def test_the_role_has_moved_the_address_to_the_bridge(host):
    as_before()
    bridge = host.file("/sys/class/net/br0/address").content_string
    assert bridge == host.file("/sys/class/net/eth0/address").content_string


def test_networkd_agrees_with_the_kernel():
    assert settled()


def test_check_mode_tells_the_requests_to_the_kernel_and_the_files_and_does_nothing():
    before = MOVER.on("ip address; ip route; find /etc/systemd/network /var/lib/smallfleet -type f | xargs sha256sum")
    status, said = ansible(*MOVER.change(ON_CARD), "--check", "--diff")
    assert status == 0, said
    assert f"ip address add {V4}/24" in said
    assert "-Bridge=br0" in said and f"+Address={V4}/24" in said
    after = MOVER.on("ip address; ip route; find /etc/systemd/network /var/lib/smallfleet -type f | xargs sha256sum")
    assert after == before


@pytest.mark.drill
@pytest.mark.alone
@pytest.mark.parametrize("number", range(MOVES))
def test_a_move_under_load_costs_a_packet_and_no_connection(number, capsys):
    """1 kHz pings of both families, an SSH session and a TCP stream from before, off the bridge and back onto it."""
    stream = Stream(MOVER, 25)
    lost: Dict[str, Dict[str, Loss]] = {}
    for way, desired in (("off the bridge", ON_CARD), ("onto the bridge", ON_BRIDGE)):
        (status, said), lost[way] = MOVER.watched(lambda desired=desired: ansible(*MOVER.change(desired)))
        assert status == 0, said
    turns, longest = stream.end()
    with capsys.disabled():
        table = "; ".join(f"{way} {family} {loss.packets}" for way, both in lost.items() for family, loss in both.items())
        print(f"\nmove {number + 1}: packets lost {table}; TCP {turns} turns, longest {longest} ms")
    assert turns > 100
    assert max(loss.packets for loss in lost["onto the bridge"].values()) <= 2
    assert max(loss.packets for loss in lost["off the bridge"].values()) <= 100
    as_before()


@pytest.mark.drill
def test_a_second_run_changes_nothing():
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said


def with_options(options: Dict[str, object], **port: object) -> Dict[str, object]:
    card, bridge = ON_BRIDGE["interfaces"]
    return {**ON_BRIDGE, "interfaces": [card, {**bridge, "bridge": {"options": options, "port": [{"name": "eth0", **port}]}}]}


@pytest.mark.drill
def test_options_of_the_bridge_and_its_port_come_at_once_and_stay_when_nobody_asks_for_them_any_more():
    shown = "ip -json -details link show"
    asked = {"mac_ageing_time": 60, "multicast_snooping": False, "group_forward_mask": 16392}
    status, said = ansible(*MOVER.change(with_options(asked, stp_hairpin_mode=True, stp_priority=7)))
    assert status == 0, said
    for desired in (with_options(asked, stp_hairpin_mode=True, stp_priority=7), ON_BRIDGE):
        links = {link["ifname"]: link["linkinfo"] for link in json.loads(MOVER.on(shown)) if link["ifname"] in ("br0", "eth0")}
        made, port = links["br0"]["info_data"], links["eth0"]["info_slave_data"]
        assert (made["ageing_time"], made["mcast_snooping"], made["group_fwd_mask"]) == (6000, 0, "0x4008")
        assert (port["hairpin"], port["priority"]) == (True, 7)
        written = MOVER.on("cat /etc/systemd/network/05-smallfleet-br0.netdev /etc/systemd/network/05-smallfleet-eth0.network")
        assert "MulticastSnooping=no" in written and "AgeingTimeSec=60" in written and "HairPin=yes" in written
        status, said = ansible(*MOVER.change(desired))
        assert status == 0 and '"changed": false' in said, said
    usual = {"mac_ageing_time": 300, "multicast_snooping": True, "group_forward_mask": 0}
    for desired in (with_options(usual, stp_hairpin_mode=False, stp_priority=32), ON_BRIDGE):
        status, said = ansible(*MOVER.change(desired))
        assert status == 0, said
    assert json.loads(MOVER.on(shown.replace("show", "show dev br0")))[0]["linkinfo"]["info_data"]["mcast_snooping"] == 1
    as_before()


@pytest.mark.drill
def test_a_card_by_its_mac_is_found_and_another_of_its_names_is_answered_with_the_name():
    mac = MOVER.on("cat /sys/class/net/eth0/address").strip()
    card, bridge = ON_BRIDGE["interfaces"]
    by_mac = {"name": "uplink", "type": "ethernet", "identifier": "mac-address", "mac_address": mac}
    same = {**ON_BRIDGE, "interfaces": [by_mac, {**bridge, "bridge": {"port": [{"name": "uplink"}]}}]}
    status, said = ansible(*MOVER.change(same))
    assert status == 0 and '"changed": false' in said, said
    MOVER.on("ip link property add dev eth0 altname enp3s0")
    other = {**ON_BRIDGE, "interfaces": [{**card, "name": "enp3s0"}, {**bridge, "bridge": {"port": [{"name": "enp3s0"}]}}]}
    status, said = ansible(*MOVER.change(other))
    MOVER.on("ip link property del dev eth0 altname enp3s0")
    assert status != 0 and "is another name (altname) of eth0 on this host. Write eth0" in said
    as_before()


@pytest.mark.drill
def test_a_route_that_rejects_and_a_rule_leave_the_kernel_when_they_leave_the_inventory():
    """By themselves: another rule of the same priority, which stands first and has more selectors, stays."""
    rule = {"priority": 100, "ip_from": "198.18.0.77/32", "route_table": 77}
    route = {"destination": "198.18.7.0/24", "route_type": "unreachable"}
    status, said = ansible(*MOVER.change({**ON_BRIDGE, "routes": [*ON_BRIDGE["routes"], route], "rules": [rule]}))
    assert status == 0, said
    shown = MOVER.on("ip route; ip rule")
    assert "unreachable 198.18.7.0/24" in shown and "from 198.18.0.77 lookup 77" in shown
    MOVER.on(
        "while ip rule del priority 100 2>/dev/null; do :; done; ip rule add priority 100 from 198.18.0.77 oif br0 lookup 77; "
        "ip rule add priority 100 from 198.18.0.77 lookup 77 protocol static"
    )
    status, said = ansible(*MOVER.change({**ON_BRIDGE, "rules": [{**rule, "state": "absent"}]}))
    shown = MOVER.on("ip route; ip rule")
    MOVER.on("while ip rule del priority 100 2>/dev/null; do :; done")
    assert status == 0, said
    assert "unreachable" not in shown and "100:\tfrom 198.18.0.77 oif br0 lookup 77" in shown and shown.count("100:") == 1
    as_before()


@pytest.mark.drill
def test_a_wrong_gateway_is_found_by_the_check_and_rolled_back_at_once():
    wrong = {**ON_BRIDGE, "routes": [{**ON_BRIDGE["routes"][0], "next_hop_address": "198.18.0.99"}]}
    status, said = ansible(*MOVER.change(wrong, rollback_timeout=10))
    assert status != 0
    assert "the gateway 198.18.0.99 does not answer on br0" in said
    assert "is as it was before" in said and said.count("ip route replace 0.0.0.0/0 via 198.18.0.99") == 1
    as_before()


def test_a_change_that_fails_its_check_or_cuts_the_host_off_is_rolled_back_by_the_host():
    """On two hosts at the same time: one lost its address and waits for its confirmation, the other got a wrong gateway."""
    lost = json.loads(json.dumps(ON_BRIDGE).replace(f'"{V4}"', '"198.18.0.77"'))
    running = start(*MOVER.change(lost, rollback_timeout=10, allow_disconnect=True, checks={"gateway": False}))
    other = LEASER.on_card("198.18.0.99")
    wrong = {**other, "interfaces": other["interfaces"][:1]}
    before = LEASER.answers(ADDRESSES, "ip route")
    status, said = ansible(*LEASER.change(wrong, rollback_timeout=30))
    assert status != 0 and "the gateway 198.18.0.99 does not answer on eth0" in said and "is as it was before" in said
    assert '"phase": "restored"' in said and f'"holder": "{_me()}"' in said
    addresses, routes, pending = LEASER.answers(ADDRESSES, "ip route", OPEN_CHANGE)
    assert (addresses_in(addresses), routes) == (addresses_in(before[0]), before[1]) and not pending.isalnum()
    status, said = ended(running)
    assert status != 0
    assert "nobody confirmed it within 10 s" in said and "no new connection" in said
    as_before()


@pytest.mark.drill
def test_a_change_to_another_address_is_confirmed_there_and_back():
    there = json.loads(json.dumps(ON_BRIDGE).replace(f'"{V4}"', '"198.18.0.77"'))
    refused, why = ansible(*MOVER.change(there, connect_to="198.18.0.77"))
    assert refused != 0 and "Nothing was changed" in why
    status, said = ansible(*MOVER.change(there, allow_disconnect=True, connect_to="198.18.0.77"))
    assert status == 0, said
    argv = MOVER.change(ON_BRIDGE, allow_disconnect=True, connect_to=V4)
    at_new = "-F /var/lib/smallfleet/labs/molecule-network/ssh_config -o HostName=198.18.0.77 -o ControlPath=none"
    status, said = ansible(*argv, "-e", json.dumps({"ansible_ssh_common_args": at_new}))
    assert status == 0, said
    as_before()


@pytest.mark.drill
def test_a_gateway_is_not_asked_by_an_interface_that_goes_with_the_confirmation():
    """The bridge is still there until then, and may get a route meanwhile that is not from the change."""
    token = f"the-bridge-goes-{time.time_ns()}"
    status, said = ansible(*MOVER.change(ON_CARD, state="applied", token=token, rollback_timeout=60))
    assert status == 0, said
    until(lambda: MOVER.addresses()["eth0"] == {V4, V6})
    MOVER.on("ip route add ::/0 via fe80::99 dev br0")  # as a router advertisement would
    status, said = ansible(*MOVER.change({}, state="confirmed", token=token))
    assert status == 0, said
    assert "br0" not in MOVER.addresses()
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0, said
    as_before()


@pytest.mark.drill
def test_a_killed_controller_leaves_a_host_that_goes_back_and_the_next_run_works():
    wrong = {**ON_CARD, "routes": [{**ON_CARD["routes"][0], "next_hop_address": "198.18.0.99"}]}
    running = start(*MOVER.change(wrong, rollback_timeout=15))
    until(MOVER.under_way)
    until(lambda: MOVER.addresses()["eth0"] == {V4, V6})
    kill(running)
    second = start(*MOVER.change(OTHER_CARD))
    foreign = start(*MOVER.change({}, state="confirmed", token="not-the-token-of-this-change"))
    refused, disowned = (" ".join(one.communicate(timeout=60)[0].split()) for one in (second, foreign))
    assert '"reason": "busy"' in refused and f"of {_me()} is pending here" in refused
    assert '"reason": "token"' in disowned
    until(lambda: not MOVER.under_way())
    as_before()
    assert "nobody confirmed it within 15 s" in MOVER.on("cat /var/lib/smallfleet/network/*/reason")
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said


def _me() -> str:
    return f"{getpass.getuser()} on {socket.gethostname()}"


@pytest.mark.drill
def test_a_host_that_boots_before_the_confirmation_has_its_old_network_and_the_next_run_works():
    token = f"the-host-boots-{time.time_ns()}"
    status, said = ansible(*MOVER.change(ON_CARD, state="applied", token=token, rollback_timeout=60))
    assert status == 0, said
    until(lambda: MOVER.addresses()["eth0"] == {V4, V6})
    MOVER.power("powered_off", "powered_on")
    found = MOVER.addresses()
    assert (found["br0"], found["eth0"]) == ({V4, V6}, set())
    gone, why = ansible(*MOVER.change({}, state="confirmed", token=token))
    assert gone != 0 and '"reason": "expired"' in why
    status, said = ansible(*MOVER.change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said
    as_before()
