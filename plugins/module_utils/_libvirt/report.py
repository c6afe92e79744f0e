# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan for people says of guests."""

from __future__ import annotations

from typing import Any, List, Mapping

from .._fleet.model import HostPlans
from .._fleet.report import Flow, Report, section


def report(hosts: HostPlans) -> Report:
    """The guests of each host, with their disks and networks."""
    rows, flows = [], []
    for host in sorted(hosts):
        plan = hosts[host].get("vm_host", {})
        rows += [_row(host, guest) for guest in plan.get("guests", ())]
        flows += [Flow(host, monitor, "3300, 6789", "Ceph monitor") for monitor in (plan.get("ceph") or {}).get("monitors", ())]
    return Report((section("Guests", ("guest", "host", "state", "memory", "CPUs", "disks", "networks"), sorted(rows)),), tuple(flows))


def _row(host: str, guest: Mapping[str, Any]) -> List[str]:
    if guest["state"] == "absent":
        return [guest["name"], host, "absent", "", "", "", ""]
    disks = ", ".join(f"{disk['target']}: {disk.get('rbd') or disk.get('file')}" for disk in guest["disks"])
    networks = ", ".join(_network(one) for one in guest["interfaces"])
    return [guest["name"], host, guest["state"], f"{guest['memory']} MiB", str(guest["vcpus"]), disks, networks]


def _network(interface: Mapping[str, Any]) -> str:
    """Such as ``bridge br0``; the rest is the MAC address, the model and the mode."""
    return ", ".join(f"{kind} {name}" for kind, name in interface.items() if kind not in ("mac", "model", "mode"))
