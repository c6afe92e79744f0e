# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose second card has leased addresses, and changes that others would suffer from: a wrong gateway, an address
or a MAC that another host has, a bridge that another program has made.

The tests run in the order in which they stand here; each leaves the host without a bridge.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Dict, Set, Tuple

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "support"))
from moving import ADDRESSES, OPEN_CHANGE, Mover, addresses_in, ansible, start, until

LEASER = Mover(SCENARIO, "molecule-network", "leaser", 3)
OWN = {
    "ipv4": {"enabled": True, "address": [{"ip": LEASER.v4, "prefix_length": 24}]},
    "ipv6": {"enabled": True, "address": [{"ip": LEASER.v6, "prefix_length": 64}]},
}
CARD = {"name": "eth0", **OWN}
BY_LEASE = {"ipv4": {"enabled": True, "dhcp": True}, "ipv6": {"enabled": True, "autoconf": True}}
DNSMASQ = """
port=0
interface=eth1
bind-interfaces
dhcp-authoritative
dhcp-range=198.18.2.100,198.18.2.150,255.255.255.0,{time}
dhcp-range=2001:db8:0:2::,ra-only,64,{time}
enable-ra
ra-param=eth1,5
"""


def change(*interfaces, routes=(), **options) -> Tuple[int, str]:
    desired = {"interfaces": list(interfaces), "routes": list(routes)}
    checks = {"hosts": {"peer": ["198.18.0.2"]}}
    return ansible(*LEASER.change(desired, **{"checks": checks, "rollback_timeout": 30, **options}))


def bridge(name: str, *ports: str, **more):
    return {"name": name, "type": "bridge", "bridge": {"port": [{"name": port} for port in ports]}, **more}


def gone(name: str):
    return {"name": name, "type": "bridge", "state": "absent"}


def lease(time: str) -> None:
    """The peer leases addresses on the second card's network, and is a router there."""
    text = DNSMASQ.format(time=time)
    serve = f"systemctl stop 'lease-*'; systemd-run --quiet --collect --unit=lease-{time} dnsmasq -k -C /run/lease.conf"
    LEASER.on(f"cat > /run/lease.conf <<'E'\n{text}\nE\n{serve}", node="peer")


def acknowledged(time: str) -> int:
    """How often the peer has leased an address."""
    return int(LEASER.on(f"journalctl --quiet --unit=lease-{time} --grep=DHCPACK --output=cat | wc -l", node="peer"))


def links() -> Dict[str, Tuple[str, Set[str]]]:
    """Interface -> what it is a port of, and its addresses."""
    listed = LEASER.on(ADDRESSES)
    addresses = addresses_in(listed)
    return {link["ifname"]: (link.get("master", ""), addresses[link["ifname"]]) for link in json.loads(listed) if link["ifname"] != "lo"}


def unchanged() -> None:
    listed, pending = LEASER.answers(ADDRESSES, OPEN_CHANGE)
    found = addresses_in(listed)
    assert set(found) == {"lo", "eth0", "eth1"} and found["eth0"] == {LEASER.v4, LEASER.v6}
    assert not pending.isalnum()


def test_an_address_and_a_mac_that_another_host_has_are_refused_before_the_change():
    LEASER.on("ping -c 1 -W 2 198.18.0.2")
    mac = LEASER.on("cat /sys/class/net/eth0/address", node="peer").strip()
    taken = {"ipv4": ("198.18.0.2", 24), "ipv6": ("2001:db8:0:1::2", 64)}
    wish = {
        family: {"enabled": True, "address": [*OWN[family]["address"], {"ip": address, "prefix_length": length}]} for family, (address, length) in taken.items()
    }
    status, said = change({"name": "eth0"}, bridge("br0", "eth0", mac_address=mac, **wish))
    assert status != 0 and "Nothing was changed: interfaces.br0" in said
    for address, _length in taken.values():
        assert f"interfaces.br0: the host with the MAC {mac} has {address} already. Give this host another" in said
    assert f"has the MAC {mac}. Give this host another, or none" in said
    unchanged()


def test_a_bridge_that_another_program_has_made_is_refused():
    LEASER.on("ip link add br7 type bridge; ip link set dev br7 up; ip link set dev eth1 up master br7")
    status, said = change(CARD, {"name": "eth1"}, bridge("br7", "eth1"))
    assert status != 0 and "Nothing was changed: interfaces.br7: systemd-networkd has not made this bridge" in said
    assert links()["eth1"][0] == "br7"
    LEASER.on("ip link delete br7; ip link set dev eth1 down")
    unchanged()


