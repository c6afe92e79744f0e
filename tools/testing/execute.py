# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the commands of one phase, in a process group of their own that ends with it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from .phases import Lane, Phase
from .report import write_junit
from .turns import turn

LIMIT = 30 * 60.0
"""Seconds after which a phase is taken to hang."""
PATIENCE = 60.0
"""Seconds in which a phase that was interrupted may take its lab away."""
LAB_LIMIT = 5 * 60.0
PAUSE = 0.2


@dataclass(frozen=True)
class Outcome:
    """How one run of a phase ended. ``interrupted``: it was stopped before it could pass or fail."""

    passed: bool
    seconds: float
    text: str
    interrupted: bool = False


class Executor:
    """Runs phases of the checkout ``root``. Logs and JUnit files go to ``folder``.

    ``explore``: chance chooses the inputs of property tests and of the fuzzer. Otherwise they are the same in each run.
    """

    def __init__(self, root: Path, folder: Path, cache: str, environment: Callable[[str], str], live: bool = False, explore: bool = False) -> None:
        self.root = root
        self.folder = folder
        self.cache = cache
        self.live = live
        self.explore = explore
        self.stopped = threading.Event()
        self._environment = environment

    def run(self, phase: Phase, limit: float = LIMIT, attempt: str = "") -> Outcome:
        """Run a phase, for ``limit`` seconds at most; ``attempt`` tells the files of one run from those of another.

        A phase in a lab first waits until no other run, of this checkout or another, uses that lab.
        """
        if not phase.lab:
            return self._run(phase, limit, attempt, ())
        began = time.monotonic()
        lock = Path(self.cache, "locks", f"{phase.lab.replace('/', '-')}.lock")
        message = f"{phase.name} waits: another run uses its lab ({lock} is locked)"
        with turn(lock, began + limit, self.stopped, lambda: print(message, flush=True)) as descriptor:
            if descriptor is None:
                return Outcome(False, time.monotonic() - began, f"Error: {message}\n", self.stopped.is_set() or limit < LIMIT)
            return self._run(phase, limit, attempt, (descriptor,))

    def _run(self, phase: Phase, limit: float, attempt: str, kept: Sequence[int]) -> Outcome:
        """Run a phase. Its processes inherit the descriptors ``kept``."""
        began = time.monotonic()
        log = self.folder / "logs" / f"{phase.name}{attempt}.log"
        junit = self.folder / "junit" / f"{phase.name}{attempt}.xml"
        for path in (log, junit):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        environment = self._environment(phase.purpose)
        env = self._variables(phase, environment, junit)
        end = began + limit
        passed = True
        for command in phase.commands:
            argv = [word.format(environment=environment) for word in command]
            argv += [phase.seed] if phase.seed and not self.explore else []
            passed = self._call(argv, env, log, end, kept, nice=phase.lane is Lane.SOURCE)
            if not passed:
                break
        if not passed:
            for command in phase.cleanup:
                self._call(command, env, log, time.monotonic() + LAB_LIMIT, kept, stoppable=False)
        seconds = time.monotonic() - began
        text = log.read_text(encoding="utf-8", errors="replace")
        interrupted = not passed and (self.stopped.is_set() or (limit < LIMIT and seconds >= limit))
        write_junit(junit, phase.name, passed, seconds, text)
        return Outcome(passed, seconds, text, interrupted)

    def _variables(self, phase: Phase, environment: str, junit: Path) -> Dict[str, str]:
        servers = Path(self.cache, "dns-servers", "usr")
        env = {**os.environ, "ANSIBLE_HOME": f"{self.cache}/ansible", "SMALLFLEET_CACHE": self.cache, "MYPY_CACHE_DIR": f"{self.cache}/mypy"}
        env["PATH"] = f"{environment}/bin:{os.environ['PATH']}:{servers}/sbin:{servers}/bin:/usr/sbin"
        if servers.exists():
            libraries = [str(path) for path in (servers / "lib").glob("*-linux-gnu*")]
            env["LD_LIBRARY_PATH"] = os.pathsep.join([*libraries, *filter(None, [env.get("LD_LIBRARY_PATH")])])
        options = [f"--junitxml={junit}", *(["-m", phase.marks] if phase.marks else [])]
        env["PYTEST_ADDOPTS"] = " ".join(filter(None, [env.get("PYTEST_ADDOPTS"), shlex.join(options)]))
        env.update(PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
        if not (self.live and sys.stdout.isatty()):
            env.update(NO_COLOR="1", ANSIBLE_NOCOLOR="1")
        return env

    def _call(self, argv: Sequence[str], env: Dict[str, str], log: Path, end: float, kept: Sequence[int], nice: bool = False, stoppable: bool = True) -> bool:
        """Run one command with its output in ``log``. Return whether it ended well before ``end``."""
        with log.open("a", encoding="utf-8") as stream:
            position = stream.tell()
            stream.write(f"$ {shlex.join(argv)}\n")
            stream.flush()
            running = subprocess.Popen(
                [*(["nice", "-n", "10"] if nice else []), *argv],
                cwd=self.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=kept,
            )
        while True:
            with suppress(subprocess.TimeoutExpired):
                running.wait(PAUSE)
            position = self._show(log, position)
            if running.returncode is not None:
                return running.returncode == 0
            if time.monotonic() >= end or (stoppable and self.stopped.is_set()):
                _end(running)
                with log.open("a", encoding="utf-8") as stream:
                    stream.write("Error: interrupted\n" if self.stopped.is_set() else "Error: stopped, its time was over\n")
                return False

    def _show(self, log: Path, position: int) -> int:
        """Print what has come since; return how much of the log has been position."""
        if not self.live:
            return position
        with log.open("rb") as stream:
            stream.seek(position)
            more = stream.read()
        sys.stdout.write(more.decode("utf-8", "replace"))
        sys.stdout.flush()
        return position + len(more)


def _end(running: subprocess.Popen[bytes]) -> None:
    """Interrupt a process group, as Ctrl-C does, so that tests take their labs away; kill what is left of it."""
    for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(running.pid, number)
            running.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
    running.wait()


class Environments:
    """The Python environments, each installed when it is needed first."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._folders: Dict[str, str] = {}

    def __call__(self, purpose: str) -> str:
        """The folder of the environment for a purpose. Raise CalledProcessError."""
        with self._lock:
            if purpose not in self._folders:
                setup = [str(self._root / "tools/setup.sh"), purpose]
                self._folders[purpose] = subprocess.run(setup, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
            return self._folders[purpose]


def other_cores(root: Path) -> List[str]:
    """The purposes whose ansible-core is not the usual one: where the newest Python is the usual one, so is its ansible-core."""
    listed = subprocess.run([root / "tools/pythons.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout
    versions = [tuple(int(part) for part in line.split()[0].split(".")) for line in listed.splitlines()]
    return ["oldest", "newest"] if versions and max(versions) > sys.version_info[:2] else ["oldest"]
