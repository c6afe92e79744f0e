# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a lab is to be: hosts, NICs, networks and disks, as plain data that survives a trip through JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

NAMESPACE_PREFIX = "smallfleet-"


@dataclass(frozen=True)
class LabNetwork:
    """A bridge in the lab's own network namespace. ``address`` (with prefix length) is the lab's own, for the proxy.

    Of a routed network the namespace is the router: the bridge has the addresses ``router``, with prefix lengths, of which the first ones
    are the lab's own, and ``routes`` are the hosts' addresses behind it.
    """

    name: str
    bridge: str
    mtu: int
    address: Optional[str] = None
    router: Tuple[str, ...] = ()
    routes: Tuple[str, ...] = ()

    @property
    def own(self) -> Tuple[str, ...]:
        """The lab's own addresses in the network, without prefix length: one, or one of each family."""
        return tuple(address.split("/")[0] for address in ((self.address,) if self.address else self.router[:2]))


@dataclass(frozen=True)
class LabNic:
    """A node's NIC. ``link`` is its other end on the bridge; addresses carry a prefix length."""

    network: str
    interface: str
    link: str
    mac: str
    ipv4: Optional[str]
    ipv6: Optional[str]
    mtu: int
    ipv4_gateway: Optional[str] = None
    ipv6_gateway: Optional[str] = None


@dataclass(frozen=True)
class LabNode:
    """One machine. ``memory`` and ``disk`` in MiB; ``disks`` are further disks, name -> MiB.

    ``macvtap`` is for machines that run guests on macvtap links: a container must be helped to their device nodes.
    ``installed_packages``, sorted, are those it has from its first boot on.
    """

    name: str
    backend: str
    memory: int
    cpus: int
    disk: int
    disks: Mapping[str, int]
    nics: Tuple[LabNic, ...]
    macvtap: bool = False
    installed_packages: Tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        """Names the image layer with the node's packages, as BACKEND: PACKAGES; empty when it needs none."""
        return f"{self.backend}: {' '.join(self.installed_packages)}" if self.installed_packages else ""


@dataclass(frozen=True)
class LabSpec:
    """A whole lab. ``packages`` are what its nodes can install without downloading."""

    name: str
    directory: str
    cache: str
    release: str
    packages: Tuple[str, ...]
    networks: Tuple[LabNetwork, ...]
    nodes: Tuple[LabNode, ...]

    @property
    def namespace(self) -> str:
        """Name of the network namespace that holds the whole lab."""
        return f"{NAMESPACE_PREFIX}{self.name}"

    @property
    def folder(self) -> str:
        """Where the lab keeps its own state, apart from the cache."""
        return f"{self.directory}/{self.name}"

    @property
    def proxy_addresses(self) -> Tuple[str, ...]:
        """The addresses, without prefix length, at which nodes find the package proxy."""
        return tuple(dict.fromkeys(address for network in self.networks for address in network.own))

    def proxy_address(self, node: LabNode) -> Optional[str]:
        """The address, without prefix length, at which a node finds the package proxy: in a network of its own, of a family that it has."""
        networks = {network.name: network for network in self.networks}
        for nic in node.nics:
            for address in networks[nic.network].own:
                if nic.ipv6 if ":" in address else nic.ipv4:
                    return address
        return next(iter(self.proxy_addresses), None)

    def node(self, name: str) -> LabNode:
        """Raise KeyError when the lab has no node of that name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


def to_data(spec: LabSpec) -> Dict[str, Any]:
    """The lab as plain dictionaries and lists."""
    return asdict(spec)


def from_data(data: Mapping[str, Any]) -> LabSpec:
    """The lab that to_data() described. Raise KeyError or TypeError when the data is not of that form."""
    nodes = tuple(_node(node) for node in data["nodes"])
    networks = tuple(_network(network) for network in data["networks"])
    return LabSpec(**{**data, "packages": tuple(data["packages"]), "networks": networks, "nodes": nodes})


def _network(data: Mapping[str, Any]) -> LabNetwork:
    return LabNetwork(**{**data, "router": tuple(data.get("router", ())), "routes": tuple(data.get("routes", ()))})


def _node(data: Mapping[str, Any]) -> LabNode:
    nics = tuple(LabNic(**nic) for nic in data["nics"])
    installed = tuple(data.get("installed_packages", ()))
    return LabNode(**{**data, "disks": dict(data["disks"]), "nics": nics, "installed_packages": installed})


def from_plan(plan: Mapping[str, Mapping[str, Any]]) -> LabSpec:
    """The lab from the plan of the fleet, host -> host plan. Raise ValueError when no host is in a lab."""
    host_plans = {name: mine["lab"] for name, mine in plan.items() if "lab" in mine}
    if not host_plans:
        raise ValueError("no host of this inventory is in a lab. Set a lab_* variable, such as lab_release, for the fleet.")
    shared = next(iter(host_plans.values()))["lab"]
    return from_data({**shared, "nodes": [host_plans[name]["node"] for name in sorted(host_plans)]})
