# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that others wrote is read within limits, and refused by one error that names the place and the remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText, Limits, check_size, excerpt, integer, load_json, parse_xml
from ansible_collections.smallfleet.infra.plugins.module_utils._system.yaml_text import load_yaml

SMALL = Limits(size=10_000, depth=8, entries=100)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join([f'*{chr(97 + level)}'] * 9)}]\n" for level in range(8)
)


def test_a_text_larger_than_the_limit_is_refused_in_bytes_not_characters() -> None:
    check_size("x" * 10_000, "/etc/x", SMALL)
    with pytest.raises(BadText, match="/etc/x: is larger than 10000 bytes, and no more are read"):
        check_size("é" * 5001, "/etc/x", SMALL)


@given(VALUES)
def test_json_within_the_limits_is_read_as_it_is(value: Any) -> None:
    assert load_json(json.dumps(value), "ip") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 9 + "]" * 9, "ip, line 1: is nested deeper than 8 levels"),
        ('\n\n{"a":' * 1200, "ip, line 19: is nested deeper than 8 levels"),
        ("[" + ",".join("1" * 200) + "]", "has more than 100 entries"),
        ("[1e5, NaN]", "NaN is not a JSON number"),
        ("[" + "1" * 5000 + "]", "not JSON that can be used"),
        ('["', "is not JSON: Unterminated string"),
        ("", "is not JSON: Expecting value in line 1"),
    ],
)
def test_json_that_cannot_be_used_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(BadText, match=words):
        load_json(text, "ip", SMALL)


def test_brackets_and_commas_inside_of_json_strings_do_not_count() -> None:
    value = ["[" * 50 + "," * 200 + '\\"{']
    assert load_json(json.dumps(value), "ip", SMALL) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "names.yaml, line 2: has more than 100 entries, aliases expanded"),
        ("a: &a [1, *a]", "line 1: \\*a is part of itself"),
        ("a: &a {<<: *a}", "line 1: \\*a is part of itself"),
        ("[" * 1200, "is nested deeper than 8 levels"),
        ("".join(" " * level + "a:\n" for level in range(50)), "is nested deeper than 8 levels"),
        ("a: &a [[[1]]]\nb: &b [[[*a]]]\nc: [[[*b]]]\n", "line 3: is nested deeper than 8 levels"),
        ("a: 2024-99-99", "has a value that YAML does not know: month must be in 1..12"),
        ("a: !!timestamp x", "has a value that YAML does not know"),
        ('a: !!int ""', "has a value that YAML does not know"),
        ("a: !!bool x", "has a value that YAML does not know"),
        ("a: " + "1" * 5000, "has a value that YAML does not know"),
        ("a: !!python/object/apply:os.system [x]", "line 1: is not YAML that can be read: could not determine a constructor"),
        ("a: 1\n b: 2", "line 2: is not YAML that can be read: mapping values are not allowed"),
        ("a: *b", "line 1: is not YAML that can be read: found undefined alias"),
        ("a: \x1b[2J", "is not YAML that can be read"),
        ("a: \ud800", "has a value that YAML does not know"),
    ],
)
def test_yaml_that_cannot_be_used_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(BadText, match=words) as error:
        load_yaml(text, "names.yaml", SMALL)
    assert str(error.value).isprintable()


def test_aliases_of_a_few_entries_are_read() -> None:
    text = "common: &c {a: 1}\nx: {<<: *c, b: 2}\ny: *c\n"
    assert load_yaml(text, "names.yaml", SMALL) == {"common": {"a": 1}, "x": {"a": 1, "b": 2}, "y": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<a>" * 9, "domain: is nested deeper than 8 levels, at <a>"),
        ("<a>" + "<b/>" * 200 + "</a>", "domain: has more than 100 elements"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has a document type .<!DOCTYPE a>., which is not read. Remove it"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a document type"),
        ("<a>", "is not XML: no element found: line 1"),
        ("<a>&b;</a>", "is not XML: undefined entity"),
        ("<a>\ud800</a>", "has characters that are not Unicode"),
        ("", "is not XML: no element found"),
    ],
)
def test_xml_that_cannot_be_used_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(BadText, match=words):
        parse_xml(text, "domain", SMALL)


@pytest.mark.parametrize("text", ["", "²", "١", " 1", "1_0", "+1", "1.0", "x", "9" * 5000, None, True, 1.5, float("inf"), [1], "256", 256, "-1"])
def test_only_ascii_digits_in_the_range_are_a_number(text: object) -> None:
    with pytest.raises(BadText, match="mtu: expected a whole number from 0 to 255, got "):
        integer(text, "mtu", 0, 255)
    assert integer("255", "mtu", 0, 255) == integer(255, "mtu", 0, 255) == 255


def test_an_excerpt_is_short_and_printable() -> None:
    assert excerpt("\x1b[2J\u2028é") == "'\\x1b[2J\\u2028\\xe9'"
    assert len(excerpt("x" * 10**6)) == 60
    assert excerpt([1] * 1000) == "a list of 1000"
    assert excerpt(1 << 10**6) == "a number of 1000001 bits"
