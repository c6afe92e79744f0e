# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel changes with the MTU of an interface: IPv6 routes with an MTU of their own, bridges that follow their ports, VLANs."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback

from .kernel import Kernel, card
from .namespace import Namespace

FOUR, SIX = Family(True, addresses=(Address("192.0.2.11", 24),)), Family(True, addresses=(Address("2001:db8::b", 64),))


def attributes(observed: Observed) -> List[Tuple[str, str, Tuple[Tuple[str, int], ...]]]:
    return sorted((str(route), route.protocol, route.attributes) for route in observed.routes)


@pytest.mark.parametrize("own", [1300, 1400, 1500, 9000])
@pytest.mark.parametrize(("before", "after"), [(1400, 1500), (1500, 1400), (1500, 9000)])
def test_routes_keep_their_mtu_when_that_of_their_interface_changes(namespace: Namespace, before: int, after: int, own: int) -> None:
    """Those of the inventory, those of programs, and several in one place."""
    namespace.clear(False)
    mtu = (("mtu", own), ("initcwnd", 20))
    routes = (
        Route("198.51.100.0/24", "eth0", "192.0.2.1", attributes=mtu),
        Route("2001:db8:a::/64", "eth0", "2001:db8::1", metric=1024, attributes=mtu),
    )
    first = Desired((Interface("eth0", mtu=before, ipv4=FOUR, ipv6=SIX), Interface("eth1", ipv6=Family(True))), routes)
    namespace.batch(plan(pinned(first, namespace.observed()), namespace.observed()).operations)
    lines = [f"route add 2001:db8:b::/64 via 2001:db8::2 dev eth0 proto 17 mtu {own}"]
    lines += [f"route append 2001:db8:c::/64 dev {name} proto 17 mtu {own}" for name in ("eth1", "eth0")]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    there = namespace.observed()
    desired = pinned(Desired((replace(first.interfaces[0], mtu=after), first.interfaces[1]), routes), there)
    steps = plan(desired, there)
    namespace.batch(steps.operations)
    assert attributes(namespace.observed()) == attributes(there)
    assert plan(desired, namespace.observed()).operations == ()
    namespace.batch(rollback(steps), force=True)
    assert attributes(namespace.observed()) == attributes(there)
    assert namespace.observed().links["eth0"].mtu == before
    assert [one.interface for one in namespace.observed().routes if one.destination == "2001:db8:c::/64"] == ["eth1", "eth0"]


@pytest.mark.parametrize(("port", "bridge"), [(1400, 1500), (9000, 1500), (1500, 1400), (9000, None), (1400, None)])
def test_a_new_bridge_has_the_mtu_of_the_inventory_and_so_have_its_routes(namespace: Namespace, port: int, bridge: Optional[int]) -> None:
    """The kernel takes a request for the MTU that a bridge has anyway for none, and goes on following the ports."""
    namespace.clear(False)
    there = namespace.observed()
    interfaces = (Interface("eth0", mtu=port), Interface("br0", "bridge", ports=("eth0",), mtu=bridge, ipv6=SIX))
    routes = tuple(Route(f"2001:db8:{own}::/64", "br0", "2001:db8::1", metric=1024, attributes=(("mtu", own),)) for own in (1300, 1400, 1500, 9000))
    desired = pinned(Desired(interfaces, routes), there)
    steps = plan(desired, there)
    namespace.batch(steps.operations)
    after = namespace.observed()
    assert after.links["br0"].mtu == (bridge or port)
    assert [route.attributes for route in sorted(after.routes, key=str)] == [route.attributes for route in sorted(routes, key=str)]
    assert plan(desired, after).operations == ()
    namespace.batch(rollback(steps), force=True)
    assert "br0" not in namespace.observed().links and namespace.observed().links["eth0"].mtu == 1500


def test_a_bridge_that_follows_its_port_does_not_where_it_has_an_mtu_of_its_own(namespace: Namespace) -> None:
    namespace.clear(False)
    bridge = Interface("br0", "bridge", ports=("eth0",), ipv6=SIX)
    route = Route("2001:db8:a::/64", "br0", "2001:db8::1", metric=1024, attributes=(("mtu", 1500),))
    first = pinned(Desired((Interface("eth0"), bridge), (route,)), namespace.observed())
    namespace.batch(plan(first, namespace.observed()).operations)
    there = namespace.observed()
    for mtu in (None, 1500):
        desired = pinned(Desired((Interface("eth0", mtu=1400), replace(bridge, mtu=mtu)), (route,)), there)
        steps = plan(desired, there)
        namespace.batch(steps.operations)
        after = namespace.observed()
        assert (after.links["br0"].mtu, attributes(after)) == (mtu or 1400, attributes(there))
        assert plan(desired, after).operations == ()
        namespace.batch(rollback(steps), force=True)
        back = namespace.observed()
        assert (back.links["br0"].mtu, back.links["eth0"].mtu, attributes(back)) == (1500, 1500, attributes(there))


