# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run at a time of what uses the same lab, whichever checkout it is started from."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Optional

PAUSE = 0.2


@contextmanager
def turn(path: Path, end: float, stopped: threading.Event, waits: Callable[[], None]) -> Iterator[Optional[int]]:
    """Hold the lock file ``path`` for the body, and give its descriptor; None when it is not free by ``end`` or the user wants an end.

    ``end`` is a time of the monotonic clock. ``waits`` is called once if another run has the lock. A process that inherits the
    descriptor keeps the lock: where the runner is killed, the next run waits until the tests that it has left behind are over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        locked = _locked(descriptor)
        if not locked:
            waits()
        while not locked and time.monotonic() < end and not stopped.wait(PAUSE):
            locked = _locked(descriptor)
        yield descriptor if locked else None
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
