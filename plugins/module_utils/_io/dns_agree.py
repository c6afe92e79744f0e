# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding all servers of a zone, asking each of them over each family, and waiting until they agree."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

from .._core.dns.agree import Answer, Goal, Lag, judge
from .._core.dns.model import Key
from .clock import Clock
from .dns import DnsFailure
from .dns_reading import serial_of, soa_of
from .dns_socket import Server, ascii_host
from .dns_wire import WireClient

with suppress(ImportError):  # the modules report it, see dns_wire.DNSPYTHON_ERROR
    import dns.exception
    import dns.resolver

FAMILIES = ("ipv4", "ipv6")
_SOCKET_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
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
        if _is_address(server):
            found.append(Endpoint(server, server))
        else:
            found.extend(_named(server, _system_addresses(ascii_host(server), asking.families)))
    return list(dict.fromkeys(found))


def zone_endpoints(zone: str, asking: Asking) -> List[Endpoint]:
    """All addresses of the nameservers that the zone itself names. Raises DnsFailure when they cannot be found."""
    resolver = _resolver(asking)
    try:
        servers = sorted(one.target.to_text() for one in _resolve(resolver, zone, "NS"))
    except dns.exception.Timeout:
        raise DnsFailure("timeout", f"{_who(asking)} did not answer who serves {zone[:-1]}.") from None
    except dns.exception.DNSException as error:
        raise DnsFailure("not_auth", f"{_who(asking)} does not know who serves {zone[:-1]}: {error}") from None
    found: List[Endpoint] = []
    for name in servers:
        addresses = _asked_addresses(resolver, name, asking.families)
        found.extend(_named(name, addresses or _system_addresses(name, asking.families)))
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


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _named(name: str, addresses: Sequence[str]) -> List[Endpoint]:
    return [Endpoint(name, address) for address in addresses] or [Endpoint(name, "")]


def _system_addresses(name: str, families: Sequence[str]) -> List[str]:
    found: List[str] = []
    for family in families:
        with suppress(OSError):
            for one in socket.getaddrinfo(name.rstrip("."), 53, _SOCKET_FAMILIES[family], socket.SOCK_DGRAM):
                found.append(str(one[4][0]))
    return list(dict.fromkeys(found))


def _asked_addresses(resolver: Any, name: str, families: Sequence[str]) -> List[str]:
    found: List[str] = []
    for family in families:
        with suppress(dns.exception.DNSException):
            answer = _resolve(resolver, name, "A" if family == "ipv4" else "AAAA")
            found.extend(one.address for one in answer)
    return found


def _resolver(asking: Asking) -> Any:
    if not asking.resolver:
        made = dns.resolver.Resolver()
    else:
        made = dns.resolver.Resolver(configure=False)
        addresses = [asking.resolver] if _is_address(asking.resolver) else _system_addresses(ascii_host(asking.resolver), FAMILIES)
        if not addresses:
            raise DnsFailure("unreachable", f"{asking.resolver} has no address.")
        made.nameservers = addresses
        made.port = asking.resolver_port
    made.lifetime = asking.timeout
    return made


def _resolve(resolver: Any, name: str, kind: str) -> Any:
    return resolver.resolve(name, kind, search=False)


def _who(asking: Asking) -> str:
    return asking.resolver or "the system's resolver"
