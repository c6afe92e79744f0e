# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each host needs to know about itself and its fellows: the node capability."""

from __future__ import annotations

from typing import Any, Dict, Hashable, List

from .._fleet.model import Fleet, Host, Resolution
from .._fleet.reach import addresses_between, standpoint
from .._fleet.values import Notes
from .variables import read_settings


def resolve(fleet: Fleet) -> Resolution:
    """A host plan for every host: packages, timezone, administrators, sysctl, time_servers and hosts_entries.

    Reads ``node_*`` of each host. ``hosts_entries`` are the addresses at which the host reaches each host of the fleet, with
    their names, in order of host name, IPv4 first.
    """
    notes = Notes()
    named = [(fleet.hosts[name], _names(fleet.hosts[name])) for name in sorted(fleet.hosts)]
    entries: Dict[Hashable, List[Dict[str, Any]]] = {}
    for host in fleet.hosts.values():
        if standpoint(host) not in entries:
            reached = [(address, names) for other, names in named for address in addresses_between(fleet, host, other)]
            entries[standpoint(host)] = [{"address": address, "names": names} for address, names in reached]
    host_plans = {name: {**read_settings(name, host.variables, notes), "hosts_entries": entries[standpoint(host)]} for name, host in fleet.hosts.items()}
    return Resolution(host_plans, tuple(notes.problems))


def _names(host: Host) -> List[str]:
    return list(dict.fromkeys([host.fqdn, host.fqdn.split(".", maxsplit=1)[0]]))
