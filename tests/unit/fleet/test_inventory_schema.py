# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON Schema of the inventory's variables."""

from __future__ import annotations

import copy
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.fields import (
    boolean,
    choice,
    host,
    list_of,
    mapping_of,
    name,
    optional,
    packages,
    required,
    table_of,
    whole,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import inventory_schema
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.specs import json_schema

jsonschema = pytest.importorskip("jsonschema", reason="the oldest versions that are promised are tested without it")

RECORD = table_of(
    {"record": required(choice("w", "x")), "type": optional(choice("A", "AAAA"), "A"), "ttl": optional(whole(0, 9, "seconds"))}, "a record", "{record: w}"
)
ZONE = table_of({"primary": required(host()), "hosts": optional(boolean(), True), "records": optional(list_of(RECORD, "[]"), ())}, "a zone", "{primary: app1}")
ZONES = mapping_of(name(r"[a-z.]+", "the name of a zone", "Write it in lower case"), ZONE, "{example.net: {primary: app1}}")
LINK = table_of({"prefix-length": optional(whole(0, 128, "bits"))}, "an address", "{prefix-length: 24}", hyphens=True)
VARIABLES = {"zones": ZONES, "size": whole(1, 9, "GiB"), "ports": packages(), "on": boolean(), "links": list_of(LINK, "[]", unique=True)}


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"size": 5, "other": 5},
        {"size": "5"},
        {"size": "{{ x }}", "on": "{{ y }}", "zones": "{{ z }}"},
        {"zones": {"a.b": {"primary": "app1", "hosts": "no", "records": [{"record": "w", "ttl": "{{ t }}"}]}}},
        {"links": [{"prefix_length": 4}, {"prefix-length": 4}]},
    ],
)
def test_the_schema_accepts_what_a_file_may_have(content: Any) -> None:
    schema = json_schema(VARIABLES)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(content)


@pytest.mark.parametrize(
    "content",
    [
        {"size": 0},
        {"size": "x"},
        {"size": None},
        {"on": 1},
        {"ports": ["a b"]},
        {"zones": {"A": {"primary": "app1"}}},
        {"zones": {"a": {}}},
        {"zones": {"a": {"primary": "app1", "primry": "app1"}}},
        {"zones": {"a": {"primary": "app1", "records": [{"record": "w", "type": "B"}]}}},
        {"links": [{"prefix_length": 4}, {"prefix_length": 4}]},
    ],
)
def test_the_schema_refuses_what_the_fields_refuse(content: Any) -> None:
    assert not jsonschema.Draft202012Validator(json_schema(VARIABLES)).is_valid(content)


# --- The schema of all variables ---

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = inventory_schema({"fleet_name": "The name of the fleet."})
BLOCK = re.compile(r"<!-- file: (?P<name>[^>]+) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


def files_of_variables() -> Iterator[Tuple[str, Any]]:
    """Every file of variables of the repository's inventories and guides, and the variables of each host in an inventory file."""
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.glob("inventories/*/**/*.yml")}
    for guide in sorted((ROOT / "docs").glob("*.md")):
        texts.update({f"{guide.name}:{found['name']}": found["text"] for found in BLOCK.finditer(guide.read_text(encoding="utf-8"))})
    for place, text in texts.items():
        content = yaml.safe_load(text)
        if "_vars/" in place:
            yield place, content
        elif isinstance(content, dict):
            for host, variables in hosts_of(content):
                yield f"{place}:{host}", variables


def hosts_of(groups: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
    for group in groups.values():
        if isinstance(group, dict):
            yield from (group.get("hosts") or {}).items()
            yield from hosts_of(group.get("children") or {})


FILES = dict(files_of_variables())
LAB = FILES["inventories/lab/group_vars/all.yml"]


def wrong(content: Any) -> str:
    """What the schema says first, with its place, or an empty text."""
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(SCHEMA).iter_errors(content))
    return "" if error is None else f"{error.json_path}: {error.message}"


def test_the_schema_is_one_and_describes_variables() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["fleet_name"]["description"] == "The name of the fleet."


def test_there_are_files_of_the_lab_and_of_the_guides() -> None:
    assert {"dns.md:group_vars/all.yml", "certificates.md:group_vars/all.yml", "fleet.md:hosts.yml:app1", "fleet.md:host_vars/app2.yml"} <= FILES.keys()


@pytest.mark.parametrize("place", FILES)
def test_every_inventory_of_the_repository_and_its_guides_fits_the_schema(place: str) -> None:
    assert wrong(FILES[place]) == ""


