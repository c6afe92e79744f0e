# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which drills come first after a change, in a small repository of git's own and in this one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import AbstractSet, Dict, List, Mapping

import pytest
from testing import history
from testing.choose import UNMEASURED, Drill, next_drill, ranked
from testing.history import Change
from testing.inputs import Tree, inputs
from testing.phases import Lane, Phase, named, phases

ROOT = Path(__file__).resolve().parents[2]
UTILS = "plugins/module_utils"
FILES = {
    "requirements/lock.txt": "",
    ".config/molecule/config.yml": "",
    f"{UTILS}/_fleet/variables.py": "PREFIXES = ('fleet_', 'dns_', 'network_', 'lab_')\n",
    f"{UTILS}/_fleet/planning.py": (
        "from .._dns import capability as dns\nfrom .._lab import capability as lab\nfrom .._network import capability\nfrom . import variables\n"
    ),
    f"{UTILS}/_dns/capability.py": "from .zones import read\nNAMES = ['dns_zones', 'dns_keys']\n",
    f"{UTILS}/_dns/zones.py": "def read(): ...\n",
    f"{UTILS}/_dns/plan.py": "def plan(): ...\n",
    f"{UTILS}/_network/capability.py": "NAMES = ['network_interfaces', 'dns_zones']\n",
    f"{UTILS}/_network/backends/ifupdown.py": "",
    f"{UTILS}/_lab/capability.py": "NAMES = ['lab_packages']\n",
    f"{UTILS}/_dns/wire_client.py": "from .plan import plan\n",
    f"{UTILS}/_network/network_host.py": "from .backends import ifupdown\n",
    f"{UTILS}/_lab/lab_host.py": "from . import capability\n",
    "plugins/modules/fleet_plan.py": "DOCUMENTATION = 'See smallfleet.infra.host_network.'\n",
    "plugins/action/fleet_plan.py": "from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet\n",
    "plugins/modules/dns_record.py": "from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import plan\n",
    "plugins/modules/host_network.py": "from ansible_collections.smallfleet.infra.plugins.module_utils._network import network_host\n",
    "plugins/modules/lab.py": "from ansible_collections.smallfleet.infra.plugins.module_utils._lab import lab_host\n",
    "roles/dns_server/tasks/main.yml": "- smallfleet.infra.fleet_plan:\n- smallfleet.infra.dns_record:\n",
    "roles/network/tasks/main.yml": "- smallfleet.infra.fleet_plan:\n- smallfleet.infra.host_network:\n",
    "roles/network/README.md": "",
    "roles/lab/tasks/main.yml": "- smallfleet.infra.fleet_plan:\n- smallfleet.infra.lab:\n",
    "playbooks/lab_up.yml": "- roles: [smallfleet.infra.lab]\n",
    "molecule/create.yml": "- import_playbook: smallfleet.infra.lab_up\n",
    "molecule/destroy.yml": "- import_playbook: smallfleet.infra.lab_up\n",
    "molecule/support/moving.py": "",
    "molecule/support/guest/tasks.yml": "- command: sh\n",
    "molecule/support/guest/init": "",
    "molecule/network_backends/prepare.yml": "- import_tasks: ../support/guest/tasks.yml\n",
    "tests/lab/test_lab.py": "from ansible_collections.smallfleet.infra.plugins.module_utils._lab import lab_host\n",
}
SCENARIOS = {
    "dns_server": ("dns_zones: {}", "dns_server", "def test_it(): ...\n@pytest.mark.drill\ndef test_kill(): ...\n"),
    "dns_move": ("dns_zones: {}", "dns_server", ""),
    "network": ("network_interfaces: []", "network", "from moving import Mover\n"),
    "network_backends": ("network_interfaces: []", "network", "from moving import Mover\npytestmark = pytest.mark.alone\n"),
    "lab": ("fleet_name: lab", "lab", ""),
}
WHOLE = {"mutants", "unit:oldest", "properties", "sanity:oldest", "sanity:whole", "site:oldest", "perf", "perf:dns", "dns"}


