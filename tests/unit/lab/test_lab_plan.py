# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's planner, walked through a model of the world and interrupted everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.plan import LabState, NodeState, Step, plan_absent, plan_node, plan_present
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.spec import LabNetwork, LabNic, LabNode, LabSpec

NETWORKS = (
    LabNetwork("main", "br-main", 1500, "198.18.0.254/24"),
    LabNetwork("routed", "br-routed", 1500, None, ("198.19.255.254/32", "fe80::1/64"), ("198.18.7.7",)),
    LabNetwork("storage", "br-storage", 9000),
)


def make_node(name, backend="nspawn", installed=()):
    nics = tuple(LabNic(n.name, f"eth{i}", f"{name}.{i}", "02:00:00:00:00:01", None, None, 1500) for i, n in enumerate(NETWORKS))
    return LabNode(name, backend, 512, 1, 1024, {}, nics, installed_packages=installed)


def make_spec(*nodes, packages=("bind9",)):
    return LabSpec("demo", "/labs", "/cache", "trixie", packages, NETWORKS, tuple(make_node(*node) for node in nodes))


def digests(spec):
    return {node.name: f"digest of {node.name}" for node in spec.nodes}


class World:
    """What each step does to a lab; a step whose ground is missing fails, as the real one would."""

    def __init__(self, spec, state=LabState()):
        self.spec = spec
        self.state = state
        # Nodes that run in a namespace whose name is gone.
        self.lost = set()

    def apply(self, step):
        state, spec, target = self.state, self.spec, step.target
        node = state.nodes.get(target, NodeState())
        if step.action == "build image":
            self.state = replace(state, images=state.images | {target})
        elif step.action == "fetch packages":
            assert state.images
            self.state = replace(state, archive=True)
        elif step.action == "install packages":
            assert target.split(":")[0] in state.images
            self.state = replace(state, layers=state.layers | {target})
        elif step.action == "make keys":
            self.state = replace(state, keys=True, folder=True)
        elif step.action == "create namespace":
            self.lost |= {name for name, node in state.nodes.items() if node.running}
            self.state = replace(state, namespace=True)
            self._block()
        elif step.action == "block":
            assert state.namespace, "who takes the routes away looks for namespaces"
            self._block()
        elif step.action == "unblock":
            assert not (state.namespace or state.others)
            self.state = replace(state, leaks=state.leaks | state.blocked, blocked=frozenset())
        elif step.action == "create bridge":
            assert state.namespace
            self.state = replace(state, bridges=state.bridges | {target})
        elif step.action == "route network":
            assert target in state.bridges
            self.state = replace(state, routers=state.routers | {target})
        elif step.action == "start proxy":
            assert state.bridges and state.routers, "the proxy listens at addresses of both"
            self.state = replace(state, proxy=True, folder=True)
        elif step.action == "prepare node":
            assert target not in state.nodes and state.keys and spec.node(target).backend in state.images
            assert state.archive or not spec.packages
            assert spec.node(target).layer in state.layers | {""}
            self._node(target, NodeState(digests(spec)[target], mounted=True))
        elif step.action == "describe lab":
            self.state = replace(state, described=True, folder=True)
        elif step.action == "mount node":
            self._node(target, replace(node, mounted=True))
        elif step.action == "start node":
            assert node.mounted and not node.running and state.namespace
            self.lost -= {target}
            self._node(target, replace(node, running=True))
        elif step.action == "connect link":
            owner = next(n for n in spec.nodes for nic in n.nics if nic.link == target)
            assert state.nodes[owner.name].running and owner.name not in self.lost
            network = next(nic.network for nic in owner.nics if nic.link == target)
            self.state = replace(state, links={**state.links, target: f"br-{network}"})
        elif step.action == "wait for node":
            assert all(nic.link in state.links for nic in spec.node(target).nics) and node.running
            self._node(target, replace(node, reachable=True))
        elif step.action == "stop node":
            self._node(target, replace(node, running=False, reachable=False))
        elif step.action == "remove node":
            assert not node.running
            self.state = replace(state, nodes={name: value for name, value in state.nodes.items() if name != target})
        elif step.action == "stop proxy":
            self.state = replace(state, proxy=False)
        elif step.action == "delete namespace":
            assert not any(n.running for n in state.nodes.values()) and not state.proxy
            self.state = replace(state, namespace=False, bridges=frozenset(), routers=frozenset(), links={})
        elif step.action == "remove folder":
            assert not state.nodes
            self.state = replace(state, folder=False, keys=False, described=False)
        else:
            raise AssertionError(f"no such step: {step}")

    def _block(self):
        self.state = replace(self.state, leaks=frozenset(), blocked=self.state.blocked | self.state.leaks)

    def _node(self, name, value):
        self.state = replace(self.state, nodes={**self.state.nodes, name: value}, folder=True)

    def present(self):
        return plan_present(self.spec, digests(self.spec), self.state)


