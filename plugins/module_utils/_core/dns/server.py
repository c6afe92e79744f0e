# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do on a DNS server so that it serves what is asked, from what is there.

Invariants, each with a property test that interrupts after every step:

- a zone file that exists is never written;
- the key is made at most once, and again only when what is there is no usable key;
- a file is replaced only by one that was checked, and the server is told only after all files are in place;
- the stamp, a digest of what the server was last told, goes first and comes back last: a run that dies in between
  leaves the rest to the next.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Tuple

from .bind import ServerConfig, files, render_zone, zone_file
from .keyfile import BadKeyFile, TsigKey, parse

STAMP_FILE = "/var/lib/smallfleet/dns_server.applied"
KEY_MODE, KEY_GROUP = 0o640, "bind"


@dataclass(frozen=True)
class FileState:
    """A file as it is. ``owner`` and ``group`` are names."""

    content: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class ServerState:
    """A server as it is. ``zone_files`` are the paths of zone files that exist; ``stamp`` what it was last told."""

    installed: bool
    active: bool = False
    enabled: bool = False
    key: Optional[FileState] = None
    config: Mapping[str, str] = field(default_factory=dict)
    zone_files: Tuple[str, ...] = ()
    stamp: str = ""


@dataclass(frozen=True)
class ServerStep:
    """``action`` is unstamp, make_key, own_key, create_zone, configure, enable, start, reload or stamp."""

    action: str
    subject: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return {
            "unstamp": "note that the server is to be told",
            "make_key": f"make the key {self.subject}",
            "own_key": f"let only the server read {self.subject}",
            "create_zone": f"create {self.subject}",
            "configure": f"write {self.subject}",
            "enable": "enable the server at boot",
            "start": "start the server",
            "reload": "have the server read its configuration",
            "stamp": "note that the server was told",
        }[self.action]


def digest(config: ServerConfig) -> str:
    """Identifies a configuration; the secret is not in it."""
    text = "\0".join(f"{path}\0{content}" for path, content in sorted(files(config).items()))
    return hashlib.sha256(text.encode()).hexdigest()


def plan_server(config: ServerConfig, state: ServerState) -> List[ServerStep]:
    """The steps from ``state`` to ``config``, in order; none when there is nothing to do."""
    told = state.stamp == digest(config)
    written = [*_key_steps(config, state), *_file_steps(config, state)]
    steps = [ServerStep("unstamp", STAMP_FILE)] if written and state.stamp else []
    steps.extend(written)
    if not state.enabled:
        steps.append(ServerStep("enable", "named"))
    if not state.active:
        steps.append(ServerStep("start", "named"))
    elif written or not told:
        steps.append(ServerStep("reload", "named"))
    if written or not told:
        steps.append(ServerStep("stamp", STAMP_FILE))
    return steps


def can_take_updates(config: ServerConfig, state: ServerState) -> bool:
    """Whether, before any step, the server runs with this key and has all these zones."""
    if not (state.installed and state.active and state.stamp and state.key is not None):
        return False
    return _usable(config, state.key) and {zone_file(zone["name"]) for zone in config.zones} <= set(state.zone_files)


def _key_steps(config: ServerConfig, state: ServerState) -> List[ServerStep]:
    key = state.key
    if key is None or not _usable(config, key):
        after = f'key "{config.key_name}" algorithm {config.key_algorithm}, secret made on this host\n'
        return [ServerStep("make_key", config.key_file, after=after)]
    if (key.mode, key.owner, key.group) != (KEY_MODE, "root", KEY_GROUP):
        before = f"{key.owner}:{key.group} {key.mode:04o}\n"
        return [ServerStep("own_key", config.key_file, before, f"root:{KEY_GROUP} {KEY_MODE:04o}\n")]
    return []


def _file_steps(config: ServerConfig, state: ServerState) -> List[ServerStep]:
    steps = []
    for zone in config.zones:
        path = zone_file(zone["name"])
        if path not in state.zone_files:
            steps.append(ServerStep("create_zone", path, after=render_zone(zone)))
    for path, content in files(config).items():
        before = state.config.get(path, "")
        if before != content:
            steps.append(ServerStep("configure", path, before, content))
    return steps


def _usable(config: ServerConfig, key: FileState) -> bool:
    try:
        found: TsigKey = parse(key.content)
    except BadKeyFile:
        return False
    return (found.name, found.algorithm) == (config.key_name, config.key_algorithm)


def diff_texts(steps: List[ServerStep]) -> Dict[str, str]:
    """Before and after of all files that the steps write."""
    written = [step for step in steps if step.before or step.after]
    return {
        "before": "".join(f"==> {step.subject} <==\n{step.before}" for step in written if step.before),
        "after": "".join(f"==> {step.subject} <==\n{step.after}" for step in written),
    }
