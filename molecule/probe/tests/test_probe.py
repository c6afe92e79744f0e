# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A third node resolves through its own cache, and measures what clients of the service see.

The tests run in the order in which they stand here: one drill moves the service to app2, a later one back to app1.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
SAMPLES = "/var/lib/smallfleet/probe/web.jsonl"
WWW = "www.probe.example.net"

SSH_CONFIG = "/var/lib/smallfleet/labs/molecule-probe/ssh_config"

testinfra_hosts = [f"ssh://watch1?ssh_config={SSH_CONFIG}"]


def ansible(*command: str) -> str:
    program = "ansible-playbook" if command[0].endswith(".yml") else "ansible"
    full = [program, "-i", str(SCENARIO / "inventory"), *command]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(full, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def probe(entry: str) -> str:
    arguments = f"name=smallfleet.infra.probe tasks_from={entry}"
    return ansible("watch1", "-m", "ansible.builtin.include_role", "-a", arguments)


@pytest.fixture
def measuring(host):
    probe("start")
    yield
    probe("stop")


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.1)


def samples(host) -> list:
    """Of lines that are whole: the last may be read while it is written."""
    whole, _newline, _rest = host.file(SAMPLES).content_string.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


OFFICE = 'server:\n    local-data: "printer.office.example. A 192.0.2.9"\n'


def test_the_resolver_of_the_probes_is_its_own_unit_on_its_own_address(host):
    assert host.service("smallfleet-resolver").is_running
    assert host.service("smallfleet-resolver").is_enabled
    listening = host.check_output("ss --numeric --no-header --listening --udp --processes 'sport = :53'")
    addresses = {line.split()[3] for line in listening.splitlines()}
    assert "127.0.0.73:53" in addresses
    assert not {"0.0.0.0:53", "*:53", "[::]:53"} & addresses, listening


def test_the_hosts_own_resolver_and_what_it_is_told_stay(host):
    assert host.file("/etc/resolv.conf").is_symlink
    assert host.file("/etc/resolv.conf").linked_to == "/etc/resolv.office"
    assert host.file("/etc/resolv.office").content_string == "nameserver 127.0.0.1\nsearch office.example\n"
    assert host.file("/etc/unbound/unbound.conf.d/office.conf").content_string == OFFICE
    assert not host.check_output("dpkg --verify unbound | grep ' /etc/' || :")
    assert not host.check_output("grep --recursive --files-with-matches smallfleet /etc/unbound/unbound.conf.d || :")
    assert host.service("unbound").is_running
    assert host.service("unbound").is_enabled
    assert host.check_output("getent ahostsv4 printer").split()[0] == "192.0.2.9"


def inside(host, command: str) -> str:
    """What a command prints that sees the files of the probe, which has to run."""
    process = host.check_output("systemctl show --property=MainPID --value smallfleet-probe-web.service")
    return host.check_output(f"nsenter --target {process} --mount -- {command}")


