# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bond, a VLAN on it and a bridge on top on a real kernel, and a change that cuts the host off."""

from __future__ import annotations

from drill import HYBRID, HYBRID_AGAIN, PLAIN, SCENARIO, V4, V6, change, configuration, ended, lost, on, settled, under_way, until

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


def test_a_move_off_the_bond_and_onto_it_is_measured(capsys):
    """A card that joins a bond must go down for it, so this is not free; the emulated machine answers a hundred a second."""
    for way, desired, name in (("off", PLAIN, "plain"), ("onto", HYBRID_AGAIN, "hybrid")):
        (status, said), losses = lost(lambda desired=desired: ended(change(desired, rollback_timeout=240)), (V4, V6))
        assert status == 0, said[-1500:]
        until(lambda name=name: configuration() == name)
        with capsys.disabled():
            print(f"\n{way} the bond, lost at 100 Hz: {losses[V4][0]} of {losses[V4][1]} IPv4, {losses[V6][0]} of {losses[V6][1]} IPv6")
        assert max(gone for gone, _sent in losses.values()) <= 500


def test_a_wrong_vlan_is_taken_back_by_the_host_itself_and_the_next_run_works():
    bridge = HYBRID["interfaces"][-1]
    wrong = {
        "interfaces": [
            *HYBRID["interfaces"][:-1],
            {"name": "bond0.99", "type": "vlan", "vlan": {"base_iface": "bond0", "id": 99}},
            {**bridge, "bridge": {"port": [{"name": "bond0.99"}]}},
        ],
        "routes": HYBRID["routes"],
    }
    status, said = ended(change(wrong, rollback_timeout=40))
    assert status != 0
    for part in ("is as it was before", "nobody confirmed it within 40 s", "no new connection"):
        assert part in said, said[-1500:]
    assert configuration() == "hybrid" and not under_way()
    status, said = ended(change(HYBRID))
    assert status == 0 and '"changed": false' in said
