# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two real guests under real libvirt, on the bridge that the role network made. The tests run in the order in which they stand here."""

from __future__ import annotations

import json
import os
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
LAB = Path("/var/lib/smallfleet/labs/molecule-vm-host")
GUESTS = yaml.safe_load((SCENARIO / "inventory" / "hosts.yml").read_text())["all"]["hosts"]["hypervisor"]["vm_host_guests"]
ADDRESSES = {"web": ("198.18.0.101", "2001:db8:0:1::101"), "bare": ("198.18.0.102", "2001:db8:0:1::102")}
IMAGES = "/var/lib/libvirt/images"
ASK = "import socket, sys; print(socket.create_connection((sys.argv[1], 79), timeout=3).makefile().read())"


def start(*argv: str) -> subprocess.Popen[str]:
    settings = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    settings["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    return subprocess.Popen(
        argv, cwd=PROJECT, env={**os.environ, **settings}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(*argv: str) -> Tuple[int, str]:
    """The exit status of a command here, and all that it said."""
    running = start(*argv)
    said, _nothing = running.communicate(timeout=240)
    return running.returncode, said


def module(guests: Any, *options: str) -> Dict[str, Any]:
    """What the module says when it is called for these guests, whether it failed, and as ``shown`` what Ansible wrote of it."""
    return modules(guests, options=options)[0]


def modules(*calls: Any, options: Tuple[str, ...] = ()) -> List[Dict[str, Any]]:
    """The same of several calls at the same time."""
    argv = ("ansible", "-i", str(SCENARIO / "inventory"), "hypervisor", "-e", "ansible_python_interpreter=/usr/bin/python3")
    argv += ("-m", "smallfleet.infra.libvirt_guests", *options)
    running = [start(*argv, "-a", json.dumps({"guests": guests})) for guests in calls]
    results = []
    for one in running:
        said, _nothing = one.communicate(timeout=240)
        result = json.loads(said[said.index("=> {") + 3 :].rpartition("}")[0] + "}")
        results.append({**result, "failed": one.returncode != 0, "shown": said})
    return results


def on(node: str, *command: str) -> str:
    argv = ("ssh", "-F", str(LAB / "ssh_config"), node, *command)
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=60, check=True).stdout


def facts(node: str, address: str, seconds: float = 90.0) -> Dict[str, str]:
    """What a guest says of itself to a node, as soon as it answers."""
    ends = time.monotonic() + seconds
    while True:
        try:
            said = on(node, "python3", "-c", f"'{ASK}'", address)
            return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        except subprocess.CalledProcessError as error:
            assert time.monotonic() < ends, f"no answer from {address}: {error.stderr[-300:]}"
            time.sleep(0.2)


def guest(name: str, **changed: Any) -> Dict[str, Any]:
    """A guest as the module takes it, with what the inventory says and what is changed; its NIC keeps the MAC it has."""
    return {"name": name, **GUESTS[name], "interfaces": [{"bridge": "br0", "mac": mac(name)}], **changed}


@cache
def mac(name: str) -> str:
    return on("hypervisor", f"virsh domiflist {name} | awk '/bridge/ {{print $5}}'").strip()


def processes() -> str:
    """Every QEMU with its process id and when it was started."""
    return on("hypervisor", "ps -o pid=,lstart=,args= -C qemu-system-x86_64 | cut -c1-90")


def world() -> str:
    """All that a run might change."""
    listed = "for g in $(virsh list --all --name); do virsh dominfo $g | grep -v time; virsh dumpxml --inactive $g; virsh dumpxml $g; done"
    return on("hypervisor", f"{listed}; ls -l /var/lib/libvirt/images | cut -c12-") + processes()


def test_guests_answer_from_their_host_and_from_elsewhere_by_both_families():
    for addresses in ADDRESSES.values():
        found = [facts(node, address) for address in addresses for node in ("peer", "hypervisor")]
        assert len({one["boot_id"] for one in found}) == 1


