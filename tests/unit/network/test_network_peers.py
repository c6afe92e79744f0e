# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses with a peer, as hosters set them up: one address of 32 bits, and the router as its far end."""

from __future__ import annotations

import time
from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import as_data, from_data

from .namespace import CARRIER_TIMEOUT, Namespace
from .test_network_resolve import planned

FOUR = {"ip": "192.0.2.11", "prefix-length": 32, "peer": "198.51.100.1"}
SIX = {"ip": "2001:db8:0:1::b", "prefix-length": 128, "peer": "2001:db8:0:1::1"}
ROUTES = [
    {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "198.51.100.1"},
    {"destination": "::/0", "next-hop-interface": "eth0", "next-hop-address": "2001:db8:0:1::1"},
]


def rented(four: Any = None, six: Any = None, **more: Any) -> Dict[str, Any]:
    mine = [{"enabled": True, "address": [given or usual]} for given, usual in ((four, FOUR), (six, SIX))]
    card = {"name": "eth0", "ipv4": mine[0], "ipv6": mine[1]}
    return {"network_interfaces": [card], "network_routes": {"config": ROUTES}, **more}


def desired_of(variables: Dict[str, Any]) -> Desired:
    made = planned(variables)
    assert made.problems == ()
    data = made.hosts["app1"]["network"]["desired"]
    assert as_data(from_data(data)) == data
    return from_data(data)


def batch(namespace: Namespace, *lines: str) -> None:
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))


def enter_peer(namespace: Namespace) -> None:
    """The kernel enters the route to a peer of IPv6 some time after the address (addrconf_dad_completed in net/ipv6/addrconf.c)."""
    batch(namespace, "address add 2001:db8:0:1::b peer 2001:db8:0:1::1/128 dev eth0 nodad")
    ends = time.monotonic() + CARRIER_TIMEOUT
    while "2001:db8:0:1::1 dev eth0" not in namespace.run("ip", "-6", "route", "show"):
        assert time.monotonic() < ends, "no route to the peer"


def addresses(namespace: Namespace) -> List[str]:
    return sorted(str(one) for one in namespace.observed().addresses["eth0"] if not one.link_local)


def test_a_host_that_ifupdown_gave_a_peer_keeps_its_addresses_and_needs_nothing_more(namespace: Namespace) -> None:
    """ifupdown adds the address with the peer, and the route by the gateway with onlink."""
    namespace.clear(False)
    batch(namespace, "address add 192.0.2.11/32 peer 198.51.100.1 dev eth0", "route add default via 198.51.100.1 dev eth0 onlink")
    enter_peer(namespace)
    batch(namespace, "route add ::/0 via 2001:db8:0:1::1 dev eth0")
    desired = pinned(desired_of(rented()), namespace.observed())
    steps = plan(desired, namespace.observed())
    assert [one.line for one in steps.operations if one.words[0] == "address"] == []
    namespace.batch(steps.operations)
    assert plan(desired, namespace.observed()).operations == ()
    assert addresses(namespace) == ["192.0.2.11 peer 198.51.100.1/32", "2001:db8:0:1::b peer 2001:db8:0:1::1/128"]


def test_an_address_gets_a_peer_and_a_rollback_takes_it_away_again(namespace: Namespace) -> None:
    namespace.clear(False)
    batch(namespace, "address add 192.0.2.11/32 dev eth0", "route add default via 198.51.100.1 dev eth0 onlink proto static")
    batch(namespace, "address add 2001:db8:0:1::b/64 dev eth0 nodad", "route add ::/0 via 2001:db8:0:1::1 dev eth0 proto static")
    before = namespace.observed()
    desired = pinned(desired_of(rented()), before)
    steps = plan(desired, before)
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    assert plan(desired, namespace.observed()).operations == ()
    assert addresses(namespace) == ["192.0.2.11 peer 198.51.100.1/32", "2001:db8:0:1::b peer 2001:db8:0:1::1/128"]
    namespace.batch(rollback(steps), force=True)
    assert addresses(namespace) == ["192.0.2.11/32", "2001:db8:0:1::b/64"]
    assert set(before.routes) == set(namespace.observed().routes)


def test_two_addresses_with_the_same_peer_are_kept_when_the_first_one_goes(namespace: Namespace) -> None:
    """The second one is secondary to the first, although it is alone in its prefix."""
    namespace.clear(False)
    batch(namespace, *(f"address add 192.0.2.{last}/32 peer 198.51.100.1 dev eth0" for last in (10, 11)))
    enter_peer(namespace)
    desired = pinned(desired_of(rented()), namespace.observed())
    namespace.batch(plan(desired, namespace.observed()).operations)
    assert addresses(namespace) == ["192.0.2.11 peer 198.51.100.1/32", "2001:db8:0:1::b peer 2001:db8:0:1::1/128"]


