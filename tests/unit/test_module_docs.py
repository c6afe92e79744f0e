# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-doc and the README say of modules: who calls each, and what it returns."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = {path.stem: path for path in sorted((ROOT / "plugins" / "modules").glob("*.py"))}
MARK = re.compile(r"Internal to this collection\. Use the (?:role P\(smallfleet\.infra\.(\w+)#role\)|playbook C\(smallfleet\.infra\.(\w+)\)) instead\.")
HEADINGS = ("### For your own playbooks\n", "### Internal to the collection\n")
ROW = re.compile(r"^\| `(\w+)` \| (.*) \|$", re.MULTILINE)
KINDS = {"dict": dict, "list": list}
ELEMENTS = {"dict": dict, "list": list, "str": str, "int": int}


@cache
def documented(name: str, what: str) -> Dict[str, Any]:
    """DOCUMENTATION or RETURN of a module."""
    (text,) = [
        node.value
        for node in ast.parse(MODULES[name].read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == what
    ]
    found: Dict[str, Any] = yaml.safe_load(ast.literal_eval(text))
    return found


def user_of(name: str) -> Optional[Tuple[str, str]]:
    """("role" or "playbook", its name) for a module that is marked as internal."""
    match = MARK.fullmatch(documented(name, "DOCUMENTATION")["description"][-1])
    return None if match is None else ("role", match[1]) if match[1] else ("playbook", match[2])


def calls(name: str, text: str) -> bool:
    return re.search(rf"^\s*(?:- )?smallfleet\.infra\.{name}:", text, re.MULTILINE) is not None


def texts(pattern: str) -> List[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob(pattern))]


def rows(heading: str) -> List[Tuple[str, str]]:
    """The rows of the table below a heading of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return ROW.findall(re.split(r"^##", readme.split(heading)[1], maxsplit=1, flags=re.MULTILINE)[0])


def test_the_readme_lists_each_module_once_under_its_heading() -> None:
    internal = {name: user for name in MODULES for user in [user_of(name)] if user is not None}
    assert "dns_record" in MODULES and "dns_record" not in internal and "node_settings" in internal
    described = {name: documented(name, "DOCUMENTATION")["short_description"] for name in MODULES}
    assert rows(HEADINGS[0]) == [(name, text) for name, text in described.items() if name not in internal]
    assert rows(HEADINGS[1]) == [(name, f"{kind} `{user}`") for name, (kind, user) in internal.items()]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_only_roles_and_playbooks_call_is_marked(name: str) -> None:
    """Of the modules that the collection itself calls, those for users are named in a guide."""
    called = any(calls(name, text) for folder in ("roles/*/tasks/*.yml", "playbooks/*.yml") for text in texts(folder))
    named = any(re.search(rf"`{name}`|smallfleet\.infra\.{name}\b", text) for text in texts("docs/*.md"))
    assert user_of(name) is not None or named or not called


@pytest.mark.parametrize("name", [name for name in MODULES if user_of(name)])
def test_what_stands_in_for_an_internal_module_calls_it_and_no_guide_does(name: str) -> None:
    kind, user = user_of(name) or ("", "")
    assert any(calls(name, text) for text in texts(f"roles/{user}/tasks/*.yml" if kind == "role" else f"playbooks/{user}.yml"))
    assert not any(calls(name, text) for text in texts("docs/*.md"))


@pytest.mark.parametrize("name", MODULES)
def test_nothing_but_the_whole_mark_calls_a_module_internal(name: str) -> None:
    description = documented(name, "DOCUMENTATION")["description"]
    assert ["internal" in sentence.lower() for sentence in description] == [False] * (len(description) - 1) + [user_of(name) is not None]


def returned(values: Mapping[str, Any], path: str = "") -> Iterator[Tuple[str, Dict[str, Any]]]:
    """All returned values, those in others too, with the path of each."""
    for key, value in values.items():
        yield f"{path}{key}", value
        yield from returned(value.get("contains", {}), f"{path}{key}.")


def faults(value: Mapping[str, Any]) -> List[str]:
    """What is wrong with the sample of a returned value."""
    kind = KINDS.get(value["type"])
    if kind is None:
        return []
    sample = value.get("sample")
    if not isinstance(sample, kind):
        return [f"needs a sample that is a {value['type']}"]
    if not sample and not str(value["description"]).startswith("Always empty"):
        return ["has an empty sample"]
    found = []
    inside = sample if isinstance(sample, list) else [sample]
    if kind is list and not all(isinstance(one, ELEMENTS[value["elements"]]) for one in inside):
        found.append(f"has a sample whose elements are not all of the type {value['elements']}")
    if "contains" in value and not all(set(one) == set(value["contains"]) for one in inside):
        found.append("has a sample with other keys than those in contains")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_each_returned_dictionary_and_list_has_a_true_sample(name: str) -> None:
    assert [f"{path} {fault}" for path, value in returned(documented(name, "RETURN")) for fault in faults(value)] == []


@pytest.mark.parametrize(
    "value",
    [
        {"type": "dict", "description": "The host."},
        {"type": "dict", "description": "The host.", "sample": []},
        {"type": "dict", "description": "The host.", "sample": {}},
        {"type": "list", "description": "The steps.", "elements": "str", "sample": [1]},
        {"type": "dict", "description": "The host.", "contains": {"name": {}}, "sample": {"nane": "app1"}},
        {"type": "list", "description": "The hosts.", "elements": "dict", "contains": {"name": {}}, "sample": [{"name": "app1"}, {}]},
    ],
)
def test_a_sample_that_is_missing_or_untrue_is_noticed(value: Dict[str, Any]) -> None:
    assert len(faults(value)) == 1
