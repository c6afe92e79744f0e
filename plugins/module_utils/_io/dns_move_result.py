# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of the module dns_zone_move to a move, and from what was seen to what the module returns."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Dict, List, Mapping, Tuple

from .._core.dns.imported import Canonical, as_sets, render_variables, take
from .._core.dns.move import high_sets
from .._core.dns.move_report import moment, plan_lines, to_do
from .._core.dns.plan import Refused
from .._core.dns.request import zone_of
from .dns_agree import Asking
from .dns_compare import side_of
from .dns_move import Move, Progress, delegation
from .files import FileStore

_NOBODY: Mapping[str, Any] = {"servers": [], "port": 53, "transfer": False}


def move_of(options: Mapping[str, Any], files: FileStore, canonical: Canonical) -> Move:
    """The move that the options describe. Raises Refused."""
    zone = zone_of(options["zone_name"])
    asking = Asking(53, "tcp", options["timeout"], tuple(options["families"]))
    old, new, parent = (side_of(name, options[name] or _NOBODY, asking, files) for name in ("old", "new", "parent"))
    above = zone_of(options["parent_zone"] or zone.split(".", 1)[1])
    try:
        given = as_sets(zone, options["record_sets"], canonical)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused([f"record_sets: holds what dns_zone_import does not return: {error}."]) from None
    return Move(zone, old, new, above, parent, options["ttl"], tuple(one.key for one in given))


def result_of(move: Move, progress: Progress, canonical: Canonical, path: str) -> Dict[str, Any]:
    """What the module returns."""
    position, seen = progress.position, progress.view.seen
    high = sorted(high_sets(seen.old, move.low).values(), key=str) if seen.old else []
    named = delegation(move, progress.view, seen.delegation_ttl or 3600) if seen.nameservers else []
    variables, left_out = _imported(move, progress, canonical)
    until = position.until if position.next != "done" else None
    said = progress.view.delegated
    return {
        "changed": progress.changed,
        "steps": [f"remember {path}"] if progress.changed else [],
        "next": position.next,
        "until": moment(until),
        "seconds": max(0, until - seen.now) if until else 0,
        "to_do": to_do(move.zone, position, move.low, high, named, said),
        "plan": plan_lines(move.zone, position, move.low),
        "lower": [
            {"record": one.name, "type": one.type, "ttl": one.ttl, "value": sorted(one.values)} for one in high
        ],
        "delegation": named,
        "old_delegation": delegation(move, progress.view, move.low) if seen.nameservers else [],
        "nameservers": sorted(seen.nameservers),
        "variables": variables,
        "left_out": left_out,
        "state": {"next": position.next, "parents": dict(said), "longest_ttl": position.memory.longest},
    }


def _imported(move: Move, progress: Progress, canonical: Canonical) -> Tuple[str, List[Dict[str, Any]]]:
    """The old zone with the TTLs it had before they were lowered, and what was left out."""
    old = progress.view.seen.old
    if old is None:
        return "", []
    ttls = progress.position.memory.ttls
    sets = [replace(one, ttl=ttls.get(key, one.ttl)) for key, one in old.sets.items()]
    found = take(move.zone, sets, canonical)
    return render_variables(move.zone, found), [asdict(one) for one in found.left_out]
