# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/network.md does what it says: its inventories are planned, and the steps are those it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._core.network import resolve as network
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network._interfaces import BOND_OPTIONS, TYPES
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.model import Address, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.resolve import BACKENDS, KNOWN
from ansible_collections.smallfleet.infra.plugins.module_utils._core.network.slice import from_data
from ansible_collections.smallfleet.infra.plugins.module_utils._core.planning import Plan, plan_fleet

from .kernel import Kernel, bare

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "network.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (?P<what>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
BLOCKS: Dict[str, str] = {found["what"]: found["text"] for found in BLOCK.finditer(GUIDE)}


def plan_of_guide() -> Plan:
    common = yaml.safe_load(BLOCKS["file: group_vars/all.yml"])
    hosts: Dict[str, Dict[str, Any]] = yaml.safe_load(BLOCKS["file: hosts.yml"])["all"]["hosts"]
    hosts["app2"] = {"fleet_host_number": 12, **yaml.safe_load(BLOCKS["file: host_vars/app2.yml"])}
    return plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {}, {"network": network.resolve})


def test_the_inventories_of_the_guide_are_accepted() -> None:
    made = plan_of_guide()
    assert made.problems == ()
    assert [name for name, part in made.hosts.items() if "network" in part] == ["app1", "app2"]


def test_the_steps_are_those_that_the_guide_shows() -> None:
    part = plan_of_guide().hosts["app1"]["network"]
    kernel = Kernel(bare("eth0"))
    kernel.addresses["eth0"] = [Address("192.0.2.11", 24), Address("2001:db8:0:1::b", 64)]
    kernel.routes = [
        Route("0.0.0.0/0", "eth0", "192.0.2.254"),
        Route("::/0", "eth0", "fe80::1", metric=1024),
    ]
    observed = kernel.observed()
    desired = pinned(from_data(part["desired"]), observed)
    assert obstacles(desired, observed, part["management"]) == []
    steps = plan(desired, observed)
    assert "".join(f"{one}\n" for one in steps.operations) == BLOCKS["steps"]
    numbers = {8: "eight", 7: "seven"}
    text = " ".join(GUIDE.split())
    assert f"The first {numbers[len(steps.prepare)]} requests" in text
    assert f"The next {numbers[len(steps.switch)]} are one batch" in text


def test_every_word_of_the_inventory_is_in_the_guide() -> None:
    for word in (*KNOWN, *BACKENDS, *TYPES, *BOND_OPTIONS):
        assert f"`{word}" in GUIDE or f"{word}:" in GUIDE, word
