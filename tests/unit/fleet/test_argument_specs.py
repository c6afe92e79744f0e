# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of roles are what the variables are declared to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Tuple

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.fields import read
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.places import Place
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import DECLARED
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.specs import argument_spec
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import Notes
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import VARIABLES

ROOT = Path(__file__).resolve().parents[3]


def options() -> Iterator[Tuple[str, str, Mapping[str, Any]]]:
    """Role and entry point, variable, and its option."""
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        for entry, spec in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].items():
            for name, option in spec.get("options", {}).items():
                yield f"{path.parents[1].name}:{entry}", name, option


OPTIONS = {(place, name): option for place, name, option in options() if name in DECLARED}


def form(option: Mapping[str, Any], top: bool = True) -> Dict[str, Any]:
    """What an option says to Ansible. Of a variable itself, the role says what it is by default and whether it needs it."""
    kept = ("type", "elements", "choices") if top else ("type", "elements", "choices", "required", "default")
    inner = {name: form(one, False) for name, one in option.get("options", {}).items()}
    return {**{key: option[key] for key in kept if key in option}, **({"options": inner} if inner else {})}


@pytest.mark.parametrize(("place", "name"), OPTIONS)
def test_an_option_of_a_role_is_what_the_variable_is_declared_to_be(place: str, name: str) -> None:
    assert form(OPTIONS[place, name]) == form(argument_spec(DECLARED[name]))


@pytest.mark.parametrize(("place", "name"), [key for key, option in OPTIONS.items() if option.get("default") not in (None, "", {})])
def test_the_default_of_a_role_is_one_that_the_declaration_accepts(place: str, name: str) -> None:
    notes = Notes()
    read(DECLARED[name], OPTIONS[place, name]["default"], Place(place, name, notes))
    assert notes.problems == []


def test_variables_of_every_subject_that_is_declared_are_options_of_a_role() -> None:
    named = {name for _place, name in OPTIONS}
    assert {"lab_disks", "network_interfaces", "node_sysctl", "vm_host_ceph"} <= named
    assert {"dns_zones", "dns_update_key", "acme_certificates", "standby_services", "probe_targets", "dns_server_packages"} <= named


def test_every_variable_but_those_of_the_fleet_itself_is_declared() -> None:
    assert {name for name in VARIABLES if not name.startswith("fleet_")} <= DECLARED.keys()


@pytest.mark.parametrize(("place", "name"), OPTIONS)
def test_every_suboption_is_described(place: str, name: str) -> None:
    def described(option: Mapping[str, Any]) -> bool:
        return bool(option["description"]) and all(described(inner) for inner in option.get("options", {}).values())

    assert described(OPTIONS[place, name])
