# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key comes to its holder sealed, may change its own name only, and is rotated while updates and transfers go on.

The tests run in the order in which they stand here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
LAB = "molecule-keys"
ZONE = "keys.example.net"
NS1 = "198.18.0.11"
STORE = "/etc/smallfleet/dns"
OWN = f"{STORE}/app1-own.key"
TRANSFER = f"{STORE}/molecule-keys-transfer-ns1.key"
CONVERGE = (str(SCENARIO / "converge.yml"),)
NO_KEYS = ("-e", json.dumps({"dns_keys": {}}))
ROTATE = ("playbooks/rotate_dns_keys.yml", "-e", "dns_rotate_wait=0")

# Writes down what is in the arguments and the environment of OpenSSL, and of whatever else runs meanwhile.
SHIM = '#!/bin/sh\n{ echo "$@"; env; } >>/run/watch\nexec /usr/bin/openssl "$@"\n'
WATCH = """
import glob, time
while True:
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            said = open(path, "rb").read()
        except OSError:
            continue
        with open("/run/watch", "ab") as log:
            log.write(said.replace(bytes(1), b" "))
    time.sleep(0.02)
"""

testinfra_hosts = ["ansible://app1"]


def other(host, name: str):
    return host.get_host(f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory)


@pytest.fixture
def ns1(host):
    return other(host, "ns1")


@pytest.fixture
def ns2(host):
    return other(host, "ns2")


def command(*words: str):
    program = "ansible-playbook" if words[0].endswith(".yml") else "ansible"
    settings = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "3"}
    full = [program, "-i", str(SCENARIO / "inventory"), *words]
    return {"args": full, "cwd": PROJECT, "env": {**os.environ, **settings}, "text": True}


