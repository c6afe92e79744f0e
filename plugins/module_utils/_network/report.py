# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan for people says of the interfaces of hosts."""

from __future__ import annotations

from typing import Any, List, Mapping

from .._fleet.model import HostPlans
from .._fleet.report import Flow, Report, section


def report(hosts: HostPlans) -> Report:
    """The interfaces that the inventory describes, with the ports of bridges and bonds."""
    rows, flows = [], []
    for host in sorted(hosts):
        desired = hosts[host].get("network", {}).get("desired", {})
        rows += [_row(host, one) for one in desired.get("interfaces", ())]
        flows += [Flow(host, server, "53", "names") for server in desired.get("dns", {}).get("server", ())]
    return Report((section("Bridges and interfaces", ("host", "interface", "type", "ports or base", "addresses", "MTU"), rows),), tuple(flows))


def _row(host: str, one: Mapping[str, Any]) -> List[Any]:
    if one["state"] == "absent":
        return [host, one["name"], f"{one['type']}, removed", "", "", ""]
    families = [one["ipv4"], one["ipv6"]]
    addresses = [f"{address['ip']}/{address['prefix_length']}" for family in families for address in family["address"]]
    words = [word for word, set_ in (("DHCP", families[0]["dhcp"]), ("DHCPv6", families[1]["dhcp"]), ("autoconf", families[1]["autoconf"])) if set_]
    return [host, one["name"], one["type"], _lower(one), ", ".join([*addresses, *words]), one["mtu"] or ""]


def _lower(one: Mapping[str, Any]) -> str:
    """The interfaces that it consists of."""
    if one["type"] == "bridge":
        return ", ".join(port["name"] for port in one["bridge"]["port"])
    if one["type"] == "bond":
        return ", ".join(one["link_aggregation"]["port"])
    return f"{one['vlan']['base_iface']}, VLAN {one['vlan']['id']}" if one["type"] == "vlan" else ""
