# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner and the model of the kernel against the real one, in a network namespace of this machine.

Bridges only: the kernels of test machines often have neither bonds nor VLANs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Tuple

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Observed, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback

from .kernel import Kernel
from .namespace import Namespace
from .test_network_plan import MANAGEMENT, layouts, move


def seen(observed: Observed) -> Tuple[object, ...]:
    """What the model claims to know: not what the kernel does by and by (carrier, link-local addresses), nor the cost
    of a port, which follows its speed, and VLANs, which this kernel may not know.
    """
    options = {
        name: [{key: value for key, value in known.items() if key != "cost" and "vlan" not in key} for known in (link.options, link.port_options)]
        for name, link in observed.links.items()
        if not name.startswith("sf-")
    }
    links = {
        name: (link.kind, link.mac, link.master, link.up, link.stp, link.link_local, link.mtu)
        for name, link in observed.links.items()
        if not name.startswith("sf-")
    }
    addresses: Dict[str, List[str]] = {name: [str(one) for one in observed.addresses.get(name, ()) if not one.link_local] for name in links}
    routes = sorted((str(one), one.onlink, one.protocol, one.source, one.attributes) for one in observed.routes)
    return (links, options, addresses, routes, sorted(map(str, observed.rules)))


def left(namespace: Namespace, desired: Desired) -> List[str]:
    """What is still to be done, but for link-local addresses: the kernel gives them to a card by and by."""
    lines = [one.line for one in plan(desired, namespace.observed()).operations]
    return [line for line in lines if not line.startswith("address del fe80:")]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(layouts(tagged=False), layouts(tagged=False), st.booleans(), st.data())
def test_the_real_kernel_goes_where_the_model_goes_and_comes_back_from_everywhere(
    namespace: Namespace, before: Desired, after: Desired, promote: bool, data: st.DataObject
) -> None:
    namespace.clear(promote)
    before = pinned(before, namespace.observed())
    first = Kernel(namespace.observed(), promote)
    first.run(plan(before, first.observed()).operations)
    namespace.batch(plan(before, namespace.observed()).operations)
    assert left(namespace, before) == []
    observed = namespace.observed()
    named = {one.name for one in after.interfaces}
    gone = [Interface(one.name, one.type, absent=True) for one in before.interfaces if one.name not in named]
    after = replace(after, interfaces=(*after.interfaces, *[one for one in gone if one.virtual]))
    after = pinned(after, observed)
    assume(not obstacles(after, observed, MANAGEMENT))
    steps = plan(after, observed)
    done = steps.prepare + steps.switch + steps.cleanup

    stopped = data.draw(st.integers(0, len(done)), label="the change stops")
    model = Kernel(observed, promote, first.fixed)
    namespace.batch(done[:stopped])
    model.run(done[:stopped])
    assert seen(namespace.observed()) == seen(model.observed())
    namespace.batch(rollback(steps), force=True)
    model.force(rollback(steps))
    assert seen(namespace.observed()) == seen(model.observed())
    assert left(namespace, before) == []

    namespace.batch(steps.operations)
    assert left(namespace, after) == []


def test_the_route_of_a_router_that_advertised_itself_comes_back_with_what_is_left_of_its_time(namespace: Namespace) -> None:
    """Else it would stay for ever where the router does not."""
    namespace.clear(False)
    lines = ["address add 2001:db8::10/64 dev eth0 nodad", "route add default via fe80::1 dev eth0 proto ra expires 1800"]
    namespace.run("ip", "-6", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    observed = namespace.observed()
    desired = pinned(Desired((Interface("eth0"), Interface("br0", "bridge", ports=("eth0",)))), observed)
    steps = plan(desired, observed)
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    namespace.batch(rollback(steps), force=True)
    (route,) = [one for one in namespace.observed().routes if one.destination == "::/0"]
    assert (route.interface, route.gateway, route.protocol) == ("eth0", "fe80::1", "ra")
    assert 1790 < route.expires <= 1800


def test_a_rule_that_takes_the_place_of_another_decides_at_once_and_the_old_one_comes_back(namespace: Namespace) -> None:
    namespace.clear(False)
    old = ["rule add priority 100 from 192.0.2.10 table 11", "rule add priority 101 fwmark 5 table 11 protocol static"]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in old))
    before = namespace.observed()
    wanted = (Rule(100, 4, 12, source="192.0.2.10/32"), Rule(101, 4, 12, fwmark=5))
    desired = Desired(rules=wanted)
    assert obstacles(desired, before) == []
    steps = plan(desired, before)
    namespace.batch(steps.prepare + steps.switch)
    assert [rule for rule in namespace.observed().rules if rule.priority in (100, 101)] == list(wanted)
    namespace.batch(rollback(steps), force=True)
    back = [rule for rule in namespace.observed().rules if rule.priority in (100, 101)]
    assert [(str(rule), rule.protocol) for rule in back] == [
        ("priority 100 from 192.0.2.10/32 table 11", ""),
        ("priority 101 fwmark 5 table 11", "static"),
    ]


