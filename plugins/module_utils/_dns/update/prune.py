# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone: which of its record sets are the server's own, which are ignored, and which are to be deleted."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Dict, Iterable, Mapping, Optional, Sequence, Set

from ..model import Key, RRset
from ..names import within
from ..record_types import SERVER_OWNED

MATCHES = ("name", "subdomain", "pattern")
# What a server that signs a zone publishes at its top: CDS and CDNSKEY (RFC 7344), and BIND's notes about its signing.
_SIGNER = ("CDS", "CDNSKEY", "TYPE65534")


@dataclass(frozen=True)
class Ignore:
    """Sets that are somebody else's: ``name`` is canonical, with ``match`` pattern an absolute name with stars."""

    name: str
    type: str = "ANY"
    match: str = "name"

    def covers(self, key: Key) -> bool:
        """Whether it is about this set."""
        name, kind = key
        if self.type not in ("ANY", kind):
            return False
        if self.match == "pattern":
            return fnmatchcase(name, self.name.replace("[", "[[]").replace("?", "[?]"))
        return within(name, self.name) if self.match == "subdomain" else name == self.name


def ignored(key: Key, ignore: Iterable[Ignore]) -> bool:
    """Whether any of them covers the set."""
    return any(one.covers(key) for one in ignore)


def without_server_sets(zone: str, sets: Iterable[RRset]) -> Dict[Key, RRset]:
    """The sets of a zone that people look after: no SOA, and nothing that the server made for DNSSEC."""
    found = {one.key: one for one in sets}
    signed = (zone, "DNSKEY") in found
    return {key: one for key, one in found.items() if not is_server_set(zone, key, signed)}


def is_server_set(zone: str, key: Key, signed: bool) -> bool:
    """Whether the server itself looks after a set; ``signed`` says whether the zone has a DNSKEY."""
    name, kind = key
    return kind in SERVER_OWNED or (signed and name == zone and kind in _SIGNER)


def complete(zone: str, wanted: Mapping[Key, Optional[RRset]], observed: Mapping[Key, RRset], ignore: Sequence[Ignore]) -> Dict[Key, Optional[RRset]]:
    """What is wanted of the whole zone: ``wanted``, and of all else that was observed that it must not exist.

    Left alone are, unless they are in ``wanted``: what is ignored, the zone's own nameservers, and the addresses of
    names in the zone that a nameserver set which stays refers to (the glue of delegations, for one). Who names one kind
    of address of such a name speaks for both kinds.
    """
    doomed = {key for key in observed if key not in wanted and key != (zone, "NS") and not ignored(key, ignore)}
    staying = [one for one in wanted.values() if one is not None]
    staying += [one for key, one in observed.items() if key not in wanted and key not in doomed]
    servers = {value.lower() for one in staying if one.type == "NS" for value in one.values}
    doomed -= _addresses(servers, set(wanted))
    return {**wanted, **{key: None for key in doomed}}


def _addresses(hosts: Iterable[str], named: Set[Key]) -> Set[Key]:
    """The address sets of hosts of which none is named."""
    pairs = (((host, "A"), (host, "AAAA")) for host in hosts)
    return {key for pair in pairs if not named & set(pair) for key in pair}
