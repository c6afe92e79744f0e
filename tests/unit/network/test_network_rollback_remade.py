# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody deletes during the trial, or the kernel ends, is there again after a rollback."""

from __future__ import annotations

import time
from dataclasses import replace
from subprocess import run
from typing import Callable, Sequence, Set

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed, Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import remade, without_ipv6
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import APPLIED

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
    "a VLAN, which needs the module 8021q": (
        "link add link eth0 name made0 type vlan id 5 gvrp on loose_binding on reorder_hdr off egress-qos-map 1:5 ingress-qos-map 2:6 3:7",
        "link set dev made0 mtu 1450",
    ),
    "a VLAN of the outer tag, which needs the module 8021q": ("link add link eth0 name made0 type vlan protocol 802.1ad id 5",),
    "a bond, which needs the module bonding": (
        "link add made0 type bond mode active-backup miimon 200 fail_over_mac active",
        *("link set dev eth1 down", "link set dev eth1 master made0", "link set dev eth1 up", "link set dev made0 type bond primary eth1"),
    ),
    "a bond by LACP, which needs the module bonding": (
        "link add made0 type bond mode 802.3ad miimon 100 lacp_rate fast ad_select bandwidth min_links 1 xmit_hash_policy layer3+4",
        *("link set dev eth1 down", "link set dev eth1 master made0", "link set dev eth1 up"),
    ),
    "a dummy, which needs the module dummy": ("link add made0 type dummy", "link set dev made0 arp on multicast on allmulticast on promisc on"),
    "a dummy in a bond, which needs the module dummy": (
        *("link add made0 type dummy", "link add made1 type bond mode active-backup miimon 200"),
        *("link set dev made0 master made1", "link set dev made1 up"),
    ),
    "a bridge, which needs the module bridge": (
        *("link add made0 type bridge ageing_time 12300", "link set dev eth1 master made0", "link set dev eth1 type bridge_slave hairpin on cost 7"),
    ),
    "a bridge that filters, which needs VLAN filtering": (
        *("link add made0 type bridge vlan_default_pvid 0 vlan_filtering 1", "link set dev eth1 master made0"),
        *("bridge vlan add dev eth1 vid 5 pvid untagged", "bridge vlan add dev eth1 vid 20-22", "bridge vlan add dev made0 vid 5 pvid untagged self"),
    ),
    "a dummy in a bridge that filters, which needs VLAN filtering": (
        *("link add made1 type bridge vlan_default_pvid 9 vlan_filtering 1", "link set dev made1 up", "link add made0 type dummy"),
        *("link set dev made0 master made1", "link set dev made0 type bridge_slave isolated on"),
        *("bridge vlan del dev made0 vid 9", "bridge vlan add dev made0 vid 5 pvid untagged", "bridge vlan add dev made0 vid 7"),
    ),
}
ON_IT = (
    "link set dev made0 up", "address add 198.51.100.1/24 dev made0", "address add 2001:db8:5::1/64 dev made0 nodad",
    "route add 10.1.0.0/16 via 198.51.100.9 dev made0", "route add 2001:db8:6::/64 via 2001:db8:5::9 dev made0",
)  # fmt: skip


def enter(host: Host, lines: Sequence[str]) -> None:
    """Each for the program of its first word, else for ip(8)."""
    for line in lines:
        host.namespace.run(*line.split()) if line.startswith("bridge ") else host.enter([line])


def carriers(host: Host) -> Set[str]:
    """The interfaces that have one."""
    return {name for name, link in host.namespace.observed().links.items() if link.carrier}


@pytest.mark.parametrize("kind", STACKS)
def test_what_somebody_deletes_during_the_trial_is_made_again_by_a_real_kernel(host: Host, kind: str) -> None:
    try:
        enter(host, STACKS[kind])
    except AssertionError as refused:
        assert "Unknown device type" in str(refused) or "Operation not supported" in str(refused)
        pytest.skip(f"this kernel lacks {kind}")
    port = host.namespace.observed().links["made0"].master
    enter(host, ON_IT[:1] if port else ON_IT)
    host.namespace.run("sleep", "2")  # for carriers, and what follows from them
    before, vlans, with_carrier = host.everything(), host.namespace.run("bridge", "vlan", "show"), carriers(host)
    link = host.namespace.observed().links["made0"]
    moved = [Operation("set_link", "made0", tuple("link set dev made0 mtu 1400".split()), (tuple(f"link set dev made0 mtu {link.mtu}".split()),))]
    host.write(prepare(str(host.folder), Plan(switch=tuple(moved)), (), {}, host.namespace.observed()))
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists()
    host.enter(["link delete dev made0"])
    host.script("restore.sh")
    assert host.differs() == []
    wait_for(lambda: carriers(host) == with_carrier)
    after = host.everything()
    assert host.namespace.observed().links["made0"] == link
    assert host.namespace.run("bridge", "vlan", "show") == vlans
    assert {words: numberless(lines) for words, lines in after.items()} == {words: numberless(lines) for words, lines in before.items()}


