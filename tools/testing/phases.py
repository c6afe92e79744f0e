# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The phases of the tests: a fixed core, and drills."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from typing import Iterator, List, Sequence, Tuple

from .inputs import Tree

Command = Tuple[str, ...]
DRILL = "pytest.mark.drill"
ALONE = "pytest.mark.alone"
CHECKS: Tuple[Command, ...] = (
    ("ruff", "check", "--no-cache", "."),
    ("ruff", "format", "--check", "--no-cache", "."),
    ("mypy", "plugins/module_utils", "tools"),
    ("ansible-lint", "--offline"),
    ("antsibull-changelog", "lint"),
)
"""The quickest first: the first that fails ends the phase."""
ALL = ("plugins/", "roles/", "playbooks/", "tests/", "molecule/", "tools/", "inventories/", "docs/", "changelogs/", "meta/", "galaxy.yml")
SCENARIO = ("molecule/create.yml", "molecule/destroy.yml", ".config/molecule/config.yml")
FUZZ = "tests/fuzz/"
FUZZ_SECONDS, FUZZ_DRILL_SECONDS = "30", "300"
"""For all targets together, and for each target alone."""
FUZZ_SEED, PROPERTIES_SEED = "--seed=1", "--hypothesis-seed=1"
LOCKS = {"test": "lock", "oldest": "oldest", "newest": "lock", "peers": "peers"}


class Lane(Enum):
    """What may run at the same time: three phases, at most two of them in labs, and nothing beside one that must be alone."""

    SOURCE = "source"
    LAB = "lab"
    ALONE = "alone"


@dataclass(frozen=True)
class Phase:
    """One row of the table.

    ``commands`` run one after the other with the Python environment ``purpose`` first on PATH; the first that fails ends the phase.
    ``cleanup`` runs when the phase did not end well. ``roots`` are the files whose references are the inputs of the phase, ``marks``
    the tests that pytest selects. ``seed`` makes its commands try the same inputs in each run, where chance would choose others.
    """

    name: str
    commands: Tuple[Command, ...]
    roots: Tuple[str, ...]
    lane: Lane = Lane.LAB
    core: bool = False
    purpose: str = "test"
    marks: str = ""
    cleanup: Tuple[Command, ...] = ()
    seed: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether chance has a part in it. What only reads the source ends the same way each time."""
        return self.lane is not Lane.SOURCE

    @property
    def lab(self) -> str:
        """The folder that describes its lab, with which it shares names of nodes and networks; empty for what only reads the source."""
        return self.roots[0].strip("/") if self.repeatable and self.roots else ""


def phases(tree: Tree, others: Sequence[str]) -> List[Phase]:
    """All phases, those of the core first. ``others`` are the purposes whose ansible-core is not the usual one."""
    scenarios = sorted(path.split("/")[1] for path in tree.paths if path.startswith("molecule/") and path.endswith("/molecule.yml"))
    roles = [name for name in scenarios if tree.below(f"roles/{name}")]
    all_phases = [
        _site("test", core=True),
        Phase("sanity", (("tools/sanity.sh", "{environment}"),), ALL, Lane.SOURCE, core=True),
        Phase("unit", (("pytest", "tests/unit", "tests/tools"),), ALL, Lane.SOURCE, core=True, seed=PROPERTIES_SEED),
        Phase("lint", CHECKS, ALL, Lane.SOURCE, core=True),
        Phase("fuzz", (_fuzz(FUZZ_SECONDS),), (FUZZ,), Lane.SOURCE, core=True, seed=FUZZ_SEED),
    ]
    all_phases += [_scenario(tree, name, core=True) for name in roles]
    all_phases += [drill for name in roles for drill in _drills(tree, name)]
    all_phases += [_scenario(tree, name, core=False) for name in scenarios if name not in roles]
    for purpose in others:
        # Property tests know no Ansible, and the Python is the same.
        all_phases.append(Phase(f"unit:{purpose}", (("pytest", "-m", "not hypothesis", "tests/unit"),), ALL, Lane.SOURCE, purpose=purpose))
        all_phases.append(Phase(f"sanity:{purpose}", (("tools/sanity.sh", "{environment}"),), ALL, Lane.SOURCE, purpose=purpose))
        all_phases.append(_site(purpose, core=False))
    properties = ("pytest", "-m", "hypothesis", "--hypothesis-profile=long", "tests/unit", "tests/tools")
    all_phases.append(Phase("properties", (properties,), ALL, Lane.SOURCE, seed=PROPERTIES_SEED))
    all_phases.append(Phase("sanity:whole", (("tools/sanity.sh", "{environment}", "--whole"),), ALL, Lane.SOURCE))
    all_phases.append(Phase("lab", (("pytest", "--durations=5", "tests/lab"),), ("tests/lab/",), _lane(tree, "tests/lab")))
    all_phases.append(Phase("dns", (("pytest", "tests/dns_real"),), ("tests/dns_real/",)))
    all_phases.append(Phase("dns:oldest", (("pytest", "tests/dns_real"),), ("tests/dns_real/",), purpose="oldest"))
    all_phases += _fuzz_drills(tree)
    all_phases.append(Phase("perf", (("python", "tests/perf/fleet_plan.py"),), ("tests/perf/fleet_plan.py",), Lane.ALONE))
    all_phases.append(Phase("perf:dns", (("python", "tests/perf/dns_updates.py"),), ("tests/perf/dns_updates.py",), Lane.ALONE, purpose="peers"))
    all_phases.append(Phase("mutants", (("python", "tools/mutants.py"),), ("tools/mutants.py",), Lane.ALONE))
    return [_with_tools(phase) for phase in all_phases]


def _site(purpose: str, core: bool) -> Phase:
    name = "site" if core else f"site:{purpose}"
    return Phase(name, (("pytest", "--durations=5", "tests/site"),), ("tests/site/",), core=core, purpose=purpose, marks="" if core else "not once")


def _scenario(tree: Tree, name: str, core: bool) -> Phase:
    """A scenario as molecule runs it: for a role without its drills."""
    test, destroy = _molecule("test", name), _molecule("destroy", name)
    marked = core and _mentions(tree, f"molecule/{name}/tests", DRILL)
    lane = Lane.LAB if core else _lane(tree, f"molecule/{name}")
    roots = (f"molecule/{name}/", *SCENARIO)
    return Phase(f"molecule:{name}", (test,), roots, lane, core=core, marks="not drill" if marked else "", cleanup=(destroy,))


def _drills(tree: Tree, name: str) -> Iterator[Phase]:
    """The tests of a role's scenario that are drills, on a lab that was converged once."""
    if _mentions(tree, f"molecule/{name}/tests", DRILL):
        commands = tuple(_molecule(step, name) for step in ("converge", "verify", "destroy"))
        roots = (f"molecule/{name}/", *SCENARIO)
        yield Phase(f"drills:{name}", commands, roots, _lane(tree, f"molecule/{name}"), marks="drill", cleanup=commands[-1:])


