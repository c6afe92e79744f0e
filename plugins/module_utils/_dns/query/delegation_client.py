# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the servers of a zone and of its parent for what DNSSEC hangs on, by dnspython (2.3 or later)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..._system.clock import Clock
from ..client import DnsFailure, refusal
from ..dnspython_client import dns
from ..dnssec_client import read_child, read_ds
from . import delegation as ds
from .resolver_client import Resolver


@dataclass(frozen=True)
class Report:
    """One look. ``parent_servers`` has the DS and the verdict of each server of the parent that was asked."""

    judgement: ds.Judgement
    parent_servers: Tuple[Tuple[str, Tuple[ds.Ds, ...], ds.Judgement], ...]
    child: ds.Child
    ttl: int


@dataclass
class Asker:
    """Questions over UDP, and over TCP where the answer does not fit. ``families`` are for servers that ``resolver`` finds."""

    port: int = 53
    timeout: float = 5.0
    families: Tuple[str, ...] = ("ipv4", "ipv6")
    resolver: Resolver = Resolver()
    now: Callable[[], float] = field(default=time.time)

    def ask(self, server: str, name: str, kind: str) -> Any:
        """The answer of a server, which is NOERROR or NXDOMAIN. Raises DnsFailure."""
        question = dns.message.make_query(name, kind, want_dnssec=True)
        question.flags &= ~dns.flags.RD
        what = f"{server} port {self.port}"
        try:
            answer = dns.query.udp_with_fallback(question, server, timeout=self.timeout, port=self.port, ignore_unexpected=True)[0]
        except dns.exception.Timeout:
            raise DnsFailure("timeout", f"{what} did not answer within {self.timeout:g} s.") from None
        except OSError as error:
            raise DnsFailure("unreachable", f"{what} cannot be reached: {error}.") from None
        except dns.exception.DNSException as error:
            raise DnsFailure("malformed", f"{what} answered with nonsense: {error}.") from None
        rcode = int(answer.rcode())
        if rcode not in (0, 3):
            failure = refusal(what, f"{name} {kind}", rcode)
            if kind == "DS" and failure.reason == "refused":
                above = f"{what} does not serve the zone above {name[:-1]}, or does not answer this host"
                raise DnsFailure(failure.reason, f"{above}: {failure}", rcode)
            raise failure
        return answer

    def records(self, server: str, name: str, kind: str) -> Tuple[List[Any], int, Any]:
        """Values and TTL of a set that a server is authoritative for, and the whole answer. Raises DnsFailure."""
        answer = self.ask(server, name, kind)
        if not answer.flags & dns.flags.AA:
            said = f"{server} port {self.port} is not authoritative for {name} {kind}."
            if kind == "DS":
                said = f"{server} port {self.port} does not serve the zone above {name[:-1]}: its answer is not authoritative."
            raise DnsFailure("not_auth", said)
        for one in answer.answer:
            if one.name == dns.name.from_text(name) and dns.rdatatype.to_text(one.rdtype) == kind:
                return list(one), int(one.ttl), answer
        return [], 0, answer

    def child(self, server: str, zone: str) -> ds.Child:
        """What one of the zone's own servers says at its apex. Raises DnsFailure."""
        what = f"{server} port {self.port} does not serve the zone {zone[:-1]}"
        try:
            held = self.records(server, zone, "SOA")[0]
        except DnsFailure as failure:
            if failure.reason != "refused":
                raise
            raise DnsFailure("not_auth", f"{what}, or does not answer this host: {failure}", failure.rcode) from None
        if not held:
            raise DnsFailure("not_auth", f"{what}.")
        keys, _ttl, answer = self.records(server, zone, "DNSKEY")
        now = self.now()
        signers = [
            int(one.key_tag)
            for found in answer.answer
            if dns.rdatatype.to_text(found.rdtype) == "RRSIG"
            for one in found
            if dns.rdatatype.to_text(one.type_covered) == "DNSKEY" and one.inception <= now <= one.expiration
        ]
        cds, cdnskeys = (self.records(server, zone, kind)[0] for kind in ("CDS", "CDNSKEY"))
        return read_child(zone, keys, signers, cds, cdnskeys)

    def servers_of(self, zone: str) -> List[str]:
        """The addresses of all servers of a zone, by the resolver. Raises DnsFailure."""
        with _naming_remedy():
            names = self.resolver.servers(zone)
            addresses = [address for name in names for address in self.resolver.addresses(name, self.families)]
        if not addresses:
            raise DnsFailure("no_servers", f"{self.resolver} knows no server of the zone {zone}; name the servers.")
        return list(dict.fromkeys(addresses))

    def parent_of(self, zone: str) -> str:
        """The name of the zone above, by the resolver. Raises DnsFailure."""
        with _naming_remedy():
            return self.resolver.parent(zone)


