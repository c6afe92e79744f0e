# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``fleet_purposes`` and ``fleet_host_purposes``: which network a host uses for what."""

from __future__ import annotations

from typing import Any, Collection, Dict, Mapping

from .model import MANAGEMENT, PUBLIC, PURPOSES
from .networks import Networks
from .values import Notes, kind, shown

OF_FLEET, OF_HOST = "fleet_purposes", "fleet_host_purposes"
_EXAMPLE = "Write for example {management: main}"


def read_purposes(host: str, variable: str, value: Any, networks: Networks, notes: Notes) -> Dict[str, str]:
    """purpose -> network, as written in one of the two variables; notes what cannot be used. ``host`` is empty for the fleet's."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        notes.add(host, variable, f"must be a dictionary, found {kind(value)}", _EXAMPLE)
        return {}
    purposes: Dict[str, str] = {}
    for purpose, network in value.items():
        where = f"{variable}.{purpose}"
        if purpose not in PURPOSES:
            notes.add(host, where, "no such purpose of a network", f"Use only {', '.join(PURPOSES)}")
        elif not isinstance(network, str) or network not in networks.declared:
            names = ", ".join(networks.declared) or "none so far"
            notes.add(host, where, f"there is no network {shown(network)}", f"The networks of fleet_networks are: {names}")
        else:
            purposes[purpose] = network
    return purposes


def choose(host: str, variables: Mapping[str, Any], of_fleet: Mapping[str, str], members: Collection[str], networks: Networks, notes: Notes) -> Dict[str, str]:
    """purpose -> network of one host, which is in the networks ``members``, in the order of PURPOSES.

    A host needs a network for its management and for what the public reaches, and takes no part in the storage or the cluster of a fleet
    whose network for that it is not in. What is not set anywhere is the management network; that is the only one when there is but one.
    """
    own = read_purposes(host, OF_HOST, variables.get(OF_HOST), networks, notes)
    desired = {**of_fleet, **own}
    if MANAGEMENT not in desired:
        if len(networks.declared) > 1 and not _is_written(variables, MANAGEMENT):
            message = f"is not set, and there are {len(networks.declared)} networks"
            remedy = f"Name the network by which hosts are reached: {' or '.join(networks.declared)}"
            notes.add("", f"{OF_FLEET}.{MANAGEMENT}", message, remedy)
        desired[MANAGEMENT] = networks.declared[0] if networks.declared else ""
    chosen: Dict[str, str] = {}
    for purpose in PURPOSES:
        network = desired.get(purpose, desired[MANAGEMENT])
        if network in members:
            chosen[purpose] = network
        elif network in networks.usable and purpose in desired and (purpose in (MANAGEMENT, PUBLIC) or purpose in own):
            where = "fleet_host_networks" if purpose not in own else f"{OF_HOST}.{purpose}"
            message = f"the {purpose} network {network} is missing" if purpose not in own else f"the host is not in the network {network}"
            notes.add(host, where, message, f"Add {network} to fleet_host_networks, or name another network in {OF_HOST}.{purpose}")
    return chosen


def _is_written(variables: Mapping[str, Any], purpose: str) -> bool:
    """Whether one of the two variables has a value for the purpose, which then was noted where it stands."""
    return any(isinstance(value, Mapping) and purpose in value for value in (variables.get(OF_FLEET), variables.get(OF_HOST)))
