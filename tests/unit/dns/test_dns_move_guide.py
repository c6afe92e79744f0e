# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/move-zone.md and the playbook say what the planner does."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.decisions import read_decisions
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import read_source
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import variable_name
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.losses import Evidence, Loss, losses, unexplained
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.move_client import NEEDS_OLD, WAITS
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.phases import LOWER, STEPS, Memory, Position
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.probes import USUAL
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.report import plan_lines, to_do
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare import Said
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "move-zone.md").read_text(encoding="utf-8")
PLAYBOOK = (ROOT / "playbooks" / "move_zone.yml").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- file: (?P<name>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


def blocks() -> Dict[str, str]:
    return {found["name"]: found["text"] for found in BLOCK.finditer(GUIDE)}


def tasks(found: Any) -> Iterator[Dict[str, Any]]:
    for play in found:
        yield from play.get("tasks", [])


def test_the_inventory_of_the_guide_is_accepted_and_names_the_imported_variable() -> None:
    common = yaml.safe_load(blocks()["group_vars/all/main.yml"])
    records = common["dns_zones"]["example.net"]["records"]
    assert records.split()[1] == f"{variable_name('example.net.')}.records"
    common["dns_zones"]["example.net"]["records"] = [{"record": "www", "type": "A", "value": ["192.0.2.80"]}]
    hosts = yaml.safe_load(blocks()["hosts.yml"])["all"]["hosts"]
    plan = plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {})
    assert not plan.problems
    served = {zone["name"] for zone in plan.hosts["ns1"]["dns_server"]["zones"]}
    assert "example.net" in served
    move = yaml.safe_load(blocks()["group_vars/all/move.yml"])
    assert set(move["move_new"]["servers"]) == {"192.0.2.11", "2001:db8:0:1::b"}


def test_the_plan_in_the_guide_is_the_one_that_is_printed() -> None:
    shown = GUIDE.split("<!-- plan -->\n```\n")[1].split("```")[0].splitlines()
    assert shown == plan_lines("example.net.", Position(LOWER, Memory(longest=86400)), 300)


def doubts_of_the_guide(decided: bool) -> Tuple[Loss, ...]:
    """The file under "Records in doubt", and old servers that also answer for an address of the zone itself."""
    canonical = WireClient(Server("")).canonical
    text = GUIDE.split("With this file\n\n```\n")[1].split("```")[0]
    sets, left = read_source("$TTL 60\n" + text, {"format": "zone", "default_ttl": 60}, "example.net.", canonical)
    left = [replace(one, reason=re.sub(r"line ([0-9])", lambda found: f"line {int(found[1]) - 1}", one.reason)) for one in left]
    listed = {one.key: one for one in sets}
    answers = {("example.net.", "A"): "192.0.2.1", ("pc7.example.net.", "A"): "192.0.2.107", ("www.example.net.", "A"): "192.0.2.80"}
    said = Said("old 192.0.2.1", {key: RRset(*key, 60, frozenset([value])) for key, value in answers.items()}, old=True)
    entries = yaml.safe_load(blocks()["group_vars/all/decisions.yml"])["move_decisions"] if decided else []
    decisions = read_decisions("example.net.", entries, listed, canonical)
    known = {key: one for key, one in said.sets.items() if key in {*listed, *decisions}}
    return losses("example.net.", Evidence(False, known, listed, left, [said]), decisions)


def test_the_doubts_in_the_guide_are_those_that_are_printed() -> None:
    shown = GUIDE.split("<!-- doubts -->\n```\n")[1].split("```")[0]
    here = Position("explain", Memory())
    found = doubts_of_the_guide(decided=False)
    assert to_do("example.net.", here, 300, [], [], {}, found).startswith(shown)
    assert shown.count("\n") == len(found) + 1


def test_the_decisions_in_the_guide_leave_nothing_in_doubt() -> None:
    assert unexplained(doubts_of_the_guide(decided=True)) == []


def test_the_usual_types_in_the_guide_are_those_that_are_asked() -> None:
    shown = GUIDE.split("The usual types are ")[1].split(";")[0].replace(" and ", ", ").split()
    assert {one.strip(",") for one in shown} == {*USUAL, "CNAME"}


def test_every_variable_of_the_playbook_is_explained_at_its_head() -> None:
    head, body = PLAYBOOK.split("- name: Find the host that queries", 1)
    used = set(re.findall(r"(?<![_a-z.])move_[a-z_]+", body)) - {"move_zone"}
    assert used - set(re.findall(r"move_[a-z_]+", head)) == set()


def test_the_playbook_has_a_way_to_go_on_from_every_step() -> None:
    handled = set(re.findall(r"'([a-z_]+)'", " ".join(re.findall(r"\.next (?:not )?(?:in|[!=]=) [^\n]*", PLAYBOOK))))
    assert set(STEPS) - handled == set()
    assert set(WAITS) | set(NEEDS_OLD) | {"done"} == set(STEPS)


def test_every_option_of_a_module_in_the_guide_exists() -> None:
    found = 0
    for task in tasks(yaml.safe_load(blocks()["steps.yml"])):
        for name, options in task.items():
            if name.startswith("smallfleet.infra."):
                module = importlib.import_module(f"ansible_collections.smallfleet.infra.plugins.modules.{name.split('.')[-1]}")
                documented = yaml.safe_load(module.DOCUMENTATION)["options"]
                shared = {"server", "key_file"}
                assert set(options) - set(documented) - shared == set(), name
                found += 1
    assert found == 5
