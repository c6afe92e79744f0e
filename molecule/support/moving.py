# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scenarios of the network role share: a node that is moved between its card and a bridge while a peer watches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Set, Tuple

PROJECT = Path(__file__).resolve().parents[2]
LABS = Path("/var/lib/smallfleet/labs")
SERVER = """
import socket
listening = socket.create_server(("{address}", 4444))
peer, _where = listening.accept()
while data := peer.recv(65536):
    peer.sendall(data)
"""
CLIENT = """
import os, socket, sys, time
stream = socket.create_connection((sys.argv[1], int(sys.argv[3])), timeout=60)
ends, turns, longest = time.monotonic() + float(sys.argv[2]), 0, 0.0
while time.monotonic() < ends and not os.path.exists("/run/enough"):
    began, got = time.monotonic(), b""
    stream.sendall(b"x" * 8192)
    while len(got) < 8192:
        got += stream.recv(65536)
    turns, longest = turns + 1, max(longest, time.monotonic() - began)
    time.sleep(0.001)
print(turns, round(longest * 1000))
"""

ADDRESSES = "ip -json address show"
OPEN_CHANGE = "cat /var/lib/smallfleet/network/open 2>&1 || :"
UNITS_LEFT = "systemctl list-units --no-legend --state=active,activating,failed 'smallfleet-network-*'; find /etc/systemd/system -name 'smallfleet-network-*'"


