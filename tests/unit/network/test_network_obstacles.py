# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only the host can tell: why its network cannot become what is desired, each named with a remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed, Route, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan

from .kernel import bare, card

HOME = Address("192.0.2.10", 24)
STATIC = Family(True, addresses=(HOME,))
CARD = Interface("eth0", ipv4=STATIC)
BRIDGE = (Interface("eth0"), Interface("br0", "bridge", ports=("eth0",), ipv4=STATIC))


def host(*links: Link, **given: Any) -> Observed:
    """A host with eth0, which has the address, eth1, and these links."""
    base = bare("eth0", "eth1")
    more = {link.name: link for link in links}
    addresses = {**base.addresses, "eth0": (HOME,), **given.pop("addresses", {})}
    return replace(base, links={**base.links, **more}, addresses=addresses, **given)


VLAN5 = Interface("eth0.5", "vlan", base="eth0", vlan_id=5)
BOND = Interface("bond0", "bond", ports=("eth1",), mode="802.3ad")
CASES: List[Tuple[str, Tuple[Interface, ...], Observed, str, str]] = [
    ("an unknown card", (CARD, Interface("eth7")), host(), "interfaces.eth7:", "no such interface"),
    ("a port that does not exist", (*BRIDGE, Interface("eth7")), host(), "interfaces.eth7:", "it has (eth0, eth1)"),
    ("the loopback interface", (CARD, Interface("lo")), host(), "interfaces.lo:", "loopback"),
    (
        "the name of another kind",
        BRIDGE,
        host(Link("br0", "bond")),
        "interfaces.br0:",
        "is a bond on this host, not bridge",
    ),
    ("a card that is called a bridge", (CARD, Interface("eth1", "bridge")), host(), "interfaces.eth1:", "is a card"),
    (
        "a macvtap on the card",
        BRIDGE,
        host(Link("macvtap0", "macvtap", lower="eth0")),
        "interfaces.br0.ports:",
        "eth0 carries the macvtap macvtap0",
    ),
    (
        "a card that is a port of somebody else's bridge",
        BRIDGE,
        host(Link("virbr0", "bridge"), replace(card("eth0", 0), master="virbr0")),
        "interfaces.br0.ports:",
        "port of virbr0",
    ),
    (
        "an address on a card that is a port of somebody else's bridge",
        (CARD,),
        host(Link("virbr0", "bridge"), replace(card("eth0", 0), master="virbr0")),
        "interfaces.eth0:",
        "port of virbr0",
    ),
    (
        "a card left over in the bridge",
        BRIDGE,
        host(Link("br0", "bridge"), replace(card("eth1", 1), master="br0")),
        "interfaces.br0:",
        "has the port eth1",
    ),
    (
        "a bridge to be absent that a guest is connected to",
        (CARD, Interface("br0", "bridge", absent=True)),
        host(Link("br0", "bridge"), Link("vnet0", "tun", master="br0")),
        "interfaces.br0:",
        "vnet0 needs it",
    ),
    (
        "a bridge to be absent on which a tunnel stands that would go with it",
        (CARD, Interface("br0", "bridge", absent=True)),
        host(Link("br0", "bridge"), Link("flannel.1", "vxlan", lower="br0")),
        "interfaces.br0:",
        "flannel.1 needs it",
    ),
    (
        "something else to be absent",
        (CARD, Interface("eth1", "bridge", absent=True)),
        host(),
        "interfaces.eth1:",
        "is a card on this host, not a bridge, and would be deleted",
    ),
    (
        "a VLAN of another number",
        (CARD, VLAN5),
        host(Link("eth0.5", "vlan", lower="eth0", vlan_id=6)),
        "interfaces.eth0.5:",
        "is VLAN 6 of eth0",
    ),
    (
        "a VLAN that exists under another name",
        (CARD, VLAN5),
        host(Link("lan", "vlan", lower="eth0", vlan_id=5)),
        "interfaces.eth0.5:",
        "exists already as lan",
    ),
    (
        "another mode for a bond that serves",
        (CARD, BOND, Interface("eth1")),
        host(Link("bond0", "bond", mode="active-backup"), replace(card("eth1", 1), master="bond0")),
        "interfaces.bond0:",
        "mode active-backup",
    ),
    (
        "another rate for a bond that is up",
        (CARD, replace(BOND, options={"lacp_rate": "fast"}), Interface("eth1")),
        host(
            Link("bond0", "bond", mode="802.3ad", options={"lacp_rate": "slow"}),
            replace(card("eth1", 1), master="bond0"),
        ),
        "interfaces.bond0:",
        "lacp_rate slow",
    ),
    (
        "an MTU above the parent's",
        (CARD, replace(VLAN5, mtu=9000)),
        host(),
        "interfaces.eth0.5.mtu:",
        "more than the 1500 of eth0",
    ),
    (
        "an MTU above what the card can do",
        (replace(CARD, mtu=9000),),
        host(replace(card("eth0", 0), max_mtu=4078)),
        "interfaces.eth0.mtu:",
        "at most 4078",
    ),
    (
        "an MTU below what a VXLAN of others needs",
        (replace(CARD, mtu=1549),),
        host(replace(card("eth0", 0), mtu=1600), Link("vx5", "vxlan", lower="eth0", mtu=1500)),
        "interfaces.eth0.mtu:",
        "vx5 needs 1550 and is not in the inventory. Write at least 1550, or lower the MTU of vx5 first",
    ),
    (
        "an MTU below that of a VLAN on a bridge that follows the card",
        (Interface("eth0", mtu=1400), BRIDGE[1]),
        host(replace(card("eth0", 0), master="br0"), Link("br0", "bridge"), Link("lan", "vlan", lower="br0", vlan_id=7)),
        "interfaces.br0.mtu:",
        "lan needs 1500 and is not in the inventory. Name lan too",
    ),
    (
        "IPv6 on a card whose MTU is too small for it",
        (replace(CARD, ipv6=Family(True)),),
        host(replace(card("eth0", 0), mtu=1200)),
        "interfaces.eth0.mtu:",
        "1200 is less than 1280, below which the kernel ends IPv6 on an interface. Write at least 1280",
    ),
    (
        "IPv6 on a VLAN of a card whose MTU is too small for it",
        (CARD, replace(VLAN5, ipv6=Family(True))),
        host(replace(card("eth0", 0), mtu=1200)),
        "interfaces.eth0.5.mtu:",
        "Give eth0 an mtu of at least 1280",
    ),
    (
        "an MTU too small for the IPv6 address of a program",
        (replace(CARD, mtu=1279),),
        host(addresses={"eth0": (HOME, replace(Address("2001:db8::9", 128), foreign=True))}),
        "interfaces.eth0.mtu:",
        "1279 is less than 1280, below which the kernel ends IPv6 on an interface, and so 2001:db8::9.",
    ),
    (
        "an MTU below what a VLAN of others needs",
        (replace(CARD, mtu=1400),),
        host(Link("lan", "vlan", lower="eth0", vlan_id=7, mtu=1500)),
        "interfaces.eth0.mtu:",
        "lan needs 1500",
    ),
    (
        "an address that an unmanaged interface has",
        (CARD, Interface("eth1")),
        host(card("eth2", 2), addresses={"eth2": (Address("192.0.2.10", 32),)}),
        "interfaces.eth0:",
        "192.0.2.10 is already on eth2",
    ),
    (
        "IPv6 on a kernel without it",
        (replace(CARD, ipv6=Family(True)),),
        replace(host(), ipv6=False),
        "interfaces.eth0:",
        "IPv6",
    ),
    (
        "the management interface removed",
        (Interface("eth0"),),
        host(),
        "management:",
        "network_allow_disconnect",
    ),
    (
        "the management interface absent",
        (Interface("eth0", absent=True),),
        host(),
        "management:",
        "network_allow_disconnect",
    ),
]


