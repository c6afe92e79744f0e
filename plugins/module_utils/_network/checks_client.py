# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this host reaches what it must: its gateways, other hosts, names."""

from __future__ import annotations

import socket
from typing import Collection, Dict, List, Mapping, Sequence

from .._system.command import CommandRunner
from .kernel.observe import read_entries
from .model import DEFAULT_DESTINATIONS, MAIN_TABLE, Observed, Route
from .variables.hops import split

KNOWN = {"REACHABLE", "PERMANENT", "NOARP"}


class Checks:
    """Each check is a name and what is wrong, "" when it passes."""

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def run(
        self,
        gateway: bool,
        hosts: Mapping[str, Sequence[str]],
        names: Sequence[str],
        observed: Observed,
        going: Collection[str] = (),
    ) -> Dict[str, str]:
        """``hosts`` maps what a host is called to its addresses, of which every one must answer. ``going``: interfaces that
        go, with their routes, when the change is confirmed.
        """
        found: Dict[str, str] = {}
        for route in default_routes(observed, going) if gateway else []:
            found[f"gateway of IPv{route.family}"] = "; ".join(filter(None, (self._gateway(hop) for hop, _weight in split(route))))
        for name, addresses in hosts.items():
            for address in addresses:
                found[f"host {name} at {address}"] = self._host(address)
        for name in names:
            answer = self._runner.run(["timeout", "5", "getent", "ahosts", name], check=False)
            found[f"name {name}"] = "" if answer.rc == 0 else f"the name {name} has no address here"
        return found

    def _gateway(self, route: Route) -> str:
        """A gateway need not answer a ping, but it must say where it is (ARP, neighbour discovery)."""
        if self._ping(route.gateway, route.interface):
            return ""
        argv = ["ip", "-json", "neighbour", "show", "to", route.gateway, "dev", route.interface]
        answer = self._runner.run(argv, check=False)
        if any(KNOWN & set(entry.texts("state")) for entry in read_entries(answer.stdout, "neighbours")):
            return ""
        return f"the gateway {route.gateway} does not answer on {route.interface}"

    def _host(self, address: str) -> str:
        """A ping, or any answer of its SSH port, be it a refusal."""
        if self._ping(address):
            return ""
        try:
            with socket.create_connection((address, 22), timeout=2.0):
                return ""
        except ConnectionRefusedError:
            return ""
        except OSError as error:
            return f"{address} does not answer ({error})"

    def _ping(self, address: str, interface: str = "") -> bool:
        where = ["-I", interface] if interface else []
        return self._runner.run(["ping", "-n", "-q", "-c", "1", "-W", "1", *where, address], check=False).rc == 0


def default_routes(observed: Observed, going: Collection[str] = ()) -> List[Route]:
    """The default routes that count: in the main table, by a gateway, the one of the lowest metric for each family."""
    found: Dict[int, Route] = {}
    for route in (one for one in observed.routes if not set(one.interfaces) & set(going)):
        if route.destination in DEFAULT_DESTINATIONS and route.table == MAIN_TABLE and (route.gateway or route.hops):
            if route.family not in found or route.metric < found[route.family].metric:
                found[route.family] = route
    return [found[family] for family in sorted(found)]
