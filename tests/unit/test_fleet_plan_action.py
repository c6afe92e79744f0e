# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fleet_plan through the real ansible-playbook: what it refuses, what it returns, and what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping
from zoneinfo import available_timezones

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import PlanStore, collect, plan_folder

ROOT = Path(__file__).resolve().parents[2]
BESIDE = Path(sys.executable).with_name("ansible-playbook")
ANSIBLE_PLAYBOOK = str(BESIDE) if BESIDE.exists() else shutil.which("ansible-playbook")
COMMON: Dict[str, Any] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8::/64"}},
}
PLAYBOOK = """
- name: Plan
  hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Plan the fleet
      smallfleet.infra.fleet_plan:
      run_once: true

- name: Change something
  hosts: all
  gather_facts: false
  tasks:
    - name: Get this host's plan
      smallfleet.infra.fleet_plan:
      register: mine

    - name: Write what came to each host
      ansible.builtin.copy:
        content: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['mine', 'host_plan']))) | to_json }}"
        dest: "{{ marker }}"
        mode: "0600"
      run_once: true
"""


def hosts(**numbers: Any) -> Dict[str, Dict[str, Any]]:
    return {name: {"fleet_host_number": number} for name, number in numbers.items()}


def run(folder: Path, members: Mapping[str, Any], common: Mapping[str, Any], *options: str, playbook: str = "") -> subprocess.CompletedProcess[str]:
    if ANSIBLE_PLAYBOOK is None:
        pytest.skip("ansible-playbook is not installed")
    inventory = {"all": {"vars": {**common, "marker": str(folder / "written.json")}, "hosts": dict(members)}}
    (folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    (folder / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), ANSIBLE_HOME=str(folder / "home"))
    argv = [ANSIBLE_PLAYBOOK, "-i", str(folder / "hosts.json"), playbook or str(folder / "play.yml"), *options]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def written(folder: Path) -> Dict[str, Any]:
    marker = folder / "written.json"
    return json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else {}


MISSPELT_ZONE = ["app4: node_timezone: is not a time zone that the controller knows; did you mean Europe/Berlin"]
if "Europe/Berlin" not in available_timezones():
    MISSPELT_ZONE = []  # without a tz database on the controller, the host says it
BROKEN = {
    "a duplicate number, an overlap and a typo": (
        {"app1": {"fleet_host_number": 11, "fleet_domian": "x"}, **hosts(app2=11)},
        {"fleet_networks": {"a": {"ipv4": "192.0.2.0/24"}, "b": {"ipv4": "192.0.2.0/25"}}},
        ["app2: fleet_host_number:", "fleet: fleet_networks.b.ipv4:", "app1: fleet_domian:"],
    ),
    "an undefined name in a template, one that does not parse, a vaulted value, and a misspelt time zone": (
        {
            "app1": {"fleet_host_number": "{{ no_such_thing }}"},
            "app2": {"fleet_host_number": 12, "node_packages": ["{{ 1 + }}"]},
            "app3": {"fleet_host_number": 13, "node_timezone": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n3031\n"}},
            "app4": {"fleet_host_number": 14, "node_timezone": "Europe/Berln"},
        },
        {},
        [
            *MISSPELT_ZONE,
            "app1: fleet_host_number: cannot be rendered",
            "app2: node_packages: cannot be rendered",
            "app3: node_timezone: is protected by Ansible Vault",
        ],
    ),
    "a template of the whole fleet that breaks on one host": (
        {**hosts(app1=11), "app2": {"fleet_host_number": 12, "fleet_domain": "{{ no_such_thing }}"}},
        {},
        ["has 1 problem;", "app2: fleet_domain: cannot be rendered"],
    ),
    "a template of the networks that breaks": (
        hosts(app1=11),
        {"fleet_networks": "{{ no_such_thing }}"},
        ["has 1 problem;", "app1: fleet_networks: cannot be rendered"],
    ),
    "nothing at all": (
        {"app1": {}},
        {name: None for name in COMMON if name.startswith("fleet_")},
        ["fleet: fleet_name:"],
    ),
}
"""Each run of Ansible takes most of a second; what is refused together is tried together."""


@pytest.mark.parametrize("name", BROKEN)
def test_ansible_refuses_a_broken_inventory_without_a_traceback_and_changes_nothing(name: str, tmp_path: Path) -> None:
    members, common, expected = BROKEN[name]
    done = run(tmp_path, members, {**COMMON, **common})
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert "Traceback" not in output
    for place in expected:
        assert place in output
    assert "nothing was changed" in output
    assert written(tmp_path) == {}
    assert "changed=1" not in output


def test_every_host_gets_its_host_plan_and_a_limit_changes_none(tmp_path: Path) -> None:
    members = {**hosts(app1="{{ 10 + 1 }}", app2=12), "jump": {"fleet_host_member": False}}
    done = run(tmp_path, members, COMMON)
    assert done.returncode == 0, done.stdout + done.stderr
    everything = written(tmp_path)
    assert everything["app1"]["host"]["ipv4"] == "192.0.2.11"
    assert everything["jump"] == {
        "fleet": {"name": "demo", "domain": "demo.example.net"},
        "host": {},
        "capabilities": [],
    }
    (tmp_path / "written.json").unlink()
    limited = run(tmp_path, members, COMMON, "--limit", "app2")
    assert limited.returncode == 0, limited.stdout + limited.stderr
    assert written(tmp_path) == {"app2": everything["app2"]}


def test_a_check_run_plans_and_writes_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, hosts(app1=11), COMMON, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert written(tmp_path) == {}
    assert "changed=1" in done.stdout


def test_no_connection_is_made_to_plan(tmp_path: Path) -> None:
    unreachable = {**COMMON, "ansible_connection": "ssh", "ansible_host": "invalid.invalid", "ansible_timeout": 1}
    done = run(tmp_path, hosts(app1=11, app2=12), unreachable)
    assert "unreachable=1" in done.stdout
    assert done.stdout.count("TASK [Get this host's plan]") == 1
    assert "ok=2" in done.stdout


def test_the_plan_is_written_once_and_the_second_run_changes_nothing(tmp_path: Path) -> None:
    members = hosts(app1=11, app2=12)
    dry = run(tmp_path, members, COMMON, "--check", "--diff", playbook="smallfleet.infra.plan")
    assert "+# Fleet demo" in dry.stdout, dry.stdout + dry.stderr
    assert not (tmp_path / "plan").exists()
    first = run(tmp_path, members, COMMON, playbook="smallfleet.infra.plan")
    assert "changed=1" in first.stdout, first.stdout + first.stderr
    before = {path.name: path.read_bytes() for path in (tmp_path / "plan").iterdir()}
    assert sorted(before) == ["plan.json", "plan.md"]
    second = run(tmp_path, members, COMMON, "--diff", "--limit", "app2", playbook="smallfleet.infra.plan")
    assert "changed=0" in second.stdout
    assert "changed=1" not in second.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "plan").iterdir()} == before


