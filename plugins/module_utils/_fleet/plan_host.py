# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of the fleet for the many processes of one run: made by whichever needs it first, and kept for the others."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence
from zoneinfo import available_timezones

from .batches import OTHER_KEYS, orders
from .inventory_host import PlanStore, collect
from .planning import CAPABILITIES, plan_fleet
from .problems import report, without_consequences
from .values import shown
from .variables import FLEET_WIDE

ORDERED = (*CAPABILITIES, OTHER_KEYS)
"""What plays have hosts and batches for."""


def plan_once(store: PlanStore, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """What concerns all hosts: ``{fleet, hosts, orders, report}``; a report that is not empty says why there is no plan.

    ``variables`` are Ansible's, of which ``groups`` and ``hostvars`` count. The plan of each host is in the store, as ``host NAME``.
    """
    with store.lock():
        kept = store.read("fleet")
        return dict(kept) if kept is not None else _make_plan(store, variables)


def batches_of(store: PlanStore, variables: Mapping[str, Any], capabilities: Sequence[str]) -> List[List[str]]:
    """The hosts of some capabilities in the batches in which plays change them; none before the first play, when there is no plan yet.

    Raises ValueError if one is not a capability.
    """
    unknown = sorted(set(capabilities) - set(ORDERED))
    if unknown:
        raise ValueError(f"{shown(unknown[0])} is not a capability. Use one of {', '.join(ORDERED)}.")
    if "hostvars" not in variables:
        return []
    known = plan_once(store, variables)["orders"]
    return [batch for name in capabilities for batch in known.get(name, {}).get("batches", ())]


def _make_plan(store: PlanStore, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Plan the fleet and keep every host's plan, then what concerns all: its presence says that the plan is complete."""
    groups = variables["groups"]
    values, unrendered = collect(variables["hostvars"], groups["all"])
    plan = plan_fleet(values, groups, time_zones=available_timezones())
    known = {place for problem in unrendered for place in ((problem.host, problem.variable), ("", problem.variable))}
    others = [problem for problem in plan.problems if (problem.host, problem.variable) not in known]
    problems = without_consequences([*unrendered, *others], FLEET_WIDE)
    for host, host_plan in plan.hosts.items():
        store.write(f"host {host}", host_plan)
    summary = {
        "fleet": plan.fleet,
        "hosts": sorted(plan.hosts),
        "orders": {name: order.as_data() for name, order in orders(plan.hosts).items()},
        "report": report(problems) if problems else "",
    }
    store.write("fleet", summary)
    return summary
