# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removes one guard of each subject, in a clone, and runs what `make test` would choose for that change until something fails.

The unit tests come first, those nearest to the guard before the others, then the phases in labs whose inputs have changed. Fails when
a guard can be removed and nothing does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import List, NamedTuple, Sequence

from testing import history, report
from testing.choose import ranked
from testing.execute import Environments, Executor
from testing.inputs import Tree, inputs
from testing.phases import Lane, Phase, phases

ROOT = Path(__file__).resolve().parents[1]
CACHE = os.environ.get("SMALLFLEET_CACHE", "/var/cache/smallfleet")
FIRST = ("pytest", "-x", "--hypothesis-profile=first")
WHO = ["-c", "user.name=mutants", "-c", "user.email=mutants@example.net", "-c", "commit.gpgsign=false"]


class Mutant(NamedTuple):
    """A guard, where it stands, and what stands there when it is gone."""

    guard: str
    path: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "Probe: its resolver is its own and no file of the host's",
        "plugins/module_utils/_failover/caching_resolver.py",
        'RESOLV_CONF = "/etc/smallfleet/probe/resolv.conf"',
        'RESOLV_CONF = "/etc/resolv.conf"',
    ),
    Mutant(
        "Guests: an image that names other files is refused",
        "plugins/module_utils/_libvirt/image.py",
        "    if backing or length:\n",
        "    if False:\n",
    ),
    Mutant(
        "Network: a change whose record cannot be read is still under way while its timer waits",
        "plugins/module_utils/_network/rollback/rollback_host.py",
        "        return self._of_this_boot(name, True) and self._armed()\n",
        "        return self._of_this_boot(name) and self._armed()\n",
    ),
    Mutant(
        "DNS: an update carries its prerequisites",
        "plugins/module_utils/_dns/update/plan.py",
        "if unused else tuple(_prerequisites(name, done))",
        "if unused else ()",
    ),
    Mutant(
        "DNS: plain text that a zone holds in other strings is not added again",
        "plugins/module_utils/_dns/update/plan.py",
        "        want = fitted(want, found) if want is not None else None\n",
        "",
    ),
    Mutant(
        "DNS: a result names only steps that happened",
        "plugins/module_utils/_dns/update/apply_client.py",
        "    return [step for step in done if found.get(step.key) != step.before]\n",
        "    return list(done)\n",
    ),
    Mutant(
        "DNS: a name that old and new rules encode differently is not guessed",
        "plugins/module_utils/_dns/names.py",
        "    if deviating:\n",
        "    if not text:\n",
    ),
    Mutant(
        "DNS: an escaped dot does not put a name into a zone",
        "plugins/module_utils/_dns/names.py",
        " and not _escapes(name[: -len(above) - 1])",
        "",
    ),
    Mutant(
        "DNS: a key may change only what it was granted",
        "plugins/module_utils/_dns/servers/bind.py",
        'yield f\'grant "{name}" {grant.match} "{configuration_word(grant.name)}" {" ".join(grant.types)};\'',
        "yield f'grant \"{name}\" zonesub ANY;'",
    ),
    Mutant(
        "DNS: keys that would need another DS at the parent are refused",
        "plugins/module_utils/_dns/servers/plan.py",
        '        if reason:\n            remedy = "Write in dns_zones',
        '        if not zone:\n            remedy = "Write in dns_zones',
    ),
    Mutant(
        "DNS: an external secondary with a key transfers with it only",
        "plugins/module_utils/_dns/servers/bind.py",
        '            yield from keys or (f"{address};" for address in one.transfer)\n',
        '            yield from (f"{address};" for address in one.transfer)\n',
    ),
    Mutant(
        "network: the timer that rolls a change back is started before the change",
        "plugins/module_utils/_network/rollback/rollback_host.py",
        "                self._arm(name, timeout)\n",
        "",
    ),
    Mutant(
        "macvtap: what is in the way is found before a guest is moved",
        "plugins/module_utils/_libvirt/moves/replacement.py",
        "    problems = [*_host(scene, bridge_of, moves), *_wishes(scene, wishes, moves)]\n",
        "    problems: List[str] = []\n",
    ),
    Mutant(
        "standby: unknown is never taken for stopped",
        "plugins/module_utils/_failover/standby.py",
        "    if other_runs is Running.UNKNOWN:\n",
        "    if other_runs is None:\n",
    ),
    Mutant(
        "standby: a move is refused while a side is unknown",
        "playbooks/switch_over.yml",
        "          - __switch_old_seen.state.running | default('unknown') != 'unknown'\n"
        "          - __switch_new_seen.state.running | default('unknown') != 'unknown'\n",
        "",
    ),
)


def make(mutant: Mutant, folder: Path) -> None:
    """A clone of the checkout's newest commit in ``folder``, with the guard gone as one more commit."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    path = folder / mutant.path
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.path}: the guard '{mutant.guard}' is not there as tools/mutants.py knows it. Write down how it looks now.")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    subprocess.run(["git", *WHO, "commit", "-q", "-a", "-m", "A guard is gone"], cwd=folder, check=True)


def chosen(folder: Path, path: str) -> List[Phase]:
    """What runs for that change: the unit tests, the core's phases that it is an input of, and the drills that come first for it.

    Of the unit tests those run first that depend on the file, and of these the ones with the fewest inputs, since they say most about it.
    """
    tree = history.tree(folder)
    known = phases(tree, [])
    inputs_of = {phase.name: inputs(tree, phase.roots) for phase in known}
    order = ranked([phase for phase in known if path in inputs_of[phase.name]], inputs_of, history.changes(folder))
    labs = [drill.phase for drill in order if drill.phase.lane is not Lane.SOURCE and drill.phase.name != "mutants"]
    unit = next(phase for phase in known if phase.name == "unit")
    ((_pytest, *folders),) = unit.commands
    first = replace(unit, name="near unit tests", commands=((*FIRST, *near(tree, folders, path)),))
    return [first, replace(unit, commands=((*FIRST, *folders),)), *labs]


def near(tree: Tree, folders: Sequence[str], path: str) -> List[str]:
    """The files of tests in the folders that depend on ``path``, those with the fewest inputs first."""
    tests = [test for folder in folders for test in tree.below(folder) if fnmatch(test, "*/test_*.py")]
    found = {test: inputs(tree, (test,)) for test in tests}
    return sorted((test for test in tests if path in found[test]), key=lambda test: (len(found[test]), test))


def catch(mutant: Mutant, environment: Environments, stopped: threading.Event) -> bool:
    """Run phases until one fails; print which, and why."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        folder = Path(place, "clone")
        make(mutant, folder)
        executor = Executor(folder, Path(place, "report"), CACHE, environment)
        executor.stopped = stopped
        runs = chosen(folder, mutant.path)
        print(f"{mutant.guard}\n  first: {', '.join(phase.name for phase in runs[:6])}", flush=True)
        for phase in runs:
            outcome = executor.run(phase)
            if outcome.interrupted:
                return False
            if not outcome.passed:
                reason = next(report.reasons(outcome.text), "")
                print(f"  caught by {phase.name} after {outcome.seconds:.0f} s: {reason}", flush=True)
                return True
            print(f"  not noticed by {phase.name} in {outcome.seconds:.0f} s", flush=True)
    return False


def main() -> int:
    environment, stopped = Environments(ROOT), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    caught = [not stopped.is_set() and catch(mutant, environment, stopped) for mutant in MUTANTS]
    print(f"\n{sum(caught)} of {len(caught)} guards could not be removed unnoticed")
    return 0 if all(caught) else 1


if __name__ == "__main__":
    sys.exit(main())
