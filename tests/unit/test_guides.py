# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests read in the guides is also what readers see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs").glob("*.md"))
MARKER = re.compile(r"^<!-- file: ([^>]+) -->$", re.MULTILINE)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_the_name_of_each_file_stands_above_its_block(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    hidden = [found[1] for found in MARKER.finditer(text) if f"`{found[1]}`" not in text[: found.start()].rstrip().rpartition("\n")[2]]
    assert not hidden, "write `NAME`: above the marker, since rendered Markdown does not show it"


def test_the_guide_of_a_move_lists_every_variable_of_its_playbook() -> None:
    playbook = (ROOT / "playbooks" / "move_zone.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\bmove_[a-z_]+[a-z]\b", playbook))
    guide = (ROOT / "docs" / "move-zone.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"`(move_[a-z_]+)`", "\n".join(line for line in guide.splitlines() if line.startswith("| `move_"))))
    assert rows == used
