# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets property tests take the time they need: how long an example takes says more about the machine's other work than about the code.

They run with a quarter of their examples, and with ``--hypothesis-profile=long`` with all. With
``--hypothesis-profile=first`` they end with the first example that fails, and do not look for a smaller one.
"""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

LONG = "long"
SHARE, FEWEST = 4, 25
"""Of how many examples one runs, and how many run of each test that has as many."""

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("first", settings.get_profile("busy"), phases=[Phase.explicit, Phase.generate])
settings.register_profile(LONG, settings.get_profile("busy"))
settings.load_profile("busy")


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Give each property test its share of examples."""
    if settings.get_current_profile_name() == LONG:
        return
    for test in {item.function for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)}:
        own = test._hypothesis_internal_use_settings  # what @settings sets; there is no public name for it
        test._hypothesis_internal_use_settings = settings(own, max_examples=max(min(FEWEST, own.max_examples), own.max_examples // SHARE))
