# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service runs on one of two hosts, moves between them when told to, and goes back when the move fails.

The tests run in the order in which they stand here. The last of the core leaves the service on app2, the last drill on app1.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pair import MARKER, SWITCH, Pair, runs, until

SCENARIO = Path(__file__).resolve().parents[1]
SSH_CONFIG = "/var/lib/smallfleet/labs/molecule-standby/ssh_config"

PAIR = Pair(SCENARIO, "molecule-standby", "standby.example.net")

testinfra_hosts = [f"ssh://ns1?ssh_config={SSH_CONFIG}"]


@pytest.fixture
def app1(host):
    return host.get_host(f"ssh://app1?ssh_config={SSH_CONFIG}")


@pytest.fixture
def app2(host):
    return host.get_host(f"ssh://app2?ssh_config={SSH_CONFIG}")


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


def test_a_wrong_call_is_refused_before_anything_changes(host, app1, app2):
    calls = {
        "Say which service to move": (),
        "No host of this run has the service wob": ("-e", "standby_switch_service=wob"),
        "the target is ns1": ("-e", "standby_switch_service=web", "-e", "standby_switch_to=ns1"),
    }
    shown = PAIR.together(*(("playbooks/switch_over.yml", *options) for options in calls.values()))
    for said, (status, text) in zip(calls, shown):
        assert status != 0
        assert said in text
    PAIR.assert_on(host, app1, app2, "app1")


def test_a_move_takes_the_name_in_dns_along(host, app1, app2):
    PAIR.run_well(*SWITCH)
    PAIR.assert_on(host, app2, app1, "app2")


@pytest.mark.drill
def test_a_move_and_a_run_after_it_that_moves_nothing_back(host, app1, app2):
    PAIR.run_well("playbooks/site.yml")
    PAIR.assert_on(host, app1, app2, "app1")
    PAIR.run_well(*SWITCH)
    PAIR.assert_on(host, app2, app1, "app2")
    assert PAIR.run_well("playbooks/site.yml").split("PLAY RECAP")[1].count("changed=0") == 3
    PAIR.assert_on(host, app2, app1, "app2")


@pytest.mark.drill
def test_a_power_cut_starts_it_again_where_it_was_and_nowhere_else(host, app1, app2):
    for node in ("app1", "app2"):
        PAIR.node(node, "powered_off")
        PAIR.node(node, "powered_on")
    until(lambda: runs(app2), 20)
    PAIR.assert_on(host, app2, app1, "app2")


@pytest.mark.drill
def test_a_move_to_a_named_side_can_be_asked_for_twice(host, app1, app2):
    PAIR.run_well(*SWITCH, "-e", "standby_switch_to=app1")
    assert "web stays on app1" in PAIR.run_well(*SWITCH, "-e", "standby_switch_to=app1")
    PAIR.assert_on(host, app1, app2, "app1")


@pytest.mark.drill
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
