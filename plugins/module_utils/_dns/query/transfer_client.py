# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone as its server holds it, by zone transfer (AXFR, RFC 5936), and its versions (IXFR, RFC 1995)."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional

from ..client import DnsFailure
from ..dnspython_client import dns
from ..model import RRset, ZoneContents
from ..rdata_client import canonical_text
from ..socket_client import Server, resolve
from ..wire_client import WireClient

__all__ = ["History", "ZoneContents", "history", "transfer"]


class History(NamedTuple):
    """The serial that a zone has on a server, and whether it once was exactly the version that was asked about."""

    serial: int
    known: bool


def transfer(server: Server, key: Optional[Any], zone: str) -> ZoneContents:
    """Read a zone; ``key`` (dns.tsig.Key) signs the question, and then the answer must be signed too.

    Raises DnsFailure: ``refused`` (this key may not transfer), ``not_auth``, ``bad_key``, ``bad_sig``, ``bad_time``,
    ``unreachable``, ``timeout``, ``broken``, ``malformed`` or ``server_failure``.
    """
    client = WireClient(server, key)
    try:
        return client.transfer(zone)
    finally:
        client.close()


def history(server: Server, key: Optional[Any], version: RRset) -> History:
    """Whether a zone on a server grew out of the version with this SOA. Raises DnsFailure as transfer() does.

    The server is asked for the changes since then (RFC 1995 section 4), which begin with the SOA of that version as it was there. A server
    that does not know them any more sends the zone as a whole.
    """
    client = WireClient(server, key)
    question = dns.message.make_query(version.name, dns.rdatatype.IXFR)
    question.authority.append(dns.rrset.from_text(version.name, version.ttl, "IN", "SOA", version.spelled[0]))
    if key is not None:
        question.use_tsig(key, key.name)
    try:
        client.check_zone(version.name)
        with client.naming_failures(what=f"the request for changes of {version.name[:-1]}"):
            answer = dns.query.tcp(question, resolve(server), server.timeout, server.port, one_rr_per_rrset=True)
            if answer.rcode():
                raise client.refusal(int(answer.rcode()), version.name, f"the request for changes of {version.name[:-1]}")
            soas = _soas(answer.answer[:2])
    finally:
        client.close()
    if not soas:
        raise DnsFailure("malformed", f"{server} sent no SOA record of the zone {version.name[:-1]}.")
    return History(int(soas[0].split()[2]), soas[-1] in version.values)


def _soas(records: Any) -> List[str]:
    """The SOA of the zone now, and of the version that the changes begin with: one alone if there are none, or if they are not known."""
    return [canonical_text(one[0]) for one in records if one.rdtype == dns.rdatatype.SOA]