def test_a_port_that_somebody_takes_out_of_its_bond_during_the_trial_is_in_it_again(host: Host) -> None:
    try:
        host.enter(STACKS["a bond, which needs the module bonding"][:1])
    except AssertionError as refused:
        assert "Unknown device type" in str(refused)
        pytest.skip("this kernel lacks the module bonding")
    host.enter([*STACKS["a bond, which needs the module bonding"][1:], *ON_IT])
    host.namespace.run("sleep", "2")
    before = host.everything()
    moved = [Operation("set_link", "made0", tuple("link set dev made0 mtu 1400".split()), (tuple("link set dev made0 mtu 1500".split()),))]
    host.write(prepare(str(host.folder), Plan(switch=tuple(moved)), (), {}, host.namespace.observed()))
    host.script("switch.sh")
    host.enter(["link set dev eth1 nomaster", "link set dev eth1 up"])
    host.script("restore.sh")
    assert host.differs() == []
    wait_for(lambda: host.everything() == before)


def test_a_port_of_a_bond_goes_down_before_it_joins_again(host: Host) -> None:
    """As text, for kernels without bonds."""
    host.change(to_the_bridge())
    there = "link 0 dev bond0 type bond miimon 100\nlink 0 dev eth1 up\n"
    (host.folder / "before").write_text(f"{there}link 0 dev eth1 master bond0\nend\n", encoding="utf-8")
    (host.folder / "now").write_text(f"{there}link 0 dev eth1 nomaster\nend\n", encoding="utf-8")
    argv = ["awk", "-v", "touched=bond0 eth1", "-v", "turn=1", "-f", "back.awk", "before", "part=3", "now"]
    assert run(argv, cwd=host.folder, capture_output=True, text=True, check=True).stdout.splitlines() == [
        "0 link set dev eth1 down",
        "0 link set dev eth1 master bond0",
        "0 link set dev eth1 up",
    ]


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.1)


def test_the_flags_and_priorities_of_a_vlan_are_lines_that_ip_takes(host: Host) -> None:
    """As text, for kernels without VLANs."""
    host.change(to_the_bridge())
    text = r"7: v5@eth0: <BROADCAST,NOARP,MULTICAST,UP> mtu 1400 qdisc noqueue\    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff"
    text += r" promiscuity 0\    vlan protocol [33024] id 5 <REORDER_HDR,LOOSE_BINDING> \      ingress-qos-map { 1:2 3:4 } \      egress-qos-map { 5:6 }"
    text += r" addrgenmode none numtxqueues 1\    bridge_slave state forwarding priority 32 cost 7"
    argv = ["awk", "-v", "kind=link", "-f", "normal.awk"]
    lines = run(argv, input=text, cwd=host.folder, capture_output=True, text=True, check=True).stdout.splitlines()
    assert all(line.startswith("link 0 dev v5 ") for line in lines)
    words = [line.split(" ", 4)[4] for line in lines]
    assert words[-1] == "up" and set(words) == {
        *("arp off", "multicast on", "allmulticast off", "promisc off", "mtu 1400", "address 02:00:00:00:00:01", "addrgenmode none", "nomaster", "up"),
        *("type vlan reorder_hdr on", "type vlan gvrp off", "type vlan mvrp off", "type vlan loose_binding on", "type vlan bridge_binding off"),
        *("type vlan ingress-qos-map 1:2", "type vlan ingress-qos-map 3:4", "type vlan egress-qos-map 5:6"),
        *("type bridge_slave priority 32", "type bridge_slave cost 7"),
    }


def test_a_bridge_filters_after_its_default_vlan_is_set_and_a_port_joins_before_it_is_up(host: Host) -> None:
    """The kernel refuses both in the other order."""
    host.change(to_the_bridge())
    text = r"7: br7: <BROADCAST,UP> mtu 1500 master bond7\    link/ether 02:00:00:00:00:01\    bridge vlan_filtering 1 vlan_default_pvid 9 addrgenmode none"
    argv = ["awk", "-v", "kind=link", "-f", "normal.awk"]
    lines = run(argv, input=text, cwd=host.folder, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split(" ", 4)[4] for line in lines][-4:] == ["master bond7", "type bridge vlan_default_pvid 9", "type bridge vlan_filtering 1", "up"]


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
        Link("z0", "bond", mode="active-backup", mac="02:00:00:00:00:03", master="br0", options={"fail_over_mac": "active", "miimon": "100"}),
    )
    observed = Observed({link.name: link for link in links})
    assert remade([*observed.links, "new0"], observed) == (
        ("a0", ("link add name a0 address 02:00:00:00:00:02 type dummy", "link set dev a0 addrgenmode none")),
        (
            "z0",
            (
                "link add name z0 address 02:00:00:00:00:03 type bond mode active-backup fail_over_mac active",
                "link set dev z0 addrgenmode none",
                "link set dev z0 master br0",
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
