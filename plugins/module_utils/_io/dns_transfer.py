# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone as its server holds it, by zone transfer (AXFR, RFC 5936)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping, Optional

from .._core.dns.model import Key, RRset
from .._core.dns.prune import without_server_sets
from .dns import DnsFailure
from .dns_socket import Server, resolve
from .dns_wire import WireClient, canonical_text, kind_of

with suppress(ImportError):  # the modules report it, see dns_wire.DNSPYTHON_ERROR
    import dns.name
    import dns.query
    import dns.rdatatype


@dataclass(frozen=True)
class ZoneContents:
    """A zone at one moment.

    ``soa`` is spelled as the server spells it: as a prerequisite it says that the zone is still this one. ``sets``
    leaves out the SOA and what the server made for DNSSEC; ``signed`` says whether there was a DNSKEY.
    """

    zone: str
    serial: int
    soa: RRset
    sets: Mapping[Key, RRset]
    signed: bool = False


def transfer(server: Server, key: Optional[Any], zone: str) -> ZoneContents:
    """Read a zone; ``key`` (dns.tsig.Key) signs the question, and then the answer must be signed too.

    Raises DnsFailure: ``refused`` (this key may not transfer), ``not_auth``, ``bad_key``, ``bad_sig``, ``bad_time``,
    ``unreachable``, ``timeout``, ``broken``, ``malformed`` or ``server_failure``.
    """
    client = WireClient(server, key)
    try:
        client.check_zone(zone)  # tells who cannot be reached, or serves another zone, from who may not transfer
        with client.naming_failures(what=f"the request to transfer {zone[:-1]}"):
            found = _collect(client, zone)
    finally:
        client.close()
    soa = found.get((zone, "SOA"))
    if soa is None:
        raise DnsFailure("malformed", f"{server} sent the zone {zone[:-1]} without its SOA record.")
    serial = int(soa.spelled[0].split()[2])
    sets = without_server_sets(zone, found.values())
    return ZoneContents(zone, serial, soa, sets, (zone, "DNSKEY") in found)


def _collect(client: WireClient, zone: str) -> Dict[Key, RRset]:
    """All sets of the answer's messages; a set may be spread over several of them, and the SOA comes twice."""
    values: Dict[Key, Dict[str, str]] = {}
    ttls: Dict[Key, int] = {}
    for one in _answers(client, zone):
        key = (one.name.canonicalize().to_text(), kind_of(one))
        ttls[key] = min(int(one.ttl), ttls.get(key, int(one.ttl)))
        values.setdefault(key, {}).update((canonical_text(value), value.to_text()) for value in one)
    return {key: RRset(*key, ttls[key], frozenset(held), tuple(held.values())) for key, held in values.items()}


def _answers(client: WireClient, zone: str) -> Iterator[Any]:
    where = client.server
    messages = dns.query.xfr(
        resolve(where),
        dns.name.from_text(zone),
        dns.rdatatype.AXFR,
        port=where.port,
        keyring=client.key,
        timeout=where.timeout,
        relativize=False,
    )
    try:
        for message in messages:
            yield from message.answer
    except dns.query.TransferError as error:
        raise client.refusal(int(error.rcode), zone, f"the request to transfer {zone[:-1]}") from None
