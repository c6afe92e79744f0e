# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a zone's move stands, for people: the list of steps, and what a human has to do where no update is possible."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, List, Mapping, Optional, Sequence

from .model import RRset
from .move import STEPS, Position

_MOST = 20


def plan_lines(zone: str, position: Position, low: int) -> List[str]:
    """One line for each step, marked as done, as the next one, or as one for later."""
    texts = {
        "lower": f"lower the TTLs at the old provider to {low} s",
        "wait_ttl": f"wait until the old TTLs, up to {position.memory.longest} s, have run out everywhere",
        "publish": "import the zone, and publish it on the new servers",
        "unsign": "take away the DS that the new servers' keys do not match",
        "wait_ds": f"wait until the DS, for {position.memory.ds_ttl} s, has run out everywhere",
        "switch": "compare the answers, and name the new servers at the parent",
        "settle": "see them at every server of the parent",
        "wait_ns": "keep the old servers until nobody asks them any more",
        "done": f"{zone[:-1]} has moved; the old servers may go",
    }
    place = STEPS.index(position.next)
    lines = []
    for index, step in enumerate(STEPS):
        mark = "done " if index < place or position.next == "done" else "next " if index == place else "later"
        until = f", until {moment(position.until)}" if index == place and position.until and step != "done" else ""
        lines.append(f"{mark}  {texts[step]}{until}")
    return lines


def moment(seconds: Optional[int]) -> str:
    """A time since the epoch as people and programs read it, in UTC."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_do(
    zone: str,
    position: Position,
    low: int,
    high: Sequence[RRset],
    delegation: Sequence[Mapping[str, Any]],
    parents: Mapping[str, str],
) -> str:
    """What a human has to do now; empty when nothing."""
    name = zone[:-1]
    if position.next == "lower":
        shown = [f"{one.name} {one.type}" for one in high[:_MOST]]
        more = f" and {len(high) - _MOST} more" if len(high) > _MOST else ""
        if not high:
            return f"The old servers of {name} have different serials. Wait until they agree, then run this again."
        return (
            f"At the old provider, set the TTL of {len(high)} record sets of {name} to {low} seconds or less:"
            f" {', '.join(shown)}{more}. Then run this again; it sees when it was done."
        )
    if position.next == "unsign":
        return (
            f"At the registrar or parent of {name}, take the DS record away, since the new servers sign with other keys"
            f" or not at all. Then run this again; it sees when it was done."
        )
    if position.next == "switch":
        servers = next((list(one["value"]) for one in delegation if one["type"] == "NS"), [])
        glue = [f"{one['record']} {address}" for one in delegation if one["type"] != "NS" for address in one["value"]]
        addresses = f", with the addresses {', '.join(glue)}" if glue else ""
        said = "; ".join(f"{server} says {text}" for server, text in parents.items())
        return (
            f"At the registrar or parent of {name}, name these nameservers and no others: {', '.join(servers)}"
            f"{addresses}. Now {said}. Then run this again; it sees when it was done."
        )
    return ""