FAULTS = [
    ("fleet_nmae", "demo"),
    ("network_interfaecs", []),
    ("fleet_name", None),
    ("dns_zones", []),
    ("dns_zones/demo.example.net/primry", "ns1"),
    ("dns_zones/demo.example.net/primary", None),
    ("dns_zones/demo.example.net/ttl", "5m"),
    ("dns_zones/demo.example.net/ttl", -1),
    ("dns_zones/demo.example.net/hosts", "maybe"),
    ("dns_zones/demo.example.net/secondaries", "ns2"),
    ("dns_zones/demo.example.net/secondaries", ["ns2", "ns2"]),
    ("dns_zones/demo.example.net/dnssec", {"denial": "nsec5"}),
    ("dns_zones/demo.example.net/dnssec", {"iterations": 5}),
    ("dns_zones/demo.example.net/records", [{"record": "www", "value": "192.0.2.1"}]),
    ("dns_zones/demo.example.net/records", [{"record": "www", "type": "A", "value": []}]),
    ("dns_zones/demo.example.net/records", [{"record": "www", "type": "A", "vaule": "192.0.2.1"}]),
    ("dns_zones/demo.example.net/external_secondaries", [{"address": "192.0.2.53", "port": 0}]),
    ("dns_keys", {"Own": {"grants": []}}),
    ("dns_keys", {"own": {"grants": [{"zone": "demo.example.net", "name": "a"}]}}),
    ("dns_update_key", {"algorithm": "hmac-md5"}),
    ("dns_catalog", 1),
    ("dns_server_provider", "djbdns"),
    ("acme_contact", "me"),
    ("acme_certificates", {"web": {"hosts": ["app1"]}}),
    ("acme_certificates", {"web": {"hosts": ["app1"], "names": ["example.net"], "key_type": "dsa"}}),
    ("standby_services/web/ttl", 0),
    ("standby_services/web/check", None),
    ("standby_services/web/check/port", 70000),
    ("standby_services/web/unit", "web"),
    ("standby_services/Web", {}),
    ("probe_targets/web/url", "https://www.example.net/"),
    ("probe_targets/web/interval", "fast"),
    ("standby_settle", "long"),
    ("lab_memory", 32),
    ("lab_disks", {"../etc": 64}),
    ("lab_backend", "docker"),
    ("node_timezone", "Eurpoe/Berlin"),
    ("node_administrators", {"a b": []}),
    ("node_sysctl", {"net.ipv4.ip_forward": True}),
    ("network_backend", "wicked"),
    ("network_interfaces", [{"name": "eth0", "mut": 1500}]),
    ("network_interfaces", [{"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0", "vlan": {"tag": 4095}}]}}]),
    ("network_routes", {"config": [{"destination": "0.0.0.0/0", "metric": "low"}]}),
    ("vm_host_guests", {"web": {"memory": 8}}),
    ("vm_host_guests", {"web": {"memory": 64, "disks": [{"file": "../a"}]}}),
    ("vm_host_ceph", {"user": "vms"}),
    ("dns_server_packages", {"bind": ["a b"]}),
]


@pytest.mark.parametrize(("place", "value"), FAULTS, ids=lambda one: repr(one)[:40])
def test_a_single_fault_is_refused_by_the_schema(place: str, value: Any) -> None:
    content = copy.deepcopy(LAB)
    *folders, last = place.split("/")
    at = content
    for folder in folders:
        at = at[folder]
    at[last] = value
    assert wrong(content)


def test_descriptions_are_those_of_the_roles_without_markup() -> None:
    texts = importlib.import_module("inventory_schema").descriptions(ROOT)
    assert texts["standby_settle"] == "Seconds for which a service must keep running in the same process to count as started."
    assert texts["dns_zones"].startswith("The zones by name, for the whole fleet. smallfleet.infra.fleet_plan reads and checks them.")


def test_the_command_of_the_guide_accepts_a_file_and_refuses_one_with_a_fault(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    command = re.search(r"<!-- schema: python -->\n```console\n\$ python3 (.*)\n```", guide)
    assert command is not None
    arguments = shlex.split(command[1])
    for folder in ("build", "group_vars"):
        (tmp_path / folder).mkdir()
    (tmp_path / "build" / "inventory.schema.json").write_text(json.dumps(SCHEMA))
    codes = []
    for ttl in (5, "soon"):
        content = copy.deepcopy(LAB)
        content["standby_services"]["web"]["ttl"] = ttl
        (tmp_path / "group_vars" / "all.yml").write_text(yaml.safe_dump(content))
        codes.append(subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, check=False).returncode)
    assert codes == [0, 1]
