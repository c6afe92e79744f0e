# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The primary of a zone is a part of the fleet's plan, and a zone that has none is refused before anything is read or written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.primaries import NoPrimary, find_primary
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

ROOT = Path(__file__).resolve().parents[3]
BESIDE = Path(sys.executable).with_name("ansible-playbook")
ANSIBLE_PLAYBOOK = str(BESIDE) if BESIDE.exists() else shutil.which("ansible-playbook")
COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24"}},
    "dns_zones": {
        "demo.example.net": {"primary": "ns1", "secondaries": ["ns2"]},
        "example.org": {"primary": "ns2", "secondaries": ["ns1"]},
    },
}
HOSTS = {name: {"fleet_host_number": number} for number, name in enumerate(("ns1", "ns2", "app1"), 1)}
KEY_FILE = "/etc/smallfleet/dns/demo-update.key"


def hosts(zones: Any = None, catalog: bool = False) -> Any:
    common = {**COMMON, "dns_catalog": catalog, "dns_zones": COMMON["dns_zones"] if zones is None else zones}
    plan = plan_fleet({name: {**common, **own} for name, own in HOSTS.items()}, {})
    assert not plan.problems
    return plan.hosts


@pytest.mark.parametrize("written", ["demo.example.net", "demo.example.net.", "DEMO.Example.NET"])
def test_the_primary_is_found_however_the_zone_is_spelled(written: str) -> None:
    assert find_primary(hosts(), written) == {"name": "demo.example.net", "primary": "ns1", "key_file": KEY_FILE}


def test_the_catalog_of_a_primary_is_a_zone_of_its_own() -> None:
    assert find_primary(hosts(catalog=True), "ns2.catalog.demo.invalid")["primary"] == "ns2"


