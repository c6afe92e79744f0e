# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role vm_host keeps to its budget, and it and its module describe every word that the plan reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import OF_ROLES, VARIABLES

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "vm_host"
ON_CONTROLLER = {"smallfleet.infra.fleet_plan", "ansible.builtin.debug"}
KEYWORDS = {"name", "when", "register", "vars", "check_mode", "changed_when", "failed_when", "block"}


def role_tasks() -> List[Dict[str, Any]]:
    entries = yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8"))
    return [task for entry in entries for task in entry.get("block", [entry])]


def test_a_run_has_at_most_twelve_tasks_and_three_calls_to_the_host() -> None:
    # Ansible adds one task of its own that checks the arguments on the controller.
    assert len(role_tasks()) + 1 <= 12
    actions = [next(iter(set(task) - KEYWORDS)) for task in role_tasks()]
    remote = [action for action in actions if action not in ON_CONTROLLER]
    assert remote == ["ansible.builtin.apt", "smallfleet.infra.libvirt_guests", "smallfleet.infra.libvirt_guests"]
    assert not any("loop" in task for task in role_tasks())


def test_every_variable_is_described_and_has_one_default() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    of_role = {name for name in OF_ROLES if name.startswith("vm_host_")}
    assert set(options) == {name for name in VARIABLES if name.startswith("vm_host_")} and set(defaults) == of_role
    assert {name: options[name]["default"] for name in of_role} == defaults
    for name in options:
        assert name in (ROLE / "README.md").read_text(encoding="utf-8"), name
