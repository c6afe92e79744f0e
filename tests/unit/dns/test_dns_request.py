# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a module's options to record sets: every wrong option is named with its place."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from fakes import FakeFiles
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names, txt, values
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import failure_result, make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries, read_zones, show

ZONE = "example.net."
OPTIONS = {"server": "192.0.2.53", "port": 53, "protocol": "tcp", "timeout": 1.0, "key_algorithm": "hmac-sha256"}
NO_KEY = {"key_file": None, "key_name": None, "key_secret": None}


def same(kind: str, text: str) -> str:
    return text


def entry(**more: Any) -> Dict[str, Any]:
    return {"record": "www", "type": "A", "ttl": 300, "value": ["192.0.2.1"], "state": "present", **more}


def test_record_and_prefix_name_the_same_set() -> None:
    for way in (
        {"record": "www"},
        {"record": "www.example.net"},
        {"record": "WWW.example.net."},
        {"record": None, "prefix": "www"},
    ):
        assert list(read_entries(ZONE, [entry(**way)], same)[0]) == [("www.example.net.", "A")]
    for apex in ({"record": "@"}, {"record": None, "prefix": ""}, {"record": "example.net"}):
        assert list(read_entries(ZONE, [entry(**apex)], same)[0]) == [(ZONE, "A")]
    below = read_entries(ZONE, [entry(record=None, prefix="example.net")], same)[0]
    assert list(below) == [("example.net.example.net.", "A")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"record": "a b"}, "record: 'a b' has a part"),
        ({"record": "www.example.com."}, "is outside the zone"),
        ({"type": "SOA"}, "type: 'SOA' is a type that the server itself looks after"),
        ({"ttl": -1}, "ttl: -1"),
        ({"value": []}, "value: is missing or empty"),
        ({"value": None}, "value: is missing or empty"),
        ({"value": ["192.0.2.1", "x"]}, r"value\[1\]: 'x' is not an IPv4 address"),
    ],
)
def test_a_wrong_option_is_named(wrong: Dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_entries(ZONE, [entry(**wrong)], same)


def test_all_wrong_options_of_all_zones_are_told_at_once() -> None:
    sets = [entry(), entry(record="a", value=["x"]), entry(record="www.example.net.")]
    with pytest.raises(Refused) as caught:
        read_zones([{"zone_name": "example.net", "record_sets": sets}, {"zone_name": "..", "record_sets": []}], same)
    assert [reason.split(":")[1].strip().split(" ")[0] for reason in caught.value.reasons] == [
        "record_sets[1].value[0]",
        "record_sets[2].www.example.net.",
        "zone_name",
    ]


def test_values_given_with_absent_are_kept_for_the_comparison() -> None:
    wanted, given_values = read_entries(ZONE, [entry(state="absent"), entry(record="b", state="absent", value=[])], same)
    assert set(wanted.values()) == {None}
    assert [one.values for one in given_values.values() if one] == [{"192.0.2.1"}]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=700))
def test_any_text_survives_being_a_txt_value(text: str) -> None:
    shown = values.present("TXT", text, ZONE)
    assert txt.read(shown) == text
    assert shown.isascii() and "\n" not in shown


def test_text_is_shown_as_it_was_given() -> None:
    one = RRset("a.", "TXT", 5, frozenset({'"a \\"b\\""', '"x" "y"', '"\\255"'}))
    assert show(one) == {"ttl": 5, "value": ["\\xff", 'a "b"', ["x", "y"]]}
    assert show(one, quoted=True) == {"ttl": 5, "value": sorted(one.values)}
    assert show(None) is None


@given(st.text(max_size=80))
def test_a_name_is_canonical_once_and_for_all_or_refused(text: str) -> None:
    try:
        name = names.canonical(text)
    except names.BadName:
        return
    assert names.canonical(name) == name
    assert names.qualify(names.relative(name, name), name) == name


def test_a_missing_or_broken_key_file_is_named_without_its_content() -> None:
    files = FakeFiles({"/bad": ("hush", 0o600)})
    with pytest.raises(Refused, match="/none does not exist on the host where this module runs"):
        make_client({**OPTIONS, **NO_KEY, "key_file": "/none"}, files)
    with pytest.raises(Refused) as caught:
        make_client({**OPTIONS, **NO_KEY, "key_file": "/bad"}, files)
    assert "hush" not in str(caught.value)
    with pytest.raises(DnsFailure) as secret:
        make_client({**OPTIONS, **NO_KEY, "key_name": "k", "key_secret": "hush!"}, files)
    assert "hush" not in str(secret.value)


def test_a_failure_tells_what_was_done_before_it() -> None:
    failure = DnsFailure("lost_race", "Too late.", 8)
    failure.done = ("create a.example.net. A",)
    assert failure_result(failure) == {
        "msg": "Too late. Before that: create a.example.net. A.",
        "reason": "lost_race",
        "changed": True,
        "steps": ["create a.example.net. A"],
        "dns_rc": 8,
        "dns_rc_str": "NXRRSET",
    }
    assert failure_result(Refused(["No."]))["reason"] == "bad_request"
