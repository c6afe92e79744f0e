# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which DS a parent should have, and what is said of the one it has."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, Tuple

import dns.rdata
import dns.rdatatype
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from served import config, zone
from test_text import module_arguments

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.dnssec_client import read_child, read_ds, read_key
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation import (
    MISMATCH,
    MISSING,
    OK,
    STALE,
    UNSIGNED,
    VERDICTS,
    Child,
    Dnskey,
    Ds,
    ds_lines,
    judge,
    wanted_ds,
    worst,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.self_check_client import WireAsker
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.modules import dns_ds_info

ZONE = "example.net."
# The example of RFC 6605 section 6.1.
RFC_KEY = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
RFC_DS = "55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"


def record(kind: str, text: str) -> Any:
    return dns.rdata.from_text("IN", kind, text)


def key_of(text: str, zone: str = ZONE) -> Dnskey:
    return read_key(zone, record("DNSKEY", text))


def made(number: int, flags: int = 257) -> Dnskey:
    return key_of(f"{flags} 3 13 {base64.b64encode(bytes((number,)) * 64).decode()}")


def child(*keys: Dnskey, signing: Any = None, **more: Any) -> Child:
    signers = keys if signing is None else signing
    return Child(keys, frozenset(key.tag for key in signers), **more)


def ds_of(*keys: Dnskey, digest_type: int = 2) -> Tuple[Ds, ...]:
    return tuple(one for key in keys for one in key.ds if one.digest_type == digest_type)


def sha1_of(key: Dnskey) -> Tuple[Ds, ...]:
    return (Ds(key.tag, key.algorithm, 1, "ab" * 20),)


OLD, NEW, ZSK = made(1), made(2), made(3, 256)


def test_the_example_of_the_standard_gives_its_digest_and_tag() -> None:
    key = key_of(RFC_KEY)
    assert key.ds[0] == read_ds(record("DS", RFC_DS)) and key.tag == 55648 and key.is_entry
    assert [one.digest_type for one in key.ds] == [2, 4]


@pytest.mark.parametrize("zone", ["net.", "a\\.b.example.net.", "0/26.2.0.192.in-addr.arpa."])
@pytest.mark.parametrize("flags", [0, 256, 257, 385])
def test_a_key_of_every_zone_and_with_all_flags_is_read(zone: str, flags: int) -> None:
    key = key_of(RFC_KEY.replace("257", str(flags)), zone)
    assert (key.flags, key.is_entry, len(key.ds)) == (flags, flags == 257, 2)


@pytest.mark.parametrize(
    ("parent", "zone", "verdict"),
    [
        ((), child(), UNSIGNED),
        ((), child(NEW, ZSK), MISSING),
        (ds_of(NEW), child(NEW, ZSK), OK),
        (ds_of(NEW, digest_type=4), child(NEW), OK),
        (ds_of(NEW) + ds_of(NEW, digest_type=4), child(NEW), OK),
        (sha1_of(NEW), child(NEW), MISMATCH),
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
    found = judge(parent, zone)
    assert found.verdict == verdict, found.why


def test_a_cds_that_fits_no_key_of_the_zone_is_not_handed_on() -> None:
    """RFC 7344 section 4.1: it must not be able to break the zone."""
    assert wanted_ds(child(NEW, cds=ds_of(OLD))) == ds_of(NEW)


def test_only_keys_meant_for_the_parent_are_handed_over() -> None:
    revoked = made(4, 257 | 128)
    assert wanted_ds(child(NEW, ZSK, revoked)) == ds_of(NEW)


def test_a_zone_that_asks_for_removal_wants_nothing() -> None:
    key, cds, cdnskey = record("DNSKEY", RFC_KEY), record("CDS", "0 0 0 00"), record("CDNSKEY", "0 3 0 AA==")
    for records in (([cds], []), ([], [cdnskey]), ([cds], [cdnskey])):
        found = read_child(ZONE, [key], [55648], *records)
        assert found.removal and wanted_ds(found) == ()


def test_lines_can_be_pasted_into_the_parent() -> None:
    assert ds_lines(ZONE, [read_ds(record("DS", RFC_DS))], 3600) == [f"{ZONE} 3600 IN DS {RFC_DS[:11]}{RFC_DS[11:].upper()}"]


@pytest.mark.parametrize("text", ["0 0 0 ab", "1 0 0 ab", f"55648 13 9 {'ab' * 32}", RFC_DS.replace("55648", "55649"), RFC_DS.replace(" 13 ", " 8 ")])
def test_a_ds_that_is_of_no_key_fits_nothing(text: str) -> None:
    wire = bytes.fromhex(f"{int(text.split()[0]):04x}{int(text.split()[1]):02x}{int(text.split()[2]):02x}{text.split()[3]}")
    ds = read_ds(dns.rdata.from_wire("IN", dns.rdatatype.CDS, wire, 0, len(wire)))
    assert str(ds).lower() == text and judge((ds,), child(key_of(RFC_KEY))).verdict == MISMATCH


def test_of_cds_and_cdnskey_each_is_read() -> None:
    key = record("DNSKEY", RFC_KEY)
    by_cds = read_child(ZONE, [key], [], [record("CDS", RFC_DS)], [])
    by_key = read_child(ZONE, [key], [], [], [record("CDNSKEY", RFC_KEY)])
    assert wanted_ds(by_cds) == wanted_ds(by_key) == key_of(RFC_KEY).ds[:1]
    assert by_cds.cds and by_key.cdnskeys == by_key.keys


def test_a_server_is_asked_which_keys_of_a_zone_its_parent_may_name(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = config(zone(dnssec=True))
    shown = frozenset({RFC_KEY, RFC_KEY.replace("257", "256"), RFC_KEY.replace("257", "385")})
    answer = {("demo.example.net.", "DNSKEY"): RRset("demo.example.net.", "DNSKEY", 60, shown)}
    monkeypatch.setattr(WireClient, "read", lambda self, name, keys: answer)
    assert WireAsker().sep_tags(signed, signed.zones[0]) == {55648}
    answer.clear()
    assert WireAsker().sep_tags(signed, signed.zones[0]) == frozenset()


SILENT = {"zone_name": "a.example.net", "servers": ["127.0.0.1"], "parent_servers": ["127.0.0.1"], "port": 1}


@pytest.mark.parametrize(
    ("options", "reason", "said"),
    [
        ({"zone_name": "a..b"}, "bad_request", "zone_name: 'a..b' "),
        ({**SILENT, "query_timeout": 0.2}, "timeout", "127.0.0.1 port 1 did not answer within 0.2 s"),
    ],
)
def test_what_the_module_cannot_do_is_a_failure_with_its_reason(options: Any, reason: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with module_arguments(options), pytest.raises(SystemExit):
        dns_ds_info.main()
    result = json.loads(capsys.readouterr().out)
    assert (result["failed"], result["changed"], result["steps"], result["reason"]) == (True, False, [], reason)
    assert result["msg"].startswith(said)


KEYS = st.lists(st.integers(1, 5).map(made), unique=True, max_size=4)


@given(KEYS, KEYS, KEYS)
def test_after_the_wanted_ds_is_at_the_parent_the_verdict_is_good(keys: Any, asked: Any, before: Any) -> None:
    zone = child(*keys, cds=ds_of(*(key for key in asked if key in keys)))
    again = judge(judge(ds_of(*before), zone).wanted, zone)
    assert again.verdict == (OK if keys else UNSIGNED)


@given(KEYS, KEYS, KEYS)
def test_a_good_verdict_is_only_given_where_a_resolver_accepts_the_zone(keys: Any, signing: Any, parent: Any) -> None:
    zone = child(*keys, signing=signing)
    trusted = any(key in keys and key in signing for key in parent)
    assert (judge(ds_of(*parent), zone).verdict in (OK, STALE)) == trusted


def test_the_worst_of_several_servers_counts() -> None:
    zone = child(NEW)
    found = [judge(parent, zone) for parent in (ds_of(NEW), (), ds_of(OLD))]
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
