# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands that are watched while they run, and several at once."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from typing import AsyncIterator, Callable, Deque, Mapping, Optional, Sequence

from .._system.command import PIECE, CommandResult, SystemRunner, kill, not_started


class LabRunner(SystemRunner):
    """A runner that can watch a command, and repeat several side by side."""

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

    async def _watch(self, argv: Sequence[str], seen: Callable[[str], bool], timeout: float) -> CommandResult:
        last: Deque[str] = deque(maxlen=20)
        try:
            child = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        except (OSError, ValueError) as error:
            return not_started(argv, error)

        async def read() -> None:
            async for line in _lines(child.stdout):
                last.append(line.rstrip())
                if seen(line):
                    return
            await child.wait()

        try:
            await asyncio.wait_for(read(), timeout)
        except asyncio.TimeoutError:
            last.append(f"no end after {timeout:g} s")
        finally:
            await kill(child)
        return CommandResult(tuple(argv), child.returncode or 0, "", "\n".join(last))

    async def _repeat(self, commands: Mapping[str, Sequence[str]], ended: Callable[[str, CommandResult], None], pause: float) -> None:
        async def one(name: str) -> None:
            while True:
                result = await self._run(commands[name])
                ended(name, result)
                if result.rc == 0:
                    return
                await asyncio.sleep(pause)

        await asyncio.gather(*(one(name) for name in commands))


async def _lines(stream: Optional[asyncio.StreamReader]) -> AsyncIterator[str]:
    """The lines of an output with their ends; one that is longer than PIECE bytes comes in parts."""
    rest = b""
    while stream is not None:
        piece = await stream.read(PIECE)
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace") + "\n"
        if rest and (not piece or len(rest) >= PIECE):
            yield rest.decode(errors="replace")
            rest = b""
        if not piece:
            return
