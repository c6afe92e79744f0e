# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody deletes during the trial, or the kernel ends, is there again after a rollback."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard import APPLIED
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_change import remade, without_ipv6
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.model import (
    Address,
    Desired,
    Family,
    Interface,
    Link,
    Observed,
    Operation,
    Plan,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.plan import pinned, plan

from .guarded import prepare
from .rollback_host import Host, numberless, to_the_bridge


def test_an_interface_that_somebody_deletes_during_the_trial_is_made_again_with_all_that_it_had(host: Host) -> None:
    """Without the old bridge, to which the addresses return, nobody could reach the host."""
    host.change(to_the_bridge())
    host.script("switch.sh")
    host.enter(["link set dev br0 type bridge ageing_time 12300", "address add 198.51.100.1/24 dev br0", "route add 10.1.0.0/16 via 198.51.100.2 dev br0"])
    host.quiet()
    before = host.everything()
    for left in host.folder.iterdir():
        left.unlink() if left.is_file() else None
    card = Interface("eth0", ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)), ipv6=Family(True))
    host.change(Desired((card, Interface("br0", "bridge", absent=True))))
    host.script("switch.sh")
    host.enter(["link delete dev br0"])
    host.script("restore.sh")
    assert host.differs() == []
    after = host.everything()
    assert all(" ageing_time 12300 " in next(line for line in there.pop("link show") if "br0: " in line) for there in (before, after))
    assert {words: numberless(lines) for words, lines in after.items()} == {words: numberless(lines) for words, lines in before.items()}


STACKS = {
    "a VLAN, which needs the module 8021q": ("link add link eth0 name made0 type vlan id 5",),
    "a bond, which needs the module bonding": (
        *("link add made0 type bond mode active-backup miimon 200", "link set dev eth1 down"),
        *("link set dev eth1 master made0", "link set dev eth1 up"),
    ),
    "a dummy, which needs the module dummy": ("link add made0 type dummy",),
    "a bridge, which needs the module bridge": (
        *("link add made0 type bridge ageing_time 12300", "link set dev eth1 master made0", "link set dev eth1 type bridge_slave hairpin on cost 7"),
    ),
}
ON_IT = (
    "link set dev made0 up", "address add 198.51.100.1/24 dev made0", "address add 2001:db8:5::1/64 dev made0 nodad",
    "route add 10.1.0.0/16 via 198.51.100.9 dev made0", "route add 2001:db8:6::/64 via 2001:db8:5::9 dev made0",
)  # fmt: skip


@pytest.mark.parametrize("kind", STACKS)
def test_what_somebody_deletes_during_the_trial_is_made_again_by_a_real_kernel(host: Host, kind: str) -> None:
    try:
        host.enter(STACKS[kind][:1])
    except AssertionError as refused:
        assert "Unknown device type" in str(refused)
        pytest.skip(f"this kernel lacks {kind}")
    host.enter([*STACKS[kind][1:], *ON_IT])
    host.quiet()
    before = host.everything()
    link = host.namespace.observed().links["made0"]
    moved = [Operation("set_link", "made0", tuple("link set dev made0 mtu 1400".split()), (tuple(f"link set dev made0 mtu {link.mtu}".split()),))]
    host.write(prepare(str(host.folder), Plan(switch=tuple(moved)), (), {}, host.namespace.observed()))
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists()
    host.enter(["link delete dev made0"])
    host.script("restore.sh")
    assert host.differs() == []
    host.namespace.run("sh", "-c", "for turn in $(seq 300); do ip link show dev made0 | grep -q LOWER_UP && break; sleep 0.1; done")  # as before
    after = host.everything()
    assert host.namespace.observed().links["made0"] == link
    assert {words: numberless(lines) for words, lines in after.items()} == {words: numberless(lines) for words, lines in before.items()}


def test_ipv6_that_ends_with_a_small_mtu_comes_back_with_what_the_interface_had_of_it(host: Host) -> None:
    host.enter(["route add 2001:db8:6::/64 via 2001:db8::9 dev eth0", "route add 2001:db8:7::/64 dev eth0 proto 17 mtu 1400"])
    host.namespace.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_ra")
    before = host.everything()
    observed = host.namespace.observed()
    small = Interface("eth0", mtu=1279, ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)))
    steps = plan(pinned(Desired((small,)), observed), observed)
    assert without_ipv6(steps, observed) == ["eth0"]
    host.write(replace(prepare(str(host.folder), steps, (), {}, observed), accept_ra=(("eth0", "0"),)))
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists()
    assert "2001:db8" not in host.namespace.run("ip", "-6", "address", "show", "dev", "eth0")
    assert "No such file" in host.namespace.run("sh", "-c", "cat /proc/sys/net/ipv6/conf/eth0/accept_ra 2>&1", check=False)
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before
    assert host.namespace.run("cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra") == "0\n"


def test_interfaces_that_are_made_again_come_after_those_below_them() -> None:
    links = (
        Link("a.5", "vlan", mac="02:00:00:00:00:01", lower="z0", vlan_id=5, vlan_protocol="802.1ad"),
        Link("a0", "dummy", mac="02:00:00:00:00:02"),
        Link("eth0"),
        Link("eth1", master="z0"),
        Link("vx0", "vxlan", lower="z0"),
        Link("z0", "bond", mode="active-backup", mac="02:00:00:00:00:03"),
    )
    observed = Observed({link.name: link for link in links})
    assert remade([*observed.links, "new0"], observed) == (
        ("a0", ("link add name a0 address 02:00:00:00:00:02 type dummy", "link set dev a0 addrgenmode none")),
        (
            "z0",
            (
                "link add name z0 address 02:00:00:00:00:03 type bond mode active-backup",
                "link set dev z0 addrgenmode none",
                "link set dev eth1 down",
                "link set dev eth1 master z0",
                "link set dev eth1 up",
            ),
        ),
        (
            "a.5",
            ("link add link z0 name a.5 address 02:00:00:00:00:01 type vlan protocol 802.1ad id 5", "link set dev a.5 addrgenmode none"),
        ),
    )
