# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""External secondaries with a key, of a Knot and of a BIND; and zones exported by the playbook.

app1 stands in for a provider: it has the keys, and a second address, where NOTIFY goes. The tests run in the order in which they stand here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from test_dns_pair import KEYS, NS1, NS2, SCENARIO, UPDATE_KEY, converge, dig, nsupdate, transfer

PROVIDER = "198.18.0.53"

testinfra_hosts = ["ansible://ns1"]

# Takes one NOTIFY (opcode 4 of RFC 1996) over UDP or TCP, and says whether its last record is a TSIG of the key.
LISTEN = """
import select, socket
udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.create_server(("198.18.0.53", 5353))
udp.bind(("198.18.0.53", 5353))
print("ready", flush=True)
ready = select.select([udp, tcp], [], [], 30)[0]
wire = udp.recv(65535) if ready[0] is udp else tcp.accept()[0].makefile("rb").read1(65535)[2:]
print(wire[2] >> 3 & 15, b"\\x04ours\\x00\\x00\\xfa" in wire, flush=True)
"""


def playbook(name: str, *options: str):
    """The exit status and all that a playbook says, on one line."""
    command = ["ansible-playbook", "-i", str(SCENARIO / "inventory"), f"playbooks/{name}.yml", *options]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=SCENARIO.parents[1], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def app1(host):
    """The host, while it has the provider's address too."""
    found = host.get_host("ansible://app1", ansible_inventory=host.backend.ansible_inventory)
    device = found.check_output("ip -o -4 address show to 198.18.0.21 | cut -d' ' -f2")
    found.check_output(f"ip address add {PROVIDER}/24 dev {device}")
    yield found
    found.check_output(f"ip address del {PROVIDER}/24 dev {device}")


def gets(asker, zone: str, server: str, key: str = "", source: str = PROVIDER) -> bool:
    return "\tSOA\t" in transfer(asker, zone, f"{server} -b {source}", key)


def test_a_transfer_without_the_key_is_refused_and_one_with_it_is_not(app1):
    for zone, server, key in (("ours.example.net", NS1, "ours"), ("theirs.example.net", NS2, "theirs")):
        assert gets(app1, zone, server, key)
        for other in ("", "app1-own", "theirs" if key == "ours" else "ours"):
            assert not gets(app1, zone, server, other), (zone, other)
    assert not gets(app1, "pair.example.net", NS1, "ours"), "the key of one zone is for that zone"


def test_where_addresses_are_listed_the_key_is_not_enough(app1):
    assert gets(app1, "theirs.example.net", NS2, "theirs")
    assert not gets(app1, "theirs.example.net", NS2, "theirs", "198.18.0.21")
    assert gets(app1, "ours.example.net", NS1, "ours", "198.18.0.21")


def test_the_provider_is_notified_with_the_key_and_is_in_the_ns_set(host, app1):
    assert dig(app1, "ours.example.net NS", NS1) == ["ns.provider.example.", "ns1.pair.example.net."]
    app1.check_output("rm -f /tmp/told; nohup python3 -c %s > /tmp/told 2>&1 &", LISTEN)
    app1.check_output("for i in $(seq 100); do grep -q ready /tmp/told && break; sleep 0.1; done; grep -q ready /tmp/told")
    assert nsupdate(host, "ours.example.net", "update add x.ours.example.net 60 TXT y", UPDATE_KEY, "127.0.0.1") == ""
    app1.check_output("for i in $(seq 300); do [ $(wc -l < /tmp/told) -ge 2 ] && break; sleep 0.1; done")
    assert app1.check_output("cat /tmp/told").splitlines() == ["ready", "4 True"]


