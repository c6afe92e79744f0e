# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``network`` capability: from each host's ``network_*`` to what its network shall be."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from .._fleet.fields import read_variable
from .._fleet.model import MANAGEMENT, Fleet, Host, Resolution
from .._fleet.places import Place, Values, items
from .._fleet.reach import addresses_between
from .._fleet.values import Notes
from .across_hosts import find_conflicts
from .backends.registry import AUTO, BACKENDS
from .from_fleet import with_fleet
from .model import Desired
from .serialization import as_data
from .variables.address_lists import ABSENT, IGNORED, read_address_lists
from .variables.declared import TIMEOUT_DEFAULT, VARIABLES
from .variables.interfaces import read_interfaces
from .variables.relations import check_relations
from .variables.routing import read_dns, read_routes
from .variables.rules import read_rules

Given = Callable[..., Any]
"""The value of a variable, or a default."""


def resolve(fleet: Fleet) -> Resolution:
    """A host plan for each host that has ``network_interfaces``; every problem at once. Never raises on what a user wrote.

    The host plan: backend, rollback_timeout (seconds), allow_disconnect, management (addresses), checks (gateway, hosts
    with their addresses, names), provider_mac_filter and desired (see ``serialization.as_data``).
    """
    notes = Notes()
    host_plans: Dict[str, Dict[str, Any]] = {}
    desired: Dict[str, Desired] = {}
    for host in fleet.hosts.values():
        options, wanted = _read(host, fleet, notes)
        if wanted.interfaces:
            host_plans[host.name] = {**options, "desired": as_data(wanted)}
            desired[host.name] = wanted
    find_conflicts(fleet, desired, notes)
    return Resolution(host_plans, tuple(notes.problems))


def _read(host: Host, fleet: Fleet, notes: Notes) -> Tuple[Dict[str, Any], Desired]:
    """The host plan but for what is desired, and that."""

    def at(variable: str) -> Place:
        return Place(host.name, variable, notes, fleet.hosts)

    written = host.variables
    if read_variable(VARIABLES["network_from_fleet"], written, at("network_from_fleet"), False):
        written = with_fleet(host, written)

    def given(variable: str, default: Any = None) -> Any:
        return read_variable(VARIABLES[variable], written, at(variable), default)

    options: Dict[str, Any] = {
        "backend": given("network_backend", AUTO),
        "rollback_timeout": given("network_rollback_timeout", TIMEOUT_DEFAULT),
        "allow_disconnect": given("network_allow_disconnect", False),
        "management": list(host.addresses_for(MANAGEMENT)),
        "checks": _checks(given("network_checks"), host, fleet),
        "provider_mac_filter": given("network_provider_mac_filter", False),
    }
    desired = _desired(given, at)
    for one in BACKENDS[options["backend"]].unsupported(desired) if options["backend"] != AUTO else ():
        at(f"network_{one.where}").refuse(one.message, one.remedy)
    return options, desired


def _desired(given: Given, at: Callable[[str], Place]) -> Desired:
    routes, rules, dns = given("network_routes"), given("network_rules"), read_dns(given("network_dns"))
    networks, addresses = given(IGNORED, items(())), given(ABSENT, items(()))
    written = read_interfaces(given("network_interfaces", ()))
    check_relations(written)
    if not written:
        return Desired()  # routes, rules and name servers may be set for a whole group
    managed = {interface.name: interface for interface, _unused in written}
    return Desired(
        tuple(interface for interface, _unused in written),
        read_routes(() if routes is None else routes["config"], managed),
        read_rules(() if rules is None else rules["config"]),
        dns,
        *read_address_lists(networks, addresses, written, at),
    )


def _checks(given: Optional[Values], host: Host, fleet: Fleet) -> Dict[str, Any]:
    """What must work before a change is confirmed; the hosts with the addresses at which this one reaches them."""
    if given is None:
        return {"gateway": True, "hosts": {}, "names": []}
    hosts: Dict[str, List[str]] = {}
    for name, place in zip(given["hosts"], given["hosts"].places if given["hosts"] else ()):
        if name == host.name:
            place.refuse(f"{name} is this host itself", "Name another")
            continue
        addresses = addresses_between(fleet, host, fleet.hosts[name])
        if not addresses:
            place.refuse(f"{name} has no address", "Name another host of the inventory")
        else:
            hosts[name] = list(addresses)
    return {"gateway": given["gateway"], "hosts": hosts, "names": list(given["names"])}
