# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the playbook move_zone: what is wrong with them, before any host is contacted.

A move waits for hours between its steps, so that a mistake in a variable that only the last step reads would show up when
nobody expects it any more.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, Tuple

from ..._fleet.fields import Field, Option, boolean, choice, fraction, in_context, list_of, name, optional, port, read, table_of, text, whole
from ..._fleet.places import REFUSED, Place, Values
from ..._fleet.values import Notes, shown
from .. import names
from ..values import TTL_MAX

PREFIX = "move_"
REQUIRED = ("zone", "host", "old", "new", "vars_file")
LONGEST_WAIT = 604_800  # seconds; a week
HOSTS_SHOWN = 10
_ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha1", "hmac-md5")


@dataclass(frozen=True)
class Controller:
    """Where the playbook runs: the hosts of its inventory, and what a path is there."""

    hosts: Collection[str]
    is_file: Callable[[str], bool]
    is_folder: Callable[[str], bool]


def variable_problems(variables: Mapping[str, Any], controller: Controller) -> List[str]:
    """One sentence or two for each variable that cannot be used: its name, its value, and what to write.

    ``variables`` has those that are set, without ``move_`` before their names.
    """
    missing = [f"{PREFIX}{option} is missing. Set it; the head of the playbook says what it is." for option in REQUIRED if option not in variables]
    notes = Notes()
    for option, value in variables.items():
        place = Place("", f"{PREFIX}{option}", notes, controller.hosts)
        # ansible-core 2.18 hands a null over as an empty text, which none of the variables may be.
        usable = read(FIELDS.get(option, in_context()), None if value == "" else value, place)
        if usable is not REFUSED and (not isinstance(usable, Values) or usable.clean):
            _look(option, usable, place, controller)
    wrong = [f"{problem.variable}: {problem.message}. {problem.remedy}." for problem in notes.problems]
    return [*missing, *wrong, *_without_parent(variables)]


def _look(option: str, value: Any, place: Place, controller: Controller) -> None:
    """Refuse what only the controller can tell, or the other parts of a value."""
    if option in ("old", "new") and not value["servers"]:
        place.refuse("names no servers", "Write for example {servers: [192.0.2.1]}")
    elif option in ("old_update", "parent_update") and not value["server"]:
        place.refuse("names no server", f"Write for example {_UPDATE_EXAMPLE}")
    elif option == "zone":
        _look_at_zone(value, place)
    elif option == "host" and value not in controller.hosts:
        known = sorted(controller.hosts)
        more = f" and {len(known) - HOSTS_SHOWN} more" if len(known) > HOSTS_SHOWN else ""
        remedy = f"Name the host that asks the servers and sends updates, such as the zone's primary; there are {', '.join(known[:HOSTS_SHOWN])}{more}"
        place.refuse(f"{shown(value)} is not a host of the inventory", remedy)
    elif option == "source" and not controller.is_file(value):
        place.refuse(f"{shown(value)} is not a file on the controller", "Give the path of the zone's file, best an absolute one")
    elif option == "vars_file":
        _look_at_file(value, place, controller)


def _look_at_zone(value: Any, place: Place) -> None:
    try:
        names.plain(value)
    except names.BadName as error:
        place.refuse(f"{shown(value)} {error}", "Write the zone's name, such as example.net")


def _look_at_file(value: str, place: Place, controller: Controller) -> None:
    folder = posixpath.dirname(value)
    if controller.is_folder(value):
        place.refuse(f"{shown(value)} is a folder", "Name a file in a folder that the inventory reads, such as group_vars/all")
    elif not controller.is_folder(folder):
        place.refuse(f"the folder {shown(folder)} is not there", "Make it, or name a file in a folder that the inventory reads")


def _without_parent(variables: Mapping[str, Any]) -> Iterator[str]:
    zone = variables.get("zone")
    if isinstance(zone, str) and zone.strip(".") and "." not in zone.strip(".") and "parent_zone" not in variables:
        yield f"{PREFIX}parent_zone is missing. {shown(zone)} has one label only; name the zone that delegates it."


def _families() -> Field:
    """As Ansible takes a list: words with commas between them count."""
    listed = list_of(choice("ipv4", "ipv6"), "[ipv4]")
    return replace(listed, parse=lambda value, place: listed.parse(value.split(",") if isinstance(value, str) else value, place))


def _secret() -> Field:
    """The value is never shown."""

    def parse(value: Any, place: Place) -> Any:
        return value if isinstance(value, str) and value else place.refuse("is not the secret of a key", "Write it in base64, or give key_file")

    return Field("str", parse, {"type": "string", "minLength": 1})


def _name(example: str) -> Field:
    return text(example, lambda value: value.isprintable() and " " not in value)


def _absolute(example: str) -> Field:
    return name(r"(/[^\0-\x1f\x7f]+)+|/", "an absolute path", f"Write for example {example}")


_KEY: Dict[str, Option] = {
    "key_file": optional(_absolute("/etc/bind/transfer.key")),
    "key_name": optional(_name("transfer")),
    "key_secret": optional(_secret()),
    "key_algorithm": optional(choice(*_ALGORITHMS)),
}
_SIDE = table_of(
    {"servers": optional(list_of(_name("192.0.2.1"), "[192.0.2.1]"), ()), "port": optional(port()), "transfer": optional(boolean()), **_KEY},
    "the servers of a side",
    "{servers: [192.0.2.1]}",
)
_UPDATE_EXAMPLE = "{server: 192.0.2.1, key_file: /etc/bind/update.key}"
_UPDATE = table_of({"server": optional(_name("192.0.2.1")), "port": optional(port()), **_KEY}, "a server that takes updates", _UPDATE_EXAMPLE)
FIELDS: Mapping[str, Field] = {
    "host": _name("ns1"),
    "old": _SIDE,
    "new": _SIDE,
    "parent": _SIDE,
    "vars_file": _absolute("/srv/fleet/group_vars/all/zone_example_net.yml"),
    "source": text("/srv/dns/example.net.zone"),
    "source_format": choice("zone", "octodns", "tsv"),
    "old_update": _UPDATE,
    "parent_update": _UPDATE,
    "ttl": whole(0, TTL_MAX, "seconds", 300),
    "wait": fraction(0, LONGEST_WAIT, "seconds"),
    "ignore_extra": boolean(),
    "families": _families(),
}
"""The type of each variable whose value could be refused by its type alone."""

OPTIONS: Tuple[str, ...] = ("zone", *FIELDS, "parent_zone")
"""All variables that are looked at; the others are read by the first look at the servers, before anything is changed."""
