# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time behind a small protocol, so that waiting can be tested without waiting."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that never go backwards, and a way to let them pass."""

    def monotonic(self) -> float:
        """Seconds since some moment that does not change."""
        ...  # pylint: disable=unnecessary-ellipsis

    def sleep(self, seconds: float) -> None:
        """Let the seconds pass."""
        ...  # pylint: disable=unnecessary-ellipsis


class SystemClock:
    """The real clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
