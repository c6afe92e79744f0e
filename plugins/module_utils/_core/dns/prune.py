# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone: which of its record sets are the server's own, which are ignored, and which are to be deleted."""

from __future__ import annotations

from typing import Dict, Iterable

from .model import Key, RRset
from .values import SERVER_OWNED

# What a server that signs a zone publishes at its top: CDS and CDNSKEY (RFC 7344), and BIND's notes about its signing.
_SIGNER = ("CDS", "CDNSKEY", "TYPE65534")


def without_server_sets(zone: str, sets: Iterable[RRset]) -> Dict[Key, RRset]:
    """The sets of a zone that people look after: no SOA, and nothing that the server made for DNSSEC."""
    found = {one.key: one for one in sets}
    signed = (zone, "DNSKEY") in found
    return {key: one for key, one in found.items() if not is_server_set(zone, key, signed)}


def is_server_set(zone: str, key: Key, signed: bool) -> bool:
    """Whether the server itself looks after a set; ``signed`` says whether the zone has a DNSKEY."""
    name, kind = key
    return kind in SERVER_OWNED or (signed and name == zone and kind in _SIGNER)
