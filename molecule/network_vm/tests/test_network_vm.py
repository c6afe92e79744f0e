# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bond, a VLAN on it and a bridge on top on a real kernel, and changes that would cut the host off."""

from __future__ import annotations

import json

from drill import HYBRID, LABS, NAME, SCENARIO, change, configuration, ended, links, on, settled, start, under_way, until

LEASER_V4, LEASER_V6 = "198.18.0.3", "2001:db8:0:1::3"
OWN = {
    "ipv4": {"enabled": True, "address": [{"ip": LEASER_V4, "prefix_length": 24}]},
    "ipv6": {"enabled": True, "address": [{"ip": LEASER_V6, "prefix_length": 64}]},
}
MANAGED = {"host": "leaser", "management": [LEASER_V4, LEASER_V6]}

testinfra_hosts = ["ansible://peer"]


def test_the_role_has_made_the_bond_with_its_vlan_and_the_bridge_on_top():
    assert configuration() == "hybrid"
    until(settled)
    said = on("bonded", "cat /proc/net/bonding/bond0")
    assert "fault-tolerance (active-backup)" in said and "Currently Active Slave: eth0" in said
    assert said.count("MII Status: up") == 3
    assert not under_way()


def test_what_is_sent_on_the_vlan_carries_its_tag():
    """The peer has no other way into it than frames with the tag."""
    script = (SCENARIO / "files/vlan.py").read_text(encoding="utf-8")
    on("peer", f"cat > /run/vlan.py <<'E'\n{script}\nE\nsystemctl stop vlan5; systemd-run --quiet --collect --unit=vlan5 python3 /run/vlan.py")
    until(lambda: "1 received" in on("peer", "ping -c 1 -W 2 -I vlan5 198.18.5.1 || :"), 30)
    assert "1 received" in on("bonded", "ping -c 1 -W 5 198.18.5.2")
    assert "198.18.5.1" not in on("peer", "ip neighbour show dev eth0")


def test_the_bond_goes_on_with_its_other_card():
    on("bonded", "ip link set dev eth0 down")
    until(lambda: "Currently Active Slave: eth1" in on("bonded", "cat /proc/net/bonding/bond0"), 30)
    on("bonded", "ip link set dev eth0 up")
    until(lambda: "Currently Active Slave: eth0" in on("bonded", "cat /proc/net/bonding/bond0"), 30)
    assert configuration() == "hybrid"


def test_a_wrong_vlan_is_taken_back_by_the_host_itself_and_the_next_run_works():
    bridge = HYBRID["interfaces"][-1]
    lost = {
        "interfaces": [
            *HYBRID["interfaces"][:-1],
            {"name": "bond0.99", "type": "vlan", "vlan": {"base_iface": "bond0", "id": 99}},
            {**bridge, "bridge": {"port": [{"name": "bond0.99"}]}},
        ],
        "routes": HYBRID["routes"],
    }
    status, said = ended(change(lost, rollback_timeout=40))
    assert status != 0
    for part in ("is as it was before", "nobody confirmed it within 40 s", "no new connection"):
        assert part in said, said[-1500:]
    assert configuration() == "hybrid" and not under_way()
    status, said = ended(change(HYBRID))
    assert status == 0 and '"changed": false' in said


def leaser(desired, **options):
    return ended(change(desired, **{**MANAGED, "rollback_timeout": 10, **options}))


def unchanged() -> None:
    found = links("leaser")
    assert found["eth0"] == ("", {LEASER_V4, LEASER_V6})
    assert set(found) == {"eth0", "eth1"}
    assert not under_way("leaser")


