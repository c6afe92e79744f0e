# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which DS a parent should have, and what is said of the one it has."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any, Tuple

import dns.dnssec
import dns.rdata
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.ds import (
    MISMATCH,
    MISSING,
    OK,
    STALE,
    UNSIGNED,
    VERDICTS,
    BadRecord,
    Child,
    Dnskey,
    Ds,
    ds_lines,
    judge,
    make_ds,
    read_child,
    read_dnskey,
    read_ds,
    wanted_ds,
    worst,
)

ZONE = "example.net."
# The example of RFC 6605 section 6.1.
RFC_KEY = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
RFC_DS = "55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"


def made(number: int, flags: int = 257) -> Dnskey:
    return Dnskey(flags, 3, 13, bytes((number,)) * 64)


def child(*keys: Dnskey, signing: Any = None, **more: Any) -> Child:
    signers = keys if signing is None else signing
    return Child(keys, frozenset(key.tag for key in signers), **more)


def ds_of(*keys: Dnskey, digest_type: int = 2) -> Tuple[Ds, ...]:
    return tuple(make_ds(ZONE, key, digest_type) for key in keys)


OLD, NEW, ZSK = made(1), made(2), made(3, 256)


def test_the_example_of_the_standard_gives_its_digest_and_tag() -> None:
    assert make_ds(ZONE, read_dnskey(RFC_KEY)) == read_ds(RFC_DS)


@given(st.sampled_from([0, 256, 257, 385]), st.binary(min_size=1, max_size=140), st.sampled_from([2, 4]))
def test_tags_and_digests_are_those_of_dnspython(flags: int, public: bytes, digest_type: int) -> None:
    text = f"{flags} 3 13 {base64.b64encode(public).decode()}"
    theirs = dns.rdata.from_text("IN", "DNSKEY", text)
    digest = dns.dnssec.make_ds(ZONE, theirs, {2: "SHA256", 4: "SHA384"}[digest_type]) if flags & 256 else None
    ours = make_ds(ZONE, read_dnskey(text), digest_type)
    assert ours.tag == dns.dnssec.key_id(theirs)
    assert digest is None or str(ours).lower() == digest.to_text().lower()


@pytest.mark.parametrize(
    ("parent", "zone", "verdict"),
    [
        ((), child(), UNSIGNED),
        ((), child(NEW, ZSK), MISSING),
        (ds_of(NEW), child(NEW, ZSK), OK),
        (ds_of(NEW, digest_type=4), child(NEW), OK),
        (ds_of(NEW) + ds_of(NEW, digest_type=4), child(NEW), OK),
        (ds_of(NEW, digest_type=1), child(NEW), MISMATCH),
        (ds_of(OLD), child(NEW), MISMATCH),
        (ds_of(NEW), child(), MISMATCH),
        (ds_of(NEW), child(NEW, ZSK, signing=[ZSK]), MISMATCH),
        (ds_of(OLD), child(OLD, NEW, cds=ds_of(NEW)), STALE),
        (ds_of(OLD, NEW), child(OLD, NEW, cds=ds_of(NEW)), STALE),
        (ds_of(OLD, NEW), child(NEW), STALE),
        (ds_of(OLD, NEW), child(OLD, NEW), OK),
        (ds_of(NEW), child(OLD, NEW, cds=ds_of(NEW)), OK),
        (ds_of(NEW), child(OLD, NEW, cdnskeys=(NEW,)), OK),
        (ds_of(NEW), child(NEW, removal=True), STALE),
        ((), child(NEW, removal=True), UNSIGNED),
    ],
)
def test_the_verdict_says_what_resolvers_would_do(parent: Tuple[Ds, ...], zone: Child, verdict: str) -> None:
    found = judge(ZONE, parent, zone)
    assert found.verdict == verdict, found.why


