# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tools install is what somebody locked: each package with its hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", sorted((ROOT / "tools").glob("*.sh")), ids=lambda path: path.name)
def test_no_tool_installs_a_package_without_its_hash(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.search(r"\bpip\"? install\b", line) and not line.lstrip().startswith("#"):
            assert "--require-hashes -r" in line


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_each_locked_package_has_hashes(path: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z])", path.read_text(encoding="utf-8").split("make lock\n", 1)[1])
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z]+\])?==", entry) and "--hash=sha256:" in entry


def test_the_program_that_locks_is_locked_itself() -> None:
    text = (ROOT / "tools" / "lock.sh").read_text(encoding="utf-8")
    assert "requirements/uv.txt" in text and re.search(r"for name in .*\buv:uv\b", text)
