# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers answer their clients, obey their keys only, and keep what others have written."""

from __future__ import annotations

import json
import re

import pytest
from servers import (
    HIDDEN,
    NS1,
    NS1_IPV6,
    NS2,
    NS2_IPV6,
    SCENARIO,
    UPDATE_KEY,
    ZONE,
    converge,
    dig,
    nsupdate,
    play,
    soon,
)

SECRETS_FILE = "/etc/bind/smallfleet.keys"
OF_THE_SERVER = f"systemctl show named --property=MainPID; sha256sum {UPDATE_KEY}"

testinfra_hosts = ["ansible://ns1"]


@pytest.fixture(scope="module")
def client(host):
    return host.get_host("ansible://client1", ansible_inventory=host.backend.ansible_inventory)


@pytest.mark.parametrize("server", [NS1, NS1_IPV6, NS2, NS2_IPV6])
def test_a_client_finds_every_host_over_both_families(client, server):
    assert dig(client, f"client1.{ZONE} A", server) == ["198.18.0.21"]
    assert dig(client, f"client1.{ZONE} AAAA", server) == ["2001:db8:0:1::15"]


@pytest.mark.parametrize("server", [NS1, NS2])
def test_a_client_finds_the_static_records(client, server):
    assert dig(client, f"www2.{ZONE} A", server) == ["198.18.0.80", "198.18.0.81"]
    assert dig(client, f"alias.{ZONE} CNAME", server) == [f"www2.{ZONE}."]
    assert dig(client, f"{ZONE} TXT", server) == [r'"says \"hi\" to everybody"']
    assert dig(client, f"_imap._tcp.{ZONE} SRV", server) == [f"0 1 143 client1.{ZONE}."]
    assert dig(client, f"some.any.{ZONE} A", server) == ["198.18.0.99"]
    assert dig(client, f"{ZONE} NS", server) == [f"ns1.{ZONE}.", f"ns2.{ZONE}."]


def test_a_zone_without_secondaries_is_on_its_primary_only(client):
    assert dig(client, "-x 198.18.0.11", NS1) == [f"ns1.{ZONE}."]
    assert dig(client, "-x 198.18.0.11", NS2) == []


def test_the_server_runs_is_enabled_and_listens_where_it_should(host):
    service = host.service("named")
    assert service.is_running and service.is_enabled
    assert host.socket(f"udp://{NS1}:53").is_listening and host.socket("tcp://127.0.0.1:53").is_listening


@pytest.mark.parametrize("server", [NS1, NS2])
def test_recursion_is_refused(client, server):
    answer = client.check_output(f"dig +tries=1 +time=3 @{server} www.example.org A")
    assert "status: REFUSED" in answer
    assert "recursion requested but not available" in answer


def test_only_root_and_the_server_can_read_the_keys(host):
    known = host.file(SECRETS_FILE)
    assert (known.user, known.group, oct(known.mode)) == ("root", "bind", "0o640")
    for path in (SECRETS_FILE, UPDATE_KEY):
        assert host.run(f"su -s /bin/sh nobody -c 'cat {path}'").rc != 0
    secret = host.file(UPDATE_KEY).content_string.split('secret "')[1].split('"')[0]
    assert secret in known.content_string
    assert host.run(f"journalctl --no-pager | grep -F '{secret}'").stdout == ""


def test_an_update_without_the_key_is_refused(client):
    assert nsupdate(client, NS1, f"update add intruder.{ZONE} 60 A 198.18.0.66") == "update failed: REFUSED"
    assert dig(client, f"intruder.{ZONE} A") == []


def verify(tmp_path, *options, fails=False):
    playbook = tmp_path / "verify.yml"
    task = {"ansible.builtin.include_role": {"name": "smallfleet.infra.dns_server", "tasks_from": "verify"}}
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    return play(playbook, *options, fails=fails)


@pytest.fixture(scope="module")
def again(host, client):
    """What verify, check mode, a run, and verify after it say of servers that others have changed: one playbook for all tests."""
    before = host.check_output(OF_THE_SERVER)
    lines = [f"update add guest.{ZONE} 60 A 198.18.0.77", f"update delete www2.{ZONE} A", f"update delete alias.{ZONE} CNAME"]
    assert nsupdate(host, "127.0.0.1", "\\n".join(lines), UPDATE_KEY) == ""
    assert nsupdate(host, "127.0.0.1", f"update add guest.{HIDDEN} 60 A 198.18.0.91", UPDATE_KEY, HIDDEN) == ""
    host.check_output("echo '// mine' >> /etc/bind/named.conf.local")
    soon(lambda: (dig(client, f"alias.{ZONE} CNAME", NS2), dig(client, f"guest.{HIDDEN} A", NS2)), ([], ["198.18.0.91"]))
    said = play(SCENARIO / "tests" / "again.yml", "--diff")
    _start, _changed, checked, ran, _accepted, _recap = said.split("\nPLAY ")
    same = host.check_output(OF_THE_SERVER) == before
    return {"all": said, "checked": checked, "ran": ran, "same": same}


