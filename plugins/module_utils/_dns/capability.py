# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The capabilities ``dns_server`` and ``dns_keys``: from ``dns_zones``, ``dns_keys`` and the fleet's hosts to what each
server serves, and to which keys each host holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from .._fleet.fields import Field, boolean, choice, read_variable
from .._fleet.model import MANAGEMENT, PUBLIC, Fleet, Host, Resolution
from .._fleet.places import Place
from .._fleet.reach import addresses_between
from .._fleet.values import Notes
from . import names
from .keys.variables import KEYS, UPDATE_KEY, DerivedKeys, FleetKey, label, read_keys, transfer_key_name
from .soa import TIMERS
from .update.prune import Ignore
from .zones.content import fqdn, nameservers, read_tables, standby_claims
from .zones.delegations import answerable
from .zones.records import Table
from .zones.reverse import check_reverse, publish_pointers
from .zones.variables import ZONES, Zone, read_zones

NO_KEYS: DerivedKeys = MappingProxyType({})
PROVIDERS = ("bind", "knot")
VARIABLES: Mapping[str, Field] = {
    "dns_catalog": boolean(),
    "dns_keys": KEYS,
    "dns_server_provider": choice(*PROVIDERS),
    "dns_update_key": UPDATE_KEY,
    "dns_zones": ZONES,
}


@dataclass(frozen=True)
class Model:
    """All of a fleet's DNS."""

    fleet: Fleet
    zones: Sequence[Zone]
    keys: Sequence[FleetKey]
    catalog: bool
    notes: Notes


def resolve(fleet: Fleet, derived: DerivedKeys = NO_KEYS) -> Resolution:
    """Slices for every primary and secondary of a zone in ``dns_zones``. Never raises on what a user wrote. ``derived`` keys are added to ``dns_keys``.

    A host plan is ``{provider, listen, keys, update_key, zones, catalogs, updates, answers, awaited}``. ``keys`` are all that the
    server must know, as ``{name, algorithm, file}``; ``update_key`` is one of them, for the role's own updates, and
    only primaries have it. ``zones`` and ``catalogs`` are the options of the module ``dns_server_config``, ``updates``
    is the option ``zones`` of ``dns_record_sets``, and ``answers`` the same for what a secondary must have taken over. ``awaited`` are ``{zone_name, servers}``
    for the primary's zones that secondaries take over; a catalog is none of them, since servers need not answer for one.
    """
    model = _model(fleet, derived)
    claims = standby_claims(fleet)
    host_plans = {host.name: _server(host, model) for host in _servers(model)}
    tables = read_tables(fleet, model.zones, claims, model.notes)
    publish_pointers(fleet, model.zones, tables, claims)
    for zone in model.zones:
        table = tables[zone.name]
        served, update = _served(zone, table, model), _update(zone, table, model, claims)
        host_plans[zone.primary.name]["zones"].append(served)
        host_plans[zone.primary.name]["updates"].append(update)
        if zone.secondaries:
            servers = [address for host in (zone.primary, *zone.secondaries) for address in addresses_between(fleet, zone.primary, host)]
            host_plans[zone.primary.name]["awaited"].append({"zone_name": served["name"], "servers": servers})
        for host in zone.secondaries:
            if not model.catalog:
                host_plans[host.name]["zones"].append(_taken(served, zone.primary, host, fleet))
            here = [one.name for one in model.zones if host in (one.primary, *one.secondaries) and one.name != zone.name]
            below = [name for name in here if names.within(name, zone.name)]
            sets = answerable(update["record_sets"], zone.name, below)
            host_plans[host.name]["answers"].append({"zone_name": update["zone_name"], "record_sets": sets})
    if model.catalog:
        _add_catalogs(model, host_plans)
    return Resolution(host_plans, tuple(model.notes.problems))


OF_ONE_HOST = ("dns_update_key", "dns_zones")  # the variables of keys whose secret stays on one host, or has that host's name


