# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change and its rollback by the scripts themselves, in a network namespace: what ip(8) prints is the same afterwards."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Dict, Iterator, List, Sequence

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard import APPLIED, RESTORED
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_change import (
    Change,
    remade,
    unrestorable,
    without_ipv6,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.guard_scripts import scripts
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.kernel_scripts import BEFORE, DIFFERS
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.model import (
    Address,
    Desired,
    Family,
    Interface,
    Link,
    Observed,
    Operation,
    Plan,
    Route,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.observe import COMMANDS, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.plan import pinned, plan

from .guarded import prepare
from .namespace import Namespace

PRINTED = (
    "address show", "nexthop show", "-4 rule show", "-6 rule show", "-4 route show table all", "-6 route show table all",
    "neigh show nud permanent", "neigh show proxy", "link show",
)  # fmt: skip
BASE = ("address add 192.0.2.10/24 dev eth0", "address add 2001:db8::10/64 dev eth0 nodad")
ADDRESSES = (
    "address add 192.0.2.11/24 broadcast + label eth0:1 dev eth0",
    "address add 192.0.2.12/24 dev eth0 preferred_lft 0",
    "address add 192.0.2.14/24 dev eth0 valid_lft 3000 preferred_lft 1000 noprefixroute",
    "address add 198.51.100.1 peer 198.51.100.2 dev eth0",
    "address add 198.51.100.9/32 scope host dev eth0",
    "address add 198.51.100.130/25 metric 50 dev eth0",
    "address add 2001:db8::11/64 dev eth0 nodad preferred_lft 0",
    "address add 2001:db8::12/64 dev eth0 nodad valid_lft 3000 preferred_lft 1000 noprefixroute mngtmpaddr",
    "address add 2001:db8::13 peer 2001:db8:1::13 dev eth0 nodad metric 77",
    "address add 2001:db8::14/128 dev eth0 nodad home",
)
ROUTES = (
    "route replace default nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 192.0.2.2 dev eth0",
    "route add blackhole 10.1.0.0/16",
    "route add unreachable 10.2.0.0/16 metric 7",
    "route add prohibit 10.3.0.0/16 table 99",
    "route add throw 10.4.0.0/16 table 99",
    (
        "route add 10.5.0.0/16 via 192.0.2.3 dev eth0 mtu lock 1400 advmss 1300 initcwnd 20 initrwnd 21 src 192.0.2.10 metric 5 tos 0x10"
        " rto_min 30ms quickack 1 hoplimit 33 window 5000 rtt 20ms rttvar 10ms congctl cubic features ecn"
    ),
    "route append 10.5.0.0/16 via 192.0.2.4 dev eth0 metric 5 tos 0x10",
    "route add 10.6.0.0/16 via 172.16.0.1 dev eth0 onlink proto 17",
    "route add 10.7.0.0/16 via inet6 fe80::1 dev eth0",
    "route add local 10.9.0.0/24 dev lo",
    "route add 10.11.0.0/16 encap ip id 5 dst 10.0.0.1 ttl 3 dev eth0",
    "route add 10.12.0.0/16 dev eth0 proto 12",
    "route add 10.13.0.0/16 via 192.0.2.5 dev eth0 mtu 1300 proto 12",
    "nexthop add id 1 via 192.0.2.1 dev eth0",
    "nexthop add id 2 via 192.0.2.2 dev eth0 onlink proto 17",
    "nexthop add id 3 group 1,5/2,2",
    "route add 10.8.0.0/16 nhid 3",
    "route add 10.10.0.0/16 nhid 1",
    "nexthop add id 4 encap ip dst 10.0.0.1 via 192.0.2.7 dev eth0",
    "route add 10.14.0.0/16 nhid 4",
)
ROUTES6 = (
    "route add default nexthop via fe80::1 dev eth0 nexthop via fe80::2 dev eth0 weight 2",
    "route add 2001:db8:f::/48 via fe80::1 dev eth0 pref high expires 1000 mtu 1400 metric 20",
    "route add blackhole 2001:db8:e::/48",
    "route add prohibit 2001:db8:d::/48 metric 5",
    "route add 2001:db8:c::/48 encap seg6 mode encap segs fc00::1,fc00::2 dev eth0",
    "route add 2001:db8:a::/48 encap seg6 mode inline segs fc00::1,fc00::2 dev eth0",
    "route add 2001:db8:b::/48 via fe80::1 dev eth0 src 2001:db8::14 table 77",
)
RULES = (
    "rule add priority 100 not from 192.0.2.0/24 lookup main suppress_prefixlength 0",
    "rule add priority 101 to 10.0.0.0/8 tos 0x10 fwmark 5/7 iif eth0 oif eth1 lookup 99 protocol 17 ipproto tcp sport 1-20 dport 22 uidrange 5-6",
    "rule add priority 102 fwmark 5 blackhole",
    "rule add priority 103 iif lo goto 32766",
    "rule add priority 104 tun_id 5 lookup 33 suppress_ifgroup 9",
    "rule add priority 105 from 192.0.2.10 lookup 5 realms 3/4",
    "rule add priority 105 from 192.0.2.11 lookup 5",
    "rule add priority 106 l3mdev",
)
NEIGHBOURS = (
    "neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent",
    "neigh add proxy 192.0.2.78 dev eth0",
    "neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent router",
)


class Host:
    """A host in a namespace: its cards, what somebody has entered there, and the scripts of one change."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        namespace.clear(False)
        self.enter(BASE)
        self.quiet()

    def enter(self, lines: Sequence[str], family: str = "") -> None:
        self.namespace.run("ip", *([family] if family else []), "-batch", "-", text="".join(f"{line}\n" for line in lines))

    def quiet(self) -> None:
        """Wait until the kernel has entered all addresses whole."""
        for _turn in range(1000):
            if self.namespace.has_all_addresses():
                return
            time.sleep(0.01)
        raise AssertionError("an address stays tentative, or has no local route")

    def everything(self) -> Dict[str, List[str]]:
        """What ip(8) prints; seconds that pass are left out, and the order of routes with other interfaces."""
        self.quiet()
        found: Dict[str, List[str]] = {}
        for words in PRINTED:
            text = re.sub(r"[0-9]+sec|timer +[0-9.]+", "", self.namespace.run("ip", "-d", "-o", *words.split()))
            lines = text.splitlines()
            found[words] = sorted(lines) if "-6 route" in words else lines
        return found

    def change(self, desired: Desired) -> Change:
        observed = self.namespace.observed()
        return self.write(prepare(str(self.folder), plan(pinned(desired, observed), observed), (), {}, observed))

    def write(self, change: Change) -> Change:
        for name, text in {**batches(change), **scripts(change, self.boot_id(), 90)}.items():
            elsewhere = text.replace("/var/lib/smallfleet", str(self.folder)).replace("/etc/systemd", f"{self.folder}/etc")
            (self.folder / name).write_text(elsewhere.replace("systemctl", "true"), encoding="utf-8")
        return change

    @staticmethod
    def boot_id() -> str:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    def script(self, name: str) -> str:
        """What it printed. /sys shows the interfaces of the namespace in which it was mounted."""
        inside = 'mount -t sysfs sysfs /sys && exec sh "$0"'
        return self.namespace.run("unshare", "--mount", "sh", "-c", inside, str(self.folder / name))

    def differs(self) -> List[str]:
        assert (self.folder / RESTORED).exists(), (self.folder / "again.log").read_text(encoding="utf-8")
        return (self.folder / DIFFERS).read_text(encoding="utf-8").splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    namespace = Namespace()
    if namespace.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    yield Host(namespace, tmp_path)
    namespace.close()


def to_the_bridge(*routes: Route) -> Desired:
    bridge = Interface("br0", "bridge", ports=("eth0",), ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)))
    return Desired((Interface("eth0"), bridge), routes)


def another_address(*routes: Route) -> Desired:
    four, six = Family(True, addresses=(Address("192.0.2.99", 24),)), Family(True, addresses=(Address("2001:db8::99", 64),))
    return Desired((Interface("eth0", ipv4=four, ipv6=six),), routes)


def another_gateway() -> Desired:
    four, six = Family(True, addresses=(Address("192.0.2.10", 24),)), Family(True, addresses=(Address("2001:db8::10", 64),))
    routes = (Route("0.0.0.0/0", "eth0", "192.0.2.99"), Route("::/0", "eth0", "fe80::99", 1024), Route("10.5.0.0/16", "eth0", "192.0.2.99", 5))
    return Desired((Interface("eth0", ipv4=four, ipv6=six),), routes)


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
    assert without_ipv6(steps) == ["eth0"]
    host.write(replace(prepare(str(host.folder), steps, (), {}, observed), accept_ra=(("eth0", "0"),)))
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists()
    assert "2001:db8" not in host.namespace.run("ip", "-6", "address", "show", "dev", "eth0")
    assert "No such file" in host.namespace.run("sh", "-c", "cat /proc/sys/net/ipv6/conf/eth0/accept_ra 2>&1", check=False)
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before
    assert host.namespace.run("cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra") == "0\n"


def numberless(lines: Sequence[str]) -> List[str]:
    """The kernel has numbered the interface anew."""
    return [re.sub(r"^[0-9]+: ", "", line) for line in lines]


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
