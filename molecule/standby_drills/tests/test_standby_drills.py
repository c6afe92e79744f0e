# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A move that is previewed, interrupted or refused: it finishes or goes back, and never runs on both sides.

The tests run in the order in which they stand here; each leaves the service on app1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCENARIO.parent / "standby" / "tests"))
from pair import SWITCH, Pair, runs

PAIR = Pair(SCENARIO, "molecule-drills", "drills.example.net")

testinfra_hosts = ["ansible://ns1"]


@pytest.fixture
def app1(host):
    return host.get_host("ansible://app1", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def app2(host):
    return host.get_host("ansible://app2", ansible_inventory=host.backend.ansible_inventory)


def test_check_mode_says_that_nothing_would_change():
    assert "changed=0" in PAIR.run_well("playbooks/site.yml", "--check", "--diff", "--limit", "app1")
    assert "changed=0" in PAIR.run_well("playbooks/site.yml", "--check", "--diff", "--limit", "app2")


def test_a_move_in_check_mode_tells_its_steps_and_moves_nothing(host, app1, app2):
    said = PAIR.run_well(*SWITCH, "--check", "--diff")
    assert "+www.drills.example.net. 2 CNAME app2.drills.example.net." in said
    assert "changed=3" in said
    PAIR.assert_on(host, app1, app2, "app1")


def test_a_new_side_that_cannot_start_is_told_with_its_log_and_undone(host, app1, app2):
    app2.check_output("systemd-run --quiet --unit=squatter /usr/bin/python3 -m http.server 8080")
    try:
        status, said = PAIR.ansible(*SWITCH)
    finally:
        app2.check_output("systemctl stop squatter.service")
    assert status == 2
    assert "Address already in use" in said
    PAIR.assert_on(host, app1, app2, "app1")


@pytest.mark.parametrize("title", ["Stop it on the old side", "Start it on the new side", "Point DNS to the new side"])
def test_a_move_whose_controller_was_killed_is_finished_by_the_next(host, app1, app2, title):
    PAIR.kill_controller_at(title, *SWITCH)
    assert (runs(app1), runs(app2)) != (True, True)
    PAIR.run_well(*SWITCH, "-e", "standby_switch_to=app2")
    PAIR.assert_on(host, app2, app1, "app2")
    PAIR.run_well(*SWITCH, "-e", "standby_switch_to=app1")
    PAIR.assert_on(host, app1, app2, "app1")


def test_a_move_that_was_interrupted_after_the_stop_is_finished_by_the_next(host, app1, app2):
    PAIR.service("app1", "state=standby")
    assert (runs(app1), runs(app2)) == (False, False)
    PAIR.run_well(*SWITCH)
    PAIR.assert_on(host, app2, app1, "app2")
    PAIR.run_well(*SWITCH)


def test_a_move_that_was_interrupted_before_the_dns_change_goes_back_with_site(host, app1, app2):
    PAIR.service("app1", "state=standby")
    PAIR.service("app2", "state=active peer_running=stopped peer_armed=false")
    assert (runs(app1), runs(app2)) == (False, True)
    PAIR.run_well("playbooks/site.yml")
    PAIR.assert_on(host, app1, app2, "app1")


def test_nothing_is_moved_or_started_while_the_other_side_is_unknown(host, app1, app2):
    PAIR.node("app2", "powered_off")
    try:
        refused, why_refused = PAIR.ansible(*SWITCH)
        app1.check_output("systemctl stop web.service")
        held, why_held = PAIR.ansible("playbooks/site.yml", "--limit", "app1")
        stopped = runs(app1)
    finally:
        PAIR.node("app2", "powered_on")
    assert refused != 0
    assert "Nothing was changed. web.service is running on app1 and unknown on app2" in why_refused
    assert held != 0
    assert "it is not known whether the unit runs on app2" in why_held
    assert not stopped
    PAIR.run_well("playbooks/site.yml", "--limit", "app1")
    PAIR.assert_on(host, app1, app2, "app1")
