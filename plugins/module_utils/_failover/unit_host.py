# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One systemd unit of this node, as the role standby keeps it: looking at it, and the steps that change it."""

from __future__ import annotations

from contextlib import suppress
from typing import Sequence

from .._system.clock import Clock
from .._system.command import CommandFailed, CommandRunner
from .._system.files import FileStore
from .._system.systemd import Systemd
from .steps import Running
from .unit import PROPERTIES, Node, NodeStep, gate_path, marker_path, unit_path


class UnitFailed(Exception):
    """The unit could not be brought up; the text says why, with the last lines of its log."""


class UnitKeeper:
    """Observes one unit of this node, carries out the steps planned for it, and reads the result back."""

    def __init__(self, unit: str, runner: CommandRunner, files: FileStore, clock: Clock) -> None:
        self._unit = unit
        self._systemd = Systemd(runner)
        self._files = files
        self._clock = clock

    def observe(self) -> Node:
        return Node(
            self._systemd.show(self._unit, PROPERTIES),
            self._files.read(unit_path(self._unit)),
            self._files.read(gate_path(self._unit)),
            self._files.read(marker_path(self._unit)),
        )

    def verify(self, content: str) -> str:
        """What systemd has against a unit file, or nothing."""
        result = self._systemd.verify(self._unit, content)
        return "" if result.rc == 0 else result.message or f"exit status {result.rc}"

    def apply(self, steps: Sequence[NodeStep], settle: float) -> None:
        """Carry the steps out in order. A start that fails takes its own marker back, and then raises UnitFailed.

        ``settle`` is how many seconds a started unit must keep running, in the same process, to count as started.
        """
        for step in steps:
            if step.kind in ("write", "write_unit", "arm"):
                self._files.write(step.path, step.text, 0o644)
            elif step.kind == "remove":
                self._files.remove(step.path)
            elif step.kind == "reload":
                self._systemd.reload()
            elif step.kind == "stop":
                self._systemd.stop(self._unit)
                self._demand_stopped()
            elif step.kind == "enable":
                self._systemd.enable(self._unit)
            elif step.kind == "disable":
                self._systemd.disable(self._unit)
            elif step.kind == "start":
                self._start(settle, any(step.kind == "arm" for step in steps))

    def _start(self, settle: float, armed: bool) -> None:
        self._systemd.reset_failed(self._unit)
        answer = self._systemd.start(self._unit)
        first = self._systemd.show(self._unit, PROPERTIES)
        if answer.rc == 0 and first.get("ActiveState") == "active":
            self._clock.sleep(settle)
            second = self._systemd.show(self._unit, PROPERTIES)
            same = all(first.get(key) == second.get(key) for key in ("MainPID", "NRestarts"))
            if same and second.get("ActiveState") == "active":
                return
            first = second
        log = self._systemd.log(self._unit)
        if armed:
            self._files.remove(marker_path(self._unit))
            with suppress(CommandFailed):
                self._systemd.stop(self._unit)
        state = ", ".join(f"{key} {first.get(key, '?')}" for key in ("ActiveState", "SubState", "Result"))
        raise UnitFailed(f"{self._unit} does not run after its start ({state}). Its last log lines:\n{log or '(none)'}")

    def _demand_stopped(self) -> None:
        node = self.observe()
        if node.running is not Running.NO:
            said = f"{self._unit} is {node.running.value} after it was told to stop"
            raise UnitFailed(f"{said}. Its last log lines:\n{self._systemd.log(self._unit) or '(none)'}")