REFUSED = {
    "unknown": ("example.edu", "'example.edu' is not a zone of dns_zones. Name one of demo.example.net, example.org."),
    "a name in a zone": ("www.example.org", "'www.example.org' is not a zone of dns_zones. Name the zone that it is in, example.org."),
    "no name": ("a..b", "'a..b' has an empty part between two dots. Name one of demo.example.net, example.org."),
    "nothing": ("", "'' is empty. Name one of demo.example.net, example.org."),
    "a number": (5, "5 is not a text; put it in quotes. Name one of demo.example.net, example.org."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_a_zone_of_the_fleet_is_refused_with_those_that_are(name: str) -> None:
    written, said = REFUSED[name]
    with pytest.raises(NoPrimary) as refused:
        find_primary(hosts(), written)
    assert str(refused.value).startswith(said)


def test_a_fleet_without_zones_and_one_with_many_say_what_to_write() -> None:
    with pytest.raises(NoPrimary, match="The fleet serves no zones yet; write it into dns_zones with its primary"):
        find_primary(hosts({}), "example.edu")
    with pytest.raises(NoPrimary, match="z16.example, z17.example and 20 more[.]$"):
        find_primary(hosts({f"z{number}.example": {"primary": "ns1"} for number in range(30)}), "example.edu")


def refused(folder: Path, *options: str, playbook: str = "smallfleet.infra.export_zone") -> str:
    """All that a playbook says when it refuses a call. It never gets to a host: there is none that could be reached."""
    if ANSIBLE_PLAYBOOK is None:
        pytest.skip("ansible-playbook is not installed")
    variables = {**COMMON, "ansible_host": "invalid.invalid", "ansible_timeout": 1}
    (folder / "hosts.json").write_text(json.dumps({"all": {"vars": variables, "hosts": HOSTS}}), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), ANSIBLE_HOME=str(folder / "home"), ANSIBLE_NOCOLOR="1")
    argv = [ANSIBLE_PLAYBOOK, "-i", "hosts.json", playbook, "-e", f"export_file={folder}/zone", *options]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0 and "Traceback" not in said and not (folder / "zone").exists(), said
    return said


def test_the_export_refuses_a_zone_that_the_fleet_does_not_serve_and_a_run_without_its_primary(tmp_path: Path) -> None:
    said = refused(tmp_path, "-e", "export_zone=example.edu")
    assert "export_zone: 'example.edu' is not a zone of dns_zones. Name one of demo.example.net" in said and "unreachable=1" not in said
    said = refused(tmp_path, "-e", "export_zone=demo.example.net", "--limit", "ns2,app1")
    assert "export_zone: demo.example.net is served by ns1, which is not in this run. Name ns1 in --limit too." in said and "unreachable=1" not in said


def test_the_export_refuses_a_file_that_is_not_an_absolute_path(tmp_path: Path) -> None:
    said = refused(tmp_path, "-e", "export_zone=demo.example.net", "-e", "export_file=relative")
    assert "Nothing was written. export_zone and export_file, an absolute path, are needed" in said and "unreachable=1" not in said
    assert not (tmp_path / "relative").exists()


def test_the_export_goes_to_the_primary_alone(tmp_path: Path) -> None:
    said = refused(tmp_path, "-e", "export_zone=Example.org.")
    assert "TASK [Export | Read the zone by transfer]" in said and "ns2 : ok=" in said
    assert [host for host in HOSTS if f"fatal: [{host}]: UNREACHABLE!" in said] == ["ns2"]


MOVE = {"move_zone": "example.net", "move_host": "ns1", "move_old": {"servers": ["192.0.2.1"]}, "move_new": {"servers": ["192.0.2.2"]}}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"move_vars_file": "relative.yml"}, "move_vars_file: 'relative.yml' is not an absolute path. Write for example /"),
        ({"move_old": "192.0.2.1"}, "move_old: expected a dictionary, got a string. Write for example {servers: [192.0.2.1]}."),
        ({"move_ttl": "5m"}, "move_ttl: expected a whole number of seconds from 0 to 2147483647, got '5m'. Write for example 300."),
        ({"move_host": "ns9"}, "move_host: 'ns9' is not a host of the inventory. Name the host that asks the servers"),
    ],
)
def test_a_move_refuses_variables_that_it_could_not_use_in_the_end_before_it_asks_any_host(tmp_path: Path, wrong: Dict[str, Any], said: str) -> None:
    given = {**MOVE, "move_vars_file": f"{tmp_path}/zone.yml", **wrong}
    output = refused(tmp_path, "-e", json.dumps(given), playbook="smallfleet.infra.move_zone")
    assert f"Nothing was changed. {said}" in output and "unreachable=1" not in output, output


def test_a_move_names_all_that_is_missing_at_once(tmp_path: Path) -> None:
    output = refused(tmp_path, "-e", json.dumps({"move_zone": "example.net", "move_old": None}), playbook="smallfleet.infra.move_zone")
    for name in ("host", "new", "vars_file"):
        assert f"move_{name} is missing." in output, output
    assert "move_old: has no value." in output and "unreachable=1" not in output, output


def test_a_move_with_good_variables_goes_on_to_its_host_alone(tmp_path: Path) -> None:
    given = {**MOVE, "move_vars_file": f"{tmp_path}/zone.yml", "move_ttl": "300", "move_wait": 0.5, "move_families": "ipv4"}
    output = refused(tmp_path, "-e", json.dumps(given), playbook="smallfleet.infra.move_zone")
    assert [host for host in HOSTS if f"fatal: [{host}]: UNREACHABLE!" in output] == ["ns1"], output


@pytest.mark.parametrize("wrong", [{"dns_rotate_wait": "60s"}, {"dns_rotate_wait": -1}, {"dns_rotate_key": ["own"]}, {"dns_rotate_handed_over": "perhaps"}])
def test_a_rotation_refuses_what_would_end_its_wait_at_once_or_rotate_something_else(tmp_path: Path, wrong: Dict[str, Any]) -> None:
    said = refused(tmp_path, "-e", json.dumps(wrong), playbook="smallfleet.infra.rotate_dns_keys")
    assert "Nothing was changed. Expected: dns_rotate_wait, whole seconds such as 60" in said and "unreachable=1" not in said, said
