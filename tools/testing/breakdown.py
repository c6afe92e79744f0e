# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the processors' time goes while phases run, by samples of what all processes of the machine are doing."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Dict, Iterable, List, Mapping, Tuple

import psutil

PERIOD = 0.1
KINDS = ("controller", "modules", "packages", "boot", "nodes", "emulation", "source", "kernel", "other", "waiting")
MEANING = {
    "controller": "ansible, molecule, pytest and ssh on the controller",
    "modules": "Python on nodes: modules, and programs of theirs",
    "packages": "apt and dpkg on nodes, and image builds",
    "boot": "systemd, udev and D-Bus on nodes",
    "nodes": "other programs on nodes",
    "emulation": "QEMU",
    "source": "linters, type checks and ansible-test",
    "kernel": "threads of the kernel",
    "other": "everything else on this machine",
    "waiting": "a processor without work",
}
_PACKAGES = ("apt", "dpkg", "mmdebstrap", "update-alternati", "ldconfig")
_BOOT = ("systemd", "(sd-", "udev", "dbus", "init")
_SOURCE = ("ruff", "mypy", "ansible-lint", "ansible-test", "pylint", "yamllint", "antsibull", "pycodestyle")
_CONTROLLER = ("ansible", "molecule", "pytest", "ssh", "python")


def kind(name: str, command: str, on_node: bool) -> str:
    """What a process is doing, from its name, its command line and whether it runs on a node of a lab."""
    if name.startswith("qemu"):
        return "emulation"
    if name.startswith(_PACKAGES):
        return "packages"
    if on_node:
        return "boot" if name.startswith(_BOOT) else "modules" if name.startswith("python") else "nodes"
    if not command:
        return "kernel"
    if any(word in command for word in _SOURCE):
        return "source"
    return "controller" if name.startswith(_CONTROLLER) or any(word in command for word in ("ansible", "molecule")) else "other"


class Sampler:
    """Samples the machine in a thread of its own, while its ``with`` block runs."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._processors = os.cpu_count() or 1
        self._space = _space(os.getpid())

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def shares(self) -> Dict[str, float]:
        """Kind -> its share of all processors' time, 0 to 1."""
        total = sum(self._counts.values()) or 1
        return {name: self._counts[name] / total for name in KINDS}

    def _sample(self) -> None:
        while not self._end.wait(PERIOD):
            running = self._running()
            self._counts.update(running[: self._processors])
            self._counts["waiting"] += max(0, self._processors - len(running))

    def _running(self) -> List[str]:
        running = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.status() == psutil.STATUS_RUNNING:
                    on_node = _space(process.pid) != self._space
                    running.append(kind(process.name(), " ".join(process.cmdline()), on_node))
            except (psutil.Error, OSError):
                continue
        return running


def _space(pid: int) -> str:
    """The PID namespace of a process: a node has its own."""
    return os.readlink(f"/proc/{pid}/ns/pid")


def breakdown(measured: Iterable[Tuple[str, float, Mapping[str, float]]]) -> str:
    """A table of (phase, seconds, shares): how many seconds of all processors each kind of work took, in percent."""
    lines = [f"{'phase':<28}{'seconds':>8}" + "".join(f"{name:>11}" for name in KINDS)]
    for name, seconds, shares in measured:
        lines.append(f"{name:<28}{seconds:>8.0f}" + "".join(f"{100 * shares[column]:>10.0f}%" for column in KINDS))
    return "\n".join([*lines, "", *(f"{name}: {MEANING[name]}" for name in KINDS)])
