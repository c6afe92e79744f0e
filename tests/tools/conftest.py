# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets these tests import the tools. They run with the locked tools only, not with every ansible-core."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from testing import history  # pylint: disable=wrong-import-position
from testing.inputs import Tree  # pylint: disable=wrong-import-position


@pytest.fixture(name="here", scope="session")
def fixture_here() -> Tree:
    """The files of this repository, each read once."""
    return history.tree(ROOT)
