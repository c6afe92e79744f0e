# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fleet's variables say about standby services and probes, host by host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..fleet.model import Fleet, Host, Resolution
from ..fleet.problems import Problem
from ..fleet.values import truth
from ._values import Reader, http_url_error, is_dns_name, readers, shown

SERVICE_KEYS = (
    "active",
    "standby",
    "unit",
    "exec_start",
    "exec_start_pre",
    "zone",
    "record",
    "ttl",
    "check",
)
CHECK_KEYS = ("port", "path")
TARGET_KEYS = ("from", "url", "interval", "timeout", "duration")
# systemd.unit(5); a template without an instance ("web@.service") cannot be started.
UNIT = re.compile(r"(?=.{1,255}$)[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service")
OF_THE_SYSTEM = ("ssh.", "ssh@", "sshd.", "sshd@", "systemd-", "dbus", "networking.", "network.", "NetworkManager", "getty@", "polkit.", "user@")
"""What the units begin with without which a host cannot be reached any more, or does not boot."""
# RFC 3986 section 3.3, without a space or anything else that would end the request line.
PATH = re.compile(r"/[!-~]*")
KEY_FOLDER = "/etc/smallfleet/dns"


@dataclass(frozen=True)
class Zone:
    """A zone that a host of the fleet serves. ``taken`` are the relative names that other data already puts there."""

    name: str
    primary: Host
    taken: Mapping[str, str]
    secondaries: Tuple[Host, ...] = ()

    @property
    def servers(self) -> Tuple[Host, ...]:
        return (self.primary, *self.secondaries)


def resolve_standby(fleet: Fleet) -> Resolution:
    """Give both hosts of each service in ``standby_services`` the service as a dictionary.

    A slice is ``{"services": [{name, unit, exec_start, exec_start_pre, active, standby, hosts, zone, record, fqdn, ttl,
    check: {port, path}, dns: {host, server, port, key_file, key_name, key_algorithm}}]}`` in the order of
    their names, where ``hosts`` maps both inventory names to ``{fqdn, address, alias_of, health_url}``; ``alias_of`` is
    the value of the CNAME that names the host. Bad input of any type becomes problems.
    """
    problems: List[Problem] = []
    zones = _zones(fleet)
    services: List[Dict[str, Any]] = []
    for name, reader in readers("standby_services", fleet.variables.get("standby_services"), problems, "services"):
        service = _service(name, reader, fleet, zones)
        if service is not None and not _clashes(service, services, reader):
            services.append(service)
    slices: Dict[str, Dict[str, Any]] = {}
    for service in services:
        for host in service["hosts"]:
            slices.setdefault(host, {"services": []})["services"].append(service)
    return Resolution(slices, tuple(problems))


def resolve_probe(fleet: Fleet) -> Resolution:
    """Give each host that probes its targets and the zones its resolver asks the fleet's own servers for.

    A slice is ``{"resolver": {"forward_zones": [{name, addresses}]}, "targets": [{name, url, interval, timeout,
    duration}]}``, with times in seconds. Bad input of any type becomes problems.
    """
    problems: List[Problem] = []
    zones = _zones(fleet)
    forward = [{"name": zone.name, "addresses": [address for host in zone.servers for address in host.addresses]} for zone in zones.values()]
    slices: Dict[str, Dict[str, Any]] = {}
    for name, reader in readers("probe_targets", fleet.variables.get("probe_targets"), problems, "targets"):
        host, target = _target(name, reader, fleet)
        if host is not None and target is not None:
            place = slices.setdefault(host, {"resolver": {"forward_zones": forward}, "targets": []})
            place["targets"].append(target)
    return Resolution(slices, tuple(problems))


def _zones(fleet: Fleet) -> Dict[str, Zone]:
    """The zones of ``dns_zones`` that can be used. What is wrong with the others, the DNS capability reports."""
    found: Dict[str, Zone] = {}
    given = fleet.variables.get("dns_zones")
    for key, value in given.items() if isinstance(given, Mapping) else ():
        if not isinstance(key, str) or not isinstance(value, Mapping):
            continue
        primary = value.get("primary")
        name = key.rstrip(".").lower()
        if isinstance(primary, str) and primary in fleet.hosts and fleet.hosts[primary].addresses:
            given_secondaries = value.get("secondaries")
            secondaries = tuple(
                fleet.hosts[one]
                for one in (given_secondaries if isinstance(given_secondaries, (list, tuple)) else ())
                if isinstance(one, str) and one in fleet.hosts
            )
            found[name] = Zone(name, fleet.hosts[primary], _taken(name, value, fleet), secondaries)
    return found


