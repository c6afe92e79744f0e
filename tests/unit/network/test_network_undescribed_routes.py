# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes that no variable can describe are named, never exported as others, never deleted, and refused where the host is managed by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.exported import export
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Observed, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback

from .booting import OBSERVED, ON_CARD, said
from .namespace import Namespace

CARD = Interface("eth0", ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)), ipv6=Family(True, addresses=(Address("2001:db8::10", 64),)))
LINES = (
    "address add 192.0.2.10/24 dev eth0",
    "address add 2001:db8::10/64 dev eth0 nodad",
    "nexthop add id 5 via 192.0.2.1 dev eth0",
    "route add 198.51.100.0/24 nhid 5 proto static",
    "route add 198.51.101.0/24 tos 0x10 via 192.0.2.1 dev eth0 proto static",
    "route add 2001:db8:9::/64 from 2001:db8:7::/64 via fe80::1 dev eth0 proto static",
    "route add 198.51.103.0/24 via 192.0.2.1 dev eth0 window 5000 rto_min 5ms proto static",
    "route add 198.51.104.0/24 via 192.0.2.1 dev eth0 realm 5 proto static",
    "route add 2001:db8:8::/64 via fe80::1 dev eth0 pref high hoplimit 7 proto static",
    "route add 198.51.105.0/24 via inet6 fe80::1 dev eth0",
    "route add throw 198.51.106.0/24",
    "route add 198.51.102.0/24 via 192.0.2.1 dev eth0 proto static",
)
NAMED = ("nhid", "tos", "from", "rto_min and window", "realm", "pref and hoplimit")
PLAIN = Route("198.51.100.0/24", "eth0", "192.0.2.1")


def entered(namespace: Namespace) -> Observed:
    namespace.clear(False)
    namespace.run("ip", "nexthop", "flush", check=False)
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in LINES))
    return namespace.observed()


def shown(namespace: Namespace) -> str:
    return namespace.run("ip", "route") + namespace.run("ip", "-6", "route")


def test_what_the_kernel_has_besides_is_observed(namespace: Namespace) -> None:
    there = {one.destination: one.undescribed for one in entered(namespace).routes}
    assert entered(namespace).unmodelled == (("eth0", "198.51.105.0/24 via fe80::1"), ("", "throw 198.51.106.0/24"))
    assert [there.get(one) for one in ("198.51.100.0/24", "198.51.101.0/24", "2001:db8:9::/64", "198.51.102.0/24")] == [("nhid",), ("tos",), ("from",), ()]


def test_the_export_names_them_and_has_only_the_others(namespace: Namespace) -> None:
    made = export(entered(namespace), ["eth0"])
    assert [one.destination for one in made.desired.routes] == ["198.51.102.0/24"]
    for name in NAMED:
        assert [one for one in made.left_out if f"network_routes cannot describe its {name}, and it stays" in one], made.left_out
    for text in ("198.51.105.0/24 via fe80::1", "throw 198.51.106.0/24"):
        assert f"the route {text}: network_routes cannot describe it, and it stays as long as this host runs" in made.left_out
        assert "# Not in it: the route " in made.text


def test_a_change_leaves_them_in_the_kernel(namespace: Namespace) -> None:
    observed = entered(namespace)
    desired = pinned(Desired((CARD,)), observed)
    steps = plan(desired, observed)
    assert [one.line for one in steps.operations if one.words[0] == "route"] == ["route del 198.51.102.0/24 via 192.0.2.1 dev eth0 proto static"]
    namespace.batch(steps.operations)
    assert all(one in shown(namespace) for one in ("nhid 5", "tos 0x10", "from 2001:db8:7::/64"))


def test_a_route_of_the_inventory_takes_the_place_of_one_by_a_next_hop_object_and_a_rollback_gives_that_one_back(namespace: Namespace) -> None:
    observed = entered(namespace)
    desired = pinned(Desired((CARD,), (PLAIN, replace(PLAIN, destination="198.51.101.0/24"))), observed)
    steps = plan(desired, observed)
    namespace.batch(steps.operations)
    assert "nhid 5" not in shown(namespace) and "198.51.101.0/24 tos 0x10" in shown(namespace)
    assert {PLAIN, replace(PLAIN, destination="198.51.101.0/24")} <= set(namespace.observed().routes)
    assert plan(desired, namespace.observed()).operations == ()
    namespace.batch(rollback(steps), force=True)
    assert "198.51.100.0/24 nhid 5" in shown(namespace)
    assert sorted(map(str, namespace.observed().routes)) == sorted(map(str, observed.routes))


def test_state_absent_deletes_one_by_a_next_hop_object_and_not_one_with_a_tos(namespace: Namespace) -> None:
    observed = entered(namespace)
    absent = [replace(PLAIN, gateway="", absent=True), replace(PLAIN, destination="198.51.101.0/24", gateway="", absent=True)]
    namespace.batch(plan(pinned(Desired((CARD,), tuple(absent)), observed), observed).operations)
    assert "nhid 5" not in shown(namespace) and "tos 0x10" in shown(namespace)


@pytest.mark.parametrize(
    ("route", "peer", "problem"),
    [
        (Route("0.0.0.0/0", "eth0", "192.0.2.1", nhid=5), "203.0.113.5", True),
        (Route("203.0.113.0/24", "eth0", "192.0.2.1", nhid=5), "203.0.113.5", True),
        (Route("203.0.113.0/24", "eth0", "192.0.2.1", selectors=("tos", "0x10")), "203.0.113.5", True),
        (Route("198.51.100.0/24", "eth0", "192.0.2.1", nhid=5), "203.0.113.5", False),
        (Route("0.0.0.0/0", "eth0", "192.0.2.1", metric=9, nhid=5), "192.0.2.99", False),
    ],
)
def test_the_host_is_not_cut_off_at_the_next_boot_by_the_loss_of_one(route: Route, peer: str, problem: bool) -> None:
    desired = Desired(ON_CARD.interfaces)
    found, _files, _after = said("networkd", {}, desired, replace(OBSERVED, routes=(route,)), peers=(peer,))
    texts: Tuple[int, int] = (len(found.problems), len(found.warnings))
    assert texts == ((1, 0) if problem else (0, 1)), found
    assert route.undescribed[0] in (found.problems + found.warnings)[0]


def test_one_that_the_inventory_replaces_or_a_program_made_gives_no_word() -> None:
    route = replace(ON_CARD.routes[0], nhid=5)
    found, _files, _after = said("networkd", {}, ON_CARD, replace(OBSERVED, routes=(route,)))
    assert (found.problems, found.warnings) == ([], [])
    found, _files, _after = said("networkd", {}, ON_CARD, replace(OBSERVED, routes=(replace(route, destination="198.51.100.0/24", protocol="bird"),)))
    assert (found.problems, found.warnings) == ([], [])
