# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan for people says of standby services and probes."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, Tuple
from urllib.parse import urlsplit

from .._fleet.model import HostPlans
from .._fleet.report import Flow, Report, section


def report(hosts: HostPlans) -> Report:
    """Services with their two hosts, and what is probed from where."""
    services: Dict[str, Mapping[str, Any]] = {}
    for plan in hosts.values():
        services.update({service["name"]: service for service in plan.get("standby", {}).get("services", ())})
    rows = [
        (name, one["fqdn"], one["unit"], one["active"], one["standby"], f"{one['check']['port']}{one['check']['path']}")
        for name, one in sorted(services.items())
    ]
    said = "A service runs on the host that DNS names: on the first one at the beginning, and later where it was moved to."
    targets = sorted(
        (target["name"], host, target["url"], f"{target['interval']:g} s")
        for host, plan in hosts.items()
        for target in plan.get("probe", {}).get("targets", ())
    )
    sections = (
        section("Services", ("service", "name", "unit", "runs first on", "stands by", "health check"), rows, said),
        section("Probes", ("probe", "from", "URL", "every"), targets),
    )
    return Report(sections, (*_of_services(services), *_of_probes(hosts)))


def _of_services(services: Mapping[str, Mapping[str, Any]]) -> Iterator[Flow]:
    for name, service in services.items():
        for host in service["hosts"]:
            yield Flow("clients", host, str(service["check"]["port"]), f"service {name}")


def _of_probes(hosts: HostPlans) -> Iterator[Flow]:
    owners = dict(_addresses(hosts))
    for host, plan in hosts.items():
        probe = plan.get("probe", {})
        for target in probe.get("targets", ()):
            place = urlsplit(target["url"])
            yield Flow(host, str(place.hostname), str(place.port or (443 if place.scheme == "https" else 80)), f"probe {target['name']}")
        for zone in probe.get("resolver", {}).get("forward_zones", ()):
            for address in zone["addresses"]:
                yield Flow(host, owners.get(address, address), "53", "names")


def _addresses(hosts: HostPlans) -> Iterator[Tuple[str, str]]:
    for host, plan in hosts.items():
        for family in ("ipv4", "ipv6"):
            if plan["host"][family]:
                yield plan["host"][family], host
