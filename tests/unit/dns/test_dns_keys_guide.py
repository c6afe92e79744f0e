# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/dns-keys.md: its inventory gives the hosts the keys that it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Mapping

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.rotation import decide
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "dns-keys.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- file: (?P<name>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


def plan() -> Mapping[str, Any]:
    blocks = {found["name"]: found["text"] for found in BLOCK.finditer(GUIDE)}
    common = yaml.safe_load(blocks["group_vars/all.yml"])
    hosts = yaml.safe_load(blocks["hosts.yml"])["all"]["hosts"]
    made = plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {})
    assert not made.problems
    return made.hosts


def test_the_inventory_of_the_guide_gives_each_host_its_keys() -> None:
    held = {host: {one["name"]: one for one in host_plan["dns_keys"]["keys"]} for host, host_plan in plan().items()}
    assert list(held["app1"]) == ["app1-own"]
    assert held["app1"]["app1-own"]["file"] in GUIDE and held["app1"]["app1-own"]["home"] == "ns1"
    assert sorted(held["ns1"]) == ["app1-own", "demo-transfer-ns1", "demo-update"]
    assert sorted(held["ns2"]) == ["demo-transfer-ns1"]


def test_the_servers_of_the_guide_grant_what_it_says() -> None:
    (zone,) = plan()["ns1"]["dns_server"]["zones"]
    assert [(one["match"], one["name"]) for one in zone["grants"]] == [
        ("name", "app1.demo.example.net."),
        ("subdomain", "dyn.app1.demo.example.net."),
    ]


def test_check_mode_says_what_the_guide_says() -> None:
    one = {"name": "app1-own", "algorithm": "hmac-sha256", "fingerprint": "0"}
    seen = [{"state": {"host": host, "generations": {"app1-own": {"current": one}}}} for host in ("app1", "ns1")]
    (step,) = decide("prepared", plan(), seen, "app1-own")["steps"]
    assert f"\n+{step}\n" in GUIDE
