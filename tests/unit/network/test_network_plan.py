# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner against a model of the kernel, interrupted after every operation."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Tuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import (
    REJECTING,
    Address,
    Desired,
    Family,
    Hop,
    Interface,
    Link,
    Observed,
    Route,
    Rule,
    Vlan,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.links import CARRIER
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.hops import route_key, with_hops
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.interfaces import MTU_IPV6

from .kernel import Kernel, bare, state
from .namespace import CARDS, UNMANAGED

HOME4, HOME6 = Address("192.0.2.10", 24), Address("2001:db8::10", 64)
MANAGEMENT = (HOME4.ip, HOME6.ip)
GATEWAYS = (Route("0.0.0.0/0", "", "192.0.2.1"), Route("::/0", "", "2001:db8::1", metric=1024))
OTHERS = [
    Address("192.0.2.11", 24),
    Address("192.0.2.12", 24),
    Address("198.51.100.7", 25),
    Address("2001:db8::11", 64),
    Address("192.0.2.13", 32, peer="192.0.2.99"),
    Address("192.0.2.14", 32, peer="192.0.2.99"),
    Address("192.0.2.11", 32),
    Address("198.51.100.8", 28, peer="203.0.113.33"),
    Address("2001:db8:3::1", 128, peer="2001:db8:3::2"),
]


def families(addresses: List[Address], six: bool) -> Dict[str, Family]:
    four = tuple(one for one in addresses if one.family == 4)
    wide = tuple(one for one in addresses if one.family == 6)
    return {"ipv4": Family(bool(four), addresses=four), "ipv6": Family(six or bool(wide), addresses=wide)}


@st.composite
def layouts(draw: st.DrawFn, tagged: bool = True, small: bool = True) -> Desired:
    """A network that is in order. The management addresses are on eth0 or what it is a port of. ``small``: it may be one without
    IPv6, and have an MTU below that of IPv6.
    """
    six = not small or draw(st.sampled_from([True, True, False]))
    rest = draw(st.lists(st.sampled_from(CARDS[1:]), unique=True, max_size=2))
    found: List[Interface] = []
    home = "eth0"
    kinds = ["none", "bridge", "bond", "both"] if tagged else ["none", "bridge"]
    kind = draw(st.sampled_from(kinds))
    if kind in ("bond", "both"):
        found.append(
            Interface(
                "bond0",
                "bond",
                ports=("eth0", *rest),
                mode="active-backup",
                options={"miimon": "100", "primary": "eth0"},
            )
        )
        home = "bond0"
        ports = {"eth0", *rest}
    else:
        ports = set()
    if kind in ("bridge", "both"):
        bridge = draw(st.sampled_from(["br0", "br1"]))
        extra = draw(st.booleans()) and kind == "bridge"
        members = (home, *(rest if extra else ()))
        found.append(replace(draw(st.sampled_from(BRIDGES)), name=bridge, ports=members, stp=draw(st.sampled_from([None, False, True]))))
        if tagged and draw(st.booleans()):
            found[-1] = replace(found[-1], **draw(filtering(bridge, members)))
        ports |= {home, *(rest if extra else ())}
        home = bridge
    mtu = draw(st.sampled_from([None, 1400, 1500, 9000] if six else [None, 1279, 576, 1500]))
    more = draw(st.lists(st.sampled_from(OTHERS), unique=True, max_size=3))
    wanted = draw(st.permutations([one for one in (HOME4, HOME6, *more) if six or one.family == 4]))
    names = [*dict.fromkeys([*ports, home, "eth0", *rest])]
    for name in names:
        mine = families(list(wanted), six) if name == home else families([], draw(st.booleans()) and six and name not in ports)
        made = next((one for one in found if one.name == name), Interface(name))
        if made in found:
            found.remove(made)
        size = mtu if kind in ("bond", "both") else draw(st.sampled_from([mtu, mtu, None, 1500]))
        if small and name not in (home, *ports) and not mine["ipv6"].enabled and draw(st.booleans()):
            size = 1279
        found.append(replace(made, mtu=size, **mine))
    if tagged and draw(st.booleans()):
        found.append(Interface("vlan5", "vlan", base=home, vlan_id=5, **families([Address("203.0.113.5", 24)], False)))
    sizes = {one.name: one.mtu or 1500 for one in found}
    found = [replace(one, mtu=None) if one.mtu and min([MTU_IPV6, *(sizes[port] for port in one.ports)]) < min(MTU_IPV6, one.mtu) else one for one in found]
    routes = [replace(route, interface=home) for route in GATEWAYS]
    if draw(st.booleans()):
        routes.append(Route("203.0.113.128/25", home, "192.0.2.99", metric=draw(st.sampled_from([0, 50]))))
    for route in draw(st.lists(st.sampled_from(SPECIAL), unique_by=route_key)):
        named = replace(route, interface=home) if route.type == "unicast" else route
        source = route.source if route.source in [one.ip for one in wanted] else ""
        hops = [replace(hop, interface=home) for hop in route.hops]
        routes.append(with_hops(replace(named, source=source, hops=()), hops))
    for gateway, beyond in draw(st.lists(st.sampled_from(BEYOND), unique=True)):
        routes = [replace(gateway, interface=home), *routes, replace(beyond, interface=home)]
    rules = draw(st.lists(st.sampled_from(RULES), unique_by=lambda rule: rule.place))
    return Desired(tuple(draw(st.permutations(found))), tuple(one for one in routes if six or one.family == 4), tuple(rules))