def _molecule(step: str, name: str) -> Command:
    return ("molecule", step, "--scenario-name", name)


def _fuzz(seconds: str, *more: str) -> Command:
    return ("python", f"{FUZZ}run.py", "--seconds", seconds, *more)


def _fuzz_drills(tree: Tree) -> Iterator[Phase]:
    """Each target for some minutes."""
    modules = {path: fuzz_targets(tree.text(path)) for path in sorted(tree.below(FUZZ)) if path.endswith(".py")}
    common = tuple(path for path, targets in modules.items() if not targets)
    for path, targets in modules.items():
        for target in targets:
            yield Phase(f"fuzz:{target}", (_fuzz(FUZZ_DRILL_SECONDS, target),), (path, *common), Lane.SOURCE, seed=FUZZ_SEED)


def fuzz_targets(source: str) -> List[str]:
    """The keys of the dictionary TARGETS in a module of tests/fuzz, without importing it."""
    for node in ast.parse(source).body:
        name = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.AnnAssign) and isinstance(name, ast.Name) and name.id == "TARGETS" and isinstance(node.value, ast.Dict):
            return [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    return []


def _lane(tree: Tree, folder: str) -> Lane:
    return Lane.ALONE if _mentions(tree, folder, ALONE) else Lane.LAB


def _mentions(tree: Tree, folder: str, mark: str) -> bool:
    return any(mark in tree.text(path) for path in tree.below(folder) if path.endswith(".py"))


def _with_tools(phase: Phase) -> Phase:
    """The locked tools are an input of every phase."""
    return Phase(**{**vars(phase), "roots": (*phase.roots, f"requirements/{LOCKS[phase.purpose]}.txt")})


def named(candidates: Sequence[Phase], words: Sequence[str]) -> List[Phase]:
    """The phases of these names; ``molecule``, say, stands for all of the core, ``network`` for all phases of that scenario.

    Raise ValueError with the words that name none.
    """
    unknown = [word for word in words if not any(_is(phase, word) for phase in candidates)]
    if unknown:
        raise ValueError(f"no such phase: {', '.join(unknown)}. There are: {', '.join(phase.name for phase in candidates)}")
    return [phase for phase in candidates if any(_is(phase, word) for word in words)]


def _is(phase: Phase, word: str) -> bool:
    kind, _colon, rest = phase.name.partition(":")
    if word == "molecule":
        return kind == word and phase.core
    return word in (phase.name, kind, rest)
