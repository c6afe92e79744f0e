# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real labs on this machine: how fast they stand, what they leave, what leaves them, and what drills do to them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from conftest import CACHE, make_lab, on, processes, traces

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.commands_host import LabRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.image_host import ImageFailed, Images

RANGES = (ip_network("198.18.0.0/15"), ip_network("2001:db8::/32"))
ETH_P_ALL = 3


def addresses(frame):
    """Source and destination of an Ethernet frame that carries IP; nothing for any other."""
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0800:
        return ip_address(frame[26:30]), ip_address(frame[30:34])
    if kind == 0x86DD:
        return ip_address(frame[22:38]), ip_address(frame[38:54])
    if kind == 0x0806:
        return ip_address(frame[28:32]), ip_address(frame[38:42])
    return ()


@contextmanager
def frames_for_a_lab():
    """Counts, on all links of this machine's own namespace, the frames that concern a lab's addresses."""
    seen = []
    ended = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as capture:
        capture.settimeout(0.1)

        def listen():
            while not ended.is_set():
                try:
                    frame = capture.recv(256)
                except TimeoutError:
                    continue
                if any(address in net for address in addresses(frame) for net in RANGES if address.version == net.version):
                    seen.append(frame)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield seen
            time.sleep(0.3)
        finally:
            ended.set()
            listener.join()


def test_the_counter_for_leaks_sees_a_leak():
    with frames_for_a_lab() as seen, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        sender.sendto(b"leak", ("198.18.0.1", 9))
    assert len(seen) >= 1


def test_no_frame_of_a_lab_is_seen_outside_it_up_or_down(raise_lab):
    with frames_for_a_lab() as seen:
        lab = raise_lab("test-leak", 2)
        on(lab, "n1", "ping -c 3 -i 0.2 198.18.0.2; ping -c 1 -W 1 198.18.77.1; ping -c 1 -W 1 2001:db8:7::1; apt-get update -qq", check=False)
        lab.apply(lab.plan(present=False))
        down = on(lab, "n1", "true", check=False)
    assert down.returncode == 255
    assert seen == []


def test_six_nodes_from_a_warm_cache_answer_in_under_20_seconds(raise_lab, capsys):
    warm = raise_lab("test-warm", 1)
    warm.apply(warm.plan(present=False))
    began = time.monotonic()
    lab = raise_lab("test-six", 6)
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\nsix nodes answered after {took:.1f} s")
    assert [on(lab, f"n{number}", "hostname").stdout.strip() for number in range(1, 7)] == [f"n{number}" for number in range(1, 7)]
    assert took < 20


def test_two_labs_with_the_same_addresses_stand_side_by_side(raise_lab):
    one, other = raise_lab("test-one", 2), raise_lab("test-other", 2)
    on(one, "n2", "touch /root/here")
    assert on(other, "n1", "ping -c 1 -W 2 198.18.0.2").returncode == 0
    assert on(other, "n2", "test -e /root/here", check=False).returncode == 1
    one.apply(one.plan(present=False))
    assert traces(one) == []
    assert on(other, "n1", "ping -c 1 -W 2 198.18.0.2").returncode == 0
    assert other.plan(present=True) == []


def test_one_run_waits_for_another_on_the_same_lab_and_names_it_when_it_does_not_end():
    with processes.alone("test-alone"):
        with processes.alone("test-alone-too"):
            pass
        with pytest.raises(processes.ProcessFailed, match="another run works on lab test-alone"):
            with processes.alone("test-alone", timeout=0.5):
                pass
    with processes.alone("test-alone", timeout=0.5):
        pass


def test_a_lab_whose_raising_was_cut_off_after_any_step_is_finished_or_taken_away():
    total = len(make_lab("test-cut", 2).plan(present=True))
    assert total > 8
    for cut in range(1, total + 1):
        lab = make_lab("test-cut", 2)
        lab.apply(lab.plan(present=True)[:cut])
        if cut % 2:
            again = make_lab("test-cut", 2)
            again.apply(again.plan(present=True))
            assert again.plan(present=True) == []
            assert on(again, "n1", "ping -c 1 -W 2 198.18.0.2").returncode == 0
        gone = make_lab("test-cut", 2)
        gone.apply(gone.plan(present=False))
        assert traces(gone) == [], f"after step {cut}"