def test_a_vlan_on_a_bridge_that_follows_its_port_gets_its_mtu_back_in_a_rollback() -> None:
    """In the model: the kernels of test machines often know no VLANs."""
    links = {
        "eth0": replace(card("eth0", 0), master="br0"),
        "br0": Link("br0", "bridge", "02:00:00:00:00:00"),
        "vlan5": Link("vlan5", "vlan", "02:00:00:00:00:00", lower="br0", vlan_id=5),
    }
    route = Route("2001:db8:a::/64", "vlan5", metric=1024, protocol="17", attributes=(("mtu", 1500),))
    there = Observed(links, {"vlan5": (Address("2001:db8:5::1", 64),)}, (route,))
    desired = pinned(Desired((Interface("eth0", mtu=1400), Interface("br0", "bridge", ports=("eth0",)))), there)
    steps = plan(desired, there)
    kernel = Kernel(there)
    kernel.run(steps.operations)
    assert [kernel.links[name].mtu for name in links] == [1400] * 3
    assert kernel.routes[0].attributes == route.attributes
    kernel.force(rollback(steps))
    assert [kernel.links[name].mtu for name in links] == [1500] * 3
    assert kernel.routes[0].attributes == route.attributes


def test_an_mtu_below_that_of_ipv6_ends_it_on_an_interface_and_a_rollback_restores_it(namespace: Namespace) -> None:
    """A larger MTU alone does not, and by then the settings of the interface are those of new ones."""
    namespace.clear(False)
    route = Route("2001:db8:a::/64", "eth0", "2001:db8::1", metric=1024)
    first = pinned(Desired((Interface("eth0", ipv4=FOUR, ipv6=SIX),), (route,)), namespace.observed())
    namespace.batch(plan(first, namespace.observed()).operations)
    there = namespace.observed()
    six = [one for one in there.addresses["eth0"] if one.family == 6]
    assert {one.ip for one in six} >= {"2001:db8::b"} and route in there.routes
    for mtu in (1279, 1500):
        namespace.run("ip", "link", "set", "dev", "eth0", "mtu", str(mtu))
        after = namespace.observed()
        assert not [one for one in after.addresses["eth0"] if one.family == 6 and not one.link_local] and route not in after.routes
        assert [one.ip for one in after.addresses["eth0"] if one.family == 4] == ["192.0.2.11"]
    for mtu in (1279, 1280):
        namespace.clear(False)
        namespace.batch(plan(first, namespace.observed()).operations)
        there = namespace.observed()
        small = pinned(Desired((Interface("eth0", mtu=mtu, ipv4=FOUR, ipv6=SIX if mtu == 1280 else Family()),), (route,) if mtu == 1280 else ()), there)
        assert obstacles(small, there) == []
        steps = plan(small, there)
        namespace.batch(steps.operations)
        after = namespace.observed()
        assert after.links["eth0"].mtu == mtu and (route in after.routes) == (mtu == 1280)
        assert plan(small, after).operations == ()
        namespace.batch(rollback(steps), force=True)
        back = namespace.observed()
        assert (back.links["eth0"], set(back.addresses["eth0"]), back.routes) == (there.links["eth0"], set(there.addresses["eth0"]), there.routes)


def test_an_mtu_that_ends_ipv6_is_set_when_its_settings_are_and_one_that_begins_it_makes_no_address_that_nobody_asked_for(namespace: Namespace) -> None:
    namespace.clear(False)
    for interfaces in (
        (Interface("eth0", mtu=1279, ipv4=FOUR),),
        (Interface("eth0", mtu=1500, ipv4=FOUR),),
        (Interface("eth0", mtu=1279, ipv4=FOUR),),
        (Interface("eth0", mtu=1500, ipv4=FOUR, ipv6=SIX),),
        (Interface("eth0", mtu=1279), Interface("br0", "bridge", ports=("eth0",), mtu=1279, ipv4=FOUR)),
        (Interface("eth0", mtu=1500), Interface("br0", "bridge", ports=("eth0",), mtu=1500, ipv4=FOUR, ipv6=SIX)),
    ):
        there = namespace.observed()
        desired = pinned(Desired(interfaces), there)
        assert obstacles(desired, there) == []
        steps = plan(desired, there)
        for turn in range(2):
            namespace.batch(steps.operations)
            after = namespace.observed()
            six = {one.ip for one in after.addresses.get(interfaces[-1].name, ()) if one.family == 6 and not one.link_local}
            assert six == ({"2001:db8::b"} if interfaces[-1].ipv6.enabled else set())
            assert interfaces[-1].ipv6.enabled or not [one for one in after.addresses[interfaces[-1].name] if one.family == 6]
            assert [one.line for one in plan(desired, after).operations] == []
            if turn == 0:
                namespace.batch(rollback(steps), force=True)
                back = namespace.observed()
                assert [one for name, one in back.links.items() if one != there.links[name]] == []
                assert {name: set(of) for name, of in back.addresses.items() if of} == {name: set(of) for name, of in there.addresses.items() if of}
