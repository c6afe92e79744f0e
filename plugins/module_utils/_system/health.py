# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a service answers by HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException

from .clock import Clock


def ask(url: str, timeout: float = 5.0) -> str:
    """``ok`` for an answer with status 200 to 399, else what was wrong. No proxy is used."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout):
            return "ok"
    except urllib.error.HTTPError as error:
        return f"{url} answered with status {error.code}"
    except urllib.error.URLError as error:
        return f"{url} does not answer: {error.reason}"
    except (OSError, HTTPException, ValueError) as error:
        return f"{url} does not answer: {error}"


def wait_until_healthy(url: str, within: float, clock: Clock) -> str:
    """``ok`` as soon as there is a good answer, else what was wrong with the last one after ``within`` seconds."""
    deadline = clock.monotonic() + within
    while True:
        said = ask(url)
        if said == "ok" or clock.monotonic() + 1.0 > deadline:
            return said
        clock.sleep(1.0)
