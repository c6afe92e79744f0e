# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files ansible-test sanity checks in the core."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import List

import yaml
from testing.inputs import Tree

ROOT = Path(__file__).resolve().parents[2]


def pathspecs() -> List[str]:
    """Those by which tools/sanity.sh leaves files out."""
    line = next(line for line in (ROOT / "tools" / "sanity.sh").read_text(encoding="utf-8").splitlines() if line.startswith("files=("))
    return re.findall(r"'([^']+)'", line)


def test_everything_that_the_collection_ships_and_every_integration_target_is_checked(here: Tree) -> None:
    argv = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", ":!collections", *pathspecs()]
    checked = set(subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0"))
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    left_out = here.paths - checked
    assert left_out and not [path for path in left_out if path.startswith("tests/integration/")]
    # As ansible-galaxy matches: what is ignored is a path, or one of the folders above.
    assert [path for path in left_out if not any(fnmatch(part, rule) for rule in ignored for part in (path, path.split("/")[0]))] == []
