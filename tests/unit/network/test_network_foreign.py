# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs have added to interfaces of the inventory: whose it is, that it stays, and where it goes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Dict, List, Sequence, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import VARIABLES
from ansible_collections.smallfleet.infra.plugins.module_utils._network.foreign import (
    Manages,
    known_addresses,
    manages,
    marked,
    mentioned,
    notes_on_addresses,
    notes_on_reloads,
    notes_on_routes,
    notes_on_tunnels,
    statics,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Link, Observed, Route, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.along import heir
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.record import read_known_addresses, write_known_addresses
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import from_data

from .kernel import Kernel, state
from .namespace import UNMANAGED
from .test_network_plan import GATEWAYS, HOME4, HOME6, MANAGEMENT, OTHERS, changes, move
from .test_network_resolve import planned, static

VIPS = [
    Address("192.0.2.100", 32),
    Address("192.0.2.101", 24),
    Address("198.51.100.100", 25),
    Address("2001:db8::100", 128, attributes=("preferred_lft", "0")),
    Address("2001:db8::101", 64),
]
ROUTES = [
    Route("10.244.1.0/24", "", "192.0.2.12", protocol="boot"),
    Route("10.1.0.0/26", "", protocol="12"),
    Route("2001:db8:77::/64", "", "fe80::12", metric=1024, protocol="12"),
]
BOOT = frozenset(one.ip for one in (HOME4, HOME6, *OTHERS, Address("203.0.113.5", 24)))


@settings(max_examples=60, deadline=None)
@given(changes(small=False), st.lists(st.sampled_from(VIPS), unique=True, min_size=1), st.lists(st.sampled_from(ROUTES), unique=True), st.data())
def test_what_programs_have_added_is_there_after_every_change_and_after_every_rollback(
    case: Tuple[Desired, Observed, bool], vips: Sequence[Address], routes: Sequence[Route], data: st.DataObject
) -> None:
    """But for what ends with IPv6, by an MTU below 1280: a rollback restores that from the kernel's own text (test_network_small_mtu.py)."""
    desired, observed, promote = case
    home = next(name for name, have in observed.addresses.items() if HOME4 in have)
    kernel = Kernel(observed, promote)
    for vip in vips:
        kernel.addresses[home].append(vip) if vip.family == 6 else kernel._insert(home, vip)
    kernel.routes += [replace(route, interface=home) for route in routes]
    before = kernel.observed()
    observed = marked(before, desired, BOOT)
    assert {one for one in observed.addresses[home] if one.foreign} == set(vips)
    assume(not obstacles(desired, observed, MANAGEMENT))
    steps = plan(desired, observed)
    done = steps.prepare + steps.switch + steps.cleanup

    count = data.draw(st.integers(0, len(done)), label="the change stops")
    stopped = Kernel(before, promote)
    stopped.run(done[:count])
    stopped.force(rollback(steps))
    assert state(stopped.observed()) == state(before)

    kernel = Kernel(before, promote)
    kernel.run(steps.operations)
    where = heir(home, desired, observed)
    assert where and set(vips) <= set(kernel.addresses[where])
    there = [(one.destination, one.gateway, one.interface, one.protocol) for one in kernel.routes]
    for route in routes:
        assert (route.destination, route.gateway, where, route.protocol) in there
    known = read_known_addresses(write_known_addresses(known_addresses(observed, desired, BOOT)), "known.json")
    assert plan(desired, marked(kernel.observed(), desired, known)).operations == ()
    assert kernel.addresses[UNMANAGED] == list(before.addresses[UNMANAGED])


def moving(*vips: Address, routes: Sequence[Route] = ()) -> Tuple[Desired, Observed]:
    """The host moves its addresses from its card to a bridge, and has more on its card."""
    desired, observed = move()
    have = (*observed.addresses["eth0"], *vips)
    return desired, replace(observed, addresses={**observed.addresses, "eth0": have}, routes=(*observed.routes, *routes))


KNOWN = frozenset((HOME4.ip, HOME6.ip))
QUIET = tuple(key for key in COMMANDS if key not in ("links", "addresses"))


def test_a_virtual_address_goes_along_to_the_bridge_as_it_is_and_is_named() -> None:
    vip = Address("192.0.2.100", 24, attributes=("label", "eth0:vip", "proto", "18"))
    six = Address("2001:db8::100", 128, attributes=("preferred_lft", "0", "noprefixroute"))
    desired, there = moving(vip, six)
    observed = marked(there, desired, KNOWN)
    lines = [one.line for one in plan(desired, observed).switch]
    assert "address add 192.0.2.100/24 dev br0 label br0:vip proto 18" in lines
    assert "address add 2001:db8::100/128 dev br0 nodad preferred_lft 0 noprefixroute" in lines
    assert lines.index("address add 192.0.2.100/24 dev br0 label br0:vip proto 18") < lines.index("address del 192.0.2.100/24 dev eth0")
    first, second = notes_on_addresses(desired, observed)
    assert first.startswith("eth0 has 192.0.2.100/24, which was added by keepalived and is in neither the inventory nor the boot configuration. ")
    assert "It moves to br0" in first and "network_ignored_addresses" in first and "network_absent_addresses" in second
    ignoring = replace(desired, ignored=("192.0.2.96/28", "2001:db8::100/128"))
    assert notes_on_addresses(ignoring, marked(there, ignoring, KNOWN)) == []


@pytest.mark.parametrize("prefix", [24, 32])
def test_what_the_old_boot_configuration_has_goes_and_what_it_has_not_stays(prefix: int) -> None:
    card = Interface("eth0", ipv4=Family(True, addresses=(HOME4,)))
    old, vip = Address("192.0.2.99", prefix), Address("192.0.2.100", prefix)
    there = Observed({"eth0": Link("eth0")}, {"eth0": (HOME4, old, vip)})

    def lines(desired: Desired, *known: str) -> List[str]:
        return [one.line for one in plan(desired, marked(there, desired, frozenset(known))).operations if one.kind == "delete_address"]

    assert lines(Desired((card,)), HOME4.ip, old.ip) == [f"address del {old} dev eth0"]
    assert lines(Desired((card,), ignored=("192.0.2.99/32",)), HOME4.ip, old.ip) == []
    assert lines(Desired((card,), unwanted=(vip.ip,)), HOME4.ip, old.ip) == [f"address del {one} dev eth0" for one in (vip, old)]
    assert lines(Desired((card,)), HOME4.ip) == []


def test_the_attributes_of_an_address_are_read_as_ip_takes_them() -> None:
    """As iproute2 6.15 prints them."""
    link = '[{"ifname": "eth0", "mtu": 1500, "flags": ["UP"]}]'
    plain = '{"family": "inet", "local": "192.0.2.10", "prefixlen": 24, "label": "eth0", "valid_life_time": 4294967295}'
    vip = '{"family": "inet", "local": "192.0.2.100", "prefixlen": 32, "broadcast": "192.0.2.255", "label": "eth0:v", '
    vip += '"metric": 5, "noprefixroute": true, "protocol": "0x12", '
    vip += '"valid_life_time": 4294967295, "preferred_life_time": 0}'
    six = '{"family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "protocol": "0x2", "valid_life_time": 600, "preferred_life_time": 300}'
    observed = observe({"links": link, "addresses": f'[{{"ifname": "eth0", "addr_info": [{plain}, {vip}, {six}]}}]', **dict.fromkeys(QUIET, "[]")})
    assert [one.attributes for one in observed.addresses["eth0"]] == [
        (),
        ("preferred_lft", "0", "broadcast", "192.0.2.255", "label", "eth0:v", "metric", "5", "noprefixroute", "proto", "18"),
        (),
    ]


def test_an_address_that_moves_or_that_the_host_is_managed_by_is_not_a_program_s() -> None:
    """It would else be on two interfaces, or be confirmed though no boot has it."""
    desired, observed = moving()
    assert not [one for have in marked(observed, desired, frozenset()).addresses.values() for one in have if one.foreign]
    card = Desired((Interface("eth0"),))
    by_hand = marked(observed, card, frozenset(), [HOME4.ip])
    assert [one.foreign for one in by_hand.addresses["eth0"]] == [False, True, False]
    assert "this host is managed by it" in obstacles(card, by_hand, [HOME4.ip])[0]


def test_leased_and_link_local_addresses_are_not_a_program_s_but_where_they_are_ignored() -> None:
    leased = Address("192.0.2.50", 24, dynamic=True, valid=600)
    observed = Observed({"eth0": Link("eth0")}, {"eth0": (leased, Address("fe80::1", 64, link_local=True))})
    for ignored, count in (((), 0), (("192.0.2.50/32",), 1)):
        desired = Desired((Interface("eth0"),), ignored=ignored)
        assert sum(one.foreign for one in marked(observed, desired, frozenset()).addresses["eth0"]) == count


def test_a_bridge_that_goes_gives_what_programs_have_added_to_the_card_that_gets_its_addresses() -> None:
    vip = Address("192.0.2.100", 32)
    links = {"eth0": Link("eth0", master="br0"), "br0": Link("br0", "bridge")}
    there = Observed(links, {"br0": (HOME4, vip)}, (Route("10.244.1.0/24", "br0", "192.0.2.12", protocol="boot"),))
    card = Interface("eth0", ipv4=Family(True, addresses=(HOME4,)))
    for interfaces, where in (((card, Interface("br0", "bridge", absent=True)), "eth0"), ((Interface("eth0"), Interface("br0", "bridge", absent=True)), "")):
        desired = pinned(Desired(interfaces), there)
        observed = marked(there, desired, KNOWN)
        assert heir("br0", desired, observed) == where
        lines = [one.line for one in plan(desired, observed).operations]
        assert (f"address add {vip} dev eth0" in lines) is bool(where)
        assert ("route replace 10.244.1.0/24 via 192.0.2.12 dev eth0 proto boot" in lines) is bool(where)
        assert ("It moves to eth0" if where else "It goes with br0") in notes_on_addresses(desired, observed)[0]


def test_a_static_route_of_a_program_stays_and_one_of_the_old_boot_configuration_goes() -> None:
    """As strongSwan's in table 220."""
    card = Desired((Interface("eth0", ipv4=Family(True, addresses=(HOME4,))),))
    old = Route("10.8.0.0/16", "eth0", "192.0.2.1")
    swan = Route("10.9.0.0/16", "eth0", "192.0.2.1", table=220)
    default = Route("0.0.0.0/0", "eth0", "192.0.2.1", table=221)
    there = Observed({"eth0": Link("eth0")}, {"eth0": (HOME4,)}, (old, swan, default, replace(GATEWAYS[0], interface="eth0")))
    observed = marked(there, card, frozenset((HOME4.ip, "10.8.0.0")))
    assert statics(observed) == (("0.0.0.0/0", 221), ("10.9.0.0/16", 220))
    lines = [one.line for one in plan(card, observed).operations if one.kind == "delete_route"]
    assert lines == [f"route del {one} via 192.0.2.1 dev eth0 proto static" for one in ("10.8.0.0/16", "0.0.0.0/0")]
    again = marked(there, card, frozenset((HOME4.ip, "10.8.0.0", "192.0.2.1")))
    assert statics(again) == (("10.9.0.0/16", 220),)


def test_a_route_of_ip_route_add_that_leaves_the_boot_configuration_is_named() -> None:
    """As a line ``up ip route add`` of ifupdown makes it, whose protocol is boot: the kernel keeps it, the next boot does not."""
    card = Desired((Interface("eth0", ipv4=Family(True, addresses=(HOME4,))),))
    old = Route("10.8.0.0/16", "eth0", "192.0.2.1", protocol="boot")
    observed = Observed({"eth0": Link("eth0")}, {"eth0": (HOME4,)}, (old, replace(old, destination="10.9.0.0/16"), replace(GATEWAYS[0], interface="eth0")))
    (note,) = notes_on_routes(card, observed, frozenset(("10.8.0.0",)))
    assert note.startswith("the route 10.8.0.0/16") and "until the next boot" in note and "state: absent" in note
    for absent in (False, True):
        said = replace(card, routes=(replace(old, interface="br0", absent=absent),))
        assert not notes_on_routes(said, observed, frozenset(("10.8.0.0",)))


ENI = "auto eth0\niface eth0 inet static\n  address 192.0.2.10\n  netmask 255.255.255.0\n  up ip addr add 192.0.2.11/32 dev eth0\n# 192.0.2.12\n"
NETWORKD = "[Network]\nAddress=192.0.2.10/24\nAddress=2001:DB8:0::10/64\n;Address=192.0.2.12/24\n[Route]\nDestination=198.51.100.0/24\n"
NETPLAN = "network:\n  ethernets:\n    eth0: {addresses: [192.0.2.10/24, '2001:db8::10/64']}\n"
KEYFILE = "[ipv4]\naddress1=192.0.2.10/24,192.0.2.1\nroute1=198.51.100.0/24,192.0.2.9\n[ipv6]\naddress1=2001:db8::10/64\n"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (ENI, {"192.0.2.10", "255.255.255.0", "192.0.2.11"}),
        (NETWORKD, {"192.0.2.10", "2001:db8::10", "198.51.100.0"}),
        (NETPLAN, {"192.0.2.10", "2001:db8::10"}),
        (KEYFILE, {"192.0.2.10", "192.0.2.1", "198.51.100.0", "192.0.2.9", "2001:db8::10"}),
        ("mac 02:00:00:00:00:01, version 1.2.3 and 1.2.3.4.5, 12:30", set()),
    ],
)
def test_the_addresses_of_every_form_of_boot_configuration_are_read(text: str, addresses: Any) -> None:
    assert mentioned([text]) == addresses


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789abcdef:./ \n#x", max_size=200))
def test_any_text_is_read(text: str) -> None:
    mentioned([text])
    manages({"/etc/systemd/networkd.conf": text})