def test_a_cds_that_fits_no_key_of_the_zone_is_not_handed_on() -> None:
    """RFC 7344 section 4.1: it must not be able to break the zone."""
    assert wanted_ds(ZONE, child(NEW, cds=ds_of(OLD))) == ds_of(NEW)


def test_only_keys_meant_for_the_parent_are_handed_over() -> None:
    revoked = made(4, 257 | 128)
    assert wanted_ds(ZONE, child(NEW, ZSK, revoked)) == ds_of(NEW)


def test_a_zone_that_asks_for_removal_wants_nothing() -> None:
    for records in ((["0 0 0 00"], []), ([], ["0 3 0 AA=="])):
        found = read_child([RFC_KEY], [55648], *records)
        assert found.removal and wanted_ds(ZONE, found) == ()


def test_lines_can_be_pasted_into_the_parent() -> None:
    assert ds_lines(ZONE, [read_ds(RFC_DS)], 3600) == [f"{ZONE} 3600 IN DS {RFC_DS[:11]}{RFC_DS[11:].upper()}"]


@pytest.mark.parametrize("text", ["", "257 3", "257 3 13 !!!!", "x 3 13 AA==", "257 3 13 A"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(BadRecord):
        read_dnskey(text)


@pytest.mark.parametrize("text", ["", "1 13 2", "1 13 2 zz", "x 13 2 aa"][1:])
def test_what_is_no_ds_is_refused_or_fits_nothing(text: str) -> None:
    try:
        found = read_ds(text)
    except BadRecord:
        return
    assert judge(ZONE, (found,), child(NEW)).verdict == MISMATCH


KEYS = st.lists(st.integers(1, 5).map(made), unique=True, max_size=4)


@given(KEYS, KEYS, KEYS)
def test_after_the_wanted_ds_is_at_the_parent_the_verdict_is_good(keys: Any, asked: Any, before: Any) -> None:
    zone = child(*keys, cds=ds_of(*(key for key in asked if key in keys)))
    again = judge(ZONE, judge(ZONE, ds_of(*before), zone).wanted, zone)
    assert again.verdict == (OK if keys else UNSIGNED)


@given(KEYS, KEYS, KEYS)
def test_a_good_verdict_is_only_given_where_a_resolver_accepts_the_zone(keys: Any, signing: Any, parent: Any) -> None:
    zone = child(*keys, signing=signing)
    trusted = any(key in keys and key in signing for key in parent)
    assert (judge(ZONE, ds_of(*parent), zone).verdict in (OK, STALE)) == trusted


def test_the_worst_of_several_servers_counts() -> None:
    zone = child(NEW)
    found = [judge(ZONE, parent, zone) for parent in (ds_of(NEW), (), ds_of(OLD))]
    assert worst(found[:1]).verdict == OK and worst(found[:2]).verdict == MISSING and worst(found).verdict == MISMATCH


GUIDE = (Path(__file__).resolve().parents[3] / "docs/dnssec.md").read_text(encoding="utf-8")
MODULE = (Path(__file__).resolve().parents[3] / "plugins/modules/dns_ds_info.py").read_text(encoding="utf-8")


def test_the_guide_has_every_verdict_and_its_plays_use_options_that_exist() -> None:
    table = GUIDE.split("## Check")[1].split("## Stop")[0]
    assert tuple(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)[1:]) == VERDICTS
    options = yaml.safe_load(MODULE.split('DOCUMENTATION = r"""')[1].split('"""')[0])["options"]
    plays = re.findall(r"<!-- file: \S+ -->\n```yaml\n(.*?)```", GUIDE, re.DOTALL)
    tasks = [task for text in plays for play in yaml.safe_load(text) for task in play["tasks"]]
    asked = [task["smallfleet.infra.dns_ds_info"] for task in tasks if "smallfleet.infra.dns_ds_info" in task]
    assert len(plays) == 3 and len(asked) == 4
    for one in asked:
        assert set(one) <= set(options)
        assert set(one.get("expected", [])) <= set(VERDICTS)
