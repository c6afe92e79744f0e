# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node is to be, what it is, and the steps from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .._shared.diff import file_diff
from .block import DamagedBlock, with_block

HOSTNAME_FILE = "/etc/hostname"
HOSTS_FILE = "/etc/hosts"
SYSCTL_FILE = "/etc/sysctl.d/60-smallfleet.conf"
TIMEZONE_FILE = "/etc/timezone"  # Debian's own name for the zone, which it no longer makes but old programs read
TIME_FILE = "/etc/systemd/timesyncd.conf.d/60-smallfleet.conf"
PENDING = "# The running daemon does not know this yet.\n"


@dataclass(frozen=True)
class Desired:
    """What a node is to be; None leaves that part of the node as it is.

    ``hosts`` are lines of /etc/hosts, ``administrators`` maps users to lines of authorized_keys, ``sysctl`` maps keys
    as sysctl.d(5) writes them to values.
    """

    hostname: Optional[str] = None
    hosts: Optional[Tuple[str, ...]] = None
    administrators: Optional[Mapping[str, Tuple[str, ...]]] = None
    sysctl: Optional[Mapping[str, str]] = None
    timezone: Optional[str] = None
    time_servers: Optional[Tuple[str, ...]] = None


@dataclass(frozen=True)
class Account:
    """A user of the node. ``keys`` is the content of authorized_keys, None when there is no such file.

    ``obstacle`` says why the file must not be written; empty when it may be.
    """

    home: str
    keys: Optional[str]
    obstacle: str = ""

    @property
    def keys_file(self) -> str:
        return f"{self.home}/.ssh/authorized_keys"


@dataclass(frozen=True)
class Setting:
    """A kernel setting as it is now; ``value`` is None when this kernel has none of that name."""

    value: Optional[str]
    writable: bool


@dataclass(frozen=True)
class TimeService:
    """systemd-timesyncd. ``container`` names the kind of container, whose clock is its host's, if it is one."""

    container: str = ""
    installed: bool = False
    enabled: bool = False
    active: bool = False


@dataclass(frozen=True)
class Observed:
    """What a node is. ``files`` maps paths to contents, None when there is no such file; see Desired for the rest."""

    hostname: str = ""
    files: Mapping[str, Optional[str]] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    sysctl: Mapping[str, Setting] = field(default_factory=dict)
    timezone: str = ""
    timezone_exists: bool = True
    time: TimeService = TimeService()


@dataclass(frozen=True)
class Step:
    """One change that is made whole or not at all.

    ``kind`` is one of: write (``target`` a path, ``value`` its content), remove (a path), keys (``target`` a user,
    ``value`` the content of the user's authorized_keys), hostname, sysctl (``target`` a key), timezone, enable and
    restart (``target`` a unit). ``before`` is the old value for the diff.
    """

    kind: str
    target: str
    value: str = ""
    before: str = ""

    def __str__(self) -> str:
        if self.kind in ("write", "remove", "enable", "restart"):
            return f"{self.kind} {self.target}"
        if self.kind == "keys":
            return f"write the keys of {self.target}"
        return f"set {self.target} to {self.value}"


TIME_UNIT = "systemd-timesyncd.service"


def plan(desired: Desired, observed: Observed) -> List[Step]:
    """The steps that make the node what is desired.

    Deterministic. Invariants, after every step as after all of them: what others wrote into /etc/hosts and into
    authorized_keys is unchanged; a name in /etc/hosts is there before the host takes it; a kernel setting is written
    to disk only after the running kernel took it; planning again from there gives exactly the steps that are missing.
    Meant for a node for which ``obstacles`` found nothing.
    """
    steps: List[Step] = []
    _plan_names(desired, observed, steps)
    _plan_keys(desired, observed, steps)
    _plan_sysctl(desired, observed, steps)
    if desired.timezone is not None:
        if observed.timezone != desired.timezone:
            steps.append(Step("timezone", "the time zone", desired.timezone, observed.timezone))
        if observed.files.get(TIMEZONE_FILE) is not None:
            _plan_write(TIMEZONE_FILE, f"{desired.timezone}\n", observed, steps)
    _plan_time(desired, observed, steps)
    return steps


