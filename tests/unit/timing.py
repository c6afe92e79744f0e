# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much processor time something takes, by ratio: other work on the machine only ever adds time, so the shortest of several readings counts."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import Callable, Iterator

AT_ONCE = 20.0
"""The effort that a reader may need for the worst text that it refuses: about a second."""

Growth = Callable[[Callable[[str], object], Callable[[int], str], int], float]
Effort = Callable[[Callable[[], object]], float]


def growth(read: Callable[[str], object], make: Callable[[int], str], size: int) -> float:
    """How many times more processor time a reader takes for four times the text: about 4 when it is linear, 16 when quadratic.

    ``make`` makes a text of a size; ``size`` is the smaller one, whose reading should take some milliseconds.
    """
    short, long = make(size), make(4 * size)
    return _settled(lambda: read(short), lambda: read(long), 6, 40)


def effort(work: Callable[[], object]) -> float:
    """How many times more processor time something takes than adding a million numbers."""
    return _settled(lambda: sum(number & 3 for number in range(1_000_000)), work, AT_ONCE, 15)


def _settled(measure: Callable[[], object], work: Callable[[], object], enough: float, turns: int) -> float:
    """The ratio of the shortest times of both, which take turns until it is below ``enough``, or has had every chance to be.

    A reading of ``measure`` that is too long could hide that ``work`` takes too long, so it has three before any counts; one of ``work``
    can only make the ratio larger, and is repeated where that matters.
    """
    with _no_collection():
        taken = min(_seconds(measure) for _reading in range(3)), _seconds(work)
        for _turn in range(turns - 1):
            if taken[1] < enough * taken[0]:
                break
            taken = min(taken[0], _seconds(measure)), min(taken[1], _seconds(work))
    return taken[1] / taken[0]


@contextmanager
def _no_collection() -> Iterator[None]:
    """A collection goes through all that the tests before have left, and a long text brings more of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return max(time.process_time() - started, 0.001)
