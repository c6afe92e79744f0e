# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding all servers of a zone, asking each of them over each family, and waiting until they agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

from ..._system.clock import Clock
from ..client import DnsFailure
from ..model import Key
from ..socket_client import FAMILIES, Server, addresses_of
from ..wire_client import WireClient
from .propagation import Answer, Goal, Lag, judge
from .reading_client import serial_of, soa_of
from .resolver_client import Resolver

Found = TypeVar("Found")


@dataclass(frozen=True)
class Endpoint:
    """One address of a server; without an address, a name that has none."""

    name: str
    address: str

    def __str__(self) -> str:
        return self.name if self.name == self.address else f"{self.name} ({self.address or 'no address'})"


@dataclass(frozen=True)
class Asking:
    """How servers are asked. ``resolver`` is who is asked for the zone's nameservers; empty for the system's own."""

    port: int = 53
    protocol: str = "tcp"
    timeout: float = 5.0
    families: Tuple[str, ...] = FAMILIES
    resolver: str = ""
    resolver_port: int = 53

    def client(self, endpoint: Endpoint) -> WireClient:
        return WireClient(Server(endpoint.address, self.port, self.protocol, self.timeout))


def endpoints(servers: Sequence[str], asking: Asking) -> List[Endpoint]:
    """All addresses of servers given by name or address, each once."""
    found: List[Endpoint] = []
    for server in servers:
        found.extend(_named(server, addresses_of(server, asking.families)))
    return list(dict.fromkeys(found))


def zone_endpoints(zone: str, asking: Asking) -> List[Endpoint]:
    """All addresses of the nameservers that the zone itself names. Raises DnsFailure when they cannot be found."""
    resolver = Resolver(asking.resolver, asking.resolver_port, asking.timeout)
    try:
        servers = resolver.servers(zone)
    except DnsFailure as failure:
        message = f"Who serves {zone[:-1]} is not known: {failure} Name the servers, or another resolver."
        raise DnsFailure("not_auth" if failure.rcode else failure.reason, message) from None
    if not servers:
        raise DnsFailure("not_auth", f"{resolver} does not know who serves {zone[:-1]}. Name the servers, or another resolver.")
    found: List[Endpoint] = []
    for name in servers:
        addresses: List[str] = []
        for family in asking.families:
            with suppress(DnsFailure):
                addresses.extend(resolver.addresses(name, [family]))
        found.extend(_named(name, addresses or addresses_of(name, asking.families)))
    return list(dict.fromkeys(found))


def ask_each(places: Sequence[Endpoint], ask: Callable[[Endpoint], Found]) -> List[Found]:
    """The same question to all, at the same time; answers in the order of the places."""
    if not places:
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(places))) as pool:
        return list(pool.map(ask, places))


def question(zone: str, key: Optional[Key], asking: Asking) -> Callable[[Endpoint], Answer]:
    """Asks a server for the zone's serial and, with ``key``, for one set."""

    def ask(place: Endpoint) -> Answer:
        if not place.address:
            return Answer(str(place), failure="no_address", message="has no address of the asked families")
        client = asking.client(place)
        try:
            serial = serial_of(soa_of(client, zone))
            found = client.read(zone, [key]).get(key) if key else None
        except DnsFailure as failure:
            return Answer(str(place), failure=failure.reason, message=str(failure))
        finally:
            client.close()
        return Answer(str(place), serial, found)

    return ask


@dataclass(frozen=True)
class Waited:
    """How the waiting ended: the last answers, and who was not there yet."""

    answers: Tuple[Answer, ...]
    lags: Tuple[Lag, ...]
    rounds: int
    seconds: float


def wait_until(
    goal: Goal,
    look: Callable[[], Sequence[Answer]],
    clock: Clock,
    timeout: float,
    delay: float,
) -> Waited:
    """Look until the goal is reached, or ``timeout`` seconds have passed. Looks once at least."""
    begun = clock.monotonic()
    rounds = 0
    while True:
        rounds += 1
        try:
            answers = list(look())
            lags = judge(goal, answers)
        except DnsFailure as failure:
            answers, lags = [], [Lag("", failure.reason, str(failure))]
        passed = clock.monotonic() - begun
        if not lags or passed + delay > timeout:
            return Waited(tuple(answers), tuple(lags), rounds, passed)
        clock.sleep(delay)


def described(answers: Sequence[Answer], lags: Sequence[Lag]) -> List[Dict[str, Any]]:
    """Each server's answer as a module returns it."""
    behind = {lag.server: lag for lag in lags}
    return [
        {
            "server": answer.server,
            "serial": answer.serial,
            "value": sorted(answer.found.values) if answer.found else [],
            "ttl": answer.found.ttl if answer.found else None,
            "agrees": answer.server not in behind,
            "reason": behind[answer.server].reason if answer.server in behind else "",
            "message": behind[answer.server].message if answer.server in behind else "",
        }
        for answer in answers
    ]


def _named(name: str, addresses: Sequence[str]) -> List[Endpoint]:
    return [Endpoint(name, address) for address in addresses] or [Endpoint(name, "")]
