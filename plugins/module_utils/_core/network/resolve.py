# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``network`` capability: from each host's ``network_*`` to what its network shall be."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ..fleet.model import Fleet, Host, Resolution
from ..fleet.values import Notes, is_domain, shown
from ._address_lists import read_address_lists
from ._interfaces import read_interfaces
from ._read import Place, boolean, choice, mapping, number, sequence
from ._relations import check_relations
from ._routing import read_dns, read_routes
from ._rules import read_rules
from .across_hosts import find_conflicts
from .backends.unsupported import unsupported
from .model import Desired
from .slice import as_data

BACKENDS = ("auto", "networkd", "ifupdown", "netplan", "networkmanager")
TIMEOUT_DEFAULT, TIMEOUT_LEAST, TIMEOUT_MOST = 90, 20, 3600


def resolve(fleet: Fleet) -> Resolution:
    """A slice for each host that has ``network_interfaces``; every problem at once. Never raises on what a user wrote.

    The slice: backend, rollback_timeout (seconds), allow_disconnect, management (addresses), checks (gateway, hosts
    with their addresses, names), provider_mac_filter and desired (see ``slice.as_data``).
    """
    notes = Notes()
    slices: Dict[str, Dict[str, Any]] = {}
    desired: Dict[str, Desired] = {}
    for host in fleet.hosts.values():
        options, wanted = _read(host, fleet, notes)
        if wanted.interfaces:
            slices[host.name] = {**options, "desired": as_data(wanted)}
            desired[host.name] = wanted
    find_conflicts(fleet, desired, notes)
    return Resolution(slices, tuple(notes.problems))


def _read(host: Host, fleet: Fleet, notes: Notes) -> Tuple[Dict[str, Any], Desired]:
    """The slice but for what is desired, and that."""
    given = {key: value for key, value in host.variables.items() if key.startswith("network_")}

    def at(variable: str) -> Place:
        return Place(host.name, variable, notes)

    seconds = number(
        given.get("network_rollback_timeout"),
        TIMEOUT_LEAST,
        TIMEOUT_MOST,
        "a time in seconds in which a new connection can be made",
        at("network_rollback_timeout"),
    )
    options: Dict[str, Any] = {
        "backend": choice(given.get("network_backend"), BACKENDS, "auto", at("network_backend")),
        "rollback_timeout": seconds or TIMEOUT_DEFAULT,
        "allow_disconnect": boolean(given.get("network_allow_disconnect"), False, at("network_allow_disconnect")),
        "management": list(host.addresses),
        "checks": _checks(given.get("network_checks"), fleet, at("network_checks")),
        "provider_mac_filter": boolean(given.get("network_provider_mac_filter"), False, at("network_provider_mac_filter")),
    }
    desired = _desired(given, at("network_interfaces"))
    for one in unsupported(options["backend"], desired) if options["backend"] != "auto" else ():
        at(f"network_{one.where}").note(one.message, one.remedy)
    return options, desired


def _desired(given: Mapping[str, Any], place: Place) -> Desired:
    written = read_interfaces(given.get("network_interfaces"), place)
    check_relations(written)
    managed = {interface.name: interface for interface, _unused in written}

    def at(variable: str) -> Place:
        return Place(place.host, variable, place.notes)

    if not written:
        return Desired()  # routes, rules and name servers may be set for a whole group
    return Desired(
        tuple(interface for interface, _unused in written),
        read_routes(given.get("network_routes"), managed, at("network_routes")),
        read_rules(given.get("network_rules"), at("network_rules")),
        read_dns(given.get("network_dns"), at("network_dns")),
        *read_address_lists(given, written, at),
    )


def _checks(value: Any, fleet: Fleet, place: Place) -> Dict[str, Any]:
    """What must work before a change is confirmed; the hosts with every address they are managed at."""
    given = mapping(value, ("gateway", "hosts", "names"), "{gateway: true, hosts: [ns1]}", place)
    hosts: Dict[str, List[str]] = {}
    for index, entry in enumerate(sequence(given.get("hosts"), "[ns1]", place / "hosts")):
        where = place / "hosts" / index
        name, addresses = _addresses(entry, fleet)
        if name == place.host:
            where.note(f"{name} is this host itself", "Name another")
        elif not addresses:
            where.note(f"{shown(entry)} is not a host of the fleet with an address", "Name a host of the inventory")
        else:
            hosts[name] = addresses
    names: List[str] = []
    for index, entry in enumerate(sequence(given.get("names"), "[example.net]", place / "names")):
        if is_domain(entry):
            names.append(str(entry))
        else:
            (place / "names" / index).note(f"{shown(entry)} is not a name", "Write for example example.net")
    return {"gateway": boolean(given.get("gateway"), True, place / "gateway"), "hosts": hosts, "names": names}


def _addresses(entry: Any, fleet: Fleet) -> Tuple[str, List[str]]:
    host = fleet.hosts.get(entry) if isinstance(entry, str) else None
    return ("", []) if host is None else (host.name, list(host.addresses))