def test_a_broken_configuration_never_replaces_a_good_one(host):
    before = host.file("/etc/unbound/smallfleet-resolver.conf").content_string
    arguments = json.dumps({"zones": [{"name": "bad..name", "addresses": ["198.18.0.11"]}]})
    command = ["ansible", "-i", str(SCENARIO / "inventory"), "watch1", "-m", "smallfleet.infra.caching_resolver"]
    done = subprocess.run([*command, "-a", arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Nothing was changed" in done.stdout
    assert host.file("/etc/unbound/smallfleet-resolver.conf").content_string == before
    assert host.service("smallfleet-resolver").is_running


class TestOneMeasurement:
    """Of which the last test stops what the first finds started."""

    @pytest.fixture(scope="class", autouse=True)
    def started(self, host):
        probe("start")
        yield
        host.run("systemctl stop smallfleet-probe-web.service")  # where a test failed before its end

    def test_only_the_probe_asks_the_resolver_of_the_probes(self, host):
        until(lambda: samples(host))
        assert inside(host, f"getent ahostsv4 {WWW}").split()[0] == "198.18.0.21"
        assert "127.0.0.73" in inside(host, "cat /etc/resolv.conf")
        assert host.run(f"getent ahostsv4 {WWW}").rc != 0
        assert not [sample for sample in samples(host) if sample["error"] is not None]

    def test_an_outage_is_seen_without_privilege_and_without_the_controller(self, host):
        app1 = host.get_host(f"ssh://app1?ssh_config={SSH_CONFIG}")
        until(lambda: len([sample for sample in samples(host) if sample["error"] is None]) > 5)
        assert host.check_output("systemctl show --property=DynamicUser --value smallfleet-probe-web.service") == "yes"
        app1.check_output("systemctl stop web.service")
        try:
            until(lambda: samples(host)[-1]["error"] is not None)
        finally:
            app1.check_output("systemctl start web.service")
        until(lambda: samples(host)[-1]["error"] is None)
        said = probe("read")
        assert "outage: longest gap" in said and " 0 errors" not in said
        probe("stop")
        assert host.run("systemctl is-active smallfleet-probe-web.service").rc != 0
        assert [sample for sample in samples(host) if sample["error"] is not None]


@pytest.mark.drill
def test_a_second_run_of_the_whole_site_changes_nothing(host):  # as all here use it, pytest keeps the order
    ansible("playbooks/site.yml")
    assert ansible("playbooks/site.yml").partition("PLAY RECAP")[2].count("changed=0") == 4


@pytest.mark.drill
def test_a_probe_follows_a_moved_name_as_soon_as_its_ttl_is_over(host, measuring):
    until(lambda: samples(host))
    assert inside(host, f"getent ahostsv4 {WWW}").split()[0] == "198.18.0.21"
    ansible("playbooks/switch_over.yml", "-e", "standby_switch_service=web", "-e", "standby_switch_to=app2")
    until(lambda: inside(host, f"getent ahostsv4 {WWW}").split()[0] == "198.18.0.22", seconds=5)  # the TTL is 2


@pytest.mark.drill
@pytest.mark.parametrize("resolv_conf", ["", "-s /run/nobody/resolv.conf"], ids=["no file", "a dangling link"])
def test_the_hosts_name_services_have_no_say(host, resolv_conf):
    make = f"ln {resolv_conf} /etc/resolv.conf" if resolv_conf else "true"
    host.check_output("cp --preserve /etc/nsswitch.conf /root/nsswitch.conf")
    host.check_output(f"echo hosts: files > /etc/nsswitch.conf; rm /etc/resolv.conf; {make}")
    try:
        probe("start")
        until(lambda: len([sample for sample in samples(host) if sample["error"] is None]) > 5)
        assert host.run("test -e /etc/resolv.conf").rc != 0
    finally:
        probe("stop")
        host.check_output("cp --preserve /root/nsswitch.conf /etc/nsswitch.conf; ln -sfn /etc/resolv.office /etc/resolv.conf")


@pytest.mark.drill
def test_a_host_without_unbound_gets_no_other_resolver_and_a_dns_server_can_probe(host):
    ns1 = host.get_host(f"ssh://ns1?ssh_config={SSH_CONFIG}")
    assert not ns1.package("unbound").is_installed
    before = ns1.check_output("sha256sum /etc/resolv.conf /etc/nsswitch.conf")
    target = json.dumps({"probe_targets": {"web": {"from": "ns1", "url": f"http://{WWW}:8080/"}}})
    include = ["-m", "ansible.builtin.include_role", "-e", target]
    ansible("ns1", *include, "-a", "name=smallfleet.infra.probe")
    assert ns1.service("smallfleet-resolver").is_running
    assert not ns1.service("unbound").is_running
    assert ns1.service("unbound").is_masked and ns1.service("unbound-resolvconf").is_masked
    assert ns1.service("named").is_running
    assert ns1.check_output("sha256sum /etc/resolv.conf /etc/nsswitch.conf") == before
    ansible("ns1", *include, "-a", "name=smallfleet.infra.probe tasks_from=start")
    try:
        until(lambda: len([sample for sample in samples(ns1) if sample["error"] is None]) > 5)
    finally:
        ansible("ns1", *include, "-a", "name=smallfleet.infra.probe tasks_from=stop")
    assert "changed=0" in ansible("playbooks/site.yml", "--limit", "ns1", "-e", target)


@pytest.mark.drill
def test_it_measures_without_privilege_and_goes_on_without_the_controller(host, measuring):
    until(lambda: len(samples(host)) > 10)
    first = len(samples(host))
    assert host.check_output("systemctl show --property=DynamicUser --value smallfleet-probe-web.service") == "yes"
    until(lambda: len(samples(host)) > first)


@pytest.mark.drill
def test_starting_it_twice_keeps_the_measurement(host, measuring):
    until(lambda: samples(host))
    first = samples(host)[0]
    probe("start")
    assert samples(host)[0] == first


@pytest.mark.drill
def test_a_quiet_time_has_no_gap(host, measuring):
    time.sleep(4)
    said = probe("read")
    assert "outage: longest gap 0.00 s, 0 errors of" in said, [sample for sample in samples(host) if sample["error"]] or said


@pytest.mark.drill
def test_a_move_is_seen_as_one_gap_between_two_nodes(host, measuring):
    time.sleep(3)
    begun = samples(host)[-1]["at"]
    ansible("playbooks/switch_over.yml", "-e", "standby_switch_service=web", "-e", "standby_switch_to=app1")
    time.sleep(4)
    said = probe("read")
    assert "app2 -> app1" in said
    assert " 0 errors" not in said
    bad = [sample["at"] for sample in samples(host) if sample["error"] is not None and sample["at"] > begun]
    assert 0.2 < max(bad) - min(bad) < 20


@pytest.mark.drill
def test_a_probe_that_was_stopped_keeps_what_it_measured(host):
    probe("start")
    until(lambda: len(samples(host)) > 5)
    probe("stop")
    assert host.run("systemctl is-active smallfleet-probe-web.service").rc != 0
    kept = len(samples(host))
    assert kept > 5
    said = ansible("playbooks/site.yml", "--diff", "--limit", "watch1")
    assert "changed=0" in said, said
    assert len(samples(host)) == kept
