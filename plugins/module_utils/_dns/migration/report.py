# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a zone's move stands, for people: the list of steps, and what a human has to do where no update is possible."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, List, Mapping, Optional, Sequence

from ..._shared.quoting import yaml_text, yaml_word
from ..model import RRset
from .left_out import LeftOut
from .losses import Loss, unexplained
from .phases import STEPS, Position

_MOST = 20


def plan_lines(zone: str, position: Position, low: int) -> List[str]:
    """One line for each step, marked as done, as the next one, or as one for later."""
    texts = {
        "lower": f"lower the TTLs at the old provider to {low} s",
        "wait_ttl": f"wait until the old TTLs, up to {position.memory.longest} s, have run out everywhere",
        "explain": "decide about every record set that would not reach the new servers",
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
    losses: Sequence[Loss] = (),
) -> str:
    """What a human has to do now; empty when nothing."""
    name = zone[:-1]
    if position.next == "explain":
        return f"{name} is not published and not switched. {doubts(losses)}Then run this again."
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


def doubts(losses: Sequence[Loss]) -> str:
    """All sets about which nobody decided, one a line, and how to; empty when there are none."""
    found = unexplained(losses)
    if not found:
        return ""
    lines = "".join(f"  {one}\n" for one in found)
    example = next((one for one in found if one.key[1] != "SOA"), None)
    first = f"{{record: {yaml_text(example.record)}, type: {yaml_word(example.key[1])}, publish: nothing}}" if example else "..."
    return (
        f"Of {len(found)} record sets it is not sure that they reach the new servers:\n{lines}"
        "For each, correct the source or the old zone, or decide in move_decisions what is published: answer (what the old servers"
        f" answer now), source (what the source has), value (others), or nothing, as in move_decisions: [{first}]. "
    )


def closing(zone: str, position: Position, to_do_now: str, losses: Sequence[Loss], parents: Mapping[str, str]) -> str:
    """What a run says that stops here, while the move is not over."""
    name, until = zone[:-1], moment(position.until)
    if position.next == "settle":
        said = "; ".join(f"{server} says {text}" for server, text in parents.items())
        return f"Not all servers of the parent of {name} name the new nameservers yet: {said}. Run this again; it sees when they do."
    if position.next == "wait_ns":
        return f"{name} is switched. Leave the old servers as they are until {until} (wait_ns), and run this again then."
    text = to_do_now or f"It is to be waited until {until} ({position.next}). Nothing is wrong; run this again then."
    meanwhile = doubts(losses) if position.next in ("lower", "wait_ttl") else ""
    return f"{text} Meanwhile: {meanwhile}".strip() if meanwhile else text


def report(plan: Sequence[str], to_do_now: str, left: Sequence[LeftOut], losses: Sequence[Loss], notes: Sequence[str], unused: Sequence[str] = ()) -> List[str]:
    """The plan, what is to do, and every set that is left out or in doubt, one a line; last, ``unused`` decisions."""
    doubted = {(one.record, one.key[1]) for one in losses}
    return [
        *plan,
        *([to_do_now] if to_do_now else []),
        *(f"in doubt  {one}" for one in unexplained(losses)),
        *(f"decided   {one} (publish: {one.decision})" for one in losses if one.decision),
        *(f"left out  {one.record} {one.type} {one.reason}" for one in left if (one.record, one.type) not in doubted),
        *(f"not seen  {note}" for note in notes),
        *(f"unused    {text}" for text in unused),
    ]
