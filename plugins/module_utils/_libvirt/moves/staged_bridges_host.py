# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges that are made beside the cards of guests, and become the host's own or go again."""

from __future__ import annotations

from typing import Iterable, List

from ..._network.kernel.observe_host import active
from ..._system.clock import Clock
from ..._system.command import CommandRunner
from ..._system.files import FileStore
from .replacement import Beside, beside_path

NETWORKD = "systemd-networkd.service"
PATIENCE = 10.0


class Bridges:
    """Of this host. Raises CommandFailed; each step may be repeated after a run that was cut off."""

    def __init__(self, runner: CommandRunner, files: FileStore, clock: Clock) -> None:
        self._runner = runner
        self._files = files
        self._clock = clock

    def made(self, names: Iterable[str]) -> List[str]:
        """Those of them that are only made beside a card, or are about to be."""
        return sorted(name for name in names if self._files.read(_mark(name)) is not None)

    def make(self, beside: Beside) -> None:
        """One that is there, down and empty, is made again, so that it belongs to whoever configures this host."""
        self._files.write(_mark(beside.name), f"{beside}\n", 0o644)
        if beside.there:
            self._runner.run(["ip", "link", "delete", "dev", beside.name])
        if active(self._runner, NETWORKD):
            for path, text in beside.files.items():
                self._files.write(path, text, 0o644)
            self._runner.run(["networkctl", "reload"])
            self._wait(beside.name)
        else:
            self._runner.run(beside.make)
        for command in beside.commands:
            self._runner.run(command)

    def _wait(self, name: str) -> None:
        ends = self._clock.monotonic() + PATIENCE
        show = ["ip", "link", "show", "dev", name]
        while self._runner.run(show, check=False).rc != 0 and self._clock.monotonic() < ends:
            self._clock.sleep(0.05)
        self._runner.run(show)

    def adopt(self, name: str) -> None:
        """It is the host's own now."""
        self._forget(name)
        self._files.remove(_mark(name))

    def remove(self, name: str) -> None:
        """Take it away, if it is there."""
        self._forget(name)
        if self._runner.run(["ip", "link", "show", "dev", name], check=False).rc == 0:
            self._runner.run(["ip", "link", "delete", "dev", name])
        self._files.remove(_mark(name))

    def _forget(self, name: str) -> None:
        paths = [f"{beside_path(name)}.{end}" for end in ("netdev", "network")]
        if [path for path in paths if self._files.read(path) is not None]:
            for path in paths:
                self._files.remove(path)
            self._runner.run(["networkctl", "reload"])


def _mark(name: str) -> str:
    """Of the same boot as the bridge."""
    return f"/run/smallfleet/beside-{name}"
