# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of the module dns_zone_move to a move, and from what was seen to what the module returns."""

from __future__ import annotations

from dataclasses import asdict, replace
from ipaddress import ip_address
from typing import Any, Dict, List, Mapping, Tuple

from ..._shared.quoting import visible
from ..._system.files import FileStore
from .. import names
from ..query.compare_client import Side, side_of
from ..query.propagation_client import Asking, Endpoint
from ..update.plan import Refused
from ..update.request import zone_of
from .decisions import read_decisions, with_proxies
from .evidence_client import Source, to_import
from .imported import Canonical, as_sets, is_edited, render_variables
from .left_out import LeftOut
from .losses import unexplained
from .move_client import NEEDS_OLD, Move, Progress, delegation
from .phases import high_sets
from .report import closing, moment, plan_lines, report, to_do

_NOBODY: Mapping[str, Any] = {"servers": [], "port": 53, "transfer": False}


def move_of(options: Mapping[str, Any], files: FileStore, canonical: Canonical) -> Move:
    """The move that the options describe. Raises Refused."""
    zone = zone_of(options["zone_name"])
    asking = Asking(53, "tcp", options["timeout"], tuple(options["families"]))
    old, new, parent = (side_of(name, options[name] or _NOBODY, asking, files) for name in ("old", "new", "parent"))
    _refuse_shared(old, new)
    above = zone_of(options["parent_zone"] or zone.split(".", 1)[1], "parent_zone")
    return Move(zone, old, new, above, parent, options["ttl"], canonical, source_of(zone, options, canonical))


def _refuse_shared(old: Side, new: Side) -> None:
    """Raise Refused for a server that is on both sides, under whatever name: nothing would move, and all would be the same."""
    before = {_place(one, old): one for one in old.places()}
    both = [f"{before[_place(one, new)]} is on the other side too, as {one}" for one in new.places() if _place(one, new) in before]
    if both:
        remedy = "The old servers are those that the parent of the zone names now, the new ones those that are to serve it; name others on one side."
        raise Refused([f"old: {', '.join(both)}. {remedy}"])


def _place(one: Endpoint, side: Side) -> Tuple[str, int]:
    """What tells a server from others: its address, or without one its name, and its port."""
    if not one.address:
        return one.name.rstrip(".").lower(), side.asking.port
    address = ip_address(one.address)
    return str(getattr(address, "ipv4_mapped", None) or address), side.asking.port


def source_of(zone: str, options: Mapping[str, Any], canonical: Canonical) -> Source:
    """What was imported from a file, names to ask about, and decisions. Raises Refused."""
    try:
        listed = {one.key: one for one in as_sets(zone, options["record_sets"], canonical)}
    except (KeyError, TypeError, ValueError) as error:
        raise Refused([f"record_sets: holds what dns_zone_import does not return: {error}."]) from None
    try:
        left = tuple(LeftOut(**{name: str(one[name]) for name in ("record", "type", "reason", "kind")}) for one in options["left_out"])
    except (KeyError, TypeError) as error:
        raise Refused([f"left_out: holds what dns_zone_import does not return: {error}."]) from None
    wrong, mentioned = [], []
    for name in options["names"]:
        try:
            mentioned.append(names.qualify(name, zone))
        except names.BadName as error:
            wrong.append(f"names: '{visible(str(name))}' {error}.")
    if wrong:
        raise Refused(wrong)
    decisions = read_decisions(zone, options["decisions"], listed, canonical)
    return Source(listed, left, tuple(mentioned), with_proxies(decisions, left, listed, zone), decisions)


def result_of(move: Move, progress: Progress, path: str, written: str = "") -> Dict[str, Any]:
    """What the module returns. ``written`` is the file of variables as it is now."""
    position, seen = progress.position, progress.view.seen
    high = sorted(high_sets(seen.old, move.low).values(), key=str) if seen.old else []
    named = delegation(move, progress.view, seen.delegation_ttl or 3600) if seen.nameservers else []
    variables, left_out = _imported(move, progress)
    until = position.until if position.next != "done" else None
    said, found = progress.view.delegated, progress.findings
    now = to_do(move.zone, position, move.low, high, named, said, found.losses)
    plan = plan_lines(move.zone, position, move.low)
    return {
        "changed": progress.changed,
        "steps": [f"remember {path}"] if progress.changed else [],
        "next": position.next,
        "until": moment(until),
        "seconds": max(0, until - seen.now) if until else 0,
        "to_do": now,
        "message": closing(move.zone, position, now, found.losses, said),
        "plan": plan,
        "report": report(plan, now, left_out, found.losses, found.notes, found.unused),
        "lower": [{"record": one.name, "type": one.type, "ttl": one.ttl, "value": sorted(one.values)} for one in high],
        "delegation": named,
        "old_delegation": delegation(move, progress.view, move.low) if seen.nameservers else [],
        "nameservers": sorted(seen.nameservers),
        "variables": variables,
        "edited": bool(variables) and is_edited(written) and written != variables,
        "left_out": [asdict(one) for one in left_out],
        "unexplained": [one.as_data() for one in unexplained(found.losses)],
        "decided": [one.as_data() for one in found.losses if one.decision],
        "state": {"next": position.next, "parents": dict(said), "longest_ttl": position.memory.longest},
    }


def _imported(move: Move, progress: Progress) -> Tuple[str, List[LeftOut]]:
    """The old zone with the TTLs it had before they were lowered and what was decided, and what was left out."""
    old = progress.view.seen.old
    if old is None or progress.position.next not in NEEDS_OLD:
        return "", []
    ttls = progress.position.memory.ttls
    known = {key: replace(one, ttl=ttls.get(key, one.ttl)) for key, one in old.sets.items()}
    found = to_import(move.zone, known, move.source.decisions, move.canonical)
    return render_variables(move.zone, found, also_left_out=move.source.left), [*move.source.left, *found.left_out]
