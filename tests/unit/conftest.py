# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the unit tests import the collection under its real name from a plain clone, and the tools, and take the time they need."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tools")]

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

Growth = Callable[[Callable[[str], object], Callable[[int], str], int], float]


@pytest.fixture(name="growth")
def fixture_growth() -> Growth:
    """How many times more processor time a reader takes for four times the text: about 4 when it is linear, 16 when quadratic.

    The arguments are the reader, what makes a text of a size, and the smaller size, whose reading should take some milliseconds.
    """

    def seconds(read: Callable[[str], object], text: str) -> float:
        started = time.process_time()
        read(text)
        return max(time.process_time() - started, 0.001)

    def measure(read: Callable[[str], object], make: Callable[[int], str], size: int) -> float:
        # Other work on the machine only ever adds time, often to all readings in a row: so both sizes take turns,
        # and a ratio that looks like more than linear is measured until the shortest times of both have settled.
        short, long = make(size), make(4 * size)
        taken = (float("inf"), float("inf"))
        gc.collect()
        gc.disable()  # a collection goes through all that the tests before have left, and a long text brings more of them
        try:
            for turn in range(40):
                taken = min(taken[0], seconds(read, short)), min(taken[1], seconds(read, long))
                if turn >= 2 and taken[1] < 6 * taken[0]:
                    break
        finally:
            gc.enable()
        return taken[1] / taken[0]

    return measure
