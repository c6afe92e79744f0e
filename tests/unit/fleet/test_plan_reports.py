# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What subjects say in plan.md: compared with a golden file, which ``SMALLFLEET_GOLDEN=write pytest`` writes anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Sequence

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import Plan, plan_fleet, render_plan

GOLDEN = Path(__file__).with_name("golden") / "reports.md"
RECORDS = [
    {"record": "www2", "type": "A", "ttl": 60, "value": ["192.0.2.80"]},
    {"record": "@", "type": "MX", "value": ["10 mail"]},
    {"record": "note", "type": "TXT", "value": ["a|b " + "x" * 120]},
]
ZONE = {"primary": "ns1", "secondaries": ["ns2"], "dnssec": True, "records": RECORDS}
COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:0:1::/64"}},
    "dns_zones": {"demo.example.net": ZONE, "other.example.net": {"primary": "ns1", "secondaries": ["ns2"]}},
    "dns_catalog": True,
    "dns_keys": {"own": {"hosts": ["app2"], "grants": [{"zone": "demo.example.net", "name": "dyn", "types": ["TXT"]}]}},
    "acme_directory": "https://acme.example.com/directory",
    "acme_certificates": {
        "web": {"hosts": ["app1"], "names": ["demo.example.net", "*.demo.example.net"]},
    },
    "standby_services": {
        "web": {"active": "app1", "standby": "app2", "unit": "web.service", "record": "www", "ttl": 5, "check": {"port": 8080, "path": "/"}},
    },
    "probe_targets": {"web": {"from": "app2", "url": "http://www.demo.example.net:8080/"}},
    "node_time_servers": ["198.51.100.123"],
}


def plan(records: Sequence[Dict[str, Any]] = tuple(RECORDS)) -> Plan:
    zones = {**COMMON["dns_zones"], "demo.example.net": {**ZONE, "records": list(records)}}
    hosts = {name: {**COMMON, "dns_zones": zones, "fleet_host_number": number} for name, number in (("app1", 11), ("app2", 12), ("ns1", 1), ("ns2", 2))}
    address = {"ip": "192.0.2.11", "prefix-length": 24}
    bridge = {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}, "ipv4": {"enabled": True, "address": [address]}}
    hosts["app1"]["fleet_host_networks"] = {"main": {"interface": "br0"}}
    hosts["app1"]["network_interfaces"] = [{"name": "eth0"}, bridge, {"name": "dummy0", "type": "dummy", "state": "absent"}]
    hosts["app1"]["vm_host_guests"] = {
        "forge": {"memory": 2048, "vcpus": 2, "disks": [{"file": "forge.raw"}], "interfaces": [{"bridge": "br0"}]},
        "old": {"state": "absent"},
    }
    made = plan_fleet(hosts, {"all": list(hosts)})
    assert made.problems == ()
    return made


def test_the_plan_for_people_is_written_as_the_golden_file_says() -> None:
    made = plan()
    text = render_plan(made.fleet, made.hosts)
    if os.environ.get("SMALLFLEET_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_order_of_hosts_does_not_change_a_byte() -> None:
    made = plan()
    assert render_plan(made.fleet, dict(reversed(list(made.hosts.items())))) == render_plan(made.fleet, made.hosts)


def test_of_a_large_zone_the_plan_for_people_has_the_names_and_of_a_huge_one_not_all() -> None:
    for number, more in ((100, "Their values are in `plan.json`."), (1000, "805 more names are in `plan.json`.")):
        made = plan([{"record": f"r{index:04}", "type": "A", "value": ["192.0.2.80"]} for index in range(number)])
        text = render_plan(made.fleet, made.hosts)
        part = text.split("### demo.example.net\n")[1].split("###")[0]
        assert "192.0.2.80" not in part and "r0099" in part and more in part
        assert len(text) < 12000
