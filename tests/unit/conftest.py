# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the unit tests import the collection under its real name from a plain clone, and the tools."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import timing

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tools")]


@pytest.fixture(name="growth")
def fixture_growth() -> timing.Growth:
    """See timing.growth."""
    return timing.growth


@pytest.fixture(name="effort")
def fixture_effort() -> timing.Effort:
    """See timing.effort."""
    return timing.effort
