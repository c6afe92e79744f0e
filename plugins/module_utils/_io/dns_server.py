# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DNS server on this host, whatever program it runs: looking at it, and doing the steps that the planner asks for."""

from __future__ import annotations

import glob
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from typing import Callable, Dict, List, Mapping, Optional, Protocol, Tuple

from .._core.dns.foreign import Foreign, backup
from .._core.dns.keyfile import generation_files
from .._core.dns.model import RRset
from .._core.dns.server import (
    SECRETS_MODE,
    STAMP_FILE,
    FileState,
    ServerState,
    ServerStep,
    Trouble,
    aside,
    digest,
    edited,
    soa_after,
    with_generations,
)
from .._core.dns.serving import PRIMARY, Provider, ServedZone, ServerConfig
from .clock import Clock
from .command import CommandRunner
from .files import FileStore

LOAD_TIMEOUT = 20.0  # seconds for the server to load its zones
ANSWER_TIMEOUT = 5.0  # seconds for it to answer at its address
SOA_TRIES = 5


class ServerFailure(Exception):
    """A step that could not be done. The message says what stayed as it was and what to do."""


class Daemon(Protocol):
    """What one program needs done in its own way. The order of things is ServerHost's."""

    def installed(self) -> bool:
        """Whether the program is on this host."""
        ...  # pylint: disable=unnecessary-ellipsis

    def unread(self) -> str:
        """Why the program would not read the files that are written, with the remedy, or "". Only reads."""
        ...  # pylint: disable=unnecessary-ellipsis

    def check(self, candidates: Mapping[str, str]) -> None:
        """Raise ServerFailure unless the program accepts its whole configuration with these files (path -> content).

        The file with the secrets is among them, so that copies must be readable by root only.
        """
        ...  # pylint: disable=unnecessary-ellipsis

    def check_zone(self, zone: ServedZone, path: str) -> None:
        """Raise ServerFailure unless the program would load the zone from this file."""
        ...  # pylint: disable=unnecessary-ellipsis

    def reload(self, config: ServerConfig) -> None:
        """Have the running program read its configuration, without suspending updates. Raises ServerFailure."""
        ...  # pylint: disable=unnecessary-ellipsis

    def zone_ready(self, zone: ServedZone) -> bool:
        """Whether the running program serves a primary zone, or knows of a secondary one."""
        ...  # pylint: disable=unnecessary-ellipsis

    def trouble(self, zone: ServedZone, active: bool) -> Optional[Trouble]:
        """Why a primary zone, whose file is there, does not load, or would not at the next start. Only reads."""
        ...  # pylint: disable=unnecessary-ellipsis


class Asker(Protocol):
    """The server as its clients see it: asked over the network, at an address it listens on."""

    def ask(self, config: ServerConfig) -> Tuple[Dict[str, RRset], str]:
        """The SOA of each primary zone that this very server answers, and why one is missing or "".

        Questions are signed with a key that only this server knows, so that no other program can answer for it.
        """
        ...  # pylint: disable=unnecessary-ellipsis

    def dnskeys(self, config: ServerConfig) -> Dict[str, Tuple[str, ...]]:
        """The DNSKEY values of each primary zone that is to be signed; of a zone that is not answered, none."""
        ...  # pylint: disable=unnecessary-ellipsis

    def replace(self, config: ServerConfig, seen: RRset, wanted: RRset) -> bool:
        """Replace an SOA by an update that says what was seen; False when the zone has changed meanwhile."""
        ...  # pylint: disable=unnecessary-ellipsis


