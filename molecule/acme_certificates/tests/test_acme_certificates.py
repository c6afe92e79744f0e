# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real ACME server validates through our name servers; what is new reaches its users, what fails harms nobody."""

from __future__ import annotations

import copy
import inspect
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

SCENARIO = Path(__file__).resolve().parents[1]
KEY_FILE = "/etc/smallfleet/dns/acme-app1.key"
ZONE = "acme.example.net"
PORTS = {"web": 443, "shop": 8443}
UNITS = {"web": "nginx", "shop": "haproxy"}
ENDS = "openssl x509 -noout -checkend"
CHECK, RUN, VERIFY = {"apply": {"check_mode": True}}, {}, {"tasks_from": "verify"}

testinfra_hosts = ["ansible://app1"]


def other(host, name: str):
    return host.get_host(f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory)


def wait_for(condition) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, inspect.getsource(condition)
        time.sleep(0.1)


def shown(host, name: str) -> str:
    """Names and fingerprint of the certificate that a client gets."""
    ask = f"openssl s_client -connect localhost:{PORTS[name]} -servername any.{ZONE} < /dev/null 2> /dev/null"
    return host.check_output(f"{ask} | openssl x509 -noout -ext subjectAltName -fingerprint -sha256")


def shown_after(host, name: str, before: str) -> str:
    """The same, as soon as it is not what it was: a server that is reloaded goes on with the old one for a moment."""
    wait_for(lambda: shown(host, name) != before)
    return shown(host, name)


def users(host) -> dict:
    """When each of the two servers was last told something, and since when it runs."""
    found = {}
    for name, unit in UNITS.items():
        what = "ActiveEnterTimestampMonotonic,ExecMainPID"
        told = host.check_output(f"journalctl -u {unit} -o cat --no-pager | grep -c '^Reload' ; true")
        found[name] = (told, host.check_output(f"systemctl show {unit} --property={what}"))
    return found


def renew(host, name: str):
    """What the timer does."""
    return host.run(f"systemctl start smallfleet-acme@{name}.service")


def nsupdate(host, zone: str, lines: str) -> str:
    server = "198.18.0.11" if zone == ZONE else "198.18.0.12"
    text = f"check-names off\\nserver {server}\\nzone {zone}\\n{lines}\\nsend\\n"
    said = host.run(f"printf '{text}' | nsupdate -k {KEY_FILE}")
    return (said.stdout + said.stderr).strip()


