# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the playbook move_zone: what is wrong with them, before any host is asked.

A move waits for hours between its steps, so that a mistake in a variable that only the last step reads would show up when
nobody expects it any more.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, Tuple

from ..fleet.fields import Fault, Field, boolean, choice, fraction, list_of, path, table_of, text, whole
from ..fleet.values import shown
from . import names
from .values import TTL_MAX

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
    missing = [f"{PREFIX}{name} is missing. Set it; the head of the playbook says what it is." for name in REQUIRED if name not in variables]
    wrong = [
        f"{PREFIX}{name}{place}: {message}. {remedy}."
        for name, value in variables.items()
        for place, message, remedy in (*_nulls(value), *(() if value is None else _faults(name, value, controller)))
    ]
    return [*missing, *wrong, *_without_parent(variables)]


def _faults(name: str, value: Any, controller: Controller) -> Iterator[Fault]:
    if name in FIELDS:
        wrong = list(FIELDS[name].faults(value))
        yield from wrong
        if wrong:
            return
    if name in ("old", "new") and not value.get("servers"):
        yield "", "names no servers", "Write for example {servers: [192.0.2.1]}"
    elif name in ("old_update", "parent_update") and not value.get("server"):
        yield "", "names no server", f"Write for example {_UPDATE_EXAMPLE}"
    elif name == "zone":
        yield from _zone_faults(value)
    elif name == "host" and value not in controller.hosts:
        known = sorted(controller.hosts)
        more = f" and {len(known) - HOSTS_SHOWN} more" if len(known) > HOSTS_SHOWN else ""
        remedy = f"Name the host that asks the servers and sends updates, such as the zone's primary; there are {', '.join(known[:HOSTS_SHOWN])}{more}"
        yield "", f"{shown(value)} is not a host of the inventory", remedy
    elif name == "source" and not controller.is_file(value):
        yield "", f"{shown(value)} is not a file on the controller", "Give the path of the zone's file, best an absolute one"
    elif name == "vars_file":
        yield from _place_faults(value, controller)


def _zone_faults(value: Any) -> Iterator[Fault]:
    try:
        names.plain(value)
    except names.BadName as error:
        yield "", f"{shown(value)} {error}", "Write the zone's name, such as example.net"


def _place_faults(value: str, controller: Controller) -> Iterator[Fault]:
    folder = posixpath.dirname(value)
    if controller.is_folder(value):
        yield "", f"{shown(value)} is a folder", "Name a file in a folder that the inventory reads, such as group_vars/all"
    elif not controller.is_folder(folder):
        yield "", f"the folder {shown(folder)} is not there", "Make it, or name a file in a folder that the inventory reads"


def _without_parent(variables: Mapping[str, Any]) -> Iterator[str]:
    zone = variables.get("zone")
    if isinstance(zone, str) and zone.strip(".") and "." not in zone.strip(".") and "parent_zone" not in variables:
        yield f"{PREFIX}parent_zone is missing. {shown(zone)} has one label only; name the zone that delegates it."


def _nulls(value: Any, place: str = "") -> Iterator[Fault]:
    """A null is never taken for a variable that is missing."""
    if value is None:
        yield place, "has no value", "Give one, or remove it"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _nulls(inner, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _nulls(inner, f"{place}[{index}]")


def _families() -> Field:
    listed = list_of(choice("ipv4", "ipv6"), "[ipv4]")

    def faults(value: Any) -> Iterator[Fault]:
        """As Ansible takes a list: words with commas between them count."""
        return listed.faults(value.split(",") if isinstance(value, str) else value)

    return Field("list", faults, "str")


def _secret() -> Field:
    """The value is never shown."""

    def faults(value: Any) -> Iterator[Fault]:
        if not isinstance(value, str) or not value:
            yield "", "is not the secret of a key", "Write it in base64, or give key_file"

    return Field("str", faults)


def _name(example: str) -> Field:
    return text(example, lambda value: value.isprintable() and " " not in value)


def _port() -> Field:
    number = whole(1, 65535, "port")
    return Field(number.type, lambda value: ((place, message, "Write a port, such as 53") for place, message, _remedy in number.faults(value)))


def _absolute(example: str) -> Field:
    absolute = path()
    remedy = f"Write for example {example}"
    return Field(
        absolute.type, lambda value: ((place, f"{shown(value)} is not an absolute path", remedy) for place, _message, _remedy in absolute.faults(value))
    )


_KEY: Dict[str, Field] = {
    "key_file": _absolute("/etc/bind/transfer.key"),
    "key_name": _name("transfer"),
    "key_secret": _secret(),
    "key_algorithm": choice(*_ALGORITHMS),
}
_SIDE = table_of({"servers": list_of(_name("192.0.2.1"), "[192.0.2.1]"), "port": _port(), "transfer": boolean(), **_KEY}, "{servers: [192.0.2.1]}")
_UPDATE_EXAMPLE = "{server: 192.0.2.1, key_file: /etc/bind/update.key}"
_UPDATE = table_of({"server": _name("192.0.2.1"), "port": _port(), **_KEY}, _UPDATE_EXAMPLE)
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
    "ttl": whole(0, TTL_MAX, "seconds, such as 300"),
    "wait": fraction(0, LONGEST_WAIT, "seconds, such as 900"),
    "ignore_extra": boolean(),
    "families": _families(),
}
"""The type of each variable whose value could be refused by its type alone."""

OPTIONS: Tuple[str, ...] = ("zone", *FIELDS, "parent_zone")
"""All variables that are looked at; the others are read by the first look at the servers, before anything is changed."""
