# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and changing the settings of the node this runs on."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, Mapping, Optional

from .._system.command import CommandRunner
from .._system.files import FileStore
from .block import has_block
from .plan import (
    HOSTNAME_FILE,
    HOSTS_FILE,
    SYSCTL_FILE,
    TIME_FILE,
    TIME_UNIT,
    TIMEZONE_FILE,
    Account,
    Desired,
    Observed,
    Setting,
    Step,
    TimeService,
    sysctl_path,
)

LOCALTIME = "/etc/localtime"
ZONES = "/usr/share/zoneinfo"


class Node:
    """The node itself. Commands and whole files go through protocols; the rest is a few calls of the kernel."""

    def __init__(self, runner: CommandRunner, files: FileStore) -> None:
        self._runner = runner
        self._files = files

    def observe(self, desired: Desired) -> Observed:
        """What the node is, as far as ``desired`` asks about it."""
        paths = (HOSTNAME_FILE, HOSTS_FILE, SYSCTL_FILE, TIMEZONE_FILE, TIME_FILE)
        zone = desired.timezone
        return Observed(
            hostname=os.uname().nodename,
            files={path: self._files.read(path) for path in paths},
            accounts={} if desired.administrators is None else self._accounts(desired.administrators),
            sysctl={key: _read_setting(sysctl_path(key)) for key in desired.sysctl or {}},
            timezone=_read_timezone(),
            timezone_exists=zone is None or os.path.isfile(os.path.join(ZONES, zone)),
            time=self._time(desired),
        )

    def apply(self, step: Step) -> None:
        """Make one change. Raise OSError or CommandFailed when it cannot be made."""
        changes: Dict[str, Callable[[], object]] = {
            "write": lambda: self._files.write(step.target, step.value, 0o644),
            "remove": lambda: self._files.remove(step.target),
            "keys": lambda: self._write_keys(step.target, step.value),
            "hostname": lambda: socket.sethostname(step.value),
            "sysctl": lambda: _write_setting(sysctl_path(step.target), step.value),
            "timezone": lambda: _link(os.path.join(ZONES, step.value), LOCALTIME),
            "enable": lambda: self._runner.run(["systemctl", "enable", step.target]),
            "restart": lambda: self._runner.run(["systemctl", "restart", step.target]),
        }
        changes[step.kind]()

    def _accounts(self, wanted: Mapping[str, object]) -> Dict[str, Account]:
        """Those who are to have keys, and those who have some from us, by name."""
        found: Dict[str, Account] = {}
        for entry in pwd.getpwall():
            obstacle = _obstacle(entry.pw_dir)
            try:
                keys = self._files.read(f"{entry.pw_dir}/.ssh/authorized_keys")
            except OSError as error:
                keys, obstacle = None, obstacle or f"authorized_keys cannot be read: {error}"
            if entry.pw_name in wanted or (keys is not None and has_block(keys)):
                found.setdefault(entry.pw_name, Account(entry.pw_dir, keys, obstacle))
        return found

    def _time(self, desired: Desired) -> TimeService:
        if desired.time_servers is None:
            return TimeService()
        container = self._runner.run(["systemd-detect-virt", "--container"], check=False)
        kind = container.stdout.strip() if container.rc == 0 else ""
        argv = ["systemctl", "show", "--property=LoadState,UnitFileState,ActiveState", TIME_UNIT]
        lines = self._runner.run(argv, check=False).stdout.splitlines()
        state = dict(line.split("=", maxsplit=1) for line in lines if "=" in line)
        return TimeService(
            container=kind,
            installed=state.get("LoadState") == "loaded",
            enabled=state.get("UnitFileState") == "enabled",
            active=state.get("ActiveState") == "active",
        )

    def _write_keys(self, user: str, content: str) -> None:
        """Write as the user, so that nothing in a home folder can lead root's pen elsewhere."""
        entry = pwd.getpwnam(user)
        with _acting_as(entry.pw_uid, entry.pw_gid):
            folder = f"{entry.pw_dir}/.ssh"
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._files.write(f"{folder}/authorized_keys", content, 0o600)


def _obstacle(home: str) -> str:
    """Why keys must not be written below this home folder; empty when they may be."""
    if not os.path.isdir(home):
        return f"the home folder {home} does not exist. Create it"
    for path in (f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
        if os.path.islink(path):
            return f"{path} is a symbolic link. Replace it by what it points to"
    return ""


@contextmanager
def _acting_as(uid: int, gid: int) -> Iterator[None]:
    """Be another user for access to files (seteuid(2)). Nothing to do for root."""
    if os.geteuid() == uid:
        yield
        return
    old_uid, old_gid, old_groups = os.geteuid(), os.getegid(), os.getgroups()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(old_uid)
        os.setegid(old_gid)
        os.setgroups(old_groups)


def _read_setting(path: str) -> Setting:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return Setting(" ".join(stream.read().split()), os.access(path, os.W_OK))
    except OSError:
        return Setting(None, False)


def _write_setting(path: str, value: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(value)


def _read_timezone() -> str:
    """The zone that /etc/localtime names (localtime(5)), or an empty string when it is no link to one."""
    try:
        target: Optional[str] = os.readlink(LOCALTIME)
    except OSError:
        target = None
    return target.split("/zoneinfo/", maxsplit=1)[1] if target and "/zoneinfo/" in target else ""


def _link(target: str, path: str) -> None:
    beside = f"{path}.smallfleet"
    if os.path.lexists(beside):
        os.unlink(beside)
    os.symlink(target, beside)
    os.replace(beside, path)
