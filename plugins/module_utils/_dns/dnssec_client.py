# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNSKEY, CDNSKEY, DS and CDS records of dnspython as the model of a delegation's keys."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Sequence

from .query.delegation import Child, Dnskey, Ds

with suppress(ImportError):  # apart from the rest of dnspython, for it loads the package cryptography, which takes time
    import dns.dnssec

_DIGESTS = ("SHA256", "SHA384")  # those that count (RFC 8624 section 3.3)


def read_ds(rdata: Any) -> Ds:
    """A DS or CDS."""
    return Ds(int(rdata.key_tag), int(rdata.algorithm), int(rdata.digest_type), rdata.digest.hex())


def read_key(zone: str, rdata: Any) -> Dnskey:
    """A DNSKEY or CDNSKEY; ``zone`` is the canonical name of its zone."""
    fitting = tuple(read_ds(dns.dnssec.make_ds(zone, rdata, digest)) for digest in _DIGESTS)
    return Dnskey(int(rdata.flags), int(rdata.algorithm), dns.dnssec.key_id(rdata), fitting)


def read_child(zone: str, keys: Sequence[Any], signers: Sequence[int], cds: Sequence[Any], cdnskeys: Sequence[Any]) -> Child:
    """The records at the apex of a zone."""
    removal = any(not (one.key_tag or one.algorithm or one.digest_type) for one in cds)
    if removal or any(not one.algorithm for one in cdnskeys):  # "take the DS away"
        cds, cdnskeys, removal = (), (), True
    return Child(
        tuple(read_key(zone, one) for one in keys),
        frozenset(signers),
        tuple(map(read_ds, cds)),
        tuple(read_key(zone, one) for one in cdnskeys),
        removal,
    )
