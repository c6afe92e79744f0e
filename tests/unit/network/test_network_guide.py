# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/network.md does what it says: its inventories are planned, and the steps are those it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import VARIABLES
from ansible_collections.smallfleet.infra.plugins.module_utils._network import capability as network
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import CHOICES
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.link_options import BRIDGE, PORT, STP
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.vlans import pvid_of
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Route
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import from_data
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.bonds import BOND_OPTIONS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.interfaces import SYNONYMS, TYPES

from .kernel import Kernel, bare

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "network.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (?P<what>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
BLOCKS: Dict[str, str] = {found["what"]: found["text"] for found in BLOCK.finditer(GUIDE)}


def plan_of_guide() -> Plan:
    common = yaml.safe_load(BLOCKS["file: group_vars/all.yml"])
    hosts: Dict[str, Dict[str, Any]] = yaml.safe_load(BLOCKS["file: hosts.yml"])["all"]["hosts"]
    for number, name in ((12, "app2"), (13, "app3")):
        hosts[name] = {"fleet_host_number": number, **yaml.safe_load(BLOCKS[f"file: host_vars/{name}.yml"])}
    return plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {}, {"network": network.resolve})


def test_the_inventories_of_the_guide_are_accepted() -> None:
    made = plan_of_guide()
    assert made.problems == ()
    assert [name for name, part in made.hosts.items() if "network" in part] == ["app1", "app2", "app3"]


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
    options = [option.word for option in (*STP, *BRIDGE, *PORT)]
    variables = [name for name in VARIABLES if name.startswith("network_")]
    for word in (*variables, *CHOICES, *TYPES, *SYNONYMS, *BOND_OPTIONS, *options):
        assert f"`{word}" in GUIDE or f"{word}:" in GUIDE, word


def test_what_the_guide_shows_of_a_bridge_that_filters_vlans_is_accepted_by_the_host() -> None:
    observed = bare("eth0", "eth1")
    desired = pinned(from_data(plan_of_guide().hosts["app3"]["network"]["desired"]), observed)
    assert obstacles(desired, observed) == []
    kernel = Kernel(observed)
    kernel.run(plan(desired, observed).operations)
    assert pvid_of(kernel.vlans["br0"]) == pvid_of(kernel.vlans["eth0"]) == 100 and pvid_of(kernel.vlans["eth1"]) == 101


def test_the_guide_calls_it_a_confirmed_commit() -> None:
    assert "*confirmed commit*" in GUIDE and "-e network_new_address=" in GUIDE
