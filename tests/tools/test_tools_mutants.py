# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guards that are removed to see whether that is noticed."""

from __future__ import annotations

from pathlib import Path

import mutants
import pytest
from testing import history
from testing.inputs import Tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.guard)
def test_each_guard_stands_once_where_it_is_looked_for(mutant: mutants.Mutant) -> None:
    assert (ROOT / mutant.path).read_text(encoding="utf-8").count(mutant.old) == 1 and mutant.new != mutant.old


def test_the_tests_nearest_to_a_guard_come_first(here: Tree) -> None:
    near = mutants.near(here, ("tests/unit",), "plugins/module_utils/_failover/standby.py")
    assert near[0].startswith("tests/unit/failover/") and "tests/unit/test_quoting.py" not in near


def test_a_guard_of_one_subject_is_looked_for_by_its_tests_then_by_all_and_then_in_labs(here: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "tree", lambda _root: here)
    runs = mutants.chosen(ROOT, "plugins/module_utils/_failover/standby.py")
    assert [phase.name for phase in runs[:2]] == ["near unit tests", "unit"]
    assert runs[0].commands[0][:2] == ("pytest", "-x") and "tests/tools" in runs[1].commands[0]
    assert {phase.name for phase in runs[2:]} >= {"molecule:standby", "drills:standby"}
