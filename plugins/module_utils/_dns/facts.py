# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What DNS says to the other subjects: the fleet's zones, the names that are taken in them, and the key that changes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Tuple

from .._fleet.model import Fleet, Host
from .._fleet.values import Notes
from . import names
from .keys.key_file import KEY_FOLDER
from .keys.variables import update_key
from .zones.variables import Zone, read_zones


@dataclass(frozen=True)
class Facts:
    """``zones`` are those that can be used, ``key`` has name and algorithm of the key with which each primary changes its own zones.

    What is wrong with the others, the capability dns_server reports.
    """

    hosts: Mapping[str, Host]
    zones: Tuple[Zone, ...]
    key: Mapping[str, str]

    @property
    def key_file(self) -> str:
        """Where a primary has that key."""
        return f"{KEY_FOLDER}/{self.key['name']}.key"

    def taken(self, zone: Zone) -> Dict[str, str]:
        """The canonical names in a zone that hosts or records of the inventory have, each with what has it. A record wins."""
        owners: Dict[str, str] = {}
        for host in self.hosts.values() if zone.hosts else ():
            try:
                name = names.canonical(host.fqdn)
            except names.BadName:
                continue
            if name != zone.name and names.within(name, zone.name):
                owners[name] = f"host {host.name}"
        for entry in zone.entries:
            try:
                owners[names.qualify(entry["record"], zone.name)] = f"{zone.path}.records"
            except names.BadName:
                continue
        return owners


def read_facts(fleet: Fleet) -> Facts:
    """Never raises on what a user wrote."""
    return Facts(fleet.hosts, tuple(read_zones(fleet, Notes())), update_key(fleet, Notes()))