def resolve_keys(fleet: Fleet, derived: DerivedKeys = NO_KEYS) -> Resolution:
    """Slices ``{keys: [{name, algorithm, file, home}], by_home, secrets, elsewhere}``, where ``home`` makes the secret, for every host of a fleet with zones.

    ``by_home`` are the same keys in lists by their home, and ``secrets`` the names of those whose secrets others have made and
    this host, as their home, needs from the inventory. A host whose list is empty may still hold a key that it is to give up.
    ``elsewhere`` has, for a DNS server, the homes of keys that are not for it, by name: it may have been the home of some.
    Of the problems only those of zones and keys are here; resolve() has the others.
    """
    model = _model(fleet, derived)
    host_plans: Dict[str, Dict[str, Any]] = {host: {"keys": [], "by_home": {}, "secrets": [], "elsewhere": {}} for host in fleet.hosts} if model.zones else {}
    for key in sorted(model.keys, key=lambda one: one.name):
        for host in key.holders:
            held = key.as_held()
            host_plans[host]["keys"].append(held)
            host_plans[host]["by_home"].setdefault(held["home"], []).append(held)
            if "external" in held and held["home"] == host:
                host_plans[host]["secrets"].append(held["name"])
        for server in _servers(model):
            if server.name not in key.holders and key.path not in OF_ONE_HOST:
                host_plans[server.name]["elsewhere"][key.name] = key.home
    return Resolution(host_plans, tuple(model.notes.problems))


def _model(fleet: Fleet, derived: DerivedKeys) -> Model:
    notes = Notes()
    zones = read_zones(fleet, notes)
    keys = read_keys(fleet, zones, notes, derived)
    check_reverse(zones, notes)
    return Model(fleet, zones, keys, read_variable(VARIABLES["dns_catalog"], fleet.variables, Place("", "dns_catalog", notes), False), notes)


def _servers(model: Model) -> List[Host]:
    found = {host.name: host for zone in model.zones for host in (zone.primary, *zone.secondaries)}
    return list(found.values())


def _server(host: Host, model: Model) -> Dict[str, Any]:
    """The part of a server's plan that does not depend on its zones."""
    provider = read_variable(VARIABLES["dns_server_provider"], host.variables, Place(host.name, "dns_server_provider", model.notes), PROVIDERS[0])
    serves = [key for key in model.keys if _is_served(key, host)]
    update = [key.as_known() for key in serves if key.path == "dns_update_key"]
    known = {key.name: key.as_known() for key in serves}
    return {
        "provider": provider,
        "listen": list(host.addresses_for(PUBLIC, MANAGEMENT)),
        "keys": [known[name] for name in sorted(known)],
        **({"update_key": update[0]} if update else {}),
        "zones": [],
        "catalogs": [],
        "updates": [],
        "answers": [],
        "awaited": [],
    }


def _is_served(key: FleetKey, host: Host) -> bool:
    """Whether the host's server must know the key; a host that only holds a key as a client does not."""
    if host.name not in key.holders:
        return False
    primaries = (*(grant.zone.primary.name for grant in key.grants), *key.transfers)
    return not primaries or host.name in primaries


def _peer(fleet: Fleet, server: Host, peer: Host) -> Dict[str, Any]:
    """The peer of a server, with the addresses at which the server reaches it, and from which it is reached."""
    return {"host": peer.name, "addresses": list(addresses_between(fleet, server, peer))}


def _served(zone: Zone, table: Table, model: Model) -> Dict[str, Any]:
    """The zone as its primary serves it."""
    servers = nameservers(zone, table)
    own = fqdn(zone.primary, zone)
    return {
        "name": zone.name[:-1],
        "role": "primary",
        "ttl": zone.ttl,
        "dnssec": zone.signing is not None,
        "signing": zone.signing.as_data() if zone.signing is not None else {},
        "hidden": zone.hidden,
        "transfer": {
            "key": transfer_key_name(model.fleet, zone.primary.name) if zone.secondaries else "",
            "peers": [_peer(model.fleet, zone.primary, host) for host in zone.secondaries],
            "external": [one.as_data() for one in zone.external],
        },
        "grants": [
            {"key": key.name, "match": grant.match, "name": grant.name, "types": list(grant.types)}
            for key in sorted(model.keys, key=lambda one: one.name)
            for grant in key.grants
            if grant.zone is zone
        ],
        "primary_fqdn": own[:-1],
        "primary_addresses": list(zone.primary.addresses_for(PUBLIC)),
        "nameservers": list(servers),
        "soa": zone.soa.as_data(zone.name, zone.ttl, servers[0] if zone.hidden and servers else own),
        "record_sets": table.as_data(skip=((zone.name, "NS"),)),
    }


