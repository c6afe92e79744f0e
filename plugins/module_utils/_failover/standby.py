# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which side of a standby service must run, in which order to get there, and what the role standby decides on each host."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from .steps import Act, Observed, Pair, Running, Step


def plan(desired: Pair, observed: Observed) -> List[Step]:
    """The steps from what is observed to one running service on the host that DNS names.

    Invariant: carried out in order, and stopped after any of them, the steps never leave two running units where there
    were not two before, and never a running unit on a side while the other is armed or unknown. In particular:

    - the host that DNS names is the active one; the inventory's ``active`` counts only while DNS names nobody, and is
      then entered first, with the absence of the record as prerequisite;
    - a start is planned only when the other side was observed stopped and disarmed, or is stopped by an earlier step
      whose host was observed; *unknown* is never taken for stopped;
    - a name in DNS that is neither side is somebody else's decision: nothing is changed.

    A step HOLD says why the plan ends early. A plan without steps means that nothing is to be done.
    """
    if observed.named is not None and observed.named not in desired.hosts:
        return [Step(Act.HOLD, desired.active, why=f"DNS names {observed.named}, which is neither side")]
    steps: List[Step] = []
    active = observed.named
    if active is None:
        active = desired.active
        steps.append(Step(Act.NAME, active, named=None, why="DNS names nobody yet"))
    other = desired.other(active)
    here, there = observed.side(active), observed.side(other)
    if there.running is not Running.UNKNOWN and not there.at_rest:
        steps.append(Step(Act.STOP, other, why=f"DNS names {active}"))
    if here.running is Running.YES:
        if not here.armed:
            steps.append(_start_or_hold(active, other, there.running, "it would not run again after a boot"))
    elif here.running is Running.NO:
        steps.append(_start_or_hold(active, other, there.running, "DNS names it"))
    else:
        steps.append(Step(Act.HOLD, active, why=f"it is not known whether the unit runs on {active}"))
    return steps


def _start_or_hold(active: str, other: str, other_runs: Running, why: str) -> Step:
    if other_runs is Running.UNKNOWN:
        return Step(Act.HOLD, active, why=f"it is not known whether the unit runs on {other}")
    return Step(Act.START, active, why=why)


def host_side(service: Mapping[str, Any], host: str, answer: Mapping[str, Any]) -> Dict[str, Any]:
    """What the CNAME of a service means for one of its hosts.

    ``service`` is an entry of ``services`` in the host plan, ``answer`` the result of the module dns_record_set for its
    CNAME. An answer without a state comes from check mode on a fleet whose DNS server does not run yet: then the DNS
    target is the host that would be entered first.

    Returns ``{dns_target, active, peer, health_url, refusal}``: the name that DNS has, whether that is this host, the
    inventory name of the other one, the URL to probe (empty unless active), and why nothing may be done (mostly empty).
    """
    hosts = service["hosts"]
    state = answer.get("state")
    dns_target = state["after"]["value"][0] if state else hosts[service["active"]]["alias_of"]
    active = dns_target == hosts[host]["alias_of"]
    refusal = ""
    if dns_target not in [place["alias_of"] for place in hosts.values()]:
        refusal = (
            f"{service['fqdn']} is an alias of {dns_target}, which is neither {service['active']} nor {service['standby']}."
            f" Nothing was changed. Set the record to one of them, or name that host in standby_services.{service['name']}."
        )
    return {
        "dns_target": dns_target,
        "active": active,
        "peer": next(other for other in hosts if other != host),
        "health_url": hosts[host]["health_url"] if active else "",
        "refusal": refusal,
    }


def host_fault(service: Mapping[str, Any], host: str, side: Mapping[str, Any], unit: Mapping[str, Any]) -> str:
    """Why the unit on ``host`` is not as DNS demands, or an empty string when it is.

    ``side`` is from ``host_side``, ``unit`` the state that the module standby_service observed. The active host runs the
    unit, starts it at boot and answers its health check; the other one does neither.
    """
    wanted = ("running", True, "ok") if side["active"] else ("stopped", False, "")
    if side["refusal"] or (unit["running"], unit["armed"], unit["health"]) != wanted:
        at_boot = "starts" if unit["armed"] else "does not start"
        health = f" Its health: {unit['health']}." if unit["health"] else ""
        return (
            f"{service['fqdn']} is an alias of {side['dns_target']}, and on {host} {service['unit']} is {unit['running']} and"
            f" {at_boot} at boot.{health} Run site.yml to bring both together."
        )
    return ""
