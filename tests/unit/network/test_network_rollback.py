# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change and its rollback by the scripts themselves, in a network namespace: what ip(8) prints is the same afterwards."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import replace
from subprocess import run

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Operation, Plan, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import unrestorable
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.kernel_scripts import BEFORE, DIFFERS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import APPLIED, RESTORED

from .guarded import prepare
from .rollback_host import ADDRESSES, BASE, NEIGHBOURS, ROUTES, ROUTES6, RULES, Host, another_address, another_gateway, to_the_bridge

DESIRED = {"bridge": to_the_bridge(), "address": another_address(), "gateway": another_gateway()}


@pytest.mark.parametrize("name", DESIRED)
def test_after_a_rollback_everything_that_ip_prints_is_as_it_was(host: Host, name: str) -> None:
    host.enter([*ADDRESSES, *ROUTES, *RULES, *NEIGHBOURS])
    host.enter([*ROUTES6, "rule add priority 100 from 2001:db8::/32 lookup 77"], "-6")
    before = host.everything()
    host.change(DESIRED[name])
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists()
    assert host.everything() != before
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before


def test_what_a_card_loses_that_goes_down_for_a_moment_comes_back(host: Host) -> None:
    """As one does that joins a bond: the kernel drops its addresses of IPv6, its routes, next hops and neighbours."""
    host.enter([*ADDRESSES, *ROUTES, *RULES, *NEIGHBOURS])
    host.enter(ROUTES6, "-6")
    before = host.everything()
    down = [Operation("set_link", "eth0", tuple(f"link set dev eth0 {word}".split())) for word in ("down", "up")]
    host.write(prepare(str(host.folder), Plan(switch=tuple(down)), (), {}, host.namespace.observed()))
    host.script("switch.sh")
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before


def test_a_port_that_comes_back_to_its_bridge_has_its_options_again(host: Host) -> None:
    host.enter(["link add name br0 type bridge", "link set dev br0 up", "link set dev eth0 master br0"])
    host.enter(["link set dev eth0 type bridge_slave cost 77 hairpin on isolated on mcast_flood off"])
    host.namespace.run("bridge", "fdb", "add", "02:00:00:00:00:99", "dev", "eth0", "master", "static")
    host.namespace.run("sleep", "1")
    before = host.everything()
    card = Interface("eth0", ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)))
    host.change(Desired((card, Interface("br0", "bridge"))))
    host.script("switch.sh")
    assert " cost 77 " not in "".join(host.everything()["link show"])
    assert "02:00:00:00:00:99" not in host.namespace.run("bridge", "fdb", "show")
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before
    assert "02:00:00:00:00:99 dev eth0 master br0 static" in host.namespace.run("bridge", "fdb", "show")


def test_the_protocol_of_a_bridge_s_vlans_is_in_words_that_ip_takes(host: Host) -> None:
    """As text, for the same kernels: with -N it is printed as a number in brackets."""
    host.change(to_the_bridge())
    text = r"7: br0: <UP> mtu 1500 qdisc noqueue\    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff"
    text += r"\    bridge forward_delay 1500 vlan_protocol [33024] addrgenmode eui64"
    lines = run(["awk", "-v", "kind=link", "-f", "normal.awk"], input=text, cwd=host.folder, capture_output=True, text=True, check=True).stdout
    assert "link 0 dev br0 type bridge vlan_protocol 802.1Q\n" in lines


def test_the_vlans_of_a_port_are_those_that_it_had(host: Host) -> None:
    """As text, for kernels without VLAN filtering: bridge(8) prints a port's first VLAN beside its name, the others below."""
    host.change(to_the_bridge())
    links = "link 0 dev eth0 up\nlink 0 dev br0 up\nlink 0 dev br0 type bridge vlan_filtering 1\n"
    was = "port              vlan-id  \neth0              5 PVID Egress Untagged\n                  10\nbr0               1 Egress Untagged\n"
    now = "port              vlan-id  \neth0              1 PVID Egress Untagged\n"
    for name, text in (("before", was), ("now", now)):
        lines = run(["awk", "-v", "kind=vlan", "-f", "normal.awk"], input=text, cwd=host.folder, capture_output=True, text=True, check=True)
        (host.folder / name).write_text(f"{links}{lines.stdout}end\n", encoding="utf-8")
    argv = ["awk", "-v", "touched=eth0 br0", "-v", "turn=1", "-f", "back.awk", "before", "part=3", "now"]
    assert run(argv, cwd=host.folder, capture_output=True, text=True, check=True).stdout.splitlines() == [
        "bridge vlan add dev eth0 vid 5 pvid untagged",
        "bridge vlan add dev eth0 vid 10",
        "bridge vlan add dev br0 vid 1 untagged self",
        "bridge vlan del dev eth0 vid 1",
    ]


