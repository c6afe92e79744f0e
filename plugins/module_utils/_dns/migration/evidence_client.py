# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a moving zone's old servers hold and answer, compared with what the new servers are to get."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import List, Mapping, Tuple

from .. import names
from ..model import Key, RRset
from ..query.compare import Said
from ..query.compare_client import Side, random_label
from ..query.probe_client import probe
from ..query.propagation_client import ask_each
from .decisions import NOTHING, Decisions, place, published
from .import_client import is_name
from .imported import Canonical, Imported, take
from .left_out import LOST, LeftOut
from .losses import Evidence, Loss, losses, not_seen
from .probes import questions
from .unused_decisions import unused


@dataclass(frozen=True)
class Source:
    """What is known of the old zone beside its servers. ``listed`` are the sets of a file; ``names`` further ones to ask about.

    ``written`` are the decisions as they were given, ``decisions`` those and what goes with them.
    """

    listed: Mapping[Key, RRset] = field(default_factory=dict)
    left: Tuple[LeftOut, ...] = ()
    names: Tuple[str, ...] = ()
    decisions: Decisions = field(default_factory=dict)
    written: Decisions = field(default_factory=dict)

    def keys(self, zone: str) -> Tuple[Key, ...]:
        """The sets that may be published, so that their values and TTLs are to be read."""
        chosen = (key for key, one in self.decisions.items() if one.publish != NOTHING and names.within(key[0], zone))
        return tuple(dict.fromkeys((*self.listed, *chosen)))

    def mentioned(self, zone: str) -> Tuple[str, ...]:
        """Names in the zone that were left out, decided about, or given, to be asked for all usual types."""
        left = (place(one.record, zone) for one in self.left)
        found = dict.fromkeys((*left, *self.names, *(name for name, _kind in self.decisions)))
        return tuple(name for name in found if names.within(name, zone) and is_name(name))


@dataclass(frozen=True)
class Findings:
    """``losses`` are the sets in doubt, ``notes`` what could not be seen, and ``unused`` decisions about nothing, both in words."""

    losses: Tuple[Loss, ...] = ()
    notes: Tuple[str, ...] = ()
    unused: Tuple[str, ...] = ()


def examine(zone: str, side: Side, known: Mapping[Key, RRset], listed: Mapping[Key, RRset], source: Source, canonical: Canonical) -> Findings:
    """Ask every old server for all that is known, for the usual types, and for common names.

    ``known`` are the sets that are imported, ``listed`` those that the file or the transfer has.
    """
    transferred = bool(side.options["transfer"])
    label = random_label()
    wanted = questions(zone, (*known, *listed), source.mentioned(zone), transferred, label)
    answers = ask_each(side.places(), probe(zone, wanted, label, side.asking, side.label, True))
    if transferred:
        answers = _with_transfers(zone, side, answers)
    left = to_import(zone, known, source.decisions, canonical).left_out
    unwritable = frozenset((place(one.record, zone), one.type) for one in left if one.kind == LOST)
    evidence = Evidence(transferred, known, listed, (*source.left, *left), answers, unwritable)
    return Findings(losses(zone, evidence, source.decisions), tuple(not_seen(answers)), tuple(unused(zone, evidence, source.written)))


def _with_transfers(zone: str, side: Side, answers: List[Said]) -> List[Said]:
    """What each server answers, and beyond it what it holds, where it gives the zone."""
    held = [contents.sets if contents is not None else {} for _place, contents in side.transfers(zone)]
    return [replace(said, sets={**sets, **said.sets}) for said, sets in zip(answers, held)]


def to_import(zone: str, known: Mapping[Key, RRset], decisions: Decisions, canonical: Canonical) -> Imported:
    """The zone as the new servers are to get it."""
    return take(zone, published(known, decisions).values(), canonical)
