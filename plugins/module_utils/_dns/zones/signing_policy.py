# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a zone is signed: its keys, their algorithm, and the denial of existence.

The key that the parent's DS refers to, a KSK or CSK, is never rolled over, since only people can change the DS; a ZSK is
replaced by the server when its lifetime is over (RFC 6781 section 3.1). NSEC3 has no iterations and no salt (RFC 9276
section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from ..._fleet.fields import boolean, choice, either, optional, table_of, whole
from ..._fleet.places import Values
from ..._shared.limits import integer
from ..values import TTL_MAX

ALGORITHMS = {"ecdsap256sha256": 13, "ecdsap384sha384": 14, "ed25519": 15, "rsasha256": 8}
"""By the number in DNSKEY: those that RFC 8624 section 3.1 recommends for signing, or that every validator knows."""
RSA_BITS = 2048
DENIALS = ("nsec", "nsec3")
KEYS = ("csk", "ksk_zsk")
ZSK_LIFETIME = 90 * 86400
SHORTEST_ZSK_LIFETIME = 30 * 86400  # a rollover waits for signatures of two weeks and for caches
OPTIONS = {
    "denial": optional(choice(*DENIALS), DENIALS[0]),
    "algorithm": optional(choice(*ALGORITHMS), "ecdsap256sha256"),
    "keys": optional(choice(*KEYS), KEYS[0]),
    "zsk_lifetime": optional(whole(SHORTEST_ZSK_LIFETIME, TTL_MAX, "seconds (30 days or more)", ZSK_LIFETIME)),
}
_NSEC3 = ("iterations", "salt", "salt_length", "nsec3_iterations", "nsec3_salt", "nsec3_salt_length", "nsec3param", "opt_out")
_NO_NSEC3 = "Leave it out: with denial: nsec3, there are no iterations, no salt and no opt-out (RFC 9276)"
DNSSEC = either(
    "is neither true nor false, nor a dictionary",
    "Write true, false, or for example {denial: nsec3}",
    boolean(),
    table_of(OPTIONS, "signing", "{denial: nsec3}", never=dict.fromkeys(_NSEC3, _NO_NSEC3)),
)


@dataclass(frozen=True)
class SigningPolicy:
    """``zsk_lifetime`` is in seconds, and 0 with one key for all records (CSK)."""

    denial: str = "nsec"
    algorithm: str = "ecdsap256sha256"
    keys: str = "csk"
    zsk_lifetime: int = 0

    @property
    def name(self) -> str:
        """Follows from the content, so that two policies never have the same; the default one is ``smallfleet``."""
        parts = [self.algorithm, self.keys.replace("_", "-"), str(self.zsk_lifetime or ""), self.denial]
        return "-".join(["smallfleet", *(part for part in parts if part not in ("ecdsap256sha256", "csk", "", "nsec"))])

    @property
    def bits(self) -> int:
        """The size of its keys where the algorithm has several, otherwise 0."""
        return RSA_BITS if self.algorithm.startswith("rsa") else 0

    def as_data(self) -> Dict[str, Any]:
        return {"denial": self.denial, "algorithm": self.algorithm, "keys": self.keys, "zsk_lifetime": self.zsk_lifetime}


def from_data(data: Mapping[str, Any]) -> SigningPolicy:
    """What as_data() made. Raises ValueError or KeyError on anything else."""
    policy = SigningPolicy(data["denial"], data["algorithm"], data["keys"], integer(data["zsk_lifetime"], "zsk_lifetime", 0, TTL_MAX))
    if policy.denial not in DENIALS or policy.algorithm not in ALGORITHMS or policy.keys not in KEYS:
        raise ValueError(f"signing {dict(data)}")
    return policy


def read_signing(given: Union[bool, Values]) -> Optional[SigningPolicy]:
    """What ``dns_zones.ZONE.dnssec`` says; None for a zone that is not signed. Notes what does not fit together."""
    if not isinstance(given, Values):
        return SigningPolicy() if given else None
    split = given["keys"] == "ksk_zsk"
    if "zsk_lifetime" in given.written and not split:
        given.at("zsk_lifetime").refuse("is for a ZSK, and with keys: csk there is none", "Leave it out, or write keys: ksk_zsk")
    lifetime = given["zsk_lifetime"] or ZSK_LIFETIME
    return SigningPolicy(given["denial"], given["algorithm"], given["keys"], lifetime if split else 0)


def needs_new_ds(policy: SigningPolicy, dnskeys: Sequence[str]) -> str:
    """Why a zone with these DNSKEY values cannot be signed by the policy under the DS that it has; "" if it can.

    ``dnskeys`` are in presentation form (RFC 4034 section 2.2). A zone without keys can be signed by any policy.
    """
    keys = [value.split()[:3] for value in dnskeys]
    numbers = {int(algorithm) for _flags, _protocol, algorithm in keys}
    if not keys:
        return ""
    split = any(not int(flags) & 1 for flags, _protocol, _algorithm in keys)  # the SEP flag, which a ZSK does not have
    if numbers == {ALGORITHMS[policy.algorithm]} and split == (policy.keys == "ksk_zsk"):
        return ""
    by_number = {number: name for name, number in ALGORITHMS.items()}
    algorithms = " and ".join(by_number.get(number, f"algorithm {number}") for number in sorted(numbers))
    return (
        f"it is signed with {algorithms} and keys: {'ksk_zsk' if split else 'csk'}, and the inventory says {policy.algorithm} and keys: {policy.keys}."
        " That takes another key at the top, and the DS at the parent would no longer fit"
    )