def test_a_route_with_the_mtu_of_its_bridge_meanwhile_has_its_own_again(host: Host) -> None:
    """The kernel takes it for one that follows the bridge, once both have the same (fib6_nh_mtu_change in net/ipv6/route.c)."""
    host.enter([f"address del {line.split()[2]} dev eth0" for line in BASE])
    host.enter(["link add name br0 address 02:00:00:00:00:01 type bridge", "link set dev br0 up", "link set dev eth0 master br0"])
    host.enter([line.replace("eth0", "br0") for line in BASE] + ["route add 2001:db8:b::/64 via 2001:db8::9 dev br0 mtu 1400"])
    host.namespace.run("sleep", "1")
    before = host.everything()
    four, six = Family(True, addresses=(Address("192.0.2.10", 24),)), Family(True, addresses=(Address("2001:db8::10", 64),))
    host.change(Desired((Interface("eth0", mtu=1400), Interface("br0", "bridge", mtu=1400, ports=("eth0",), ipv4=four, ipv6=six))))
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists()
    host.enter(["link set dev eth0 mtu 1500", "link set dev br0 mtu 1500"])
    assert "mtu 1500" in host.namespace.run("ip", "-6", "route", "show", "2001:db8:b::/64")
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before


def test_what_programs_do_meanwhile_is_theirs(host: Host) -> None:
    host.enter(["route add 10.12.0.0/16 via 192.0.2.5 dev eth0 proto 12", "route add 10.13.0.0/16 dev eth0 proto 17"])
    host.change(to_the_bridge(Route("0.0.0.0/0", "br0", "192.0.2.1")))
    host.script("switch.sh")
    theirs = ["route add 10.14.0.0/16 dev eth1 proto 12", "address add 198.51.100.77/32 dev eth0", "rule add priority 5210 lookup 52"]
    host.enter(["route replace 10.12.0.0/16 via 192.0.2.6 dev br0 proto 12", *theirs])
    host.script("restore.sh")
    routes, rules = host.namespace.run("ip", "route"), host.namespace.run("ip", "rule")
    assert "10.12.0.0/16 via 192.0.2.5 dev eth0 proto bird" in routes  # the other went with the bridge
    assert "10.14.0.0/16 dev eth1 proto bird" in routes and "10.13.0.0/16 dev eth0 proto 17" in routes
    assert "lookup 52" in rules and "default via" not in routes
    assert "198.51.100.77/32" in host.namespace.run("ip", "address", "show", "dev", "eth0")


def test_a_route_that_its_program_has_changed_meanwhile_stays_changed(host: Host) -> None:
    host.enter(["route add 10.12.0.0/16 via 192.0.2.5 dev eth0 proto 12"])
    host.change(another_address())
    host.script("switch.sh")
    host.enter(["route replace 10.12.0.0/16 via 192.0.2.6 dev eth0 proto 12"])
    host.script("restore.sh")
    assert "10.12.0.0/16 via 192.0.2.6 dev eth0 proto bird" in host.namespace.run("ip", "route")
    assert "192.0.2.5" not in host.namespace.run("ip", "route")
    assert host.differs() == []


def test_a_route_of_a_program_that_the_change_itself_has_moved_comes_back(host: Host) -> None:
    """The change moves it along with the addresses of the bridge, and nobody has changed it since."""
    host.change(to_the_bridge())
    host.script("switch.sh")
    host.enter(["route add 10.12.0.0/16 via 192.0.2.5 dev br0 proto 12", "route add 10.13.0.0/16 dev br0 proto 18"])
    host.quiet()
    before = host.namespace.run("ip", "route"), host.namespace.run("ip", "-6", "route")
    (host.folder / APPLIED).unlink()
    for left in host.folder.iterdir():
        left.unlink() if left.is_file() else None
    card = Interface("eth0", ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)), ipv6=Family(True))
    host.change(Desired((card, Interface("br0", "bridge", absent=True))))
    host.script("switch.sh")
    assert "10.12.0.0/16 via 192.0.2.5 dev eth0 proto bird" in host.namespace.run("ip", "route")
    host.script("restore.sh")
    assert host.differs() == []
    assert (host.namespace.run("ip", "route"), host.namespace.run("ip", "-6", "route")) == before


