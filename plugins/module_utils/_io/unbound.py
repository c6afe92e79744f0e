# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The caching resolver of a node: its files, its unit, and whether it answers."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from typing import Callable, Optional, Sequence

from .._core.failover.resolver import CONFIG, LOOPBACK, RESOLV_CONF, Resolver, ResolverStep
from .clock import Clock
from .command import CommandRunner
from .files import FileStore
from .systemd import Systemd

UNIT = "unbound.service"
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

    def __init__(
        self, runner: CommandRunner, files: FileStore, clock: Clock, ask: Callable[[str], bool] = answers
    ) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock
        self._ask = ask
        self._systemd = Systemd(runner)

    def observe(self) -> Resolver:
        found = self._systemd.show(UNIT, ["ActiveState", "UnitFileState"])
        running, enabled = found.get("ActiveState") == "active", found.get("UnitFileState") == "enabled"
        resolv_conf = None if os.path.islink(RESOLV_CONF) else self._files.read(RESOLV_CONF)
        return Resolver(self._files.read(CONFIG), resolv_conf, running, enabled)

    def verify(self, config: str) -> Optional[str]:
        """What unbound-checkconf(8) has against a configuration, or None."""
        if shutil.which("unbound-checkconf") is None:
            return "unbound is not installed: install the package unbound first"
        with tempfile.NamedTemporaryFile("w", prefix="smallfleet-", suffix=".conf", encoding="utf-8") as beside:
            beside.write(config)
            beside.flush()
            result = self._runner.run(["unbound-checkconf", beside.name], check=False)
        return None if result.rc == 0 else result.message

    def apply(self, steps: Sequence[ResolverStep], config: str, resolv_conf: str) -> None:
        """Carry the steps out in order. Raises ResolverFailed, CommandFailed or OSError."""
        for step in steps:
            if step.kind == "write_config":
                self._files.write(CONFIG, config, 0o644)
            elif step.kind == "enable":
                self._systemd.enable(UNIT)
            elif step.kind == "restart":
                # A package that was just installed may have used up the unit's start limit with its own tries.
                self._systemd.reset_failed(UNIT)
                self._runner.run(["systemctl", "restart", "--", UNIT])
            elif step.kind == "await":
                self._await()
            elif step.kind == "write_resolv_conf":
                self._files.write(RESOLV_CONF, resolv_conf, 0o644)

    def _await(self, seconds: float = 15.0) -> None:
        end = self._clock.monotonic() + seconds
        while not self._ask(LOOPBACK):
            if self._clock.monotonic() >= end:
                log = self._systemd.log(UNIT)
                raise ResolverFailed(f"unbound does not answer on {LOOPBACK} after {seconds:g} s. Its log:\n{log}")
            self._clock.sleep(0.2)
