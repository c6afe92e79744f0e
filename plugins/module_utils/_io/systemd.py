# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The system manager, asked and told through systemctl(1), systemd-analyze(1) and journalctl(1)."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import Dict, Sequence

from .._core.failover.resolver import NSSWITCH, RESOLV_CONF
from .._core.failover.steps import Running
from .._core.failover.unit import PROPERTIES, Node, NodeStep, gate_path, marker_path, unit_path
from .._core.masking import masked_message
from .clock import Clock
from .command import CommandFailed, CommandResult, CommandRunner
from .files import FileStore


class Systemd:
    """Units by name. Methods that change something raise CommandFailed when systemd refuses."""

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def show(self, unit: str, properties: Sequence[str]) -> Dict[str, str]:
        """The properties that systemd gives; none when it gives no answer. A unit it does not know is an answer."""
        argv = ["systemctl", "show", "--no-pager", f"--property={','.join(properties)}", "--", unit]
        result = self._runner.run(argv, check=False)
        if result.rc != 0:
            return {}
        pairs = (line.partition("=") for line in result.stdout.splitlines())
        return {name: value for name, equals, value in pairs if equals}

    def reload(self) -> None:
        self._runner.run(["systemctl", "daemon-reload"])

    def start(self, unit: str) -> CommandResult:
        """Start, and give the answer, for a unit that fails to start has more to say than its exit status."""
        return self._runner.run(["systemctl", "start", "--", unit], check=False)

    def stop(self, unit: str) -> None:
        self._runner.run(["systemctl", "stop", "--", unit])

    def reset_failed(self, unit: str) -> None:
        """Forget earlier failures, so that they do not count against the start limit (systemd.unit(5))."""
        self._runner.run(["systemctl", "reset-failed", "--", unit], check=False)

    def enable(self, unit: str) -> None:
        self._runner.run(["systemctl", "enable", "--", unit])

    def disable(self, unit: str) -> None:
        self._runner.run(["systemctl", "disable", "--", unit])

    def verify(self, unit: str, content: str) -> CommandResult:
        """Have a unit file checked that is not in its place yet."""
        with tempfile.TemporaryDirectory(prefix="smallfleet-") as folder:
            path = os.path.join(folder, unit)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
            return self._runner.run(["systemd-analyze", "verify", "--man=no", path], check=False)

    def log(self, unit: str, lines: int = 10) -> str:
        """The last lines that the unit and the manager wrote about it in this boot, without passwords that are named so."""
        argv = ["journalctl", "--no-pager", "--boot", f"--lines={lines}", "--output=cat", f"--unit={unit}"]
        return masked_message(self._runner.run(argv, check=False).stdout.strip())


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


OWN_RESOLVER = (
    # An /etc of its own, so that neither a link nor a missing file in the host's has any effect on what is mounted there.
    "TemporaryFileSystem=/etc:ro",
    f"BindReadOnlyPaths={RESOLV_CONF}:/etc/resolv.conf {NSSWITCH}:/etc/nsswitch.conf",
    "BindReadOnlyPaths=-/etc/hosts -/etc/host.conf -/etc/gai.conf -/etc/ld.so.cache -/etc/localtime",
    # The name service cache daemon asks the servers in the host's resolv.conf, and keeps answers for times of its own.
    "InaccessiblePaths=-/run/nscd",
)
"""Properties with which a unit resolves names by its own resolv.conf(5) and nsswitch.conf(5) (systemd.exec(5))."""


class ProbeUnit:
    """A measurement on this node, as a transient unit that outlives the connection which started it."""

    def __init__(self, name: str, runner: CommandRunner, files: FileStore) -> None:
        self.unit = f"smallfleet-probe-{name}.service"
        self.samples_path = f"/var/lib/smallfleet/probe/{name}.jsonl"
        self._script = f"/var/lib/smallfleet/probe/{name}.py"
        self._runner = runner
        self._systemd = Systemd(runner)
        self._files = files

    def running(self) -> bool:
        return self._systemd.show(self.unit, ["ActiveState"]).get("ActiveState") in ("active", "activating")

    def samples(self) -> str:
        return self._files.read(self.samples_path) or ""

    def missing_resolver(self) -> bool:
        """Whether the resolver of the node's probes was never set up."""
        return any(self._files.access(path) is None for path in (RESOLV_CONF, NSSWITCH))

    def start(self, source: str, options: Sequence[str], at_most: float, own_resolver: bool) -> None:
        """Begin anew with an empty file of samples; systemd ends the unit after ``at_most`` seconds in any case.

        systemd opens the file, so the probe itself needs no right to write anywhere (systemd.exec(5), StandardOutput=).
        """
        self._files.write(self._script, source, 0o644)
        self._files.write(self.samples_path, "", 0o644)
        self._systemd.reset_failed(self.unit)
        properties = [
            "DynamicUser=yes",
            f"RuntimeMaxSec={at_most:g}",
            f"StandardOutput=append:{self.samples_path}",
            *(OWN_RESOLVER if own_resolver else ()),
        ]
        argv = ["systemd-run", f"--unit={self.unit}", "--collect", "--quiet"]
        argv += [f"--property={value}" for value in properties]
        self._runner.run([*argv, "--", "/usr/bin/python3", "-I", self._script, *options])

    def stop(self) -> None:
        self._systemd.stop(self.unit)
