# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many examples property tests run with."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
PLANTED = """
from collections import Counter
import pytest
from hypothesis import given, settings, strategies as st

RUNS = Counter()

@given(st.integers())
def test_plain(number):
    RUNS["plain"] += 1

@pytest.mark.parametrize("case", ["a", "b"])
@settings(max_examples=400)
@given(number=st.integers())
def test_many(case, number):
    RUNS["many", case] += 1

@settings(max_examples=8)
@given(st.integers())
def test_few(number):
    RUNS["few"] += 1

def test_counts():
    print("counts:", sorted(RUNS.values()))
"""


@pytest.mark.parametrize(("profile", "counts"), [("first", [8, 25, 100, 100]), ("long", [8, 100, 400, 400])])
def test_property_tests_run_a_quarter_of_their_examples_and_all_in_the_long_profile(pytester: pytest.Pytester, profile: str, counts: list) -> None:
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(PLANTED)
    done = pytester.runpytest_subprocess("-q", "-s", "-p", "no:cacheprovider", f"--hypothesis-profile={profile}")
    assert f"counts: {counts}" in done.stdout.str(), done.stdout.str()
