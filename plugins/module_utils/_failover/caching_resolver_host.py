# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The caching resolver of a node's probes: its files, its unit, and whether it answers."""

from __future__ import annotations

import shutil
import socket
import tempfile
from typing import Callable, Iterable, Mapping, Optional, Sequence

from .._system.clock import Clock
from .._system.command import CommandRunner
from .._system.files import FileStore
from .._system.systemd import Systemd
from .caching_resolver import ADDRESS, UNIT, Resolver, ResolverStep

# RFC 1035 section 4.1: a query for the address of "localhost", which a resolver answers from its own zone.
QUERY = b"\x53\x66\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00\x00\x01\x00\x01"


class ResolverFailed(Exception):
    """The resolver is not there, refuses its configuration, or does not answer; the text says which."""


def answers(address: str, port: int = 53, timeout: float = 0.5) -> bool:
    """Whether a name server answers the query with NOERROR over UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(timeout)
        try:
            asking.connect((address, port))
            asking.send(QUERY)
            answer = asking.recv(512)
        except OSError:
            return False
    return len(answer) >= 12 and answer[:2] == QUERY[:2] and answer[3] & 0x0F == 0


class ResolverKeeper:
    """Observes and changes the resolver of this node."""

    def __init__(self, runner: CommandRunner, files: FileStore, clock: Clock, ask: Callable[[str], bool] = answers) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock
        self._ask = ask
        self._systemd = Systemd(runner)

    def observe(self, paths: Iterable[str]) -> Resolver:
        properties = self._systemd.show(UNIT, ["ActiveState", "UnitFileState"])
        running, enabled = properties.get("ActiveState") == "active", properties.get("UnitFileState") == "enabled"
        return Resolver({path: self._files.read(path) for path in paths}, running, enabled)

    def verify(self, config: str) -> Optional[str]:
        """What unbound-checkconf(8) has against a configuration, or None."""
        if shutil.which("unbound-checkconf") is None:
            return "unbound is not installed: install the package unbound first"
        with tempfile.NamedTemporaryFile("w", prefix="smallfleet-", suffix=".conf", encoding="utf-8") as beside:
            beside.write(config)
            beside.flush()
            result = self._runner.run(["unbound-checkconf", beside.name], check=False)
        return None if result.rc == 0 else result.message

    def apply(self, steps: Sequence[ResolverStep], files: Mapping[str, str]) -> None:
        """Carry the steps out in order. Raises ResolverFailed, CommandFailed or OSError."""
        for step in steps:
            if step.kind == "write":
                self._files.write(step.path, files[step.path], 0o644)
            elif step.kind == "reload":
                self._systemd.reload()
            elif step.kind == "enable":
                self._systemd.enable(UNIT)
            elif step.kind == "restart":
                self._systemd.reset_failed(UNIT)
                answer = self._runner.run(["systemctl", "restart", "--", UNIT], check=False)
                if answer.rc != 0:
                    raise ResolverFailed(f"{UNIT} does not start. Its log:\n{self._systemd.log(UNIT)}")
            elif step.kind == "await":
                self._await()

    def _await(self, seconds: float = 15.0) -> None:
        end = self._clock.monotonic() + seconds
        while not self._ask(ADDRESS):
            if self._clock.monotonic() >= end:
                log = self._systemd.log(UNIT)
                raise ResolverFailed(f"{UNIT} does not answer on {ADDRESS} after {seconds:g} s. Its log:\n{log}")
            self._clock.sleep(0.2)
