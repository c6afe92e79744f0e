# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes of the kernel that no variable can describe: they stay in it, and the next boot does not have them from our files."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import List, Optional

from ..model import MAIN_TABLE, Observed, Route
from .findings import Boot, Findings

_BY_HAND = ("boot", "static")


def review(boot: Boot) -> Findings:
    """A problem where whoever manages this host is answered by such a route, else a warning. Those of programs come back by themselves."""
    found = Findings()
    wanted = {(one.destination, one.metric, one.table) for one in boot.desired.routes if not one.absent}
    for route in boot.observed.routes:
        ours = route.protocol in _BY_HAND and set(route.interfaces) & set(boot.managed)
        if not ours or not route.undescribed or not route.selectors and (route.destination, route.metric, route.table) in wanted:
            continue
        what = " and ".join(route.undescribed)
        if any(_way(peer, boot.observed) == route for peer in boot.peers):
            found.problems.append(
                f"routes.{route.destination}: the host is managed by the route '{route}', whose {what} network_routes cannot describe, and the next "
                "boot would not have it. Write a route with next-hop-address to this destination"
            )
        else:
            found.warnings.append(
                f"the route {route} stays until the next boot, since network_routes cannot describe its {what}. Write a route without that, or "
                "have a program add it"
            )
    return found


def _way(peer: str, observed: Observed) -> Optional[Route]:
    """The route to it with the longest prefix, and of these that of the lowest metric; None for what is on a link."""
    address = ip_address(peer)
    if any(one.network.version == address.version and address in one.network for have in observed.addresses.values() for one in have):
        return None
    fitting: List[Route] = [
        one
        for one in observed.routes
        if one.table == MAIN_TABLE and ip_network(one.destination).version == address.version and address in ip_network(one.destination)
    ]
    return max(fitting, key=lambda one: (ip_network(one.destination).prefixlen, -one.metric), default=None)
