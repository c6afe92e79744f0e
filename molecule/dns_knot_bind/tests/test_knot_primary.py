# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What could take updates back from a primary that is Knot, and does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

from test_dns_pair import PATIENCE, SCENARIO, UPDATE_KEY, ZONE, configure, dig, nsupdate

FILE = f"/var/lib/knot/{ZONE}.zone"

testinfra_hosts = ["ansible://ns1"]


def write(host, name: str) -> None:
    assert nsupdate(host, ZONE, f"update add {name}.{ZONE} 60 TXT x", UPDATE_KEY) == ""


def has(host, name: str) -> bool:
    return dig(host, f"{name}.{ZONE} TXT", "127.0.0.1") == ['"x"']


def server_process(host) -> str:
    return host.check_output("systemctl show knot --property=MainPID --value")


def test_records_survive_a_server_that_was_killed(host):
    write(host, "killed")
    before = server_process(host)
    host.check_output("systemctl kill --signal=KILL knot")
    end = time.monotonic() + PATIENCE
    while server_process(host) in ("0", before) or not host.service("knot").is_running:
        assert time.monotonic() < end, "systemd has not started Knot again"
        time.sleep(0.2)
    assert has(host, "killed")


def test_the_server_never_writes_the_zone_file(host):
    write(host, "unwritten")
    host.check_output("systemctl restart knot")
    assert "unwritten" not in host.file(FILE).content_string


def test_a_zone_file_that_is_lost_and_made_again_takes_no_update_back(host):
    write(host, "lost")
    host.check_output(f"rm {FILE}; systemctl restart knot")
    assert has(host, "lost")
    assert "changed=1" in configure()
    assert host.file(FILE).exists
    host.check_output("systemctl restart knot")
    assert has(host, "lost")


def test_a_configuration_that_was_changed_by_hand_is_put_back_without_a_restart_or_a_lost_record(host):
    pid = server_process(host)
    host.check_output("echo '# mine' >> /etc/knot/knot.conf")
    write(host, "late")
    assert "changed=1" in configure()
    assert has(host, "late")
    assert server_process(host) == pid


def test_a_configuration_that_knot_refuses_is_never_put_in_place(host, tmp_path):
    before = host.check_output("sha256sum /etc/knot/knot.conf")
    task = {"smallfleet.infra.dns_server_config": {"provider": "knot", "listen": ["198.18.0.999"], "zones": []}}
    playbook = tmp_path / "broken.yml"
    playbook.write_text(json.dumps([{"hosts": "ns1", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    command = ["ansible-playbook", "-i", str(SCENARIO / "inventory"), str(playbook)]
    done = subprocess.run(command, cwd=SCENARIO.parents[1], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 2 and "the old one stays in place" in said, said
    assert host.check_output("sha256sum /etc/knot/knot.conf") == before
    assert has(host, "late")
    configure()


def test_a_zone_that_is_signed_no_more_is_served_without_signatures_and_keeps_its_records(host, tmp_path):
    zone = "pair.example.net"
    assert nsupdate(host, zone, f"update add kept.{zone} 60 TXT x", UPDATE_KEY) == ""
    shutil.copytree(SCENARIO / "inventory", tmp_path / "inventory")
    variables = tmp_path / "inventory/group_vars/all.yml"
    text = variables.read_text(encoding="utf-8")
    variables.write_text(text.replace("dnssec: true", "dnssec: false"), encoding="utf-8")
    key = dig(host, f"{zone} DNSKEY", "127.0.0.1")
    configure(inventory=tmp_path / "inventory")
    for kind in ("DNSKEY", "CDS", "CDNSKEY", "NSEC"):
        assert dig(host, f"{zone} {kind}", "127.0.0.1") == []
    assert "RRSIG" not in host.check_output(f"dig +dnssec @127.0.0.1 kept.{zone} TXT")
    assert dig(host, f"kept.{zone} TXT", "127.0.0.1") == ['"x"']
    configure()
    assert dig(host, f"{zone} DNSKEY", "127.0.0.1") == key, "the key is the one that the parent knew"
