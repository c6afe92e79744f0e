# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role node keeps to its budget, and describes every variable that the plan reads for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List

import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "node"
ON_CONTROLLER = {"smallfleet.infra.fleet_plan", "ansible.builtin.debug", "ansible.builtin.assert"}
KEYWORDS = {"name", "when", "register", "vars", "check_mode", "changed_when", "failed_when", "block"}


def tasks(entries: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """All tasks, those in blocks too."""
    found: List[Dict[str, Any]] = []
    for entry in entries:
        found += tasks(entry["block"]) if "block" in entry else [entry]
    return found


def role_tasks() -> List[Dict[str, Any]]:
    return tasks(yaml.safe_load((ROLE / "tasks" / "main.yml").read_text(encoding="utf-8")))


def test_a_run_has_at_most_twelve_tasks_and_three_calls_to_the_host() -> None:
    # Ansible adds one task of its own that checks the arguments on the controller.
    assert len(role_tasks()) + 1 <= 12
    actions = [next(iter(set(task) - KEYWORDS)) for task in role_tasks()]
    remote = [action for action in actions if action not in ON_CONTROLLER]
    assert remote == ["ansible.builtin.apt", "smallfleet.infra.node_settings", "smallfleet.infra.node_settings"]
    assert not any("loop" in task for task in role_tasks())


def test_every_variable_that_the_plan_reads_is_described_and_has_no_second_default() -> None:
    folder = ROOT / "plugins" / "module_utils" / "_node"
    read = set(re.findall(r'"(node_\w+)"', (folder / "variables.py").read_text(encoding="utf-8")))
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    described = set(spec["argument_specs"]["main"]["options"])
    defaults = set(yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8")))
    assert read == {name for name in described if name not in defaults}
    assert len(read) == 5
    for name in described:
        assert f"{name}" in (ROLE / "README.md").read_text(encoding="utf-8")
