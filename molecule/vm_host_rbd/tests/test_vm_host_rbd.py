# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real guest with its disk in a real Ceph cluster, opened by QEMU with the key that libvirt was given."""

from __future__ import annotations

import json
import time
from pathlib import Path

import yaml

HOSTS = Path(__file__).resolve().parents[1] / "inventory" / "hosts.yml"
GUESTS = yaml.safe_load(HOSTS.read_text(encoding="utf-8"))["all"]["hosts"]["hypervisor"]["vm_host_guests"]

testinfra_hosts = ["ansible://hypervisor"]

ASK = "import socket; print(socket.create_connection(('198.18.0.101', 79), timeout=3).makefile().read())"
# What the key is looked for by is a file, so that the search is not what it finds.
LEAKS = (
    "awk '/key = /{print $3}' /etc/ceph/ceph.client.vms.keyring > /run/pattern && "
    "{ cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c -F -f /run/pattern; journalctl | grep -c -F -f /run/pattern; "
    "grep -rl -F -f /run/pattern /etc /var/log /tmp; rm /run/pattern; }"
)


def test_the_guest_has_the_image_as_its_disk_and_qemu_watches_it(host):
    ends = time.monotonic() + 90
    while (said := host.run(f'python3 -c "{ASK}"')).rc != 0:
        assert time.monotonic() < ends, said.stderr[-300:]
        time.sleep(0.5)
    assert f"disk_vda={32 * 2048}\n" in said.stdout
    watchers = json.loads(host.check_output("rbd status --format json vms/web"))["watchers"]
    assert len(watchers) == 1
    assert host.check_output("virsh domblklist web --details").split()[-4:] == ["network", "disk", "vda", "vms/web"]


def test_the_key_is_in_no_argument_no_journal_and_no_file_that_others_can_read(host):
    said = host.run(LEAKS).stdout.split()
    assert said[:2] == ["0", "0"]
    secret = next(name for name in said[2:] if name.startswith("/etc/libvirt/secrets/"))
    assert sorted(said[2:]) == sorted(["/etc/ceph/ceph.client.vms.keyring", secret])
    assert {host.file(name).mode for name in said[2:]} == {0o600}


def test_a_new_key_in_the_keyring_reaches_libvirt_at_the_next_run_and_the_guest_runs_on(host):
    pid = host.check_output("pidof qemu-system-x86_64")
    other = "AQBzb21lIG90aGVyIGtleSBvZiAzMiBieXRlcw=="
    secrets = "cat /etc/libvirt/secrets/*.base64"
    before = host.check_output(secrets)
    assert other != before
    host.check_output("cp -a /etc/ceph/ceph.client.vms.keyring /root/kept")
    host.check_output(f"sed -i 's|key = .*|key = {other}|' /etc/ceph/ceph.client.vms.keyring")
    mac = host.check_output("virsh domiflist web | awk '/bridge/ {print $5}'")
    guest = {"name": "web", **GUESTS["web"], "interfaces": [{"bridge": "br0", "mac": mac}]}
    options = json.dumps({"guests": [guest], "ceph": {"monitors": ["198.18.0.1"], "user": "vms"}})
    seen = host.ansible("smallfleet.infra.libvirt_guests", options, check=True)
    assert [step.split(" ")[0] for step in seen["steps"]] == ["set"] and other not in json.dumps(seen)
    host.ansible("smallfleet.infra.libvirt_guests", options, check=False)
    assert host.check_output(secrets) == other
    host.check_output("mv /root/kept /etc/ceph/ceph.client.vms.keyring")
    host.ansible("smallfleet.infra.libvirt_guests", options, check=False)
    assert host.check_output(secrets) == before
    assert host.check_output("pidof qemu-system-x86_64") == pid
