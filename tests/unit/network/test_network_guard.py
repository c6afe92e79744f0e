# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guarded change against a model of the node, cut off after every step, once more while it is rolled back."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Link, Observed, Operation, Plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.batches import batches
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import (
    ADOPTING,
    APPLIED,
    CONFIRMED,
    OPEN,
    RECOVER_LINK,
    Step,
    adopt,
    restore,
    switch,
)

from .guarded import prepare
from .guarded_node import BOOT, NEW, OLD, PROGRAMS, SHOWN, Case, bridge_plan, everything, heard, node_of, owned
from .kernel import Kernel, state
from .test_network_plan import changes


@settings(max_examples=150, deadline=None)
@given(changes(), st.sampled_from(PROGRAMS), st.data())
def test_whoever_is_killed_anywhere_leaves_the_old_network_or_the_new_one(case: Case, program: str, data: st.DataObject) -> None:
    node = node_of(case, program)
    steps = everything(node.change)
    node.carry_out(steps, data.draw(st.integers(0, len(steps))))
    confirmed = CONFIRMED in node.marks
    node.carry_out(node.restoring(), data.draw(st.integers(0, 60)))
    node.carry_out(node.restoring())
    assert node.boot_files() == (NEW if confirmed else OLD)
    assert OPEN not in node.disk and RECOVER_LINK not in node.disk and not node.armed and not node.watched
    assert node.volatile == {}
    assert node.program() == owned(program, confirmed)
    if confirmed:
        end = Kernel(case[1], case[2])
        end.run(plan(case[0], case[1]).operations)
        assert state(node.kernel.observed()) == state(end.observed())
        assert all(node.accept_ra[one.interface] == one.after for one in node.change.heedings)
    else:
        assert state(node.kernel.observed()) == state(case[1])
        assert heard(node) == {one.interface: one.before for one in node.change.heedings if one.before}


@settings(max_examples=150, deadline=None)
@given(changes(), st.sampled_from(PROGRAMS), st.data())
def test_a_power_cut_anywhere_boots_the_old_configuration_or_the_confirmed_one(case: Case, program: str, data: st.DataObject) -> None:
    node = node_of(case, program)
    steps = everything(node.change)
    node.carry_out(steps, data.draw(st.integers(0, len(steps))))
    if data.draw(st.booleans()):
        node.carry_out(node.restoring(), data.draw(st.integers(0, 60)))
    confirmed = CONFIRMED in node.marks
    node.carry_out(node.boots(), data.draw(st.integers(0, 20)))
    node.carry_out(node.boots())
    assert node.boot_files() == (NEW if confirmed else OLD)


@settings(max_examples=30, deadline=None)
@given(changes(), st.sampled_from(PROGRAMS))
def test_a_confirmed_change_leaves_nothing_behind(case: Case, program: str) -> None:
    node = node_of(case, program)
    node.carry_out(everything(node.change))
    assert node.boot_files() == NEW
    assert node.volatile == {} and not node.armed and not node.watched
    assert node.marks == {APPLIED, ADOPTING, CONFIRMED}
    assert node.program() == owned(program, True)
    assert plan(case[0], node.kernel.observed()).operations == ()


def test_networkd_makes_the_bridge_itself_and_only_that_line_is_left_to_it() -> None:
    change = prepare("/x", bridge_plan(), BOOT, SHOWN, Observed())
    assert change.made == ("br0",)
    assert batches(change)["prepare"] == "link set dev br0 up\n"
    kinds = [step.kind for step in switch(change)]
    assert kinds[:6] == ["remember", "put", "save-foreign", "reload", "link", "restore-foreign"]
    assert "link delete dev br0" in batches(change)["undo"]
    assert prepare("/x", bridge_plan(), BOOT, {}, Observed()).made == ()


def test_networkd_knows_the_file_of_a_vlan_before_the_vlan_is_made_and_does_not_make_it() -> None:
    """It makes one when it configures the interface below, and fails where the VLAN is there and it has not seen it come."""
    add = Operation("add_link", "eth0.5", tuple("link add link eth0 name eth0.5 type vlan id 5".split()))
    shown = {"/etc/systemd/network/eth0.5.netdev": "[NetDev]\nName=eth0.5\nKind=vlan\n\n[VLAN]\nId=5\n"}
    change = prepare("/x", Plan(prepare=(add,)), (), shown, Observed())
    assert change.made == ()
    assert batches(change)["prepare"] == f"{add.line}\n"
    assert [step.kind for step in switch(change)][:6] == ["remember", "put", "save-foreign", "reload", "restore-foreign", "batch"]


def test_the_kernel_announces_a_moved_address_and_its_route_again_for_networkd() -> None:
    there, local = "address add 192.0.2.1/24 broadcast + dev br0", "address add fe80::1/64 scope link dev br0 nodad"
    six = "address add 2001:db8::1/64 dev br0 nodad"
    passing = ("address add 192.0.2.9/32 dev br0", "address del 192.0.2.9/32 dev br0")
    moved = [Operation("", "br0", tuple(words.split())) for words in (there, local, *passing, six)]
    change = prepare("/x", Plan(switch=tuple(moved)), (), SHOWN, Observed())
    assert batches(change)["remind-switch"].splitlines() == [
        "address change 192.0.2.1/24 dev br0 metric 1",
        "address change 192.0.2.1/24 dev br0 metric 0",
        "address change fe80::1/64 scope link dev br0 nodad",
        "address change 2001:db8::1/64 dev br0 nodad metric 1",
        "address change 2001:db8::1/64 dev br0 nodad metric 256",
    ]
    for steps, after in ((switch(change), "batch"), (adopt(change), "reload")):
        kinds = [step.kind for step in steps]
        assert kinds[kinds.index("remind") - 1] == after
    assert "remind-switch" not in batches(prepare("/x", Plan(switch=tuple(moved)), (), {}, Observed()))


def test_an_interface_that_somebody_has_deleted_is_left_to_networkd_first_and_else_made_at_once() -> None:
    """systemd-networkd takes over no bridge that it did not make."""
    observed = Observed(links={"br0": Link("br0", "bridge", mac="02:00:00:00:00:01"), "eth1": Link("eth1", master="br0")})
    moved = Plan(switch=(Operation("set_link", "br0", tuple("link set dev br0 mtu 1400".split())),))
    for shown in (SHOWN, {}):
        change = replace(prepare("/x", moved, BOOT, shown, observed), accept_ra=(("br0", "0"),))
        assert batches(change)["remake-0"] == (
            "link add name br0 address 02:00:00:00:00:01 type bridge\nlink set dev br0 addrgenmode none\nlink set dev eth1 master br0\n"
        )
        kinds = [step.kind for step in restore(change, True)]
        before = ["pause", "link"] if shown else ["meanwhile"]
        assert kinds[kinds.index("remake") - len(before) : kinds.index("remake")] == before and kinds.count("remake") == 1
        assert Step("heed", "br0", "0") in restore(change, True)[kinds.index("remake") :]
