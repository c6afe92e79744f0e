# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_rules``."""

from __future__ import annotations

import re
from typing import Any, List, Optional, Sequence, Set, Tuple

from ..._fleet.fields import Field, boolean, choice, optional, required, whole
from ..._fleet.places import Place, Values
from ..model import REJECTING, Rule
from .routing import LARGEST, config
from .values import LINK_OR_LOOPBACK, NETWORK

_RULE = "{ip-from: 198.51.100.0/24, priority: 100, route-table: 77}"
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,8}")
_NUMBER = whole(0, LARGEST, "", 16)


def _mark(value: Any, place: Place) -> Any:
    """Hexadecimal too, with or without quotes."""
    return _NUMBER.parse(int(value, 16) if isinstance(value, str) and _HEX.fullmatch(value) else value, place)


_MARK = Field("raw", _mark, {"type": ["integer", "string"]})
RULES = config(
    {
        "ip-from": optional(NETWORK, ""),
        "ip-to": optional(NETWORK, ""),
        "priority": required(whole(1, 32765, "", 100)),
        "route-table": optional(whole(1, LARGEST, "", 77)),
        "action": optional(choice(*REJECTING), ""),
        "fwmark": optional(_MARK, 0),
        "fwmask": optional(_MARK, 0),
        "iif": optional(LINK_OR_LOOPBACK, ""),
        "oif": optional(LINK_OR_LOOPBACK, ""),
        "not": optional(boolean(), False),
        "suppress-prefix-length": optional(whole(0, 128, "bits of a prefix")),
        "family": optional(choice("ipv4", "ipv6")),
        "state": optional(choice("present", "absent"), "present"),
    },
    "a rule",
    _RULE,
)


def read_rules(entries: Sequence[Values]) -> Tuple[Rule, ...]:
    rules: List[Rule] = []
    known: Set[Tuple[int, int]] = set()
    for given in entries:
        rule = _rule(given)
        if rule is None:
            continue
        if (rule.priority, rule.family) in known:
            given.at("priority").refuse(f"{rule.priority} is used twice", "Give each rule a priority of its own")
            continue
        known.add((rule.priority, rule.family))
        rules.append(rule)
    return tuple(rules)


def _rule(given: Values) -> Optional[Rule]:
    action, table = given["action"], given["route-table"]
    if "action" not in given.written and "route-table" not in given.written:
        if given.clean:
            given.at("route-table").refuse("is missing", f"Write for example {_RULE}")
        return None
    if action and "route-table" in given.written:
        given.at("route-table").refuse(f"is never looked at by a rule that does {action}", "Remove route-table, or action")
    source, destination = given["ip-from"], given["ip-to"]
    mark, mask = _masked(given)
    families = {6 if ":" in one else 4 for one in (source, destination) if one}
    source, destination = ("" if one.endswith("/0") else one for one in (source, destination))  # to the kernel, no selector
    family = 6 if (given["family"] or ("ipv6" if families == {6} else "ipv4")) == "ipv6" else 4
    invert, suppress = given["not"], _suppress(given, family, action)
    if not given.clean:
        return None
    if families - {family}:
        given.place.refuse("mixes IPv4 and IPv6", "Write one rule for each")
    elif not (source or destination or given["iif"] or given["oif"] or mark) and (invert or suppress is None):
        given.place.refuse(f"would match {'nothing' if invert else 'everything'}", "Write ip-from, ip-to, iif, oif or fwmark")
    else:
        return Rule(
            given["priority"], family, table or 0, source, destination, given["iif"], mark, given["state"] == "absent",
            oif=given["oif"], fwmask=mask, invert=invert, suppress=suppress, action=action,
        )  # fmt: skip
    return None


def _masked(given: Values) -> Tuple[int, int]:
    """The mark and its mask, 0 for one that covers all of it."""
    mark, mask = given["fwmark"], given["fwmask"]
    if mask and not mark and "fwmark" not in given.refused:
        given.at("fwmask").refuse("needs a fwmark other than 0", "Write fwmark too")
    elif mark & ~mask and mask:
        given.at("fwmask").refuse(f"{mask:#x} hides a part of the fwmark {mark:#x}, which would never match", "Correct one of them")
    return mark, 0 if mask == LARGEST else mask


def _suppress(given: Values, family: int, action: str) -> Optional[int]:
    length: Optional[int] = given["suppress-prefix-length"]
    if length is not None and length > 32 and family == 4:
        given.at("suppress-prefix-length").refuse(f"{length} is longer than a prefix of IPv4", "Write a whole number from 0 to 32")
    if length is not None and action:
        given.at("suppress-prefix-length").refuse(f"means nothing for a rule that does {action}", "Remove it, or action")
    return length
