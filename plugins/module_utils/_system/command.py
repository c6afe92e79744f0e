# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running commands behind a small protocol, so that what decides can be tested apart from what acts."""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Coroutine, List, Optional, Protocol, Sequence, Tuple

from .._shared.masking import masked_message

MOST_OUTPUT = 64 << 20
"""The most bytes that are read of what a command prints, of each of its two outputs."""
PIECE = 1 << 16
"""Bytes that are read at once."""


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
    """The real thing. It goes by asyncio, for ansible-test of ansible-core 2.21 allows no subprocess in module_utils.

    A command that runs for longer than ``timeout`` seconds, or prints more than ``most_output`` bytes, is killed.
    """

    def __init__(self, timeout: float = 600.0, most_output: int = MOST_OUTPUT) -> None:
        self._timeout = timeout
        self._most_output = most_output

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        result = asyncio.run(self._run(argv, stdin))
        if check and result.rc != 0:
            raise CommandFailed(result)
        return result

    async def _run(self, argv: Sequence[str], stdin: Optional[str] = None) -> CommandResult:
        given = None if stdin is None else stdin.encode()
        try:
            child = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL if given is None else PIPE, stdout=PIPE, stderr=PIPE)
        except (OSError, ValueError) as error:
            return not_started(argv, error)
        try:
            out, err = await asyncio.wait_for(self._finish(child, given), self._timeout)
        except asyncio.TimeoutError:
            return CommandResult(tuple(argv), 124, "", f"no end after {self._timeout:g} s")
        except _TooMuch:
            said = f"{argv[0]} printed more than {self._most_output} bytes, and no more are read; it was killed"
            return CommandResult(tuple(argv), 125, "", said)
        finally:
            await kill(child)
        return CommandResult(tuple(argv), child.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))

    async def _finish(self, child: asyncio.subprocess.Process, given: Optional[bytes]) -> Tuple[bytes, bytes]:
        """Both outputs of a command that has ended."""
        out, err, _nothing = await _all(self._read(child.stdout), self._read(child.stderr), _feed(child, given))
        await child.wait()
        return out, err

    async def _read(self, stream: Optional[asyncio.StreamReader]) -> bytes:
        content = bytearray()
        while stream is not None:
            piece = await stream.read(PIECE)
            if not piece:
                break
            content += piece
            if len(content) > self._most_output:
                raise _TooMuch
        return bytes(content)


def not_started(argv: Sequence[str], error: Exception) -> CommandResult:
    """The result of a command that the system does not start, with the statuses that shells have for that."""
    program, number = argv[0], getattr(error, "errno", None)
    if number == errno.ENOENT and ("/" not in program or not os.path.lexists(program)):
        return CommandResult(tuple(argv), 127, "", f"{program} is not installed")
    remedies = {
        errno.ENOENT: "Its interpreter, or what it is a link to, does not exist. Install its package again",
        errno.ENOEXEC: "It is not a program for this machine. Install its package again",
        errno.EACCES: "Make it executable for this user, on a file system that is not mounted with noexec",
    }
    why = getattr(error, "strerror", None) or str(error)
    remedy = f". {remedies[number]}" if number in remedies else ""
    return CommandResult(tuple(argv), 126, "", f"{program} cannot be run: {why}{remedy}")


class _TooMuch(Exception):
    """A command printed more than is read."""


async def _all(*parts: Coroutine[Any, Any, bytes]) -> List[bytes]:
    """What all of them give. When one fails, the others do not go on."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _feed(child: asyncio.subprocess.Process, content: Optional[bytes]) -> bytes:
    """Give a command its input, which it may leave unread."""
    if child.stdin is not None and content is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            child.stdin.write(content)
            await child.stdin.drain()
        child.stdin.close()
    return b""


async def kill(child: asyncio.subprocess.Process) -> None:
    """End a command that may have ended already, and read what is left in its pipes without keeping it, so that they are closed."""
    if child.returncode is None:
        child.kill()
    try:
        await asyncio.wait_for(_all(_drain(child.stdout), _drain(child.stderr), _close_input(child)), 2.0)
    except asyncio.TimeoutError:
        # Something else has the pipes, and asyncio has no public way to close this end of them.
        child._transport.close()  # type: ignore[attr-defined]  # pylint: disable=protected-access
    await child.wait()


async def _close_input(child: asyncio.subprocess.Process) -> bytes:
    """Close a command's input. That it left some of it unread is no failure, and must not be reported when the pipe is collected."""
    if child.stdin is not None:
        child.stdin.close()
        with suppress(BrokenPipeError, ConnectionResetError):
            await child.stdin.wait_closed()
    return b""


async def _drain(stream: Optional[asyncio.StreamReader]) -> bytes:
    while stream is not None and await stream.read(PIECE):
        pass
    return b""