def test_networkd_and_ifupdown_are_told_the_peer() -> None:
    files = Networkd().files(desired_of(rented()))
    text = files["/etc/systemd/network/05-smallfleet-eth0.network"]
    assert "[Address]\nAddress=192.0.2.11/32\nPeer=198.51.100.1/32\n" in text
    assert "[Address]\nAddress=2001:db8:0:1::b/128\nPeer=2001:db8:0:1::1/128\n" in text
    text = Ifupdown().files(desired_of(rented()))["/etc/network/interfaces.d/smallfleet-0-eth0"]
    assert "    address 192.0.2.11/32\n    pointopoint 198.51.100.1\n" in text
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("up ")]
    assert lines[0] == "up ip address replace 2001:db8:0:1::b peer 2001:db8:0:1::1/128 dev eth0 nodad"
    wide = {"ip": "192.0.2.11", "prefix-length": 28, "peer": "198.51.100.1"}
    text = Ifupdown().files(desired_of(rented(wide)))["/etc/network/interfaces.d/smallfleet-0-eth0"]
    assert "    address 192.0.2.11/28\n    pointopoint 198.51.100.1/28\n" in text


@pytest.mark.parametrize(("backend", "title"), [("netplan", "netplan"), ("networkmanager", "NetworkManager")])
def test_the_others_refuse_a_peer_and_their_remedy_is_accepted(backend: str, title: str) -> None:
    said = [str(one) for one in BACKENDS[backend].unsupported(desired_of(rented()))]
    assert said[0] == (
        f"interfaces.eth0.ipv4.address: {title} cannot express the peer of 192.0.2.11. "
        "Remove peer: 198.51.100.1; a gateway outside the networks of a /32 is reached all the same"
    )
    problems = planned(rented(network_backend=backend)).problems
    assert [(one.variable, one.message) for one in problems] == [
        (f"network_interfaces.eth0.ipv{family}.address", f"{title} cannot express the peer of {one['ip']}") for family, one in ((4, FOUR), (6, SIX))
    ]
    four, six = ({key: value for key, value in one.items() if key != "peer"} for one in (FOUR, SIX))
    assert all(route.onlink for route in desired_of(rented(four, six, network_backend=backend)).routes)


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        ("192.0.2.11", "192.0.2.11 is the address itself"),
        ("2001:db8::1", "2001:db8::1 is IPv6, not IPv4"),
        ("198.51.100.1/32", "'198.51.100.1/32' is not an address"),
        ([1], "[1] is not an address"),
    ],
)
def test_a_peer_that_cannot_be_one_is_refused(peer: Any, text: str) -> None:
    problems = planned(rented({**FOUR, "peer": peer})).problems
    assert any(one.message == text and one.variable.endswith("address[0].peer") for one in problems)


def test_an_address_with_a_peer_is_another_than_the_one_without() -> None:
    plain, pointed = Address("192.0.2.11", 32), Address("192.0.2.11", 32, peer="198.51.100.1")
    assert plain != pointed and str(pointed.network) == "198.51.100.1/32" and pointed.alone


def test_an_address_that_is_alone_gets_a_wider_network_while_the_primary_of_that_goes(namespace: Namespace) -> None:
    """The lone one is what keeps it until then: it is there already, and must not be added again."""
    namespace.clear(False)
    batch(namespace, "address add 198.51.100.12/24 dev eth0", "address add 198.51.100.11/32 dev eth0")
    before = namespace.observed()
    wide = Family(True, addresses=(Address("198.51.100.11", 24),))
    desired = pinned(Desired((Interface("eth0", ipv4=wide, ipv6=Family(True)),)), before)
    steps = plan(desired, before)
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    assert addresses(namespace) == ["198.51.100.11/24"]
    namespace.batch(rollback(steps), force=True)
    assert addresses(namespace) == ["198.51.100.11/32", "198.51.100.12/24"]


@pytest.mark.parametrize("there", [[], ["address add 198.51.100.11/32 dev eth0"]])
def test_an_address_that_is_wanted_alone_too_stays_when_the_primary_of_its_network_has_gone(namespace: Namespace, there: List[str]) -> None:
    namespace.clear(False)
    batch(namespace, "address add 198.51.100.12/24 dev eth0", *there)
    before = namespace.observed()
    both = Family(True, addresses=(Address("198.51.100.11", 24), Address("198.51.100.11", 32)))
    desired = pinned(Desired((Interface("eth0", ipv4=both, ipv6=Family(True)),)), before)
    steps = plan(desired, before)
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    assert sorted(addresses(namespace)) == ["198.51.100.11/24", "198.51.100.11/32"]
    assert plan(desired, namespace.observed()).operations == ()
    namespace.batch(rollback(steps), force=True)
    assert sorted(addresses(namespace)) == sorted(["198.51.100.12/24", *(["198.51.100.11/32"] if there else [])])
