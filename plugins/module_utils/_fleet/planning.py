# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a fleet: what every capability makes of the inventory, or everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from .._certificates import capability as acme
from .._dns import capability as dns
from .._dns import report as dns_report
from .._failover import capability as failover
from .._failover import report as failover_report
from .._lab import capability as lab
from .._lab.variables import VARIABLES as LAB
from .._libvirt import capability as libvirt
from .._libvirt import report as libvirt_report
from .._libvirt.variables import VARIABLES as VM_HOST
from .._network import capability as network
from .._network import report as network_report
from .._network.variables.declared import VARIABLES as NETWORK
from .._node import capability as node
from .._node import report as node_report
from .._node.time_zones import find_misspelt_zones
from .._node.variables import VARIABLES as NODE
from .fields import Field
from .model import MANAGEMENT, Attachment, Fleet, Host, HostPlans, Resolution
from .problems import Problem, without_consequences
from .read import read_fleet
from .render import render_markdown
from .report import Report
from .specs import json_schema
from .values import Notes
from .variables import EXCLUSIVE, FLEET_WIDE, OF_ROLES, VARIABLES

CAPABILITIES: Mapping[str, Callable[[Fleet], Resolution]] = {
    "lab": lab.resolve,
    "node": node.resolve,
    "network": network.resolve,
    "vm_host": libvirt.resolve,
    "dns_keys": lambda fleet: dns.resolve_keys(fleet, acme.challenge_keys(fleet)),
    "dns_server": lambda fleet: dns.resolve(fleet, acme.challenge_keys(fleet)),
    "acme_certificates": acme.resolve,
    "standby": failover.resolve_standby,
    "probe": failover.resolve_probe,
}
REPORTS: Sequence[Callable[[HostPlans], Report]] = (
    network_report.report,
    libvirt_report.report,
    dns_report.report,
    dns_report.report_certificates,
    failover_report.report,
    node_report.report,
)
"""What each subject says in plan.md, in this order."""

DECLARED: Mapping[str, Field] = {**OF_ROLES, **LAB, **NODE, **NETWORK, **VM_HOST, **dns.VARIABLES, **acme.VARIABLES, **failover.VARIABLES}
"""Variables by name, with what they may be."""


@dataclass(frozen=True)
class Plan:
    """``hosts`` maps each host to its host plan, ``fleet`` holds what is true of all; with ``problems`` both are empty."""

    fleet: Mapping[str, Any] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: Tuple[Problem, ...] = ()


def plan_fleet(
    hosts: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    capabilities: Optional[Mapping[str, Callable[[Fleet], Resolution]]] = None,
    time_zones: Collection[str] = (),
) -> Plan:
    """Plan the whole fleet from its inventory, as ``read_fleet`` takes it, with all capabilities or those given.

    ``time_zones`` are the names that the controller's tz database has, if it has one: they change no plan, but show misspelt names.

    Deterministic, and independent of the order of hosts and groups. There are plans of hosts or problems, never both: all
    capabilities are asked even when the fleet itself has problems, so that the report is complete.
    """
    fleet, found = read_fleet(hosts, groups)
    problems: List[Problem] = list(found)
    resolved: Dict[str, Mapping[str, Mapping[str, Any]]] = {}
    for capability, resolve in (CAPABILITIES if capabilities is None else capabilities).items():
        resolution = resolve(fleet)
        problems.extend(resolution.problems)
        resolved[capability] = resolution.host_plans
    notes = Notes()
    find_misspelt_zones(fleet, time_zones, notes)
    problems += notes.problems
    if problems:
        return Plan(problems=tuple(sorted(set(without_consequences(problems, FLEET_WIDE)))))
    return Plan(_fleet_part(fleet), {name: _host_plan(fleet, host, resolved) for name, host in fleet.hosts.items()})


def inventory_schema(descriptions: Mapping[str, str]) -> Dict[str, Any]:
    """A JSON Schema of files with variables of an inventory; ``descriptions`` are shown by editors, by variable."""
    return json_schema(DECLARED, VARIABLES, EXCLUSIVE, descriptions)


def render_plan(fleet: Mapping[str, Any], hosts: HostPlans) -> str:
    """The plan for people, as Markdown. The same plan gives the same bytes, in whatever order its hosts are."""
    ordered = {name: hosts[name] for name in sorted(hosts)}
    return render_markdown(fleet, ordered, [report(ordered) for report in REPORTS])


def _fleet_part(fleet: Fleet) -> Dict[str, Any]:
    networks = {
        name: {
            "ipv4": None if network.ipv4 is None else str(network.ipv4),
            "ipv6": None if network.ipv6 is None else str(network.ipv6),
            "mtu": network.mtu,
            "routed": network.routed,
        }
        for name, network in fleet.networks.items()
    }
    return {"name": fleet.name, "domain": fleet.domain, "networks": networks}


def _host_plan(fleet: Fleet, host: Host, resolved: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Dict[str, Any]:
    mine = {name: host_plans[host.name] for name, host_plans in resolved.items() if host.name in host_plans}
    return {
        "fleet": {"name": fleet.name, "domain": fleet.domain},
        "host": _host_part(host),
        "capabilities": list(mine),
        **mine,
    }


def _host_part(host: Host) -> Dict[str, Any]:
    at = {place.network: place for place in host.attachments}
    management = at[host.purposes[MANAGEMENT]]
    return {
        "name": host.name,
        "fqdn": host.fqdn,
        "management": management.network,
        "purposes": dict(host.purposes),
        "ipv4": None if management.ipv4 is None else str(management.ipv4.ip),
        "ipv6": None if management.ipv6 is None else str(management.ipv6.ip),
        "networks": {name: _place_host_plan(place) for name, place in at.items()},
    }


def _place_host_plan(place: Attachment) -> Dict[str, Any]:
    """The host's place in a network; gateways are there only where the host has some."""
    gateways = {"ipv4_gateway": place.ipv4_gateway, "ipv6_gateway": place.ipv6_gateway}
    return {
        "interface": place.interface,
        "ipv4": None if place.ipv4 is None else str(place.ipv4),
        "ipv6": None if place.ipv6 is None else str(place.ipv6),
        "mtu": place.mtu,
        **{key: str(gateway) for key, gateway in gateways.items() if gateway is not None},
    }