def obstacles(desired: Desired, observed: Observed) -> List[str]:
    """Why the node cannot be made what is desired, said before anything is changed: what, where, and a remedy."""
    found: List[str] = []
    if desired.hosts is not None:
        found += _damaged(HOSTS_FILE, observed.files.get(HOSTS_FILE))
    for user in _users(desired, observed):
        account = observed.accounts.get(user)
        if account is None:
            found.append(f"administrators.{user}: there is no such user on this host. Create it, or name another")
        elif account.obstacle:
            found.append(f"administrators.{user}: {account.obstacle}")
        else:
            found += _damaged(account.keys_file, account.keys)
    for key, value in sorted((desired.sysctl or {}).items()):
        setting = observed.sysctl.get(key, Setting(None, False))
        if setting.value is None:
            found.append(f"sysctl.{key}: this kernel has no such setting. Load the module that brings it, or remove it")
        elif not same_value(setting.value, value) and not setting.writable:
            where = "its host's, since this is a container" if observed.time.container else "read-only"
            found.append(f"sysctl.{key}: is {setting.value} and cannot be changed here: it is {where}. Remove it here")
    if desired.timezone is not None and not observed.timezone_exists:
        found.append(f"timezone: this host has no zone {desired.timezone}. Correct it, or install tzdata")
    return found


def lacks(desired: Desired, observed: Observed) -> List[str]:
    """What cannot be done as long as a package is missing, which a run in check mode may not have installed yet."""
    time = observed.time
    if desired.time_servers and not time.container and not time.installed:
        return ["time_servers: systemd-timesyncd is not installed. Add systemd-timesyncd to node_packages"]
    return []


def leftovers(desired: Desired, observed: Observed) -> List[str]:
    """What the node keeps although nobody asks for it any more, until it boots."""
    before = observed.files.get(SYSCTL_FILE) or ""
    keys = [line.split(" = ", maxsplit=1)[0] for line in before.splitlines() if " = " in line]
    gone = [key for key in keys if desired.sysctl is not None and key not in desired.sysctl]
    return [f"{key} is not in the inventory any more, and keeps its value until the next boot" for key in gone]


def keeper_of_time(observed: Observed) -> str:
    """Who sets the node's clock, in words."""
    time = observed.time
    if time.container:
        return f"the host of this container ({time.container})"
    if not time.installed:
        return "unknown: systemd-timesyncd is not installed"
    return "systemd-timesyncd" if time.active else "nobody: systemd-timesyncd does not run"


def same_value(one: str, other: str) -> bool:
    """Whether two values of a kernel setting are the same; the kernel separates numbers by tabs."""
    return one.split() == other.split()


def _damaged(path: str, content: Optional[str]) -> List[str]:
    try:
        with_block(content or "", [])
    except DamagedBlock as error:
        return [f"{path}: its part of smallfleet.infra is damaged: {error}. Remove these lines"]
    return []


def _users(desired: Desired, observed: Observed) -> List[str]:
    """Everyone who gets keys, and everyone who had some from us: observed accounts are those that matter."""
    return [] if desired.administrators is None else sorted({*desired.administrators, *observed.accounts})


def _plan_write(path: str, content: str, observed: Observed, steps: List[Step]) -> None:
    before = observed.files.get(path)
    if before != content and (before is not None or content):
        steps.append(Step("write", path, content, before or ""))


def _plan_names(desired: Desired, observed: Observed, steps: List[Step]) -> None:
    if desired.hosts is not None:
        _plan_write(HOSTS_FILE, with_block(observed.files.get(HOSTS_FILE) or "", desired.hosts), observed, steps)
    if desired.hostname is not None:
        if observed.hostname != desired.hostname:
            steps.append(Step("hostname", "the host name", desired.hostname, observed.hostname))
        _plan_write(HOSTNAME_FILE, f"{desired.hostname}\n", observed, steps)


