# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fleet's variables say about standby services and probes, host by host."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

from .._dns.facts import Facts, read_facts
from .._dns.zones.variables import Zone
from .._fleet.fields import (
    Field,
    duration,
    host,
    in_context,
    mapping_of,
    name,
    one_or_list,
    optional,
    parsed,
    port,
    read_variable,
    required,
    table_of,
    text,
    whole,
)
from .._fleet.model import PUBLIC, Fleet, Host, Resolution
from .._fleet.places import Place, Values, items
from .._fleet.values import Notes, shown
from .values import BadUrl, http_url, is_dns_name, is_line

# systemd.unit(5); a template without an instance ("web@.service") cannot be started.
UNIT = r"(?=.{1,255}$)[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service"
OF_THE_SYSTEM = ("ssh.", "ssh@", "sshd.", "sshd@", "systemd-", "dbus", "networking.", "network.", "NetworkManager", "getty@", "polkit.", "user@")
"""What the units begin with without which a host cannot be reached any more, or does not boot."""
# RFC 3986 section 3.3, without a space or anything else that would end the request line.
PATH = re.compile(r"/[!-~]*")
_SPELLED = "as the inventory spells it"
_LINES = one_or_list(text("/usr/bin/python3 -m http.server 8080", is_line), "[/usr/bin/install -d /run/web]", least=0)
_NAME = name(r"[a-z][a-z0-9_-]{0,30}", "a name that can be used here", "Use up to 31 lower-case letters, digits, '-' and '_' that begin with a letter")
SERVICE = table_of(
    {
        "active": required(host(f"Name the host that runs the service at first, {_SPELLED}")),
        "standby": required(host(f"Name the host that can take the service over, {_SPELLED}")),
        "unit": required(name(UNIT, "the name of a service unit", "Name the systemd unit, such as web.service")),
        "exec_start": optional(_LINES, items(())),
        "exec_start_pre": optional(_LINES, items(())),
        "zone": optional(in_context()),
        "record": required(in_context(), "Name the record below the zone that clients use, such as www"),
        "ttl": required(whole(1, 86400, "seconds", 5)),
        "check": required(
            table_of(
                {"port": required(port()), "path": optional(text("/health", lambda path: PATH.fullmatch(path) is not None, pattern="^/[!-~]*$"), "/")},
                "a check",
                "{port: 8080, path: /}",
            ),
            "Say how health is asked for, such as {port: 8080, path: /}",
        ),
    },
    "a service",
    "{active: app1, standby: app2, unit: web.service, record: www, ttl: 5, check: {port: 8080}}",
)
_URL = "Give what clients ask for, such as http://www.example.net:8080/"
TARGET = table_of(
    {
        "from": required(host(f"Name the host that probes, {_SPELLED}")),
        "url": required(parsed(http_url, BadUrl, _URL, "^http://"), _URL),
        "interval": optional(duration(0.01, 60), 0.05),
        "timeout": optional(duration(0.05, 60), 1.0),
        "duration": optional(duration(1, 86400), 600),
    },
    "a target",
    "{from: app1, url: 'http://www.example.net:8080/'}",
)
VARIABLES: Mapping[str, Field] = {
    "standby_services": mapping_of(_NAME, SERVICE, "{web: {active: app1, standby: app2}}"),
    "probe_targets": mapping_of(_NAME, TARGET, "{web: {from: app1, url: 'http://www.example.net:8080/'}}"),
}


def resolve_standby(fleet: Fleet) -> Resolution:
    """Give both hosts of each service in ``standby_services`` the service as a dictionary.

    A host plan is ``{"services": [{name, unit, exec_start, exec_start_pre, active, standby, hosts, zone, record, fqdn, ttl,
    check: {port, path}, dns: {host, server, port, key_file, key_name, key_algorithm}}]}`` in the order of
    their names, where ``hosts`` maps both inventory names to ``{fqdn, address, alias_of, health_url}``; ``alias_of`` is
    the value of the CNAME that names the host. Bad input of any type becomes problems.
    """
    notes = Notes()
    facts = read_facts(fleet)
    services: List[Dict[str, Any]] = []
    for service_name, options in _read(fleet, "standby_services", notes).items():
        service = _service(service_name, options, fleet, facts)
        if service is not None and not _clashes(service, services, options):
            services.append(service)
    host_plans: Dict[str, Dict[str, Any]] = {}
    for service in services:
        for side in service["hosts"]:
            host_plans.setdefault(side, {"services": []})["services"].append(service)
    return Resolution(host_plans, tuple(notes.problems))


def resolve_probe(fleet: Fleet) -> Resolution:
    """Give each host that probes its targets and the zones its resolver asks the fleet's own servers for.

    A host plan is ``{"resolver": {"forward_zones": [{name, addresses}]}, "targets": [{name, url, interval, timeout,
    duration}]}``, with times in seconds. Bad input of any type becomes problems.
    """
    notes = Notes()
    forward = [
        {"name": zone.name[:-1], "addresses": [address for server in (zone.primary, *zone.secondaries) for address in server.addresses_for(PUBLIC)]}
        for zone in read_facts(fleet).zones
    ]
    host_plans: Dict[str, Dict[str, Any]] = {}
    for target, options in _read(fleet, "probe_targets", notes).items():
        if options.clean:
            place = host_plans.setdefault(options["from"], {"resolver": {"forward_zones": forward}, "targets": []})
            place["targets"].append({"name": target, **{key: options[key] for key in ("url", "interval", "timeout", "duration")}})
    return Resolution(host_plans, tuple(notes.problems))


