# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running commands behind a small protocol, so that what decides can be tested apart from what acts."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from dataclasses import dataclass, field
from typing import Callable, Deque, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from .._core.masking import masked_message


@dataclass(frozen=True)
class CommandResult:
    """What a finished command left. ``rc`` is its exit status, or minus the signal that ended it."""

    argv: Tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """What it printed, for people: errors if there are any, and no password that is named as one."""
        return masked_message(self.stderr.strip() or self.stdout.strip())


class CommandFailed(Exception):
    """A command that had to succeed did not."""

    def __init__(self, result: CommandResult) -> None:
        self.result = result
        super().__init__(f"'{' '.join(result.argv)}' exited with {result.rc}: {result.message[-800:] or 'no output'}")


def as_user(user: str, argv: Sequence[str]) -> List[str]:
    """The command as another user, with that user's groups and no more rights than these (setpriv(1)).

    For a program that opens files in a folder of that user, where any path may be a link to somewhere else.
    """
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs", "--", *argv]


class CommandRunner(Protocol):
    """Runs one command to its end. Never through a shell; secrets go in by ``stdin``, never in ``argv``."""

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        """Raise CommandFailed when ``check`` is set and the exit status is not 0."""
        ...  # pylint: disable=unnecessary-ellipsis


class SystemRunner:
    """The real thing. It goes by asyncio, which has time limits, reads while a command runs, and runs several at once."""

    def __init__(self, timeout: float = 600.0) -> None:
        self._timeout = timeout

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        result = asyncio.run(self._run(argv, stdin))
        if check and result.rc != 0:
            raise CommandFailed(result)
        return result

    def watch(self, argv: Sequence[str], seen: Callable[[str], bool], timeout: Optional[float] = None) -> CommandResult:
        """Run a command and hand each line of its output to ``seen``; kill it as soon as that returns True.

        The result has the last lines as ``stderr``, and status -9 for a command that was killed.
        """
        return asyncio.run(self._watch(argv, seen, timeout or self._timeout))

    def repeat(self, commands: Mapping[str, Sequence[str]], ended: Callable[[str, CommandResult], None], pause: float) -> None:
        """Run all commands side by side, each again and again until it succeeds, with ``pause`` seconds in between.

        ``ended`` gets the name and the result of each try; what it raises ends them all.
        """
        asyncio.run(self._repeat(commands, ended, pause))

    async def _run(self, argv: Sequence[str], stdin: Optional[str] = None) -> CommandResult:
        given = None if stdin is None else stdin.encode()
        try:
            child = await asyncio.create_subprocess_exec(
                *argv, stdin=DEVNULL if given is None else PIPE, stdout=PIPE, stderr=PIPE
            )
        except FileNotFoundError:
            return CommandResult(tuple(argv), 127, "", f"{argv[0]} is not installed")
        try:
            out, err = await asyncio.wait_for(child.communicate(given), self._timeout)
        except asyncio.TimeoutError:
            return CommandResult(tuple(argv), 124, "", f"no end after {self._timeout:g} s")
        finally:
            if child.returncode is None:
                await _kill(child)
        return CommandResult(tuple(argv), child.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))

    async def _watch(self, argv: Sequence[str], seen: Callable[[str], bool], timeout: float) -> CommandResult:
        last: Deque[str] = deque(maxlen=20)
        try:
            child = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        except FileNotFoundError:
            return CommandResult(tuple(argv), 127, "", f"{argv[0]} is not installed")

        async def read() -> None:
            while child.stdout is not None:
                line = (await child.stdout.readline()).decode(errors="replace")
                if not line:
                    await child.wait()
                    return
                last.append(line.rstrip())
                if seen(line):
                    return

        try:
            await asyncio.wait_for(read(), timeout)
        except asyncio.TimeoutError:
            last.append(f"no end after {timeout:g} s")
        finally:
            await _kill(child)
        return CommandResult(tuple(argv), child.returncode or 0, "", "\n".join(last))

    async def _repeat(
        self, commands: Mapping[str, Sequence[str]], ended: Callable[[str, CommandResult], None], pause: float
    ) -> None:
        async def one(name: str) -> None:
            while True:
                result = await self._run(commands[name])
                ended(name, result)
                if result.rc == 0:
                    return
                await asyncio.sleep(pause)

        await asyncio.gather(*(one(name) for name in commands))


async def _kill(child: asyncio.subprocess.Process) -> None:
    """End a command that may have ended already, and read what is left in its pipes, so that they are closed."""
    if child.returncode is None:
        child.kill()
    try:
        await asyncio.wait_for(child.communicate(), 2.0)
    except asyncio.TimeoutError:
        await child.wait()


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