def test_a_guest_has_the_memory_the_disk_and_the_address_that_were_asked_for():
    web, bare = (facts("peer", ADDRESSES[name][0]) for name in ("web", "bare"))
    assert web["disk_vda"] == str(64 * 2048)
    assert not any(key.startswith("disk_") for key in bare)
    assert web["nic_eth0"].startswith("52:54:00:") and web["nic_eth0"] != bare["nic_eth0"]
    assert 64 * 1024 < int(web["memory"]) < 128 * 1024
    assert web["cpus"] == "1"


def test_a_guest_that_is_not_in_the_inventory_is_not_touched_and_a_second_run_restarts_nothing():
    define = "/usr/local/lib/trial-guest/trial-guest xml foreign --bridge br0 > /run/foreign.xml; virsh define /run/foreign.xml"
    on("hypervisor", f"{define}; virsh autostart foreign")
    before = world()
    assert "foreign" in before
    said = module([guest("web"), guest("bare")])
    assert not said["changed"] and said["restart_needed"] == {}
    assert world() == before
    on("hypervisor", "virsh undefine foreign")


def test_check_mode_tells_what_would_change_and_changes_nothing():
    before = world()
    said = module(
        [
            guest("web", memory=192),
            {"name": "new", "memory": 64, "disks": [{"file": "new.raw", "format": "raw", "size": "1M"}]},
            {"name": "bare", "state": "absent"},
        ],
        "--check",
        "--diff",
    )
    assert said["changed"] and said["steps"] == [
        "shut down bare",
        "undefine bare",
        "create disk /var/lib/libvirt/images/new.raw",
        "define new",
        "autostart new",
        "start new",
        "define web",
    ]
    web = said["shown"].partition("+++ after: definition of web")[2].partition("hypervisor | CHANGED")[0]
    changed = {line[1:].strip() for line in web.splitlines() if line.startswith("+")}
    assert changed == {'<memory unit="KiB">196608</memory>', '<currentMemory unit="KiB">196608</currentMemory>'}
    assert world() == before


@pytest.fixture(scope="module")
def refused():
    """What one call says of guests of which one could be changed, and all others cannot be made; nothing may come of it."""
    on("hypervisor", f"qemu-img create -q -f qcow2 -F raw -b /etc/shadow {IMAGES}/evil.qcow2")
    on("hypervisor", f"qemu-img create -q -f qcow2 -o data_file={IMAGES}/data.raw {IMAGES}/split.qcow2 1M")
    try:
        before = world()
        said = module(
            [
                guest("bare", memory=192),
                {"name": "one", "memory": 64, "interfaces": [{"bridge": "br7"}], "disks": [{"file": "one.qcow2"}]},
                {"name": "two", "memory": 64, "boot": {"kernel": "/boot/none"}, "interfaces": [{"direct": "eth7"}]},
                {"name": "three", "memory": 64, "disks": [{"file": "web.qcow2", "format": "raw"}]},
                *({"name": name, "memory": 64, "disks": [{"file": f"{name}.qcow2"}]} for name in ("evil", "split")),
            ]
        )
        return {**said, "kept": world() == before}
    finally:
        on("hypervisor", f"rm {IMAGES}/evil.qcow2 {IMAGES}/split.qcow2 {IMAGES}/data.raw")


def test_everything_that_would_stop_a_change_is_found_before_the_first_one(refused):
    assert refused["failed"] and "Nothing was changed" in refused["msg"]
    lacks = ("br7 is no bridge", "one.qcow2 is not there", "/boot/none is not there", "no link eth7")
    for part in (*lacks, "web.qcow2 is a disk of web", "web.qcow2 is there as qcow2"):
        assert part in refused["msg"], part
    assert refused["kept"]


def test_an_image_that_names_another_file_is_refused_and_that_file_never_opened(refused):
    assert f"{IMAGES}/evil.qcow2 names a backing file" in refused["msg"] and "shadow" not in refused["msg"]
    assert f"{IMAGES}/split.qcow2 names an external data file" in refused["msg"]
    assert refused["kept"]


def test_a_size_that_needs_a_restart_is_written_and_reported_and_the_guest_runs_on():
    boots, running = facts("peer", ADDRESSES["web"][0])["boot_id"], processes()
    said = module([guest("web", memory=192)])
    assert said["changed"] and said["steps"] == ["define web"]
    assert said["restart_needed"] == {"web": ["memory: 131072 KiB -> 196608 KiB"]}
    assert facts("peer", ADDRESSES["web"][0])["boot_id"] == boots and processes() == running


