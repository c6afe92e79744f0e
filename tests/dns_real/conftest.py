# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real named on loopback for the tests here: no root, no port below 1024, nothing outside a temporary folder.

They need BIND and dnspython. ``pytest tests/dns_real`` fails, and does not skip, where they are missing.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.smallfleet.infra.plugins.module_utils._core.dns.keyfile import TsigKey, render  # noqa: E402
from ansible_collections.smallfleet.infra.plugins.module_utils._io.dns_wire import (  # noqa: E402
    Server,
    WireClient,
    make_key,
)

ZONE = "example.net."
ZONE_FILE = """$TTL 300
@ SOA ns1 hostmaster 1 3600 600 1209600 60
@ NS ns1
ns1 A 127.0.0.1
"""
CONFIG = """
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; dnssec-validation no; notify no; allow-transfer {{ none; }};
}};
controls {{ }};
{keys}
zone "example.net" {{
    type primary; file "{folder}/example.net.db";
    update-policy {{ grant all zonesub ANY; grant txt-only zonesub TXT; }};
}};
"""


@dataclass
class Named:
    """A running server. Keys: ``all`` may change anything, ``txt-only`` TXT records, ``stranger`` is not known."""

    port: int
    folder: Path
    secret: str

    def client(self, name: str = "all", secret: str = "", algorithm: str = "hmac-sha256", **more: object) -> WireClient:
        server = Server("127.0.0.1", self.port, **{"timeout": 5.0, **more})  # type: ignore[arg-type]
        return WireClient(server, make_key(name, secret or self.secret, algorithm))


def free_port() -> int:
    """A port that is free for both protocols at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    program = shutil.which("named", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        pytest.fail("named is not installed: apt-get install bind9 (it need not run)", pytrace=False)
    folder = tmp_path_factory.mktemp("named")
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    keys = "".join(render(TsigKey(name, "hmac-sha256", secret)) for name in ("all", "txt-only"))
    port = free_port()
    (folder / "named.conf").write_text(CONFIG.format(folder=folder, port=port, keys=keys))
    (folder / "example.net.db").write_text(ZONE_FILE)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [program, "-g", "-n", "2", "-c", str(folder / "named.conf")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_for(port, process, folder / "log")
        yield Named(port, folder, secret)
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server accepts a connection; its log when it does not."""
    for _attempt in range(200):
        if process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                if b" running\n" in log.read_bytes():
                    return
            except OSError:
                pass
        time.sleep(0.05)
    pytest.fail(f"named did not start:\n{log.read_text()[-2000:]}", pytrace=False)