def _taken(zone: str, value: Mapping[Any, Any], fleet: Fleet) -> Dict[str, str]:
    taken: Dict[str, str] = {}
    if truth(value.get("hosts", True)):
        for host in fleet.hosts.values():
            relative = _relative(host.fqdn, zone)
            if relative is not None and host.fqdn.lower().endswith(f".{zone}"):
                taken[relative] = f"host {host.name}"
    records = value.get("records")
    for record in records if isinstance(records, (list, tuple)) else ():
        given = record.get("record") if isinstance(record, Mapping) else None
        relative = _relative(given, zone) if isinstance(given, str) else None
        if relative is not None:
            taken[relative] = f"dns_zones.{zone}.records"
    return taken


def _relative(record: str, zone: str) -> Optional[str]:
    """The name below its zone, in lower case, from a relative name or a full one; None when it is not in the zone."""
    name = record.lower()
    if name.rstrip(".").endswith(f".{zone}"):
        name = name.rstrip(".")[: -len(zone) - 1]
    elif name.endswith("."):
        return None
    return name if is_dns_name(f"{name}.{zone}") else None


def _service(name: str, reader: Reader, fleet: Fleet, zones: Mapping[str, Zone]) -> Optional[Dict[str, Any]]:
    reader.only(SERVICE_KEYS)
    before = len(reader.problems)
    active = reader.host("active", fleet.hosts, "that runs the service at first")
    standby = reader.host("standby", fleet.hosts, "that can take the service over")
    if active is not None and active == standby:
        reader.refuse("standby", f"{active} cannot stand by for itself", "Name another host than in active")
    unit = reader.text("unit", "Name the systemd unit, such as web.service", UNIT)
    if unit is not None and unit.startswith(OF_THE_SYSTEM):
        reader.refuse("unit", f"{unit} is a part of the system, and must not end where the service stands by", "Name a unit of the service's own")
    exec_start = reader.lines("exec_start", "Write one command with its full path")
    if len(exec_start) > 1:
        reader.refuse("exec_start", "a service has one main command", "Write one command with its full path")
    before_start = reader.lines("exec_start_pre", "Write one command with its full path, or a list of them")
    if before_start and not exec_start:
        said = "it only counts in a unit that is written for you, and exec_start is missing"
        reader.refuse("exec_start_pre", said, "Give exec_start, or put the command into your own unit")
    zone = _zone(reader, fleet, zones)
    record = _record(reader, zone, fleet, zones) if zone is not None else None
    ttl = reader.whole("ttl", 1, 86400, None, "seconds")
    check = _check(reader)
    if len(reader.problems) > before or zone is None or active is None or standby is None or check is None:
        return None
    return {
        "name": name,
        "unit": unit,
        "exec_start": exec_start[0] if exec_start else None,
        "exec_start_pre": list(before_start),
        "active": active,
        "standby": standby,
        "hosts": {host: _place(fleet.hosts[host], check) for host in (active, standby)},
        "zone": zone.name,
        "record": record,
        "fqdn": f"{record}.{zone.name}",
        "ttl": ttl,
        "check": check,
        "dns": _dns(fleet, zone),
    }


def _place(host: Host, check: Mapping[str, Any]) -> Dict[str, str]:
    address = host.addresses[0] if host.addresses else ""
    shown_address = f"[{address}]" if ":" in address else address
    return {
        "fqdn": host.fqdn,
        "address": address,
        "alias_of": f"{host.fqdn.lower()}.",
        "health_url": f"http://{shown_address}:{check['port']}{check['path']}",
    }


