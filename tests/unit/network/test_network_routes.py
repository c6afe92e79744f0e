# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes with several next hops, routes that reject, and what else a route may say: from the inventory to the kernel and the files."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends import ifupdown, netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Family, Interface, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, as_data, from_data

from .namespace import Namespace
from .test_network_resolve import planned, static

CARD = {"name": "eth0", "ipv4": static("192.0.2.11"), "ipv6": static("2001:db8:0:1::b", 64)}
CARDS = [CARD, {"name": "eth1", "ipv4": static("198.51.100.11")}]
PLAIN = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "192.0.2.1"}
SECOND = {"destination": "0.0.0.0/0", "next-hop-interface": "eth1", "next-hop-address": "198.51.100.1"}
SIX = {"destination": "2001:db8:9::/64", "next-hop-interface": "eth0", "next-hop-address": "fe80::1"}
TUNED = {"mtu": 1400, "initcwnd": 20, "initrwnd": 30, "advmss": 1300, "quickack": True, "cwnd": 50}
NOWHERE = {"destination": "0.0.0.0/0", "route-type": "unreachable"}


def routed(*routes: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    return {"network_interfaces": CARDS, "network_routes": {"config": list(routes)}, **more}


def desired_of(*routes: Dict[str, Any]) -> Desired:
    made = planned(routed(*routes))
    assert made.problems == ()
    desired = from_data(made.hosts["app1"]["network"]["desired"])
    assert from_data(as_data(desired)) == desired
    return desired


PLACES: List[List[List[Dict[str, Any]]]] = [
    [
        [PLAIN],
        [{**PLAIN, "source": "192.0.2.11"}],
        [{**PLAIN, **TUNED}],
        [{**PLAIN, "weight": 2}, {**SECOND, "weight": 1}],
        [{**SECOND, "weight": 1}, {**PLAIN, "weight": 1}],
        [{**PLAIN, "weight": 1, "mtu": 1400}, {**SECOND, "weight": 1, "mtu": 1400}],
        [NOWHERE],
        [{**NOWHERE, "route-type": "blackhole"}],
    ],
    [
        [SIX],
        [{**SIX, "source": "2001:db8:0:1::b", "mtu": 1400}],
        [{**SIX, "weight": 1}, {**SIX, "next-hop-address": "fe80::2", "weight": 3}],
        [{**SIX, "weight": 1}, {**SIX, "next-hop-address": "fe80::3", "weight": 1}, {**SIX, "next-hop-address": "fe80::4", "weight": 1}],
        [{"destination": "2001:db8:9::/64", "route-type": "prohibit"}],
        [{"destination": "2001:db8:9::/64", "route-type": "blackhole"}],
    ],
]
"""Each list holds what may be in one place: only one of them can."""


@pytest.mark.parametrize("place", PLACES)
def test_the_real_kernel_goes_from_each_route_to_each_other_in_its_place_and_back(namespace: Namespace, place: List[Any]) -> None:
    namespace.clear(False)
    base = pinned(desired_of(), namespace.observed())
    namespace.batch(plan(base, namespace.observed()).operations)
    for first in place:
        namespace.batch(plan(desired_of(*first), namespace.observed()).operations)
        before = namespace.observed()
        assert plan(desired_of(*first), before).operations == ()
        for second in place:
            steps = plan(desired_of(*second), before)
            assert obstacles(desired_of(*second), before) == []
            assert (steps.operations == ()) == (first is second)
            namespace.batch(steps.operations)
            assert plan(desired_of(*second), namespace.observed()).operations == (), (first, second)
            namespace.batch(rollback(steps), force=True)
            before = namespace.observed()
            assert plan(desired_of(*first), before).operations == (), (first, second)


def test_a_change_that_does_not_name_the_routes_of_others_leaves_these_and_one_that_replaces_them_gives_them_back(
    namespace: Namespace,
) -> None:
    namespace.clear(False)
    base = pinned(desired_of(), namespace.observed())
    namespace.batch(plan(base, namespace.observed()).operations)
    lines = [
        "route add default proto 17 nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 198.51.100.1 dev eth1",
        "route add blackhole 10.9.0.0/16 proto 80",
        "route add unreachable 10.8.0.0/16 proto static",
        "route add 10.7.0.0/16 via 192.0.2.9 proto 17 mtu 1300 advmss 1200",
    ]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    before = namespace.observed()
    assert plan(base, before).operations == ()
    steps = plan(desired_of(PLAIN), before)
    namespace.batch(steps.operations)
    assert len([one for one in namespace.observed().routes if one.destination == "0.0.0.0/0"]) == 1
    namespace.batch(rollback(steps), force=True)
    after = namespace.observed()
    assert [(one, one.protocol, one.attributes) for one in before.routes] == [(one, one.protocol, one.attributes) for one in after.routes]
    (taken,) = obstacles(desired_of({"destination": "10.9.0.0/16", "route-type": "prohibit"}), before)
    assert taken == ("routes.10.9.0.0/16: a program made the route 'blackhole 10.9.0.0/16' (protocol 80) with the same metric. Give the new one another metric")


def test_a_route_with_several_next_hops_is_absent_when_all_of_them_are(namespace: Namespace) -> None:
    namespace.clear(False)
    both = [{**PLAIN, "weight": 2}, {**SECOND, "weight": 1}]
    namespace.batch(plan(pinned(desired_of(*both, NOWHERE | {"metric": 9}), namespace.observed()), namespace.observed()).operations)
    gone = [{**one, "state": "absent"} for one in (PLAIN, SECOND)]
    desired = Desired(routes=desired_of(gone[0]).routes)
    assert plan(desired, namespace.observed()).operations == ()
    desired = Desired(routes=desired_of(*gone, NOWHERE | {"metric": 9, "state": "absent"}).routes)
    namespace.batch(plan(desired, namespace.observed()).operations)
    assert [one for one in namespace.observed().routes if one.destination == "0.0.0.0/0"] == []


def test_the_files_of_each_backend_say_what_the_route_says() -> None:
    tuned = {**PLAIN, "source": "192.0.2.11", "mtu": 1400, "initcwnd": 20, "initrwnd": 30}
    nowhere = {"destination": "198.18.9.0/24", "route-type": "blackhole"}
    desired = desired_of(tuned, nowhere)
    text = Networkd().files(desired)["/etc/systemd/network/05-smallfleet-eth0.network"]
    assert "[Route]\nDestination=198.18.9.0/24\nType=blackhole\n" in text
    assert "PreferredSource=192.0.2.11\nMTUBytes=1400\nInitialCongestionWindow=20\nInitialAdvertisedReceiveWindow=30\n" in text
    text = "".join(netplan.Netplan().files(desired).values())
    assert '- to: "198.18.9.0/24"\n          type: "blackhole"\n' in text
    assert 'from: "192.0.2.11"\n          mtu: 1400\n          congestion-window: 20\n          advertised-receive-window: 30\n' in text
    text = "".join(NetworkManager().files(desired).values())
    assert "route1=198.18.9.0/24,0.0.0.0,0\nroute1_options=type=blackhole\n" in text
    assert "route2_options=src=192.0.2.11,mtu=1400,initcwnd=20,initrwnd=30\n" in text
    text = "".join(ifupdown.Ifupdown().files(desired).values())
    assert "up ip route replace blackhole 198.18.9.0/24 proto static\n" in text
    assert "up ip route replace 0.0.0.0/0 via 192.0.2.1 dev eth0 proto static src 192.0.2.11 mtu 1400 initcwnd 20 initrwnd 30\n" in text
    both = desired_of({**PLAIN, "weight": 2}, {**SECOND, "weight": 1})
    text = "".join(Networkd().files(both).values())
    assert "[Route]\nDestination=0.0.0.0/0\nMultiPathRoute=192.0.2.1@eth0 2\nMultiPathRoute=198.51.100.1@eth1 1\n" in text
    text = "".join(ifupdown.Ifupdown().files(both).values())
    assert "replace 0.0.0.0/0 proto static nexthop via 192.0.2.1 dev eth0 weight 2 nexthop via 198.51.100.1 dev eth1 weight 1\n" in text


@pytest.mark.parametrize(
    ("backend", "routes", "said"),
    [
        ("netplan", [{**PLAIN, "weight": 1}, {**SECOND, "weight": 1}], ["several next hops"]),
        ("networkmanager", [{**PLAIN, "weight": 1}, {**SECOND, "weight": 1}], ["several next hops"]),
        ("networkd", [{**PLAIN, "weight": 1}, {**SECOND, "weight": 1}], []),
        ("ifupdown", [{**PLAIN, **TUNED}], []),
        ("networkd", [{**PLAIN, **TUNED}], ["cwnd"]),
        ("netplan", [{**PLAIN, **TUNED}], ["cwnd", "advmss", "quickack"]),
        ("networkmanager", [{**PLAIN, **TUNED}], ["advmss", "quickack"]),
        (
            "networkd",
            [{**PLAIN, "next-hop-address": "203.0.113.1", "on-link": True, "weight": 1}, {**SECOND, "weight": 1}],
            ["that 203.0.113.1, one of several next hops, is on the link"],
        ),
    ],
)
def test_what_a_backend_cannot_say_of_a_route_is_refused_by_name(backend: str, routes: List[Any], said: List[str]) -> None:
    found = BACKENDS[backend].unsupported(desired_of(*routes))
    assert [one.message.partition(" cannot express ")[2] for one in found] == said
    assert all(one.where == "routes.0.0.0.0/0" and one.remedy for one in found)
    problems = planned(routed(*routes, network_backend=backend)).problems
    assert sorted(one.message for one in problems) == sorted(one.message for one in found)


@pytest.mark.parametrize(
    ("routes", "text"),
    [
        ([PLAIN, SECOND], "there is another route to 0.0.0.0/0 with the same metric and table"),
        ([{**PLAIN, "weight": 1}, SECOND], "there is another route to 0.0.0.0/0 with the same metric and table"),
        ([{**PLAIN, "weight": 1}, {**PLAIN, "weight": 2}], "has the next hop of another entry"),
        ([{**PLAIN, "weight": 1, "mtu": 1400}, {**SECOND, "weight": 2}], "another source or other attributes"),
        ([{**PLAIN, "weight": 257}], "got 257"),
        ([{"destination": "203.0.113.0/24", "next-hop-interface": "eth0", "weight": 1}], "has a weight, but no next-hop-address"),
        ([{**NOWHERE, "next-hop-address": "192.0.2.1"}], "means nothing for a route of type unreachable"),
        ([{**NOWHERE, "next-hop-interface": "eth0"}], "means nothing for a route of type unreachable"),
        ([{**NOWHERE, "mtu": 1400}], "means nothing for a route of type unreachable"),
        ([{**NOWHERE, "route-type": "throw"}], "got 'throw'"),
        ([{"destination": "0.0.0.0/0"}], "is missing"),
        ([{**PLAIN, "mtu": 67}], "got 67"),
        ([{**SIX, "mtu": 1279}], "1279 is less than 1280"),
        ([{**PLAIN, "source": "2001:db8::1"}], "2001:db8::1 is IPv6, not IPv4"),
        ([{**PLAIN, "initcwnd": "x"}], "got 'x'"),
    ],
)
def test_a_route_that_cannot_be_is_refused_with_a_text(routes: List[Any], text: str) -> None:
    assert any(text in one.message and one.remedy for one in planned(routed(*routes)).problems)


def test_a_source_that_the_host_would_not_have_is_refused_on_the_host(namespace: Namespace) -> None:
    namespace.clear(False)
    (said,) = obstacles(desired_of({**PLAIN, "source": "192.0.2.77"}), namespace.observed())
    assert said == "routes.0.0.0.0/0: its source 192.0.2.77 would be an address of no interface. Give it to one, or remove source"
    elsewhere = desired_of({**PLAIN, "source": "203.0.113.9"})
    assert obstacles(elsewhere, namespace.observed()) == []
    namespace.batch(plan(elsewhere, namespace.observed()).operations)
    assert plan(elsewhere, namespace.observed()).operations == ()


def test_a_route_of_a_router_that_advertised_its_mtu_is_the_one_that_was_asked_for(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.batch(plan(pinned(desired_of(), namespace.observed()), namespace.observed()).operations)
    namespace.run("ip", "-6", "route", "add", "2001:db8:9::/64", "via", "fe80::1", "dev", "eth0", "proto", "ra", "mtu", "1400")
    assert plan(desired_of(SIX), namespace.observed()).operations == ()
    assert plan(desired_of({**SIX, "mtu": 1300}), namespace.observed()).operations != ()


def test_data_of_the_module_with_another_type_of_route_is_refused() -> None:
    with pytest.raises(BadDesired, match="is not a route_type"):
        from_data({"routes": [{"destination": "0.0.0.0/0", "route_type": "blackhole 0/0\nlink delete dev eth0"}]})


def test_a_route_that_rejects_is_in_the_file_of_the_first_interface_with_addresses() -> None:
    four = Family(True, addresses=())
    desired = Desired((Interface("eth5"), Interface("eth6", ipv4=four)), (Route("198.18.9.0/24", "", type="blackhole"),))
    assert not any("198.18.9.0/24" in text for text in Networkd().files(desired).values())
    files = Networkd().files(desired_of({"destination": "198.18.9.0/24", "route-type": "blackhole"}))
    assert [path for path, text in files.items() if "198.18.9.0/24" in text] == ["/etc/systemd/network/05-smallfleet-eth0.network"]