def test_what_could_not_be_put_back_is_named(host: Host) -> None:
    host.enter(["link add name vx0 type veth peer name vx1", "link set dev vx0 up", "link set dev vx1 up"])
    host.enter(["address add 198.51.100.1/24 dev vx0", "route add 10.1.0.0/16 via 198.51.100.2 dev vx0"])
    gone = [Operation("delete_link", "vx0", ("link", "delete", "dev", "vx0"))]
    host.write(prepare(str(host.folder), Plan(switch=tuple(gone)), (), {}, host.namespace.observed()))
    host.script("switch.sh")
    host.script("restore.sh")
    differs = host.differs()
    assert "missing: address 4 198.51.100.1/24 scope 0 dev vx0 valid_lft forever preferred_lft forever" in differs
    assert any(line.startswith("missing: route 4 unicast 10.1.0.0/16 via 198.51.100.2 dev vx0 ") for line in differs)


def test_addresses_of_different_networks_keep_their_order(host: Host) -> None:
    """The kernel sends from the first one where nothing else decides."""
    host.enter(["address add 198.51.100.1/24 dev eth0", "address add 203.0.113.7/25 dev eth0"])
    before = host.everything()
    host.change(Desired((Interface("eth0", ipv4=Family(True, addresses=(Address("198.51.100.1", 24),))),)))
    host.script("switch.sh")
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before


def test_a_route_that_ip_prints_in_other_words_than_it_takes_is_refused_where_the_change_could_lose_it(host: Host) -> None:
    desired, observed = to_the_bridge(), host.namespace.observed()
    hop = {"dst": "10.1.0.0/16", "dev": "eth0", "protocol": "3", "scope": "253", "flags": []}
    others = [{**hop, "encap": "seg6"}, {**hop, "dev": "eth1", "encap": "bpf"}, {"dst": "10.2.0.0/16", "nexthops": [{**hop, "encap": "bpf"}]}]
    for routes, said in ((others[:2], []), (others, ["eth0 has a route to 10.2.0.0/16 with an encapsulation"])):
        opaque = observe({key: json.dumps(routes) if key == "routes4" else "[]" for key in COMMANDS}).opaque
        refused = unrestorable(plan(pinned(desired, observed), observed), replace(observed, opaque=opaque))
        assert len(refused) == len(said) and all(one in refused[0] for one in said)


def test_a_lifetime_ends_when_it_would_have_ended(host: Host) -> None:
    host.enter(["address add 198.51.100.1/24 dev eth0 valid_lft 1000 preferred_lft 500"])
    host.change(another_address())
    host.script("switch.sh")
    text = (host.folder / BEFORE).read_text(encoding="utf-8")
    aged = re.sub(r"^uptime (\d+)", lambda found: f"uptime {int(found[1]) - 100}", text)  # as after 100 seconds
    (host.folder / BEFORE).write_text(aged, encoding="utf-8")
    assert "198.51.100.1/24" not in host.namespace.run("ip", "address")
    host.script("restore.sh")
    seconds = re.search(r"198\.51\.100\.1/24.*?valid_lft (\d+)sec preferred_lft (\d+)sec", host.namespace.run("ip", "-o", "address"))
    assert seconds and 880 < int(seconds[1]) <= 900


@pytest.mark.parametrize("name", ["kernel.sh", "back.awk"])
def test_a_rollback_goes_on_where_the_words_of_the_kernel_cannot_be_read_and_does_not_say_that_all_is_the_same(host: Host, name: str) -> None:
    host.change(another_address())
    host.script("switch.sh")
    (host.folder / name).unlink()
    host.script("restore.sh")
    assert (host.folder / RESTORED).exists() and not (host.folder / DIFFERS).exists()
    assert "192.0.2.10/24" in host.namespace.run("ip", "address", "show", "dev", "eth0")


def test_what_was_not_begun_is_not_taken_back(host: Host) -> None:
    """The planner's own undo would make of a deprecated address one for ever."""
    host.enter([*ADDRESSES, *ROUTES, *RULES])
    before = host.everything()
    host.change(another_address())
    host.script("restore.sh")
    assert (host.folder / RESTORED).exists()
    assert host.everything() == before


def test_what_is_written_down_is_private_and_nothing_is_changed_when_it_cannot_be(host: Host) -> None:
    host.change(another_address())
    (host.folder / "normal.awk").unlink()
    (host.folder / "restore.sh").write_text('echo "restored: $1"\n', encoding="utf-8")
    before = host.everything()
    assert "restored: the network that is there could not be written down" in host.script("switch.sh")
    assert host.everything() == before
    host.change(another_address())
    host.script("switch.sh")
    assert stat.S_IMODE(os.stat(host.folder / BEFORE).st_mode) == 0o600