def _read(fleet: Fleet, variable: str, notes: Notes) -> Mapping[str, Values]:
    read: Mapping[str, Values] = read_variable(VARIABLES[variable], fleet.variables, Place("", variable, notes, fleet.hosts), {})
    return read


def _service(service: str, options: Values, fleet: Fleet, facts: Facts) -> Optional[Dict[str, Any]]:
    problems = options.place.notes.problems
    before = len(problems)
    active, standby, unit = options["active"], options["standby"], options["unit"]
    if active is not None and active == standby:
        options.at("standby").refuse(f"{active} cannot stand by for itself", "Name another host than in active")
    if unit is not None and unit.startswith(OF_THE_SYSTEM):
        options.at("unit").refuse(f"{unit} is a part of the system, and must not end where the service stands by", "Name a unit of the service's own")
    exec_start, before_start = options["exec_start"], options["exec_start_pre"]
    if len(exec_start) > 1:
        options.at("exec_start").refuse("a service has one main command", "Write one command with its full path")
    if before_start and not exec_start and "exec_start" not in options.refused:
        said = "it only counts in a unit that is written for you, and exec_start is missing"
        options.at("exec_start_pre").refuse(said, "Give exec_start, or put the command into your own unit")
    zone = _zone(options, fleet, facts)
    record = _record(options, zone, fleet, facts) if zone is not None and "record" not in options.refused else None
    if not options.clean or len(problems) > before or zone is None:
        return None
    check = dict(options["check"])
    return {
        "name": service,
        "unit": unit,
        "exec_start": exec_start[0] if exec_start else None,
        "exec_start_pre": list(before_start),
        "active": active,
        "standby": standby,
        "hosts": {side: _place(fleet.hosts[side], check) for side in (active, standby)},
        "zone": zone.name[:-1],
        "record": record,
        "fqdn": f"{record}.{zone.name[:-1]}",
        "ttl": options["ttl"],
        "check": check,
        "dns": _dns(facts, zone),
    }


def _place(side: Host, check: Mapping[str, Any]) -> Dict[str, str]:
    address = next(iter(side.addresses_for(PUBLIC)), "")
    shown_address = f"[{address}]" if ":" in address else address
    return {
        "fqdn": side.fqdn,
        "address": address,
        "alias_of": f"{side.fqdn.lower()}.",
        "health_url": f"http://{shown_address}:{check['port']}{check['path']}",
    }


def _dns(facts: Facts, zone: Zone) -> Dict[str, Any]:
    """Where and with which key the zone is changed. The secret itself stays in ``key_file`` on that host."""
    return {
        "host": zone.primary.name,
        "server": zone.primary.addresses_for(PUBLIC)[0],
        "port": 53,
        "key_file": facts.key_file,
        "key_name": facts.key["name"],
        "key_algorithm": facts.key["algorithm"],
    }


def _zone(options: Values, fleet: Fleet, facts: Facts) -> Optional[Zone]:
    if "zone" in options.refused:
        return None
    given = options["zone"] if "zone" in options.written else fleet.domain
    zones = {zone.name[:-1]: zone for zone in facts.zones}
    asked = given.rstrip(".").lower() if isinstance(given, str) else None
    if asked is None or asked not in zones:
        known = ", ".join(zones) or "none yet"
        remedy = f"Name a zone of dns_zones whose primary is a host of the fleet (there: {known})"
        options.at("zone").refuse(f"{shown(given)} is not such a zone", remedy)
        return None
    return zones[asked]


def _record(options: Values, zone: Zone, fleet: Fleet, facts: Facts) -> Optional[str]:
    """The name below its zone, in lower case, from a relative name or a full one."""
    given, place, within = options["record"], options.at("record"), zone.name[:-1]
    remedy = f"Name the record below {within} that clients use, such as www"
    if not is_line(given):
        place.refuse(f"{shown(given)} cannot be used here", remedy)
        return None
    others = [other for other in (*(one.name[:-1] for one in facts.zones), fleet.domain.lower()) if other and other != within]
    plain = given.lower().rstrip(".")
    inside = plain.endswith(f".{within}")
    elsewhere = not inside and any(plain == other or plain.endswith(f".{other}") for other in others)
    if plain == within or given == "@":
        place.refuse("the zone's own name cannot be an alias (RFC 1912 section 2.4)", remedy)
        return None
    relative: str = plain[: -len(within) - 1] if inside else given.lower()
    if elsewhere or not is_dns_name(f"{relative}.{within}"):
        place.refuse(f"{shown(given)} is not a name in the zone {within}", remedy)
        return None
    owner = facts.taken(zone).get(f"{relative}.{zone.name}")
    if owner is not None:
        said = f"{relative}.{within} already has records from {owner}"
        place.refuse(f"{said}, and an alias tolerates none beside it", "Choose a name of its own")
        return None
    return relative


def _clashes(service: Mapping[str, Any], others: List[Dict[str, Any]], options: Values) -> bool:
    clash = False
    for other in others:
        if (service["zone"], service["record"]) == (other["zone"], other["record"]):
            said = f"service {other['name']} already has the record {service['fqdn']}"
            options.at("record").refuse(said, "Give each service a record of its own")
            clash = True
        shared = [side for side in service["hosts"] if side in other["hosts"]]
        if service["unit"] == other["unit"] and shared:
            said = f"service {other['name']} already has the unit {service['unit']} on {' and '.join(shared)}"
            options.at("unit").refuse(said, "Give each service a unit of its own")
            clash = True
    return clash
