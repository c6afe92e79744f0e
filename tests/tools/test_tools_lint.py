# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The linter reads all Python of the project, before the slower checks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from testing.phases import CHECKS

ROOT = Path(__file__).resolve().parents[2]


def run(*argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=ROOT, input=text, capture_output=True, text=True, check=False)


def test_the_quickest_checks_come_first() -> None:
    assert [check[:2] for check in CHECKS[:2]] == [("ruff", "check"), ("ruff", "format")]


def test_no_python_file_is_left_out() -> None:
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py").stdout.split()
    listed = run(*CHECKS[0], "--show-files").stdout.splitlines()
    assert sorted(str(Path(line).relative_to(ROOT)) for line in listed if line.endswith(".py")) == sorted(files)


def test_what_is_not_formatted_fails() -> None:
    done = run(*CHECKS[1][:-1], "--stdin-filename", "tools/x.py", "-", text="names = ['a','b']\n")
    assert done.returncode == 1


@pytest.mark.parametrize("folder", ["plugins/modules", "plugins/module_utils/_dns", "tests/unit", "tests/fuzz", "molecule/dns_keys/tests", "tools"])
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import os\n", "F401"),
        ("import sys\nimport os\n\nprint(os, sys)\n", "I001"),
        ("names = ['a' 'b', 'c']\n", "ISC004"),
        ("match = 1\nmatch match:\n    case 1:\n        pass\n", "invalid-syntax"),
    ],
)
def test_a_fault_is_found_wherever_it_is(folder: str, text: str, rule: str) -> None:
    done = run(*CHECKS[0][:-1], "--output-format=concise", "--stdin-filename", f"{folder}/x.py", "-", text=text)
    assert done.returncode == 1 and f" {rule}" in done.stdout, done.stdout + done.stderr
