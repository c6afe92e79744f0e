# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts each play of the site playbook changes at once, and in which order.

Hosts that stand in for each other are never changed at once: the servers of a zone, the two hosts of a standby service, the hosts of a
guest that is defined on several. So whatever a change breaks, it breaks on one of them, and the play ends there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Sequence, Set, Tuple

from .model import HostPlans

Group = FrozenSet[str]

OTHER_KEYS = "dns_other_keys"
"""The hosts with keys that get them neither as DNS servers nor with certificates."""


@dataclass(frozen=True)
class Order:
    """``batches`` are host names in the order in which a play takes them; ``apart`` maps a host to those never changed with it."""

    batches: Tuple[Tuple[str, ...], ...]
    apart: Mapping[str, Tuple[str, ...]]

    def as_data(self) -> Dict[str, Any]:
        return {"batches": [list(batch) for batch in self.batches], "apart": {host: list(others) for host, others in self.apart.items()}}


def orders(hosts: HostPlans) -> Dict[str, Order]:
    """The order of the hosts in each play, by capability. ``hosts`` maps each host to its plan.

    Invariants: each host of a capability is in exactly one batch, and no two hosts of a batch are in each other's ``apart``.
    """
    capabilities = {name: [host for host in sorted(hosts) if name in hosts[host]["capabilities"]] for name in _names(hosts)}
    with_keys = capabilities.get("dns_keys", [])
    elsewhere = {*capabilities.get("dns_server", ()), *capabilities.get("acme_certificates", ())}
    capabilities[OTHER_KEYS] = [host for host in with_keys if host not in elsewhere]
    return {name: _order(name, members, hosts) for name, members in capabilities.items()}


def sizes(batches: Sequence[Sequence[str]], present: Iterable[str]) -> List[int]:
    """How many hosts of each batch take part in a run, as the keyword ``serial`` of a play takes it; an empty batch is left out."""
    taking_part = set(present)
    counts = [sum(host in taking_part for host in batch) for batch in batches]
    return [count for count in counts if count]


def moves_between(hostvars: Mapping[str, Mapping[str, Any]], variable: str) -> bool:
    """Whether a zone gets another primary, as one of the hosts has registered in the variable: a result of dns_server_config."""
    return any((hostvars[host].get(variable) or {}).get("state", {}).get("moving") for host in hostvars)


def failed_before(host: str, apart: Iterable[str], in_play: Iterable[str], left: Iterable[str]) -> str:
    """Why the host is not changed, or "": another one that is never changed with it takes part in the play and has failed before.

    ``in_play`` are the hosts of the play, ``left`` those of them that have not failed in this run, and could be reached.
    """
    failed = sorted(set(in_play) & set(apart) - set(left))
    if not failed:
        return ""
    return (
        f"{host} is not changed, since {', '.join(failed)} failed or could not be reached in this run, and stands in for it. Repair"
        f" {failed[0]} and run this again, or leave it out with --limit 'all:!{':!'.join(failed)}'."
    )


def _names(hosts: HostPlans) -> List[str]:
    return sorted({name for plan in hosts.values() for name in plan["capabilities"]})


def _order(capability: str, members: Sequence[str], hosts: HostPlans) -> Order:
    apart: Dict[str, Set[str]] = {host: set() for host in members}
    for group in _groups(capability, hosts):
        for host, other in combinations(sorted(group & apart.keys()), 2):
            apart[host].add(other)
            apart[other].add(host)
    batches: List[List[str]] = []
    number: Dict[str, int] = {}
    for host in sorted(members, key=lambda name: (_rank(capability, name, hosts[name]), name)):
        number[host] = 1 + max((number[other] for other in apart[host] if other in number), default=-1)
        if number[host] == len(batches):
            batches.append([])
        batches[number[host]].append(host)
    return Order(tuple(map(tuple, batches)), {host: tuple(sorted(others)) for host, others in apart.items() if others})


def _groups(capability: str, hosts: HostPlans) -> List[Group]:
    """Sets of hosts of which two are never changed at once.

    Standby services are none: on a host that runs, the role acts only after the other one rests, and which of them is to run
    is in DNS, not in the plan.
    """
    if capability == "dns_server":
        return _zones(hosts)
    if capability == "vm_host":
        return _guests(hosts)
    if capability == "network":
        return [*_zones(hosts), *_services(hosts), *_guests(hosts)]
    return []


def _rank(capability: str, name: str, plan: Mapping[str, Any]) -> int:
    """Hosts of a lower rank come first.

    Of DNS servers, primaries: secondaries take zones and keys from them, and answer while a primary is down. Of other hosts that are not
    changed all at once, those that carry least: what breaks a host then breaks one that stands by.
    """
    primaries = _count(plan, "dns_server", "zones", "role", "primary")
    if capability == "dns_server":
        return -primaries
    if capability not in ("network", "vm_host"):
        return 0
    return primaries + _count(plan, "standby", "services", "active", name) + _count(plan, "vm_host", "guests", "state", "running")


def _count(plan: Mapping[str, Any], capability: str, entries: str, key: str, value: str) -> int:
    """How many entries of a capability have the value at the key."""
    return len([entry for entry in plan.get(capability, {}).get(entries, ()) if entry[key] == value])


def _zones(hosts: HostPlans) -> List[Group]:
    servers: Dict[str, Set[str]] = {}
    for host, plan in hosts.items():
        for zone in plan.get("dns_server", {}).get("zones", ()):
            servers.setdefault(zone["name"], set()).add(host)
    return [frozenset(group) for group in servers.values()]


def _services(hosts: HostPlans) -> List[Group]:
    return [frozenset(service["hosts"]) for plan in hosts.values() for service in plan.get("standby", {}).get("services", ())]


def _guests(hosts: HostPlans) -> List[Group]:
    """All hosts with guests: what the guests do for each other, the plan does not say."""
    return [frozenset(host for host, plan in hosts.items() if any(one["state"] != "absent" for one in plan.get("vm_host", {}).get("guests", ())))]
