# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The primary answers its clients, obeys its key only, and keeps what others have written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
NS1 = "198.18.0.11"
NS1_IPV6 = "2001:db8:0:1::b"
KEY_FILE = "/etc/smallfleet/dns/molecule-dns-update.key"
ZONE = "dns.example.net"

testinfra_hosts = ["ansible://ns1"]


@pytest.fixture
def client(host):
    return host.get_host("ansible://client1", ansible_inventory=host.backend.ansible_inventory)


def dig(asker, question: str, server: str = NS1) -> list:
    return sorted(asker.check_output(f"dig +short +tries=1 +time=3 @{server} {question}").splitlines())


def nsupdate(writer, server: str, lines: str, key: str = "") -> str:
    """Send an update; what nsupdate says, which is nothing when it was done."""
    option = f"-k {key}" if key else ""
    said = writer.run(f"printf 'server {server}\\nzone {ZONE}\\n{lines}\\nsend\\n' | nsupdate {option}")
    return (said.stdout + said.stderr).strip()


def play(playbook: Path, *options: str) -> str:
    """Run a playbook on the primary; what it prints."""
    command = ["ansible-playbook", "-i", str(SCENARIO / "inventory"), "--limit", "ns1", *options, str(playbook)]
    done = subprocess.run(command, cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def converge(*options: str) -> str:
    """Run the role again, as molecule ran it."""
    return play(SCENARIO / "converge.yml", *options)


@pytest.mark.parametrize("server", [NS1, NS1_IPV6])
def test_a_client_finds_every_host_over_both_families(client, server):
    assert dig(client, f"client1.{ZONE} A", server) == ["198.18.0.21"]
    assert dig(client, f"client1.{ZONE} AAAA", server) == ["2001:db8:0:1::15"]


def test_a_client_finds_the_static_records(client):
    assert dig(client, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]
    assert dig(client, f"alias.{ZONE} CNAME") == [f"www2.{ZONE}."]
    assert dig(client, f"{ZONE} TXT") == [r'"says \"hi\" to everybody"']
    assert dig(client, f"_imap._tcp.{ZONE} SRV") == [f"0 1 143 client1.{ZONE}."]
    assert dig(client, f"some.any.{ZONE} A") == ["198.18.0.99"]
    assert dig(client, "-x 198.18.0.11") == [f"ns1.{ZONE}."]
    assert dig(client, f"{ZONE} NS") == [f"ns1.{ZONE}."]


def test_the_server_runs_is_enabled_and_listens_where_it_should(host):
    service = host.service("named")
    assert service.is_running and service.is_enabled
    assert host.socket(f"udp://{NS1}:53").is_listening and host.socket("tcp://127.0.0.1:53").is_listening


def test_recursion_is_refused(client):
    answer = client.check_output(f"dig +tries=1 +time=3 @{NS1} www.example.org A")
    assert "status: REFUSED" in answer
    assert "recursion requested but not available" in answer


def test_nobody_gets_the_whole_zone(client):
    assert "Transfer failed" in client.check_output(f"dig +tries=1 @{NS1} {ZONE} AXFR; true")


def test_only_root_and_the_server_can_read_the_key(host):
    key = host.file(KEY_FILE)
    assert (key.user, key.group, oct(key.mode)) == ("root", "bind", "0o640")
    assert host.run(f"su -s /bin/sh nobody -c 'cat {KEY_FILE}'").rc != 0
    secret = key.content_string.split('secret "')[1].split('"')[0]
    assert host.run(f"journalctl --no-pager | grep -F '{secret}'").stdout == ""


def test_an_update_without_the_key_is_refused(client):
    assert nsupdate(client, NS1, f"update add intruder.{ZONE} 60 A 198.18.0.66") == "update failed: REFUSED"
    assert dig(client, f"intruder.{ZONE} A") == []


def test_what_another_tool_adds_with_the_key_survives_the_next_run(host, client):
    assert nsupdate(host, "127.0.0.1", f"update add guest.{ZONE} 60 A 198.18.0.77", KEY_FILE) == ""
    before = host.check_output(f"sha256sum {KEY_FILE}")
    assert "changed=0" in converge()
    assert dig(client, f"guest.{ZONE} A") == ["198.18.0.77"]
    assert host.check_output(f"sha256sum {KEY_FILE}") == before


def test_check_mode_sees_a_record_that_is_gone_and_a_run_brings_it_back(host, client):
    assert nsupdate(host, "127.0.0.1", f"update delete www2.{ZONE} A", KEY_FILE) == ""
    said = converge("--check", "--diff")
    assert f"+www2.{ZONE}. 60 A 198.18.0.80" in said and "changed=1" in said
    assert dig(client, f"www2.{ZONE} A") == []
    assert "changed=1" in converge()
    assert dig(client, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]


def test_a_configuration_that_was_changed_by_hand_is_put_back_without_losing_a_record(host, client):
    host.check_output("echo '// mine' >> /etc/bind/named.conf.local")
    pid = host.check_output("systemctl show named --property=MainPID --value")
    assert nsupdate(host, "127.0.0.1", f"update add late.{ZONE} 60 A 198.18.0.78", KEY_FILE) == ""
    assert "changed=1" in converge()
    assert dig(client, f"late.{ZONE} A") == ["198.18.0.78"]
    assert host.check_output("systemctl show named --property=MainPID --value") == pid


def test_records_survive_a_server_that_was_killed(host, client):
    assert nsupdate(host, "127.0.0.1", f"update add killed.{ZONE} 60 A 198.18.0.79", KEY_FILE) == ""
    host.check_output("systemctl kill --signal=KILL named")
    converge()
    assert dig(client, f"killed.{ZONE} A") == ["198.18.0.79"]


def test_the_playbook_of_the_guide_does_what_it_says(client, tmp_path):
    guide = (SCENARIO.parents[1] / "docs" / "dns.md").read_text(encoding="utf-8")
    text = guide.split("<!-- file: records.yml -->\n```yaml\n")[1].split("```")[0]
    playbook = tmp_path / "records.yml"
    playbook.write_text(text.replace("demo.example.net", ZONE).replace("demo-update", "molecule-dns-update"))
    assert "changed=3" in play(playbook)
    assert dig(client, f"www.{ZONE} CNAME") == [f"app2.{ZONE}."]
    assert dig(client, f"blue.{ZONE} AAAA") == ["2001:db8:0:1::90"]


def test_verify_accepts_the_server_and_names_what_is_missing(host, tmp_path):
    playbook = tmp_path / "verify.yml"
    task = {"ansible.builtin.include_role": {"name": "smallfleet.infra.dns_server", "tasks_from": "verify"}}
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    converge()
    play(playbook)
    assert nsupdate(host, "127.0.0.1", f"update delete alias.{ZONE} CNAME", KEY_FILE) == ""
    with pytest.raises(AssertionError, match=f"create alias.{ZONE}. CNAME"):
        play(playbook)
    converge()
