# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan for people says of DNS: zones, their records and certificates."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple
from urllib.parse import urlsplit

from .._fleet.model import HostPlans
from .._fleet.report import Flow, Report, Section, count, section, table
from .._shared.quoting import visible

MOST_RECORDS = 60
"""Record sets of a zone that are listed with their values; of a larger zone the names are."""
MOST_NAMES = 200
SOURCE = "From the inventory. What holders of keys change is not listed, nor are the aliases of standby services, which are below."


def report(hosts: HostPlans) -> Report:
    """Zones with their servers and records, and who transfers or updates them."""
    zones = sorted(_zones(hosts), key=lambda one: str(one[1]["name"]))
    head = ("zone", "primary", "secondaries", "external secondaries", "signed", "record sets")
    summary = section("Zones", head, [_row(primary, zone, sets) for primary, zone, sets in zones])
    lines = [line for _primary, zone, sets in zones for line in _records(zone, sets)]
    records = Section("Records", (SOURCE, "", *lines[:-1]) if lines else ())
    return Report((summary, records), tuple(_flows(hosts, zones)))


def report_certificates(hosts: HostPlans) -> Report:
    """Certificates with their names and hosts. How a host proves its names is an update of a zone, which report() has."""
    rows, flows = [], []
    for host in sorted(hosts):
        plan = hosts[host].get("acme_certificates", {})
        for certificate in plan.get("certificates", ()):
            check = certificate["check"]
            shown = "" if check is None else f"{_bracketed(check['address'])}:{check['port']}"
            rows.append((certificate["name"], host, ", ".join(certificate["names"]), certificate["key_type"], shown))
            place = urlsplit(plan["directory"])
            flows.append(Flow(host, str(place.hostname), str(place.port or 443), "certificates (ACME)"))
    return Report((section("Certificates", ("certificate", "host", "names", "key", "checked at"), sorted(rows)),), tuple(flows))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


Zone = Tuple[str, Mapping[str, Any], List[Mapping[str, Any]]]


def _zones(hosts: HostPlans) -> Iterator[Zone]:
    """(primary, zone as it serves it, record sets) of each zone, without the catalogs that are made for secondaries."""
    for host, plan in hosts.items():
        server = plan.get("dns_server", {})
        catalogs = {catalog["name"] for catalog in server.get("catalogs", ())}
        sets = {update["zone_name"]: update["record_sets"] for update in server.get("updates", ())}
        for zone in server.get("zones", ()):
            if zone["role"] == "primary" and zone["name"] not in catalogs:
                yield host, zone, [one for one in sets[zone["name"]] if one.get("state") != "absent"]


def _row(primary: str, zone: Mapping[str, Any], sets: List[Mapping[str, Any]]) -> Tuple[Any, ...]:
    kinds = Counter(one["type"] for one in sets)
    counted = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    external = ", ".join(_external(one) for one in zone["transfer"]["external"])
    return zone["name"], primary, ", ".join(_secondaries(zone)), external, "yes" if zone["dnssec"] else "no", f"{len(sets)} ({counted})"


def _secondaries(zone: Mapping[str, Any]) -> List[str]:
    return [peer["host"] for peer in zone["transfer"]["peers"]]


def _external(one: Mapping[str, Any]) -> str:
    return " ".join(dict.fromkeys((*one["notify"], *one["transfer"])))


def _records(zone: Mapping[str, Any], sets: List[Mapping[str, Any]]) -> Iterator[str]:
    ordered = sorted(sets, key=lambda one: (one["record"] != "@", one["record"], one["type"]))
    yield f"### {visible(zone['name'])}"
    yield ""
    if len(ordered) <= MOST_RECORDS:
        yield from table(("name", "type", "TTL", "value"), [(one["record"], one["type"], one["ttl"], ", ".join(one["value"])) for one in ordered])
    else:
        names = list(dict.fromkeys(str(one["record"]) for one in ordered))
        left_out = len(names) - MOST_NAMES
        said = f" and {left_out} more names" if left_out > 0 else ""
        yield f"{count(len(ordered), 'record set')} at {count(len(names), 'name')}. Their values{said} are in `plan.json`."
        yield ""
        yield from table(("names",), [(", ".join(part),) for part in _parts(names[:MOST_NAMES])])
    yield ""


def _parts(names: List[str]) -> Iterable[List[str]]:
    """The names in lines that are not too long for a cell."""
    part: List[str] = []
    for name in names:
        if part and len(", ".join([*part, name])) > 90:
            yield part
            part = []
        part.append(name)
    yield part


def _flows(hosts: HostPlans, zones: Iterable[Zone]) -> Iterator[Flow]:
    holders: Dict[str, List[str]] = {}
    for host, plan in hosts.items():
        for key in plan.get("dns_keys", {}).get("keys", ()):
            holders.setdefault(key["name"], []).append(host)
    for primary, zone, _sets in zones:
        for server in (*([] if zone["hidden"] else [primary]), *_secondaries(zone)):
            yield Flow("clients", server, "53", "DNS")
        for secondary in _secondaries(zone):
            yield Flow(secondary, primary, "53", "zone transfer")
            yield Flow(primary, secondary, "53", "notification of changed zones")
        for one in zone["transfer"]["external"]:
            for address in one["transfer"]:
                yield Flow(address, primary, "53", "zone transfer")
            for address in one["notify"]:
                yield Flow(primary, address, str(one["port"]), "notification of changed zones")
        for grant in zone["grants"]:
            for host in holders.get(grant["key"], ()):
                if host != primary:
                    yield Flow(host, primary, "53", "zone updates")
