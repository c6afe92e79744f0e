# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task of dns_record_sets beside a loop of community.general.nsupdate, against one named on loopback.

Run it as ``python tests/perf/dns_updates.py`` with the environment of requirements/peers.txt first on PATH, and BIND.
It prints a table of both, and exits with 1 when a second run of ours changes anything, when ours needs more than one
message, or when the two zones do not hold the same records afterwards. No time is asserted: the ratio is printed.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

import dns.query
import dns.tsigkeyring
import dns.zone

ROOT = Path(__file__).resolve().parents[2]
OURS, PEERS = 1000, 20  # records; a loop over as many as ours takes a quarter of an hour
ZONES = ("example.net", "example.org", "example.com")
ZONE_FILE = "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\nns1 A 127.0.0.1\n"
CONFIG = """
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; dnssec-validation no; notify no; allow-transfer {{ key perf; }};
}};
controls {{ }};
{key}
"""
KEY = 'key "perf" {{ algorithm hmac-sha256; secret "{secret}"; }};\n'
ZONE = 'zone "{zone}" {{ type primary; file "{folder}/{zone}.db"; update-policy {{ grant perf zonesub ANY; }}; }};\n'


class Server(NamedTuple):
    """A running named and its key."""

    folder: Path
    port: int
    secret: str

    def names(self, zone: str) -> int:
        """How many records the zone holds."""
        keys = dns.tsigkeyring.from_text({"perf.": self.secret})
        messages = dns.query.xfr("127.0.0.1", zone, port=self.port, keyring=keys, keyname="perf.", relativize=True)
        return sum(1 for _record in dns.zone.from_xfr(messages).iterate_rdatas())


class Row(NamedTuple):
    """One way to write: records, seconds of a first and of a second run, without the start of ansible-playbook."""

    what: str
    records: int
    first: float
    second: float
    changed: int


@contextmanager
def named(folder: Path) -> Iterator[Server]:
    """A server on loopback while the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    key = KEY.format(secret=secret)
    zones = "".join(ZONE.format(zone=zone, folder=folder) for zone in ZONES)
    (folder / "perf.key").write_text(key)
    (folder / "named.conf").write_text(CONFIG.format(folder=folder, port=port, key=key) + zones)
    for zone in ZONES:
        (folder / f"{zone}.db").write_text(ZONE_FILE)
    program = shutil.which("named", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("named is not installed")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([program, "-g", "-c", str(folder / "named.conf")], stdout=log, stderr=log)
    try:
        while b" running\n" not in (folder / "log").read_bytes():
            if process.poll() is not None:
                sys.exit((folder / "log").read_text())
            time.sleep(0.1)
        yield Server(folder, port, secret)
    finally:
        process.terminate()
        process.wait(timeout=20)


def records(count: int) -> List[Dict[str, Any]]:
    """Hosts with both addresses, an alias, a text and a mail record each; every set has one value."""
    found: List[Dict[str, Any]] = []
    for number in range(count // 5):
        host = f"host{number:03}"
        found += [
            {"record": host, "type": "A", "value": f"198.51.100.{number % 250 + 1}"},
            {"record": host, "type": "AAAA", "value": f"2001:db8::{number + 1:x}"},
            {"record": f"alias{number:03}", "type": "CNAME", "value": f"{host}.{{zone}}."},
            {"record": host, "type": "TXT", "value": f"rack-{number}"},
            {"record": host, "type": "MX", "value": f"10 {host}.{{zone}}."},
        ]
    return found


def in_zone(zone: str, count: int) -> List[Dict[str, Any]]:
    return [{**one, "value": one["value"].format(zone=zone)} for one in records(count)]


def our_task(server: Server, zone: str, count: int) -> Dict[str, Any]:
    sets = [{**one, "ttl": 300, "value": [one["value"]]} for one in in_zone(zone, count)]
    options = {"server": "127.0.0.1", "port": server.port, "key_file": str(server.folder / "perf.key")}
    return {"smallfleet.infra.dns_record_sets": {**options, "zone_name": zone, "record_sets": sets}}


def their_task(server: Server, zone: str, count: int) -> Dict[str, Any]:
    key = {"key_name": "perf", "key_secret": server.secret, "key_algorithm": "hmac-sha256"}
    options = {"server": "127.0.0.1", "port": server.port, "protocol": "tcp", "zone": zone, "ttl": 300, **key}
    each = {name: "{{ item." + name + " }}" for name in ("record", "type", "value")}
    return {"community.general.nsupdate": {**options, **each}, "loop": in_zone(zone, count)}


def play(server: Server, tasks: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """Run the tasks on this machine: seconds, what changed, and the result of the last task."""
    book = server.folder / "play.yml"
    common = {"gather_facts": False, "connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
    book.write_text(json.dumps([{"name": "Perf", "hosts": "localhost", **common, "tasks": list(tasks)}]))
    env = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_HOME": str(server.folder / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    began = time.monotonic()
    command = ["ansible-playbook", "-i", "localhost,", str(book)]
    done = subprocess.run(command, cwd=server.folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(f"ansible-playbook failed:\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")
    said = json.loads(done.stdout[done.stdout.index("{") :])
    results = [task["hosts"]["localhost"] for task in said["plays"][0]["tasks"]]
    return {"seconds": seconds, "result": results[-1] if results else {}}


def changes(result: Dict[str, Any]) -> int:
    """How many of a task's items changed something."""
    return sum(bool(one.get("changed")) for one in result.get("results", [result]))


def measure(server: Server, start: float, what: str, task: Dict[str, Any], count: int) -> Row:
    first = play(server, [task])
    second = play(server, [task])
    sent = first["result"].get("state", {}).get("zones", {})
    if any(zone["messages"] != 1 for zone in sent.values()):
        sys.exit(f"{what}: took more than one message: {sent}")
    return Row(what, count, first["seconds"] - start, second["seconds"] - start, changes(second["result"]))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="perf-dns-") as folder, named(Path(folder)) as server:
        start = min(play(server, [])["seconds"] for _again in range(2))
        rows = [
            measure(server, start, "dns_record_sets", our_task(server, ZONES[0], OURS), OURS),
            measure(server, start, "dns_record_sets", our_task(server, ZONES[1], PEERS), PEERS),
            measure(server, start, "loop of nsupdate", their_task(server, ZONES[2], PEERS), PEERS),
        ]
        held = [server.names(zone) for zone in ZONES]
    print(f"{'':<18}{'records':>8}{'first run':>11}{'each':>10}{'second run':>12}{'each':>10}{'changed':>9}")
    for row in rows:
        each = [f"{1000 * seconds / row.records:.1f} ms" for seconds in (row.first, row.second)]
        print(f"{row.what:<18}{row.records:>8}{row.first:>9.2f} s{each[0]:>10}{row.second:>10.2f} s{each[1]:>10}{row.changed:>9}")
    ours, peer = rows[0], rows[-1]
    ratios = [
        peer.first / peer.records * ours.records / ours.first,
        peer.second / peer.records * ours.records / ours.second,
    ]
    print(f"\nPer record, one task is {ratios[0]:.0f} times as fast as the loop when all is new, {ratios[1]:.0f} times")
    print("when nothing changes. The start of ansible-playbook, the same for both, is not in the figures.")
    wrong = [f"{row.what}: the second run changed {row.changed}" for row in rows[:2] if row.changed]
    if held[1] != held[2] or held[0] != OURS + 3:
        wrong.append(f"the zones hold {held} records")
    for one in wrong:
        print(f"BROKEN: {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
