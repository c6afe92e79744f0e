# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes with several next hops, which nmstate writes as one entry for each, with a weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterable, List, Sequence, Tuple

from ..model import Hop, Route

Key = Tuple[str, int, int, Tuple[str, ...]]


def route_key(route: Route) -> Key:
    """What the kernel goes by when it replaces a route."""
    return (route.destination, route.metric, route.table, route.selectors)


def merged(entries: Iterable[Tuple[Route, int]]) -> Tuple[Route, ...]:
    """Each route once. ``entries``: routes with a weight, 0 for one that is alone; those of one key are the next hops of one."""
    found: List[Route] = []
    groups: Dict[Key, List[Hop]] = {}
    for route, weight in entries:
        hops = groups.setdefault(route_key(route), []) if weight and not route.absent else []
        hops.append(Hop(route.interface, route.gateway, weight, route.onlink))
        if len(hops) == 1:
            found.append(route)
    return tuple(route if route.absent else with_hops(route, groups.get(route_key(route), [])) for route in found)


def with_hops(route: Route, hops: Sequence[Hop]) -> Route:
    """The route by all of them. Their order says nothing to the kernel, so it is one that can be compared."""
    ordered = tuple(sorted(hops, key=lambda hop: (hop.interface, hop.gateway)))
    if not ordered:
        return route
    if len(ordered) == 1:
        return replace(route, interface=ordered[0].interface, gateway=ordered[0].gateway, onlink=ordered[0].onlink)
    return replace(route, interface=ordered[0].interface, gateway="", onlink=False, hops=ordered)


def split(route: Route) -> List[Tuple[Route, int]]:
    """The inverse of ``merged``, for one route."""
    if not route.hops:
        return [(route, 0)]
    return [(replace(route, interface=hop.interface, gateway=hop.gateway, onlink=hop.onlink, hops=()), hop.weight) for hop in route.hops]
