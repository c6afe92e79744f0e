# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parent of a signed zone should say of it, and whether it does.

Sources: RFC 4034 section 5 (DS), RFC 7344 (CDS and CDNSKEY), RFC 8078 section 4 (the CDS that asks for removal), RFC 8624
section 3.3 (SHA-1 counts for nothing). Records of the DNS library become this model in _dns/dnssec_client.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, List, Optional, Sequence, Tuple

OK, MISSING, STALE, MISMATCH, UNSIGNED = "ok", "missing", "stale", "mismatch", "unsigned"
VERDICTS = (OK, MISSING, STALE, MISMATCH, UNSIGNED)
_WORST_LAST = (OK, UNSIGNED, MISSING, STALE, MISMATCH)


@dataclass(frozen=True)
class Ds:
    """A DS or CDS record. ``digest`` is in lower-case hexadecimal."""

    tag: int
    algorithm: int
    digest_type: int
    digest: str

    def __str__(self) -> str:
        return f"{self.tag} {self.algorithm} {self.digest_type} {self.digest.upper()}"


@dataclass(frozen=True)
class Dnskey:
    """A key of a zone (RFC 4034 section 2). ``ds`` are the DS records by which a resolver accepts it, the one to be published first."""

    flags: int
    algorithm: int
    tag: int
    ds: Tuple[Ds, ...]

    @property
    def is_entry(self) -> bool:
        """Whether it is a zone key, meant for a DS (bit SEP), and not revoked (RFC 5011)."""
        return self.flags & 0x0181 == 0x0101


@dataclass(frozen=True)
class Child:
    """What the zone's own servers say at its apex. ``signers`` are the tags of keys that sign the DNSKEY set now."""

    keys: Tuple[Dnskey, ...] = ()
    signers: FrozenSet[int] = frozenset()
    cds: Tuple[Ds, ...] = ()
    cdnskeys: Tuple[Dnskey, ...] = ()
    removal: bool = False


@dataclass(frozen=True)
class Judgement:
    """``wanted`` is what the parent should have, ``why`` completes "The zone is ..."; see judge() for the verdicts."""

    verdict: str
    wanted: Tuple[Ds, ...]
    why: str


def wanted_ds(child: Child) -> Tuple[Ds, ...]:
    """What the parent should have: what CDS says; else the keys in CDNSKEY; else every key meant for it."""
    if child.removal or not child.keys:
        return ()
    held = [one for one in child.cds if _key_of(one, child.keys) is not None]
    if not held:
        asked = [key for key in child.cdnskeys if key in child.keys]
        held = [key.ds[0] for key in asked or [key for key in child.keys if key.is_entry]]
    return tuple(sorted(set(held), key=lambda one: (one.tag, one.digest_type, one.digest)))


def judge(parent: Sequence[Ds], child: Child) -> Judgement:
    """Compare what one server of the parent has with what the child asks for.

    ``unsigned``: neither has anything. ``missing``: the child is signed, the parent says nothing; resolvers take the
    zone for unsigned. ``ok``: every key that the child wants there is there, and no other. ``stale``: resolvers accept
    the zone, but the parent has too much or too little. ``mismatch``: resolvers that validate refuse the whole zone,
    since no DS belongs to a key that is in the zone and signs its keys.
    """
    wanted = wanted_ds(child)
    if not parent:
        if child.removal:
            return Judgement(UNSIGNED, wanted, "asking for no DS, and the parent has none: it can be unsigned")
        if not child.keys:
            return Judgement(UNSIGNED, wanted, "not signed, and the parent has no DS")
        return Judgement(MISSING, wanted, "signed, but the parent has no DS: resolvers take it for unsigned")
    matched = {one: _key_of(one, child.keys) for one in parent}
    working = [one for one, key in matched.items() if key is not None and key.tag in child.signers]
    if not working:
        tags = ", ".join(str(one.tag) for one in parent)
        why = f"refused by resolvers that validate: the parent's DS ({tags}) fits no key that signs it"
        return Judgement(MISMATCH, wanted, why)
    asked = {key for key in (_key_of(one, child.keys) for one in wanted) if key is not None}
    lacking = asked - {matched[one] for one in working}
    spare = [one for one in parent if matched[one] not in asked]
    if lacking:
        tags = ", ".join(str(key.tag) for key in lacking)
        return Judgement(STALE, wanted, f"accepted, but the parent lacks the DS of key {tags}")
    if spare:
        tags = ", ".join(str(one.tag) for one in spare)
        return Judgement(STALE, wanted, f"accepted, but the parent still has a DS that is to go ({tags})")
    return Judgement(OK, wanted, "signed, and the parent has the DS that belongs to it")


def worst(judgements: Sequence[Judgement]) -> Judgement:
    """The verdict over several servers of the parent."""
    return max(judgements, key=lambda one: _WORST_LAST.index(one.verdict))


def ds_lines(zone: str, wanted: Sequence[Ds], ttl: int) -> List[str]:
    """Lines of a zone file for the parent."""
    return [f"{zone} {ttl} IN DS {one}" for one in wanted]


def _key_of(one: Ds, keys: Sequence[Dnskey]) -> Optional[Dnskey]:
    return next((key for key in keys if one in key.ds), None)
