# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the phases of the tests one after the other and ends with a table of them. Usage: tools/test.py [PHASE ...]

A phase named `molecule` stands for all scenarios. Every phase runs, also after one has failed. Those that only read the
source and the scenarios that measure nothing run two at a time, and say what they have to say when they are done; what
measures, or emulates machines, runs alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

ROOT = Path(__file__).resolve().parents[1]
CACHE = os.environ.get("SMALLFLEET_CACHE", "/var/cache/smallfleet")
ALONE = {"dns_power_cut", "network", "network_backends", "network_vm", "replace_macvtap", "standby", "standby_drills"}
"""Scenarios that measure, or need both processors for machines that are emulated."""
DRILLS = {"molecule:network_vm"}
"""What runs only when it is named: its emulated machine takes about a quarter of an hour for it."""
REASON = re.compile(r"^[\s│]*(E   |FAILED |ERROR[: ]|fatal: |\[ERROR\]|\S+: error: |Error: )")
"""A line that says why something failed: of pytest, Ansible, molecule or mypy."""
MOST, LONGEST = 30, 400
"""How many such lines, the last, are told once more at the end, and how much of each: a scenario provokes failures too."""


class Phase(NamedTuple):
    """What runs in a phase: a name, its commands, and the Python environment that comes first on PATH.

    ``alone``: whether it measures, or makes what others could meet.
    """

    name: str
    commands: Sequence[Sequence[str]]
    environment: str
    alone: bool = True


class Outcome(NamedTuple):
    """How a phase went, and all that was printed in it."""

    name: str
    passed: bool
    seconds: float
    said: Sequence[str] = ()


def environments() -> Dict[str, str]:
    """Purpose -> folder of its Python environment, installed when it is not there yet."""
    found: Dict[str, str] = {}
    for purpose in ("test", "oldest", "newest", "peers"):
        said = subprocess.run([ROOT / "tools/setup.sh", purpose], check=True, stdout=subprocess.PIPE, text=True).stdout
        found[purpose] = said.split()[-1]
    return found


def phases(envs: Dict[str, str]) -> List[Phase]:
    """All phases, the quick ones first. Where the newest ansible-core is the usual one, it is not tested twice."""
    usual = envs["test"]
    others = [purpose for purpose in ("oldest", "newest") if envs[purpose] != usual]
    checks = [["mypy", "plugins/module_utils"], ["ansible-lint", "--offline"], ["antsibull-changelog", "lint"]]
    found = [Phase("lint", checks, usual, alone=False)]
    for suffix, environment in [("", usual), *((f":{purpose}", envs[purpose]) for purpose in others)]:
        properties = ["-m", "not hypothesis"] if suffix else []  # they know no Ansible, and the Python is the same
        found.append(Phase(f"unit{suffix}", [["pytest", *properties, "tests/unit"]], environment, alone=False))
        found.append(Phase(f"sanity{suffix}", [["tools/sanity.sh", environment]], environment, alone=False))
    found.append(Phase("site", [["pytest", "--durations=5", "tests/site"]], usual, alone=False))
    found += [Phase(f"site:{purpose}", [["pytest", "-m", "not once", "tests/site"]], envs[purpose], alone=False) for purpose in others]
    found.append(Phase("perf", [["python", "tests/perf/fleet_plan.py"]], usual))
    found.append(Phase("perf:dns", [["python", "tests/perf/dns_updates.py"]], envs["peers"]))
    found.append(Phase("lab", [["pytest", "--durations=5", "tests/lab"]], usual))
    found.append(Phase("dns", [["pytest", "tests/dns_real"]], usual))
    for scenario in sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")):
        command = ["molecule", "test", "--scenario-name", scenario]
        found.append(Phase(f"molecule:{scenario}", [command], usual, alone=scenario in ALONE))
    return found


def run(phase: Phase) -> Outcome:
    """Run a phase's commands; the first that fails ends it."""
    start = time.monotonic()
    said: List[str] = []
    if phase.alone:
        print(f"\n===== {phase.name} =====", flush=True)
    servers = Path(CACHE, "dns-servers", "usr")
    env = {**os.environ, "PATH": f"{phase.environment}/bin:{os.environ['PATH']}:{servers}/sbin:{servers}/bin:/usr/sbin", "ANSIBLE_HOME": f"{CACHE}/ansible"}
    if not sys.stdout.isatty():
        env.update(NO_COLOR="1", ANSIBLE_NOCOLOR="1")
    if servers.exists():
        libraries = (str(path) for path in (servers / "lib").glob("*-linux-gnu*"))
        env["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, *filter(None, [env.get("LD_LIBRARY_PATH")])])
    env.update(PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8", SMALLFLEET_CACHE=CACHE)
    passed = True
    for command in phase.commands:
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as running:
            for line in running.stdout or ():
                said.append(line)
                if phase.alone:
                    print(line, end="", flush=True)
        passed = running.returncode == 0
        if not passed:
            break
    return Outcome(phase.name, passed, time.monotonic() - start, said)


def reasons(outcome: Outcome) -> Iterator[str]:
    """The lines that say why a phase failed, each once and none of them long; its last ones where none is known to say so."""
    found = list(dict.fromkeys(line.strip()[:LONGEST] for line in outcome.said if REASON.match(line)))
    yield from found[-MOST:] or [line.rstrip()[:LONGEST] for line in outcome.said[-10:]]


def run_all(chosen: Sequence[Phase]) -> Iterator[Outcome]:
    """Those that may run beside others first, two at a time; then the others one by one."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        for outcome in pool.map(run, [phase for phase in chosen if not phase.alone]):
            print(f"\n===== {outcome.name} =====\n{''.join(outcome.said)}", end="", flush=True)
            yield outcome
    yield from map(run, [phase for phase in chosen if phase.alone])


def named(name: str, wanted: Sequence[str]) -> bool:
    """Whether a phase is among those wanted. None means all but the drills."""
    return bool({name, name.split(":")[0]} & set(wanted)) if wanted else name not in DRILLS


def main(wanted: Sequence[str]) -> int:
    began = time.monotonic()
    try:
        envs = environments()
    except subprocess.CalledProcessError as error:
        print(f"setting up failed: {error}", file=sys.stderr)
        return 1
    rows = [Outcome("setup", True, time.monotonic() - began)]
    chosen = [phase for phase in phases(envs) if named(phase.name, wanted)]
    if not chosen:
        print(f"no such phase: {', '.join(wanted)}. There are: {', '.join(phase.name for phase in phases(envs))}", file=sys.stderr)
        return 2
    rows += run_all(chosen)
    failed = sum(not row.passed for row in rows)
    for row in (row for row in rows if not row.passed):
        print(f"\n===== why {row.name} failed =====", *reasons(row), sep="\n")
    print(f"\n{'phase':<24}{'result':<10}{'seconds':>8}")
    for name, passed, seconds, _said in [*rows, Outcome("all", not failed, time.monotonic() - began)]:
        print(f"{name:<24}{'passed' if passed else 'FAILED':<10}{seconds:>8.0f}")
    print(f"\n{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
