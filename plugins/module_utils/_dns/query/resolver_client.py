# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the servers of a zone, and the zone above it, by a resolver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Sequence

from ..client import DnsFailure, refusal
from ..dnspython_client import dns
from ..socket_client import FAMILIES, addresses_of

_ADDRESSES = {"ipv4": "A", "ipv6": "AAAA"}


@dataclass(frozen=True)
class Resolver:
    """Who is asked: an address or name, or "" for the resolvers of the system.

    ``timeout`` is in seconds for one question. With ``unvalidated``, a zone whose DNSSEC is broken is found too.
    """

    address: str = ""
    port: int = 53
    timeout: float = 5.0
    unvalidated: bool = False

    def __str__(self) -> str:
        return f"The resolver {self.address} port {self.port}" if self.address else "The system's resolver"

    def find(self, name: str, kind: str) -> List[Any]:
        """The values of a set, none where there is no such set at the name itself. Raises DnsFailure."""
        try:
            answer = self._made().resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.Timeout:
            raise DnsFailure("timeout", f"{self} did not answer the question for {name} {kind} within {self.timeout:g} s.") from None
        except dns.resolver.NoNameservers as error:
            replies = [reply for *_server, reply in error.kwargs["errors"] if reply is not None]
            if not replies:
                raise DnsFailure("malformed", f"{self} answered the question for {name} {kind} with nonsense.") from None
            raise refusal(str(self), f"{name} {kind}", int(replies[-1].rcode())) from None
        except dns.exception.DNSException as error:
            raise DnsFailure("malformed", f"{self} was asked for {name} {kind}: {error}.") from None
        return list(answer) if answer.canonical_name == answer.qname else []

    def addresses(self, name: str, families: Sequence[str]) -> List[str]:
        """The addresses of a server. Raises DnsFailure."""
        return [value.address for family in families for value in self.find(name, _ADDRESSES[family])]

    def servers(self, zone: str) -> List[str]:
        """The names of the servers of a zone. Raises DnsFailure."""
        return sorted(value.target.to_text() for value in self.find(zone, "NS"))

    def parent(self, zone: str) -> str:
        """The name of the zone above, of which the root is known without a question. Raises DnsFailure."""
        above = dns.name.from_text(zone).parent()
        while above != dns.name.root and not self.find(above.to_text(), "SOA"):
            above = above.parent()
        return above.to_text()

    def _made(self) -> Any:
        try:
            made = dns.resolver.Resolver(configure=not self.address)
        except dns.exception.DNSException:
            raise DnsFailure("no_resolver", "This host has no resolver.") from None
        if self.address:
            made.nameservers = addresses_of(self.address, FAMILIES)
            made.port = self.port
            if not made.nameservers:
                raise DnsFailure("unreachable", f"{self.address} has no address.")
        if self.unvalidated:
            made.set_flags(dns.flags.RD | dns.flags.CD)
        made.lifetime = self.timeout
        return made