@contextmanager
def _naming_remedy() -> Iterator[None]:
    try:
        yield
    except DnsFailure as failure:
        remedy = "Name another resolver in resolver, or the servers in servers and parent_servers."
        raise DnsFailure(failure.reason, f"The servers cannot be found: {failure} {remedy}", failure.rcode) from None


@dataclass(frozen=True)
class Look:
    """Where to look; empty lists are found by a resolver."""

    zone: str
    child_servers: Sequence[str] = ()
    parent_servers: Sequence[str] = ()


def look(asker: Asker, where: Look) -> Report:
    """Ask all servers of the parent and of the child once. Raises DnsFailure."""
    parents = list(where.parent_servers) or asker.servers_of(asker.parent_of(where.zone))
    own = list(where.child_servers) or asker.servers_of(where.zone)
    children = [asker.child(server, where.zone) for server in own]
    found: List[Tuple[str, Tuple[ds.Ds, ...], ds.Judgement]] = []
    longest = 0
    for server in parents:
        values, ttl, answer = asker.records(server, where.zone, "DS")
        _check_parent(server, where.zone, answer)
        held = tuple(map(read_ds, values))
        judgements = [ds.judge(held, child) for child in children]
        found.append((server, held, ds.worst(judgements)))
        longest = max(longest, ttl)
    return Report(ds.worst([one for server, held, one in found]), tuple(found), children[0], longest)


@dataclass(frozen=True)
class Patience:
    """What verdicts to wait for, for how many seconds, and how many between two looks."""

    expected: Sequence[str]
    seconds: float
    pause: float


def wait_for(asker: Asker, where: Look, patience: Patience, clock: Clock) -> Report:
    """Look until the verdict is an expected one. Raises DnsFailure ``deadline``, with the last one."""
    end = clock.monotonic() + patience.seconds
    while True:
        failure: Optional[DnsFailure] = None
        try:
            report = look(asker, where)
            if report.judgement.verdict in patience.expected:
                return report
            said = f"it is {report.judgement.verdict}: the zone is {report.judgement.why}"
        except DnsFailure as caught:
            failure, said = caught, str(caught)
        left = end - clock.monotonic()
        if left <= 0:
            wanted = " or ".join(patience.expected)
            said = f"The DS of {where.zone[:-1]} did not become {wanted} in {patience.seconds:g} s; {said.rstrip('.')}."
            raise DnsFailure("deadline", said) from failure
        clock.sleep(min(patience.pause, left))


def _check_parent(server: str, zone: str, answer: Any) -> None:
    """A server of the child alone answers too, from the child's own apex, where no DS can be."""
    for one in answer.authority:
        if dns.rdatatype.to_text(one.rdtype) == "SOA" and one.name == dns.name.from_text(zone):
            message = f"{server} serves {zone[:-1]} but not the zone above it; name servers of the parent."
            raise DnsFailure("not_auth", message)


def as_result(zone: str, report: Report) -> Dict[str, Any]:
    """The report as the module returns it."""
    lines = ds.ds_lines(zone, report.judgement.wanted, report.ttl or 3600)
    parents = [{"server": server, "ds": [str(one) for one in held], "verdict": judgement.verdict} for server, held, judgement in report.parent_servers]
    return {
        "verdict": report.judgement.verdict,
        "why": f"The zone is {report.judgement.why}.",
        "wanted": [str(one) for one in report.judgement.wanted],
        "removal": report.child.removal,
        "ds_lines": lines,
        "ttl": report.ttl,
        "parent_servers": parents,
        "zone_keys": [{"tag": key.tag, "flags": key.flags, "algorithm": key.algorithm, "signs": key.tag in report.child.signers} for key in report.child.keys],
    }
