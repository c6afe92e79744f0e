# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host in a network namespace that is changed and rolled back by the scripts themselves."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Dict, List, Sequence

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import Change
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.kernel_scripts import DIFFERS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import RESTORED
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.scripts import scripts

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
        """What ip(8) prints; seconds that pass are left out, how far LACP has come, and the order of routes with other interfaces."""
        self.quiet()
        found: Dict[str, List[str]] = {}
        for words in PRINTED:
            text = re.sub(r"[0-9]+sec|timer +[0-9.]+|oper_port_state\w* \S+", "", self.namespace.run("ip", "-d", "-o", *words.split()))
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


def numberless(lines: Sequence[str]) -> List[str]:
    """The kernel has numbered the interface anew, which is also the order in which it lists them."""
    return sorted((re.sub(r"^[0-9]+: ", "", line) for line in lines), key=lambda line: line.split()[0])
