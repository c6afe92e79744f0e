# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces that end or begin IPv6 with the MTU of what is below them: the kernel gives them none, or settings as of new ones."""

from __future__ import annotations

from dataclasses import replace
from typing import List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.advertisements import IGNORED, NEW, Heeding, heedings
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.draft import link_local
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.change import without_ipv6
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.phases import APPLIED

from .guarded import prepare
from .kernel import Kernel, bare, card, state
from .namespace import Namespace
from .rollback_host import Host

FOUR, SIX = Family(True, addresses=(Address("192.0.2.11", 24),)), Family(True, addresses=(Address("2001:db8::b", 64),))
SMALL = (Interface("eth0", mtu=1279), Interface("br0", "bridge", ports=("eth0",), ipv4=FOUR))


def six(observed: Observed, name: str) -> List[str]:
    """The IPv6 addresses of an interface."""
    return [one.ip for one in observed.addresses[name] if one.family == 6]


@pytest.mark.parametrize("fixed", [False, True], ids=["follows", "somebody has changed its MTU"])
@pytest.mark.parametrize("ipv6", [Family(), SIX], ids=["without IPv6", "with IPv6"])
def test_a_bridge_without_an_mtu_of_its_own_begins_ipv6_with_its_port_whether_it_follows_or_not(namespace: Namespace, ipv6: Family, fixed: bool) -> None:
    """Its link-local address is there once, or not at all; the kernel does not tell whether a bridge follows its ports."""
    namespace.clear(False)
    small = (SMALL[0], replace(SMALL[1], mtu=1279)) if fixed else SMALL
    namespace.batch(plan(pinned(Desired(small), namespace.observed()), namespace.observed()).operations)
    there = namespace.observed()
    assert there.links["br0"].mtu == 1279 and six(there, "br0") == []
    desired = pinned(Desired((Interface("eth0", mtu=1500), replace(SMALL[1], ipv6=ipv6))), there)
    assert obstacles(desired, there) == []
    steps = plan(desired, there)
    for _turn in range(2):
        namespace.batch(steps.operations)
        after = namespace.observed()
        own = link_local(after.links["br0"].mac).ip
        assert (after.links["br0"].mtu, six(after, "br0")) == (1500, ["2001:db8::b", own] if ipv6.enabled else [])
        assert plan(desired, after).operations == ()
        namespace.batch(rollback(steps), force=True)
        back = namespace.observed()
        assert (back.links, back.addresses) == (there.links, there.addresses)


