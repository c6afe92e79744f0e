# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one answer of an authoritative server proves about one of its zones.

A server answers from the zone that is nearest to the name in question (RFC 1034 section 4.3.2). So an answer is the
zone's own data only when there is no cut, no DNAME (RFC 6672) and no apex of another of the server's zones between the
zone's apex and the name. A negative answer names its zone with an SOA record (RFC 2308 section 3), and a positive one may
name it with NS records.

A DS set is the parent's (RFC 4035 section 3.1.4.1): a server takes it from the nearest zone above the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Optional, Tuple

from .. import names
from ..model import Key, RRset

PROVEN = "proven"  # the name is in the zone, above all cuts
ALIAS = "alias"  # a CNAME at the name: the name is in the zone if the name above it is
OPEN = "open"  # data without a hint of its zone
HIDDEN = "hidden"  # the answer is not the zone's, or does not show whose it is


@dataclass(frozen=True)
class Answer:
    """An answer of which all record sets are in canonical form; ``recursive`` says that some may be from a cache."""

    rcode: int
    authoritative: bool
    answer: Tuple[RRset, ...] = ()
    authority: Tuple[RRset, ...] = ()
    additional: Tuple[RRset, ...] = ()
    recursive: bool = False

    @property
    def sets(self) -> Tuple[RRset, ...]:
        """All record sets, whatever section they are in."""
        return self.answer + self.authority + self.additional


@dataclass(frozen=True)
class Proof:
    """``word`` is one of those above; with HIDDEN, ``why`` is a sentence, and ``cut`` the delegation if that is why."""

    word: str
    why: str = ""
    cut: str = ""


def judge(zone: str, key: Key, answer: Answer) -> Proof:
    """What an answer to the question for ``key``, whose name is below ``zone``, proves about the name.

    For a DS it is about the name above.
    """
    name, kind = key
    dname = renaming(name, answer)
    if dname:
        return Proof(HIDDEN, f"{dname[:-1]} has a DNAME record, which the server answers with for all names below it.")
    if not answer.authoritative:
        cut = next((one.name for one in answer.authority if one.type == "NS" and _between(one.name, name, zone)), "")
        if cut:
            return Proof(HIDDEN, f"{cut[:-1]} is delegated, and the server refers to the nameservers there.", cut)
        return Proof(HIDDEN, f"The server's answer for {name[:-1]} is not authoritative.")
    if any(one.key == (name, "SOA") for one in answer.answer):
        return Proof(HIDDEN, also_serves(name))
    if any(one.key == (name, "CNAME") for one in answer.answer):
        return Proof(ALIAS)
    top = next((one.name for one in answer.authority if one.type in ("SOA", "NS")), "")
    if top == zone:
        return Proof(PROVEN)
    if top:
        return Proof(HIDDEN, also_serves(top))
    if kind == "SOA":
        return Proof(HIDDEN, f"The server's answer for {name[:-1]} does not say which zone it is from.")
    return Proof(OPEN)


def also_serves(zone: str) -> str:
    """Why names of another zone are hidden."""
    return f"The server also serves the zone {zone[:-1]}, and answers from that."


def renaming(name: str, answer: Answer) -> str:
    """The owner of a DNAME above a name, from which the answer is made; else an empty text."""
    owners = (one.name for one in answer.answer if one.type == "DNAME")
    return next((owner for owner in owners if owner != name and names.within(name, owner)), "")


def referred(key: Key, cut: str, answer: Answer) -> Optional[RRset]:
    """The set of ``key`` in a referral from the zone to the names at ``cut``, if it is there.

    The zone itself must be known to be the one that refers. Then the delegation's NS set is the zone's, and so is glue:
    the server serves no other zone that has the name, or would not have referred.
    """
    if answer.recursive:
        return None
    section = answer.authority if key == (cut, "NS") else answer.additional
    return next((one for one in section if one.key == key), None)


def at_name(key: Key, sets: Iterable[RRset], server_owned: Iterable[str]) -> Tuple[RRset, ...]:
    """The sets at exactly this name: of this type, or a CNAME; for ANY all but those that the server makes."""
    name, kind = key
    return tuple(one for one in sets if one.name == name and (one.type in (kind, "CNAME") or (kind == "ANY" and one.type not in server_owned)))


def _between(cut: str, name: str, zone: str) -> bool:
    """Whether a cut is at or above a name and below the zone's apex."""
    return cut != zone and names.within(cut, zone) and names.within(name, cut)