@pytest.fixture
def play(tmp_path):
    """A function that runs the role on app1 with another idea of the certificates: its task files one after the other."""
    inventory = tmp_path / "inventory"
    shutil.copytree(SCENARIO / "inventory", inventory)
    variables = inventory / "group_vars" / "all.yml"
    given = yaml.safe_load(variables.read_text(encoding="utf-8"))

    def run(change=None, task_files=(RUN,), good: bool = True) -> str:
        now = copy.deepcopy(given)
        if change:
            change(now)
        variables.write_text(yaml.safe_dump(now), encoding="utf-8")
        role = {"name": "smallfleet.infra.acme_certificates"}
        tasks = [{"ansible.builtin.include_role": {**role, **task_file}} for task_file in task_files]
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([{"hosts": "app1", "gather_facts": False, "tasks": tasks}]))
        command = ["ansible-playbook", "-i", str(inventory), "--diff", str(playbook)]
        done = subprocess.run(command, cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    return run


def add_a_name(variables) -> None:
    variables["acme_certificates"]["web"]["names"].append(f"*.shop.{ZONE}")


def drop_the_wildcard(variables) -> None:
    """What is left is proved on one server, so that only this one can be the first to refuse."""
    variables["acme_certificates"]["web"]["names"] = [ZONE]


def use_short_lives(variables) -> None:
    variables["acme_directory"] = f"https://ca1.{ZONE}:14001/dir"


def test_both_servers_show_a_certificate_for_the_name_and_its_wildcard(host):
    assert f"DNS:{ZONE}, DNS:*.{ZONE}" in shown(host, "web")
    # The second one is proved in another zone on another server, where the inventory's CNAME points to.
    assert f"DNS:shop.{ZONE}, DNS:*.shop.{ZONE}" in shown(host, "shop")


def test_the_authority_validated_for_real_and_nothing_of_the_challenges_is_left(host):
    log = other(host, "ca1").check_output("journalctl -u pebble@14000 -o cat --no-pager | tail -400")
    assert log.count("PASSED") >= 4 or log.count("set VALID by completed challenge") >= 4
    for server, name in (("198.18.0.11", f"_acme-challenge.{ZONE}"), ("198.18.0.12", "shop.proofs.example.org")):
        assert host.check_output(f"dig +short +tries=1 +time=3 @{server} {name} TXT") == ""


def test_the_values_went_to_the_secondary_too(host):
    log = other(host, "ns2").check_output("journalctl -u named -o cat --no-pager")
    assert log.count("transfer of 'acme.example.net/IN'") >= 2 and "Transfer status: success" in log
    assert f"ns2.{ZONE}." in host.check_output(f"dig +short +tries=1 +time=3 @198.18.0.11 {ZONE} NS")


def test_nobody_but_root_can_read_account_key_private_keys_and_logs(host):
    for folder in ("/var/lib/smallfleet/acme", "/etc/smallfleet/acme", "/var/log/smallfleet-acme"):
        readable = host.check_output(f"find -L {folder} -perm /007 -type f \\( -name '*key*' -o -name '*.log*' \\)")
        assert readable == ""
    assert host.run("su -s /bin/sh nobody -c 'cat /etc/smallfleet/acme/web/privkey.pem'").rc != 0
    pem = host.file("/etc/haproxy/shop.pem")
    assert (pem.user, pem.group, oct(pem.mode)) == ("root", "haproxy", "0o640")
    secret = host.file(KEY_FILE).content_string.split('secret "')[1].split('"')[0]
    assert host.run(f"journalctl --no-pager | grep -F '{secret}'").stdout == ""
    assert host.run(f"grep -rF '{secret}' /var/log /etc/smallfleet/acme /var/lib/smallfleet/acme").stdout == ""


@pytest.mark.parametrize(
    ("zone", "lines"),
    [
        (ZONE, f"update add www.{ZONE} 60 TXT x"),
        (ZONE, f"update add _acme-challenge.{ZONE} 60 A 198.18.0.66"),
        (ZONE, f"update add _acme-challenge.other.{ZONE} 60 TXT x"),
        (ZONE, f"update add x._acme-challenge.{ZONE} 60 TXT x"),
        (ZONE, f"update delete _acme-challenge.shop.{ZONE} CNAME"),
        (ZONE, f"update delete {ZONE}"),
        ("proofs.example.org", "update add other.proofs.example.org 60 TXT x"),
        ("proofs.example.org", "update add shop.proofs.example.org 60 CNAME elsewhere.example.com."),
    ],
)
def test_the_key_can_do_nothing_else(host, zone, lines):
    assert nsupdate(host, zone, lines) == "update failed: REFUSED"


def test_the_key_can_do_what_it_is_for(host):
    for zone, name in ((ZONE, f"_acme-challenge.{ZONE}"), ("proofs.example.org", "shop.proofs.example.org")):
        assert nsupdate(host, zone, f"update add {name} 60 TXT x") == ""
        assert nsupdate(host, zone, f"update delete {name} TXT x") == ""


def test_each_certificate_has_a_timer_that_catches_up_and_does_not_run_with_others(host):
    for name in PORTS:
        timer = host.service(f"smallfleet-acme@{name}.timer")
        assert timer.is_running and timer.is_enabled
        what = "Persistent,RandomizedDelayUSec"
        found = host.check_output(f"systemctl show smallfleet-acme@{name}.timer --property={what}")
        assert found.splitlines() == ["RandomizedDelayUSec=12h", "Persistent=yes"]


def test_what_is_not_due_is_left_alone(host):
    before = shown(host, "web"), users(host)
    assert renew(host, "web").rc == 0
    assert (shown(host, "web"), users(host)) == before


@pytest.mark.drill
def test_check_mode_shows_a_new_name_and_a_run_has_it_issued_and_tells_only_its_user_and_verify_accepts_it(host, play):
    before, told = {name: shown(host, name) for name in PORTS}, users(host)
    said = play(add_a_name, (CHECK, RUN, VERIFY))
    assert said.count(f"+names: *.{ZONE}, *.shop.{ZONE}, {ZONE}") == 2 and "changed=2" in said
    assert f"DNS:*.shop.{ZONE}" in shown_after(host, "web", before["web"])
    now = users(host)
    assert now["web"] != told["web"] and now["web"][1] == told["web"][1], "nginx is reloaded, not restarted"
    assert (shown(host, "shop"), now["shop"]) == (before["shop"], told["shop"])


def test_a_run_that_died_before_its_user_was_told_is_finished_by_the_next(host):
    told = users(host)
    host.check_output("""sed -i 's/: "/: "0/' /var/lib/smallfleet/acme/web.json && rm /etc/smallfleet/acme/web""")
    assert renew(host, "web").rc == 0
    assert host.file("/etc/smallfleet/acme/web").is_symlink
    assert users(host)["web"] != told["web"] and users(host)["shop"] == told["shop"]


@pytest.mark.drill
def test_the_timer_renews_what_is_due_also_after_the_name_servers_were_restarted(host, play):
    for server in ("ns1", "ns2"):
        other(host, server).check_output("systemctl restart named")
    play(use_short_lives)
    before = {name: shown(host, name) for name in PORTS}
    told = users(host)
    wait_for(lambda: host.run(f"{ENDS} 5 -in /etc/smallfleet/acme/web/fullchain.pem").rc == 1)  # less than half of its 11 s is left
    assert renew(host, "web").rc == 0
    assert shown_after(host, "web", before["web"]) and shown(host, "shop") == before["shop"]
    assert users(host)["web"] != told["web"] and users(host)["shop"] == told["shop"]
    wait_for(lambda: host.run(f"{ENDS} 0 -in /etc/smallfleet/acme/shop/fullchain.pem").rc == 1)
    said = play(use_short_lives, (VERIFY,), good=False)
    assert "shop: it has ended 0.0 days ago" in said
    # The first authority's certificates are still good, and are given to their users again.
    assert "changed=1" in play(None, (RUN, VERIFY))


@pytest.mark.drill
def test_a_certificate_that_is_asked_for_no_more_is_not_renewed_and_its_files_stay(host, play):
    before = shown(host, "shop")
    said = play(lambda variables: variables["acme_certificates"].pop("shop"))
    assert "stop renewing shop; its files stay in /etc/smallfleet/acme/shop" in said
    timer = host.service("smallfleet-acme@shop.timer")
    assert not timer.is_running and not timer.is_enabled
    assert host.file("/etc/smallfleet/acme/shop/privkey.pem").exists and shown(host, "shop") == before
    assert "changed=1" in play()
    assert host.service("smallfleet-acme@shop.timer").is_running and shown(host, "shop") == before


@pytest.mark.drill
def test_with_a_wrong_key_the_old_certificate_stays_and_the_reason_is_told_and_the_timer_mends_it(host, play):
    before, told = shown(host, "web"), users(host)
    pulled = "journalctl -u pebble@14000 -o cat --no-pager | grep -c 'Pulled a task' ; true"
    asked = other(host, "ca1").check_output(pulled)
    host.check_output(f"cp -a {KEY_FILE} /root/right.key")
    host.check_output(f"""sed -i 's/secret ".*"/secret "d3JvbmcgYnV0IGxvbmcgZW5vdWdoIGZvciBzaGEyNTY="/' {KEY_FILE}""")
    try:
        said = play(drop_the_wildcard, good=False)
        assert "198.18.0.11 did not accept the update of _acme-challenge.acme.example.net" in said
        assert "it does not know the key, or has another secret for it" in said
        assert host.run("systemctl is-failed smallfleet-acme@web.service").stdout.strip() == "failed"
        assert "did not accept" in host.run("systemctl status --no-pager --lines=20 smallfleet-acme@web.service").stdout
        assert (shown(host, "web"), users(host)) == (before, told)
        assert int(asked) > 0
        assert other(host, "ca1").check_output(pulled) == asked, "it was asked to validate what could not be there"
        assert "web: the last try failed" in play(drop_the_wildcard, (VERIFY,), good=False)
    finally:
        host.check_output(f"cp -a /root/right.key {KEY_FILE}")
    assert renew(host, "web").rc == 0
    assert "DNS:*." not in shown_after(host, "web", before)
