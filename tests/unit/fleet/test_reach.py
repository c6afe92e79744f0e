# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts with the same standpoint reach every host at the same addresses, so the plan computes these once for all of them."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import List

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import MANAGEMENT, PUBLIC, Attachment, Fleet, Host, Network
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.reach import addresses_between, standpoint
from ansible_collections.smallfleet.infra.plugins.module_utils._node.capability import resolve

NETWORKS = ("lan", "vpn", "web")
FAMILIES = st.sampled_from([(True, True), (True, False), (False, True)])


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    hosts: List[Host] = []
    members = draw(st.sampled_from([[NETWORKS], [NETWORKS[:1]], [NETWORKS[:2], NETWORKS[2:]], [NETWORKS[:2], NETWORKS[1:]]]))
    layouts = [{name: draw(FAMILIES) for name in draw(st.sampled_from(members))} for _number in range(3)]
    for number in range(draw(st.integers(2, 6))):
        places = draw(st.sampled_from(layouts))
        attachments = tuple(
            Attachment(
                name,
                f"eth{NETWORKS.index(name)}",
                IPv4Interface(f"192.0.2.{64 * NETWORKS.index(name) + number + 1}/26") if four else None,
                IPv6Interface(f"2001:db8:{NETWORKS.index(name)}::{number + 1}/64") if six else None,
                1500,
            )
            for name, (four, six) in places.items()
        )
        purposes = {purpose: draw(st.sampled_from(sorted(places))) for purpose in (MANAGEMENT, PUBLIC)}
        hosts.append(Host(f"h{number}", f"h{number}.example.net", (), attachments, purposes))
    routed = draw(st.booleans())
    networks = {name: Network(name, None, None, 1500, routed=routed) for name in NETWORKS}
    return Fleet("demo", "example.net", networks, {one.name: one for one in hosts}, {}, {})


@settings(max_examples=800, deadline=None)
@given(fleets())
def test_what_is_computed_once_is_what_each_host_would_compute(fleet: Fleet) -> None:
    for one in fleet.hosts.values():
        for other in fleet.hosts.values():
            if standpoint(one) == standpoint(other):
                assert [addresses_between(fleet, one, host) for host in fleet.hosts.values()] == [
                    addresses_between(fleet, other, host) for host in fleet.hosts.values()
                ]
    for name, plan in resolve(fleet).host_plans.items():
        expected = [address for other in fleet.hosts.values() for address in addresses_between(fleet, fleet.hosts[name], other)]
        assert [entry["address"] for entry in plan["hosts_entries"]] == expected
