# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guides docs/dns-zones.md and docs/dnssec.md: their inventories are accepted, their tables are those of the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names, soa
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones import reverse, signing_policy
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

DOCS = Path(__file__).resolve().parents[3] / "docs"
ZONES, DNSSEC, DNS = ((DOCS / name).read_text(encoding="utf-8") for name in ("dns-zones.md", "dnssec.md", "dns.md"))
HOSTS = {"ns1": {"fleet_host_number": 11}, "ns2": {"fleet_host_number": 12}, "app1": {"fleet_host_number": 21}}


def inventory(guide: str) -> Dict[str, Any]:
    found: Dict[str, Any] = yaml.safe_load(re.split(r"<!-- file: group_vars/all.yml -->\n```yaml\n", guide)[1].split("```")[0])
    return found


def planned(variables: Dict[str, Any]) -> Dict[str, Any]:
    plan = plan_fleet({name: {**variables, **own} for name, own in HOSTS.items()}, {})
    assert [str(problem) for problem in plan.problems] == []
    found: Dict[str, Any] = plan.hosts["ns1"]["dns_server"]
    return {one["name"]: one for one in found["zones"]}


def rows(guide: str, heading: str) -> List[List[str]]:
    table = guide.split(f"| {heading}", 1)[1].split("\n\n")[0]
    return [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]


def test_the_inventory_of_the_guide_has_the_records_that_it_describes() -> None:
    zones = planned(inventory(ZONES))
    assert zones["demo.example.net"]["soa"]["rname"] == r"dns\.admin.example.net."
    assert r"`dns\.admin.example.net.`" in ZONES
    records = {(one["record"], one["type"]): one["value"] for one in zones["demo.example.net"]["record_sets"]}
    assert records["_ipp._tcp", "PTR"] == [r"my\032printer._ipp._tcp.demo.example.net."]
    assert (r"my\032printer._ipp._tcp", "SRV") in records
    pointers = {one["record"]: one["value"] for one in zones["2.0.192.in-addr.arpa"]["record_sets"]}
    assert pointers["21"] == ["app1.demo.example.net."] and pointers["80"] == ["www2.demo.example.net."]
    assert len(zones["1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]["record_sets"]) == 3


def test_the_table_of_the_soa_has_all_options_and_their_defaults() -> None:
    found = {row[0].strip("`"): row[-1] for row in rows(ZONES, "option of `soa`")}
    assert set(found) == set(soa.OPTIONS)
    assert {one: found[one] for one in soa.TIMERS} == {one: str(seconds) for one, seconds in soa.TIMERS.items()}


def test_the_table_of_reverse_zones_is_right() -> None:
    for zone_names, text in rows(ZONES, "zone | addresses"):
        networks = [str(reverse.network(f"{one}.")) for one in re.findall(r"`([^`]+)`", zone_names)]
        assert networks and all(network in text for network in networks), (networks, text)


@pytest.mark.parametrize("written", re.findall(r"^\|.*`'([^']+)'` \|$", ZONES, re.MULTILINE))
def test_the_names_of_the_guide_are_accepted(written: str) -> None:
    assert "\\" in names.canonical(written)


def test_the_table_of_policies_has_all_options_and_their_defaults() -> None:
    found = {row[0].strip("`"): row[-1] for row in rows(DNSSEC, "option of `dnssec`")}
    assert set(found) == set(signing_policy.OPTIONS)
    default = signing_policy.SigningPolicy().as_data()
    assert {one: found[one].strip("`") for one in ("denial", "algorithm", "keys")} == {one: default[one] for one in ("denial", "algorithm", "keys")}
    assert found["zsk_lifetime"].split()[0] == str(signing_policy.ZSK_LIFETIME)


def test_the_policy_of_the_guide_is_accepted() -> None:
    example = yaml.safe_load(DNSSEC.split("## Choose a policy")[1].split("```yaml\n")[1].split("```")[0])
    variables = {**inventory(DNS), **example}
    assert planned(variables)["demo.example.net"]["signing"]["algorithm"] == "ed25519"


def test_the_zone_of_a_part_in_the_guide_has_its_records_and_the_hosts_and_the_other_name_has_none() -> None:
    text = ZONES.split("### A part of 256 addresses")[1]
    part = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["dns_zones"]
    (name,) = part
    found = planned({**inventory(ZONES), "fleet_networks": {"main": {"ipv4": "192.0.2.64/26"}}, "dns_zones": {name: {"primary": "ns1"}}})
    assert [one["type"] for one in found[name]["record_sets"]] == ["PTR"] * len(HOSTS)
    other = re.findall(r"such as\n`(\S+)`", text)[0]
    assert reverse.network(f"{name}.") is not None and reverse.network(f"{other}.") is None
    found = planned({**inventory(ZONES), "dns_zones": {**inventory(ZONES)["dns_zones"], **part}})
    assert {"record": "70", "type": "CNAME", "ttl": 300, "value": [f"70.{name}."]} in found["2.0.192.in-addr.arpa"]["record_sets"]
    assert [one["value"] for one in found[name]["record_sets"] if one["record"] == "70"] == [["mail.demo.example.net."]]
