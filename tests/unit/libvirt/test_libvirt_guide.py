# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/vm-hosts.md does what it says: its inventory is planned, and the steps are those it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import Notes
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.variables import OF_ROLES, VARIABLES
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import Domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.obstacles import lacks, obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.options import read_desired
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.plan import Observed, named, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.variables import (
    BOOT_OPTIONS,
    CEPH_OPTIONS,
    DISK_OPTIONS,
    GUEST_OPTIONS,
    INTERFACE_OPTIONS,
    STATES,
    VIRTUALIZATION,
)

from .hypervisor import guest_found
from .test_libvirt_resolve import options_of

DOCS = Path(__file__).resolve().parents[3] / "docs"
GUIDE = (DOCS / "vm-hosts.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (?P<what>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
BLOCKS: Dict[str, str] = {found["what"]: found["text"] for found in BLOCK.finditer(GUIDE)}


def plan_of_guide() -> Plan:
    common = yaml.safe_load(BLOCKS["file: group_vars/all.yml"])
    hosts: Dict[str, Dict[str, Any]] = yaml.safe_load(BLOCKS["file: hosts.yml"])["all"]["hosts"]
    return plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {})


def test_the_inventory_of_the_guide_is_accepted() -> None:
    made = plan_of_guide()
    assert made.problems == ()
    assert {"network", "vm_host"} <= set(made.hosts["vm1"]["capabilities"])


def test_the_steps_are_those_that_the_guide_shows() -> None:
    notes = Notes()
    desired = read_desired(options_of(plan_of_guide().hosts["vm1"]["vm_host"]), notes)
    observed = Observed({"old": guest_found(Domain("old", "", "kvm", 1, 1))}, bridges=frozenset({"br0"}), kvm=True)
    assert notes.problems == [] and obstacles(desired, observed) == [] and lacks(desired, observed) == []
    assert "".join(f"{step}\n" for step in named(plan(desired, observed))) == BLOCKS["steps"]


def test_every_word_of_the_inventory_is_in_the_guide() -> None:
    variables = {name for name in VARIABLES if name.startswith("vm_host_")} - OF_ROLES.keys()
    for word in (*variables, *VIRTUALIZATION, *GUEST_OPTIONS, *DISK_OPTIONS, *INTERFACE_OPTIONS, *BOOT_OPTIONS, *CEPH_OPTIONS, *STATES):
        assert re.search(rf"[`{{, ]{word}[`}}:, ]", GUIDE), word


def test_the_guide_of_the_lab_tells_what_guests_need_there() -> None:
    assert "`lab_macvtap`" in (DOCS / "lab.md").read_text(encoding="utf-8")