def _dns(fleet: Fleet, zone: Zone) -> Dict[str, Any]:
    """Where and with which key the zone is changed. The secret itself stays in ``key_file`` on that host."""
    given = fleet.variables.get("dns_update_key")
    key = given if isinstance(given, Mapping) else {}
    name = key.get("name")
    algorithm = key.get("algorithm")
    key_name = str(name) if isinstance(name, str) else f"{fleet.name}-update"
    return {
        "host": zone.primary.name,
        "server": zone.primary.addresses[0],
        "port": 53,
        "key_file": f"{KEY_FOLDER}/{key_name}.key",
        "key_name": key_name,
        "key_algorithm": str(algorithm) if isinstance(algorithm, str) else "hmac-sha256",
    }


def _zone(reader: Reader, fleet: Fleet, zones: Mapping[str, Zone]) -> Optional[Zone]:
    given = reader.data.get("zone", fleet.domain)
    name = given.rstrip(".").lower() if isinstance(given, str) else None
    if name is None or name not in zones:
        known = ", ".join(zones) or "none yet"
        remedy = f"Name a zone of dns_zones whose primary is a host of the fleet (there: {known})"
        reader.refuse("zone", f"{shown(given)} is not such a zone", remedy)
        return None
    return zones[name]


def _record(reader: Reader, zone: Zone, fleet: Fleet, zones: Mapping[str, Zone]) -> Optional[str]:
    remedy = f"Name the record below {zone.name} that clients use, such as www"
    given = reader.text("record", remedy)
    if given is None:
        return None
    others = [name for name in (*zones, fleet.domain.lower()) if name and name != zone.name]
    plain = given.lower().rstrip(".")
    inside = plain.endswith(f".{zone.name}")
    elsewhere = not inside and any(plain == other or plain.endswith(f".{other}") for other in others)
    if plain == zone.name or given == "@":
        reader.refuse("record", "the zone's own name cannot be an alias (RFC 1912 section 2.4)", remedy)
        return None
    relative = None if elsewhere else _relative(given, zone.name)
    if relative is None:
        reader.refuse("record", f"{shown(given)} is not a name in the zone {zone.name}", remedy)
    elif relative in zone.taken:
        said = f"{relative}.{zone.name} already has records from {zone.taken[relative]}"
        reader.refuse("record", f"{said}, and an alias tolerates none beside it", "Choose a name of its own")
        return None
    return relative


def _check(reader: Reader) -> Optional[Dict[str, Any]]:
    given = reader.data.get("check")
    if not isinstance(given, Mapping):
        said = "it is missing" if given is None else f"{shown(given)} is not a dictionary"
        reader.refuse("check", said, "Say how health is asked for, such as {port: 8080, path: /}")
        return None
    check = Reader(f"{reader.path}.check", given, reader.problems)
    check.only(CHECK_KEYS)
    port = check.whole("port", 1, 65535, None, "a TCP port")
    path = check.text("path", "Give a path that begins with /", PATH) if "path" in given else "/"
    return {"port": port, "path": path}


def _clashes(service: Mapping[str, Any], others: List[Dict[str, Any]], reader: Reader) -> bool:
    clash = False
    for other in others:
        if (service["zone"], service["record"]) == (other["zone"], other["record"]):
            said = f"service {other['name']} already has the record {service['fqdn']}"
            reader.refuse("record", said, "Give each service a record of its own")
            clash = True
        shared = [host for host in service["hosts"] if host in other["hosts"]]
        if service["unit"] == other["unit"] and shared:
            said = f"service {other['name']} already has the unit {service['unit']} on {' and '.join(shared)}"
            reader.refuse("unit", said, "Give each service a unit of its own")
            clash = True
    return clash


def _target(name: str, reader: Reader, fleet: Fleet) -> Tuple[Optional[str], Optional[Dict[str, Any]]]:
    reader.only(TARGET_KEYS)
    before = len(reader.problems)
    host = reader.host("from", fleet.hosts, "that probes")
    remedy = "Give what clients ask for, such as http://www.example.net:8080/"
    url = reader.text("url", remedy)
    error = http_url_error(url) if url is not None else None
    if error is not None:
        reader.refuse("url", f"{shown(url)} cannot be probed: {error}", remedy)
    interval = reader.number("interval", 0.01, 60, 0.05, "seconds")
    timeout = reader.number("timeout", 0.05, 60, 1.0, "seconds")
    duration = reader.number("duration", 1, 86400, 600, "seconds")
    if len(reader.problems) > before or url is None:
        return host, None
    return host, {"name": name, "url": url, "interval": interval, "timeout": timeout, "duration": duration}