@pytest.mark.drill
def test_a_size_is_reported_until_the_restart_or_until_it_is_taken_back():
    module([guest("web", memory=192)])
    boots, running = facts("peer", ADDRESSES["web"][0])["boot_id"], processes()
    again = module([guest("web", memory=192)])
    assert not again["changed"] and again["restart_needed"] == {"web": ["memory: 131072 KiB -> 196608 KiB"]}
    assert facts("peer", ADDRESSES["web"][0])["boot_id"] == boots and processes() == running
    back = module([guest("web")])
    assert back["changed"] and back["restart_needed"] == {}


@pytest.mark.drill
def test_a_running_guest_is_put_on_another_bridge_without_a_restart():
    boots = facts("peer", ADDRESSES["web"][0])["boot_id"]
    here = guest("web")
    on("hypervisor", "ip link add br9 type bridge && ip link set br9 up")
    there = {**here, "interfaces": [{**here["interfaces"][0], "bridge": "br9"}]}
    said = module([there])
    assert said["steps"] == ["define web", "move an interface of web"] and said["restart_needed"] == {}
    assert "br9" in on("hypervisor", "virsh domiflist web")
    assert not module([there])["changed"]
    assert module([here])["steps"] == ["define web", "move an interface of web"]
    on("hypervisor", "ip link delete br9")
    assert facts("peer", ADDRESSES["web"][0])["boot_id"] == boots


@pytest.mark.drill
def test_guests_that_make_no_sense_are_refused():
    before = world()
    no_number = [guest("web", memory="much"), {"name": "../x", "memory": 1}, {"name": "y", "interfaces": [{}]}]
    no_sense = [{"name": "../x", "memory": 64}, {"name": "y", "disks": [{"file": "a", "rbd": "b/c"}]}]
    number, sense = modules(no_number, no_sense)
    assert number["failed"] and sense["failed"]
    assert "guests[0].name: '../x' is not a guest's name" in sense["msg"] and "guests[1].memory: is missing" in sense["msg"]
    assert world() == before


@pytest.mark.drill
def test_a_guest_that_is_to_go_is_shut_down_and_goes_with_its_disk():
    others = processes()
    brief = {**guest("bare"), "name": "brief", "disks": [{"file": "brief.raw", "format": "raw", "size": "8M"}], "autostart": False}
    brief["interfaces"] = []
    assert module([brief])["steps"] == ["create disk /var/lib/libvirt/images/brief.raw", "define brief", "start brief"]
    assert not module([brief])["changed"]
    said = module([{"name": "brief", "state": "absent", "remove_disks": True}])
    assert said["steps"] == ["shut down brief", "delete disk /var/lib/libvirt/images/brief.raw", "undefine brief"]
    assert "brief" not in on("hypervisor", "virsh list --all --name; ls /var/lib/libvirt/images")
    assert not module([{"name": "brief", "state": "absent", "remove_disks": True}])["changed"]
    assert processes() == others


@pytest.mark.drill
def test_the_module_passes_its_integration_target(monkeypatch):
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(PROJECT / "tests" / "integration" / "targets"))
    status, said = run("ansible-playbook", "-i", str(SCENARIO / "inventory"), str(SCENARIO / "module.yml"))
    assert status == 0, said
    assert "Everything is as it should be" in said


@pytest.mark.drill
def test_guests_come_back_with_their_host():
    before = {name: facts("peer", addresses[0])["boot_id"] for name, addresses in ADDRESSES.items()}
    for state in ("powered_off", "powered_on"):
        arguments = f"name=molecule-vm-host node=hypervisor state={state}"
        node = run("ansible", "-i", str(SCENARIO / "inventory"), "localhost", "-m", "smallfleet.infra.lab_node", "-a", arguments)
        assert node[0] == 0, node[1]
    for kept in (LAB / "cp").glob("hypervisor*"):  # a connection from before would be waited for
        kept.unlink()
    for name, addresses in ADDRESSES.items():
        assert facts("peer", addresses[1])["boot_id"] != before[name]
    assert not module([guest("web"), guest("bare")])["changed"]
