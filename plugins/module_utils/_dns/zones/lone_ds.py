# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DS record is part of a delegation: it stands beside NS records (RFC 4035 section 2.4), and not at a zone's apex.

BIND answers NOERROR to a DS without NS records and leaves it out; Knot takes it, and no resolver ever sees it.
"""

from __future__ import annotations

from typing import AbstractSet, List, Mapping, Tuple

from ..model import Key, RRset
from ..update.plan import Observed, Wanted


def companions(zone: str, wanted: Wanted, observed: Observed) -> Tuple[Key, ...]:
    """The keys, besides those wanted, that must be known: NS beside a DS that changes, DS beside NS that go."""
    found = []
    for (name, kind), want in wanted.items():
        other = {"DS": "NS", "NS": "DS"}.get(kind, "")
        changes = observed.get((name, kind)) != want
        if other and name != zone and changes and (want is not None) == (kind == "DS") and (name, other) not in wanted:
            found.append((name, other))
    return tuple(found)


def objections(zone: str, wanted: Wanted, observed: Observed, known: Mapping[Key, RRset], unknown: AbstractSet[Key] = frozenset()) -> List[str]:
    """Sentences for each DS that would be without NS records. ``known`` are companions that exist, ``unknown`` such that may."""
    found = []
    for (name, kind), want in wanted.items():
        if kind == "DS" and name == zone and want is not None:
            found.append(f"{name} DS belongs in the zone above {zone}, whose key would vouch for this one.")
    for name, kind in companions(zone, wanted, observed):
        if kind == "NS" and (name, kind) not in known and (name, kind) not in unknown:
            found.append(f"{name} DS cannot be without NS at the same name: add the delegation's NS in the same call or before.")
        if kind == "DS" and (name, kind) in known:
            found.append(f"{name} NS cannot go while there is a DS at the same name: name it with state=absent in the same call.")
    for (name, kind), want in wanted.items():
        if kind == "DS" and want is not None and name != zone and wanted.get((name, "NS"), want) is None:
            found.append(f"{name} NS cannot go while its DS stays: name the DS with state=absent too.")
    return found