@pytest.mark.drill
def test_what_another_tool_adds_with_the_key_survives_the_next_run(client, again):
    assert f"guest.{ZONE}" not in again["ran"]
    assert dig(client, f"guest.{ZONE} A") == ["198.18.0.77"]


@pytest.mark.drill
def test_check_mode_sees_a_record_that_is_gone_and_a_run_brings_it_back(client, again):
    for said in (again["checked"], again["ran"]):
        assert f"+www2.{ZONE}. 60 A 198.18.0.80" in said and said.count("\nchanged: [ns1]") == 2
    assert dig(client, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]


@pytest.mark.drill
def test_a_configuration_that_was_changed_by_hand_is_put_back_without_a_restart_or_a_new_key(host, again):
    assert "-// mine" in again["checked"] and "-// mine" in again["ran"]
    assert "// mine" not in host.file("/etc/bind/named.conf.local").content_string
    assert again["same"]


@pytest.mark.drill
def test_a_run_prunes_a_zone_that_may_be_pruned(client, again):
    assert f"-guest.{HIDDEN}. 60 A 198.18.0.91" in again["ran"]
    soon(lambda: dig(client, f"guest.{HIDDEN} A", NS2), [])


@pytest.mark.drill
def test_verify_names_what_is_missing_on_each_server_and_accepts_them_after_a_run(again):
    for server in ("ns1", "ns2"):
        assert re.search(rf"fatal: \[{server}\].*create alias\.{ZONE}\. CNAME", again["all"])
    assert again["all"].count("rescued=1") == 2


@pytest.mark.drill
def test_records_survive_a_server_that_was_killed(host, client):
    assert nsupdate(host, "127.0.0.1", f"update add killed.{ZONE} 60 A 198.18.0.79", UPDATE_KEY) == ""
    host.check_output("systemctl kill --signal=KILL named")
    converge()
    assert dig(client, f"killed.{ZONE} A") == ["198.18.0.79"]


@pytest.mark.drill
def test_the_playbook_of_the_guide_does_what_it_says(client, tmp_path):
    guide = (SCENARIO.parents[1] / "docs" / "dns.md").read_text(encoding="utf-8")
    text = guide.split("<!-- file: records.yml -->\n```yaml\n")[1].split("```")[0]
    playbook = tmp_path / "records.yml"
    playbook.write_text(text.replace("demo.example.net", ZONE).replace("demo-update", "molecule-dns-update"))
    assert "changed=4" in play(playbook, "--limit", "ns1")
    assert dig(client, f"www.{ZONE} CNAME") == [f"app2.{ZONE}."]
    assert dig(client, f"blue.{ZONE} A") == ["192.0.2.90", "192.0.2.91"]
    assert dig(client, f"blue.{ZONE} AAAA") == ["2001:db8:0:1::90"]


@pytest.mark.drill
def test_verify_notices_a_secondary_that_is_behind(host, tmp_path):
    second = host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)
    cut = [
        "add table inet test",
        "add chain inet test out { type filter hook output priority 0; }",
        f"add rule inet test out ip daddr {NS1} tcp dport 53 drop",
        f"add rule inet test out ip6 daddr {NS1_IPV6} tcp dport 53 drop",
    ]
    second.check_output(f"nft '{'; '.join(cut)}'")
    try:
        lines = f"update delete ahead.{ZONE}\\nupdate add ahead.{ZONE} 60 A 198.18.0.70"
        assert nsupdate(host, "127.0.0.1", lines, UPDATE_KEY) == ""
        assert "old_serial" in verify(tmp_path, "-e", "dns_server_verify_timeout=2", fails=True)
    finally:
        second.check_output("nft delete table inet test")
        second.check_output(f"rndc refresh {ZONE}")


@pytest.mark.drill
def test_a_configuration_of_others_is_refused_once_and_kept(host, client):
    path = "/etc/bind/named.conf.local"
    theirs = 'zone "office.example.net" { type primary; file "/etc/bind/db.empty"; };'
    host.check_output("echo %s > %s", theirs, path)
    said = converge(fails=True)
    assert "has zone office.example.net, which this server would no longer have" in said and "dns_server_replace_configuration" in said
    assert host.file(path).content_string.strip() == theirs
    converge("-e", "dns_server_replace_configuration=true")
    assert host.file(f"{path}.before-smallfleet").content_string.strip() == theirs
    assert dig(client, f"www2.{ZONE} A") == ["198.18.0.80", "198.18.0.81"]
    assert "changed=0" in converge()
    host.check_output("rm %s", f"{path}.before-smallfleet")
