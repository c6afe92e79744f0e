# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module ``libvirt_guests``, and what they ask for."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from .._fleet.fields import read
from .._fleet.places import REFUSED, Place
from .._fleet.specs import argument_spec
from .._fleet.values import Notes
from .model import Guest, clashes
from .plan import Desired
from .read import Around, read_ceph, read_guest
from .variables import CEPH, FOLDER, GUESTS, VARIABLES


def spec() -> Dict[str, Any]:
    """The argument spec."""
    return {
        "guests": argument_spec(GUESTS, required_=True),
        "image_directory": argument_spec(FOLDER, default=Around.image_directory),
        "virtualization": argument_spec(VARIABLES["vm_host_virtualization"], default="auto"),
        "ceph": argument_spec(CEPH),
        "shutdown_timeout": {"type": "int", "default": 120},
    }


def read_desired(given: Mapping[str, Any], notes: Notes) -> Desired:
    """What the options ask for; what is wrong with them is noted."""
    directory = read(FOLDER, given["image_directory"], Place("", "image_directory", notes))
    directory = Around.image_directory if directory is REFUSED else directory
    ceph = None if given["ceph"] is None else read(CEPH, _without_nulls(given["ceph"]), Place("", "ceph", notes))
    around = Around("", directory, read_ceph(None if ceph is REFUSED else ceph))
    guests: List[Guest] = []
    places: Dict[str, Guest] = {}
    for options in read(GUESTS, [_written(entry) for entry in given["guests"]], Place("", "guests", notes)):
        if options["name"] is None:
            continue
        guest = read_guest(options["name"], options, around)
        if guest.name in [other.name for other in guests]:
            options.at("name").refuse(f"{guest.name} is named twice", "Write each guest once")
        guests.append(guest)
        places[options.place.path] = guest
    for one, other, mac in clashes(places):
        notes.add("", f"{other}.mac", f"{mac} is also that of {one}", "Give one of them another mac")
    return Desired(tuple(guests), directory, given["virtualization"], around.ceph)


def _written(guest: Mapping[str, Any]) -> Any:
    """The options that a task gave: Ansible has None for all others, and what they are by default."""
    return _without_nulls({key: value for key, value in guest.items() if key != "remove_disks" or value})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