SPECIAL = [
    Route("203.0.113.192/27", "", "192.0.2.99", source="192.0.2.12"),
    Route("203.0.113.192/27", "", "192.0.2.99", attributes=(("mtu", 1400), ("initcwnd", 20))),
    Route("203.0.113.192/27", "", hops=(Hop("", "192.0.2.98"), Hop("", "192.0.2.99", 3))),
    Route("203.0.113.192/27", "", hops=(Hop("", "192.0.2.98"), Hop("", "192.0.2.97"))),
    Route("203.0.113.192/27", "", type="blackhole"),
    Route("203.0.113.192/27", "", type="prohibit"),
    Route("2001:db8:b::/64", "", "2001:db8::9", metric=1024, attributes=(("mtu", 1400),)),
    Route("2001:db8:b::/64", "", "2001:db8::9", metric=1024, attributes=(("mtu", 1500),)),
    Route("2001:db8:b::/64", "", metric=1024, attributes=(("mtu", 9000),), hops=(Hop("", "2001:db8::9"), Hop("", "2001:db8::8"))),
    Route("2001:db8:b::/64", "", metric=1024, hops=(Hop("", "2001:db8::9"), Hop("", "2001:db8::8", 2))),
    Route("2001:db8:b::/64", "", metric=1024, type="unreachable"),
]
"""Routes with more than a gateway, several of them in one place."""
BRIDGES = [
    Interface("", "bridge"),
    Interface("", "bridge", options={"ageing_time": "6000", "mcast_snooping": "0"}, port_options={"eth0": {"hairpin": "on"}}),
    Interface("", "bridge", options={"mcast_snooping": "1", "max_age": "1200"}, port_options={"eth0": {"hairpin": "off", "priority": "7"}}),
]
VLANS = [(), (Vlan(10, 10, True, True),), (Vlan(1, 1, True, True), Vlan(20, 29)), (Vlan(5, 5), Vlan(9, 9, True, True), Vlan(30, 40))]


@st.composite
def filtering(draw: st.DrawFn, name: str, ports: Tuple[str, ...]) -> Dict[str, object]:
    """VLANs of some ports, and of the bridge itself, so that its addresses and its VLAN interface are reached."""
    vlans = {port: draw(st.sampled_from(VLANS)) for port in ports if draw(st.booleans())}
    default = draw(st.sampled_from([{}, {}, {"vlan_default_pvid": "1"}, {"vlan_default_pvid": "4"}]))
    return {"vlans": {**vlans, name: VLANS[3]}, "options": {"vlan_filtering": "1", **default}}