def test_the_plan_goes_where_the_inventory_says(tmp_path: Path) -> None:
    done = run(tmp_path, hosts(app1=11), {**COMMON, "fleet_plan_dir": str(tmp_path / "else")}, playbook="smallfleet.infra.plan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "else" / "plan.md").exists()


def test_the_plan_never_goes_into_a_folder_that_is_an_inventory(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "hosts.yml").touch()
    assert plan_folder(None, [str(folder) + "/"]) == str(tmp_path / "lab-plan")
    assert plan_folder(None, ["app1,", str(folder / "hosts.yml")]) == str(folder / "plan")
    assert plan_folder("/srv/plan", [str(folder)]) == "/srv/plan"


def test_the_plan_is_made_once_in_a_run_whatever_the_play_registers_or_groups(tmp_path: Path) -> None:
    playbook = tmp_path / "twice.yml"
    playbook.write_text(
        PLAYBOOK
        + """
    - name: Make a group
      ansible.builtin.group_by:
        key: made_by_the_play

    - name: Set what would be a mistake in an inventory
      ansible.builtin.set_fact:
        fleet_nmae: typo

    - name: Take the host plan again
      smallfleet.infra.fleet_plan:
      register: again

    - name: Compare
      ansible.builtin.assert:
        that: again.host_plan == mine.host_plan
""",
        encoding="utf-8",
    )
    done = run(tmp_path, hosts(app1=11, app2=12), COMMON, playbook=str(playbook))
    assert done.returncode == 0, done.stdout + done.stderr


class FakeHostVariables:
    """hostvars that counts its reads; a value that is a function stands for a template."""

    def __init__(self, variables: Mapping[str, Mapping[str, Any]]) -> None:
        self.variables = variables
        self.raw_reads: List[str] = []
        self.rendered: List[str] = []

    def raw_get(self, host_name: str) -> Mapping[str, Any]:
        self.raw_reads.append(host_name)
        return self.variables[host_name]

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        outer = self

        class Rendering(Mapping[str, Any]):
            def __getitem__(self, name: str) -> Any:
                outer.rendered.append(name)
                value = outer.variables[key][name]
                if value == "{{ broken }}":
                    raise RuntimeError("'broken' is undefined")
                return value

            def __iter__(self) -> Iterator[str]:
                return iter(outer.variables[key])

            def __len__(self) -> int:
                return len(outer.variables[key])

        return Rendering()


def test_only_variables_of_the_fleet_are_read_and_each_host_once() -> None:
    hostvars = FakeHostVariables(
        {
            "a": {"fleet_name": "x", "ansible_facts": {}, "my_own": 1, "dns_api_token": 1, "dsn_zones": "{{ broken }}"},
            "b": {"node_timezone": "{{ broken }}"},
        }
    )
    values, problems = collect(hostvars, ["a", "b"])
    assert values == {"a": {"fleet_name": "x", "dsn_zones": ""}, "b": {}}
    assert hostvars.raw_reads == ["a", "b"]
    assert hostvars.rendered == ["node_timezone"]
    assert [(problem.host, problem.variable) for problem in problems] == [("b", "node_timezone")]
    assert "'broken' is undefined" in problems[0].message


def test_a_broken_template_of_a_host_outside_the_fleet_is_no_problem() -> None:
    hostvars = FakeHostVariables({"jump": {"fleet_host_member": "no", "node_timezone": "{{ broken }}"}})
    assert collect(hostvars, ["jump"]) == ({"jump": {"fleet_host_member": "no"}}, [])


def test_a_template_that_comes_back_as_it_was_is_a_problem_and_a_literal_one_is_not() -> None:
    class Unsafe(str):
        __UNSAFE__ = True

    hostvars = FakeHostVariables({"a": {"node_packages": ["x", "{{ gone }}"], "node_timezone": Unsafe("{{ literal }}")}})
    values, problems = collect(hostvars, ["a"])
    assert values == {"a": {"node_timezone": "{{ literal }}"}}
    assert [(problem.host, problem.variable) for problem in problems] == [("a", "node_packages")]


def test_the_plan_is_kept_for_its_owner_only_and_for_one_set_of_hosts(tmp_path: Path) -> None:
    store = PlanStore(str(tmp_path), ["a", "b"])
    with store.lock():
        assert store.read("fleet") is None
        store.write("fleet", {"name": "demo"})
    assert PlanStore(str(tmp_path), ["b", "a"]).read("fleet") == {"name": "demo"}
    assert PlanStore(str(tmp_path), ["a", "b", "c"]).read("fleet") is None
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
