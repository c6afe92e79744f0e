# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_rules``."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ._read import Place, choice, mapping, name, network, number
from ._routing import LARGEST, config
from .model import Rule

_RULE = "{ip-from: 198.51.100.0/24, priority: 100, route-table: 77}"
_RULE_KEYS = ("ip-from", "ip-to", "priority", "route-table", "fwmark", "iif", "family", "state")


def read_rules(value: Any, place: Place) -> Tuple[Rule, ...]:
    found: List[Rule] = []
    for index, entry in enumerate(config(value, _RULE, place)):
        where = place / "config" / index
        rule = _rule(mapping(entry, _RULE_KEYS, _RULE, where), where)
        if rule is None:
            continue
        if (rule.priority, rule.family) in [(one.priority, one.family) for one in found]:
            (where / "priority").note(f"{rule.priority} is used twice", "Give each rule a priority of its own")
            continue
        found.append(rule)
    return tuple(found)


def _rule(given: Dict[str, Any], place: Place) -> Optional[Rule]:
    if not given:
        return None
    for key in ("priority", "route-table"):
        if key not in given:
            (place / key).note("is missing", f"Write for example {_RULE}")
            return None
    source = network(given["ip-from"], place / "ip-from") if given.get("ip-from") else ""
    destination = network(given["ip-to"], place / "ip-to") if given.get("ip-to") else ""
    iif = name(given["iif"], place / "iif") if given.get("iif") else ""
    mark = number(given.get("fwmark"), 0, LARGEST, "a mark", place / "fwmark") or 0
    priority = number(given["priority"], 1, 32765, "a priority between the kernel's own rules", place / "priority")
    table = number(given["route-table"], 1, LARGEST, "a table", place / "route-table")
    absent = choice(given.get("state"), ("present", "absent"), "present", place / "state") == "absent"
    families = {6 if ":" in one else 4 for one in (source, destination) if one}
    asked = choice(given.get("family"), ("ipv4", "ipv6"), "ipv6" if families == {6} else "ipv4", place / "family")
    family = 6 if asked == "ipv6" else 4
    if families - {family}:
        place.note("mixes IPv4 and IPv6", "Write one rule for each")
    elif not (source or destination or iif or mark):
        place.note("would match everything", "Write ip-from, ip-to, iif or fwmark")
    elif priority is not None and table is not None:
        return Rule(priority, family, table, source, destination, iif, mark, absent)
    return None
