# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network of a host of each kind, exported before the role first ran and afterwards."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from test_backends import MOVERS, SCENARIO, ansible

testinfra_hosts = ["ansible://peer"]
pytestmark = pytest.mark.alone
GROWN = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "grown", "host_vars")
INVENTORY = ("-i", str(SCENARIO / "inventory"))
DEFAULT = {"destination": "0.0.0.0/0", "next-hop-interface": "eth0", "next-hop-address": "198.18.0.254"}
ROUTES = {
    "ifupdown": [{**DEFAULT, "on-link": True}],
    "ifupdown2": [{**DEFAULT, "on-link": True}],
    "netplan": [DEFAULT],
    "networkmanager": [{**DEFAULT, "metric": 100}],
    "networkd": [],  # the lab gives its hosts no gateway
}
"""The default route as each program enters it."""


@pytest.mark.parametrize("backend", list(MOVERS))
def test_what_each_program_had_configured_before_the_role_ran_is_in_the_export(backend):
    mover = MOVERS[backend]
    found = yaml.safe_load((GROWN / mover.node / "network.yml").read_text(encoding="utf-8"))
    four = {"enabled": True, "address": [{"ip": mover.v4, "prefix-length": 24}]}
    six = {"enabled": True, "address": [{"ip": mover.v6, "prefix-length": 64}]}
    routes = {"network_routes": {"config": ROUTES[backend]}} if ROUTES[backend] else {}
    assert found == {"network_interfaces": [{"name": "eth0", "ipv4": four, "ipv6": six}], **routes}


def test_a_run_of_the_role_with_what_was_exported_changes_nothing(tmp_path):
    nodes = ",".join(mover.node for mover in MOVERS.values())
    (tmp_path / "hosts.yml").write_text("all: {}\n", encoding="utf-8")
    status, said = ansible("ansible-playbook", *INVENTORY, "--limit", nodes, "-e", f"export_folder={tmp_path}", "playbooks/export_network.yml")
    assert status == 0, said
    for mover in MOVERS.values():
        assert "br0" in (tmp_path / "host_vars" / mover.node / "network.yml").read_text(encoding="utf-8")
    converge = str(SCENARIO / "converge.yml")
    status, said = ansible("ansible-playbook", *INVENTORY, "-i", str(tmp_path / "hosts.yml"), "--limit", nodes, "--check", converge)
    assert status == 0 and re.findall(r"changed=(\d+)", said) == ["0"] * len(MOVERS), said


def test_a_file_that_is_there_already_is_not_replaced(tmp_path):
    kept = tmp_path / "host_vars" / "plain" / "network.yml"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine: true\n", encoding="utf-8")
    status, said = ansible("ansible-playbook", *INVENTORY, "--limit", "plain", "-e", f"export_folder={tmp_path}", "playbooks/export_network.yml")
    assert status == 0 and kept.read_text(encoding="utf-8") == "mine: true\n", said


def test_an_interface_that_the_host_does_not_have_is_named():
    arguments = ("-m", "smallfleet.infra.host_network_info", "-a", "interfaces=eth7")
    status, said = ansible("ansible", *INVENTORY, "plain", *arguments)
    assert status != 0 and "this host has no eth7. Name some that it has (eth0" in said, said
