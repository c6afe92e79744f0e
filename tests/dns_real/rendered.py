# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A named or knotd that runs on what the provider renders for an inventory, with other folders and another port."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from conftest import Running, free_port, program, random_secret, wait_for

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.capability import resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers import bind, knot
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.servers.base import ServerConfig, read_config, render_zone
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host

OPTIONS = """
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; dnssec-validation no; notify no;
}};
controls {{ }};
"""


@dataclass
class Rendered:
    """The fleet has the host ns1, which serves ``zones``, and app1, which has the keys in ``keys``."""

    kind: str
    folder: Path
    zones: Dict[str, Any]
    keys: Dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    secret: str = field(default_factory=random_secret)
    process: Optional[subprocess.Popen[bytes]] = None

    def plan(self) -> Mapping[str, Any]:
        """The plan of the server."""
        hosts = {one.name: one for one in (self._host("ns1", 2), self._host("app1", 11))}
        found = resolve(Fleet("demo", "example.net", {}, hosts, {}, {"dns_zones": self.zones, "dns_keys": self.keys}))
        assert [str(one) for one in found.problems] == []
        return found.host_plans["ns1"]

    def config(self) -> ServerConfig:
        config = read_config({**self.plan(), "listen": ["127.0.0.1"]})
        return replace(config, keys=tuple(replace(one, generations=(TsigKey(one.name, one.algorithm, self.secret),)) for one in config.keys))

    def _host(self, name: str, number: int) -> Host:
        place = Attachment("main", "eth0", IPv4Interface(f"192.0.2.{number}/24"), IPv6Interface(f"2001:db8::{number:x}/64"), 1500)
        return Host(name, f"{name}.example.net", (), (place,), {"management": "main", "public": "main"}, {"dns_server_provider": self.kind})

    def write(self, born: bool = False) -> Path:
        config = self.config()
        for zone in config.primaries:
            path = self.folder / Path(bind.zone_file(zone.name)).name
            if not path.exists():
                path.write_text(render_zone(zone, 1))
        if self.kind == "bind":
            self._write(bind.KEYS_FILE, bind.Bind().secrets(config)[1])
            text = OPTIONS.format(folder=self.folder, port=self.port) + self._moved(bind.render_zones(config))
        else:
            self._write(knot.KEYS_FILE, knot.render_keys(config))
            text = self._moved(knot.render_main(config)).replace("    user: knot:knot\n", "").replace('"/run/knot"', f'"{self.folder}"')
            text = text.replace("target: syslog", "target: stderr")
            text = re.sub(r"listen: \[.*\]", f"listen: 127.0.0.1@{self.port}", text)
            text = text.replace("zonefile-load: none", "zonefile-load: difference") if born else text
        return self._write("/server.conf", text)

    def _moved(self, text: str) -> str:
        for path in (bind.KEYS_FILE, knot.KEYS_FILE):
            text = text.replace(path, str(self.folder / Path(path).name))
        return text.replace(bind.ZONE_FOLDER, str(self.folder)).replace(knot.ZONE_FOLDER, str(self.folder))

    def _write(self, path: str, text: str) -> Path:
        written = self.folder / Path(path).name
        written.write_text(text)
        return written

    def reload(self, born: bool = False) -> None:
        """Let the server read its configuration, as it is for ``zones`` and ``keys`` now, and if zones are born, their files."""
        self.write(born)
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def running(self) -> Running:
        return Running(self.kind, self.port, self.folder, self.secret)


@contextlib.contextmanager
def rendered(kind: str, folder: Path, zones: Dict[str, Any], keys: Optional[Dict[str, Any]] = None) -> Iterator[Rendered]:
    made = Rendered(kind, folder, zones, keys or {})
    path = made.write(born=True)
    command = [program("named"), "-g", "-n", "1", "-c", str(path)] if kind == "bind" else [program("knotd"), "-c", str(path)]
    with open(folder / "log", "wb") as log:
        made.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(made.port, made.process, folder / "log", b" running\n" if kind == "bind" else b"server started")
        yield made
    finally:
        made.process.terminate()
        made.process.wait(timeout=20)


def soon(question: Callable[[], Any], wanted: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while (answer := question()) != wanted:
        assert time.monotonic() < end, f"{answer!r} instead of {wanted!r} after {seconds:g} s"
        time.sleep(0.05)
