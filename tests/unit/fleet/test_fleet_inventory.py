# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin smallfleet.infra.fleet, as ansible-inventory runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"internet": {"routed": True}, "vpn": {"ipv4": "198.18.0.0/24", "ipv6": "2001:db8:0:1::/64"}},
    "fleet_purposes": {"management": "vpn", "public": "internet"},
}
HOSTS = {
    "all": {
        "children": {
            "rented": {"hosts": {"four": {"last": 7}, "six": {}, "kept": {"ansible_host": "192.0.2.99"}, "broken": {}}},
            "others": {"hosts": {"jump": {"fleet_host_member": False}}},
        }
    }
}
OF_HOSTS: Dict[str, Dict[str, Any]] = {
    "four": {"fleet_host_number": 1, "fleet_host_networks": {"vpn": {}, "internet": {"ipv4": "203.0.113.{{ last }}/32"}}},
    "six": {"fleet_host_number": 2, "fleet_host_networks": {"vpn": {"ipv4": False}, "internet": {"ipv6": "2001:db8:7::2/64"}}},
    "kept": {"fleet_host_number": 3, "fleet_host_networks": {"vpn": {}, "internet": {"ipv4": "203.0.113.9/32"}}},
    "broken": {"fleet_host_number": "eleven", "fleet_host_networks": {"vpn": {}, "internet": {"ipv4": "{{ undefined_elsewhere }}"}}},
}


def written(folder: Path, plugin: Mapping[str, Any], group: Mapping[str, Any]) -> Path:
    files: Dict[str, Any] = {"hosts.yml": HOSTS, "smallfleet.yml": plugin, "group_vars/all.yml": COMMON, "group_vars/rented.yml": group}
    files.update({f"host_vars/{name}.yml": variables for name, variables in OF_HOSTS.items()})
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def listed(inventory: Path, *options: str) -> Tuple[Dict[str, Any], str]:
    """host -> ansible_host as ansible-inventory lists it, and what it printed besides."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(inventory), "--list", *options]
    done = subprocess.run(command, env=environment, cwd=inventory, capture_output=True, text=True, check=True)
    hostvars = json.loads(done.stdout)["_meta"]["hostvars"]
    return {name: variables.get("ansible_host") for name, variables in hostvars.items()}, done.stderr


def test_hosts_are_reached_in_their_management_network_and_keep_an_address_of_their_own(tmp_path: Path) -> None:
    found, warnings = listed(written(tmp_path, {"plugin": "smallfleet.infra.fleet"}, {}))
    assert found == {"four": "198.18.0.1", "six": "2001:db8:0:1::2", "kept": "192.0.2.99", "broken": None, "jump": None}
    assert "WARNING" not in warnings


def test_the_public_addresses_are_derived_where_the_file_says_so_and_templates_are_rendered(tmp_path: Path) -> None:
    found, _warnings = listed(written(tmp_path, {"plugin": "smallfleet.infra.fleet", "purpose": "public"}, {}))
    assert found == {"four": "203.0.113.7", "six": "2001:db8:7::2", "kept": "192.0.2.99", "broken": None, "jump": None}


def test_a_group_may_be_managed_by_another_network(tmp_path: Path) -> None:
    found, _warnings = listed(written(tmp_path, {"plugin": "smallfleet.infra.fleet"}, {"fleet_host_purposes": {"management": "internet"}}))
    assert (found["four"], found["six"]) == ("203.0.113.7", "2001:db8:7::2")


def test_an_unknown_purpose_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        listed(written(tmp_path, {"plugin": "smallfleet.infra.fleet", "purpose": "storage"}, {}))
    assert "purpose" in error.value.stderr
