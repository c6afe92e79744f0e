# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decisions about record sets that nothing mentions: often a misspelt name, sometimes a record that is gone since."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Dict, List

from ..._shared.quoting import visible
from .. import names
from .decisions import ANSWER, NOTHING, Decisions, place
from .losses import Evidence


def unused(zone: str, evidence: Evidence, decisions: Decisions) -> List[str]:
    """A sentence for each, with what is near. One with ``publish: answer`` is in doubt anyway, and not among them."""
    kinds: Dict[str, Dict[str, None]] = {}
    seen = [*evidence.known, *evidence.listed, *((place(one.record, zone), one.type) for one in evidence.left)]
    for name, kind in [*seen, *(key for said in evidence.answers for key in said.sets)]:
        kinds.setdefault(name, {})[kind] = None
    found = []
    for (name, kind), decision in decisions.items():
        if decision.publish == ANSWER or kind in kinds.get(name, ()) or decision.publish != NOTHING and name in kinds:
            continue
        near = ", ".join(kinds[name]) if name in kinds else _near(name, zone, list(kinds))
        hint = f" There is {near}." if near else ""
        outcome = "has no effect" if decision.publish == NOTHING else "adds a record set"
        found.append(f"{visible(_shown(name, zone))} {kind}: neither the source nor an old server has it, so the decision {outcome}.{hint}")
    return found


def _near(name: str, zone: str, known: List[str]) -> str:
    return ", ".join(visible(one) for one in get_close_matches(_shown(name, zone), [_shown(one, zone) for one in known], 3, 0.7))


def _shown(name: str, zone: str) -> str:
    return names.relative(name, zone) if names.within(name, zone) else name
