# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``dns_server`` capability: from ``dns_zones`` and the fleet's hosts to what each primary serves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..fleet.model import Fleet, Host, Resolution
from ..fleet.problems import Problem
from . import names, values
from .records import Table, read_records

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
KEY_FOLDER = "/etc/smallfleet/dns"
DEFAULT_TTL = 300
ZONE_OPTIONS = ("primary", "ttl", "hosts", "records")
_KEY_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,100}[a-z0-9])?")


@dataclass(frozen=True)
class Zone:
    """One zone as asked for. ``entries`` are its records as written, not yet looked into."""

    name: str
    path: str
    primary: Host
    ttl: int
    hosts: bool
    entries: Any


@dataclass
class Notes:
    """Collects problems of the whole fleet."""

    problems: List[Problem] = field(default_factory=list)

    def add(self, variable: str, message: str, remedy: str, host: str = "") -> None:
        self.problems.append(Problem(host, variable, message, remedy))


def resolve(fleet: Fleet) -> Resolution:
    """Slices for every primary of a zone in ``dns_zones``; every problem at once. Never raises on what a user wrote."""
    notes = Notes()
    zones = _zones(fleet, notes)
    key = update_key(fleet, notes)
    claims = standby_claims(fleet)
    slices: Dict[str, Dict[str, Any]] = {}
    for zone in zones:
        others = [other.name for other in zones if other.name != zone.name and names.within(other.name, zone.name)]
        table = _table(fleet, zone, others, claims, notes)
        part = slices.setdefault(
            zone.primary.name,
            {
                "provider": "bind",
                "listen": list(zone.primary.addresses),
                "keys": [dict(key)],
                "update_key": dict(key),
                "zones": [],
                "catalogs": [],
                "updates": [],
            },
        )
        served = _slice(zone, table)
        part["zones"].append(served)
        part["updates"].append(_update(served))
    return Resolution(slices, tuple(notes.problems))


def resolve_keys(fleet: Fleet) -> Resolution:
    """The capability ``dns_keys``: for every host that holds keys, which, where, and on which host each is made."""
    served = resolve(fleet)
    slices = {
        host: {"keys": [{**key, "home": host} for key in part["keys"]]} for host, part in served.slices.items()
    }
    return Resolution(slices, served.problems)


def update_key(fleet: Fleet, notes: Optional[Notes] = None) -> Mapping[str, str]:
    """Name, algorithm and file (on the primary) of the fleet's update key."""
    notes = notes or Notes()
    asked = fleet.variables.get("dns_update_key")
    if asked is None:
        asked = {}
    if not isinstance(asked, dict):
        notes.add("dns_update_key", "is not a dictionary", "Write for example {name: demo-update}, or leave it out")
        asked = {}
    for option in asked:
        if option not in ("name", "algorithm"):
            notes.add(f"dns_update_key.{option}", "is no option of a key", "Use name and algorithm")
    name = asked.get("name", f"{fleet.name}-update")
    if not isinstance(name, str) or not _KEY_NAME.fullmatch(name) or ".." in name:
        notes.add("dns_update_key.name", f"{name!r} is no name of a key", "Use lower-case letters, digits and hyphens")
        name = "update"
    algorithm = asked.get("algorithm", ALGORITHMS[0])
    if algorithm not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        notes.add("dns_update_key.algorithm", f"{algorithm!r} is not accepted", f"Use one of {known}")
        algorithm = ALGORITHMS[0]
    return {"name": name, "algorithm": algorithm, "file": f"{KEY_FOLDER}/{name}.key"}


def standby_claims(fleet: Fleet) -> Mapping[str, str]:
    """Names that belong to a standby service's swap, each with the path of the variable that claims it."""
    services = fleet.variables.get("standby_services")
    claims: Dict[str, str] = {}
    for service, options in services.items() if isinstance(services, dict) else ():
        if not isinstance(options, dict) or not options.get("record"):
            continue
        try:
            zone = names.canonical(options.get("zone", fleet.domain))
            claims[names.qualify(options["record"], zone)] = f"standby_services.{service}.record"
        except names.BadName:
            continue  # the standby capability reports it
    return claims


def _zones(fleet: Fleet, notes: Notes) -> List[Zone]:
    asked = fleet.variables.get("dns_zones")
    if asked is None:
        return []
    if not isinstance(asked, dict):
        notes.add("dns_zones", "is not a dictionary", "Write {demo.example.net: {primary: ns1}}")
        return []
    found: Dict[str, Zone] = {}
    for text, options in asked.items():
        path = f"dns_zones.{text}"
        try:
            name = names.canonical(text)
            if "*" in name or "/" in name and not name.endswith(".in-addr.arpa."):
                raise names.BadName("has a character that the name of a zone cannot have")
        except names.BadName as error:
            notes.add(path, f"'{text}' {error}", "Name the zone, for example demo.example.net")
            continue
        if name in found:
            notes.add(path, f"is the same zone as {found[name].path}", "Write each zone once")
            continue
        zone = _zone(fleet, name, path, options, notes)
        if zone is not None:
            found[name] = zone
    return list(found.values())


