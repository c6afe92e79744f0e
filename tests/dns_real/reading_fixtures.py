# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real BINDs with zones of a test's own: an old provider, a new server, a parent, each on a port of its own."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient

MIXED = r"""
$TTL 300
@ SOA ns1.provider.example.com. hostmaster 1 3600 600 1209600 60
@ NS ns1.provider.example.com.
@ NS ns2.provider.example.com.
@ 600 MX 10 mail
@ A 192.0.2.1
@ TXT "v=spf1 mx -all"
www 60 A 192.0.2.80
www 60 A 192.0.2.81
www 60 AAAA 2001:db8::80
mail A 192.0.2.25
alias CNAME www
*.any A 192.0.2.99
stop.any TXT "no wildcard here"
dkim 7200 TXT "v=DKIM1; k=rsa; p=AAAA" "BBBB \"quoted\" \\"
long TXT "{long}" "{long}"
backup._ssh._tcp TXT "txtvers=1" "u=root" "p="
@ CAA 0 issue "ca.example.com; validationmethods=dns-01"
_sip._tcp SRV 0 5 5060 mail
_443._tcp.www TLSA 3 1 1 abababababababababababababababababababababababababababababababab
host SSHFP 4 2 abababababababababababababababababababababababababababababababab
sub NS ns.sub
sub DS 12345 13 2 abababababababababababababababababababababababababababababababab
ns.sub A 192.0.2.60
h HTTPS 1 . alpn="h2,h3"
n NAPTR 100 10 "U" "E2U+sip" "!^.*$!sip:info@example.net!" .
x TYPE65280 \# 2 abcd
""".replace("{long}", "k" * 200)
_CONFIG = """
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ {v4}; }}; listen-on-v6 port {port} {{ {v6} }};
    recursion no; minimal-responses yes; dnssec-validation no; notify no; allow-transfer {{ {transfer} }};
    masterfile-format text;
}};
controls {{ }};
{zones}
"""
_ZONE = 'zone "{zone}" {{ type primary; file "{folder}/{zone}.db"; allow-update {{ 127.0.0.1; ::1; }}; }};\n'


@dataclass
class Serving:
    """A BIND that runs. ``address`` is its IPv4 address; it takes updates from this machine."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    address: str = "127.0.0.1"

    def options(self, **more: Any) -> Dict[str, Any]:
        return {"port": self.port, **more}

    def write(self, zone: str, *entries: Mapping[str, Any]) -> None:
        """Change the zone as our own modules do."""
        client = self.client()
        wanted, given = read_entries(zone, [{"ttl": 300, "state": "present", "value": [], **one} for one in entries], client.canonical)
        converge(client, Request(zone, wanted, given))
        client.close()

    def read(self, zone: str, key: Key) -> Optional[RRset]:
        client = self.client()
        found = client.read(zone, [key]).get(key)
        client.close()
        return found

    def client(self) -> WireClient:
        return WireClient(Server(self.address, self.port, timeout=5.0))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)


def free_port() -> int:
    """A port that is free for both protocols, outside the range that connections of other programs take theirs from."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port


@contextlib.contextmanager
def serving(
    folder: Path,
    zones: Mapping[str, str],
    ipv6: bool = False,
    transfer: str = "any;",
    address: str = "127.0.0.1",
    port: Optional[int] = None,
) -> Iterator[Serving]:
    """A BIND with these zones (name without a final dot -> text of its file)."""
    program = shutil.which("named", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        pytest.fail("named is not installed: apt-get install bind9 (it need not run)", pytrace=False)
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port() if port is None else port
    for zone, text in zones.items():
        (folder / f"{zone}.db").write_text(text)
    (folder / "named.conf").write_text(
        _CONFIG.format(
            folder=folder,
            port=port,
            v4="none" if ":" in address else address,
            v6="::1;" if ipv6 or ":" in address else "none;",
            transfer=transfer,
            zones="".join(_ZONE.format(zone=zone, folder=folder) for zone in zones),
        )
    )
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([program, "-g", "-n", "1", "-c", str(folder / "named.conf")], stdout=log, stderr=subprocess.STDOUT)
    made = Serving(port, folder, process, address)
    try:
        _wait_for(made)
        yield made
    finally:
        made.stop()


def _wait_for(made: Serving) -> None:
    for _attempt in range(200):
        if made.process.poll() is None and b" running\n" in (made.folder / "log").read_bytes():
            return
        time.sleep(0.05)
    pytest.fail(f"named did not start:\n{(made.folder / 'log').read_text()[-2000:]}", pytrace=False)


def has_ipv6() -> bool:
    """Whether this machine can listen on the IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
