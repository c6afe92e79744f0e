# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fuzzer finds what was planted, and says how to see it again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from testing.phases import fuzz_targets

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "tests" / "fuzz" / "run.py"
SHORT = """
import __main__
__main__.SECONDS, __main__.INTERRUPTED = 0.2, 0.4
"""
"""For what does not end in any time: it is interrupted, confirmed and repeated, by the same code as after seconds."""
PLANTED = """
from typing import Dict
from fuzz.target import Target

class Refused(Exception):
    pass

def crash(data):
    if len(data) > 2 and data[0] & 1:
        raise KeyError("planted")
    raise Refused

def slow(data):
    while b"s" in data:
        pass

def large(data):
    return bytearray(400 << 20) if b"l" in data else b""

TARGETS: Dict[str, Target] = {
    "crash": Target(crash, (Refused,), (b"a",)),
    "slow": Target(slow, (), (b"a", b"s")),
    "large": Target(large, (), (b"a", b"l")),
    "good": Target(len, (), (b"a",)),
}
"""


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    module = tmp_path / "planted.py"
    module.write_text(PLANTED + (SHORT if "slow" in arguments else ""), encoding="utf-8")
    argv = [sys.executable, str(RUN), "--module", str(module), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(("target", "words"), [("crash", "KeyError at planted.py:10:"), ("slow", "slow: no end after"), ("large", "large: takes 4")])
def test_a_planted_fault_is_found_and_can_be_repeated(tmp_path: Path, target: str, words: str) -> None:
    pytest.importorskip("atheris")
    found = run(tmp_path, "--seconds", "1", target)
    assert found.returncode == 1 and words in found.stdout, found.stdout + found.stderr
    path = found.stdout.split("--repeat ")[1].split()[0]
    again = run(tmp_path, "--repeat", path, target)
    assert again.returncode == 1, again.stdout + again.stderr
    Path(path).unlink()


def test_a_target_without_a_fault_passes_and_its_inputs_are_counted(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    found = run(tmp_path, "--seconds", "1", "good")
    assert found.returncode == 0, found.stdout + found.stderr
    name, inputs, _edges, _seconds, _megabytes, failures = found.stdout.splitlines()[-1].split()
    assert (name, failures) == ("good", "0") and int(inputs) > 10


def test_an_unknown_target_is_refused_with_those_there_are() -> None:
    argv = [sys.executable, str(RUN), "--seconds", "1", "nonsense"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 2 and "no such target: nonsense. There are: " in found.stderr and "netplan" in found.stderr


def test_the_names_of_targets_are_read_and_not_run_and_no_name_is_twice() -> None:
    assert fuzz_targets(PLANTED) == ["crash", "slow", "large", "good"]
    names = [name for path in sorted(RUN.parent.glob("*.py")) for name in fuzz_targets(path.read_text(encoding="utf-8"))]
    assert len(names) == len(set(names)) and "ifupdown" in names
