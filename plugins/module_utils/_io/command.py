# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running commands behind a small protocol, so that what decides can be tested apart from what acts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Protocol, Sequence, Tuple


@dataclass(frozen=True)
class CommandResult:
    """What a finished command left. ``rc`` is its exit status, or minus the signal that ended it."""

    argv: Tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class CommandFailed(Exception):
    """A command that had to succeed did not."""

    def __init__(self, result: CommandResult) -> None:
        self.result = result
        said = (result.stderr or result.stdout).strip()[-800:]
        super().__init__(f"'{' '.join(result.argv)}' exited with {result.rc}: {said or 'no output'}")


class CommandRunner(Protocol):
    """Runs one command to its end. Never through a shell; secrets go in by ``stdin``, never in ``argv``."""

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        """Raise CommandFailed when ``check`` is set and the exit status is not 0."""
        ...  # pylint: disable=unnecessary-ellipsis


class SystemRunner:
    """The real thing."""

    def __init__(self, timeout: float = 600.0) -> None:
        self._timeout = timeout

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout,
                check=False,
            )
            result = CommandResult(tuple(argv), done.returncode, done.stdout, done.stderr)
        except FileNotFoundError:
            result = CommandResult(tuple(argv), 127, "", f"{argv[0]} is not installed")
        except subprocess.TimeoutExpired:
            result = CommandResult(tuple(argv), 124, "", f"no end after {self._timeout:g} s")
        if check and result.rc != 0:
            raise CommandFailed(result)
        return result


@dataclass
class FakeRunner:
    """Answers from a table, for tests; a command that is not in the table fails with status 127."""

    answers: Dict[Tuple[str, ...], CommandResult] = field(default_factory=dict)
    calls: List[Tuple[str, ...]] = field(default_factory=list)

    def answer(self, argv: Sequence[str], rc: int = 0, stdout: str = "", stderr: str = "") -> None:
        self.answers[tuple(argv)] = CommandResult(tuple(argv), rc, stdout, stderr)

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        self.calls.append(tuple(argv))
        result = self.answers.get(tuple(argv), CommandResult(tuple(argv), 127, "", "not in the table"))
        if check and result.rc != 0:
            raise CommandFailed(result)
        return result