def test_an_address_that_another_host_has_is_refused_before_the_change():
    for family, taken, length in (("ipv4", "198.18.0.2", 24), ("ipv6", "2001:db8:0:1::2", 64)):
        wish = {**OWN, family: {"enabled": True, "address": [*OWN[family]["address"], {"ip": taken, "prefix_length": length}]}}
        status, said = leaser({"interfaces": [{"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}, **wish}]})
        assert status != 0
        mac = on("peer", "cat /sys/class/net/eth0/address").strip()
        assert f"Nothing was changed: interfaces.br0: the host with the MAC {mac} has {taken} already. Give this host another" in said
        unchanged()


def test_the_mac_of_another_host_is_refused_before_the_change():
    on("leaser", "ping -c 1 -W 2 198.18.0.2")
    mac = on("peer", "cat /sys/class/net/eth0/address").strip()
    bridge = {"name": "br0", "type": "bridge", "mac_address": mac, "bridge": {"port": [{"name": "eth0"}]}, **OWN}
    status, said = leaser({"interfaces": [{"name": "eth0"}, bridge]})
    assert status != 0 and "Nothing was changed" in said and f"has the MAC {mac}. Give this host another, or none" in said
    unchanged()


def test_a_wrong_gateway_is_taken_back_and_the_next_run_works():
    wrong = {"destination": "0.0.0.0/0", "next_hop_interface": "eth0", "next_hop_address": "198.18.0.99"}
    status, said = leaser({"interfaces": [{"name": "eth0", **OWN}], "routes": [wrong]})
    assert status != 0 and "the gateway 198.18.0.99 does not answer on eth0" in said and "is as it was before" in said
    unchanged()
    status, said = leaser({"interfaces": [{"name": "eth0", **OWN}]}, rollback_timeout=40)
    assert status == 0, said


SERVER = """
port=0
interface=eth1
bind-interfaces
dhcp-authoritative
dhcp-range=198.18.2.100,198.18.2.150,255.255.255.0,1h
dhcp-range=2001:db8:0:2::,ra-only,64,1h
enable-ra
ra-param=eth1,5
"""
BY_LEASE = {"ipv4": {"enabled": True, "dhcp": True}, "ipv6": {"enabled": True, "autoconf": True}}


def test_leased_addresses_move_onto_a_bridge_and_stay_the_same(capsys):
    """DHCP and router advertisements by a real dnsmasq, pinged about a hundred times a second during the move."""
    on("peer", "command -v dnsmasq >/dev/null || apt-get -qq -y --no-install-recommends install dnsmasq-base 2>&1", 120)
    on("peer", f"cat > /run/lease.conf <<'E'\n{SERVER}\nE\nsystemctl stop lease; systemd-run --quiet --collect --unit=lease dnsmasq -k -C /run/lease.conf")
    card = {"name": "eth0", **OWN}
    status, said = leaser({"interfaces": [card, {"name": "eth1", **BY_LEASE}]}, rollback_timeout=60)
    assert status == 0, said
    until(lambda: len(links("leaser")["eth1"][1]) == 2, 40)
    before = links("leaser")["eth1"][1]
    four = next(one for one in before if "." in one)
    ping = pinging(four)
    bridge = {"name": "br1", "type": "bridge", "bridge": {"port": [{"name": "eth1"}]}, **BY_LEASE}
    status, said = leaser({"interfaces": [card, {"name": "eth1"}, bridge]}, rollback_timeout=60)
    assert status == 0, said
    on("peer", "pkill -INT ping || :")
    counts = next(line for line in ping.communicate(timeout=30)[0].splitlines() if "transmitted" in line).split()
    with capsys.disabled():
        print(f"\nleased address onto a bridge: {int(counts[0]) - int(counts[3])} of {counts[0]} pings lost")
    assert int(counts[0]) - int(counts[3]) <= 100
    assert four in links("leaser")["br1"][1] and links("leaser")["eth1"] == ("br1", set())
    until(lambda: links("leaser")["br1"] == ("", before), 20)  # networkd asks the router again
    leases = on("peer", "cat /var/lib/misc/dnsmasq.leases")
    on("leaser", "networkctl renew br1; sleep 3")
    assert links("leaser")["br1"] == ("", before)
    assert len([line for line in leases.splitlines() if four in line]) == 1
    until(lambda: settled("leaser"), 30)


def pinging(target: str):
    """From the peer, until it is told to end."""
    return start(
        "ssh", "-F", f"{LABS}/{NAME}/ssh_config", "-o", "ControlPath=none", "peer", f"ping -n -q -i 0.01 -W 1 -w 90 {target}"
    )


def test_the_record_of_the_last_change_says_who_made_it():
    status, said = ended(change({}, state="observed", host="leaser"))
    found = json.loads(said[said.index("{") :])["state"]
    assert status == 0 and found["under_way"] is None and found["last"]["phase"] == "confirmed" and found["last"]["holder"]