def ansible(*words: str):
    """The exit status, and all that was said, on one line: results are shown with lines broken anywhere."""
    done = subprocess.run(**command(*words), capture_output=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def run_well(*words: str) -> str:
    status, said = ansible(*words)
    assert status == 0, said
    return said


def kill_controller_at(play: str, title: str, *words: str) -> None:
    """Run a playbook, and kill it as soon as it has begun the task of that title in that play."""
    with subprocess.Popen(**command(*words), stdout=subprocess.PIPE) as running:
        reached = any(play in line for line in running.stdout) and any(title in line for line in running.stdout)
        running.kill()
    assert reached, f"the task '{title}' was never reached"


def drill(module: str, arguments: str) -> None:
    run_well("localhost", "-m", f"smallfleet.infra.{module}", "-a", f"name={LAB} {arguments}")
    # A connection that is kept open to a node without power would be waited for.
    for kept in Path(f"/var/lib/smallfleet/labs/{LAB}/cp").glob("*"):
        kept.unlink()


def update(writer, lines: str, key: str = OWN) -> str:
    """What nsupdate says, which is nothing when it was done."""
    said = writer.run(f"printf 'server {NS1}\\nzone {ZONE}\\n{lines}\\nsend\\n' | nsupdate -k {key}")
    return (said.stdout + said.stderr).strip()


def sshfp(number: int) -> str:
    name = f"app1.{ZONE}"
    return f"update delete {name} SSHFP\\nupdate add {name} 60 SSHFP 4 2 {number:064x}"


def secret(node, file: str) -> str:
    return node.file(file).content_string.split('secret "')[1].split('"')[0]


def names(node, *files: str) -> list:
    """The TSIG names in these files."""
    return re.findall(r'^key "([^"]+)"', "".join(node.file(file).content_string for file in files), re.MULTILINE)


def generation(node, file: str) -> int:
    (name,) = names(node, file)
    return int(name[len(Path(file).stem) + 1 :] or 1)


def store(node) -> list:
    return node.check_output(f"ls {STORE}").split()


@pytest.fixture
def load(host, ns1, ns2):
    """Signed updates from app1 and whole transfers to ns2, all the time; returns what went wrong when it is called."""
    host.run("systemctl reset-failed load; rm -f /run/load")
    ns2.run("systemctl reset-failed load; rm -f /run/load")
    begin = ns1.check_output("date +%s")
    host.check_output(
        "systemd-run --quiet --unit=load /bin/sh -c 'n=0; while sleep 0.2; do n=$((n+1)); "
        f'printf "server {NS1}\\nzone {ZONE}\\nupdate delete app1.{ZONE} SSHFP\\n'
        f'update add app1.{ZONE} 60 SSHFP 4 2 %064x\\nsend\\n" $n | nsupdate -k {OWN} 2>&1 '
        ">/run/load.last && echo ok >>/run/load || { echo failed; cat /run/load.last; } >>/run/load; done'"
    )
    ns2.check_output(
        "systemd-run --quiet --unit=load /bin/sh -c 'while sleep 0.2; do "
        f"dig +tries=1 @{NS1} {ZONE} AXFR -k {TRANSFER} >/run/load.last 2>&1; "
        "if grep -q XFR.size /run/load.last; then echo ok; else cat /run/load.last; fi >>/run/load; done'"
    )

    def trouble() -> str:
        for node in (host, ns2):
            assert node.run("systemctl stop load").rc == 0
            assert node.file("/run/load").content_string.count("ok") > 20
        log = f"journalctl --no-pager -u named --since=@{begin} | grep -Ei 'denied|refused|bad ?key|verify failure|tsig error|notauth|failed while' || true"
        failed = [node.run("grep -v ok /run/load").stdout for node in (host, ns2)]
        return "".join([*failed, ns1.check_output(log), ns2.check_output(log)])

    yield trouble
    host.run("systemctl stop load")
    ns2.run("systemctl stop load")


def test_every_host_holds_its_own_keys_and_only_root_can_read_them(host, ns1, ns2):
    assert store(host) == ["app1-own.key", "exchange.pem"]
    assert store(ns1) == ["app1-own.key", "molecule-keys-transfer-ns1.key", "molecule-keys-update.key"]
    assert store(ns2) == ["exchange.pem", "molecule-keys-transfer-ns1.key"]
    assert secret(host, OWN) == secret(ns1, OWN) and secret(ns1, TRANSFER) == secret(ns2, TRANSFER)
    for node in (host, ns1, ns2):
        assert node.check_output(f"stat -c '%U %a' {STORE} {STORE}/* | sort -u") == "root 600\nroot 700"
    assert host.run(f"su -s /bin/sh nobody -c 'cat {OWN}'").rc != 0


def test_the_key_may_change_its_own_name_and_type_and_nothing_else(host):
    assert update(host, sshfp(1)) == ""
    assert update(host, f"update add app1.{ZONE} 60 TXT no") == "update failed: REFUSED"
    assert update(host, f"update add app2.{ZONE} 60 SSHFP 4 2 {2:064x}") == "update failed: REFUSED"
    assert update(host, f"update add sub.app1.{ZONE} 60 SSHFP 4 2 {2:064x}") == "update failed: REFUSED"
    found = host.check_output(f"dig +short @{NS1} app1.{ZONE} SSHFP").split()
    assert "".join(found[2:]) == f"{1:064X}"


def test_a_holder_removes_a_key_that_it_has_to_hold_no_more_and_nothing_else(host):
    """The next test has it fetched again."""
    host.check_output(f"printf 'key \"mine\" {{}};\n' >{STORE}/mine.key")
    said = run_well(str(SCENARIO / "tests" / "check_and_run.yml"), "--limit", "app1", "--diff", *NO_KEYS)
    assert said.count(f"==> {OWN} <==") == 2, "check mode shows it, and a run does it"
    assert store(host) == ["exchange.pem", "mine.key"]
    host.check_output(f"rm {STORE}/mine.key")


def test_no_secret_is_seen_on_its_way_to_a_holder(host, ns1):
    for node in (host, ns1):
        node.check_output(f"printf '%s' '{SHIM}' >/usr/local/bin/openssl; chmod 755 /usr/local/bin/openssl; rm -f /run/watch")
        node.check_output(f"systemd-run --quiet --unit=watch /usr/bin/python3 -c '{WATCH}'")
    host.check_output(f"rm -f {OWN} {STORE}/exchange.pem")
    said = run_well(*CONVERGE, "--limit", "app1", "-vvvv", "--diff")
    assert "BEGIN CMS" in said and "changed=" in said
    mine = secret(host, OWN)
    private = [line for line in host.file(f"{STORE}/exchange.pem").content_string.splitlines() if len(line) == 64]
    assert mine == secret(ns1, OWN)
    assert mine not in said and private[1] not in said and "PRIVATE KEY" not in said
    for node in (host, ns1):
        node.check_output("systemctl stop watch; rm /usr/local/bin/openssl")
        assert node.file("/run/watch").contains("cms -encrypt" if node is ns1 else "cms -decrypt")
        assert node.run(f"grep -F '{mine}' /run/watch").rc == 1
        assert node.run(f"journalctl --no-pager | grep -F '{mine}'").stdout == ""


@pytest.mark.drill
def test_a_home_that_cannot_be_reached_is_named_before_anything_else_is_done(host):
    kept = secret(host, OWN)
    drill("lab_link", "node=ns1 network=main state=cut")
    try:
        content, without_need = ansible(*CONVERGE, "--limit", "app1")
        host.check_output(f"rm {OWN}")
        status, said = ansible(*CONVERGE, "--limit", "app1")
    finally:
        drill("lab_link", "node=ns1 network=main state=restored")
    assert content == 0, without_need
    assert status != 0
    assert "app1 needs app1-own from ns1" in said and "ns1 cannot be reached" in said
    assert not host.file(OWN).exists
    run_well(*CONVERGE, "--limit", "app1")
    assert secret(host, OWN) == kept


@pytest.mark.drill
def test_a_key_that_is_taken_away_is_removed_and_what_somebody_else_put_there_is_not(host, ns1):
    ns1.check_output(f"cp {OWN} /run/before.key; printf 'key \"mine\" {{}};\\n' >{STORE}/mine.key")
    said = run_well(*CONVERGE, "--check", "--diff", *NO_KEYS)
    assert "remove app1-own.key" not in store(host) and f"==> {OWN} <==" in said
    assert host.file(OWN).exists
    run_well(*CONVERGE, *NO_KEYS)
    assert "app1-own.key" not in store(host) and "app1-own.key" not in store(ns1)
    assert "mine.key" in store(ns1)
    ns1.check_output(f"rm {STORE}/mine.key")
    run_well(*CONVERGE)
    assert secret(host, OWN) == secret(ns1, OWN) != secret(ns1, "/run/before.key")
    assert update(ns1, sshfp(3), "/run/before.key") != ""
    assert update(host, sshfp(3)) == ""


@pytest.mark.drill
def test_a_key_of_an_earlier_version_is_adopted(ns1):
    update_key = f"{STORE}/molecule-keys-update.key"
    kept = secret(ns1, update_key)
    ns1.check_output(f"install -D -m 640 {update_key} /etc/bind/smallfleet/molecule-keys-update.key && rm {update_key}")
    run_well(*CONVERGE, "--limit", "ns1")
    assert secret(ns1, update_key) == kept


def test_check_mode_tells_what_would_be_rotated_and_rotates_nothing(host, ns1):
    before = (store(ns1), secret(host, OWN))
    said = run_well(*ROTATE, "--check", "--diff")
    assert "+rotate app1-own, made on ns1, on app1, ns1" in said
    assert (store(ns1), secret(host, OWN)) == before


@pytest.mark.drill
def test_a_rotation_that_leaves_a_server_out_or_has_a_wrong_name_is_refused(ns1):
    before = store(ns1)
    status, said = ansible(*ROTATE, "--limit", "app1")
    assert status != 0 and "Nothing was changed. The key app1-own is not seen on ns1" in said
    status, said = ansible(*ROTATE, "-e", "dns_rotate_key=app1-onw")
    assert status != 0 and "The fleet has no key app1-onw" in said
    assert store(ns1) == before


@pytest.mark.drill
def test_a_rotation_whose_controller_is_killed_again_and_again_is_finished_and_nobody_is_refused(host, ns1, ns2, load):
    ns1.check_output(f"cp {OWN} /run/old-own.key; cp {TRANSFER} /run/old-transfer.key")
    files = ((host, OWN), (ns1, OWN), (ns1, TRANSFER), (ns2, TRANSFER))
    before = [generation(*one) for one in files]
    kill_controller_at("Publish the next generation", "Serve | Configure", *ROTATE)
    assert [generation(*one) for one in files] == before
    kill_controller_at("Activate the next generation", "Fetch | Open and keep", *ROTATE)
    kill_controller_at("Retire the previous generation", "Store | Make the keys", *ROTATE)
    run_well(*ROTATE)
    assert load() == ""
    assert store(host) == ["app1-own.key", "exchange.pem"]
    assert [generation(*one) for one in files] == [number + 1 for number in before]
    assert update(ns1, sshfp(4), "/run/old-own.key") != ""
    refused = ns1.run(f"dig +tries=1 @{NS1} {ZONE} AXFR -k /run/old-transfer.key").stdout
    assert "XFR size" not in refused
    assert "changed=0" in run_well(*CONVERGE).split("PLAY RECAP")[1].split("ns1")[0]


@pytest.mark.drill
def test_a_holder_without_power_stops_the_rotation_before_anything_is_forgotten(host, ns1):
    ns1.check_output(f"cp {OWN} /run/old-own.key")
    before, transfer = generation(host, OWN), generation(ns1, TRANSFER)
    rotate = (*ROTATE, "-e", "dns_rotate_key=app1-own")
    drill("lab_node", "node=app1 state=powered_off")
    try:
        status, said = ansible(*rotate)
    finally:
        drill("lab_node", "node=app1 state=powered_on")
    assert status != 0
    assert f"app1 is not proven to sign with the new generation of app1-own, app1-own-{before + 1}" in said
    assert "Nothing was forgotten" in said
    assert generation(host, OWN) == before
    assert update(host, sshfp(5)) == ""
    run_well(*rotate)
    assert generation(host, OWN) == before + 1 and "app1-own.previous.key" not in store(ns1)
    assert update(host, sshfp(6)) == ""
    assert update(ns1, sshfp(7), "/run/old-own.key") != ""
    assert generation(ns1, TRANSFER) == transfer