BEYOND = [
    (Route("198.51.100.250/32", ""), Route("198.51.100.0/26", "", "198.51.100.250")),
    (Route("2001:db8:9::1/128", "", metric=1024), Route("2001:db8:a::/64", "", "2001:db8:9::1", metric=1024)),
]
"""Networks behind a gateway that only a route to the link reaches."""
RULES = [
    Rule(100, 4, 77, source="198.51.100.0/24"),
    Rule(100, 6, 77, source="2001:db8:7::/64"),
    Rule(101, 4, 78, fwmark=5),
    Rule(100, 4, 79, source="198.51.100.0/24"),
    Rule(101, 4, 78, fwmark=6, iif="eth0"),
    Rule(100, 4, 77, source="198.51.100.0/24", invert=True),
    Rule(100, 4, 0, source="198.51.100.0/24", action="blackhole"),
    Rule(101, 4, 254, suppress=0),
    Rule(101, 4, 78, fwmark=5, fwmask=15, oif="eth0"),
    Rule(100, 6, 0, destination="2001:db8:7::/64", oif="eth0", action="prohibit"),
]


@st.composite
def changes(draw: st.DrawFn, tagged: bool = True, small: bool = True) -> Tuple[Desired, Observed, bool]:
    """A host in one order, which shall be in another; what the second does not name is absent or nobody's business."""
    promote = draw(st.booleans())
    nothing = bare(*CARDS, UNMANAGED)
    kernel = Kernel(replace(nothing, addresses={**nothing.addresses, UNMANAGED: (Address("203.0.113.9", 24),)}), promote)
    kernel.routes.append(Route("203.0.113.64/26", UNMANAGED, "203.0.113.1"))
    before = pinned(draw(layouts(tagged, small)), kernel.observed())
    kernel.run(plan(before, kernel.observed()).operations)
    for name in [one.name for one in before.interfaces if one.ipv6.enabled]:
        if draw(st.booleans()):
            kernel.addresses[name].append(Address("fe80::1", 64, link_local=True))
    if draw(st.booleans()):
        home = next(one.name for one in before.interfaces if HOME4 in one.addresses)
        kernel.routes.append(Route("198.51.100.128/25", home, "192.0.2.77", protocol="80", source=HOME4.ip))
    after = draw(layouts(tagged, small))
    named = {one.name for one in after.interfaces}
    gone = [Interface(one.name, one.type, absent=True) for one in before.interfaces if one.name not in named]
    after = replace(after, interfaces=(*after.interfaces, *[one for one in gone if one.virtual]))
    observed = kernel.observed()
    after = pinned(after, observed)
    assume(not obstacles(after, observed, MANAGEMENT))
    return after, observed, promote


def names(desired: Desired) -> Dict[str, Interface]:
    return {one.name: one for one in desired.interfaces}


@settings(max_examples=120, deadline=None)
@given(changes())
def test_the_plan_gives_what_is_wanted_and_is_then_empty(case: Tuple[Desired, Observed, bool]) -> None:
    desired, observed, promote = case
    kernel = Kernel(observed, promote)
    kernel.run(plan(desired, observed).operations)
    for interface in desired.interfaces:
        if interface.absent:
            assert interface.name not in kernel.links
            continue
        link = kernel.links[interface.name]
        assert link.up and link.stp == bool(interface.stp) and link.mac == (interface.mac or link.mac)
        assert {key: link.options[key] for key in interface.options} == interface.options
        for port, options in interface.port_options.items():
            assert {key: kernel.links[port].port_options[key] for key in options} == options
        for port, vlans in interface.vlans.items():
            assert kernel.vlans[port] == vlans
        assert link.mtu == (interface.mtu or link.mtu)
        wide = [one for one in kernel.addresses[interface.name] if not one.link_local]
        assert set(wide) == set(interface.addresses)
        assert interface.ipv6.enabled or not [one for one in kernel.addresses[interface.name] if one.family == 6]
        assert {port for port in kernel.links if kernel.links[port].master == interface.name} == set(interface.ports)
    assert set(desired.routes) <= set(kernel.routes)
    for route in desired.routes:
        (there,) = [one for one in kernel.routes if one == route]
        assert (there.source, there.attributes) == (route.source, route.attributes)
    assert set(desired.rules) <= set(kernel.rules)
    places = [rule.place for rule in desired.rules]
    assert [rule for rule in kernel.rules if rule.place in places and rule not in desired.rules] == []
    assert not [name for name in kernel.links if CARRIER.fullmatch(name)]
    assert plan(desired, kernel.observed()).operations == ()