def test_the_providers_secret_is_where_it_belongs_and_a_run_that_shows_all_does_not_show_it(host, app1):
    secret = "bW9sZWN1bGUga25vd3MgdGhpcywgc28gZG8geW91ISE="
    ns2 = host.get_host("ansible://ns2", ansible_inventory=host.backend.ansible_inventory)
    key = ns2.file(f"{KEYS}/theirs.key")
    assert secret in key.content_string and oct(key.mode) == "0o600" and key.user == "root"
    ns2.check_output(f"rm {KEYS}/theirs.key")
    said = converge("-vvv", "--diff", "--check", "--limit", "ns2") + converge("-vvv", "--diff")
    assert "write the key theirs to theirs.key" in said and secret not in said
    assert not host.file(f"{KEYS}/theirs.key").exists
    for server in (host, ns2, app1):
        assert server.run("journalctl --no-pager | grep -F '%s'", secret).stdout == ""


def test_a_key_that_the_provider_holds_is_rotated_when_the_provider_has_the_next_one(host, app1):
    rotate = ("-e", "dns_rotate_wait=0", "-e", "dns_rotate_key=ours")
    status, said = playbook("rotate_dns_keys", *rotate, "-e", "dns_rotate_handed_over=true")
    assert status != 0 and "No rotation of ours is under way" in said
    status, said = playbook("rotate_dns_keys", *rotate)
    assert status != 0 and f"{KEYS}/ours.next.key on ns1" in said, said
    assert gets(app1, "ours.example.net", NS1, "ours") and gets(app1, "ours.example.net", NS1, "ours.next")
    app1.check_output(f"cp {KEYS}/ours.key /root/ours-before.key")
    status, said = playbook("rotate_dns_keys", *rotate, "-e", "dns_rotate_handed_over=true")
    assert status == 0, said
    assert gets(app1, "ours.example.net", NS1, "ours") and not host.file(f"{KEYS}/ours.next.key").exists
    asked = f"dig -k /root/ours-before.key +tries=1 +time=3 +noall +answer @{NS1} ours.example.net AXFR"
    assert "\tSOA\t" not in app1.run(asked).stdout
    status, said = playbook("rotate_dns_keys", "-e", "dns_rotate_wait=0", "-e", "dns_rotate_key=theirs")
    assert status != 0 and "is made by others" in said


def test_a_zone_is_exported_to_the_controller_as_bind_reads_it(app1, tmp_path: Path):
    target = tmp_path / "zone"
    options = ("-e", "export_zone=pair.example.net", "-e", f"export_file={target}")
    status, said = playbook("export_zone", *options, "--check", "--diff")
    assert status == 0 and not target.exists() and "www2 60 IN A 198.18.0.80" in said, said
    status, said = playbook("export_zone", *options)
    assert status == 0 and "changed=1" in said, said
    text = target.read_text()
    assert oct(target.stat().st_mode & 0o777) == "0o644" and "RRSIG" not in text
    escaped = text.replace("%", "%%")
    app1.check_output(f"cat > /tmp/exported.zone <<'END'\n{escaped}\nEND")
    assert "loaded serial" in app1.check_output("named-checkzone pair.example.net /tmp/exported.zone")
    status, said = playbook("export_zone", *options)
    assert status == 0 and re.search(r"ns1 : ok=\d+ changed=0", said), said


def test_the_exported_entry_is_planned_as_the_same_zone(tmp_path: Path):
    target = tmp_path / "entry.yml"
    options = ("-e", "export_zone=dyn.example.net", "-e", f"export_file={target}", "-e", "export_format=dns_zones")
    status, said = playbook("export_zone", *options)
    assert status == 0 and "is made from primary" in said, said
    assert "written by the inventory" in target.read_text()
    shutil.copytree(SCENARIO / "inventory", tmp_path / "inventory")
    path = tmp_path / "inventory/group_vars/all.yml"
    variables = yaml.safe_load(path.read_text())
    variables["dns_zones"]["dyn.example.net"] = "{{ exported_dyn_example_net | combine({'primary': 'ns1', 'secondaries': ['ns2']}) }}"
    path.write_text(yaml.safe_dump(variables))
    said = converge("--check", "--diff", "--limit", "ns1", "-e", f"@{target}", inventory=tmp_path / "inventory")
    assert re.search(r"ns1 *: ok=\d+ +changed=0", said), said
