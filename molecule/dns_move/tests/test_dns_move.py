# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone moves from a provider to our server by the playbook, from a file that lacks records, while a client keeps asking.

The tests run in the order in which they stand here: they are one move.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Tuple

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
ZONE = "moved.example.net"
OLD, NEW, PARENT = "198.18.0.21", "198.18.0.11", "198.18.0.31"
LOG = "/root/resolver.log"
# What the file lost, and what is answered beyond it, in the order of the message.
DOUBTS = ("@ ALIAS is no type of DNS", "pc7 A has the mark [AGE:3612300]", "odd TXT has a value", "@ A is not in the file", "_dmarc TXT is not in the file")
DECISIONS = [
    {"record": "@", "type": "ALIAS", "publish": "nothing"},
    {"record": "@", "type": "A", "publish": "value", "value": ["198.18.0.89"]},
    {"record": "pc7", "type": "A", "publish": "answer"},
    {"record": "odd", "type": "TXT", "publish": "nothing"},
    {"record": "_dmarc", "type": "TXT", "publish": "answer"},
]
DECIDED = ("-e", json.dumps({"move_decisions": DECISIONS}))

testinfra_hosts = ["ansible://ns1"]


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    return tmp_path_factory.mktemp("imported") / "zone.yml"


@pytest.fixture
def provider(host):
    return host.get_host("ansible://provider", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def parent(host):
    return host.get_host("ansible://parent", ansible_inventory=host.backend.ansible_inventory)


def command(variables: Path, wait: int, *options: str) -> list:
    extra = ["-e", f"move_vars_file={variables}", "-e", f"move_wait={wait}"]
    return ["ansible-playbook", "-i", str(SCENARIO / "inventory"), *extra, *options, "playbooks/move_zone.yml"]


def move(variables: Path, wait: int, *options: str) -> Tuple[int, str]:
    # Messages on one line, whatever the terminal and the configuration of who runs this.
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command(variables, wait, *options), cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def killed_at(title: str, variables: Path) -> None:
    """Kill the playbook and all its children as soon as it begins a play or task with this title."""
    process = subprocess.Popen(
        command(variables, 60, *DECIDED), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    said = []
    for line in process.stdout:
        said.append(line)
        if title in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.wait()
    assert process.returncode == -signal.SIGKILL, "".join(said)


def dig(asker, server: str, question: str) -> list:
    return sorted(asker.check_output(f"dig +short +tries=1 +time=3 @{server} {question}").splitlines())


def ttls(asker, server: str) -> set:
    lines = asker.check_output(f"dig +tries=1 +noall +answer @{server} {ZONE} AXFR").splitlines()
    return {int(line.split()[1]) for line in lines if line.split()[3] != "SOA"}


def delegated(parent) -> str:
    return parent.check_output(f"dig +norecurse +noall +authority @127.0.0.1 {ZONE} NS")


def last_message(said: str) -> str:
    """That of the task that failed."""
    return next(line for line in reversed(said.splitlines()) if line.startswith("fatal: "))


def test_a_client_begins_to_ask(parent):
    parent.check_output(f"systemd-run --quiet --unit=resolver python3 /root/resolver.py {LOG}")
    ends = time.monotonic() + 30
    while " ok\n" not in parent.check_output(f"cat {LOG} || :"):
        assert time.monotonic() < ends, parent.check_output("systemctl status resolver || :")
        time.sleep(0.2)


def test_check_mode_shows_the_plan_and_changes_nothing(host, provider, variables):
    status, said = move(variables, 60, "--check", "--diff")
    assert status == 0, said
    assert "next   lower the TTLs at the old provider to 3 s" in said
    assert all(f"in doubt  {doubt}" in said for doubt in DOUBTS)
    assert f"-www.{ZONE}. 15 A 198.18.0.80" in said and f"+www.{ZONE}. 3 A 198.18.0.80" in said
    assert 15 in ttls(provider, "127.0.0.1")
    assert not variables.exists()
    assert not host.file(f"/var/lib/smallfleet/dns_move/{ZONE}.json").exists


def test_a_run_that_cannot_keep_what_it_must_remember_changes_nothing(host, provider, variables):
    """The disk of the host that looks is full: TTLs that were lowered and forgotten would not be waited out."""
    folder = "/var/lib/smallfleet/dns_move"
    host.check_output(f"mkdir -p {folder} && mount -t tmpfs -o size=4k tmpfs {folder} && head -c 4096 /dev/zero > {folder}/full")
    try:
        status, said = move(variables, 0, *DECIDED)
    finally:
        host.check_output(f"umount {folder}")
    message = last_message(said)
    assert status == 2 and f"{folder}/{ZONE}.json cannot be written: No space left on device. See with df" in message, said
    assert 15 in ttls(provider, "127.0.0.1")
    assert not host.file(f"{folder}/{ZONE}.json").exists


def test_the_first_run_lowers_the_ttls_and_says_until_when_to_wait(host, provider, parent, variables):
    status, said = move(variables, 0, *DECIDED)
    assert status == 2
    assert "It is to be waited until" in last_message(said) and "wait_ttl" in last_message(said)
    assert ttls(provider, "127.0.0.1") == {3}
    assert "ns-provider" in delegated(parent)
    assert not variables.exists()


def test_records_that_the_file_lost_stop_the_run_before_the_switch_and_its_last_message_names_them(host, parent, variables):
    status, said = move(variables, 60)
    assert status == 2
    message = last_message(said)
    places = [message.find(doubt) for doubt in DOUBTS]
    assert -1 not in places and places == sorted(places), message
    assert "is not published and not switched" in message
    assert "CAA" not in message  # a tag in capitals is read
    assert "ns-provider" in delegated(parent)
    assert not variables.exists()
    assert not host.file("/etc/bind/named.conf").exists


def test_a_run_that_is_killed_while_it_publishes_leaves_the_old_servers_in_charge(parent, variables):
    killed_at("PLAY [Publish the zone on our servers", variables)
    assert "ns-provider" in delegated(parent)
    text = variables.read_text(encoding="utf-8")
    assert "{record: www, type: A, ttl: 15" in text
    assert '!unsafe "{{ not a template }}"' in text
    assert "# Left out: odd TXT" in text
    assert '{record: pc7, type: A, ttl: 12, value: ["198.18.0.107"]}' in text


def test_the_next_runs_of_two_operators_at_once_switch_and_wait_until_the_old_server_may_go(host, parent, provider, variables):
    begun = time.monotonic()
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda file: move(file, 60, *DECIDED), (variables, variables.with_name("other.yml"))))
    for status, said in ended:
        assert status == 0, said
        assert "has moved; the old servers may go" in said
    assert time.monotonic() - begun > 4 + 3  # the TTLs of the delegation and of the zone's own NS
    assert f"ns1.{ZONE}." in delegated(parent) and "ns-provider" not in delegated(parent)
    assert dig(parent, NEW, f"www.{ZONE} A") == dig(parent, OLD, f"www.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]
    assert dig(parent, NEW, f"{ZONE} A") == ["198.18.0.89"] and dig(parent, NEW, f"pc7.{ZONE} A") == ["198.18.0.107"]
    assert dig(parent, NEW, f"_dmarc.{ZONE} TXT") == ['"v=DMARC1; p=none"']
    assert dig(parent, NEW, f"dkim.{ZONE} TXT")[0].count("A") > 70
    assert dig(parent, OLD, f"{ZONE} NS") == [f"ns1.{ZONE}."]


def test_the_ttls_are_again_those_that_the_zone_had(parent):
    answer = parent.check_output(f"dig +noall +answer @{NEW} www.{ZONE} A")
    assert {line.split()[1] for line in answer.splitlines()} == {"15"}


def test_the_old_server_can_go_and_a_further_run_finds_nothing_to_do(provider, variables):
    provider.check_output("systemctl stop named")
    status, said = move(variables, 60)
    assert status == 0, said
    assert "changed=0" in said.split("ns1 ")[-1]


def test_the_client_saw_no_wrong_answer_throughout(parent):
    parent.check_output("systemctl stop resolver.service")
    lines = parent.file(LOG).content_string.splitlines()
    assert [line for line in lines if not line.endswith(" ok")] == []
    assert {line.split()[0] for line in lines} == {OLD, NEW}
    assert len(lines) > 100
