# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host of the fleet is the primary of a zone, and the file of the key that this server accepts for everything."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ..._fleet.values import shown
from .. import names

ZONES_SHOWN = 10


class NoPrimary(Exception):
    """No host is the primary of the zone; the text says why, and what to write instead."""


def find_primary(plan: Mapping[str, Mapping[str, Any]], given: Any) -> Dict[str, str]:
    """``{name, primary, key_file}`` of a zone, from the plans of all hosts by name. Raises NoPrimary.

    A plan without problems has one primary for each zone.
    """
    served = {
        zone["name"]: {"name": zone["name"], "primary": host, "key_file": server["update_key"]["file"]}
        for host, server in ((host, host_plan["dns_server"]) for host, host_plan in plan.items() if "dns_server" in host_plan)
        for zone in server["zones"]
        if zone["role"] == "primary"
    }
    try:
        name = names.plain(given)
    except names.BadName as error:
        raise NoPrimary(f"{shown(given)} {error}. {_remedy(served)}.") from error
    if name[:-1] not in served:
        above = max((zone for zone in served if names.within(name, f"{zone}.")), key=len, default="")
        remedy = f"Name the zone that it is in, {above}" if above else _remedy(served)
        raise NoPrimary(f"{shown(given)} is not a zone of dns_zones. {remedy}.")
    return served[name[:-1]]


def _remedy(served: Mapping[str, Any]) -> str:
    if not served:
        return "The fleet serves no zones yet; write it into dns_zones with its primary"
    known = sorted(served)
    more = len(known) - ZONES_SHOWN
    return f"Name one of {', '.join(known[:ZONES_SHOWN])}{f' and {more} more' if more > 0 else ''}"
