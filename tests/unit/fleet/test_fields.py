# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed fields: what they give, what they refuse and in which words, and what they are for Ansible and for editors."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet import fields
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.fields import (
    Field,
    address,
    boolean,
    choice,
    duration,
    either,
    fraction,
    host,
    list_of,
    mapping_of,
    one_or_list,
    optional,
    packages,
    parsed,
    path,
    port,
    read,
    read_variable,
    required,
    table_of,
    text,
    whole,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.places import REFUSED, Place
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.specs import argument_spec
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import Notes
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import find_blanks

RECORD = table_of(
    {
        "record": required(text("app1")),
        "type": optional(choice("A", "AAAA"), "A"),
        "ttl": optional(whole(0, 2147483647, "seconds")),
        "value": optional(text("192.0.2.1")),
    },
    "a record",
    "{record: app1}",
)
ZONE = table_of(
    {
        "primary": required(host(), "Name the host where the zone is changed"),
        "hosts": optional(boolean(), True),
        "records": optional(list_of(RECORD, "[{record: app1}]"), ()),
    },
    "a zone",
    "{primary: app1}",
)
NAME = fields.name(r"[a-z.]+", "the name of a zone", "Write it in lower case")
ZONES = mapping_of(NAME, ZONE, "{example.net: {primary: app1}}")
LINK = table_of({"prefix-length": optional(whole(0, 128, "bits"))}, "an address", "{prefix-length: 24}", hyphens=True)


def outcome(declared: Field, value: Any) -> Tuple[Any, List[str]]:
    notes = Notes()
    given = read(declared, value, Place("app1", "x", notes, ("app1", "app2")))
    return given, [f"{one.variable}: {one.message}. {one.remedy}" for one in notes.problems]


@pytest.mark.parametrize(
    ("declared", "value", "typed"),
    [
        (whole(0, 10, "seconds"), "7", 7),
        (fraction(0, 10, "seconds"), "0.5", 0.5),
        (duration(0, 10), 3, 3.0),
        (port(), "53", 53),
        (boolean(), "yes", True),
        (boolean(), False, False),
        (choice("a", "b"), "b", "b"),
        (text("web"), "web", "web"),
        (text("web", empty=True), "", ""),
        (address(), "2001:db8::1", "2001:db8::1"),
        (path(), "/etc/x", "/etc/x"),
        (host(), "app2", "app2"),
        (parsed(int, ValueError, "Write digits"), "12", 12),
        (packages(), ["chrony"], ("chrony",)),
        (one_or_list(text("x"), "[x]"), "x", ("x",)),
        (one_or_list(text("x"), "[x]"), ["x", "y"], ("x", "y")),
        (ZONES, {"a.b": {"primary": "app1"}}, {"a.b": {"primary": "app1", "hosts": True, "records": ()}}),
        (LINK, {"prefix_length": "24"}, {"prefix-length": 24}),
        (LINK, {"prefix-length": 24}, {"prefix-length": 24}),
        (either("is neither", "Write one", boolean(), RECORD), "no", False),
        (either("is neither", "Write one", boolean(), list_of(text("x"), "[x]")), ["x"], ("x",)),
    ],
)
def test_a_field_gives_the_typed_value(declared: Field, value: Any, typed: Any) -> None:
    assert outcome(declared, value) == (typed, [])


@pytest.mark.parametrize(
    ("declared", "value", "said"),
    [
        (whole(0, 10, "seconds"), "1x", ["x: expected a whole number of seconds from 0 to 10, got '1x'. Write a number of seconds"]),
        (whole(0, 10, "seconds"), True, ["x: expected a whole number of seconds from 0 to 10, got True. Write a number of seconds"]),
        (whole(0, 10, "seconds"), 11, ["x: expected a whole number of seconds from 0 to 10, got 11. Write a number of seconds"]),
        (fraction(0, 10, "seconds"), float("nan"), ["x: expected a number of seconds from 0 to 10, got nan. Write a number of seconds"]),
        (boolean(), 1, ["x: 1 is neither true nor false. Write true or false"]),
        (choice("present", "absent"), "presnt", ["x: expected present or absent, got 'presnt'. Write present"]),
        (choice("a", "b", "c"), 5, ["x: expected a, b or c, got 5. Write for example a"]),
        (choice("a"), "b", ["x: expected a, got 'b'. Write for example a"]),
        (port(), "65536", ["x: '65536' is not a port. Write a number from 1 to 65535"]),
        (text("web"), "", ["x: '' cannot be used here. Write for example web"]),
        (text("web"), "a\nb", [r"x: 'a\nb' cannot be used here. Write for example web"]),
        (host(), "app3x", ["x: 'app3x' is not a host of the fleet. Name a host of the inventory"]),
        (host(), ["app1"], ["x: ['app1'] is not a host of the fleet. Name a host of the inventory"]),
        (list_of(text("x"), "[x]"), "x", ["x: expected a list, got a string. Write it as a list, such as [x]"]),
        (list_of(text("x"), "[x]", least=1), [], ["x: is an empty list. Write for example [x]"]),
        (
            either("is neither true nor false, nor a list", "Write one", boolean(), list_of(text("x"), "[x]")),
            5,
            ["x: 5 is neither true nor false, nor a list. Write one"],
        ),
        (parsed(lambda value: int(value, 16), ValueError, "Write digits"), "g", ["x: 'g' invalid literal for int() with base 16: 'g'. Write digits"]),
        (ZONES, [], ["x: expected a dictionary, got a list. Write for example {example.net: {primary: app1}}"]),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(declared: Field, value: Any, said: List[str]) -> None:
    assert outcome(declared, value) == (REFUSED, said)


def test_problems_name_the_path_to_the_value_and_the_rest_is_read() -> None:
    value = {"a.b": {"primary": "app1", "records": [{"record": "w", "ttl": -1}, {"type": "A"}]}, "B": {}, "c": {"primry": "app2"}}
    given, said = outcome(ZONES, value)
    assert (given["c"].written, given["c"].refused, given["c"].clean, given["c"].at("ttl").path) == (frozenset(), {"primary"}, False, "x.c.ttl")
    assert (given["a.b"]["records"][0].refused, [one.path for one in given["a.b"]["records"].places]) == ({"ttl"}, ["x.a.b.records[0]", "x.a.b.records[1]"])
    assert said == [
        "x.a.b.records[0].ttl: expected a whole number of seconds from 0 to 2147483647, got -1. Write a number of seconds",
        "x.a.b.records[1].record: is missing. Write for example {record: app1}",
        "x.B: 'B' is not the name of a zone. Write it in lower case",
        "x.c.primry: is not an option of a zone; did you mean primary. Write primary",
    ]
    assert given["a.b"]["records"][0] == {"record": "w", "type": "A", "ttl": None, "value": None}
    assert given["c"]["primary"] is None and list(given) == ["a.b", "c"]


def test_a_number_may_have_no_unit() -> None:
    assert outcome(whole(1, 9, ""), 10)[1] == ["x: expected a whole number from 1 to 9, got 10. Write a whole number"]
    assert outcome(whole(1, 9, "", 5), "a")[1] == ["x: expected a whole number from 1 to 9, got 'a'. Write for example 5"]


def test_a_key_that_is_unlike_any_is_refused_with_all_that_there_are() -> None:
    assert outcome(LINK, {"zone": 1})[1] == ["x.zone: is not an option of an address. Use prefix-length"]


def test_a_table_with_two_spellings_takes_keys_of_either_and_gives_them_as_they_are_declared() -> None:
    both = table_of({"prefix-length": optional(whole(0, 128, "bits")), "lacp_rate": optional(choice("slow", "fast"))}, "a bond", "{}", hyphens=True)
    for written in ({"prefix-length": 24, "lacp_rate": "fast"}, {"prefix_length": 24, "lacp-rate": "fast"}):
        assert outcome(both, written) == ({"prefix-length": 24, "lacp_rate": "fast"}, [])
    twice = outcome(both, {"lacp_rate": "fast", "lacp-rate": "fast"})[1]
    assert twice == ["x.lacp-rate: is there twice, as lacp_rate and with -. Write it once"]
    assert outcome(both, {"lacp_rat": "fast"})[1] == ["x.lacp_rat: is not an option of a bond; did you mean lacp_rate. Write lacp_rate"]
    assert set(both.schema["anyOf"][0]["properties"]) == {"prefix-length", "prefix_length", "lacp_rate", "lacp-rate"}


def test_a_table_with_two_spellings_has_no_suboptions_since_a_role_knows_no_aliases() -> None:
    assert argument_spec(LINK) == {"type": "dict"}
    inside = table_of({"link": optional(list_of(LINK, "[]"))}, "a part", "{}", hyphens=True)
    assert argument_spec(inside) == {"type": "dict", "options": {"link": {"type": "list", "elements": "dict"}}}


def test_a_key_in_both_spellings_is_refused() -> None:
    assert outcome(LINK, {"prefix-length": 24, "prefix_length": 25})[1] == ["x.prefix_length: is there twice, as prefix-length and with _. Write it once"]


def test_a_second_equal_element_is_refused_where_each_must_differ() -> None:
    assert outcome(list_of(host(), "[app1]", unique=True), ["app1", "app2", "app1"]) == (("app1", "app2"), ["x[2]: 'app1' is there twice. Write it once"])


@pytest.mark.parametrize("value", [None, {"a": None}, {"a": {"primary": None}}, {"a": {"primary": "app1", "records": [None]}}])
def test_a_null_is_refused_at_any_depth_as_the_search_for_blanks_does(value: Any) -> None:
    notes, searched = Notes(), Notes()
    read(ZONES, value, Place("", "x", notes, ("app1",)))
    find_blanks("", "x", value, searched)
    assert notes.problems == searched.problems and len(searched.problems) == 1
    assert [one.blank for one in notes.problems] == [True]


def test_a_variable_that_is_missing_or_refused_has_its_default() -> None:
    notes = Notes()
    place = Place("", "seconds", notes)
    assert [read_variable(whole(0, 9, "seconds"), given, place, 5) for given in ({}, {"seconds": "x"}, {"seconds": "7"})] == [5, 5, 7]
    assert [one.variable for one in notes.problems] == ["seconds"]


def test_a_secret_that_stands_where_something_else_belongs_is_not_quoted() -> None:
    secret = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXU="
    assert secret not in str(outcome(choice("a"), secret)) + str(outcome(ZONES, {"a.b": {"primary": secret}})[1])


def test_an_argument_spec_has_suboptions() -> None:
    assert argument_spec(ZONE) == {
        "type": "dict",
        "options": {
            "primary": {"type": "str", "required": True},
            "hosts": {"type": "bool", "default": True},
            "records": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "record": {"type": "str", "required": True},
                    "type": {"type": "str", "choices": ["A", "AAAA"], "default": "A"},
                    "ttl": {"type": "int"},
                    "value": {"type": "str"},
                },
            },
        },
    }


def test_a_required_key_that_is_missing_is_refused() -> None:
    assert outcome(ZONES, {"a": {}})[1] == ["x.a.primary: is missing. Name the host where the zone is changed"]


def test_a_key_of_others_that_can_never_be_set_has_its_own_remedy() -> None:
    table = table_of({"a": optional(boolean())}, "a table", "{a: true}", never={"salt": "Leave it out: there is none"})
    assert outcome(table, {"salt": 1})[1] == ["x.salt: cannot be set. Leave it out: there is none"]


def test_two_keys_that_mean_the_same_are_refused() -> None:
    declared = mapping_of(parsed(str.lower, ValueError, "Write a name"), boolean(), "{a: true}")
    assert outcome(declared, {"A": True, "a": False}) == ({"a": True}, ["x.a: is the same as x.A. Write each once"])