def test_a_node_that_was_half_prepared_is_prepared_anew(raise_lab):
    lab = raise_lab("test-half", 1)
    node = lab.node("n1")
    node.power_off()
    os.unlink(f"{node.folder}/digest")
    assert [str(step) for step in lab.plan(present=True)][:1] == ["remove node n1"]
    lab.apply(lab.plan(present=True))
    assert on(lab, "n1", "hostname").stdout == "n1\n"


def test_a_lab_whose_folder_was_deleted_under_it_is_taken_away_all_the_same():
    lab = make_lab("test-folder", 1)
    lab.apply(lab.plan(present=True))
    subprocess.run(["umount", "--lazy", lab.node("n1").root, f"{lab.node('n1').folder}/disk"], check=True)
    shutil.rmtree(lab.spec.folder)
    lab.apply(lab.plan(present=False))
    assert traces(lab) == []


def test_power_cut_and_return_keep_the_disk_and_change_the_boot_id(raise_lab):
    lab = raise_lab("test-power", 1)
    before = on(lab, "n1", "echo kept > /root/file; cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic").stdout
    lab.node("n1").power_off()
    assert on(lab, "n1", "true", check=False).returncode == 255
    assert lab.node("n1").members() == []
    lab.apply(lab.plan(present=True))
    assert on(lab, "n1", "cat /root/file").stdout == "kept\n"
    after = on(lab, "n1", "cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic").stdout
    assert before != after


def test_a_node_starts_over_although_something_still_holds_its_former_network(raise_lab):
    lab = raise_lab("test-held", 1)
    node = lab.node("n1")
    with subprocess.Popen(["nsenter", f"--net=/proc/{node.leader()}/ns/net", "sleep", "60"]) as holder:
        try:
            while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
                time.sleep(0.02)
            node.power_off()
            assert "n1.0" in lab.networks.links(), "the network is gone at once: the test shows nothing"
            lab.apply(lab.plan(present=True))
            assert on(lab, "n1", "true").returncode == 0
        finally:
            holder.kill()


def test_a_frozen_node_keeps_its_connections_and_answers_nothing(raise_lab):
    lab = raise_lab("test-frozen", 2)
    node = lab.node("n1")
    own = os.readlink("/proc/self/ns/pid")
    assert len(node.members()) > 5
    assert [pid for pid in node.members() if os.readlink(f"/proc/{pid}/ns/pid") == own] == [node.running()]
    node.freeze()
    assert node.frozen()
    assert on(lab, "n1", "true", check=False).returncode == 255
    assert on(lab, "n2", "ping -c 1 -W 1 198.18.0.1", check=False).returncode == 0, "the kernel answers, no process does"
    node.thaw()
    assert not node.frozen()
    assert on(lab, "n1", "true").returncode == 0


