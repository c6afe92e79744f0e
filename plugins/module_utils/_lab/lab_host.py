# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole lab: what is there of it, and each step that makes it be there or be gone."""

from __future__ import annotations

import json
import os
import shutil
from hashlib import sha256
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._system.clock import Clock
from .._system.command import CommandResult
from .._system.files import FileStore
from . import processes_host as processes
from . import proxy_host as proxy
from .backends.registry_host import recognised
from .commands_host import LabRunner
from .image_host import Images, Progress, StaleImage, locked
from .network_host import LabNetworks, NetworkFailed
from .node_host import Node, trees_in_use
from .plan import LabState, NodeState, Step, plan_absent, plan_present
from .render import ssh_config
from .routes_host import LabRoutes
from .spec import LabNic, LabNode, LabSpec, from_data, to_data

OverBase = Callable[[str, Sequence[str]], str]


class LabFailed(Exception):
    """The lab could not be brought to the state asked for; running the same again continues."""


def load(folder: str, files: FileStore) -> LabSpec:
    """The description that an earlier run left in a lab's folder. Raise LabFailed when there is none."""
    text = files.read(f"{folder}/lab.json")
    if text is None:
        raise LabFailed(f"there is no lab in {folder}. Raise it first with playbooks/lab_up.yml.")
    return from_data(json.loads(text))


