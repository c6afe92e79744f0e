# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server of this host, asked as its clients ask it: at its own address, with a key that only it knows."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Dict, FrozenSet, Optional, Tuple

from ..client import NOERROR, DnsFailure
from ..dnspython_client import DNSPYTHON_ERROR
from ..dnssec_client import read_key
from ..model import Change, Group, Message, Prerequisite, RRset
from ..query.contents_client import held
from ..rdata_client import read_value
from ..wire_client import Server, WireClient, make_key
from .base import PRIMARY, KnownKey, ServedZone, ServerConfig

TIMEOUT = 5.0
# What a server says of a zone that it does not serve, or not yet.
OF_ONE_ZONE = ("refused", "not_auth", "server_failure")


class WireAsker:
    """The real network. Without dnspython, which comes with the role's packages, nothing is known."""

    def ask(self, config: ServerConfig) -> Tuple[Dict[str, RRset], str]:
        found: Dict[str, RRset] = {}
        silence = ""
        if DNSPYTHON_ERROR is not None:
            return found, "The Python library dnspython is not installed."
        for zone in config.zones:
            key = _key_for(config, zone)
            if key is None:
                silence = silence or f"The key for {zone.name} is not on this host."
                continue
            try:
                found.update(_soa(config, key, zone))
            except DnsFailure as failure:
                silence = silence or str(failure)
                if failure.reason not in OF_ONE_ZONE:
                    break  # the next question would fail as well, some only after a while
        return found, silence

    def dnskeys(self, config: ServerConfig) -> Dict[str, Tuple[str, ...]]:
        found: Dict[str, Tuple[str, ...]] = {}
        for zone in config.primaries:
            key = _key_for(config, zone)
            if key is None or not zone.dnssec:
                continue
            owner = (f"{zone.name}.", "DNSKEY")
            with closing(_client(config, key)) as client, suppress(DnsFailure):
                seen = client.read(owner[0], [owner]).get(owner)
                found[zone.name] = tuple(sorted(seen.values)) if seen is not None else ()
        return found

    def sep_tags(self, config: ServerConfig, zone: ServedZone) -> FrozenSet[int]:
        owner = (f"{zone.name}.", "DNSKEY")
        with closing(WireClient(Server(config.listen[0], timeout=TIMEOUT))) as client, suppress(DnsFailure):
            seen = client.read(owner[0], [owner]).get(owner)
            keys = [read_key(owner[0], read_value("DNSKEY", value, None)) for value in (seen.values if seen is not None else ())]
            return frozenset(key.tag for key in keys if key.is_entry)
        return frozenset()

    def replace(self, config: ServerConfig, seen: RRset, wanted: RRset) -> bool:
        key = next(key for key in config.keys if key.name == config.update_key)
        with closing(_client(config, key)) as client:
            return replace_soa(client, seen, wanted)


def replace_soa(client: WireClient, seen: RRset, wanted: RRset) -> bool:
    """One update that adds an SOA with a later serial, which replaces the old one (RFC 2136 section 3.4.2.2)."""
    (value,) = wanted.values
    condition = Prerequisite("equals", seen.name, "SOA", seen.spelled)
    change = Change("add", seen.name, "SOA", wanted.ttl, value)
    return client.send(seen.name, Message((Group(seen.name, (), (condition,), (change,)),))) == NOERROR


def _soa(config: ServerConfig, key: KnownKey, zone: ServedZone) -> Dict[str, RRset]:
    """The SOA of a primary zone. A secondary has no answer before its first transfer, and says so signed."""
    name = f"{zone.name}."
    with closing(_client(config, key)) as client:
        try:
            soa = held(client, name, [(name, "SOA")]).get((name, "SOA"))
        except DnsFailure as failure:
            refused = failure.rcode == 5  # the server does not know the zone at all
            if zone.role == PRIMARY or refused or failure.reason not in ("server_failure", "not_auth"):
                raise
            return {}
    return {zone.name: soa} if zone.role == PRIMARY and soa is not None else {}


def _key_for(config: ServerConfig, zone: ServedZone) -> Optional[KnownKey]:
    name = config.update_key if zone.role == PRIMARY else zone.transfer.key
    return next((key for key in config.keys if key.name == name and key.generations), None)


def _client(config: ServerConfig, key: KnownKey) -> WireClient:
    made = key.generations[0]
    return WireClient(Server(config.listen[0], timeout=TIMEOUT), make_key(made.name, made.secret, made.algorithm))
