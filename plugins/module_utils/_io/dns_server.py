# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A BIND server on this host: looking at it, and doing the steps that the planner asks for."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Protocol

from .._core.dns.bind import MAIN_FILE, ServerConfig, beside, files, missing_includes, zone_file
from .._core.dns.keyfile import TsigKey, render
from .._core.dns.server import KEY_GROUP, KEY_MODE, STAMP_FILE, FileState, ServerState, ServerStep, digest
from .clock import Clock
from .command import CommandRunner
from .files import FileStore

KEY_BYTES = {"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}
LOAD_TIMEOUT = 20.0  # seconds for the server to load its zones


class ServerFailure(Exception):
    """A step that could not be done. The message says what stayed as it was and what to do."""


class Owners(Protocol):
    """Who may read a file."""

    def state(self, path: str, content: str) -> FileState:
        """Owner, group and mode of a file with this content."""
        ...  # pylint: disable=unnecessary-ellipsis

    def give(self, path: str, owner: str, group: str, mode: int) -> None:
        """Set owner, group and mode."""
        ...  # pylint: disable=unnecessary-ellipsis


class SystemOwners:
    """The real file system."""

    def state(self, path: str, content: str) -> FileState:
        found = os.stat(path)
        return FileState(content, found.st_mode & 0o7777, _user(found.st_uid), _group(found.st_gid))

    def give(self, path: str, owner: str, group: str, mode: int) -> None:
        os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
        os.chmod(path, mode)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


@dataclass
class BindHost:
    """The effects, behind their protocols."""

    runner: CommandRunner
    store: FileStore
    owners: Owners
    clock: Clock
    exists: Callable[[str], bool] = os.path.exists
    find: Callable[[str], Optional[str]] = shutil.which

    def observe(self, config: ServerConfig) -> ServerState:
        """The server as it is. Only reads."""
        if self.find("named") is None:
            return ServerState(installed=False)
        unit = self._unit()
        key = self.store.read(config.key_file)
        return ServerState(
            installed=True,
            active=unit.get("ActiveState") in ("active", "reloading"),
            enabled=unit.get("UnitFileState", "").startswith("enabled"),
            key=None if key is None else self.owners.state(config.key_file, key),
            config={path: self.store.read(path) or "" for path in files(config)},
            zone_files=tuple(path for path in (zone_file(zone["name"]) for zone in config.zones) if self.exists(path)),
            stamp=(self.store.read(STAMP_FILE) or "").strip(),
        )

    def apply(self, config: ServerConfig, steps: List[ServerStep]) -> None:
        """Do the steps. Raises ServerFailure, CommandFailed or OSError; what is done stays done, in any case valid."""
        pending = {step.subject: step.after for step in steps if step.action == "configure"}
        for step in steps:
            if step.action == "configure":
                if pending:
                    self._configure(pending)
                    pending = {}
                continue
            actions: Mapping[str, Callable[[], object]] = {
                "unstamp": lambda: self.store.remove(STAMP_FILE),
                "make_key": lambda: self._make_key(config),
                "own_key": lambda: self._own_key(config),
                "create_zone": partial(self._create_zone, config, step),
                "enable": lambda: self.runner.run(["systemctl", "enable", "named.service"]),
                "start": lambda: self._start(config),
                "reload": lambda: self._reload(config),
                "stamp": lambda: self.store.write(STAMP_FILE, digest(config) + "\n", 0o644),
            }
            actions[step.action]()

    def _unit(self) -> Dict[str, str]:
        asked = ["systemctl", "show", "named.service", "--property=ActiveState,UnitFileState"]
        said = self.runner.run(asked, check=False)
        return dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)

    def _make_key(self, config: ServerConfig) -> None:
        secret = base64.b64encode(secrets.token_bytes(KEY_BYTES[config.key_algorithm])).decode("ascii")
        self.store.write(config.key_file, render(TsigKey(config.key_name, config.key_algorithm, secret)), 0o600)
        self._own_key(config)

    def _own_key(self, config: ServerConfig) -> None:
        self.owners.give(os.path.dirname(config.key_file), "root", KEY_GROUP, 0o750)
        self.owners.give(config.key_file, "root", KEY_GROUP, KEY_MODE)

    def _create_zone(self, config: ServerConfig, step: ServerStep) -> None:
        (name,) = (zone["name"] for zone in config.zones if zone_file(zone["name"]) == step.subject)
        candidate = step.subject + ".new"
        self.store.write(candidate, step.after, 0o644)
        try:
            said = self.runner.run(["named-checkzone", "-i", "local", name, candidate], check=False)
            if said.rc != 0:
                text = (said.stdout + said.stderr).strip()
                raise ServerFailure(f"The zone {name} would not load, and was not created: {text}")
            self.store.write(step.subject, step.after, 0o644)
            self.owners.give(step.subject, "bind", "bind", 0o644)
        finally:
            self.store.remove(candidate)

    def _configure(self, contents: Mapping[str, str]) -> None:
        """Check all new files as they would be together, then put them in place."""
        main = self.store.read(MAIN_FILE)
        missing = missing_includes(main or "")
        if missing:
            paths = " and ".join(missing)
            raise ServerFailure(f"{MAIN_FILE} does not include {paths}; put the lines of the Debian package back")
        with tempfile.TemporaryDirectory(prefix="smallfleet-") as folder:
            moved = {path: os.path.join(folder, os.path.basename(path)) for path in contents}
            for path, content in contents.items():
                self.store.write(moved[path], content, 0o600)
            candidate = os.path.join(folder, "named.conf")
            self.store.write(candidate, beside(main or "", moved), 0o600)
            said = self.runner.run(["named-checkconf", candidate], check=False)
        if said.rc != 0:
            text = (said.stdout + said.stderr).strip()
            raise ServerFailure(f"named-checkconf refuses the new configuration; the old one stays in place: {text}")
        for path, content in contents.items():
            self.store.write(path, content, 0o644)

    def _start(self, config: ServerConfig) -> None:
        said = self.runner.run(["systemctl", "start", "named.service"], check=False)
        if said.rc != 0:
            raise ServerFailure(f"named does not start: {said.stderr.strip()}; see 'journalctl -u named'")
        self._await_zones(config)

    def _reload(self, config: ServerConfig) -> None:
        """reconfig reads the configuration and new zones, and leaves the zones that are served in peace."""
        said = self.runner.run(["rndc", "reconfig"], check=False)
        if said.rc != 0:
            raise ServerFailure(
                f"named did not take its configuration: {said.stderr.strip()}; see 'journalctl -u named'"
            )
        self._await_zones(config)

    def _await_zones(self, config: ServerConfig) -> None:
        end = self.clock.monotonic() + LOAD_TIMEOUT
        waiting = [str(zone["name"]) for zone in config.zones]
        while waiting:
            if self.runner.run(["rndc", "zonestatus", waiting[0]], check=False).rc == 0:
                waiting.pop(0)
            elif self.clock.monotonic() >= end:
                raise ServerFailure(f"named does not serve the zone {waiting[0]}; see 'journalctl -u named'")
            else:
                self.clock.sleep(0.1)
