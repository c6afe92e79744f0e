# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that does not serve the zone: said first, whatever the server answers, by writers, readers and waiters."""

from __future__ import annotations

from typing import Any, Callable

import dns.flags
import dns.message
import dns.rrset
import pytest
from fakes import FakeFiles

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.contents_client import held
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation import Lag, describe_lags
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import Asking, endpoints
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import zone_facts
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient, make_key

ZONE = "example.org."
REFUSED, NOTAUTH, SERVFAIL = 5, 9, 2


class Answering(WireClient):
    """A server that gives every question the same code and flags, and nothing else."""

    rcode = 0
    flags = 0

    def _transmit(self, message: Any) -> Any:
        answer = dns.message.make_response(message)
        answer.set_rcode(self.rcode)
        answer.flags |= self.flags
        return answer


def client(rcode: int, flags: int = 0, keyed: bool = False) -> Answering:
    made = Answering(Server("192.0.2.53"), make_key("demo-update", "YWJj", "hmac-sha256") if keyed else None)
    made.rcode, made.flags = rcode, flags
    return made


CALLS = [
    lambda at: at.read(ZONE, [(f"www.{ZONE}", "A")]),
    lambda at: at.read(ZONE, [(f"w{number}.{ZONE}", "A") for number in range(200)]),
    lambda at: held(at, ZONE, [(f"www.{ZONE}", "A")]),
    lambda at: at.transfer(ZONE),
    lambda at: zone_facts(at, ZONE),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("rcode", "flags"), [(REFUSED, 0), (NOTAUTH, 0), (0, 0), (0, int(dns.flags.AA)), (3, int(dns.flags.AA))])
def test_a_zone_that_is_not_served_is_named_first(rcode: int, flags: int, call: Callable[[Any], Any]) -> None:
    with pytest.raises(DnsFailure) as caught:
        call(client(rcode, flags))
    assert caught.value.reason == "not_auth"
    assert str(caught.value).startswith("192.0.2.53 port 53/tcp does not serve the zone example.org: ")


def test_the_key_is_the_second_cause() -> None:
    with pytest.raises(DnsFailure) as caught:
        client(REFUSED, keyed=True).read(ZONE, [(ZONE, "NS")])
    text = str(caught.value)
    assert 0 < text.index("does not serve") < text.index("REFUSED") < text.index("with the key demo-update")


def test_a_key_that_the_server_does_not_answer_is_named_when_it_answers_others() -> None:
    class Picky(Answering):
        def _transmit(self, message: Any) -> Any:
            answer = super()._transmit(message)
            if self.key is None:
                answer.set_rcode(0)
                answer.flags |= dns.flags.AA
                answer.answer.append(dns.rrset.from_text(ZONE, 60, "IN", "SOA", "a. b. 1 1 1 1 1"))
            return answer

    made = Picky(Server("192.0.2.53"), make_key("demo-update", "YWJj", "hmac-sha256"))
    made.rcode = REFUSED
    with pytest.raises(DnsFailure) as caught:
        made.read(ZONE, [(ZONE, "NS")])
    assert (caught.value.reason, caught.value.rcode) == ("refused", REFUSED)
    assert "serves the zone example.org and does not allow to ask for it with the key demo-update" in str(caught.value)


def test_a_server_that_cannot_load_the_zone_is_not_said_to_be_the_wrong_one() -> None:
    with pytest.raises(DnsFailure) as caught:
        client(SERVFAIL).read(ZONE, [(ZONE, "NS")])
    assert caught.value.reason == "server_failure"


def test_waiting_in_vain_names_first_who_does_not_serve_the_zone() -> None:
    stranger = Lag("b", "not_auth", "192.0.2.53 port 53/tcp does not serve the zone example.org: REFUSED.")
    behind = Lag("a", "old_serial", "has serial 1, where another server has 2")
    assert describe_lags(ZONE, [stranger], 60) == stranger.message
    assert describe_lags(ZONE, [behind, stranger], 60) == (f"{stranger.message} The servers of example.org do not agree after 60 s: a {behind.message}")


@pytest.mark.parametrize("name", ["ns.straße.example", "ns.faß.example", "ns.σας.example", "ns.a\u200db.example"])
def test_a_server_is_not_looked_up_by_a_name_that_means_two(name: str) -> None:
    options = {"server": name, "port": 53, "protocol": "tcp", "timeout": 1.0, "key_algorithm": "hmac-sha256"}
    with pytest.raises(Refused, match="IDNA 2008"):
        make_client({**options, "key_file": None, "key_name": None}, FakeFiles())
    with pytest.raises(Refused, match="xn--"):
        endpoints([name], Asking())
