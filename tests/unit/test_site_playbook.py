# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plays of playbooks/site.yml through the real ansible-playbook, each with one harmless task in the place of its roles."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import PlanStore
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.plan_host import ORDERED, batches_of

ROOT = Path(__file__).resolve().parents[2]
BESIDE = Path(sys.executable).with_name("ansible-playbook")
ANSIBLE_PLAYBOOK = str(BESIDE) if BESIDE.exists() else shutil.which("ansible-playbook")
FLEET: Dict[str, Any] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "192.0.2.0/24"}},
    "dns_zones": {"demo.example.net": {"primary": "ns2", "secondaries": ["ns1"]}},
}
HOSTS = {name: {"fleet_host_number": number} for number, name in enumerate(("app1", "ns1", "ns2"), start=1)}
PLAYS: List[Dict[str, Any]] = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
NETWORK, KEYS, SERVERS = "Change the networks of hosts", "Provision the keys of the DNS servers", "Provision the DNS servers"
NODES, OTHERS = "Provision every node", "Provision the keys of the other hosts"


def playbook(moving: List[str]) -> List[Dict[str, Any]]:
    """The site playbook with tasks that fail where ``broken`` says so instead of roles."""
    plays = []
    for play in PLAYS:
        if "hosts" not in play:
            continue
        kept = {key: value for key, value in play.items() if key not in ("roles", "post_tasks")}
        if "roles" in play:
            kept["tasks"] = [{"name": "Act", "ansible.builtin.fail": {"msg": "broken"}, "when": f"[{play['name']!r}, inventory_hostname] in broken"}]
        if "post_tasks" in play:
            kept["post_tasks"] = [{"name": "Preview", "ansible.builtin.set_fact": {"__dns_server_preview": {"state": {"moving": moving}}}}]
        plays.append(kept)
    return plays


def run(folder: Path, *options: str, broken: Tuple[Tuple[str, str], ...] = (), moving: Tuple[str, ...] = ()) -> Tuple[List[Tuple[str, List[str]]], str]:
    """Each run of a play, batch by batch, with the hosts on which it acted or failed; and the output."""
    if ANSIBLE_PLAYBOOK is None:
        pytest.skip("ansible-playbook is not installed")
    hosts = {"all": {"vars": {**FLEET, "broken": broken}, "hosts": HOSTS}}
    (folder / "hosts.json").write_text(json.dumps(hosts), encoding="utf-8")
    (folder / "site.yml").write_text(yaml.safe_dump(playbook(list(moving)), sort_keys=False), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), ANSIBLE_HOME=str(folder / "home"), ANSIBLE_NOCOLOR="1")
    argv = [ANSIBLE_PLAYBOOK, "-i", str(folder / "hosts.json"), str(folder / "site.yml"), *options]
    done = subprocess.run(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    text = done.stdout + done.stderr
    assert (done.returncode != 0) == bool(broken), text
    return acted(done.stdout), text


def acted(text: str) -> List[Tuple[str, List[str]]]:
    found = []
    for part in re.split(r"(?m)^PLAY \[", text)[1:]:
        tasks = part.split("TASK [Act]")[1:]
        hosts = [host for task in tasks for host in re.findall(r"(?m)^(?:ok|skipping|fatal): \[(\w+)\]", task.split("TASK [")[0])]
        found.append((part.split("]")[0], sorted(hosts)))
    return [(play, hosts) for play, hosts in found if hosts]


def test_name_servers_of_a_zone_are_changed_one_after_the_other_and_nothing_warns(tmp_path: Path) -> None:
    plays, text = run(tmp_path)
    assert plays == [
        (NODES, ["app1", "ns1", "ns2"]),
        (KEYS, ["ns1", "ns2"]),
        (SERVERS, ["ns2"]),
        (SERVERS, ["ns1"]),
        (OTHERS, ["app1"]),
    ]
    assert not re.search("warning|deprecat|error", text, re.IGNORECASE), text


def test_when_the_first_name_server_fails_the_second_is_left_alone_and_the_run_ends(tmp_path: Path) -> None:
    plays, _text = run(tmp_path, broken=((SERVERS, "ns2"),))
    assert plays[-1] == (SERVERS, ["ns2"])


def test_a_name_server_is_left_alone_when_another_one_has_failed_in_an_earlier_play(tmp_path: Path) -> None:
    plays, text = run(tmp_path, broken=((NODES, "ns2"),))
    assert SERVERS not in [play for play, _hosts in plays]
    assert "ns1 is not changed, since ns2 failed or could not be reached in this run" in " ".join(text.split())
    assert "--limit 'all:!ns2'" in text


def test_a_server_that_a_limit_leaves_out_holds_nobody_up_and_tags_choose_the_plays(tmp_path: Path) -> None:
    plays, text = run(tmp_path, "--limit", "all:!ns2", "--tags", "dns_server")
    assert plays == [(KEYS, ["ns1"]), (SERVERS, ["ns1"])], text


def test_servers_between_which_a_zone_moves_are_changed_at_once(tmp_path: Path) -> None:
    plays, _text = run(tmp_path, "--tags", "dns_server", moving=("demo.example.net",))
    assert plays == [(KEYS, ["ns1", "ns2"]), (SERVERS, ["ns1", "ns2"])]


def test_every_play_has_the_tags_of_its_capabilities() -> None:
    for name in ("site", "verify"):
        for play in yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8")):
            if "hosts" in play:
                named = set(re.findall(r"'(\w+)'", play["hosts"])) - {"dns_other_keys"}
                assert named <= set(play["tags"]) and (play["hosts"] != "all" or play["tags"] == ["always"]), play["name"]


def test_a_play_with_roles_ends_by_the_share_of_hosts_that_failed() -> None:
    """With any_errors_fatal, Ansible also ends it for a host that cannot be reached where a task allows that, as the role standby does."""
    roles = [play for play in PLAYS if "roles" in play]
    assert roles and not any("any_errors_fatal" in play for play in roles)
    fatal = {play["hosts"].split("'")[-2] for play in roles if play.get("max_fail_percentage") == 0}
    assert fatal == {"network", "vm_host", "dns_server", "standby"}


def test_a_capability_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    store = PlanStore(str(tmp_path), ["app1"])
    with pytest.raises(ValueError, match="'dns_servers' is not a capability. Use one of lab, node, .*dns_server"):
        batches_of(store, {}, ["node", "dns_servers"])
    assert batches_of(store, {}, ["node"]) == []


def test_the_capabilities_that_a_guard_knows_are_documented() -> None:
    text = (ROOT / "plugins" / "modules" / "fleet_plan.py").read_text(encoding="utf-8")
    assert yaml.safe_load(text.split('r"""')[1].split('"""')[0])["options"]["guard"]["choices"] == list(ORDERED)
