# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON Schema of the inventory's variables."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._core.fleet.fields import (
    boolean,
    choice,
    host,
    list_of,
    mapping_of,
    name,
    optional,
    packages,
    required,
    table_of,
    whole,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._core.fleet.specs import json_schema

jsonschema = pytest.importorskip("jsonschema", reason="the oldest versions that are promised are tested without it")

RECORD = table_of(
    {"record": required(choice("w", "x")), "type": optional(choice("A", "AAAA"), "A"), "ttl": optional(whole(0, 9, "seconds"))}, "a record", "{record: w}"
)
ZONE = table_of({"primary": required(host()), "hosts": optional(boolean(), True), "records": optional(list_of(RECORD, "[]"), ())}, "a zone", "{primary: app1}")
ZONES = mapping_of(name(r"[a-z.]+", "the name of a zone", "Write it in lower case"), ZONE, "{example.net: {primary: app1}}")
LINK = table_of({"prefix-length": optional(whole(0, 128, "bits"))}, "an address", "{prefix-length: 24}", hyphens=True)
VARIABLES = {"zones": ZONES, "size": whole(1, 9, "GiB"), "ports": packages(), "on": boolean(), "links": list_of(LINK, "[]", unique=True)}


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"size": 5, "other": 5},
        {"size": "5"},
        {"size": "{{ x }}", "on": "{{ y }}", "zones": "{{ z }}"},
        {"zones": {"a.b": {"primary": "app1", "hosts": "no", "records": [{"record": "w", "ttl": "{{ t }}"}]}}},
        {"links": [{"prefix_length": 4}, {"prefix-length": 4}]},
    ],
)
def test_the_schema_accepts_what_a_file_may_have(content: Any) -> None:
    schema = json_schema(VARIABLES)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(content)


@pytest.mark.parametrize(
    "content",
    [
        {"size": 0},
        {"size": "x"},
        {"size": None},
        {"on": 1},
        {"ports": ["a b"]},
        {"zones": {"A": {"primary": "app1"}}},
        {"zones": {"a": {}}},
        {"zones": {"a": {"primary": "app1", "primry": "app1"}}},
        {"zones": {"a": {"primary": "app1", "records": [{"record": "w", "type": "B"}]}}},
        {"links": [{"prefix_length": 4}, {"prefix_length": 4}]},
    ],
)
def test_the_schema_refuses_what_the_fields_refuse(content: Any) -> None:
    assert not jsonschema.Draft202012Validator(json_schema(VARIABLES)).is_valid(content)
