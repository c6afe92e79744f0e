# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules that only read share: sets as they return them, and what a zone's SOA says."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional

from .. import names
from ..client import DnsFailure
from ..model import RRset
from ..record_types import BadValue, known_type
from ..update.plan import Refused
from ..update.request import show
from ..wire_client import WireClient
from .contents_client import held

SOA_FIELDS = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")


def name_of(options: Mapping[str, Any], zone: str) -> str:
    """The absolute name that ``record`` or ``prefix`` means. Raises Refused."""
    option = "record" if options["record"] is not None else "prefix"
    text = options[option]
    try:
        if option == "prefix" and text not in ("", "@"):
            return names.canonical(f"{text}.{zone}")
        return names.qualify(text, zone)
    except names.BadName as error:
        raise Refused([f"{option}: '{text}' {error}."]) from None


def type_of(text: str) -> str:
    """The type in upper case, also one that only the server writes. Raises Refused."""
    try:
        return known_type(text)
    except BadValue as error:
        raise Refused([f"type: '{text}' {error}."]) from None


def described(zone: str, one: RRset, quoted: bool) -> Dict[str, Any]:
    """A set as a module returns it, with the keys that community.dns has."""
    prefix = "" if one.name == zone else names.relative(one.name, zone)
    return {"record": one.name[:-1], "prefix": prefix, "type": one.type, **(show(one, quoted) or {})}


def described_all(zone: str, sets: Iterable[RRset], quoted: bool) -> List[Dict[str, Any]]:
    """Sets as a module returns them, the zone's own first."""
    order = sorted(sets, key=lambda one: (one.name != zone, one.name, one.type))
    return [described(zone, one, quoted) for one in order]


def soa_of(client: WireClient, zone: str) -> RRset:
    """The zone's SOA. Raises DnsFailure, ``not_auth`` also when there is none."""
    found = held(client, zone, [(zone, "SOA")]).get((zone, "SOA"))
    if found is None:
        raise DnsFailure("not_auth", f"{client.server} does not serve the zone {zone[:-1]}: no SOA record there.")
    return found


def soa_fields(soa: RRset) -> Dict[str, Any]:
    """The SOA by its fields' names (RFC 1035 section 3.3.13), numbers as numbers, and its TTL."""
    parts = soa.spelled[0].split()
    fields: Dict[str, Any] = {name: part if name.endswith("name") else int(part) for name, part in zip(SOA_FIELDS, parts)}
    return {**fields, "ttl": soa.ttl}


def serial_of(soa: RRset) -> int:
    return int(soa.spelled[0].split()[2])


def zone_facts(client: WireClient, zone: str) -> Dict[str, Any]:
    """SOA, nameservers and DNSSEC of a zone, asked of one server."""
    soa = soa_of(client, zone)
    kinds = ("NS", "DNSKEY", "CDS")
    found = held(client, zone, [(zone, kind) for kind in kinds])
    keys: Optional[RRset] = found.get((zone, "DNSKEY"))
    servers = found.get((zone, "NS"))
    cds = found.get((zone, "CDS"))
    return {
        "soa": soa_fields(soa),
        "serial": serial_of(soa),
        "nameservers": sorted(servers.values) if servers else [],
        "ttl": servers.ttl if servers else soa.ttl,
        "negative_ttl": min(soa.ttl, int(soa.spelled[0].split()[6])),
        "signed": keys is not None,
        "dnskey": sorted(keys.values) if keys else [],
        "cds": sorted(cds.values) if cds else [],
    }
