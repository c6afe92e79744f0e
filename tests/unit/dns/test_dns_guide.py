# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/dns.md does what it says: its inventory is planned, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Set

import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import variable_name
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.record_types import TYPES, WRITABLE
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.external_secondaries import OPTIONS
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "dns.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- file: (?P<name>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


def blocks() -> Dict[str, str]:
    return {found["name"]: found["text"] for found in BLOCK.finditer(GUIDE)}


def test_the_inventory_of_the_guide_is_accepted_and_served_by_its_primary() -> None:
    common = yaml.safe_load(blocks()["group_vars/all.yml"])
    hosts = yaml.safe_load(blocks()["hosts.yml"])["all"]["hosts"]
    plan = plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {})
    assert not plan.problems
    part = plan.hosts["ns1"]["dns_server"]
    assert [zone["name"] for zone in part["zones"]] == ["2.0.192.in-addr.arpa", "demo.example.net"]
    assert part["listen"][0] == "192.0.2.11"
    assert part["update_key"]["file"] in GUIDE


def test_the_external_secondaries_of_the_guide_are_accepted_and_need_the_keys_that_it_says() -> None:
    external, secrets = (yaml.safe_load(blocks()[name]) for name in ("external.yml", "secrets.yml"))
    common = {**yaml.safe_load(blocks()["group_vars/all.yml"]), **external}
    hosts = yaml.safe_load(blocks()["hosts.yml"])["all"]["hosts"]
    plan = plan_fleet({name: {**common, **own} for name, own in hosts.items()}, {})
    assert not plan.problems
    held = {one["name"]: one for one in plan.hosts["ns1"]["dns_keys"]["keys"]}
    assert [name for name, one in held.items() if one.get("external")] == list(secrets["dns_keys_secrets"])
    assert [name for name, one in held.items() if one.get("shared")] == ["provider-transfer"]
    assert f"cat {held['provider-transfer']['file']}\n" in GUIDE
    (zone,) = plan.hosts["ns1"]["dns_server"]["zones"]
    assert zone["nameservers"][-1] == "ns1.provider.example." and len(zone["transfer"]["external"]) == 3
    table = GUIDE.split("An entry is an address, or a dictionary:")[1].split("\n\n")[1]
    assert set(re.findall(r"^\| `(\w+)`(?:, `(\w+)`)?", table, re.MULTILINE)) == {
        ("address", "addresses"),
        *((one, "") for one in OPTIONS if not one.startswith("address")),
    }


def test_the_export_of_the_guide_is_what_the_playbook_takes_and_the_variable_what_it_writes() -> None:
    playbook = (ROOT / "playbooks/export_zone.yml").read_text(encoding="utf-8")
    documented = set(re.findall(r"^#   (export_\w+) ", playbook, re.MULTILINE))
    assert set(re.findall(r"-e (export_\w+)=", GUIDE)) | {"export_nameservers", "export_mode"} == documented
    (entry,) = yaml.safe_load(blocks()["exported.yml"])["dns_zones"].values()
    assert variable_name("demo.example.net.", "exported") in entry


def test_the_record_sets_of_the_guide_are_accepted() -> None:
    (play,) = yaml.safe_load(blocks()["records.yml"])
    entries = []
    for task in play["tasks"]:
        for module in ("smallfleet.infra.dns_record_set", "smallfleet.infra.dns_record_sets"):
            options = task.get(module)
            entries.extend((options.get("record_sets") or [options]) if options else [])
        single = task.get("smallfleet.infra.dns_record")
        entries.extend([{**single, "value": [single["value"]]}] if single else [])
    assert len(entries) == 6
    for entry in entries:
        read_entries("demo.example.net.", [{"ttl": 3600, "state": "present", **entry}], lambda kind, text: text)


def test_the_table_of_types_in_the_guide_is_that_of_the_program() -> None:
    rows = [row.strip("| ").split(" | ") for row in GUIDE.split("<!-- types -->\n")[1].split("\n\n")[0].splitlines()[2:]]
    forms = {kind: form for kinds, form in rows for kind in kinds.split(", ")}
    assert forms == {kind: TYPES[kind].form if TYPES[kind].fields else "*generic*" for kind in WRITABLE}


DNS = ROOT / "plugins/module_utils/_dns"
WRITING = ("client", "options_client", "socket_client", "wire_client", "update/apply_client", "update/apply_zone_client", "update/single_values_client")
"""What the modules that write are made of."""


def reasons(*paths: Path) -> Set[str]:
    """All that parts of the collection can give as the reason of a failure."""
    sources = "".join(path.read_text(encoding="utf-8") for path in paths)
    given = set(re.findall(r'DnsFailure\(\s*"([a-z_]+)"', sources)) | set(re.findall(r'\d+: \("([a-z_]+)", ', sources))
    given |= set(re.findall(r'_key_failure\("([a-z_]+)"', sources)) | {"bad_request"}
    return given - {"hung_up"}  # is answered by asking again


def test_every_reason_a_module_can_give_is_in_the_guide() -> None:
    given = reasons(*DNS.rglob("*.py"))
    assert len(given) > 12
    table = GUIDE.split("## When it fails")[1].split("\n\n")[1]
    assert set(re.findall(r"`([a-z_]+)`", "".join(row.split("|")[1] for row in table.splitlines()))) - {"reason"} == given


def test_every_reason_not_to_write_is_in_the_documentation_of_the_module() -> None:
    module = (ROOT / "plugins/modules/dns_record_set.py").read_text(encoding="utf-8")
    given = reasons(*(DNS / f"{name}.py" for name in WRITING))
    assert [reason for reason in given if f"V({reason})" not in module and f"RV(reason={reason})" not in module] == []
