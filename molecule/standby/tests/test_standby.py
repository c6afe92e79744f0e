# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service runs on one of two hosts, moves between them when told to, and goes back when the move fails.

The tests run in the order in which they stand here, and the last leaves the service on app1.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pair import MARKER, SWITCH, Pair, runs

SCENARIO = Path(__file__).resolve().parents[1]

PAIR = Pair(SCENARIO, "molecule-standby", "standby.example.net")

testinfra_hosts = ["ansible://ns1"]


@pytest.fixture
def app1(host):
    return host.get_host("ansible://app1", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def app2(host):
    return host.get_host("ansible://app2", ansible_inventory=host.backend.ansible_inventory)


def test_it_runs_only_on_the_side_that_dns_names(host, app1, app2):
    PAIR.assert_on(host, app1, app2, "app1")
    assert app2.file("/etc/systemd/system/web.service").mode == 0o644
    assert app2.file("/etc/systemd/system/web.service.d/50-smallfleet-standby.conf").contains(MARKER)


def test_the_standby_side_does_not_start_it_even_when_asked(app2):
    app2.run("systemctl start web.service")
    assert not runs(app2)


def test_no_secret_of_the_dns_server_is_on_a_node(host, app1):
    secret = host.check_output("grep -o 'secret \"[^\"]*' /etc/smallfleet/dns/molecule-standby-update.key")[8:]
    assert len(secret) > 20
    assert app1.run(f"grep -rqsF '{secret}' /etc /root /tmp /var/lib/smallfleet").rc == 1


def test_a_move_and_a_run_after_it_that_moves_nothing_back(host, app1, app2):
    PAIR.run_well(*SWITCH)
    PAIR.assert_on(host, app2, app1, "app2")
    assert PAIR.run_well("playbooks/site.yml").split("PLAY RECAP")[1].count("changed=0") == 3
    PAIR.assert_on(host, app2, app1, "app2")


def test_a_power_cut_starts_it_again_where_it_was_and_nowhere_else(host, app1, app2):
    for node in ("app1", "app2"):
        PAIR.node(node, "powered_off")
        PAIR.node(node, "powered_on")
    end = time.monotonic() + 20
    while time.monotonic() < end and not runs(app2):
        time.sleep(0.5)
    PAIR.assert_on(host, app2, app1, "app2")


def test_a_move_to_a_named_side_can_be_asked_for_twice(host, app1, app2):
    PAIR.run_well(*SWITCH, "-e", "standby_switch_to=app1")
    assert "web stays on app1" in PAIR.run_well(*SWITCH, "-e", "standby_switch_to=app1")
    PAIR.assert_on(host, app1, app2, "app1")


def test_a_move_whose_health_check_fails_is_undone_and_says_so(host, app1, app2):
    other_port = "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/python3 -m http.server 9999\\n'"
    wrong = "/etc/systemd/system/web.service.d/99-wrong.conf"
    app2.check_output(f"{other_port} > {wrong} && systemctl daemon-reload")
    try:
        status, said = PAIR.ansible(*SWITCH, "-e", "standby_switch_retries=2")
    finally:
        app2.check_output(f"rm {wrong} && systemctl daemon-reload")
    assert status == 2
    assert "The move of web to app2 was undone: app1 runs it again" in said
    PAIR.assert_on(host, app1, app2, "app1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Say which service to move"),
        (("-e", "standby_switch_service=wob"), "No host of this run has the service wob"),
        (("-e", "standby_switch_service=web", "-e", "standby_switch_to=ns1"), "the target is ns1"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_changes(host, app1, app2, options, said):
    status, shown = PAIR.ansible("playbooks/switch-over.yml", *options)
    assert status != 0
    assert said in shown
    PAIR.assert_on(host, app1, app2, "app1")