class Lab:
    """Observes one lab and carries out the steps planned for it."""

    def __init__(self, spec: LabSpec, runner: LabRunner, files: FileStore, clock: Clock, progress: Progress) -> None:
        self.spec = spec
        self.networks = LabNetworks(spec.namespace, runner)
        self.routes = LabRoutes(runner)
        self._runner = runner
        self._files = files
        self._clock = clock
        self._progress = progress
        self._images = Images(spec.cache, spec.release, runner, progress)

    def node(self, name: str) -> Node:
        return Node(self.spec, self._described(name), self._runner, self._files, self.networks)

    def _described(self, name: str) -> LabNode:
        """The node as the inventory has it; for one that only an earlier run knew, as much as its folder tells."""
        try:
            return self.spec.node(name)
        except KeyError:
            return LabNode(name, recognised(f"{self.spec.folder}/nodes/{name}"), 0, 1, 0, {}, ())

    def described(self, name: str) -> LabNode:
        """The node as the lab was described. Raise LabFailed for one it does not have."""
        try:
            return self.spec.node(name)
        except KeyError:
            names = ", ".join(node.name for node in self.spec.nodes)
            raise LabFailed(f"node: lab {self.spec.name} has no node {name!r}. It has {names}.") from None

    def link(self, node: str, network: str) -> str:
        """The link of a node on a network. Raise LabFailed when it has none there."""
        nics = self.described(node).nics
        for nic in nics:
            if nic.network == network:
                return nic.link
        names = ", ".join(nic.network for nic in nics)
        raise LabFailed(f"network: node {node} is not in network {network!r}. It is in {names}.")

    def digests(self) -> Dict[str, str]:
        """Node -> digest of all that decides how it is prepared."""
        shared = [self.spec.release, list(self.spec.packages)]
        data = {node["name"]: node for node in to_data(self.spec)["nodes"]}
        proxies = {node.name: self.spec.proxy_address(node) for node in self.spec.nodes}
        return {name: sha256(json.dumps([*shared, proxies[name], node], sort_keys=True).encode()).hexdigest() for name, node in data.items()}

    def observe(self) -> LabState:
        """Read the world; nothing is changed."""
        folder = self.spec.folder
        nodes = f"{folder}/nodes"
        names = set(os.listdir(nodes)) if os.path.isdir(nodes) else set()
        names |= {part.partition(":")[2] for part in processes.find(self.spec.name) if part.startswith("node:")}
        backends = {node.backend for node in self.spec.nodes}
        bases = {backend: self._images.base(backend) for backend in backends}
        fetched = all(base and os.path.isdir(self._images.archive(base, self.spec.packages)) for base in bases.values())
        layers = {node.layer for node in self.spec.nodes if node.layer and self._has_layer(bases[node.backend], node)}
        described = self._files.read(f"{folder}/lab.json") == self._description()
        blocked = self.routes.blocked()
        return LabState(
            images=frozenset(backend for backend, base in bases.items() if base),
            archive=fetched,
            layers=frozenset(layers),
            namespace=self.networks.exists(),
            bridges=self.networks.bridges(),
            routers=frozenset(network.bridge for network in self.spec.networks if self.networks.routes(network)),
            links=self.networks.links(),
            proxy=proxy.running(self.spec),
            keys=os.path.exists(f"{folder}/id_ed25519"),
            described=described and os.path.exists(f"{folder}/ssh_config"),
            nodes={name: self._observe_node(name) for name in sorted(names)},
            folder=os.path.isdir(folder),
            leaks=self.routes.needed() - blocked,
            blocked=blocked,
            others=bool(self.routes.labs() - {self.spec.namespace}),
        )

    def _has_layer(self, base: Optional[str], node: LabNode) -> bool:
        return base is not None and os.path.isdir(self._images.layer(base, node.installed_packages))

    def _observe_node(self, name: str) -> NodeState:
        node = self.node(name)
        running = node.running() is not None
        digest = self._files.read(f"{node.folder}/digest") or ""
        return NodeState(digest, node.ready(), running, running and self._reachable(name))

    def _ssh(self, name: str) -> List[str]:
        return ["ssh", "-F", f"{self.spec.folder}/ssh_config", "-o", "ConnectTimeout=3", name, "true"]

    def _reachable(self, name: str) -> bool:
        return self._runner.run(self._ssh(name), check=False).rc == 0

    def plan(self, present: bool) -> List[Step]:
        observed = self.observe()
        return plan_present(self.spec, self.digests(), observed) if present else plan_absent(self.spec, observed)

    def apply(self, steps: List[Step]) -> None:
        """Carry out a plan. Waiting for the nodes is one step for all of them, since they boot side by side."""
        waiting = [step.target for step in steps if step.action == "wait for node"]
        for step in steps:
            if step.action != "wait for node":
                self._progress(str(step))
                self._actions()[step.action](step.target)
        if waiting:
            self._wait(waiting)

    def _actions(self) -> Mapping[str, Callable[[str], None]]:
        bridges = {network.bridge: network for network in self.spec.networks}
        nics = {
            nic.link: (nic, network.bridge) for node in self.spec.nodes for nic in node.nics for network in self.spec.networks if network.name == nic.network
        }
        owners = {nic.link: node.name for node in self.spec.nodes for nic in node.nics}
        return {
            "build image": self._build_image,
            "fetch packages": lambda _: self._fetch_packages(),
            "install packages": self._install_packages,
            "make keys": lambda _: self._make_keys(),
            "create namespace": lambda _: self._create_namespace(),
            "block": lambda _: self.routes.block(),
            "unblock": lambda _: self.routes.unblock(),
            "create bridge": lambda name: self.networks.add_bridge(bridges[name]),
            "route network": lambda name: self.networks.add_router(bridges[name]),
            "start proxy": lambda _: proxy.start(self.spec, self.networks, self._runner, self._files),
            "stop proxy": lambda _: proxy.stop(self.spec),
            "prepare node": self._prepare_node,
            "describe lab": lambda _: self._describe(),
            "mount node": lambda name: self.node(name).mount(),
            "start node": lambda name: self.node(name).start(self.accelerator(name)),
            "connect link": lambda link: self._connect(owners[link], *nics[link]),
            "stop node": lambda name: self.node(name).power_off(),
            "freeze node": lambda name: self.node(name).freeze(),
            "thaw node": lambda name: self.node(name).thaw(),
            "remove node": lambda name: self.node(name).remove(),
            "delete namespace": lambda _: self._delete_namespace(),
            "remove folder": lambda _: self._remove_folder(),
        }

    def accelerator(self, name: str) -> str:
        """How nodes of its kind are run here; "" where there is one way only."""
        node = self.node(name)
        return node.backend.accelerator(node, self._progress)

    def _connect(self, name: str, nic: LabNic, bridge: str) -> None:
        """A container makes its links as it starts: when none appears, its console says why."""
        try:
            self.networks.connect(nic, bridge)
        except NetworkFailed as failure:
            raise LabFailed(f"{failure}. {self._last_words(name)}") from failure

    def _last_words(self, name: str) -> str:
        """Where a node's console is kept, and its last lines: a node that is down can often be read nowhere else."""
        console = f"{self.node(name).folder}/console.log"
        return f"Its console, {console}, ends with: {(self._files.read(console) or '').strip()[-600:]}"

    def _build_image(self, backend: str) -> None:
        with locked(self.spec.cache):
            if self._images.base(backend) is None:
                self._build_base(backend)

    def _build_base(self, backend: str) -> str:
        """Build a base tree, and remove from the cache what is too old for any new node and below none that exists."""
        base = self._images.build_base(backend)
        self._images.prune(trees_in_use(os.path.dirname(self.spec.folder)))
        return base

    def _fetch_packages(self) -> None:
        for backend in sorted({node.backend for node in self.spec.nodes}):
            self._over_base(backend, self.spec.packages, self._images.archive, self._images.build_archive)

    def _install_packages(self, layer: str) -> None:
        node = next(node for node in self.spec.nodes if node.layer == layer)
        self._over_base(node.backend, node.installed_packages, self._images.layer, self._images.build_layer)

    def _over_base(self, backend: str, packages: Tuple[str, ...], place: OverBase, build: OverBase) -> None:
        """Build a layer over the newest base tree unless it is there, and a newer tree first where the mirror demands it."""
        with locked(self.spec.cache):
            base = self._images.base(backend) or self._build_base(backend)
            if os.path.isdir(place(base, packages)):
                return
            try:
                build(base, packages)
            except StaleImage:
                self._progress("the mirror has moved on: building the image anew")
                build(self._build_base(backend), packages)

    def _make_keys(self) -> None:
        os.makedirs(f"{self.spec.folder}/cp", mode=0o700, exist_ok=True)
        key = f"{self.spec.folder}/id_ed25519"
        self._runner.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.spec.namespace, "-f", key])

    def _lower(self, node: LabNode) -> Tuple[str, ...]:
        """The read-only layers of a node, uppermost first. What a base tree built meanwhile lacks is built over it too."""
        for _try in range(3):
            base = self._images.base(node.backend)
            if base is None:
                break
            archive, layer = self._images.archive(base, self.spec.packages), self._images.layer(base, node.installed_packages)
            needed = [*([layer] if node.installed_packages else []), *([archive] if self.spec.packages else [])]
            if all(os.path.isdir(path) for path in needed):
                return (*needed, base)
            if node.layer:
                self._install_packages(node.layer)
            if self.spec.packages:
                self._fetch_packages()
        raise LabFailed(f"{node.name}: its base image is gone from {self.spec.cache}. Run playbooks/lab_up.yml again.")

    def _prepare_node(self, name: str) -> None:
        lower = self._lower(self.spec.node(name))
        key = self._files.read(f"{self.spec.folder}/id_ed25519.pub") or ""
        public = self.node(name).prepare(lower, key, self.digests()[name])
        known = f"{self.spec.folder}/known_hosts"
        lines = [line for line in (self._files.read(known) or "").splitlines() if line.split(" ")[0] != name]
        self._files.write(known, "\n".join([*lines, f"{name} {' '.join(public.split()[:2])}"]) + "\n", 0o600)

    def _description(self) -> str:
        return json.dumps(to_data(self.spec), indent=1, sort_keys=True) + "\n"

    def _describe(self) -> None:
        self._files.write(f"{self.spec.folder}/ssh_config", ssh_config(self.spec), 0o600)
        self._files.write(f"{self.spec.folder}/lab.json", self._description(), 0o600)

    def _create_namespace(self) -> None:
        """The routes come after it, whether or not they were there before: the last other lab may have taken them along by now."""
        self.networks.create()
        self.routes.block()

    def _delete_namespace(self) -> None:
        """Connections to the nodes, which outlive the runs that made them, would keep the namespace alive without its name."""
        processes.end(processes.in_network(f"/run/netns/{self.spec.namespace}"))
        self.networks.delete()
        self.routes.unblock()

    def _remove_folder(self) -> None:
        shutil.rmtree(self.spec.folder)
        for parent in (self.spec.directory, os.path.dirname(self.spec.directory)):
            if os.listdir(parent):
                break
            os.rmdir(parent)

    def _wait(self, names: List[str]) -> None:
        """Wait until every node lets us in; say so as each does."""
        began = self._clock.monotonic()
        limits = {name: self.node(name).backend.boot_limit(self.accelerator(name)) for name in names}

        def ended(name: str, result: CommandResult) -> None:
            took = self._clock.monotonic() - began
            if result.rc == 0:
                self._progress(f"{name} answers after {took:.1f} s")
                return
            if self.node(name).running() is None:
                raise LabFailed(f"{name} went down while booting. {self._last_words(name)}")
            if took > limits[name]:
                raise LabFailed(f"{name} did not answer within {limits[name]:g} s. {self._last_words(name)}")

        self._runner.repeat({name: self._ssh(name) for name in names}, ended, pause=0.3)
