# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How planning grows with the fleet: the pure planner, and the action plugin inside ansible-playbook.

Run it as ``python tests/perf/fleet_plan.py``; it prints two tables and exits with 1 when a promise is broken:
300 hosts plan in less than 2 s of CPU, the inventory is read once per host and run, and twice the hosts cost about
twice the time. What is asserted of times are ratios within one run and the one budget that the project promises.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import collect
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet

SIZES = (25, 50, 100, 200, 300)
BUDGET = 2.0  # s of CPU for 300 hosts
# From 50 to 300 hosts is a factor of 6; a quadratic planner would take 36 times as long.
STEEPEST = 12.0
PLAYBOOK = """
- name: Plan
  hosts: all
  gather_facts: false
  tasks:
    - name: Plan the fleet
      smallfleet.infra.fleet_plan:
      run_once: {once}
"""


class Row(NamedTuple):
    """One size of fleet: seconds of CPU, how often a host's variables were read, and the problems found."""

    hosts: int
    seconds: float
    reads: int
    problems: int


def inventory(size: int) -> Tuple[Dict[str, Any], Dict[str, Dict[str, Any]]]:
    """What holds for all, and the hosts: two networks, a zone, a service and a probe; one name and all numbers vary."""
    common = {
        "fleet_name": "perf",
        "fleet_domain": "perf.example.net",
        "fleet_networks": {
            "main": {"ipv4": "198.18.0.0/22", "ipv6": "2001:db8:0:1::/64"},
            "storage": {"ipv4": "198.18.4.0/22", "mtu": 9000},
        },
        "fleet_purposes": {"management": "main"},
        "dns_zones": {"perf.example.net": {"primary": "h1"}},
        "standby_services": {
            "web": {
                "active": "h2",
                "standby": "h3",
                "unit": "web.service",
                "record": "www",
                "ttl": 5,
                "check": {"port": 80},
            }
        },
        "probe_targets": {"web": {"from": "h4", "url": "http://www.perf.example.net/"}},
        "node_packages": ["chrony", "{{ 'nftables' }}"],
        "node_sysctl": {"net.ipv4.ip_forward": 1},
    }
    return common, {f"h{number}": {"fleet_host_number": number} for number in range(1, size + 1)}


class CountingHostVariables:
    """Stands in for hostvars, without templates to render."""

    def __init__(self, variables: Mapping[str, Mapping[str, Any]]) -> None:
        self._variables = variables
        self.reads = 0

    def raw_get(self, host_name: str) -> Mapping[str, Any]:
        self.reads += 1
        return self._variables[host_name]

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        return self._variables[key]


def measure_planner(size: int) -> Row:
    """The best of three, since another process may have had the caches."""
    common, hosts = inventory(size)
    common["node_packages"] = ["chrony"]
    best = float("inf")
    for _attempt in range(3):
        hostvars = CountingHostVariables({name: {**common, **own} for name, own in hosts.items()})
        start = time.process_time()
        values, unrendered = collect(hostvars, sorted(hosts))
        plan = plan_fleet(values, {"all": sorted(hosts)})
        best = min(best, time.process_time() - start)
    assert len(plan.hosts) == size, plan.problems[:3]
    return Row(size, best, hostvars.reads, len(plan.problems) + len(unrendered))


def run_ansible(size: int, task: str) -> float:
    """Seconds of CPU of one ansible-playbook run and its children, with ``task`` on the play of all hosts."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    program = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if program is None:
        raise SystemExit("ansible-playbook is not installed")
    common, hosts = inventory(size)
    with tempfile.TemporaryDirectory() as folder:
        written = {"all": {"vars": common, "hosts": hosts}}
        Path(folder, "hosts.json").write_text(json.dumps(written), encoding="utf-8")
        Path(folder, "play.yml").write_text(task, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment.update(ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), ANSIBLE_HOME=folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        argv = [program, "-i", f"{folder}/hosts.json", f"{folder}/play.yml"]
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_action(size: int) -> Tuple[float, float]:
    """Seconds of CPU of a run that plans once, and of the same run whose one task does nothing."""
    task = PLAYBOOK.format(once="true")
    idle = task.replace("smallfleet.infra.fleet_plan:", "ansible.builtin.meta: noop").replace("      run_once: true\n", "")
    return run_ansible(size, task), run_ansible(size, idle)


def check(rows: List[Row], actions: List[Tuple[int, float, float]]) -> List[str]:
    """The promises that the measurements break."""
    broken = []
    by_size = {row.hosts: row for row in rows}
    for row in rows:
        if row.reads != row.hosts:
            broken.append(f"{row.hosts} hosts were read {row.reads} times")
        if row.problems:
            broken.append(f"{row.hosts} hosts gave {row.problems} problems")
    if by_size[300].seconds >= BUDGET:
        broken.append(f"the planner took {by_size[300].seconds:.2f} s for 300 hosts, more than {BUDGET} s")
    growth = by_size[300].seconds / by_size[50].seconds
    if growth > STEEPEST:
        broken.append(f"from 50 to 300 hosts the planner's time grew {growth:.1f} times, more than {STEEPEST} times")
    for size, planned, idle in actions:
        if size == 300 and planned - idle >= BUDGET:
            broken.append(f"the action took {planned - idle:.2f} s for 300 hosts, more than {BUDGET} s")
    return broken


def main() -> int:
    rows = [measure_planner(size) for size in SIZES]
    print("The planner alone")
    print(f"{'hosts':>6} {'CPU s':>8} {'ms/host':>8} {'reads':>6}")
    for row in rows:
        print(f"{row.hosts:>6} {row.seconds:>8.3f} {1000 * row.seconds / row.hosts:>8.2f} {row.reads:>6}")
    print("\nThe action in ansible-playbook, once per run")
    print(f"{'hosts':>6} {'run s':>8} {'idle s':>8} {'plan s':>8}")
    actions = []
    for size in SIZES:
        planned, idle = measure_action(size)
        actions.append((size, planned, idle))
        print(f"{size:>6} {planned:>8.2f} {idle:>8.2f} {planned - idle:>8.2f}")
    broken = check(rows, actions)
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
