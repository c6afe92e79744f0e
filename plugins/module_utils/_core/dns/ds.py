# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parent of a signed zone should say of it, and whether it does.

Sources: RFC 4034 section 5 (DS) and appendix B (key tags), RFC 4509 (SHA-256), RFC 6605 (SHA-384), RFC 7344 (CDS and
CDNSKEY), RFC 8078 section 4 (the CDS that asks for removal), RFC 8624 section 3.3 (SHA-1 counts for nothing).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import FrozenSet, List, Optional, Sequence, Tuple

SHA256 = 2
_DIGESTS = {1: "sha1", 2: "sha256", 4: "sha384"}
_COUNTING = (2, 4)
_REMOVAL = ("0", "0", "0")  # algorithm 0: "take the DS away"

OK, MISSING, STALE, MISMATCH, UNSIGNED = "ok", "missing", "stale", "mismatch", "unsigned"
VERDICTS = (OK, MISSING, STALE, MISMATCH, UNSIGNED)
_WORST_LAST = (OK, UNSIGNED, MISSING, STALE, MISMATCH)


class BadRecord(ValueError):
    """A record that is not what its type says."""


@dataclass(frozen=True)
class Dnskey:
    """A key of a zone (RFC 4034 section 2). ``public`` is the key's own format."""

    flags: int
    protocol: int
    algorithm: int
    public: bytes

    @property
    def wire(self) -> bytes:
        return self.flags.to_bytes(2, "big") + bytes((self.protocol, self.algorithm)) + self.public

    @property
    def tag(self) -> int:
        """RFC 4034 appendix B; algorithm 1, which has another, has not been used for twenty years."""
        total = sum(byte << 8 if index % 2 == 0 else byte for index, byte in enumerate(self.wire))
        return (total + (total >> 16 & 0xFFFF)) & 0xFFFF

    @property
    def is_entry(self) -> bool:
        """Whether it is a zone key, meant for a DS (bit SEP), and not revoked (RFC 5011)."""
        return self.flags & 0x0181 == 0x0101


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


def read_dnskey(text: str) -> Dnskey:
    """A DNSKEY or CDNSKEY in presentation form. Raises BadRecord."""
    parts = text.split()
    try:
        flags, protocol, algorithm = (int(part) for part in parts[:3])
        return Dnskey(flags, protocol, algorithm, base64.b64decode("".join(parts[3:]), validate=True))
    except (ValueError, binascii.Error):
        raise BadRecord(f"'{text}' is no DNSKEY") from None


def read_ds(text: str) -> Ds:
    """A DS or CDS in presentation form. Raises BadRecord."""
    parts = text.split()
    try:
        tag, algorithm, digest_type = (int(part) for part in parts[:3])
        return Ds(tag, algorithm, digest_type, bytes.fromhex("".join(parts[3:])).hex())
    except ValueError:
        raise BadRecord(f"'{text}' is no DS") from None


def read_child(keys: Sequence[str], signers: Sequence[int], cds: Sequence[str], cdnskeys: Sequence[str]) -> Child:
    """The records of an apex in presentation form. Raises BadRecord."""
    removal = any(tuple(text.split()[:3]) == _REMOVAL for text in cds)
    removal = removal or any(text.split()[2] == "0" for text in cdnskeys)
    return Child(
        tuple(read_dnskey(text) for text in keys),
        frozenset(signers),
        () if removal else tuple(read_ds(text) for text in cds),
        () if removal else tuple(read_dnskey(text) for text in cdnskeys),
        removal,
    )


def make_ds(zone: str, key: Dnskey, digest_type: int = SHA256) -> Ds:
    """The DS of a key; ``zone`` is its canonical name. Raises BadRecord for a digest type that is not known."""
    if digest_type not in _DIGESTS:
        raise BadRecord(f"the digest type {digest_type} is not known")
    digest = hashlib.new(_DIGESTS[digest_type], _wire(zone) + key.wire).hexdigest()
    return Ds(key.tag, key.algorithm, digest_type, digest)


def fits(zone: str, one: Ds, key: Dnskey) -> bool:
    """Whether a resolver that has this DS accepts this key."""
    return one.digest_type in _COUNTING and make_ds(zone, key, one.digest_type) == one


def wanted_ds(zone: str, child: Child) -> Tuple[Ds, ...]:
    """What the parent should have: what CDS says; else the keys in CDNSKEY; else every key meant for it."""
    if child.removal or not child.keys:
        return ()
    held = [one for one in child.cds if _key_of(zone, one, child.keys) is not None]
    if not held:
        asked = [key for key in child.cdnskeys if key in child.keys]
        held = [make_ds(zone, key) for key in asked or [key for key in child.keys if key.is_entry]]
    return tuple(sorted(set(held), key=lambda one: (one.tag, one.digest_type, one.digest)))


def judge(zone: str, parent: Sequence[Ds], child: Child) -> Judgement:
    """Compare what one server of the parent has with what the child asks for.

    ``unsigned``: neither has anything. ``missing``: the child is signed, the parent says nothing; resolvers take the
    zone for unsigned. ``ok``: every key that the child wants there is there, and no other. ``stale``: resolvers accept
    the zone, but the parent has too much or too little. ``mismatch``: resolvers that validate refuse the whole zone,
    since no DS belongs to a key that is in the zone and signs its keys.
    """
    wanted = wanted_ds(zone, child)
    if not parent:
        if child.removal:
            return Judgement(UNSIGNED, wanted, "asking for no DS, and the parent has none: it can be unsigned")
        if not child.keys:
            return Judgement(UNSIGNED, wanted, "not signed, and the parent has no DS")
        return Judgement(MISSING, wanted, "signed, but the parent has no DS: resolvers take it for unsigned")
    matched = {one: _key_of(zone, one, child.keys) for one in parent}
    working = [one for one, key in matched.items() if key is not None and key.tag in child.signers]
    if not working:
        tags = ", ".join(str(one.tag) for one in parent)
        why = f"refused by resolvers that validate: the parent's DS ({tags}) fits no key that signs it"
        return Judgement(MISMATCH, wanted, why)
    asked = {key for key in (_key_of(zone, one, child.keys) for one in wanted) if key is not None}
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


def _wire(name: str) -> bytes:
    """A canonical name as RFC 4034 section 6.2 wants it."""
    labels = [label.encode("ascii") for label in name.split(".")]
    return b"".join(bytes((len(label),)) + label for label in labels)


def _key_of(zone: str, one: Ds, keys: Sequence[Dnskey]) -> Optional[Dnskey]:
    for key in keys:
        if fits(zone, one, key):
            return key
    return None