states = st.builds(
    LabState,
    images=st.frozensets(st.sampled_from(["nspawn", "qemu"])),
    archive=st.booleans(),
    layers=st.frozensets(st.sampled_from(["nspawn: knot", "qemu: bind9 knot", "qemu: knot"])),
    keys=st.booleans(),
    described=st.booleans(),
    namespace=st.booleans(),
    bridges=st.just(frozenset()),
    proxy=st.booleans(),
    leaks=st.frozensets(st.just("198.18.0.0/15")),
    blocked=st.frozensets(st.just("2001:db8::/32")),
    others=st.booleans(),
    folder=st.just(True),
    nodes=st.dictionaries(
        st.sampled_from(["a", "b", "stray"]),
        st.builds(NodeState, st.sampled_from(["", "digest of a", "digest of b"]), st.just(True), st.booleans(), st.just(False)),
    ),
)
SPEC = make_spec(("a", "nspawn", ("knot",)), ("b", "qemu", ("bind9", "knot")))


@given(states, st.integers(0, 30))
def test_a_lab_interrupted_anywhere_is_finished_by_the_next_run(state, interrupted):
    world = World(SPEC, state)
    for step in world.present()[:interrupted]:
        world.apply(step)
    for step in world.present():
        world.apply(step)
    assert world.present() == []
    assert sorted(world.state.nodes) == ["a", "b"]
    assert all(node.reachable for node in world.state.nodes.values())
    assert not world.state.leaks


@given(states, st.integers(0, 30), st.integers(0, 30))
def test_a_lab_that_is_taken_away_leaves_nothing_from_wherever_it_was(state, built, removed):
    world = World(SPEC, state)
    for step in world.present()[:built]:
        world.apply(step)
    for step in plan_absent(SPEC, world.state)[:removed]:
        world.apply(step)
    for step in plan_absent(SPEC, world.state):
        world.apply(step)
    left = world.state
    assert plan_absent(SPEC, left) == []
    assert not (left.nodes or left.namespace or left.proxy or left.folder or left.links)
    assert left.others or not left.blocked


def test_adding_a_node_touches_no_other():
    world = World(make_spec(("a", "nspawn", ("knot",))))
    for step in world.present():
        world.apply(step)
    world.spec = SPEC
    assert not [step for step in world.present() if step.target.split(".")[0] == "a"]


def test_a_node_whose_description_changed_is_built_anew():
    world = World(SPEC)
    for step in world.present():
        world.apply(step)
    steps = plan_present(SPEC, {**digests(SPEC), "a": "another"}, world.state)
    assert steps[:2] == [Step("stop node", "a"), Step("remove node", "a")]
    assert Step("prepare node", "a") in steps and Step("prepare node", "b") not in steps


def test_an_image_is_built_for_each_backend_in_use_and_for_no_other():
    assert [step.target for step in World(make_spec(("a",))).present() if step.action == "build image"] == ["nspawn"]
    assert [step.target for step in World(SPEC).present() if step.action == "build image"] == ["nspawn", "qemu"]


def test_packages_are_installed_once_for_all_nodes_of_a_backend_that_list_the_same():
    spec = make_spec(("a", "nspawn", ("knot",)), ("b", "nspawn", ("knot",)), ("c", "qemu", ("knot",)), ("d",))
    world = World(spec)
    assert [step.target for step in world.present() if step.action == "install packages"] == ["nspawn: knot", "qemu: knot"]
    world.state = replace(world.state, layers=frozenset({"nspawn: knot"}))
    assert [step.target for step in world.present() if step.action == "install packages"] == ["qemu: knot"]


def test_the_layer_of_a_node_that_is_there_is_not_built_again():
    world = World(SPEC)
    for step in world.present():
        world.apply(step)
    world.state = replace(world.state, layers=frozenset())
    assert world.present() == []


@pytest.mark.parametrize(
    ("state", "running", "frozen", "expected"),
    [
        ("powered_off", True, False, ["stop node a"]),
        ("powered_off", False, False, []),
        ("powered_on", True, False, []),
        ("powered_on", True, True, ["thaw node a"]),
        ("powered_on", False, False, ["start node a", "connect link a.0", "connect link a.1", "connect link a.2", "wait for node a"]),
        ("frozen", True, False, ["freeze node a"]),
        ("frozen", True, True, []),
        ("thawed", True, True, ["thaw node a"]),
        ("thawed", True, False, []),
    ],
)
def test_a_drill_plans_what_the_node_needs_and_no_more(state, running, frozen, expected):
    assert [str(step) for step in plan_node(SPEC.node("a"), state, running, frozen)] == expected


@pytest.mark.parametrize("state", ["frozen", "thawed"])
def test_a_node_without_power_cannot_be_frozen_or_thawed(state):
    with pytest.raises(ValueError, match="node a has no power. Switch it on first"):
        plan_node(SPEC.node("a"), state, running=False, frozen=False)


def test_the_router_of_a_network_is_set_up_again_when_one_of_its_addresses_or_routes_is_missing():
    steps = [str(step) for step in plan_present(SPEC, digests(SPEC), LabState(namespace=True, bridges=frozenset({"br-main", "br-routed", "br-storage"})))]
    assert "route network br-routed" in steps and not [step for step in steps if step.startswith("create bridge")]
    complete = LabState(namespace=True, bridges=frozenset({"br-main", "br-routed", "br-storage"}), routers=frozenset({"br-routed"}))
    assert not [step for step in plan_present(SPEC, digests(SPEC), complete) if step.action == "route network"]
