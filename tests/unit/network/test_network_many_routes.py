# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As many routes and rules as somebody cares to write, such as a list of a provider's networks."""

from __future__ import annotations

import pytest
from timing import Growth

from .test_network_bad_input import routes, rule, rules
from .test_network_resolve import planned


def beyond(number: int) -> str:
    return f"10.{number >> 8}.{number & 255}"


def with_routes(size: int) -> None:
    """Each second one leads through a router that is on the link because the one before says so."""
    linked = [{"destination": f"{beyond(one)}.0/25", "next-hop-interface": "eth0"} for one in range(size)]
    through = [{"destination": f"{beyond(one)}.128/25", "next-hop-interface": "eth0", "next-hop-address": f"{beyond(one)}.1"} for one in range(size)]
    assert not planned(routes(*linked, *through)).problems


def with_rules(size: int) -> None:
    assert not planned(rules(*(rule(priority=one + 1) for one in range(size)))).problems


@pytest.mark.parametrize("read", [with_routes, with_rules])
def test_many_routes_and_rules_are_read_in_linear_time(growth: Growth, read: object) -> None:
    assert callable(read)
    assert growth(lambda size: read(int(size)), str, 400) < 9


def test_a_router_is_on_the_link_only_by_a_route_of_its_interface_and_table() -> None:
    linked = {"destination": "10.0.0.0/24", "next-hop-interface": "eth0"}
    through = {"destination": "10.9.0.0/24", "next-hop-interface": "eth0", "next-hop-address": "10.0.0.1"}
    assert not planned(routes(linked, through)).problems
    (problem,) = planned(routes({**linked, "table-id": 77}, through)).problems
    assert problem.variable == "network_routes.config[1].next-hop-address"
