# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument specs of roles that set up hosts have the types, choices and suboptions of the fields from which the plan is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._core.fleet.fields import Field
from ansible_collections.smallfleet.infra.plugins.module_utils._core.fleet.specs import argument_spec
from ansible_collections.smallfleet.infra.plugins.module_utils._core.fleet.variables import OF_ROLES, VARIABLES
from ansible_collections.smallfleet.infra.plugins.module_utils._core.lab.variables import VARIABLES as LAB
from ansible_collections.smallfleet.infra.plugins.module_utils._core.libvirt.variables import VARIABLES as VM_HOST
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.variables import VARIABLES as NETWORK
from ansible_collections.smallfleet.infra.plugins.module_utils._core.node.settings import VARIABLES as NODE

ROLES = Path(__file__).resolve().parents[2] / "roles"
DECLARED: Mapping[str, Mapping[str, Field]] = {"node": NODE, "lab": LAB, "vm_host": VM_HOST, "network": NETWORK}


def options_of(role: str) -> Mapping[str, Any]:
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: Mapping[str, Any] = spec["argument_specs"]["main"]["options"]
    return options


def form(option: Mapping[str, Any]) -> Dict[str, Any]:
    """An option without what is for people: its description, and what happens where it is not set."""
    kept = {key: value for key, value in option.items() if key not in ("description", "default", "options")}
    return {**kept, "options": {key: form(inner) for key, inner in option["options"].items()}} if "options" in option else kept


@pytest.mark.parametrize("role", DECLARED)
def test_a_role_takes_what_the_plan_reads(role: str) -> None:
    described = {variable: form(option) for variable, option in options_of(role).items() if variable not in OF_ROLES}
    assert described == {variable: form(argument_spec(declared)) for variable, declared in DECLARED[role].items()}


@pytest.mark.parametrize("role", DECLARED)
def test_every_variable_of_the_subject_is_declared(role: str) -> None:
    assert set(DECLARED[role]) == {variable for variable in VARIABLES if variable.startswith(f"{role}_") and variable not in OF_ROLES}


@pytest.mark.parametrize("role", DECLARED)
def test_every_suboption_is_described(role: str) -> None:
    def described(options: Mapping[str, Any]) -> bool:
        return all(option.get("description") and described(option.get("options", {})) for option in options.values())

    assert described(options_of(role))
