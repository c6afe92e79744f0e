# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a zone is signed: what may be written, what the two servers make of it, and what would break the parent's DS."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import BIND, config, keyed
from served import zone as served_zone
from servers import ZONE, as_configured, fleet, host_plans, zone

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind, knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.plan import ServerState, obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.signing_policy import (
    ALGORITHMS,
    DENIALS,
    KEYS,
    SigningPolicy,
    from_data,
    needs_new_ds,
)

POLICIES = st.builds(
    lambda denial, algorithm, keys, days: SigningPolicy(denial, algorithm, keys, days * 86400 if keys == "ksk_zsk" else 0),
    st.sampled_from(DENIALS),
    st.sampled_from(sorted(ALGORITHMS)),
    st.sampled_from(KEYS),
    st.integers(30, 400),
)


def planned(dnssec: Any) -> Dict[str, Any]:
    part = host_plans(dns_zones=zone(dnssec=dnssec))["ns1"]
    as_configured(part)
    found: Dict[str, Any] = part["zones"][0]
    return found


def test_true_is_the_default_policy_and_false_is_none() -> None:
    assert planned(True)["signing"] == SigningPolicy().as_data() == planned({})["signing"]
    assert (planned(True)["dnssec"], planned(False)["dnssec"], planned(False)["signing"]) == (True, False, {})


def test_a_zsk_has_a_lifetime_of_90_days_unless_the_inventory_says_another() -> None:
    assert planned({"keys": "ksk_zsk"})["signing"]["zsk_lifetime"] == 7776000
    assert planned({"keys": "ksk_zsk", "zsk_lifetime": 2592000})["signing"]["zsk_lifetime"] == 2592000


@pytest.mark.parametrize(
    ("given_", "place", "says"),
    [
        ("signed", "", "neither true nor false"),
        (None, "", "has no value"),
        (1, "", "neither true nor false"),
        ({"denial": "nsec5"}, ".denial", "expected nsec or nsec3, got 'nsec5'"),
        ({"denial": None}, ".denial", "has no value"),
        ({"algorithm": "rsasha1"}, ".algorithm", "expected ecdsap256sha256, ecdsap384sha384, ed25519 or rsasha256"),
        ({"algorithm": 13}, ".algorithm", "got 13"),
        ({"keys": "zsk"}, ".keys", "expected csk or ksk_zsk"),
        ({"keys": "ksk_zsk", "zsk_lifetime": "30d"}, ".zsk_lifetime", "seconds (30 days or more) from 2592000"),
        ({"keys": "ksk_zsk", "zsk_lifetime": 86400}, ".zsk_lifetime", "got 86400. Write for example 7776000"),
        ({"zsk_lifetime": 7776000}, ".zsk_lifetime", "with keys: csk there is none"),
        ({"denial": "nsec3", "iterations": 10}, ".iterations", "no iterations, no salt and no opt-out (RFC 9276)"),
        ({"denial": "nsec3", "salt": "ab"}, ".salt", "RFC 9276"),
        ({"ksk_lifetime": 1}, ".ksk_lifetime", "did you mean zsk_lifetime"),
    ],
)
def test_what_is_no_policy_is_refused_with_a_remedy(given_: Any, place: str, says: str) -> None:
    (problem,) = resolve(fleet(dns_zones=zone(dnssec=given_))).problems
    assert f"dns_zones.{ZONE}.dnssec{place}:" in str(problem) and says in str(problem)


@given(POLICIES, POLICIES)
def test_the_name_of_a_policy_follows_from_its_content(one: SigningPolicy, other: SigningPolicy) -> None:
    assert (one.name == other.name) == (one == other)
    assert from_data(one.as_data()) == one


def test_the_default_policy_has_the_name_it_always_had() -> None:
    assert SigningPolicy().name == "smallfleet"
    assert SigningPolicy("nsec3", "ed25519", "ksk_zsk", 7776000).name == "smallfleet-ed25519-ksk-zsk-7776000-nsec3"