def _taken(served: Mapping[str, Any], primary: Host, secondary: Host, fleet: Fleet) -> Dict[str, Any]:
    """The zone as a secondary serves it."""
    transfer = {"key": served["transfer"]["key"], "peers": [_peer(fleet, secondary, primary)], "external": []}
    kept = {option: served[option] for option in ("name", "ttl", "dnssec", "hidden")}
    return {**kept, "role": "secondary", "transfer": transfer}


def _update(zone: Zone, table: Table, model: Model, claims: Mapping[str, str]) -> Dict[str, Any]:
    """The zone as an entry of the option ``zones`` of the module dns_record_sets: its own nameservers with the rest.

    What a key of ``dns_keys`` may change is published once; afterwards it is as the key's holder has it.
    """
    sets = table.as_data(skip=((zone.name, "NS"),))
    for one in sets:
        if _is_granted(zone, names.qualify(one["record"], zone.name), one["type"], model):
            one["on_existing"] = "keep"
    written = table.entries.get((zone.name, "NS"))
    ttl = written.ttl if written is not None else zone.ttl
    own = {"record": "@", "type": "NS", "ttl": ttl, "value": list(nameservers(zone, table))}
    gone = [{"record": names.relative(name, zone.name), "type": kind, "state": "absent"} for name, kind in table.replaced]
    return {
        "zone_name": zone.name[:-1],
        "record_sets": [own, *sets, *gone],
        "prune": zone.prune,
        "ignore": _ignored(zone, table, model, claims),
    }


def _is_granted(zone: Zone, name: str, kind: str, model: Model) -> bool:
    return any(
        grant.zone is zone
        and not {kind, "ANY"}.isdisjoint(grant.types)
        and (names.within(name, grant.name) if grant.match == "subdomain" else name == grant.name)
        for key in model.keys
        for grant in key.grants
    )


def _ignored(zone: Zone, table: Table, model: Model, claims: Mapping[str, str]) -> List[Dict[str, str]]:
    """What a run that prunes leaves alone: what the zone ignores, and what is others' to change.

    Those are the records that standby services swap, and whatever a key other than the update key may write and the
    zone itself does not have.
    """
    found = [(dict(one), one["path"]) for one in zone.ignore]
    if zone.prune:
        found.extend(_of_others(zone, table, model, claims))
    held = [*table.entries, (zone.name, "NS")]
    unique: Dict[Tuple[str, ...], Dict[str, str]] = {}
    for entry, path in found:
        ignore = {option: entry[option] for option in ("record", "type", "match")}
        name = zone.name if entry["record"] == "@" else f"{entry['record']}.{zone.name}"
        rule = Ignore(name, entry["type"], entry["match"])
        covered = next((key for key in held if rule.covers(key)), None)
        if covered is None:
            unique[tuple(ignore.values())] = ignore
        else:
            said = f"covers {covered[0][:-1]} {covered[1]}, which the zone itself has"
            model.notes.add("", path, said, "Name less, or take that record out of the zone, or do without prune")
    return [unique[key] for key in sorted(unique)]


