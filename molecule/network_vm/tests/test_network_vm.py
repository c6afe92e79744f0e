# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bond, a VLAN on it and a bridge on top on a real kernel, and a change that cuts the host off."""

from __future__ import annotations

import pytest
from drill import HYBRID, HYBRID_AGAIN, MOVER, PLAIN, SCENARIO, change, configuration, settled, until
from moving import ended

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone


def test_the_role_has_made_the_bond_with_its_vlan_and_the_bridge_on_top():
    assert configuration() == "hybrid"
    until(settled, 90)
    said = MOVER.on("cat /proc/net/bonding/bond0")
    assert "fault-tolerance (active-backup)" in said and "Currently Active Slave: eth0" in said
    assert said.count("MII Status: up") == 3
    assert not MOVER.under_way()


def test_what_is_sent_on_the_vlan_carries_its_tag():
    """The peer has no other way into it than frames with the tag."""
    script = (SCENARIO / "files/vlan.py").read_text(encoding="utf-8")
    unit = "systemd-run --quiet --collect --unit=vlan5 python3 /run/vlan.py"
    MOVER.on(f"cat > /run/vlan.py <<'E'\n{script}\nE\nsystemctl stop vlan5; {unit}", node="peer")
    until(lambda: "1 received" in MOVER.on("ping -c 1 -W 2 -I vlan5 198.18.5.1 || :", node="peer"), 30)
    assert "1 received" in MOVER.on("ping -c 1 -W 5 198.18.5.2")
    assert "198.18.5.1" not in MOVER.on("ip neighbour show dev eth0", node="peer")


def test_the_bond_goes_on_with_its_other_card():
    MOVER.on("ip link set dev eth0 down")
    until(lambda: "Currently Active Slave: eth1" in MOVER.on("cat /proc/net/bonding/bond0"), 30)
    MOVER.on("ip link set dev eth0 up")
    until(lambda: "Currently Active Slave: eth0" in MOVER.on("cat /proc/net/bonding/bond0"), 30)
    assert configuration() == "hybrid"


def test_a_move_off_the_bond_and_onto_it_is_measured(capsys):
    """A card that joins a bond must go down for it, so this is not free; the emulated machine answers a hundred a second."""
    for way, desired, name in (("off", PLAIN, "plain"), ("onto", HYBRID_AGAIN, "hybrid")):
        (status, said), losses = MOVER.watched(lambda desired=desired: ended(change(desired, rollback_timeout=240)), interval=0.01, seconds=280)
        assert status == 0, said[-1500:]
        until(lambda name=name: configuration() == name, 90)
        with capsys.disabled():
            told = ", ".join(f"{loss.packets} packets or {loss.milliseconds:.0f} ms {family}" for family, loss in losses.items())
            print(f"\n{way} the bond, lost at 100 Hz: {told}")
        assert max(loss.milliseconds for loss in losses.values()) <= 5000


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
    assert configuration() == "hybrid" and not MOVER.under_way()
    status, said = ended(change(HYBRID))
    assert status == 0 and '"changed": false' in said