@settings(max_examples=50, deadline=None)
@given(changes(), st.data())
def test_a_rollback_gives_back_what_was_there_wherever_the_change_stopped(case: Tuple[Desired, Observed, bool], data: st.DataObject) -> None:
    desired, observed, promote = case
    steps = plan(desired, observed)
    done = steps.prepare + steps.switch + steps.cleanup
    for count in range(len(done) + 1):
        kernel = Kernel(observed, promote)
        kernel.run(done[:count])
        back = rollback(steps)
        kernel.force(back)
        assert state(kernel.observed()) == state(observed), f"stopped after {count} of {len(done)}"
        stopped = data.draw(st.integers(0, len(back)), label="the rollback itself stops") if back else 0
        kernel = Kernel(observed, promote)
        kernel.run(done[:count])
        kernel.force(back[:stopped])
        kernel.force(back)
        assert state(kernel.observed()) == state(observed), f"stopped after {count} and again after {stopped}"


@settings(max_examples=60, deadline=None)
@given(changes())
def test_the_plan_touches_nothing_that_it_was_not_asked_to(case: Tuple[Desired, Observed, bool]) -> None:
    desired, observed, promote = case
    steps = plan(desired, observed)
    mine = names(desired)
    for operation in [*steps.operations, *rollback(steps)]:
        nowhere = operation.words[0] == "rule" or operation.words[2] in REJECTING
        assert operation.link in mine or CARRIER.fullmatch(operation.link) or nowhere
    kernel = Kernel(observed, promote)
    for operation in steps.operations:
        kernel.step(operation)
        assert kernel.links[UNMANAGED] == observed.links[UNMANAGED]
        assert tuple(kernel.addresses[UNMANAGED]) == observed.addresses[UNMANAGED]
        assert [one for one in kernel.routes if one.interface == UNMANAGED] == [one for one in observed.routes if one.interface == UNMANAGED]


def reaches(kernel: Kernel, address: Address) -> bool:
    """Whether a packet that comes in by eth0 finds the address, and the answer finds its way out by eth0.

    The kernel answers for its addresses on every interface; a port hands what comes in to its bridge, and what is
    sent through the port itself goes out all the same.
    """
    way = ["eth0"]
    while kernel.links[way[-1]].master:
        way.append(kernel.links[way[-1]].master)
    if not all(kernel.links[name].up for name in way):
        return False
    if not any(address.ip == one.ip for name in kernel.links if kernel.links[name].up for one in kernel.addresses[name]):
        return False
    default = "0.0.0.0/0" if address.family == 4 else "::/0"
    routes = [one for one in kernel.routes if one.destination == default]
    return bool(routes) and min(routes, key=lambda one: one.metric).interface in way


@settings(max_examples=120, deadline=None)
@given(changes(tagged=False, small=False))
def test_the_host_answers_at_its_addresses_after_every_single_operation_and_while_it_goes_back(
    case: Tuple[Desired, Observed, bool],
) -> None:
    desired, observed, promote = case
    bridges = {observed.links["eth0"].master, *(one.name for one in desired.interfaces if "eth0" in one.ports)}
    assume(len(bridges - {""}) < 2)  # from one bridge to another, it is out of reach until the end of the batch
    kernel = Kernel(observed, promote)
    steps = plan(desired, observed)
    for operation in steps.prepare + steps.switch + steps.cleanup:
        assert reaches(kernel, HOME4) and reaches(kernel, HOME6)
        kernel.step(operation)
    for operation in rollback(steps):
        assert reaches(kernel, HOME4) and reaches(kernel, HOME6), f"before {operation}"
        kernel.force([operation])
    assert reaches(kernel, HOME4) and reaches(kernel, HOME6)