def dnskeys(policy: SigningPolicy) -> List[str]:
    number = ALGORITHMS[policy.algorithm]
    return [f"257 3 {number} AAAA", *([f"256 3 {number} BBBB", f"256 3 {number} CCCC"] if policy.zsk_lifetime else [])]


@given(POLICIES, POLICIES)
def test_only_another_algorithm_or_other_kinds_of_keys_need_another_ds(before: SigningPolicy, after: SigningPolicy) -> None:
    same = (before.algorithm, before.keys) == (after.algorithm, after.keys)
    assert (needs_new_ds(after, dnskeys(before)) == "") == same
    assert needs_new_ds(after, ()) == ""


def signed(policy: SigningPolicy, *keys: str, dnssec: bool = True) -> List[str]:
    asked = keyed(config(served_zone(dnssec=dnssec, signing=policy.as_data())))
    return obstacles(asked, ServerState(installed=True, active=True, dnskeys={"demo.example.net": keys}))


def test_a_policy_that_would_need_another_ds_is_refused_before_anything_is_changed() -> None:
    (said,) = signed(SigningPolicy(algorithm="ed25519"), "257 3 13 AAAA")
    assert "it is signed with ecdsap256sha256 and keys: csk, and the inventory says ed25519 and keys: csk" in said
    assert "stop signing first, with dnssec: false" in said
    assert signed(SigningPolicy(denial="nsec3"), "257 3 13 AAAA") == []
    assert signed(SigningPolicy(algorithm="ed25519"), "257 3 13 AAAA", dnssec=False) == [], "to stop signing is how it begins"
    assert "algorithm 5" in signed(SigningPolicy(), "257 3 5 AAAA")[0]


@given(st.lists(POLICIES, min_size=1, max_size=4))
def test_each_zone_refers_to_a_policy_that_is_defined_once(policies: List[SigningPolicy]) -> None:
    zones = [served_zone(f"z{number}.example.net", dnssec=True, signing=one.as_data()) for number, one in enumerate(policies)]
    asked = keyed(config(*zones))
    local, main = bind.render_zones(asked), knot.render_main(replace(asked, listen=("192.0.2.2",)))
    for policy in policies:
        assert local.count(f'\ndnssec-policy "{policy.name}-86400" {{') == 1
        assert main.partition("\npolicy:\n")[2].count(f"  - id: {policy.name}\n") == 1
        assert f'    dnssec-policy "{policy.name}-86400";' in local and f"    dnssec-policy: {policy.name}\n" in main
    assert ("nsec3param iterations 0 optout no salt-length 0;" in local) == any(one.denial == "nsec3" for one in policies)
    assert main.count("nsec3-iterations: 0") == main.count("nsec3-salt-length: 0") == local.count("nsec3param")


@pytest.mark.skipif(not shutil.which("named-checkconf"), reason="BIND is not on this machine")
def test_bind_itself_accepts_every_policy(tmp_path: Path) -> None:
    policies = [SigningPolicy(d, a, k, 2592000 if k == "ksk_zsk" else 0) for d in DENIALS for a in ALGORITHMS for k in KEYS]
    zones = [served_zone(f"z{number}.example.net", dnssec=True, signing=one.as_data()) for number, one in enumerate(policies)]
    asked = keyed(config(*zones))
    moved = {path: str(tmp_path / Path(path).name) for path in (*BIND.files(asked), bind.KEYS_FILE)}
    for path, content in {**BIND.files(asked), bind.KEYS_FILE: BIND.secrets(asked)[1]}.items():
        Path(moved[path]).write_text(bind.beside(content, moved).replace('"/var/', f'"{tmp_path}/var/'))
    (tmp_path / "named.conf").write_text("".join(f'include "{moved[path]}";\n' for path in (bind.OPTIONS_FILE, bind.ZONES_FILE)))
    for folder in ("cache", "lib"):
        (tmp_path / "var" / folder / "bind").mkdir(parents=True)
    done = subprocess.run(["named-checkconf", str(tmp_path / "named.conf")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
