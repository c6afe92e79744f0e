# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a lab: started apart from the run that starts them, found again by a mark in their environment."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from contextlib import contextmanager
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from .._system.command import CommandRunner

MARK = "SMALLFLEET_LAB"
PART = "SMALLFLEET_LAB_PART"


class ProcessFailed(Exception):
    """A process of the lab ended right after its start, or did not end when told."""


# Takes the log, the groups to enter, "--", and the command; the shell becomes the command.
BECOME = """log=$1; shift
exec </dev/null >>"$log" 2>&1
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done
shift
exec "$@"
"""


def spawn(runner: CommandRunner, lab: str, part: str, argv: Sequence[str], log: str, marks: Mapping[str, str], groups: Sequence[str] = ()) -> int:
    """Start a process that outlives this one, in the given control groups; return its id. Its output goes to ``log``."""
    environment = [f"{name}={value}" for name, value in {**marks, MARK: lab, PART: part}.items()]
    runner.run(["env", "--chdir=/", *environment, "setsid", "--fork", "sh", "-c", BECOME, "sh", log, *groups, "--", *argv])
    for _try in range(10):
        time.sleep(0.02)
        pids = find(lab).get(part, [])
        if pids:
            return pids[-1]
    with open(log, encoding="utf-8", errors="replace") as stream:
        raise ProcessFailed(f"{part}: '{argv[0]}' ended at once: {stream.read()[-600:].strip()}")


@contextmanager
def alone(lab: str, timeout: float = 600.0) -> Iterator[None]:
    """One run at a time for each lab. The name is held as an abstract socket, which ends with its process and leaves no file.

    Raise ProcessFailed when another run holds it for longer than ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX) as name:
        while True:
            try:
                name.bind(f"\0smallfleet-lab-{lab}")
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            if time.monotonic() > deadline:
                raise ProcessFailed(f"another run works on lab {lab} since {timeout:g} s. Wait for it or end it.")
            time.sleep(0.2)
        yield


def find(lab: str) -> Dict[str, List[int]]:
    """Part -> ids of the lab's live processes, oldest first. Needs the right to read other processes' environment."""
    wanted = f"{MARK}={lab}".encode()
    found: Dict[str, List[int]] = {}
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        marks = _environment(pid)
        if wanted in marks and not _zombie(pid):
            for mark in marks:
                if mark.startswith(f"{PART}=".encode()):
                    found.setdefault(mark.split(b"=", 1)[1].decode(), []).append(pid)
    return found


def _environment(pid: int) -> Tuple[bytes, ...]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return tuple(stream.read().split(b"\0"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ()


def _stat(pid: int) -> List[str]:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _zombie(pid: int) -> bool:
    return _stat(pid)[:1] in (["Z"], ["X"], [])


def stopped(pid: int) -> bool:
    """Whether SIGSTOP holds the process."""
    return _stat(pid)[:1] == ["T"]


def children(pid: int) -> List[int]:
    """Ids of the live processes whose parent is ``pid``."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [child for child in pids if _stat(child)[1:2] == [str(pid)] and not _zombie(child)]


def inside(leader: int) -> List[int]:
    """Ids of all processes in the process namespace of ``leader``, itself among them.

    None for a process in our own namespace: that is a helper of the machine and not in it.
    """
    try:
        namespace = os.readlink(f"/proc/{leader}/ns/pid")
    except OSError:
        return []
    if namespace == os.readlink("/proc/self/ns/pid"):
        return []
    members = []
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                members.append(pid)
        except OSError:
            continue
    return members


def in_network(path: str) -> List[int]:
    """Ids of all processes in the network namespace that is mounted at ``path``; none if that is our own."""
    wanted, own = os.stat(path), os.stat("/proc/self/ns/net")
    if (wanted.st_dev, wanted.st_ino) == (own.st_dev, own.st_ino):
        return []
    members = []
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            found = os.stat(f"/proc/{pid}/ns/net")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            members.append(pid)
    return members


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each process that still lives."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end(pids: Sequence[int], timeout: float = 10.0) -> None:
    """Kill processes and wait until they are gone; stopped ones included."""
    send(pids, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    while True:
        for pid in pids:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
        left = [pid for pid in pids if not _zombie(pid)]
        if not left:
            return
        if time.monotonic() > deadline:
            raise ProcessFailed(f"processes {left} did not end within {timeout:g} s of SIGKILL")
        time.sleep(0.02)