@pytest.mark.parametrize(("what", "interfaces", "observed", "where", "text"), CASES, ids=[case[0] for case in CASES])
def test_it_is_refused_before_anything_is_changed(what: str, interfaces: Tuple[Interface, ...], observed: Observed, where: str, text: str) -> None:
    desired = pinned(Desired(interfaces), observed)
    said = obstacles(desired, observed, ["192.0.2.10"])
    assert len(said) == 1, said
    assert said[0].startswith(where) and text in said[0]
    assert ". " in said[0], "a remedy follows"


def test_a_sound_change_meets_no_obstacle_and_guests_may_stay_in_their_bridge() -> None:
    observed = host(Link("br0", "bridge"), Link("vnet0", "tun", master="br0"))
    assert obstacles(pinned(Desired(BRIDGE), observed), observed, ["192.0.2.10"]) == []
    assert "vnet0" not in {one.link for one in plan(pinned(Desired(BRIDGE), observed), observed).operations}


def test_the_last_management_address_may_go_when_that_is_said() -> None:
    observed = host()
    assert obstacles(Desired((Interface("eth0"),)), observed, ["192.0.2.10"], allow_disconnect=True) == []


def test_a_host_may_move_to_the_new_address_that_the_inventory_gives_it_but_not_to_none() -> None:
    observed = host()
    moved = Desired((Interface("eth0", ipv4=Family(True, addresses=(Address("192.0.2.20", 24),))),))
    assert obstacles(moved, observed, ["192.0.2.20"]) == []
    assert len(obstacles(moved, observed, ["192.0.2.30"])) == 1


