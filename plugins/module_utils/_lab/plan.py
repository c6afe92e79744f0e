# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be done so that a lab stands, or is gone, from whatever an earlier run left behind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import FrozenSet, List, Mapping, Tuple

from .spec import LabNode, LabSpec


@dataclass(frozen=True)
class Step:
    """One thing to do. ``target`` is a node, bridge, link or image name, or empty."""

    action: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.target}".strip()


@dataclass(frozen=True)
class NodeState:
    """What is there of one node. ``digest`` names the description it was prepared from; it is empty when half prepared."""

    digest: str = ""
    mounted: bool = False
    running: bool = False
    reachable: bool = False


@dataclass(frozen=True)
class LabState:
    """What is there of a lab. ``links`` maps a node's link to the bridge it is on; ``layers`` are the values of LabNode.layer
    that are in the cache; ``routers`` are the bridges that have all addresses and routes of their network's router. ``leaks`` are the
    ranges of lab addresses that the controller routes to elsewhere, ``blocked`` those that have our route; ``others`` says whether another lab is up.
    """

    images: FrozenSet[str] = frozenset()
    archive: bool = False
    layers: FrozenSet[str] = frozenset()
    namespace: bool = False
    bridges: FrozenSet[str] = frozenset()
    routers: FrozenSet[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)
    proxy: bool = False
    keys: bool = False
    described: bool = False
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    folder: bool = False
    leaks: FrozenSet[str] = frozenset()
    blocked: FrozenSet[str] = frozenset()
    others: bool = False


def plan_present(spec: LabSpec, digests: Mapping[str, str], observed: LabState) -> List[Step]:
    """Steps after which every node of ``spec`` answers, and no other node of this lab exists.

    Invariant: a node whose description is unchanged and that runs in the lab's namespace is never touched, and applying any prefix of the plan
    leaves a state from which planning again leads to the same end. ``digests`` maps each node to the digest of its
    description.
    """
    steps: List[Step] = []
    wrong = [name for name, state in observed.nodes.items() if state.digest != digests.get(name)]
    for name in sorted(wrong):
        steps += _remove_node(name, observed.nodes[name])
    kept = {name: state for name, state in observed.nodes.items() if name not in wrong}
    if not observed.namespace:
        # Nodes that still run are in a namespace that has lost its name: nothing can be connected to them any more.
        steps += [Step("stop node", name) for name in sorted(kept) if kept[name].running]
        kept = {name: replace(state, running=False, reachable=False) for name, state in kept.items()}
    fresh = [node for node in spec.nodes if node.name not in kept]
    steps += [Step("build image", b) for b in sorted({n.backend for n in fresh}) if b not in observed.images]
    if fresh and spec.packages and not observed.archive:
        steps.append(Step("fetch packages"))
    steps += [Step("install packages", layer) for layer in sorted({n.layer for n in fresh if n.layer} - observed.layers)]
    if not observed.keys:
        steps.append(Step("make keys"))
    if not observed.namespace:
        steps.append(Step("create namespace", spec.namespace))
    steps += [Step("block", addresses) for addresses in sorted(observed.leaks)]
    steps += [Step("create bridge", n.bridge) for n in spec.networks if n.bridge not in observed.bridges]
    steps += [Step("route network", n.bridge) for n in spec.networks if n.router and n.bridge not in observed.routers]
    if spec.proxy_addresses and not (observed.proxy and observed.namespace):
        steps.append(Step("start proxy"))
    steps += [Step("prepare node", node.name) for node in fresh]
    if fresh or wrong or not observed.described:
        steps.append(Step("describe lab"))
    for node in spec.nodes:
        state = kept.get(node.name, NodeState())
        if node.name in kept and not state.mounted and not state.running:
            steps.append(Step("mount node", node.name))
        if not state.running:
            steps.append(Step("start node", node.name))
    bridge_of = {network.name: network.bridge for network in spec.networks}
    for node in spec.nodes:
        running = kept.get(node.name, NodeState()).running
        for nic in node.nics:
            if not running or observed.links.get(nic.link) != bridge_of[nic.network]:
                steps.append(Step("connect link", nic.link))
    silent = [n.name for n in spec.nodes if not kept.get(n.name, NodeState()).reachable]
    return steps + [Step("wait for node", name) for name in silent]


def plan_absent(spec: LabSpec, observed: LabState) -> List[Step]:
    """Steps after which nothing of the lab is left outside the cache, in an order that never pulls away what is in use."""
    steps: List[Step] = []
    for name in sorted(observed.nodes):
        steps += _remove_node(name, observed.nodes[name])
    if observed.proxy:
        steps.append(Step("stop proxy"))
    if observed.namespace:
        steps.append(Step("delete namespace", spec.namespace))
    if not observed.others:
        steps += [Step("unblock", addresses) for addresses in sorted(observed.blocked)]
    if observed.folder:
        steps.append(Step("remove folder"))
    return steps


def _remove_node(name: str, state: NodeState) -> List[Step]:
    stop: Tuple[Step, ...] = (Step("stop node", name),) if state.running else ()
    return [*stop, Step("remove node", name)]


def plan_node(node: LabNode, state: str, running: bool, frozen: bool) -> List[Step]:
    """Steps that bring one node to ``powered_on``, ``powered_off``, ``frozen`` or ``thawed``.

    Raise ValueError for a node that would have to be on and is not: freezing does not switch the power on.
    """
    if state in ("frozen", "thawed") and not running:
        raise ValueError(f"node {node.name} has no power. Switch it on first with state: powered_on.")
    if state == "powered_off":
        return [Step("stop node", node.name)] if running else []
    if state == "frozen":
        return [] if frozen else [Step("freeze node", node.name)]
    thaw = [Step("thaw node", node.name)] if frozen else []
    if state == "thawed" or running:
        return thaw
    links = [Step("connect link", nic.link) for nic in node.nics]
    return [Step("start node", node.name), *links, Step("wait for node", node.name)]
