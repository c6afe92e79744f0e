# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages for nodes that have no way out: a proxy outside the lab, joined to a listening socket inside it."""

from __future__ import annotations

import socket
from typing import List
from urllib.parse import urlsplit

from .._system.command import CommandRunner
from .._system.files import FileStore
from . import processes_host as processes
from .image_host import mirrors
from .network_host import LabNetworks
from .render import PROXY_PORT, tinyproxy_conf, tinyproxy_filter
from .spec import LabSpec

PROXYD = "/lib/systemd/systemd-socket-proxyd"
PARTS = ("proxy", "proxy-listener")


def start(spec: LabSpec, networks: LabNetworks, runner: CommandRunner, files: FileStore) -> None:
    """tinyproxy listens on the controller's loopback; systemd makes the listening socket in the lab's namespace and hands
    it to a forwarder that lives outside: a socket stays in the namespace in which it was made.
    """
    stop(spec)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hosts = [urlsplit(mirror.uri).hostname or "" for mirror in mirrors(runner)]
    files.write(f"{spec.folder}/proxy.filter", tinyproxy_filter(hosts), 0o644)
    files.write(f"{spec.folder}/proxy.conf", tinyproxy_conf(port, f"{spec.folder}/proxy.filter", _upstream(runner)), 0o644)
    log = f"{spec.folder}/proxy.log"
    outside = processes.spawn(runner, spec.name, "proxy", ["tinyproxy", "-d", "-c", f"{spec.folder}/proxy.conf"], log, {})
    listen = [word for address in spec.proxy_addresses for word in ("-l", f"[{address}]:{PROXY_PORT}" if ":" in address else f"{address}:{PROXY_PORT}")]
    forward: List[str] = ["nsenter", f"--net=/proc/{outside}/ns/net", PROXYD, f"127.0.0.1:{port}"]
    argv = [*networks.enter(["systemd-socket-activate", *listen]), "-E", processes.MARK, "-E", processes.PART, *forward]
    processes.spawn(runner, spec.name, "proxy-listener", argv, log, {})


def stop(spec: LabSpec) -> None:
    found = processes.find(spec.name)
    processes.end([pid for part in PARTS for pid in found.get(part, [])])


def running(spec: LabSpec) -> bool:
    found = processes.find(spec.name)
    return all(found.get(part) for part in PARTS)


def _upstream(runner: CommandRunner) -> str:
    """The controller's own proxy for packages as host:port, or an empty string."""
    said = runner.run(["apt-config", "shell", "UPSTREAM", "Acquire::http::Proxy"], check=False).stdout
    url = said.strip().partition("=")[2].strip("'")
    return "" if url in ("", "DIRECT") else urlsplit(url).netloc