def move() -> Tuple[Desired, Observed]:
    """The change this is all about: the address of a card goes to a new bridge over it."""
    kernel = Kernel(bare("eth0"))
    kernel.addresses["eth0"] = [HOME4, HOME6, Address("fe80::ff:fe00:0", 64, link_local=True)]
    kernel.routes = [replace(route, interface="eth0") for route in GATEWAYS]
    wanted = Interface("br0", "bridge", ports=("eth0",), **families([HOME4, HOME6], True))
    routes = tuple(replace(route, interface="br0") for route in GATEWAYS)
    observed = kernel.observed()
    return pinned(Desired((Interface("eth0"), wanted), routes), observed), observed


def test_moving_an_address_to_a_bridge_reads_as_the_recipe_says() -> None:
    steps = plan(*move())
    assert steps.carriers == ("br0",)
    assert [str(one) for one in steps.prepare] == [
        "ip link add name br0 address 02:00:00:00:00:00 type bridge stp_state 0",
        "ip link set dev br0 up",
        "ip link add name sf-up0 mtu 1500 type veth peer name sf-dn0 mtu 1500",
        "ip link set dev sf-up0 addrgenmode none",
        "ip link set dev sf-dn0 addrgenmode none",
        "ip link set dev sf-up0 master br0",
        "ip link set dev sf-up0 up",
        "ip link set dev sf-dn0 up",
    ]
    assert [str(one) for one in steps.switch] == [
        "ip address add 192.0.2.10/24 broadcast + dev br0",
        "ip address add 2001:db8::10/64 dev br0 nodad",
        "ip link set dev eth0 master br0",
        "ip route replace 0.0.0.0/0 via 192.0.2.1 dev br0 proto static",
        "ip route replace ::/0 via 2001:db8::1 dev br0 metric 1024 proto static",
        "ip address del fe80::ff:fe00:0/64 dev eth0",
        "ip address del 2001:db8::10/64 dev eth0",
        "ip address del 192.0.2.10/24 dev eth0",
    ]
    assert [str(one) for one in steps.cleanup] == [
        "ip link delete dev sf-up0",
        "ip link set dev eth0 addrgenmode none",
    ]
    assert steps.retire == ()


def test_a_card_that_joins_a_bond_has_no_address_left_when_it_goes_down():
    """systemd-networkd takes away what is on a card without carrier, and a request to take it away then fails."""
    bond = Interface("bond0", "bond", mode="active-backup", ports=("eth0",), ipv4=Family(True, addresses=(Address("192.0.2.11", 24),)))
    card = Link("eth0", mac="02:00:00:00:00:01")
    observed = Observed({"eth0": card}, {"eth0": (Address("192.0.2.11", 24), Address("2001:db8::11", 64))})
    desired = Desired((bond, Interface("eth0")))
    lines = [one.line for one in plan(pinned(desired, observed), observed).switch]
    down = lines.index("link set dev eth0 down")
    removals = [index for index, line in enumerate(lines) if line.startswith("address del") and line.endswith("dev eth0")]
    assert len(removals) == 2 and max(removals) < down
    assert lines.index("address add 192.0.2.11/24 broadcast + dev bond0") < min(removals)


def test_a_bridge_without_ports_has_no_mac_pinned_before_it_exists_nor_afterwards():
    """Its files would be others in the second run."""
    desired = Desired((Interface("br9", "bridge"),))
    there = Observed({"br9": Link("br9", "bridge", mac="02:00:00:00:00:09")})
    assert pinned(desired, Observed()) == desired == pinned(desired, there)


def test_a_route_that_is_sent_from_a_new_address_in_the_network_of_one_that_goes_finds_it() -> None:
    kernel = Kernel(bare("eth0"))
    kernel.addresses["eth0"] = [Address("192.0.2.11", 24), HOME4]
    new = Address("192.0.2.12", 24)
    route = Route("203.0.113.192/27", "eth0", "192.0.2.99", source=new.ip)
    card = Interface("eth0", ipv4=Family(True, addresses=(HOME4, new)), ipv6=Family(True))
    observed = kernel.observed()
    steps = plan(pinned(Desired((card,), (route,)), observed), observed)
    kernel.run(steps.operations)
    assert kernel.addresses["eth0"][:2] == [HOME4, new] and route in kernel.routes
