# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of docs/rented.md is planned, with and without the network, and no command of the guide has a password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "rented.md").read_text(encoding="utf-8")
FILES = {found[1]: yaml.safe_load(found[2]) for found in re.finditer(r"<!-- file: ([^>]+) -->\n```yaml\n(.*?)```", TEXT, re.DOTALL)}


def plan_of(of_alpha: Dict[str, Any]) -> Plan:
    groups = FILES["fleet/hosts.yml"]["all"]["children"]
    hosts = {
        name: {**FILES["fleet/group_vars/all.yml"], **(of_alpha if group == "alpha" else {}), **own}
        for group, members in groups.items()
        for name, own in members["hosts"].items()
    }
    return plan_fleet(hosts, {})


def test_the_inventory_of_the_guide_is_accepted_before_and_after_the_network_is_added() -> None:
    assert plan_of({}).problems == ()
    made = plan_of(FILES["fleet/group_vars/alpha.yml"])
    assert [str(problem) for problem in made.problems] == []
    assert {name: "network" in host["capabilities"] for name, host in made.hosts.items()} == {"ns1": True, "app1": True, "ns2": False}
    names = [one["name"] for one in made.hosts["app1"]["network"]["desired"]["interfaces"]]
    assert names == ["enp1s0.4000", "enp1s0"]


def test_what_the_guide_says_of_a_network_of_its_table_is_accepted() -> None:
    for written in re.findall(r"`(ipv[46]: [^`]+)`, `(ipv[46]_gateway: [^`]+)`", TEXT):
        place = yaml.safe_load("\n".join(written))
        hosts = {"app1": {**FILES["fleet/group_vars/all.yml"], "dns_zones": {}, "fleet_host_networks": {"internet": place}}}
        assert [str(problem) for problem in plan_fleet(hosts, {}).problems] == []


def test_no_command_of_the_guide_has_a_password_as_argument() -> None:
    commands = [line for line in TEXT.splitlines() if re.match(r" *[$#] [a-z]", line)]
    assert len(commands) > 12
    assert not [line for line in commands if re.search(r"sshpass|ansible_(become_)?pass|password=|-p ", line)]