@pytest.mark.parametrize("text", ["1.2.3.4" * 50_000, ":" * 300_000, "f.:" * 100_000, "1.1.1.1 " * 40_000])
def test_a_large_text_takes_time_in_proportion(text: str) -> None:
    began = time.process_time()
    mentioned([text[: len(text) // 4]])
    part = time.process_time() - began
    began = time.process_time()
    mentioned([text])
    assert time.process_time() - began < 12 * part + 0.2


CONF = "/etc/systemd/networkd.conf"
KEEP = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, Manages()),
        ({CONF: "[Network]\n#ManageForeignRoutes=no\n"}, Manages()),
        ({CONF: KEEP}, Manages(False, False)),
        ({CONF: KEEP, f"{CONF}.d/10.conf": "[Network]\nManageForeignRoutes=yes\n"}, Manages(True, False)),
        ({"/usr/lib/systemd/networkd.conf.d/10.conf": KEEP, f"{CONF}.d/10.conf": ""}, Manages()),
        ({"/usr/lib/systemd/networkd.conf.d/10.conf": KEEP, "/run/systemd/networkd.conf.d/20.conf": "[Network]\nManageForeignRoutes=\n"}, Manages(True, False)),
    ],
)
def test_whether_systemd_networkd_deletes_what_is_not_its_own_is_read_as_systemd_reads_it(files: Dict[str, str], found: Manages) -> None:
    assert manages(files) == found


