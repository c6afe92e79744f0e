# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_rules``."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from ._read import Place, boolean, choice, entry_of, name, network, number
from ._routing import LARGEST, config
from .model import REJECTING, Rule

_RULE = "{ip-from: 198.51.100.0/24, priority: 100, route-table: 77}"
_RULE_KEYS = (
    "ip-from",
    "ip-to",
    "priority",
    "route-table",
    "action",
    "fwmark",
    "fwmask",
    "iif",
    "oif",
    "not",
    "suppress-prefix-length",
    "family",
    "state",
)
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,8}")


def read_rules(value: Any, place: Place) -> Tuple[Rule, ...]:
    found: List[Rule] = []
    known = set()
    for index, entry in enumerate(config(value, _RULE, place)):
        where = place / "config" / index
        rule = _rule(entry_of(entry, _RULE_KEYS, _RULE, where), where)
        if rule is None:
            continue
        if (rule.priority, rule.family) in known:
            (where / "priority").note(f"{rule.priority} is used twice", "Give each rule a priority of its own")
            continue
        known.add((rule.priority, rule.family))
        found.append(rule)
    return tuple(found)


def _rule(given: Dict[str, Any], place: Place) -> Optional[Rule]:
    if not given:
        return None
    action = choice(given["action"], REJECTING, "", place / "action") if given.get("action") is not None else ""
    for key in ("priority",) if given.get("action") is not None else ("priority", "route-table"):
        if key not in given:
            (place / key).note("is missing", f"Write for example {_RULE}")
            return None
    if action and given.get("route-table") is not None:
        (place / "route-table").note(f"is never looked at by a rule that does {action}", "Remove route-table, or action")
    source = network(given["ip-from"], place / "ip-from") if given.get("ip-from") is not None else ""
    destination = network(given["ip-to"], place / "ip-to") if given.get("ip-to") is not None else ""
    iif, oif = (_name(given[key], place / key) if given.get(key) is not None else "" for key in ("iif", "oif"))
    mark, mask = _mark(given, place)
    priority = number(given["priority"], 1, 32765, "a priority between the kernel's own rules", place / "priority")
    table = number(None if action else given.get("route-table"), 1, LARGEST, "a table", place / "route-table")
    absent = choice(given.get("state"), ("present", "absent"), "present", place / "state") == "absent"
    families = {6 if ":" in one else 4 for one in (source, destination) if one}
    source, destination = ("" if one.endswith("/0") else one for one in (source, destination))  # to the kernel, no selector
    asked = choice(given.get("family"), ("ipv4", "ipv6"), "ipv6" if families == {6} else "ipv4", place / "family")
    family = 6 if asked == "ipv6" else 4
    invert = boolean(given.get("not"), False, place / "not")
    suppress = _suppress(given, family, action, place)
    if families - {family}:
        place.note("mixes IPv4 and IPv6", "Write one rule for each")
    elif not (source or destination or iif or oif or mark) and (invert or suppress is None):
        if place.noted:
            return None
        place.note(f"would match {'nothing' if invert else 'everything'}", "Write ip-from, ip-to, iif, oif or fwmark")
    elif priority is not None and (table is not None or action):
        return Rule(
            priority, family, table or 0, source, destination, iif, mark, absent,
            oif=oif, fwmask=mask, invert=invert, suppress=suppress, action=action,
        )  # fmt: skip
    return None


def _name(value: Any, place: Place) -> str:
    """The name of an interface; lo too, by which the host's own packets come in."""
    return "lo" if value == "lo" else name(value, place)


def _mark(given: Dict[str, Any], place: Place) -> Tuple[int, int]:
    """The mark and its mask, 0 for one that covers all of it. Both may be written in hexadecimal, with or without quotes."""
    found: List[int] = []
    for key, what in (("fwmark", "a mark"), ("fwmask", "a mask")):
        value = given.get(key)
        value = int(value, 16) if isinstance(value, str) and _HEX.fullmatch(value) else value
        found.append(number(value, 0, LARGEST, what, place / key) or 0)
    mark, mask = found
    if mask and not mark:
        (place / "fwmask").note("needs a fwmark other than 0", "Write fwmark too")
    elif mark & ~mask and mask:
        (place / "fwmask").note(f"{mask:#x} hides a part of the fwmark {mark:#x}, which would never match", "Correct one of them")
    return mark, 0 if mask == LARGEST else mask


def _suppress(given: Dict[str, Any], family: int, action: str, place: Place) -> Optional[int]:
    where = place / "suppress-prefix-length"
    found = number(given.get("suppress-prefix-length"), 0, 32 if family == 4 else 128, "a prefix length", where)
    if found is not None and action:
        where.note(f"means nothing for a rule that does {action}", "Remove it, or action")
    return found
