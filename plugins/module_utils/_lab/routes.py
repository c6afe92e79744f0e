# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routes of the controller by which nothing for a lab's addresses leaves it, while at least one lab is up.

Labs are in namespaces and are entered, never routed to, so the controller itself has no use for these addresses. Our routes are
known by their protocol; their metric is so high that a route of somebody else's to the same range is used in their place.
"""

from __future__ import annotations

from typing import Any, FrozenSet, Iterable, List, Mapping

from .capability import IPV4_RANGE, IPV6_RANGE

RANGES: Mapping[int, str] = {4: str(IPV4_RANGE), 6: str(IPV6_RANGE)}
PROTOCOL = "198"  # rtnetlink(7): above RTPROT_STATIC the numbers are the administrator's; rt_protos of iproute2 has no 198
METRIC = "4294967198"


def request(family: int, verb: str) -> List[str]:
    """The words of ip(8) that ``add`` or ``delete`` the route of a family."""
    return ["ip", f"-{family}", "route", verb, "unreachable", RANGES[family], "metric", METRIC, "proto", PROTOCOL]


def listing(family: int) -> List[str]:
    """The words of ip(8) that list our routes."""
    return ["ip", "-json", f"-{family}", "route", "show", "table", "main", "proto", PROTOCOL]


def blocked(listed: Iterable[Mapping[str, Any]]) -> FrozenSet[str]:
    """The ranges that our routes are there for, from what ``listing`` gave."""
    routes = {str(route.get("dst")) for route in listed if route.get("type") == "unreachable"}
    return frozenset(routes & set(RANGES.values()))