@pytest.mark.parametrize(("direction", "hears", "speaks"), [("both", False, False), ("from", True, False), ("to", False, True)])
def test_a_link_is_cut_in_the_direction_asked_for(raise_lab, direction, hears, speaks):
    lab = raise_lab("test-link", 2)
    link = lab.link("n1", "main")

    def inside(name, command):
        leader = lab.node(name).leader()
        argv = ["nsenter", f"--target={leader}", "--net", "--mount", "--root", "--wd=/", "sh", "-c", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def crosses(sender, receiver):
        before = received(lab, receiver)
        inside(sender, "ping -c 3 -i 0.2 -W 1 -b 198.18.0.255")
        return received(lab, receiver) > before

    assert crosses("n2", "n1") and crosses("n1", "n2")
    lab.networks.cut(link, direction)
    assert lab.networks.direction_cut(link) == direction
    assert crosses("n2", "n1") == hears
    assert crosses("n1", "n2") == speaks
    assert inside("n1", "cat /sys/class/net/eth0/carrier").stdout == "1\n"
    lab.networks.restore(link)
    assert lab.networks.direction_cut(link) == ""
    assert crosses("n2", "n1") and crosses("n1", "n2")


def received(lab, name):
    """Broadcast pings that reached a node's ICMP, by its own counter."""
    leader = lab.node(name).leader()
    with open(f"/proc/{leader}/net/netstat", encoding="ascii") as stream:
        rows = [line.split() for line in stream if line.startswith("IpExt:")]
    return int(dict(zip(rows[0], rows[1]))["InBcastPkts"])


def test_a_container_that_asks_for_it_has_the_device_of_a_macvtap_link_at_once(raise_lab):
    lab = raise_lab("test-macvtap", 2, macvtap=("n1",))
    add = "ip link add link eth0 name mv0 type macvtap mode bridge && sleep 0.3 && ls -l /dev/tap$(cat /sys/class/net/mv0/ifindex)"
    assert on(lab, "n1", add).stdout.startswith("crw-------")
    assert "No such file" in on(lab, "n2", add, check=False).stderr
    on(lab, "n1", "exec 3<>/dev/tap$(cat /sys/class/net/mv0/ifindex)")
    assert on(lab, "n1", "ip link delete mv0; sleep 0.3; ls /dev/tap*", check=False).stdout == ""


def test_nodes_that_share_a_layer_have_its_packages_from_the_start_and_no_secret_in_common(raise_lab):
    lab = raise_lab("test-layer", 2, installed=("bind9", "bind9-utils"))
    for name in ("n1", "n2"):
        assert on(lab, name, "systemctl is-system-running --wait").stdout == "running\n"
        assert on(lab, name, "systemctl is-active named; rndc status | tail -n 1").stdout == "active\nserver is up and running\n"
        assert on(lab, name, "stat -c '%U %G %a' /etc/bind/rndc.key").stdout == "bind bind 640\n"
        again = on(lab, name, "apt-get install -y --no-download bind9; ls /usr/sbin/policy-rc.d /var/cache/apt/archives/*.deb", check=False)
        assert "bind9 is already the newest version" in again.stdout and "/usr" not in again.stdout and ".deb" not in again.stdout
        # What a boot makes again where /usr is newer than the rest; it costs seconds.
        assert on(lab, name, "systemctl show -P ConditionResult ldconfig systemd-update-done systemd-sysusers").stdout.split() == ["no"] * 3
    for path in ("/etc/bind/rndc.key", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        assert len({on(lab, name, f"cat {path}").stdout for name in ("n1", "n2")}) == 2
    other = make_lab("test-layer", 2, installed=("bind9",))
    assert [str(step) for step in other.plan(present=True)][-2:] == ["wait for node n1", "wait for node n2"]
    assert "prepare node n1" in [str(step) for step in other.plan(present=True)]


def test_an_installation_that_is_killed_leaves_no_mount_and_no_process_and_the_next_one_begins_anew(raise_lab):
    raise_lab("test-killed", 1)
    with tempfile.TemporaryDirectory(dir=CACHE) as cache:
        for name in ("images", "pool"):
            os.symlink(f"{CACHE}/{name}", f"{cache}/{name}")
        images = Images(cache, "trixie", LabRunner(), lambda _text: None)
        child = os.fork()
        if child == 0:
            images.build_layer(images.base("nspawn"), ["bind9"])
            os._exit(0)
        part = f"{images.layer(images.base('nspawn'), ['bind9'])}.part"
        until(lambda: os.path.exists(f"{part}/upper/usr/sbin/policy-rc.d"))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        until(lambda: subprocess.run(["pgrep", "-f", part], capture_output=True, check=False).returncode == 1)
        assert cache not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        done = images.build_layer(images.base("nspawn"), ["bind9"])
        assert os.path.exists(f"{done}/usr/sbin/named") and not os.path.exists(part)
        with pytest.raises(ImageFailed, match="lab_installed_packages: apt refuses no-such-package"):
            images.build_layer(images.base("nspawn"), ["no-such-package"])


def until(condition, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.alone
def test_a_virtual_machine_boots_debians_kernel_with_the_modules_that_containers_lack_and_a_power_cut_loses_what_was_not_synced(raise_lab):
    lab = raise_lab("test-guest", 1, "qemu", installed=("bind9", "bind9-utils"))
    modules = "wireguard 8021q bonding rbd"
    found = on(lab, "n1", f"for m in {modules}; do modprobe $m && echo $m; done; uname -r; systemctl is-system-running --wait", timeout=180).stdout
    lines = found.split()
    assert lines[:4] == modules.split()
    assert "deb13" in lines[4]
    assert lines[5] == "running"
    assert on(lab, "n1", "systemctl is-active named; rndc status | tail -n 1").stdout == "active\nserver is up and running\n"
    on(lab, "n1", "echo kept > /root/synced && sync /root/synced && echo lost > /root/unsynced")
    lab.node("n1").power_off()
    assert lab.node("n1").running() is None
    lab.apply(lab.plan(present=True))
    assert on(lab, "n1", "cat /root/synced").stdout == "kept\n"
    assert on(lab, "n1", "cat /root/unsynced", check=False).stdout == ""
