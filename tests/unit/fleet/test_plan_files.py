# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a plan: compared with golden ones, which ``SMALLFLEET_GOLDEN=write pytest`` writes anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.render import render_json, render_markdown
from ansible_collections.smallfleet.infra.plugins.module_utils._node.capability import resolve

GOLDEN = Path(__file__).with_name("golden")
COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {
        "main": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:0:1::/64"},
        "storage": {"ipv4": "198.51.100.0/24", "mtu": 9000},
    },
    "fleet_purposes": {"management": "main"},
    "node_packages": ["chrony"],
}


def plan() -> Plan:
    hosts = {name: {**COMMON, "fleet_host_number": number} for name, number in (("app-1", 11), ("app-2", 12), ("ns1", 1))}
    hosts["ns1"]["fleet_host_networks"] = {"main": {"interface": 'a"b|c', "ipv6": False}}
    return plan_fleet(hosts, {"all": list(hosts)}, {"node": resolve})


@pytest.mark.parametrize(("name", "render"), [("plan.json", render_json), ("plan.md", render_markdown)])
def test_the_plan_is_written_as_the_golden_file_says(name: str, render: Any) -> None:
    text = render(plan().fleet, plan().hosts)
    if os.environ.get("SMALLFLEET_GOLDEN") == "write":
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_order_of_hosts_does_not_change_a_byte() -> None:
    made = plan()
    turned = dict(reversed(list(made.hosts.items())))
    assert render_json(made.fleet, turned) == render_json(made.fleet, made.hosts)
    assert render_markdown(made.fleet, turned) == render_markdown(made.fleet, made.hosts)


def test_the_json_holds_every_host_plan_unchanged() -> None:
    made = plan()
    assert json.loads(render_json(made.fleet, made.hosts)) == {"fleet": made.fleet, "hosts": made.hosts}


def test_names_that_differ_in_punctuation_only_stay_apart_in_the_topology() -> None:
    hosts = {name: {**COMMON, "fleet_host_number": number} for number, name in enumerate(("a-1", "a1", "a-2d-1"), start=1)}
    made = plan_fleet(hosts, {}, {"node": resolve})
    keys = re.findall(r"^  (host_\w+)\[", render_markdown(made.fleet, made.hosts), flags=re.MULTILINE)
    assert len(set(keys)) == 3


def test_no_cell_of_a_table_breaks_its_row() -> None:
    made = plan()
    for line in render_markdown(made.fleet, made.hosts).splitlines():
        if line.startswith("| ns1 | main"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 7
            break
    else:
        pytest.fail("the host with the odd interface is not in the table")


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/app --password=hunter2",
        "/usr/bin/env APP_TOKEN=abc app",
        "sh -c 'secret: x'",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_in_a_command_is_refused_and_never_reaches_a_file(command: str) -> None:
    service = {"web": {"exec_start": command}}
    hosts = {"app1": {**COMMON, "fleet_host_number": 11, "standby_services": service}}
    made = plan_fleet(hosts, {}, {"node": resolve})
    assert [(problem.host, problem.variable) for problem in made.problems] == [("", "standby_services.web.exec_start")]
    assert command not in str(made.problems[0])


def test_naming_the_file_that_holds_a_secret_is_fine() -> None:
    service = {"web": {"exec_start": "/usr/bin/app --password-file /etc/app/password --token-file=/etc/app/token"}}
    hosts = {"app1": {**COMMON, "fleet_host_number": 11, "standby_services": service}}
    assert plan_fleet(hosts, {}, {"node": resolve}).problems == ()
