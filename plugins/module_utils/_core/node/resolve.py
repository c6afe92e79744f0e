# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each host needs to know about itself and its fellows: the node capability."""

from __future__ import annotations

from typing import Any, Dict, List

from ..fleet.model import Fleet, Host, Resolution
from ..fleet.reach import addresses_between
from ..fleet.values import Notes
from .settings import read_settings


def resolve(fleet: Fleet) -> Resolution:
    """A slice for every host: packages, timezone, administrators, sysctl, time_servers and hosts_entries.

    Reads ``node_*`` of each host. ``hosts_entries`` are the addresses at which the host reaches each host of the fleet, with
    their names, in order of host name, IPv4 first.
    """
    notes = Notes()
    slices = {name: {**read_settings(name, host.variables, notes), "hosts_entries": _entries(fleet, host)} for name, host in fleet.hosts.items()}
    return Resolution(slices, tuple(notes.problems))


def _entries(fleet: Fleet, source: Host) -> List[Dict[str, Any]]:
    entries: List[Dict[str, Any]] = []
    for name in sorted(fleet.hosts):
        host = fleet.hosts[name]
        names = list(dict.fromkeys([host.fqdn, host.fqdn.split(".", maxsplit=1)[0]]))
        entries.extend({"address": address, "names": names} for address in addresses_between(fleet, source, host))
    return entries