class Repository:
    """A checkout with some subjects, scenarios and drills, all of one commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q")
        for path, text in FILES.items():
            self.write(path, text)
        for name, (variables, role, test) in SCENARIOS.items():
            self.write(f"molecule/{name}/molecule.yml", "{}\n")
            self.write(f"molecule/{name}/inventory/all.yml", f"{variables}\nlab_packages: []\n")
            self.write(f"molecule/{name}/converge.yml", f"- roles: [smallfleet.infra.{role}]\n")
            self.write(f"molecule/{name}/tests/test_{name}.py", test)
        self.commit("All")

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.net", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def touch(self, path: str) -> None:
        self.write(path, (self.root / path).read_text(encoding="utf-8") + "# touched\n")

    def commit(self, subject: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    def drills(self) -> List[Drill]:
        chosen = [phase for phase in phases(history.tree(self.root), ["oldest"]) if not phase.core]
        return ranked(chosen, self.inputs(), history.changes(self.root))

    def inputs(self) -> Dict[str, AbstractSet[str]]:
        tree = history.tree(self.root)
        return {phase.name: inputs(tree, phase.roots) for phase in phases(tree, ["oldest"]) if not phase.core}

    def digests(self) -> Mapping[str, str]:
        return history.digests(self.root, self.inputs())

    def first(self) -> List[str]:
        """The drills that the newest change touches, without those that read or run all of the collection."""
        found = self.drills()
        return [drill.phase.name for drill in found if drill.change == found[0].change and drill.phase.name not in WHOLE]


@pytest.fixture(name="repository")
def fixture_repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.mark.parametrize(
    ("path", "first"),
    [
        (f"{UTILS}/_dns/plan.py", ["molecule:dns_move", "drills:dns_server"]),
        (f"{UTILS}/_dns/zones.py", ["molecule:dns_move", "drills:dns_server"]),
        (f"{UTILS}/_network/backends/ifupdown.py", ["molecule:network_backends"]),
        ("molecule/support/moving.py", ["molecule:network_backends"]),
        ("molecule/support/guest/init", ["molecule:network_backends"]),
        ("molecule/dns_move/inventory/all.yml", ["molecule:dns_move"]),
        (f"{UTILS}/_lab/lab_host.py", ["lab", "molecule:network_backends", "molecule:dns_move", "drills:dns_server"]),
        ("requirements/lock.txt", ["lab", "molecule:network_backends", "molecule:dns_move", "drills:dns_server"]),
    ],
)
def test_the_drills_that_could_break_by_a_change_come_first(repository: Repository, path: str, first: List[str]) -> None:
    repository.touch(path)
    repository.commit("One line")
    assert sorted(repository.first()) == sorted(first)


def test_a_change_that_is_not_committed_counts_as_the_newest(repository: Repository) -> None:
    repository.touch(f"{UTILS}/_dns/plan.py")
    repository.commit("One line")
    repository.touch(f"{UTILS}/_network/backends/ifupdown.py")
    assert repository.first() == ["molecule:network_backends"]
    assert repository.drills()[0].change.subject == "not committed yet"


def test_the_page_about_a_role_is_an_input_only_of_what_reads_everything(repository: Repository) -> None:
    repository.touch("roles/network/README.md")
    repository.commit("One word")
    assert repository.first() == []


def test_the_order_is_the_same_for_the_same_commit(repository: Repository) -> None:
    repository.touch(f"{UTILS}/_lab/lab_host.py")
    repository.commit("One line")
    assert repository.drills() == repository.drills()


def test_the_state_names_the_commit_and_what_is_not_committed(repository: Repository) -> None:
    clean = history.state(repository.root)
    repository.touch("playbooks/lab_up.yml")
    touched = history.state(repository.root)
    repository.touch("playbooks/lab_up.yml")
    assert len({clean, touched, history.state(repository.root)}) == 3
    repository.git("checkout", "-q", ".")
    assert history.state(repository.root) == clean


def test_a_digest_changes_with_an_input_of_its_phase_and_with_nothing_else(repository: Repository) -> None:
    before = repository.digests()
    repository.touch(f"{UTILS}/_lab/lab_host.py")
    after = repository.digests()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name, paths in repository.inputs().items() if f"{UTILS}/_lab/lab_host.py" in paths} != set(before)
    repository.git("checkout", "-q", ".")
    assert repository.digests() == before


def test_a_scenario_named_as_a_role_is_of_the_core_and_its_drills_are_not(repository: Repository) -> None:
    found = {phase.name: phase for phase in phases(history.tree(repository.root), [])}
    assert [name for name, phase in found.items() if phase.core and name.startswith("molecule:")] == [
        "molecule:dns_server",
        "molecule:lab",
        "molecule:network",
    ]
    assert (found["molecule:dns_server"].marks, found["drills:dns_server"].marks) == ("not drill", "drill")
    assert found["molecule:network"].marks == "" and "drills:network" not in found
    assert (found["molecule:network_backends"].lane, found["molecule:dns_move"].lane) == (Lane.ALONE, Lane.LAB)


def test_each_target_of_the_fuzzer_is_a_drill_and_all_of_them_together_a_phase_of_the_core() -> None:
    sources = {
        "tests/fuzz/run.py": "import json\n",
        "tests/fuzz/one.py": 'TARGETS: Dict[str, Target] = {"a": Target(read, (), ()), "b": Target(read, (), ())}\n',
    }
    fuzzing = [phase for phase in phases(Tree(sources, sources.__getitem__), []) if phase.name.startswith("fuzz")]
    assert [(phase.name, phase.core, phase.lane) for phase in fuzzing] == [
        ("fuzz", True, Lane.SOURCE),
        ("fuzz:a", False, Lane.SOURCE),
        ("fuzz:b", False, Lane.SOURCE),
    ]
    assert [phase.commands[0][-2:] for phase in fuzzing] == [("--seconds", "30"), ("300", "a"), ("300", "b")]
    assert {phase.seed for phase in fuzzing} == {"--seed=1"}
    assert fuzzing[1].roots == ("tests/fuzz/one.py", "tests/fuzz/run.py", "requirements/lock.txt")


def test_of_drills_with_the_same_change_those_in_a_lab_come_first_and_those_that_read_everything_last(repository: Repository) -> None:
    repository.write("tests/fuzz/run.py", "import one\n")
    repository.write("tests/fuzz/one.py", 'TARGETS: Dict[str, Target] = {"a": Target(read, (), ())}\n')
    repository.write("molecule/support/moving.py", "# more\n")
    repository.commit("All of them")
    newest = [drill.phase.name for drill in repository.drills() if drill.change.subject == "All of them"]
    assert newest.index("molecule:network_backends") < newest.index("fuzz:a") < newest.index("unit:oldest")
    repository.write("tests/fuzz/one.py", 'TARGETS: Dict[str, Target] = {"a": Target(read, (), ("x",))}\n')
    repository.commit("The target alone")
    assert repository.drills()[0].phase.name == "fuzz:a"


def test_here_a_target_of_the_fuzzer_depends_on_the_reader_that_it_is_about(found: Dict[str, frozenset]) -> None:
    assert f"{UTILS}/_network/backends/netplan.py" in found["fuzz:netplan"] & found["fuzz"]
    assert f"{UTILS}/_libvirt/domain.py" in found["fuzz:guest_definition"] - found["fuzz:netplan"]


def test_names_choose_a_phase_a_kind_or_a_scenario(repository: Repository) -> None:
    found = phases(history.tree(repository.root), ["oldest"])

    def names(*words: str) -> List[str]:
        return [phase.name for phase in named(found, words)]

    assert names("unit") == ["unit", "unit:oldest"]
    assert names("dns_server") == ["molecule:dns_server", "drills:dns_server"]
    assert names("molecule") == ["molecule:dns_server", "molecule:lab", "molecule:network"]
    with pytest.raises(ValueError, match="no such phase: dns_sever. There are: site, "):
        names("unit", "dns_sever")


def drill(name: str, lane: Lane = Lane.LAB) -> Drill:
    return Drill(Phase(name, (), (), lane), Change(0, "", ""))


@pytest.mark.parametrize(
    ("lane", "left", "name"),
    [
        (Lane.LAB, 1000, "second"),  # 300 s are kept for the first
        (Lane.LAB, 390, "third"),
        (Lane.LAB, 330, None),
        (Lane.LAB, 250, "second"),  # the first no longer fits, so nothing is kept for it
        (Lane.LAB, 10, None),
        (Lane.SOURCE, 300 + UNMEASURED, "fourth"),
        (Lane.ALONE, 300, "first"),
    ],
)
def test_a_drill_starts_when_it_fits_and_leaves_time_for_those_before_it_that_run_alone(lane: Lane, left: float, name: str) -> None:
    waiting = [drill("first", Lane.ALONE), drill("second"), drill("third"), drill("fourth", Lane.SOURCE)]
    index = next_drill(waiting, lane, left, {"first": 300.0, "second": 100.0, "third": 50.0})
    assert (waiting[index].phase.name if index >= 0 else None) == name


@pytest.fixture(name="found", scope="module")
def fixture_found(here: Tree) -> Dict[str, frozenset]:
    """The inputs of all phases of this repository."""
    return {phase.name: inputs(here, phase.roots) for phase in phases(here, ["oldest"])}


def test_here_every_module_playbook_and_role_is_an_input_of_a_phase_that_runs_it(found: Dict[str, frozenset], here: Tree) -> None:
    run = frozenset().union(*(paths for name, paths in found.items() if not name.startswith(("unit", "properties", "sanity", "lint", "mutants"))))
    code = {path for path in here.paths if path.startswith(("plugins/", "playbooks/", "roles/")) and path.endswith((".py", ".yml"))}
    other = {path for path in code if "/doc_fragments/" in path or path.endswith("/__init__.py")}
    # The model of a playbook: unit tests hold the two to the same order.
    assert code - other - run == {f"{UTILS}/_failover/switch_over.py"}


def test_here_a_backend_of_the_network_says_nothing_about_dns(found: Dict[str, frozenset]) -> None:
    backend = f"{UTILS}/_network/backends/ifupdown.py"
    assert backend in found["molecule:network_backends"] & found["molecule:network"] & found["molecule:replace_macvtap"]
    assert not [name for name in found if name.startswith(("molecule:dns", "drills:dns")) and backend in found[name]]
    assert f"{UTILS}/_dns/zones/variables.py" not in found["molecule:network_backends"]


def test_here_the_removal_of_guards_is_chosen_when_a_file_with_one_of_them_changes(found: Dict[str, frozenset]) -> None:
    assert {f"{UTILS}/_dns/update/plan.py", f"{UTILS}/_libvirt/moves/replacement.py", "playbooks/switch_over.yml"} <= found["mutants"]
    assert f"{UTILS}/_node/plan.py" not in found["mutants"]


def test_the_scenario_of_rented_machines_depends_on_their_inventory_and_on_the_plugin_that_it_names() -> None:
    tree = history.tree(ROOT)
    (rented,) = [phase for phase in phases(tree, []) if phase.name == "molecule:rented"]
    files = ("group_vars/all.yml", "hosts.yml", "smallfleet.yml")
    assert inputs(tree, rented.roots) >= {"plugins/inventory/fleet.py", *(f"inventories/rented/{name}" for name in files)}