def _plan_keys(desired: Desired, observed: Observed, steps: List[Step]) -> None:
    for user in _users(desired, observed):
        before = observed.accounts[user].keys or ""
        after = with_block(before, (desired.administrators or {}).get(user, ()))
        if before != after:
            steps.append(Step("keys", user, after, before))


def _plan_sysctl(desired: Desired, observed: Observed, steps: List[Step]) -> None:
    if desired.sysctl is None:
        return
    for key, value in sorted(desired.sysctl.items()):
        now = observed.sysctl[key].value or ""
        if not same_value(now, value):
            steps.append(Step("sysctl", key, value, now))
    if desired.sysctl:
        lines = [f"{key} = {value}" for key, value in sorted(desired.sysctl.items())]
        content = "\n".join(["# Written from the inventory by smallfleet.infra.", *lines]) + "\n"
        _plan_write(SYSCTL_FILE, content, observed, steps)
    elif observed.files.get(SYSCTL_FILE) is not None:
        steps.append(Step("remove", SYSCTL_FILE, "", observed.files[SYSCTL_FILE] or ""))


def _plan_time(desired: Desired, observed: Observed, steps: List[Step]) -> None:
    """The file says itself that a restart is due until it was made, so an interruption cannot lose it.

    What the daemon says of its servers would not do: other files may name more of them.
    """
    if desired.time_servers is None or observed.time.container or not observed.time.installed:
        return
    content = ""
    if desired.time_servers:
        content = f"# Written from the inventory by smallfleet.infra.\n[Time]\nNTP={' '.join(desired.time_servers)}\n"
    due = (observed.files.get(TIME_FILE) or "") != content
    if due:
        _plan_write(TIME_FILE, PENDING + content, observed, steps)
    if not observed.time.enabled:
        steps.append(Step("enable", TIME_UNIT))
    if due or not observed.time.active:
        steps.append(Step("restart", TIME_UNIT))
    if due and content:
        steps.append(Step("write", TIME_FILE, content, PENDING + content))
    elif due:
        steps.append(Step("remove", TIME_FILE, "", PENDING))


def hosts_lines(entries: Sequence[Mapping[str, object]]) -> Tuple[str, ...]:
    """Lines of hosts(5) from the host plan's ``hosts_entries``: an address and its names."""
    lines: List[str] = []
    for entry in entries:
        names = entry["names"]
        lines.append(f"{entry['address']} {' '.join(map(str, names)) if isinstance(names, (list, tuple)) else names}")
    return tuple(lines)


def render_diff(steps: Sequence[Step], observed: Observed) -> List[Dict[str, str]]:
    """What changes, as Ansible shows it: the lines of a file that do, without its secrets, or a setting's value.

    Several steps on one file are shown as the one change that they amount to.
    """
    shown: Dict[str, Tuple[str, str]] = {}
    for step in steps:
        if step.kind in ("enable", "restart"):
            continue
        where = observed.accounts[step.target].keys_file if step.kind == "keys" else step.target
        before, after = step.before, step.value
        if step.kind in ("hostname", "sysctl", "timezone"):
            before, after = (f"{value}\n" if value else "" for value in (before, after))
        shown[where] = (shown[where][0] if where in shown else before, after)
    return [file_diff(where, *texts) for where, texts in shown.items()]


def sysctl_path(key: str) -> str:
    """The file below /proc/sys of a key (sysctl.d(5)): the first of the two separators decides which one separates."""
    first = next((character for character in key if character in "./"), ".")
    if first == ".":
        swapped: Dict[int, str] = str.maketrans({".": "/", "/": "."})
        key = key.translate(swapped)
    return f"/proc/sys/{key}"
