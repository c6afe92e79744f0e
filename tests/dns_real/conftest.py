# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real named and a real knotd on loopback: no root, no port below 1024, nothing outside a temporary folder.

They need BIND, Knot and dnspython. ``pytest tests/dns_real`` fails, and does not skip, where they are missing.
Zones: ``example.net`` for single names (tests take names of their own), ``example.org`` for tests that look at a whole
zone (each empties it first), ``example.com`` signed by the server, and ``inline.example`` signed by BIND beside the
zone that updates go to.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, List

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey, render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient, make_key

ZONE = "example.net."
ZONE_FILE = """$TTL 300
@ SOA ns1 hostmaster 1 3600 600 1209600 60
@ NS ns1
ns1 A 127.0.0.1
"""
ZONES = (
    *("example.net", "example.org", "example.com", "inline.example"),
    *("family.example", "child.family.example", "signed.family.example"),
)
SIGNED = ("example.com", "signed.family.example")
KEYS = ("all", "txt-only", "update-only")
BIND = """
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; dnssec-validation no; notify no;
    allow-transfer {{ key all; }}; max-ixfr-ratio unlimited; key-directory "{folder}"; masterfile-format text; tcp-clients 1000;
}};
controls {{ }};
{keys}
{zones}
"""
BIND_ZONE = """
zone "{zone}" {{
    type primary; file "{folder}/{zone}.db"; {more}
    update-policy {{ grant all zonesub ANY; grant txt-only zonesub TXT; grant update-only zonesub ANY; }};
}};
"""
KNOT = """
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 2
    background-workers: 2
    tcp-idle-timeout: 30
database:
    storage: {folder}
log:
  - target: stderr
    any: info
key:
{keys}
acl:
  - id: all
    key: all
    action: [update, transfer]
  - id: txt-only
    key: txt-only
    action: update
    update-type: TXT
  - id: update-only
    key: update-only
    action: update
template:
  - id: default
    storage: {folder}
    file: "%s.db"
    acl: [all, txt-only, update-only]
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: changes
zone:
{zones}
"""


@dataclass
class Running:
    """A server that runs.

    Keys: ``all`` may change and transfer anything, ``update-only`` may change anything, ``txt-only`` TXT, and ``stranger``
    is unknown.
    """

    kind: str
    port: int
    folder: Path
    secret: str

    def server(self, **more: object) -> Server:
        return Server("127.0.0.1", self.port, **{"timeout": 5.0, **more})  # type: ignore[arg-type]

    def key(self, name: str = "all") -> Any:
        return make_key(name, self.secret, "hmac-sha256")

    def client(self, name: str = "all", secret: str = "", algorithm: str = "hmac-sha256", **more: object) -> WireClient:
        return WireClient(self.server(**more), make_key(name, secret or self.secret, algorithm))


def free_port() -> int:
    """A port that is free for both protocols at this moment, and not one that a connection may come from."""
    while True:
        port = secrets.randbelow(20000) + 10000
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install bind9 knot (they need not run)", pytrace=False)
    return found


def run(made: Running, command: List[str], ready: bytes) -> Iterator[Running]:
    """A server while a test session lasts."""
    for zone in ZONES:
        (made.folder / f"{zone}.db").write_text(ZONE_FILE)
    with open(made.folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(made.port, process, made.folder / "log", ready)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running("bind", free_port(), tmp_path_factory.mktemp("named"), random_secret())
    signing = {zone: "dnssec-policy default; inline-signing no;" for zone in SIGNED}
    signing["inline.example"] = "dnssec-policy default; inline-signing yes;"
    zones = "".join(BIND_ZONE.format(zone=zone, folder=made.folder, more=signing.get(zone, "")) for zone in ZONES)
    keys = "".join(render(TsigKey(name, "hmac-sha256", made.secret)) for name in KEYS)
    config = BIND.format(folder=made.folder, port=made.port, keys=keys, zones=zones)
    (made.folder / "named.conf").write_text(config)
    yield from run(made, [program("named"), "-g", "-n", "2", "-c", str(made.folder / "named.conf")], b" running\n")


@pytest.fixture(scope="session")
def knotd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running("knot", free_port(), tmp_path_factory.mktemp("knotd"), random_secret())
    keys = "".join(f"  - id: {name}\n    algorithm: hmac-sha256\n    secret: {made.secret}\n" for name in KEYS)
    zones = "".join(f"  - domain: {zone}\n" + ("    dnssec-signing: on\n" if zone in SIGNED else "") for zone in ZONES)
    config = KNOT.format(folder=made.folder, port=made.port, keys=keys, zones=zones)
    (made.folder / "knot.conf").write_text(config)
    yield from run(made, [program("knotd"), "-c", str(made.folder / "knot.conf")], b"server started")


@pytest.fixture(scope="session", params=["named", "knotd"])
def server(request: pytest.FixtureRequest) -> Running:
    """Each of the two servers: what a test promises, it promises for both."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def random_secret() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path, ready: bytes) -> None:
    """Until the server accepts a connection; its log when it does not."""
    for _attempt in range(200):
        if process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                if ready in log.read_bytes():
                    return
            except OSError:
                pass
        time.sleep(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}", pytrace=False)