def test_what_a_reload_would_delete_is_named_with_the_setting_that_prevents_it() -> None:
    tailscale, wanted = Rule(5210, 4, 52, protocol="boot"), Rule(100, 4, 77, source="198.51.100.0/24")
    flannel = [Route(f"10.244.{number}.0/24", "flannel.1", protocol="boot") for number in (1, 2)]
    own = (Route("0.0.0.0/0", "eth0", "192.0.2.1", protocol="boot"), Route("192.0.2.0/24", "eth0", protocol="kernel"), GATEWAYS[1])
    observed = Observed(routes=(*own, *flannel), rules=(tailscale, wanted, Rule(32766, 4, 254), Rule(0, 4, 255)))
    desired = Desired(rules=(wanted,))
    (note,) = notes_on_reloads(observed, desired, Manages())
    assert f"2 routes by protocol boot on flannel.1, the IPv4 rule '{tailscale}'" in note
    assert "ManageForeignRoutes=no and ManageForeignRoutingPolicyRules=no under [Network]" in note
    assert notes_on_reloads(observed, desired, Manages(False, False)) == []
    (note,) = notes_on_reloads(observed, desired, Manages(False, True))
    assert "set ManageForeignRoutingPolicyRules=no under" in note and "flannel" not in note


HOME = {"network_interfaces": [{"name": "eth0", "ipv4": static("192.0.2.11", 24)}]}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"network_ignored_addresses": "192.0.2.100"}, "expected a list"),
        ({"network_ignored_addresses": ["192.0.2.100/24"]}, "is not a network"),
        ({"network_ignored_addresses": ["::/0"]}, "is every address"),
        ({"network_ignored_addresses": ["192.0.2.0/24"]}, "192.0.2.11 is in network_ignored_addresses too"),
        ({"network_absent_addresses": [1]}, "is not an address"),
        ({"network_absent_addresses": ["192.0.2.11"]}, "192.0.2.11 is in network_absent_addresses too"),
        ({"network_absent_addresses": ["192.0.2.100"], "network_ignored_addresses": ["192.0.2.96/28"]}, "192.0.2.100 is in network_ignored_addresses too"),
    ],
)
def test_lists_of_addresses_that_contradict_are_refused_with_the_variable(variables: Dict[str, Any], said: str) -> None:
    (problem,) = planned({**HOME, **variables}).problems
    assert said in problem.message and problem.host == "app1" and problem.remedy


