# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The content of a zone: its static records, the fleet's hosts, and its nameservers."""

from __future__ import annotations

from functools import partial
from typing import Dict, List, Mapping, Sequence, Tuple

from ..._fleet.model import PUBLIC, Fleet, Host
from ..._fleet.values import Notes
from .. import names
from .delegations import ZoneBelow, add_delegations, check_delegations, cuts_of, servers_of
from .records import Table, read_records
from .variables import Zone


def standby_claims(fleet: Fleet) -> Mapping[str, str]:
    """Names that belong to a standby service's swap, each with the path of the variable that claims it."""
    services = fleet.variables.get("standby_services")
    claims: Dict[str, str] = {}
    for service, options in services.items() if isinstance(services, dict) else ():
        if not isinstance(options, dict) or not options.get("record"):
            continue
        try:
            zone = names.plain(options.get("zone", fleet.domain))
            claims[names.qualify(options["record"], zone)] = f"standby_services.{service}.record"
        except names.BadName:
            continue  # the standby capability reports it
    return claims


def read_tables(fleet: Fleet, zones: Sequence[Zone], claims: Mapping[str, str], notes: Notes) -> Dict[str, Table]:
    """The tables of all zones by name, each with the delegations of those below it."""
    ready: Dict[str, ZoneBelow] = {}
    for zone in sorted(zones, key=lambda one: -one.name.count(".")):
        below = {name: one for name, one in ready.items() if names.within(name, zone.name)}
        table = read_table(fleet, zone, below, claims, notes)
        ready[zone.name] = ZoneBelow(nameservers(zone, table), table)
    return {name: one.table for name, one in ready.items()}


def read_table(fleet: Fleet, zone: Zone, below: Mapping[str, ZoneBelow], claims: Mapping[str, str], notes: Notes) -> Table:
    """All record sets of one zone but its SOA: static ones first, then the hosts', then delegations.

    A zone that does not publish the hosts has at least those of its nameservers, and no zone has its hidden primary.
    """
    table, cuts = Table(zone.name, zone.ttl), sorted(below)
    read_records(zone.entries, cuts, claims, table)
    delegated, servers = {*cuts, *cuts_of(table)}, servers_of(table)
    for host in fleet.hosts.values():
        if not (zone.hosts or host in zone.public) or (zone.hidden and host is zone.primary):
            continue
        try:
            name = zone.name_of(host)
        except names.BadName as error:
            if zone.hosts:
                notes.add(host.name, "fleet_host_fqdn", f"'{host.fqdn}' {error}", "Give it a name that DNS can carry")
            continue
        if not names.within(name, zone.name):
            continue
        if name not in servers and any(names.within(name, cut) for cut in delegated):
            continue
        _publish(host, name, zone, claims, table, notes)
    add_delegations(zone, table, below, partial(_addresses_of, fleet), notes)
    check_delegations(zone, table, notes)
    _check_nameservers(zone, cuts, table, notes)
    return table


def _addresses_of(fleet: Fleet, name: str) -> Sequence[str]:
    """The addresses of the host with this name."""
    for host in fleet.hosts.values():
        try:
            if names.canonical(host.fqdn) == name:
                return host.addresses_for(PUBLIC)
        except names.BadName:
            continue  # noted where the zone publishes its hosts
    return ()


def nameservers(zone: Zone, table: Table) -> Tuple[str, ...]:
    """The names in the zone's NS set: those of its records, or of the hosts that the world is told to ask, and of others' servers."""
    own = table.values_at(zone.name, "NS") or tuple(fqdn(host, zone) for host in zone.public)
    return tuple(dict.fromkeys((*own, *_external_names(zone))))


def _external_names(zone: Zone) -> Tuple[str, ...]:
    return tuple(one.name for one in zone.external if one.name)


def _check_nameservers(zone: Zone, cuts: List[str], table: Table, notes: Notes) -> None:
    """A server refuses to load a zone whose own nameservers have no address in it."""
    if zone.external and not nameservers(zone, table):
        said = "leaves no nameserver that has a name here"
        remedy = "Give the servers in external_secondaries their name, or add an NS record set for the zone to its records"
        notes.add("", f"{zone.path}.hidden_primary", said, remedy)
    if zone.hidden and fqdn(zone.primary, zone) in (*table.values_at(zone.name, "NS"), *_external_names(zone)):
        said = f"is true, and the zone's NS records name {zone.primary.name}"
        notes.add("", f"{zone.path}.hidden_primary", said, "Take it out of the NS records, or let it be visible")
    for name in dict.fromkeys((*table.values_at(zone.name, "NS"), *_external_names(zone))):
        if not names.within(name, zone.name) or any(names.within(name, cut) for cut in cuts):
            continue
        if not (table.values_at(name, "A") or table.values_at(name, "AAAA")):
            notes.add(
                "",
                f"{zone.path}.records",
                f"{name} is a nameserver of the zone and has no address in it",
                "Add its A or AAAA record",
            )


def _publish(host: Host, name: str, zone: Zone, claims: Mapping[str, str], table: Table, notes: Notes) -> None:
    if name in claims:
        notes.add(
            "",
            claims[name],
            f"{name} is the name of the host {host.name}",
            "Give the service a name of its own",
        )
        return
    for address in host.addresses_for(zone.purpose):
        kind = "AAAA" if ":" in address else "A"
        if not zone.hosts and table.values_at(name, kind):
            continue  # the zone's own records say where its nameservers are
        trouble = table.add(name, kind, zone.ttl, [address], f"host {host.name}")
        if trouble:
            notes.add(
                "",
                f"{zone.path}.records",
                f"{name} is the name of the host {host.name}, and {trouble}",
                "Take the record away or give the host another fleet_host_fqdn",
            )


def fqdn(host: Host, zone: Zone) -> str:
    """The host's canonical name; that of the zone for a host whose name DNS cannot carry, which is noted elsewhere."""
    try:
        return names.canonical(host.fqdn)
    except names.BadName:
        return zone.name
