# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of time zones, in the form and with the areas of the tz database (https://www.iana.org/time-zones, theory.html)."""

from __future__ import annotations

import difflib
import re
from typing import Any, Collection, Mapping

from .._fleet.fields import Field, meant
from .._fleet.model import Fleet
from .._fleet.places import Place
from .._fleet.values import Notes, shown

AREAS = tuple("Africa America Antarctica Arctic Asia Atlantic Australia Brazil Canada Chile Etc Europe Indian Mexico Pacific US posix right".split())
"""Where the names of zones begin; those of backward among them, and the folders with and without leap seconds."""
ALONE = tuple(
    "CET CST6CDT Cuba EET EST EST5EDT Egypt Eire Factory GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST Hongkong Iceland Iran Israel Jamaica Japan "
    "Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland Portugal ROC ROK Singapore Turkey UCT UTC Universal W-SU WET Zulu".split()
)
"""The zones without an area."""
_PART = "[A-Za-z0-9_+-]+"
_FORM = re.compile(f"({'|'.join(AREAS)})(/{_PART}){{1,3}}|{'|'.join(map(re.escape, ALONE))}")
_NEAR = 0.8
"""How alike a name in the same area must be. The database of a host may be newer than the controller's, with names that this one lacks."""
_EXAMPLE = "Write for example Europe/Vienna; timedatectl list-timezones shows all"


def _time_zone(value: Any, place: Place) -> Any:
    if isinstance(value, str) and _FORM.fullmatch(value):
        return value
    near = _meant(value) if isinstance(value, str) and re.fullmatch(f"{_PART}(/{_PART})*", value) else ""
    message = f"{shown(value)} is not the name of a time zone"
    return place.refuse(f"{message}; did you mean {near}", f"Write {near}") if near else place.refuse(message, _EXAMPLE)


def _meant(zone: str) -> str:
    area, slash, rest = zone.partition("/")
    near = "" if area in AREAS else meant(area, AREAS if slash else ALONE)
    return f"{near}{slash}{rest}" if near else ""


TIME_ZONE = Field("str", _time_zone, {"type": "string", "pattern": rf"^({_FORM.pattern})$|\{{\{{"})


def find_misspelt_zones(fleet: Fleet, known: Collection[str], notes: Notes) -> None:
    """Note each ``node_timezone`` of a right form that is not among the ``known`` ones, but like one of them; none when none are known."""
    by_area: Mapping[str, Collection[str]] = {area: [one for one in known if one.startswith(f"{area}/")] for area in AREAS}
    for name, host in fleet.hosts.items():
        zone = host.variables.get("node_timezone")
        if not isinstance(zone, str) or not _FORM.fullmatch(zone) or zone in known:
            continue
        area, _slash, rest = zone.partition("/")
        near = difflib.get_close_matches(rest[:64], [one.partition("/")[2] for one in by_area.get(area, ())], n=1, cutoff=_NEAR)
        if near:
            message = f"is not a time zone that the controller knows; did you mean {area}/{near[0]}"
            notes.add(name, "node_timezone", message, f"Write {area}/{near[0]}")