def _of_others(zone: Zone, table: Table, model: Model, claims: Mapping[str, str]) -> Iterable[Tuple[Dict[str, str], str]]:
    for name, path in claims.items():
        if names.within(name, zone.name):
            yield {"record": names.relative(name, zone.name), "type": "ANY", "match": "name"}, path
    for key in model.keys:
        for grant in (grant for grant in key.grants if grant.zone is zone):
            record = names.relative(grant.name, zone.name)
            for kind in grant.types:
                # A record set of the zone at exactly that name is the inventory's: keys for a host's name are common.
                if grant.match == "subdomain" or (grant.name, kind) not in table.entries:
                    yield {"record": record, "type": kind, "match": grant.match}, f"{key.path}.grants"


def _add_catalogs(model: Model, host_plans: Mapping[str, Dict[str, Any]]) -> None:
    """One catalog zone (RFC 9432, version 2) for each primary with secondaries, as an ordinary zone of its own."""
    groups: Dict[str, List[Zone]] = {}
    for zone in model.zones:
        if not zone.secondaries:
            continue
        group = groups.setdefault(zone.primary.name, [])
        group.append(zone)
        if {host.name for host in zone.secondaries} != {host.name for host in group[0].secondaries}:
            said = f"are not those of {group[0].name[:-1]}, and both are in the catalog of {zone.primary.name}"
            remedy = "Give all zones of one primary the same secondaries, or set dns_catalog to false"
            model.notes.add("", f"{zone.path}.secondaries", said, remedy)
    for primary, group in groups.items():
        name = f"{label(primary)}.catalog.{model.fleet.name}.invalid"
        for zone in (zone for zone in model.zones if zone.name == f"{name}."):
            said = f"is the name of the catalog zone of {primary}, which is generated because dns_catalog is true"
            model.notes.add("", zone.path, said, "Choose another name, or set dns_catalog to false")
        _add_catalog(model, group, host_plans, name)


def _add_catalog(model: Model, group: Sequence[Zone], host_plans: Mapping[str, Dict[str, Any]], name: str) -> None:
    primary, secondaries = group[0].primary, group[0].secondaries
    members = sorted(zone.name[:-1] for zone in group)
    sets = _catalog_sets(members)
    served = {
        "name": name,
        "role": "primary",
        "ttl": 0,
        "dnssec": False,
        "hidden": False,
        "transfer": {
            "key": transfer_key_name(model.fleet, primary.name),
            "peers": [_peer(model.fleet, primary, host) for host in secondaries],
            "external": [],
        },
        "grants": [],
        "primary_fqdn": "invalid",
        "primary_addresses": list(primary.addresses_for(PUBLIC)),
        "nameservers": ["invalid."],
        "soa": {"mname": "invalid.", "rname": "invalid.", **TIMERS, "minimum": 0, "ttl": 0, "keep": []},
        "record_sets": sets,
    }
    own = {"record": "@", "type": "NS", "ttl": 0, "value": ["invalid."]}
    host_plans[primary.name]["zones"].append(served)
    host_plans[primary.name]["updates"].append({"zone_name": name, "record_sets": [own, *sets], "prune": True, "ignore": []})
    key = transfer_key_name(model.fleet, primary.name)
    produced = {"name": name, "role": "produce", "key": key, "members": members}
    host_plans[primary.name]["catalogs"].append({**produced, "peers": [_peer(model.fleet, primary, host) for host in secondaries]})
    for host in secondaries:
        host_plans[host.name]["zones"].append(_taken(served, primary, host, model.fleet))
        host_plans[host.name]["catalogs"].append({**produced, "role": "consume", "peers": [_peer(model.fleet, host, primary)]})


def _catalog_sets(members: Sequence[str]) -> List[Dict[str, Any]]:
    """RFC 9432 sections 4.1 and 4.3. A member's label never changes: consumers would fetch the zone anew."""
    labels = {member: hashlib.sha256(member.encode()).hexdigest()[:16] for member in members}
    pointers = [{"record": f"{labels[member]}.zones", "type": "PTR", "ttl": 0, "value": [f"{member}."]} for member in members]
    version = {"record": "version", "type": "TXT", "ttl": 0, "value": ["2"]}
    return sorted([version, *pointers], key=lambda one: str(one["record"]))
