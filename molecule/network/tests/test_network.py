# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is moved from its card to a bridge and back while it serves, and that undoes what nobody confirms.

The tests run in the order in which they stand here; each leaves the address of the host on the bridge.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
LAB = Path("/var/lib/smallfleet/labs/molecule-network")
MOVES = int(os.environ.get("SMALLFLEET_MOVES", "1"))
V4, V6 = "198.18.0.1", "2001:db8:0:1::1"
FOUR = {"enabled": True, "address": [{"ip": V4, "prefix_length": 24}]}
SIX = {"enabled": True, "address": [{"ip": V6, "prefix_length": 64}]}
GATEWAY = {"destination": "0.0.0.0/0", "next_hop_address": "198.18.0.254"}
BRIDGE = {"name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}}
ON_BRIDGE = {
    "interfaces": [{"name": "eth0"}, {**BRIDGE, "ipv4": FOUR, "ipv6": SIX}],
    "routes": [{**GATEWAY, "next_hop_interface": "br0"}],
}
ON_CARD = {
    "interfaces": [{"name": "eth0", "ipv4": FOUR, "ipv6": SIX}, {"name": "br0", "type": "bridge", "state": "absent"}],
    "routes": [{**GATEWAY, "next_hop_interface": "eth0"}],
}
OTHER_CARD = {**ON_CARD, "interfaces": [{**ON_CARD["interfaces"][0], "mtu": 1400}, ON_CARD["interfaces"][1]]}
SERVER = """
import socket
listening = socket.create_server(("198.18.0.1", 4444))
peer, _where = listening.accept()
while data := peer.recv(65536):
    peer.sendall(data)
"""
CLIENT = """
import socket, sys, time
stream = socket.create_connection(("198.18.0.1", 4444), timeout=60)
ends, turns, longest = time.monotonic() + float(sys.argv[1]), 0, 0.0
while time.monotonic() < ends:
    began, got = time.monotonic(), b""
    stream.sendall(b"x" * 8192)
    while len(got) < 8192:
        got += stream.recv(65536)
    turns, longest = turns + 1, max(longest, time.monotonic() - began)
    time.sleep(0.001)
print(turns, round(longest * 1000))
"""

testinfra_hosts = ["ansible://mover"]


def start(*argv: str) -> "subprocess.Popen[str]":
    settings = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    return subprocess.Popen(
        argv,
        cwd=PROJECT,
        env={**os.environ, **settings, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ansible(*argv: str) -> Tuple[int, str]:
    """The exit status, and all that was said on one line."""
    running = start(*argv)
    said, _nothing = running.communicate(timeout=150)
    return running.returncode, " ".join(said.split())


def change(desired: Dict[str, Any], **options: Any) -> Tuple[str, ...]:
    """The command that makes a change."""
    checks = {"gateway": True, "hosts": {"peer": ["198.18.0.2", "2001:db8:0:1::2"]}}
    given = {"desired": desired, "management": [V4, V6], "checks": checks, "rollback_timeout": 30, **options}
    argv = ("ansible", "-i", str(SCENARIO / "inventory"), "mover", "-e", "ansible_python_interpreter=/usr/bin/python3")
    return (*argv, "-m", "smallfleet.infra.host_network", "-a", json.dumps(given))


def ssh(node: str, *command: str) -> Tuple[str, ...]:
    return ("ssh", "-F", str(LAB / "ssh_config"), "-o", "ControlPath=none", node, *command)


def on(node: str, command: str) -> str:
    return subprocess.run(ssh(node, command), capture_output=True, text=True, timeout=60, check=True).stdout


def until(condition, seconds: float = 40.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.2)


def addresses(node: str = "mover") -> Dict[str, set]:
    listed = json.loads(on(node, "ip -json address show"))
    return {
        link["ifname"]: {one["local"] for one in link["addr_info"] if one.get("scope") == "global"} for link in listed
    }


def under_way() -> bool:
    return on("mover", "cat /var/lib/smallfleet/network/open 2>&1 || :").strip().isalnum()


def settled() -> bool:
    """Whether networkd has set all that it is to set."""
    listed = json.loads(on("mover", "networkctl list --json=short"))["Interfaces"]
    return {link["AdministrativeState"] for link in listed if link["Name"] != "lo"} == {"configured"}


def as_before() -> None:
    """On the bridge, now and at the next boot, with nothing left of the attempt."""
    found = addresses()
    assert found["br0"] == {V4, V6}
    assert found["eth0"] == set()
    assert not any(name.startswith("sf-") for name in found)
    assert on("mover", "ip -json route show default | cut -c1-60").count('"198.18.0.254","dev":"br0"') == 1
    assert not under_way()
    assert on("mover", "ls /run/systemd/network").strip() == ""
    assert "Bridge=br0" in on("mover", "cat /etc/systemd/network/05-smallfleet-eth0.network")
    assert on("mover", "systemctl list-units --all --no-legend 'smallfleet-network-*'").strip() == ""
    until(settled, 10)


def test_the_role_has_moved_the_address_to_the_bridge(host):
    as_before()
    bridge = host.file("/sys/class/net/br0/address").content_string
    assert bridge == host.file("/sys/class/net/eth0/address").content_string


def test_networkd_agrees_with_the_kernel():
    assert settled()


def test_check_mode_tells_the_requests_to_the_kernel_and_the_files_and_does_nothing():
    before = on("mover", "ip address; ip route; find /etc/systemd/network /var/lib/smallfleet -type f | xargs sha256sum")
    status, said = ansible(*change(ON_CARD), "--check", "--diff")
    assert status == 0, said
    assert f"ip address add {V4}/24" in said
    assert "-Bridge=br0" in said and f"+Address={V4}/24" in said
    after = on("mover", "ip address; ip route; find /etc/systemd/network /var/lib/smallfleet -type f | xargs sha256sum")
    assert after == before


def losses(pings) -> List[int]:
    """Packets lost of each family, as the pings say when they are told to end."""
    on("peer", "pkill -INT ping")
    lines = [line for ping in pings for line in ping.communicate(timeout=30)[0].splitlines() if "transmitted" in line]
    counts = [(int(words[0]), int(words[3])) for words in (line.split() for line in lines)]
    return [sent - received for sent, received in counts]


@pytest.mark.parametrize("number", range(MOVES))
def test_a_move_under_load_costs_a_packet_and_no_connection(number, capsys):
    """1 kHz pings of both families, an SSH session and a TCP stream from before, off the bridge and back onto it."""
    on("mover", f"cat > /root/server.py <<'E'\n{SERVER}\nE\nsystemd-run --quiet --collect --unit=echo python3 /root/server.py")
    on("peer", f"cat > /root/client.py <<'E'\n{CLIENT}\nE")
    session = start(*ssh("mover", "for i in $(seq 1000); do echo $i; sleep 0.1; done"))
    stream = start(*ssh("peer", "python3 /root/client.py 25"))
    lost = {}
    for way, desired in (("off the bridge", ON_CARD), ("onto the bridge", ON_BRIDGE)):
        pings = [start(*ssh("peer", f"ping -n -q -i 0.001 -W 1 -w 60 {target}")) for target in (V4, V6)]
        time.sleep(1)
        status, said = ansible(*change(desired))
        lost[way] = losses(pings)
        assert status == 0, said
    turns, longest = stream.communicate(timeout=60)[0].split()
    assert session.poll() is None, "the SSH session ended"
    os.killpg(session.pid, signal.SIGTERM)
    session.communicate()
    with capsys.disabled():
        table = "; ".join(f"{way} IPv4 {four}, IPv6 {six}" for way, (four, six) in lost.items())
        print(f"\nmove {number + 1}: packets lost {table}; TCP {turns} turns, longest {longest} ms")
    assert int(turns) > 100
    assert max(lost["onto the bridge"]) <= 2
    assert max(lost["off the bridge"]) <= 100
    as_before()


def test_a_second_run_changes_nothing():
    status, said = ansible(*change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said


def test_a_wrong_gateway_is_found_by_the_check_and_taken_back_at_once():
    wrong = {**ON_BRIDGE, "routes": [{**ON_BRIDGE["routes"][0], "next_hop_address": "198.18.0.99"}]}
    status, said = ansible(*change(wrong, rollback_timeout=10))
    assert status != 0
    assert "the gateway 198.18.0.99 does not answer on br0" in said
    assert "is as it was before" in said and "Tried: ip route replace 0.0.0.0/0 via 198.18.0.99" in said
    as_before()


def test_an_address_by_which_the_host_is_not_found_any_more_is_taken_back_by_the_host_itself():
    lost = json.loads(json.dumps(ON_BRIDGE).replace(f'"{V4}"', '"198.18.0.77"'))
    refused, why = ansible(*change(lost, rollback_timeout=10))
    assert refused != 0 and "Nothing was changed" in why
    status, said = ansible(*change(lost, rollback_timeout=10, allow_disconnect=True, checks={"gateway": False}))
    assert status != 0
    assert "nobody confirmed it within 10 s" in said and "no new connection" in said
    as_before()


def test_a_change_to_another_address_is_confirmed_there_and_back():
    there = json.loads(json.dumps(ON_BRIDGE).replace(f'"{V4}"', '"198.18.0.77"'))
    status, said = ansible(*change(there, allow_disconnect=True, connect_to="198.18.0.77"))
    assert status == 0, said
    argv = change(ON_BRIDGE, allow_disconnect=True, connect_to=V4)
    at_new = "-F /var/lib/smallfleet/labs/molecule-network/ssh_config -o HostName=198.18.0.77 -o ControlPath=none"
    status, said = ansible(*argv, "-e", json.dumps({"ansible_ssh_common_args": at_new}))
    assert status == 0, said
    as_before()


def kill(running: "subprocess.Popen[str]") -> None:
    """Kill a command with all that it started, in whatever session that may be."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = [running.pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    for member in family:
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue
    running.communicate()


def test_a_killed_controller_leaves_a_host_that_goes_back_and_the_next_run_works():
    wrong = {**ON_CARD, "routes": [{**GATEWAY, "next_hop_interface": "eth0", "next_hop_address": "198.18.0.99"}]}
    running = start(*change(wrong, rollback_timeout=15))
    until(under_way)
    until(lambda: addresses()["eth0"] == {V4, V6})
    kill(running)
    second = start(*change(OTHER_CARD))
    foreign = start(*change({}, state="confirmed", token="not-the-token-of-this-change"))
    refused, disowned = (" ".join(one.communicate(timeout=60)[0].split()) for one in (second, foreign))
    assert '"reason": "busy"' in refused and f"of {_me()} is under way here" in refused
    assert '"reason": "token"' in disowned
    until(lambda: not under_way())
    as_before()
    assert "nobody confirmed it within 15 s" in on("mover", "cat /var/lib/smallfleet/network/*/reason")
    status, said = ansible(*change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said


def _me() -> str:
    return f"{getpass.getuser()} on {socket.gethostname()}"


def test_a_host_that_boots_before_the_confirmation_has_its_old_network_and_the_next_run_works():
    token = "the-token-of-this-test-is-long-enough"
    status, said = ansible(*change(ON_CARD, state="applied", token=token, rollback_timeout=60))
    assert status == 0, said
    until(lambda: addresses()["eth0"] == {V4, V6})
    for state in ("powered_off", "powered_on"):
        arguments = f"name=molecule-network node=mover state={state}"
        node = ansible("ansible", "-i", str(SCENARIO / "inventory"), "localhost", "-m", "smallfleet.infra.lab_node", "-a", arguments)
        assert node[0] == 0, node[1]
    for kept in (LAB / "cp").glob("*"):
        kept.unlink()
    found = addresses()
    assert (found["br0"], found["eth0"]) == ({V4, V6}, set())
    gone, why = ansible(*change({}, state="confirmed", token=token))
    assert gone != 0 and '"reason": "expired"' in why
    status, said = ansible(*change(ON_BRIDGE))
    assert status == 0 and '"changed": false' in said
    as_before()