def _zone(fleet: Fleet, name: str, path: str, options: Any, notes: Notes) -> Optional[Zone]:
    if not isinstance(options, dict):
        notes.add(path, "is not a dictionary", "Write for example {primary: ns1}")
        return None
    for option in options:
        if option not in ZONE_OPTIONS:
            notes.add(f"{path}.{option}", "is no option of a zone", f"Use {', '.join(ZONE_OPTIONS)}")
    ttl = options.get("ttl", DEFAULT_TTL)
    if not values.is_ttl(ttl):
        notes.add(f"{path}.ttl", f"{ttl!r} is no time to live", f"Write whole seconds from 0 to {values.TTL_MAX}")
        ttl = DEFAULT_TTL
    hosts = options.get("hosts", True)
    if not isinstance(hosts, bool):
        notes.add(f"{path}.hosts", f"{hosts!r} is neither true nor false", "Write true or false")
        hosts = True
    primary = options.get("primary")
    if primary is None:
        notes.add(f"{path}.primary", "is missing", "Name the host that serves the zone")
        return None
    host = fleet.hosts.get(primary) if isinstance(primary, str) else None
    if host is None:
        notes.add(f"{path}.primary", f"{primary!r} is not a host of the fleet", "Name a host of the inventory")
        return None
    if not host.addresses:
        notes.add(
            f"{path}.primary",
            f"{primary} has no address in its management network",
            "Give it a fleet_host_number and a management network with addresses",
        )
        return None
    return Zone(name, path, host, ttl, hosts, options.get("records"))


def _table(fleet: Fleet, zone: Zone, cuts: List[str], claims: Mapping[str, str], notes: Notes) -> Table:
    """All record sets of one zone but its SOA: static ones first, then the hosts', then the primary's own."""
    table = Table(zone.name, zone.ttl)
    for problem in read_records(zone.entries, f"{zone.path}.records", cuts, claims, table):
        notes.problems.append(problem)
    for host in fleet.hosts.values():
        own = host.name == zone.primary.name
        if not (zone.hosts or own):
            continue
        try:
            name = names.canonical(host.fqdn)
        except names.BadName as error:
            if zone.hosts:
                notes.add("fleet_host_fqdn", f"'{host.fqdn}' {error}", "Give it a name that DNS can carry", host.name)
            continue
        if not names.within(name, zone.name) or any(names.within(name, cut) for cut in cuts):
            continue
        _publish(host, name, zone, claims, table, notes)
    _check_nameservers(zone, cuts, table, notes)
    return table


def _check_nameservers(zone: Zone, cuts: List[str], table: Table, notes: Notes) -> None:
    """A server refuses to load a zone whose own nameservers have no address in it."""
    for name in table.values_at(zone.name, "NS"):
        if not names.within(name, zone.name) or any(names.within(name, cut) for cut in cuts):
            continue
        if not (table.values_at(name, "A") or table.values_at(name, "AAAA")):
            notes.add(
                f"{zone.path}.records",
                f"{name} is a nameserver of the zone and has no address in it",
                "Add its A or AAAA record",
            )


def _publish(host: Host, name: str, zone: Zone, claims: Mapping[str, str], table: Table, notes: Notes) -> None:
    if name in claims:
        notes.add(
            claims[name],
            f"{name} is the name of the host {host.name}",
            "Give the service a name of its own",
        )
        return
    for address in host.addresses:
        kind = "AAAA" if ":" in address else "A"
        if not zone.hosts and table.values_at(name, kind):
            continue  # the zone's own records say where its primary is
        trouble = table.add(name, kind, zone.ttl, [address], f"host {host.name}")
        if trouble:
            notes.add(
                f"{zone.path}.records",
                f"{name} is the name of the host {host.name}, and {trouble}",
                "Take the record away or give the host another fleet_host_fqdn",
            )


def _slice(zone: Zone, table: Table) -> Dict[str, Any]:
    primary = _fqdn(zone.primary, zone)
    nameservers: Tuple[str, ...] = table.values_at(zone.name, "NS") or (primary,)
    return {
        "name": zone.name[:-1],
        "role": "primary",
        "ttl": zone.ttl,
        "dnssec": False,
        "hidden": False,
        "transfer": {"key": "", "peers": [], "addresses": []},
        "grants": [],
        "primary_fqdn": primary[:-1],
        "primary_addresses": list(zone.primary.addresses),
        "nameservers": list(nameservers),
        "soa": {
            "mname": primary,
            "rname": f"hostmaster.{zone.name}",
            "refresh": 3600,
            "retry": 600,
            "expire": 1209600,
            "minimum": min(zone.ttl, 300),
        },
        "record_sets": table.as_data(skip=((zone.name, "NS"),)),
    }


def _update(served: Mapping[str, Any]) -> Dict[str, Any]:
    """The zone as an entry of the option ``zones`` of the module dns_record_sets: its own nameservers with the rest."""
    own = {"record": "@", "type": "NS", "ttl": served["ttl"], "value": list(served["nameservers"])}
    return {"zone_name": served["name"], "record_sets": [own, *served["record_sets"]]}


def _fqdn(host: Host, zone: Zone) -> str:
    try:
        return names.canonical(host.fqdn)
    except names.BadName:
        return zone.name