@dataclass
class ServerHost:
    """The effects, behind their protocols. ``now`` is the time in seconds since 1970."""

    provider: Provider
    daemon: Daemon
    runner: CommandRunner
    store: FileStore
    clock: Clock
    asker: Asker
    exists: Callable[[str], bool] = field(default=os.path.exists)
    now: Callable[[], float] = field(default=time.time)
    find: Callable[[str], List[str]] = field(default=glob.glob)

    def complete(self, config: ServerConfig) -> ServerConfig:
        """The configuration with the generations of its keys that are in the key store. Only reads."""
        keys = []
        for key in config.keys:
            contents = [self.store.read(path) for path in generation_files(key.file).values()]
            keys.append(with_generations(key, [content for content in contents if content is not None]))
        return replace(config, keys=tuple(keys))

    def observe(self, config: ServerConfig) -> ServerState:
        """The server as it is. Only reads."""
        if not self.daemon.installed():
            return ServerState(installed=False, serial=int(self.now()))
        unit = self._unit()
        path, _content = self.provider.secrets(config)
        active = unit.get("ActiveState") in ("active", "reloading")
        files = {self.provider.zone_file(zone.name): zone for zone in config.primaries}
        there = tuple(path for path in files if self.exists(path))
        troubles = [self.daemon.trouble(files[path], active) for path in there]
        soas, silence = self.asker.ask(config) if active else ({}, "it does not run")
        return ServerState(
            installed=True,
            active=active,
            enabled=unit.get("UnitFileState", "").startswith("enabled"),
            secrets=self._secrets(path),
            config={path: self.store.read(path) or "" for path in self.provider.files(config)},
            zone_files=there,
            stamp=(self.store.read(STAMP_FILE) or "").strip(),
            serial=int(self.now()),
            troubles=tuple(one for one in troubles if one is not None),
            soas=soas,
            silence=silence,
            floors=self._floors(config),
            foreign=self._foreign(config),
            edited=self._edited(config),
            dnskeys=self.asker.dnskeys(config) if soas else {},
            unread=self.daemon.unread(),
        )

    def apply(self, config: ServerConfig, steps: List[ServerStep]) -> None:
        """Do the steps. Raises ServerFailure, CommandFailed or OSError; what is done stays done, in any case valid."""
        if config.missing:
            names = ", ".join(key.file for key in config.missing)
            raise ServerFailure(
                f"These keys are not on this host: {names}. Run the role dns_keys first, which makes or fetches them."
            )
        placed = False
        for step in steps:
            if step.action not in ("write_keys", "configure"):
                self._do(config, step)
            elif not placed:  # all files are checked together, with their last word, and then put in place
                self._place(config, steps)
                placed = True
        self._await_answers(config)
        for name in self._floors(config) if any(step.action == "set_aside" for step in steps) else ():
            self._set_soa(config, name)  # its SOA could not be seen when the steps were planned

    def _do(self, config: ServerConfig, step: ServerStep) -> None:
        actions: Mapping[str, Callable[[], object]] = {
            "unstamp": lambda: self.store.remove(STAMP_FILE),
            "set_aside": lambda: self.store.rename(step.subject, step.after.strip()),
            "keep": lambda: self._keep(step.subject, step.after.strip()),
            "create_zone": lambda: self._create_zone(config, step),
            "enable": lambda: self.runner.run(["systemctl", "enable", self.provider.unit]),
            "start": lambda: self._start(config),
            "reload": lambda: self._reload(config),
            "set_soa": lambda: self._set_soa(config, step.subject),
            "stamp": lambda: self.store.write(STAMP_FILE, digest(self.provider, config) + "\n", 0o644),
        }
        actions[step.action]()

    def _floors(self, config: ServerConfig) -> Dict[str, int]:
        """The last serials of the journals that were set aside."""
        found: Dict[str, int] = {}
        for zone in config.primaries:
            start = aside(f"{self.provider.zone_file(zone.name)}.jnl")
            for path in self.find(f"{glob.escape(start)}*"):
                serial = path[len(start) :].split("-")[0]
                if serial.isdigit():
                    found[zone.name] = max(int(serial), found.get(zone.name, 0))
        return found

    def _foreign(self, config: ServerConfig) -> Tuple[Foreign, ...]:
        contents = {path: self.store.read(path) or "" for path in self.provider.files(config)}
        parts = {path: self.provider.foreign(path, content) for path, content in contents.items()}
        return tuple(Foreign(path, named, self._backups(path, contents[path])) for path, named in parts.items() if named)

    def _edited(self, config: ServerConfig) -> Tuple[Foreign, ...]:
        contents = {path: self.store.read(path) or "" for path in self.provider.files(config)}
        parts = edited(self.provider, config, contents, (self.store.read(STAMP_FILE) or "").strip())
        return tuple(Foreign(path, named, self._backups(path, contents[path])) for path, named in parts.items())

    def _backups(self, path: str, content: str) -> int:
        """How many backups of other contents there are; one of this content, from an interrupted run, is written again."""
        number = 0
        while self.store.read(backup(path, number)) not in (None, content):
            number += 1
        return number

    def _keep(self, path: str, other: str) -> None:
        """A copy with the same rights: keys may be in it."""
        content, access = self.store.read(path), self.store.access(path)
        if content is not None and access is not None:
            self.store.write(other, content, *access)

    def _secrets(self, path: str) -> Optional[FileState]:
        held, access = self.store.read(path), self.store.access(path)
        return None if held is None or access is None else FileState(held, *access)

    def _unit(self) -> Dict[str, str]:
        asked = ["systemctl", "show", self.provider.unit, "--property=ActiveState,UnitFileState"]
        said = self.runner.run(asked, check=False)
        return dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)

    def _create_zone(self, config: ServerConfig, step: ServerStep) -> None:
        (zone,) = (zone for zone in config.primaries if self.provider.zone_file(zone.name) == step.subject)
        with tempfile.TemporaryDirectory(prefix="smallfleet-") as folder:  # nobody else may write what is checked
            candidate = os.path.join(folder, "zone")
            self.store.write(candidate, step.after, 0o600)
            self.daemon.check_zone(zone, candidate)
        self.store.write(step.subject, step.after, 0o644, self.provider.group, self.provider.group)

    def _place(self, config: ServerConfig, steps: List[ServerStep]) -> None:
        """Check all new files as they would be together, then put them in place, the keys first."""
        path, content = self.provider.secrets(config)
        changed = {step.subject: step.after for step in steps if step.action == "configure"}
        self.daemon.check({path: content, **self.provider.files(config)})
        if any(step.action == "write_keys" for step in steps):
            self.store.write(path, content, SECRETS_MODE, "root", self.provider.group)
        for changed_path, changed_content in changed.items():
            self.store.write(changed_path, changed_content, 0o644)

    def _start(self, config: ServerConfig) -> None:
        unit = self.provider.unit
        said = self.runner.run(["systemctl", "start", unit], check=False)
        if said.rc != 0:
            raise ServerFailure(f"{unit} does not start: {said.message}; see 'journalctl -u {unit}'")
        self._await_zones(config)

    def _reload(self, config: ServerConfig) -> None:
        self.daemon.reload(config)
        self._await_zones(config)

    def _set_soa(self, config: ServerConfig, name: str) -> None:
        """Other writers move the serial all the time; each try says what it has seen, so that none is undone."""
        (zone,) = (zone for zone in config.primaries if zone.name == name)
        floor = self._floors(config).get(name)
        for _try in range(SOA_TRIES):
            seen = self.asker.ask(config)[0].get(name)
            if seen is not None and self.asker.replace(config, seen, soa_after(zone, seen, floor)):
                return
        raise ServerFailure(f"The SOA of {name} could not be changed, because others change the zone all the time")

    def _await_answers(self, config: ServerConfig) -> None:
        end = self.clock.monotonic() + ANSWER_TIMEOUT
        while True:
            silence = self.asker.ask(config)[1]
            if not silence:
                return
            if self.clock.monotonic() >= end:
                raise ServerFailure(
                    f"The server runs, but it is not what answers at its address: {silence}"
                    f" 'ss -lnp sport = 53' shows which program has its port."
                )
            self.clock.sleep(0.2)

    def _await_zones(self, config: ServerConfig) -> None:
        end = self.clock.monotonic() + LOAD_TIMEOUT
        waiting = list(config.zones)
        while waiting:
            if self.daemon.zone_ready(waiting[0]):
                waiting.pop(0)
            elif self.clock.monotonic() >= end:
                unit = self.provider.unit
                trouble = self.daemon.trouble(waiting[0], True) if waiting[0].role == PRIMARY else None
                if trouble is not None:
                    raise ServerFailure(str(trouble))
                raise ServerFailure(f"The server does not serve the zone {waiting[0].name}; see 'journalctl -u {unit}'")
            else:
                self.clock.sleep(0.1)