def test_the_lists_are_part_of_the_plan() -> None:
    lists = {"network_ignored_addresses": ["192.0.2.100", "2001:db8:9::/64"], "network_absent_addresses": ["192.0.2.99"]}
    plan_ = planned({**HOME, **lists})
    assert plan_.problems == () and set(lists) <= set(VARIABLES)
    desired = from_data(plan_.hosts["app1"]["network"]["desired"])
    assert (desired.ignored, desired.unwanted) == (("192.0.2.100/32", "2001:db8:9::/64"), ("192.0.2.99",))


def test_a_tunnel_that_sends_by_what_becomes_a_port_is_named() -> None:
    """A VLAN of the port, a tunnel by another interface, and one whose interface is a port already, are as they were."""
    links = (Link("eth0"), Link("eth1"), Link("eth0.5", "vlan", lower="eth0"), Link("vx0", "vxlan", lower="eth0"), Link("vx1", "vxlan", lower="eth1"))
    desired = Desired((Interface("eth0"), Interface("br0", "bridge", ports=("eth0",))))
    observed = Observed(links={link.name: link for link in links})
    (said,) = notes_on_tunnels(desired, observed)
    assert said.startswith("vx0 (vxlan) sends by eth0, which becomes a port of br0") and "with dev br0 after the change" in said
    joined = {**observed.links, "eth0": Link("eth0", master="br0"), "br0": Link("br0", "bridge")}
    assert notes_on_tunnels(desired, Observed(links=joined)) == []
