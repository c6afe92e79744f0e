# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What playbooks, roles and results say in check mode: what would be done, never that it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
import yaml
from jinja2 import ChainableUndefined, Environment

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import bridge
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.mover_host import Batch, Outcome, Wanted, summary
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import Guest, Move, Step, Work

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "playbooks").glob("*.yml")), *sorted((ROOT / "roles").glob("*/tasks/*.yml"))]
DONE = re.compile(r"\b(was|were|has been|have been|moved|switched|rotated|removed|written|created|replaced|started|stopped|(is|are) done)\b", re.IGNORECASE)
NOW = re.compile(r"nothing was changed|was left there|no rotation", re.IGNORECASE)


class Loader(yaml.SafeLoader):
    """YAML with Ansible's own tags."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node))


def tasks_of(entries: List[Dict[str, Any]]) -> Iterator[Dict[str, Any]]:
    """All tasks of plays, blocks and lists of tasks. What undoes a failed block is left out: it begins with a look at the mode."""
    for entry in entries:
        inner = [key for key in ("pre_tasks", "tasks", "post_tasks", "block", "always") if key in entry]
        for key in inner:
            yield from tasks_of(entry[key])
        if not inner:
            yield entry


def reports() -> Iterator[Tuple[str, Dict[str, Any]]]:
    for path in FILES:
        for task in tasks_of(yaml.load(path.read_text(encoding="utf-8"), Loader) or []):
            message = (task.get("ansible.builtin.debug") or {}).get("msg")
            if isinstance(message, str):
                yield f"{path.relative_to(ROOT)}: {task['name']}", task


REPORTS = dict(reports())


@pytest.mark.parametrize("name", REPORTS)
def test_a_message_that_something_was_done_depends_on_the_mode(name: str) -> None:
    task = REPORTS[name]
    message = task["ansible.builtin.debug"]["msg"]
    text = " ".join(str(part) for part in (message, task.get("when", "")))
    assert not DONE.search(NOW.sub("", message)) or "ansible_check_mode" in text


def rendered(template: str, **variables: Any) -> str:
    return " ".join(Environment(undefined=ChainableUndefined).from_string(template).render(**variables).split())


def switch(check: bool, active: str) -> str:
    (task,) = [REPORTS[name] for name in REPORTS if name.startswith("playbooks/switch_over.yml: Report")]
    service = {"name": "web", "fqdn": "web.example.net", "hosts": {"comp1": {"fqdn": "comp1.example.net"}, "comp2": {"fqdn": "comp2.example.net"}}}
    return rendered(
        task["ansible.builtin.debug"]["msg"],
        ansible_check_mode=check, __switch_service=service, __switch_active=active, __switch_to="comp2", __switch_old="comp1",
    )  # fmt: skip


def test_a_switch_over_in_check_mode_would_move_the_service() -> None:
    assert switch(True, "comp1") == "web would move from comp1 to comp2; web.example.net would then name comp2.example.net"
    assert switch(False, "comp1") == "web moved from comp1 to comp2; web.example.net names comp2.example.net"
    for check in (False, True):
        assert switch(check, "comp2") == "web stays on comp2; web.example.net names comp2.example.net"


def test_a_switch_over_that_fails_in_check_mode_undoes_nothing() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "switch_over.yml").read_text(encoding="utf-8"))
    first = next(task for task in plays[1]["tasks"] if "rescue" in task)["rescue"][0]
    stops = Environment().compile_expression(first["when"])
    message = first["ansible.builtin.fail"]["msg"]
    failed = {"ansible_failed_task": {"name": "Start"}, "ansible_failed_result": {"msg": "no"}, "__switch_service": {"name": "web"}}
    assert stops(ansible_check_mode=True, __switch_active="comp1", __switch_to="comp2")
    assert not stops(ansible_check_mode=False, __switch_active="comp1", __switch_to="comp2")
    said = rendered(message, ansible_check_mode=True, __switch_to="comp2", **failed)
    assert said == "Nothing was changed, because this is check mode. 'Start' failed: no"
    said = rendered(message, ansible_check_mode=False, __switch_to="comp2", **failed)
    assert said == "web was on comp2 already, and was left there. 'Start' failed: no"


def test_the_plan_of_a_check_is_not_said_to_be_there() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "plan.yml").read_text(encoding="utf-8"))
    message = plays[0]["tasks"][-1]["ansible.builtin.debug"]["msg"]
    environment = Environment()
    environment.tests["changed"] = lambda result: result["changed"]
    for check, changed, words in ((True, True, "would be in"), (True, False, "is in"), (False, True, "is in")):
        text = environment.from_string(message).render(ansible_check_mode=check, __plan_files={"dest": "/plan", "changed": changed})
        assert text == f"The plan {words} /plan."


def test_guests_are_moved_only_once_they_are() -> None:
    wanted = Wanted(Move("web", "suspend", {"52:54:00:00:00:01": bridge("br0")}))
    works = {"web": Work(live=(Step("save", "web"),))}
    batch = Batch([wanted], {"web": Guest("web", "", "running")}, works, {}, {})
    assert summary(batch, Outcome())["web"]["became"] == "to be moved"
    assert summary(batch, Outcome(became={"web": "moved"}))["web"]["became"] == "moved"
    assert summary(Batch([wanted], batch.guests, {"web": Work()}, {}, {}), Outcome())["web"]["became"] == "unchanged"