def start(*argv: str) -> subprocess.Popen[str]:
    settings = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    return subprocess.Popen(
        argv,
        cwd=PROJECT,
        env={**os.environ, **settings, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        stdin=subprocess.DEVNULL,  # ssh(1) makes one that it shares non-blocking, which Ansible does not take
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(running: subprocess.Popen[str], seconds: float = 300) -> Tuple[int, str]:
    """The exit status, and all that was said on one line."""
    said, _nothing = running.communicate(timeout=seconds)
    return running.returncode, " ".join(said.split())


def ansible(*argv: str) -> Tuple[int, str]:
    """The exit status, and all that was said on one line."""
    return ended(start(*argv), 150)


def until(condition: Callable[[], Any], seconds: float = 40.0, cut_off: bool = False) -> None:
    """Wait for it. ``cut_off``: the node may be away meanwhile, so a command that fails or gives no answer says no."""
    ends = time.monotonic() + seconds
    while not (_holds(condition) if cut_off else condition()):
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.2)


def _holds(condition: Callable[[], Any]) -> bool:
    try:
        return bool(condition())
    except subprocess.SubprocessError:
        return False


def kill(running: subprocess.Popen[str]) -> None:
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


def addresses_in(listed: str) -> Dict[str, Set[str]]:
    """Interface -> its global addresses, from what ip(8) lists as JSON."""
    return {link["ifname"]: {one["local"] for one in link["addr_info"] if one.get("scope") == "global"} for link in json.loads(listed)}


@dataclass(frozen=True)
class Loss:
    """What one family lost. ``milliseconds`` is how long that takes to send."""

    packets: int
    milliseconds: float


@dataclass(frozen=True)
class Mover:
    """A node of a scenario's lab, host ``number`` of its network, with the addresses that the inventory gives it.

    ``shared``: whether Ansible may share connections to it, which is no good where the node may lose its power meanwhile.
    """

    scenario: Path
    lab: str
    node: str
    number: int
    peer: str = "peer"
    peer_number: int = 2
    shared: bool = True

    @property
    def v4(self) -> str:
        return f"198.18.0.{self.number}"

    @property
    def v6(self) -> str:
        return f"2001:db8:0:1::{self.number}"

    def _addressed(self, name: str, **more: Any) -> Dict[str, Any]:
        four = {"enabled": True, "address": [{"ip": self.v4, "prefix_length": 24}]}
        six = {"enabled": True, "address": [{"ip": self.v6, "prefix_length": 64}]}
        return {"name": name, **more, "ipv4": four, "ipv6": six}

    def _desired(self, name: str, interfaces: List[Dict[str, Any]], gateway: str) -> Dict[str, Any]:
        route = {"destination": "0.0.0.0/0", "next_hop_interface": name, "next_hop_address": gateway}
        return {"interfaces": interfaces, "routes": [route]}

    def on_bridge(self, gateway: str = "198.18.0.254") -> Dict[str, Any]:
        bridge = self._addressed("br0", type="bridge", bridge={"port": [{"name": "eth0"}]})
        return self._desired("br0", [{"name": "eth0"}, bridge], gateway)

    def on_card(self, gateway: str = "198.18.0.254") -> Dict[str, Any]:
        gone = {"name": "br0", "type": "bridge", "state": "absent"}
        return self._desired("eth0", [self._addressed("eth0"), gone], gateway)

    def change(self, desired: Dict[str, Any], **options: Any) -> Tuple[str, ...]:
        """The command that makes a change."""
        hosts = {self.peer: [f"198.18.0.{self.peer_number}", f"2001:db8:0:1::{self.peer_number}"]}
        given = {"desired": desired, "management": [self.v4, self.v6], "checks": {"gateway": True, "hosts": hosts}}
        given.update({"rollback_timeout": 30, **options})
        argv = ("ansible", "-i", str(self.scenario / "inventory"), self.node)
        argv += ("-e", "ansible_python_interpreter=/usr/bin/python3")
        if not self.shared:
            options_of_ssh = f"-F {LABS / self.lab}/ssh_config -o ControlPath=none"
            argv += ("-e", "ansible_ssh_control_path=none", "-e", f"ansible_ssh_common_args='{options_of_ssh}'")
        return (*argv, "-m", "smallfleet.infra.host_network", "-a", json.dumps(given))

    def ssh(self, *command: str, node: str = "") -> Tuple[str, ...]:
        config = str(LABS / self.lab / "ssh_config")
        return ("ssh", "-F", config, "-o", "ControlPath=none", "-o", "ConnectTimeout=5", node or self.node, *command)

    def on(self, command: str, node: str = "") -> str:
        return subprocess.run(self.ssh(command, node=node), capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=60, check=True).stdout

    def answers(self, *commands: str) -> List[str]:
        """What several commands print, over one connection."""
        return [said.strip() for said in self.on("; echo; echo -----; ".join(commands)).split("-----\n")]

    def addresses(self) -> Dict[str, Set[str]]:
        return addresses_in(self.on(ADDRESSES))

    def under_way(self) -> bool:
        return self.on(OPEN_CHANGE).strip().isalnum()

    def at_work(self) -> bool:
        """Whether a change is pending, or a module at work that may still begin one: it outlives the controller that started it."""
        return self.on("pgrep -f '^/usr/bin/python3$' || [ ! -s /var/lib/smallfleet/network/open ] || echo pending").strip() != ""

    def left(self) -> str:
        """Units of a change that are at work, wait, have failed, or would be started at the next boot."""
        return self.on(UNITS_LEFT).strip()

    def power(self, *states: str) -> None:
        for state in states:
            arguments = f"name={self.lab} node={self.node} state={state}"
            argv = ("ansible", "-i", str(self.scenario / "inventory"), "localhost", "-m", "smallfleet.infra.lab_node")
            status, said = ansible(*argv, "-a", arguments)
            assert status == 0, said
        for kept in (LABS / self.lab / "cp").glob(f"{self.node}*"):
            kept.unlink()

    def watched(self, act: Callable[[], Any], afterwards: float = 0.0, interval: float = 0.001, seconds: int = 90) -> Tuple[Any, Dict[str, Loss]]:
        """What ``act`` gives, and what of about a thousand packets a second of each family was lost meanwhile.

        ``interval``: another time between two packets, in seconds. ``seconds``: after which the peer stops in any case.
        """
        pings = {
            family: start(*self.ssh(f"echo $$; exec ping -n -q -i {interval} -W 1 -w {seconds} {target}", node=self.peer))
            for family, target in (("IPv4", self.v4), ("IPv6", self.v6))
        }
        numbers = [(ping.stdout.readline() if ping.stdout else "").strip() for ping in pings.values()]
        time.sleep(1)
        try:
            given = act()
            time.sleep(afterwards)
        finally:
            self.on(f"kill -INT {' '.join(numbers)}", node=self.peer)
            said = {family: ping.communicate(timeout=30)[0] for family, ping in pings.items()}
        return given, {family: _loss(text) for family, text in said.items()}


def _loss(text: str) -> Loss:
    """As ping(8) says when it is told to end: N packets transmitted, N received, ..., time Nms."""
    words = next(line for line in text.splitlines() if "transmitted" in line).replace(",", "").split()
    sent, received, took = int(words[0]), int(words[3]), float(words[-1].rstrip("ms"))
    return Loss(sent - received, (sent - received) * took / sent)


class Stream:
    """A TCP stream from the peer to the node and back, and an SSH session, both from before a change."""

    def __init__(self, mover: Mover, seconds: int) -> None:
        server = SERVER.format(address=mover.v4)
        unit = "systemd-run --quiet --collect --unit=echo python3 /root/server.py"
        mover.on(f"cat > /root/server.py <<'E'\n{server}\nE\nsystemctl stop echo 2>&1; {unit}")
        mover.on(f"cat > /root/client-{mover.node}.py <<'E'\n{CLIENT}\nE", node=mover.peer)
        until(lambda: mover.on("ss -Hltn 'sport = :4444'").strip(), 10)
        self._session = start(*mover.ssh("for i in $(seq 2000); do echo $i; sleep 0.1; done"))
        client = f"python3 /root/client-{mover.node}.py {mover.v4} {seconds} 4444"
        self._stream = start(*mover.ssh(client, node=mover.peer))

    def end(self) -> Tuple[int, int]:
        """How often it went there and back, and the milliseconds that it took longest. Both must have lived."""
        turns, longest = self._stream.communicate(timeout=90)[0].split()
        assert self._session.poll() is None, "the SSH session ended"
        os.killpg(self._session.pid, signal.SIGTERM)
        self._session.communicate()
        return int(turns), int(longest)
