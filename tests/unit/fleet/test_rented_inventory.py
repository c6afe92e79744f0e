# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""inventories/rented: its plan, compared with a golden file, which ``SMALLFLEET_GOLDEN=write pytest`` writes anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.render import render_markdown

FOLDER = Path(__file__).resolve().parents[3] / "inventories" / "rented"
GOLDEN = Path(__file__).with_name("golden") / "rented.md"
ROUTED = ("ns1", "app1", "app2", "db1", "ns2", "backup1", "watch1")


def plan() -> Plan:
    common: Dict[str, Any] = yaml.safe_load((FOLDER / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    groups = yaml.safe_load((FOLDER / "hosts.yml").read_text(encoding="utf-8"))["all"]["children"]
    hosts = {name: {**common, **own} for group in groups.values() for name, own in group["hosts"].items()}
    return plan_fleet(hosts, {name: list(group["hosts"]) for name, group in groups.items()})


def test_the_plan_is_the_golden_one() -> None:
    made = plan()
    assert [str(problem) for problem in made.problems] == []
    text = render_markdown(made.fleet, made.hosts)
    if os.environ.get("SMALLFLEET_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_dns_publishes_the_public_addresses_and_servers_transfer_over_them() -> None:
    (zone,) = plan().hosts["ns1"]["dns_server"]["zones"]
    values = {(one["record"], one["type"]): one["value"] for one in zone["record_sets"]}
    assert {record for record, _kind in values} == set(ROUTED)
    assert not [value for addresses in values.values() for value in addresses if value.startswith("198.18.64.")]
    assert values["db1", "AAAA"] == ["2001:db8:a4::1"] and ("db1", "A") not in values
    assert zone["transfer"]["peers"] == [{"host": "ns2", "addresses": ["198.18.40.70", "2001:db8:b1::2"]}]


def test_each_host_gets_its_address_prefix_and_default_routes() -> None:
    desired = plan().hosts["app1"]["network"]["desired"]
    addresses = {
        one["name"]: [f"{at['ip']}/{at['prefix_length']}" for family in ("ipv4", "ipv6") for at in one[family]["address"]] for one in desired["interfaces"]
    }
    assert addresses == {"eth0": ["198.18.9.142/32", "2001:db8:a2::1/64"], "eth1": ["198.18.64.21/24"]}
    assert {(one["destination"], one["next_hop_address"]) for one in desired["routes"]} == {("0.0.0.0/0", "198.18.0.1"), ("::/0", "fe80::1")}
