# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of a zone and the zone above it, found by a resolver that answers, refuses, fails or is silent."""

from __future__ import annotations

import socket
import threading
from typing import Any, Dict, Iterator, List, Tuple

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query import resolver_client as dns_resolver
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation_client import Asker
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import Asking, zone_endpoints
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.resolver_client import Resolver

SETS: Dict[Tuple[str, str], List[str]] = {
    ("example.net.", "NS"): ["ns2.example.net.", "ns1.example.net.", "alias.example.net."],
    ("example.net.", "SOA"): ["ns1.example.net. root.example.net. 1 1 1 1 1"],
    ("ns1.example.net.", "A"): ["192.0.2.1"],
    ("ns1.example.net.", "AAAA"): ["2001:db8::1"],
    ("ns2.example.net.", "A"): ["192.0.2.2"],
    ("alias.example.net.", "CNAME"): ["ns1.example.net."],
}


class Server:
    """A resolver on the loopback that knows SETS, and answers with ``rcode`` instead when there is one."""

    def __init__(self) -> None:
        self.rcode = 0
        self.flags: List[int] = []
        self.asked: List[Tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            wire, sender = self._socket.recvfrom(65535)
            if wire == b"end":
                return
            query = dns.message.from_wire(wire)
            self._socket.sendto(self._answer(query).to_wire(), sender)

    def _answer(self, query: Any) -> Any:
        answer = dns.message.make_response(query, recursion_available=True)
        name, kind = query.question[0].name.to_text(), dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((name, kind))
        self.flags.append(query.flags)
        answer.set_rcode(self.rcode)
        if self.rcode:
            return answer
        target = SETS.get((name, "CNAME"))
        if target:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *target))
            name = target[0]
        if (name, kind) in SETS:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *SETS[name, kind]))
        elif name not in {known for known, _kind in SETS}:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def resolver(server: Server, **more: Any) -> Resolver:
    return Resolver("127.0.0.1", server.port, **more)


def test_servers_are_found_by_name_and_family_and_an_alias_is_none(server: Server) -> None:
    asker = Asker(resolver=resolver(server))
    assert asker.servers_of("example.net.") == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    assert Asker(resolver=resolver(server), families=("ipv4",)).servers_of("example.net.") == ["192.0.2.1", "192.0.2.2"]
    asking = Asking(resolver="127.0.0.1", resolver_port=server.port, families=("ipv6",))
    assert "ns1.example.net. (2001:db8::1)" in [str(one) for one in zone_endpoints("example.net.", asking)]


def test_the_zone_above_is_the_next_one_with_an_soa_and_at_last_the_root(server: Server) -> None:
    assert resolver(server).parent("a.b.example.net.") == "example.net."
    assert resolver(server).parent("example.net.") == resolver(server).parent("org.") == "."
    assert (".", "SOA") not in server.asked


def test_a_zone_that_does_not_validate_is_found_only_by_who_asks_for_that(server: Server) -> None:
    resolver(server).servers("example.net.")
    resolver(server, unvalidated=True).servers("example.net.")
    assert [bool(flags & dns.flags.CD) for flags in server.flags] == [False, True]
    assert all(flags & dns.flags.RD for flags in server.flags)


def test_a_zone_without_servers_is_named(server: Server) -> None:
    with pytest.raises(DnsFailure, match="knows no server of the zone example.org.; name the servers") as caught:
        Asker(resolver=resolver(server)).servers_of("example.org.")
    assert caught.value.reason == "no_servers"
    with pytest.raises(DnsFailure, match="does not know who serves example.org. Name the servers") as caught:
        zone_endpoints("example.org.", Asking(resolver="127.0.0.1", resolver_port=server.port))
    assert caught.value.reason == "not_auth"


@pytest.mark.parametrize(("rcode", "reason", "code"), [(5, "refused", "REFUSED"), (2, "server_failure", "SERVFAIL"), (4, "malformed", "NOTIMP")])
def test_a_resolver_that_answers_with_a_code_is_named_with_it(server: Server, rcode: int, reason: str, code: str) -> None:
    server.rcode = rcode
    said = f"The resolver 127.0.0.1 port {server.port} answered the question for example.net. NS with {code}"
    with pytest.raises(DnsFailure, match=f"{said}. Name another resolver") as caught:
        Asker(resolver=resolver(server)).servers_of("example.net.")
    assert (caught.value.reason, caught.value.rcode) == (reason, rcode)
    with pytest.raises(DnsFailure, match=f"Who serves example.net is not known: {said}") as caught:
        zone_endpoints("example.net.", Asking(resolver="127.0.0.1", resolver_port=server.port))
    assert caught.value.reason == "not_auth"


def test_a_host_without_a_resolver_and_a_resolver_without_an_address_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: Any, **options: Any) -> Any:
        raise dns.resolver.NoResolverConfiguration

    with pytest.raises(DnsFailure, match="no-such-name.invalid has no address") as caught:
        Resolver("no-such-name.invalid").servers("example.net.")
    assert caught.value.reason == "unreachable"
    monkeypatch.setattr(dns_resolver.dns.resolver, "Resolver", none)
    with pytest.raises(DnsFailure, match="This host has no resolver. Name the servers") as caught:
        zone_endpoints("example.net.", Asking())
    assert caught.value.reason == "no_resolver"
