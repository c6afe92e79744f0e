# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a value of an inventory is written, and what typed fields (``fields.py``) return, with the places of its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Collection, Dict, FrozenSet, Iterable, Mapping, Tuple

from .values import Notes


class Refused:
    """The type of REFUSED."""


REFUSED = Refused()
"""What a parser returns for a value that cannot be used, after it noted why."""


@dataclass(frozen=True)
class Place:
    """Where a value is: the host, or "" for the whole fleet; the variable with the path to the value, such as ``dns_zones.example.net.ttl``.

    ``hosts`` are the inventory names that a field ``host()`` knows.
    """

    host: str
    path: str
    notes: Notes
    hosts: Collection[str] = ()

    def key(self, name: Any) -> Place:
        return replace(self, path=f"{self.path}.{name}")

    def index(self, number_: int) -> Place:
        return replace(self, path=f"{self.path}[{number_}]")

    def refuse(self, message: str, remedy: str) -> Refused:
        """Note what is wrong here, and what to write instead."""
        self.notes.add(self.host, self.path, message, remedy)
        return REFUSED

    def blank(self) -> Refused:
        """Note that there is no value, in the words of ``find_blanks``, so that both are one problem."""
        self.notes.add(self.host, self.path, BLANK, BLANK_REMEDY, blank=True)
        return REFUSED


class Values(Dict[str, Any]):
    """What ``table_of`` gives: all options by name.

    ``written`` are those that are there, ``refused`` those in which anything is wrong, or that are missing; ``clean`` says that nothing
    is wrong with the table.
    """

    def __init__(self, values: Mapping[str, Any], place: Place, written: FrozenSet[str], refused: FrozenSet[str], clean: bool) -> None:
        super().__init__(values)
        self.place, self.written, self.refused, self.clean = place, written, refused, clean

    def at(self, key: str) -> Place:
        return self.place.key(key)


class Items(Tuple[Any, ...]):
    """What ``list_of`` gives: the elements that can be used. ``places`` says where each of them is written."""

    places: Tuple[Place, ...]


def items(elements: Iterable[Tuple[Any, Place]]) -> Items:
    """Elements with their places."""
    pairs = tuple(elements)
    made = Items(element for element, _place in pairs)
    made.places = tuple(place for _element, place in pairs)
    return made


BLANK = "has no value"
BLANK_REMEDY = "Write one ({} or [] for none), or remove the line"