def test_a_rule_with_more_than_the_inventory_can_say_is_not_taken_for_one_without(namespace: Namespace) -> None:
    namespace.clear(False)
    old = ["rule add priority 100 from 192.0.2.10 tos 0x10 table 12", "rule add priority 101 fwmark 5 ipproto tcp dport 80 table 12 protocol 17"]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in old))
    before = namespace.observed()
    assert {rule.priority: rule.selectors for rule in before.rules if rule.priority in (100, 101)} == {100: ("tos",), 101: ("dport", "ipproto")}
    desired = Desired(rules=(Rule(100, 4, 12, source="192.0.2.10/32"), Rule(101, 4, 12, fwmark=5)))
    assert [line.partition(", and")[2] for line in obstacles(desired, before)] == [
        " a program made it (protocol 17). Give the new rule another priority, or delete that one"
    ]
    namespace.clear(False)
    others = ["rule add priority 100 from 192.0.2.10 goto 32766", "rule add priority 101 fwmark 0/5 table 12"]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in others))
    after = namespace.observed()
    assert {rule.priority: rule.selectors for rule in after.rules if rule.priority in (100, 101)} == {100: ("goto",), 101: ("fwmask",)}
    assert obstacles(desired, after) == [] and len(plan(desired, after).notes) == 2
    absent = Desired(rules=(Rule(100, 4, 12, source="192.0.2.10/32", absent=True),))
    assert plan(absent, before).operations == ()


def test_an_advertised_address_without_an_end_is_still_known_as_such_on_the_bridge(namespace: Namespace) -> None:
    namespace.clear(False)
    lines = ["address add 2001:db8:2::7/64 dev eth0 nodad noprefixroute", "route add 2001:db8:2::/64 dev eth0 proto ra"]
    namespace.run("ip", "-6", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    observed = namespace.observed()
    bridge = Interface("br0", "bridge", ports=("eth0",), ipv6=Family(True, autoconf=True))
    desired = pinned(Desired((Interface("eth0"), bridge)), observed)
    steps = plan(desired, observed)
    namespace.batch(steps.operations)
    after = namespace.observed()
    assert [(str(one), one.valid) for one in after.addresses["br0"] if one.dynamic] == [("2001:db8:2::7/64", 0)]
    assert left(namespace, desired) == []
    namespace.batch(rollback(steps), force=True)
    assert [str(one) for one in namespace.observed().addresses["eth0"] if one.dynamic] == ["2001:db8:2::7/64"]


def test_a_leased_address_moves_to_the_bridge_with_what_is_left_of_its_time(namespace: Namespace) -> None:
    namespace.clear(False)
    lines = ["address add 192.0.2.10/24 dev eth0 valid_lft 3600 preferred_lft 1800"]
    lines += ["route add default via 192.0.2.1 dev eth0 proto dhcp src 192.0.2.10 metric 1024"]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    desired, _unused = move()
    bridge = replace(desired.interfaces[1], ipv4=replace(desired.interfaces[1].ipv4, dhcp=True, addresses=()))
    desired = Desired((desired.interfaces[0], bridge))
    observed = namespace.observed()
    desired = pinned(replace(desired, interfaces=(desired.interfaces[0], replace(bridge, mac=""))), observed)
    assert obstacles(desired, observed, ["192.0.2.10"]) == []
    steps = plan(desired, observed)
    namespace.batch(steps.operations)
    after = namespace.observed()
    assert after.links["br0"].mac == observed.links["eth0"].mac
    (leased,) = [one for one in after.addresses["br0"] if one.family == 4]
    assert leased == Address("192.0.2.10", 24) and leased.dynamic and 3590 < leased.valid <= 3600
    assert [(str(one), one.protocol, one.source) for one in after.routes if one.interface == "br0"] == [
        ("0.0.0.0/0 via 192.0.2.1 dev br0 metric 1024", "dhcp", "192.0.2.10")
    ]
    assert plan(desired, after).operations == ()
    namespace.batch(rollback(steps), force=True)
    back = namespace.observed()
    assert [str(one) for one in back.addresses["eth0"] if not one.link_local] == ["192.0.2.10/24"]
    assert "br0" not in back.links and [one.protocol for one in back.routes if one.interface == "eth0"] == ["dhcp"]
