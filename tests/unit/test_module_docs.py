# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-doc says of modules: what each returns."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = {path.stem: path for path in sorted((ROOT / "plugins" / "modules").glob("*.py"))}
KINDS = {"dict": dict, "list": list}
ELEMENTS = {"dict": dict, "list": list, "str": str, "int": int}


def documented(name: str, what: str) -> Dict[str, Any]:
    """DOCUMENTATION or RETURN of a module."""
    (text,) = [
        node.value
        for node in ast.parse(MODULES[name].read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == what
    ]
    found: Dict[str, Any] = yaml.safe_load(ast.literal_eval(text))
    return found


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
