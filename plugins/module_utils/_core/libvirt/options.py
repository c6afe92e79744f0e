# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module ``libvirt_guests``, and what they ask for."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ..fleet.values import Notes
from .domain import MODES
from .guest import Guest, clashes
from .plan import Desired
from .read import FORMATS, MODELS, STATES, Around, Place, path, read_ceph, read_guest
from .resolve import VIRTUALIZATION


def _words(*names: str) -> Dict[str, Any]:
    return {name: {"type": "str"} for name in names}


def spec() -> Dict[str, Any]:
    """The argument spec."""
    disk = {**_words("target", "file", "size", "rbd"), "format": {"type": "str", "choices": list(FORMATS)}}
    interface = {
        **_words("bridge", "direct", "mac"),
        "mode": {"type": "str", "choices": list(MODES)},
        "model": {"type": "str", "choices": list(MODELS)},
    }
    guest: Dict[str, Any] = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": list(STATES), "default": "running"},
        "autostart": {"type": "bool"},
        "memory": {"type": "int"},
        "vcpus": {"type": "int"},
        "uuid": {"type": "str"},
        "boot": {"type": "dict", "options": _words("kernel", "initrd", "cmdline")},
        "disks": {"type": "list", "elements": "dict", "options": disk},
        "interfaces": {"type": "list", "elements": "dict", "options": interface},
        "remove_disks": {"type": "bool", "default": False},
    }
    ceph = {
        "monitors": {"type": "list", "elements": "str", "required": True},
        "user": {"type": "str", "required": True},
        "keyring": {"type": "path"},
    }
    return {
        "guests": {"type": "list", "elements": "dict", "required": True, "options": guest},
        "image_directory": {"type": "path", "default": Around.image_directory},
        "virtualization": {"type": "str", "choices": list(VIRTUALIZATION), "default": "auto"},
        "ceph": {"type": "dict", "options": ceph},
        "shutdown_timeout": {"type": "int", "default": 120},
    }


def read_desired(given: Mapping[str, Any], notes: Notes) -> Desired:
    """What the options ask for; what is wrong with them is noted."""
    directory = path(given["image_directory"], Place(notes, "", "image_directory")) or Around.image_directory
    ceph = read_ceph(given["ceph"], Place(notes, "", "ceph"))
    around = Around("", directory, ceph)
    guests: List[Guest] = []
    places: Dict[str, Guest] = {}
    for index, entry in enumerate(given["guests"]):
        place = Place(notes, "", "guests") / index
        written = {key: value for key, value in entry.items() if key != "name" and value is not None}
        if not written["remove_disks"]:
            del written["remove_disks"]
        guest = read_guest(entry["name"], written, around, place)
        if guest is None:
            continue
        if guest.name in [one.name for one in guests]:
            (place / "name").note(f"{guest.name} is named twice", "Write each guest once")
        guests.append(guest)
        places[place.path] = guest
    for one, other, mac in clashes(places):
        notes.add("", f"{other}.mac", f"{mac} is also that of {one}", "Give one of them another mac")
    return Desired(tuple(guests), directory, given["virtualization"], ceph)