def test_a_route_of_an_unmanaged_interface_is_not_taken_over() -> None:
    default = Route("0.0.0.0/0", "eth0", "192.0.2.1")
    observed = host(routes=(replace(default, interface="eth1", gateway="198.51.100.1"),))
    said = obstacles(Desired((CARD,), (default,)), observed, ["192.0.2.10"])
    assert len(said) == 1 and "eth1, which is not in the inventory" in said[0]
    assert obstacles(Desired((CARD,), (replace(default, metric=5),)), observed, ["192.0.2.10"]) == []


@pytest.mark.parametrize(("protocol", "refused"), [("", False), ("boot", False), ("static", False), ("17", True)])
def test_a_rule_that_a_program_made_is_not_replaced(protocol: str, refused: bool) -> None:
    there = Rule(5210, 4, 52, fwmark=8, protocol=protocol)
    found = obstacles(Desired((CARD,), rules=(Rule(5210, 4, 11, source="192.0.2.10/32"),)), host(rules=(there,)), ["192.0.2.10"])
    text = "rules.5210: the IPv4 rule 'priority 5210 fwmark 8 table 52' is there, and a program made it (protocol 17)"
    assert [line.partition(". ")[0] for line in found] == ([text] if refused else [])
    assert obstacles(Desired((CARD,), rules=(Rule(5210, 6, 11, source="2001:db8::/64"),)), host(rules=(there,)), ["192.0.2.10"]) == []


def test_a_change_that_loses_the_route_of_a_program_says_so() -> None:
    """It goes along to the bridge where its gateway can be reached from there."""
    lost, moved = Route("203.0.113.0/24", "eth0", "198.51.100.7", protocol="80"), Route("203.0.113.64/26", "eth0", "192.0.2.7", protocol="80")
    observed = host(routes=(lost, moved))
    steps = plan(pinned(Desired(BRIDGE), observed), observed)
    (note,) = steps.notes
    assert "203.0.113.0/24 via 198.51.100.7 dev eth0" in note and "80" in note
    assert "route replace 203.0.113.64/26 via 192.0.2.7 dev br0 proto 80" in [one.line for one in steps.switch]