def test_a_new_bridge_has_ipv6_on_a_port_that_was_too_small_for_it(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.batch(plan(pinned(Desired((Interface("eth0", mtu=1279, ipv4=FOUR),)), namespace.observed()), namespace.observed()).operations)
    there = namespace.observed()
    desired = pinned(Desired((Interface("eth0", mtu=1500), replace(SMALL[1], ipv6=SIX))), there)
    steps = plan(desired, there)
    namespace.batch(steps.operations)
    after = namespace.observed()
    assert after.links["br0"].mtu == 1500 and "2001:db8::b" in six(after, "br0")
    assert plan(desired, after).operations == ()
    namespace.batch(rollback(steps), force=True)
    assert (namespace.observed().links, namespace.observed().addresses) == (there.links, there.addresses)


def test_a_bridge_that_ends_ipv6_with_its_port_has_after_a_rollback_what_it_had_of_it(host: Host) -> None:
    """With the old MTU it would have a link-local address that it had not."""
    host.enter([f"address del {ip}/{length} dev eth0" for ip, length in (("192.0.2.10", 24), ("2001:db8::10", 64))])
    host.change(Desired((Interface("eth0"), SMALL[1])))
    host.script("switch.sh")
    for left in host.folder.iterdir():
        left.unlink() if left.is_file() else None
    host.namespace.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/br0/accept_ra")
    before, observed = host.everything(), host.namespace.observed()
    steps = plan(pinned(Desired(SMALL), observed), observed)
    assert without_ipv6(steps, observed) == ["eth0", "br0"]
    host.write(replace(prepare(str(host.folder), steps, (), {}, observed), accept_ra=(("br0", "0"),)))
    host.script("switch.sh")
    assert (host.folder / APPLIED).exists() and host.namespace.observed().links["br0"].mtu == 1279
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before
    assert host.namespace.run("cat", "/proc/sys/net/ipv6/conf/br0/accept_ra") == "0\n"


VLAN = Interface("vlan5", "vlan", base="eth0", vlan_id=5, ipv4=FOUR)


@pytest.mark.parametrize(("now", "card_mtu", "vlan_mtu"), [(1279, None, None), (1279, 1500, 1500), (1279, 1500, None), (1500, 1279, 1279)])
def test_a_new_vlan_without_ipv6_needs_no_setting_of_it_on_what_has_none(now: int, card_mtu: int, vlan_mtu: int) -> None:
    """In the model: the kernels of test machines often know no VLANs. Nothing but IPv6 has a mode of making link-local addresses."""
    nothing = bare("eth0")
    there = replace(nothing, links={**nothing.links, "eth0": replace(card("eth0", 0), mtu=now, link_local=now >= 1280)})
    desired = pinned(Desired((Interface("eth0", mtu=card_mtu), replace(VLAN, mtu=vlan_mtu))), there)
    assert obstacles(desired, there) == []
    kernel = Kernel(there)
    steps = plan(desired, there)
    kernel.run(steps.operations)
    assert six(kernel.observed(), "vlan5") == [] and not kernel.links["vlan5"].link_local
    assert plan(desired, kernel.observed()).operations == ()
    kernel.force(rollback(steps))
    assert state(kernel.observed()) == state(there)


def test_a_port_of_a_bond_has_no_link_local_address_to_delete_when_it_begins_ipv6() -> None:
    """The kernel gives none to what has IFF_SLAVE (addrconf_notify in net/ipv6/addrconf.c)."""
    nothing = bare("eth0")
    first = pinned(Desired((Interface("eth0", mtu=1279), Interface("bond0", "bond", mode="active-backup", ports=("eth0",), mtu=1279, ipv4=FOUR))), nothing)
    kernel = Kernel(nothing)
    kernel.run(plan(first, nothing).operations)
    there = kernel.observed()
    desired = pinned(Desired(tuple(replace(one, mtu=1500) for one in first.interfaces)), there)
    steps = plan(desired, there)
    kernel.run(steps.operations)
    assert {name: (link.mtu, link.link_local) for name, link in kernel.links.items() if name != "lo"} == {"eth0": (1500, False), "bond0": (1500, False)}
    assert plan(desired, kernel.observed()).operations == ()
    kernel.force(rollback(steps))
    assert state(kernel.observed()) == state(there)


def test_the_remedy_for_a_small_bridge_is_an_mtu_of_its_own_where_its_ports_are_not_small() -> None:
    links = {"eth0": replace(card("eth0", 0), master="br0"), "br0": Link("br0", "bridge", "02:00:00:00:00:00", mtu=1279, link_local=False)}
    (said,) = obstacles(Desired((Interface("eth0"), replace(SMALL[1], ipv6=Family(True)))), Observed(links))
    assert said.startswith("interfaces.br0.mtu: 1279 is less than 1280") and said.endswith("Write at least 1280")
    small = {**links, "eth0": replace(links["eth0"], mtu=1279)}
    (said,) = obstacles(Desired((Interface("eth0"), replace(SMALL[1], ipv6=Family(True)))), Observed(small))
    assert said.endswith("Give eth0 an mtu of at least 1280")


def test_a_bridge_that_begins_ipv6_with_its_port_is_told_what_to_do_with_router_advertisements() -> None:
    links = {"eth0": replace(card("eth0", 0), mtu=1279, master="br0"), "br0": Link("br0", "bridge", "02:00:00:00:00:00", mtu=1279, link_local=False)}
    desired = Desired((Interface("eth0", mtu=1500), replace(SMALL[1], ipv6=SIX)))
    assert Heeding("br0", "", IGNORED) in heedings(desired, {NEW: "1"}, False, links)
