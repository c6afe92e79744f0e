# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which routes of a boot configuration the inventory has, and with which attributes.

Routes are distinguished as the kernel does it, by destination, table and metric: each route of the inventory stands for one of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..model import DEFAULT_DESTINATIONS, MAIN_TABLE, METRIC_IPV6, ROUTE_ATTRIBUTES, Route
from .findings import ip_of, network

_NEUTRAL = ("gateway", "onlink", "protocol")
"""What is not compared: the plan sees to it that each gateway of the inventory is reachable."""
_NOTHING = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Written:
    """A route of a file. ``fields``: what the file says of it, by the names of ``model.Route`` and ``ROUTE_ATTRIBUTES``, and by
    the file's own keys where there is none; ``destination`` as the file has it, empty or ``default`` for that of its gateway's family.
    """

    destination: str
    fields: Mapping[str, str]

    @property
    def network(self) -> str:
        if self.destination not in ("", "default"):
            return network(self.destination)
        return DEFAULT_DESTINATIONS[":" in self.fields.get("gateway", "")]

    @property
    def table(self) -> str:
        table = self.fields.get("table", "")
        return str(MAIN_TABLE) if table in (*_NOTHING, "main") else table

    @property
    def metric(self) -> Optional[int]:
        """None where the file leaves it to the program."""
        text = self.fields.get("metric", "")
        return None if text in ("", "-1") else _metric(text, self.network)


def _metric(text: str, destination: str) -> Optional[int]:
    if not text.isdigit() or len(text) > 10:
        return None
    return int(text) or (METRIC_IPV6 if ":" in destination else 0)


def compare(written: Sequence[Written], routes: Sequence[Route]) -> List[Optional[List[str]]]:
    """For each: None when the inventory has no such route, else the fields that its route does not have."""
    left = [route for route in routes if not route.absent]
    found: Dict[int, Route] = {}
    for exact in (True, False):
        for index, one in enumerate(written):
            fitting = [] if index in found else [route for route in left if _fits(one, route, exact)]
            if fitting:
                found[index] = min(fitting, key=lambda route: _distance(one, route))
                left.remove(found[index])
    return [_lacking(one, found[index]) if index in found else None for index, one in enumerate(written)]


def _fits(one: Written, route: Route, exact: bool) -> bool:
    same = (one.network, one.table) == (route.destination, str(route.table))
    return same and (not exact or one.metric == route.metric)


def _distance(one: Written, route: Route) -> Tuple[bool, int]:
    gateways = {hop.gateway for hop in route.hops} or {route.gateway}
    return ip_of(one.fields.get("gateway", "")) not in gateways, route.metric


def _lacking(one: Written, route: Route) -> List[str]:
    return [key for key, value in one.fields.items() if not _has(one, route, key, value.strip().lower())]


def _has(one: Written, route: Route, key: str, value: str) -> bool:
    if key in (*_NEUTRAL, "table") or not value:
        return True
    if key == "metric":
        return one.metric in (None, route.metric)
    if key == "source":
        return ip_of(value) == route.source
    if key == "type":
        return value == route.type
    if key == "scope":
        return value in ("global", "universe", "0") or value in ("link", "253") and not route.gateway and not route.hops
    there = dict(route.attributes).get(key, 0)
    if key == "quickack":
        return bool(there) != (value in _NOTHING)
    if key in ROUTE_ATTRIBUTES:
        return value in _NOTHING and not there or value == str(there)
    return value in _NOTHING
