# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power is cut at random moments of a change from one network to quite another, and of its confirmation.

The host is a virtual machine and loses what was not synced. SMALLFLEET_CUTS says how often, SMALLFLEET_SEED from which seed.
"""

from __future__ import annotations

import os
import random
import secrets
import time

import pytest
from drill import HYBRID_AGAIN, MOVER, PLAIN, change, configuration, power, settled, until
from moving import ended

CUTS = int(os.environ.get("SMALLFLEET_CUTS", "2"))
SEED = int(os.environ.get("SMALLFLEET_SEED", "5227"))
DESIRED = {"hybrid": HYBRID_AGAIN, "plain": PLAIN}
LONGEST = {"change": 15.0, "confirmation": 35.0}
"""In how many seconds an emulated node has made it. A confirmation is asked for from elsewhere, and begins after half of them."""
ROOT = "/var/lib/smallfleet/network"

testinfra_hosts = ["ansible://peer"]


def phase() -> str:
    """How far the change had come, by the marks that a restored one leaves too."""
    found = set(MOVER.on(f"ls {ROOT}/$(cat {ROOT}/last)").split())
    return next((mark for mark in ("confirmed", "adopting", "applied") if mark in found), "started")


def begin(before: str, after: str, token: str) -> None:
    status, said = ended(change(DESIRED[after], state="applied", token=token, rollback_timeout=240, delay=0.5))
    assert status == 0 and '"changed": true' in said, f"a change from {before} cannot even begin: {said[-800:]}"


@pytest.mark.parametrize("number", range(CUTS))
def test_a_host_that_loses_its_power_comes_back_with_the_old_network_or_the_new_one(number, capsys):
    chance = random.Random(SEED + number)
    before = configuration()
    assert before in DESIRED
    after = next(name for name in DESIRED if name != before)
    token = secrets.token_hex(16)
    begin(before, after, token)
    confirming = None
    if number % 2:
        until(lambda: "applied" in MOVER.on(f"ls {ROOT}/$(cat {ROOT}/last)"), 90)
        confirming = change({}, state="confirmed", token=token)
    what = "confirmation" if confirming else "change"
    moment = chance.uniform(0.0, LONGEST[what])
    time.sleep(moment)
    told = confirming is not None and confirming.poll() == 0
    power("powered_off")
    if confirming is not None:
        ended(confirming)
    power("powered_on")
    until(lambda: configuration() in DESIRED and settled(), 60)
    came, reached = configuration(), phase()
    with capsys.disabled():
        print(f"\ncut {number + 1:2} seed {SEED + number}: {moment:5.2f} s into the {what} to {after}: {reached}, came back with {came}")
    assert came == (after if reached == "confirmed" else before)
    assert came == after or not told, "it was said to be confirmed, and is gone"
    status, said = ended(change(DESIRED[came]))
    assert '"under_way": null' in said
    assert status == 0 and '"changed": false' in said, f"the files and the kernel are not of one kind: {said[-800:]}"


def test_the_next_change_needs_no_cleaning_up():
    status, said = ended(change(HYBRID_AGAIN))
    assert status == 0, said[-1500:]
    assert configuration() == "hybrid" and not MOVER.under_way()
    until(settled, 90)