@pytest.mark.drill
def test_a_wrong_gateway_is_taken_back_and_the_next_run_works():
    wrong = {"destination": "0.0.0.0/0", "next_hop_interface": "eth0", "next_hop_address": "198.18.0.99"}
    status, said = change(CARD, routes=[wrong], rollback_timeout=10)
    assert status != 0 and "the gateway 198.18.0.99 does not answer on eth0" in said and "is as it was before" in said
    unchanged()
    status, said = change(CARD)
    assert status == 0, said


@pytest.mark.drill
@pytest.mark.alone
@pytest.mark.parametrize("time", ["1h", "infinite"])
def test_leased_addresses_move_onto_a_bridge_and_back_and_stay_the_same(time, capsys):
    """DHCP and router advertisements by a real dnsmasq, pinged about a hundred times a second during the move."""
    lease(time)
    status, said = change(CARD, {"name": "eth1", **BY_LEASE})
    assert status == 0, said
    LEASER.on("networkctl renew eth1")
    until(lambda: len(links()["eth1"][1]) == 2)
    until(lambda: LEASER.on("ip address show dev eth1 scope global").count("forever") == (4 if time == "infinite" else 0))
    before = links()["eth1"][1]
    four = next(one for one in before if "." in one)
    ping = start(*LEASER.ssh(f"ping -n -q -i 0.01 -W 1 -w 90 {four}", node="peer"))
    status, said = change(CARD, {"name": "eth1"}, bridge("br1", "eth1", **BY_LEASE))
    assert status == 0, said
    LEASER.on("pkill -INT ping || :", node="peer")
    counts = next(line for line in ping.communicate(timeout=30)[0].splitlines() if "transmitted" in line).split()
    with capsys.disabled():
        print(f"\naddress leased for {time} onto a bridge: {int(counts[0]) - int(counts[3])} of {counts[0]} pings lost")
    assert int(counts[0]) - int(counts[3]) <= 100
    assert four in links()["br1"][1] and links()["eth1"] == ("br1", set())
    until(lambda: links()["br1"] == ("", before))  # networkd asks the router again
    leases = LEASER.on("cat /var/lib/misc/dnsmasq.leases", node="peer")
    given = acknowledged(time)
    LEASER.on("networkctl renew br1")
    until(lambda: acknowledged(time) > given)
    assert links()["br1"] == ("", before)
    assert len([line for line in leases.splitlines() if four in line]) == 1
    status, said = change(CARD, {"name": "eth1"}, bridge("br1", "eth1", **BY_LEASE))
    assert status == 0 and '"changed": false' in said, said
    status, said = change(CARD, {"name": "eth1", **BY_LEASE}, gone("br1"))
    assert status == 0, said
    until(lambda: links()["eth1"] == ("", before))
    until(lambda: "configured" in LEASER.on("networkctl list --no-legend eth1"))
    status, said = change(CARD, {"name": "eth1"})
    assert status == 0, said
    assert links()["eth1"] == ("", set())
    unchanged()
    LEASER.on("systemctl stop 'lease-*'", node="peer")


@pytest.mark.drill
def test_a_port_and_its_bridge_are_absent_in_one_change_and_the_port_can_be_used_again():
    status, said = change(CARD, {"name": "eth1"}, bridge("br1", "eth1"))
    assert status == 0, said
    absent = (CARD, {"name": "eth1", "state": "absent"}, gone("br1"))
    status, said = change(*absent)
    assert status == 0, said
    assert links()["eth1"] == ("", set())
    unchanged()
    status, said = change(*absent)
    assert status == 0 and '"changed": false' in said, said


@pytest.mark.drill
def test_a_bridge_that_another_program_has_made_gives_way_to_one_of_another_name():
    """Also where the kernel has a router by the old one, which nobody needs to reach any more."""
    lease("1h")
    LEASER.on("ip link add br7 type bridge; ip link set dev br7 up; ip link set dev eth1 up master br7")
    until(lambda: LEASER.on("ip -6 route show default dev br7").strip())
    status, said = change(CARD, {"name": "eth1"}, bridge("br8", "eth1"), gone("br7"))
    assert status == 0, said
    assert links()["eth1"] == ("br8", set()) and "br7" not in links()
    LEASER.on("systemctl stop 'lease-*'", node="peer")
    status, said = change(CARD, {"name": "eth1"}, gone("br8"))
    assert status == 0, said
    unchanged()


@pytest.mark.drill
def test_the_record_of_the_last_change_says_who_made_it():
    status, said = ansible(*LEASER.change({}, state="observed"))
    found = json.loads(said[said.index("{") :])["state"]
    assert status == 0 and found["under_way"] is None and found["last"]["phase"] == "confirmed" and found["last"]["holder"]
