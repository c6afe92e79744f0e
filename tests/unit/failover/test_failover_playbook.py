# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook does what the model says, in the model's order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml
from jinja2 import ChainableUndefined, Environment

from ansible_collections.smallfleet.infra.plugins.module_utils._failover import switch_over
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.steps import Act, Observed, Pair, Running, Side

PLAYBOOK = Path(__file__).resolve().parents[3] / "playbooks" / "switch_over.yml"
PAIR = Pair("app1", "app2")
BEFORE = Observed({"app1": Side(Running.YES, True), "app2": Side(Running.NO, False)}, "app1")
TITLES = {
    "Switch | Stop it on the old side": (Act.STOP, "app1"),
    "Switch | Start it on the new side": (Act.START, "app2"),
    "Switch | Point DNS to the new side": (Act.NAME, "app2"),
    "Undo | Point DNS to the old side": (Act.NAME, "app1"),
    "Undo | Stop it on the new side": (Act.STOP, "app2"),
    "Undo | Start it on the old side": (Act.START, "app1"),
}


def move() -> Dict[str, Any]:
    plays = yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))
    return next(task for task in plays[1]["tasks"] if "block" in task)


def acts(tasks: List[Dict[str, Any]]) -> List[Any]:
    return [TITLES[task["name"]] for task in tasks if task["name"] in TITLES]


def test_the_playbook_moves_in_the_order_of_the_sequence() -> None:
    steps = switch_over.sequence(PAIR, BEFORE, "app2")
    wanted = [(step.act, step.host) for step in steps if step.act in (Act.STOP, Act.START, Act.NAME)]
    assert acts(move()["block"]) == wanted


def test_the_playbook_goes_back_in_the_order_of_the_undo() -> None:
    steps = switch_over.undo(switch_over.sequence(PAIR, BEFORE, "app2"), "app1")
    undo = next(task for task in move()["rescue"] if "block" in task)
    assert acts(undo["block"]) == [(step.act, step.host) for step in steps]


def test_every_start_is_told_what_the_stop_before_it_observed() -> None:
    undo = next(task for task in move()["rescue"] if "block" in task)
    for tasks in (move()["block"], undo["block"]):
        stop = next(task for task in tasks if "Stop it" in task["name"])
        start = next(task for task in tasks if "Start it" in task["name"])
        options = start["smallfleet.infra.standby_service"]
        assert f"{stop['register']}.state.running | default('unknown')" in options["peer_running"]
        assert f"{stop['register']}.state.armed | default(true)" in options["peer_armed"]


def test_every_change_of_dns_has_the_name_before_it_as_its_condition() -> None:
    undo = next(task for task in move()["rescue"] if "block" in task)
    for task in [*move()["block"], *undo["block"]]:
        if "named in DNS" in task["name"]:
            assert task["smallfleet.infra.dns_record_set"]["expected"]
            assert "key_secret" not in task["smallfleet.infra.dns_record_set"]


def seen(running: str) -> Dict[str, Any]:
    """What a side answers. A host that cannot be reached answers nothing."""
    return {"unreachable": True} if running == "unreachable" else {"state": {"running": running, "installed": True}}


@pytest.mark.parametrize("old", ["running", "stopped", "unknown", "unreachable"])
@pytest.mark.parametrize("new", ["running", "stopped", "unknown", "unreachable"])
def test_a_move_goes_on_only_when_both_sides_are_known_and_one_of_them_is_stopped(old: str, new: str) -> None:
    plays = yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))
    check = next(task for task in plays[1]["tasks"] if task["name"] == "Check | Refuse to move while anything is unknown")
    answers = {"__switch_old_seen": seen(old), "__switch_new_seen": seen(new)}
    conditions = check["ansible.builtin.assert"]["that"]
    jinja = Environment(undefined=ChainableUndefined)  # as in Ansible, a part of what is not there is not there either
    goes_on = all(jinja.compile_expression(condition, undefined_to_none=False)(**answers) for condition in conditions)
    assert goes_on == ({old, new} <= {"running", "stopped"} and "stopped" in (old, new))
