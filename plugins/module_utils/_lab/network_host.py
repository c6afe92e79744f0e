# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's network: one namespace with bridges and no way out of it."""

from __future__ import annotations

import os
import time
from typing import Dict, FrozenSet, List, Sequence

from .._shared.limits import Entry, entries_of, load_json
from .._system.command import CommandRunner
from .spec import LabNetwork, LabNic

FILTER = "smallfleet_cut"
_PRIVATE = """\
add table inet smallfleet_router
add set inet smallfleet_router routed {{ type ifname; }}
add element inet smallfleet_router routed {{ "{bridge}" }}
add chain inet smallfleet_router forward {{ type filter hook forward priority 0; }}
flush chain inet smallfleet_router forward
add rule inet smallfleet_router forward iifname @routed oifname != @routed drop
"""
"""No host reaches a shared network that it is not in. What stays on a bridge is not dropped, which br_netfilter would pass here too."""


class NetworkFailed(Exception):
    """The lab's network could not be made as asked."""


class LabNetworks:
    """Bridges and links inside one namespace, whose only other interface is its loopback."""

    def __init__(self, namespace: str, runner: CommandRunner) -> None:
        self.namespace = namespace
        self._runner = runner

    def enter(self, argv: Sequence[str]) -> Sequence[str]:
        """The argument vector that runs ``argv`` in the namespace. nsenter keeps /sys, which nspawn needs."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *argv]

    def exists(self) -> bool:
        """A name left behind by a crash, with no namespace mounted on it, does not count."""
        return os.path.ismount(f"/run/netns/{self.namespace}")

    def create(self) -> None:
        """Sending is switched off for IPv6 autoconfiguration, so that the lab's end says nothing unasked."""
        stale = f"/run/netns/{self.namespace}"
        if os.path.exists(stale) and not os.path.ismount(stale):
            os.unlink(stale)
        self._runner.run(["ip", "netns", "add", self.namespace])
        self._ip("link", "set", "lo", "up")

    def delete(self) -> None:
        self._runner.run(["ip", "netns", "delete", self.namespace])

    def _ip(self, *words: str) -> str:
        return self._runner.run(self.enter(["ip", *words])).stdout

    def bridges(self) -> FrozenSet[str]:
        """Names of the bridges that are up."""
        if not self.exists():
            return frozenset()
        return frozenset(link.text("ifname") for link in self._links("type", "bridge") if "UP" in link.texts("flags"))

    def links(self) -> Dict[str, str]:
        """Link -> bridge it is on."""
        if not self.exists():
            return {}
        return {link.text("ifname"): link.text("master") for link in self._links() if "master" in link}

    def add_bridge(self, network: LabNetwork) -> None:
        if network.bridge not in self._names():
            self._ip("link", "add", network.bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        self._ip("link", "set", network.bridge, "addrgenmode", "none", "up")
        if network.address:
            self._ip("address", "replace", network.address, "dev", network.bridge, *(["nodad"] if ":" in network.address else []))

    def add_router(self, network: LabNetwork) -> None:
        """Give a bridge the addresses and routes of its network's router, and let the namespace forward between routed networks."""
        forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        quiet = (f"net/ipv4/conf/{name}/send_redirects=0" for name in ("all", network.bridge))
        self._runner.run(self.enter(["sysctl", "-q", "-w", *forwarding, *quiet]))
        lines = [f"address replace {address} dev {network.bridge}{' nodad' if ':' in address else ''}" for address in network.router]
        lines += [f"-6 route replace {host} dev {network.bridge}" if ":" in host else f"route replace {host} dev {network.bridge}" for host in network.routes]
        for line in lines:
            self._ip(*line.split())
        self._runner.run(self.enter(["nft", "-f", "-"]), stdin=_PRIVATE.format(bridge=network.bridge))

    def routes(self, network: LabNetwork) -> bool:
        """Whether the bridge of a routed network has all that ``add_router`` gives it."""
        if not network.router or network.bridge not in self.bridges():
            return False
        shown = [entry for words in (["address"], ["-6", "route"], ["route"]) for entry in self._shown([*words, "show", "dev", network.bridge])]
        have = {f"{one.text('local')}/{one.integer('prefixlen')}" for entry in shown for one in (entry.entries("addr_info") if "addr_info" in entry else ())}
        behind = {entry.text("dst") for entry in shown if "dst" in entry}
        return have.issuperset(network.router) and behind.issuperset(network.routes)

    def _shown(self, words: Sequence[str]) -> List[Entry]:
        """What ip(8) shows. Raises BadText."""
        return list(entries_of(load_json(self._ip("-json", *words) or "[]", "ip"), "ip"))

    def _names(self) -> FrozenSet[str]:
        return frozenset(link.text("ifname") for link in self._links())

    def _links(self, *selected: str) -> List[Entry]:
        """What ip-link(8) shows of the lab's network. Raises BadText."""
        printed = self._ip("-json", "link", "show", *selected)
        return list(entries_of(load_json(printed or "[]", "ip link"), "ip link"))

    def add_tap(self, nic: LabNic) -> None:
        """A tap(4) for a virtual machine; one that an earlier run left is used again."""
        if nic.link not in self._names():
            self._ip("tuntap", "add", "dev", nic.link, "mode", "tap")

    def forget(self, nic: LabNic) -> None:
        """Remove the link of a container that is down. The kernel takes its time to end a namespace, and does not end it as
        long as anything holds it; the node could not start over beside its former link.
        """
        if nic.link in self._names():
            self._runner.run(self.enter(["ip", "link", "delete", nic.link]), check=False)
        if nic.link in self._names():
            raise NetworkFailed(f"the former link {nic.link} to network {nic.network} cannot be removed")

    def connect(self, nic: LabNic, bridge: str, timeout: float = 15.0) -> None:
        """Put a node's link on its bridge, as soon as the node has made it."""
        deadline = time.monotonic() + timeout
        while nic.link not in self._names():
            if time.monotonic() > deadline:
                raise NetworkFailed(f"link {nic.link} to network {nic.network} did not appear within {timeout:g} s")
            time.sleep(0.05)
        self._ip("link", "set", nic.link, "addrgenmode", "none", "mtu", str(nic.mtu), "master", bridge, "up")

    def cut(self, link: str, direction: str) -> None:
        """Drop every frame ``from`` the node, ``to`` the node, or ``both``. The carrier stays, as with a dead switch path."""
        table = _table(link)
        rules = [f"table netdev {table}", f"delete table netdev {table}", f"table netdev {table} {{"]
        for hook, name in (("ingress", "from"), ("egress", "to")):
            if direction in (name, "both"):
                rules.append(f'chain {name} {{ type filter hook {hook} device "{link}" priority 0; policy drop; }}')
        self._runner.run(self.enter(["nft", "-f", "-"]), stdin="\n".join([*rules, "}"]) + "\n")

    def restore(self, link: str) -> None:
        table = _table(link)
        self._runner.run(self.enter(["nft", "-f", "-"]), stdin=f"table netdev {table}\ndelete table netdev {table}\n")

    def direction_cut(self, link: str) -> str:
        """``from``, ``to`` or ``both``; empty when the link is whole."""
        printed = self._runner.run(self.enter(["nft", "-j", "list", "chains"])).stdout
        ruleset = Entry(load_json(printed, "nft list chains"), "nft list chains").entries("nftables")
        chains = [entry.entry("chain") for entry in ruleset if "chain" in entry]
        cut = [chain.text("name") for chain in chains if chain.text("family") == "netdev" and chain.text("table") == _table(link)]
        return "both" if len(cut) == 2 else "".join(cut)


def _table(link: str) -> str:
    return f"{FILTER}_{link.replace('.', '_').replace('-', '_')}"
