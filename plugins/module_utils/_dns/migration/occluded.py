# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of a zone that no resolver ever sees: at and below a delegation or a DNAME (RFC 2136 section 7.18), and a DS without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import AbstractSet, Collection, Dict, Mapping, Set

from .. import names
from ..model import Key

ADDRESSES = ("A", "AAAA")


@dataclass(frozen=True)
class Reason:
    """Why, completing a sentence that begins with the name, and the remedy."""

    text: str
    remedy: str


def cuts_among(zone: str, keys: Collection[Key]) -> Set[str]:
    """The names that these sets delegate."""
    return {name for name, kind in keys if kind == "NS" and name != zone}


def occluded(zone: str, keys: Collection[Key], nameservers: Mapping[str, AbstractSet[str]]) -> Dict[Key, Reason]:
    """Which of a zone's sets nobody sees, and why. ``nameservers`` are those of each name that is delegated: their addresses are glue."""
    cuts = cuts_among(zone, keys)
    renamed = {name for name, kind in keys if kind == "DNAME"}
    glue = {server for cut in cuts for server in nameservers[cut]}
    found: Dict[Key, Reason] = {}
    for name, kind in keys:
        above = _highest(name, zone, renamed - {name})
        cut = _highest(name, zone, cuts)
        if cut and not (name == cut and kind in ("NS", "DS")) and not (kind in ADDRESSES and name in glue):
            text = f"lies in the zone {cut[:-1]}, which is delegated to other nameservers"
            remedy = f"Write it in the zone {cut[:-1]}; here can be addresses of nameservers of a delegation"
            found[name, kind] = Reason(text, remedy)
        elif above:
            text, remedy = f"lies below {above[:-1]}, which has a DNAME record", f"Take it away, or the DNAME of {above[:-1]}"
            found[name, kind] = Reason(text, remedy)
        elif kind == "DS" and name not in cuts:
            text = "has a DS record and no NS records, so it is not a delegation"
            found[name, kind] = Reason(text, "Add the NS record set of the delegated zone")
    return found


def _highest(name: str, zone: str, among: AbstractSet[str]) -> str:
    """The highest of the names that is this name or above it; empty when there is none."""
    above = [one for one in (name, *names.parents(name, zone)) if one in among]
    return above[-1] if above else ""
