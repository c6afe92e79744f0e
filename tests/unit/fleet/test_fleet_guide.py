# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/fleet.md does what it says: its inventory is planned, its mistake gets the answer it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import report

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "fleet.md"
BLOCK = re.compile(r"<!-- (?P<what>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


def blocks() -> Dict[str, str]:
    return {found["what"]: found["text"] for found in BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))}


def plan_of(**host_variables: Any) -> Plan:
    """The plan of the guide's inventory with variables added to hosts."""
    found = blocks()
    common = yaml.safe_load(found["file: group_vars/all.yml"])
    groups = yaml.safe_load(found["file: hosts.yml"])["all"]["children"]
    hosts = {name: {**common, **own, **host_variables.get(name, {})} for group in groups.values() for name, own in group["hosts"].items()}
    return plan_fleet(hosts, {name: list(group["hosts"]) for name, group in groups.items()})


def test_the_inventory_of_the_guide_is_accepted() -> None:
    plan = plan_of()
    assert report(plan.problems).count("\n") == 0
    assert {name: host_plan["capabilities"] for name, host_plan in plan.hosts.items()} == {
        "app1": ["node", "dns_keys", "standby"],
        "app2": ["node", "dns_keys", "standby"],
        "ns1": ["node", "dns_keys", "dns_server"],
    }


def test_the_overrides_of_the_guide_do_what_it_says() -> None:
    plan = plan_of(app2=yaml.safe_load(blocks()["file: host_vars/app2.yml"]))
    assert plan.hosts["app2"]["host"]["ipv4"] == "192.0.2.200"
    assert plan.hosts["app2"]["host"]["ipv6"] is None
    places = plan.hosts["app2"]["host"]["networks"]
    assert {name: place["interface"] for name, place in places.items()} == {"main": "eno1", "storage": "eno2"}


def test_the_mistake_in_the_guide_gets_the_answer_that_it_shows() -> None:
    found = blocks()
    plan = plan_of(app2=yaml.safe_load(found["broken: host_vars/app2.yml"]))
    assert report(plan.problems) + "\n" == found["report"]
