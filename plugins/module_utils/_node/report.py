# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan for people says of nodes themselves."""

from __future__ import annotations

from .._fleet.model import HostPlans
from .._fleet.report import Flow, Report


def report(hosts: HostPlans) -> Report:
    """Where hosts get their time from."""
    flows = [Flow(host, server, "123/UDP", "time") for host, plan in hosts.items() for server in plan.get("node", {}).get("time_servers", ())]
    return Report(flows=tuple(flows))
