# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DNS server on this host, whatever program it runs: looking at it, and doing the steps that the planner asks for."""

from __future__ import annotations

import glob
import os
import re
import secrets
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..._system.clock import Clock
from ..._system.command import CommandRunner
from ..._system.files import LOOK, STAGED, FileStore, NewFile
from ..._system.locks import locked_folder
from ..keys.key_file import generation_files
from .base import PRIMARY, Provider, ServedZone, ServerConfig
from .foreign import Foreign, backup
from .handover import Copy
from .handover_host import Handover
from .plan import (
    SECRETS_MODE,
    STAMP_FILE,
    FileState,
    ServerState,
    ServerStep,
    aside,
    branched,
    digest,
    edited,
    secrets_of_both,
    soa_after,
    soa_steps,
    with_generations,
)
from .program_host import Asker, Daemon, ServerFailure, Succession

RUN_FOLDER = "/run"  # in memory: what a process that was killed leaves there, keys among it, is on no disk
LOAD_TIMEOUT = 20.0  # seconds for the server to load its zones
ANSWER_TIMEOUT = 5.0  # seconds for it to answer at its address
SOA_TRIES = 5
BRANCH = 1_000_000  # how far the serial of a zone that was taken over gets ahead at most
PLACED = ("create_zone", "write_keys", "configure")  # together
_LEFTOVER = re.compile(re.escape(STAGED) + "[0-9a-f]{16}")


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder that only this user may look into, for candidates of files to be checked."""
    place = RUN_FOLDER if os.access(RUN_FOLDER, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="smallfleet-", dir=place) as folder:
        yield folder


@dataclass
class ServerHost:
    """The effects, behind their protocols. ``now`` is the time in seconds since 1970; ``draw`` a random number below another one."""

    provider: Provider
    daemon: Daemon
    runner: CommandRunner
    store: FileStore
    clock: Clock
    asker: Asker
    succession: Succession
    exists: Callable[[str], bool] = field(default=os.path.exists)
    now: Callable[[], float] = field(default=time.time)
    find: Callable[[str], List[str]] = field(default=glob.glob)
    draw: Callable[[int], int] = field(default=secrets.randbelow)

    @property
    def handover(self) -> Handover:
        """What is done when a zone gets another primary."""
        return Handover(self.daemon, self.succession, self.store, self.clock)

    def alone(self, config: ServerConfig) -> ContextManager[None]:
        """Wait for other runs on this host, whose files would be mixed with those of this one."""
        return locked_folder(os.path.dirname(self.provider.secrets(config).path))

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
        path = self.provider.secrets(config).path
        active = unit.get("ActiveState") in ("active", "reloading")
        stamp = (self.store.read(STAMP_FILE) or "").strip()
        changing = active and stamp != digest(self.provider, config)
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
            stamp=stamp,
            serial=int(self.now()),
            troubles=tuple(one for one in troubles if one is not None),
            soas=soas,
            silence=silence,
            floors=self._floors(config),
            foreign=self._foreign(config),
            edited=self._edited(config),
            dnskeys=self.asker.dnskeys(config) if soas else {},
            unread=self.daemon.unread(),
            leftovers=self._leftovers(config),
            copies=tuple(self._copies(config)) if changing else (),
            handed=tuple(zone.name for zone in self.handover.leaving(config)) if changing else (),
            frozen=self.handover.frozen(),
        )

    def apply(self, config: ServerConfig, steps: List[ServerStep]) -> List[ServerStep]:
        """Do the steps; return those that showed only then. Raises ServerFailure or CommandFailed; what is done stays done, and is valid."""
        if config.missing:
            names = ", ".join(key.file for key in config.missing)
            raise ServerFailure(f"These keys are not on this host: {names}. Run the role dns_keys first, which makes or fetches them.")
        self.check(config, steps)
        taken: Tuple[str, ...] = ()
        if any(step.action == "reload" for step in steps):
            taken = tuple(zone.name for zone in self.handover.coming(config))
            self.handover.await_last_changes(config)
            self.handover.hand_over(config)
        placed = False
        for step in steps:
            try:
                if step.action not in PLACED:
                    self._do(config, step)
                elif not placed:
                    self._place(config, steps)
                    placed = True
            except OSError as error:
                raise ServerFailure(_undone(step, error) + self.handover.still_frozen()) from error
        self.handover.thaw_all()
        self._await_answers(config)
        return self._late_soas(config, steps, taken)

    def _late_soas(self, config: ServerConfig, steps: List[ServerStep], taken: Sequence[str]) -> List[ServerStep]:
        """Change SOA records that could not be seen when the steps were planned: of zones that did not load, or had another primary.

        Those of the zones that were ``taken`` over get far ahead, by a number that nobody else draws: should the primary of before go on taking
        updates, no version of its own has the serial of one that is here, so that it never takes another content for the one it hands over.
        """
        seen = self.asker.ask(config)[0] if steps else {}
        floors = self._floors(config)
        floors.update({name: branched(seen[name], floors.get(name), self.draw(BRANCH)) for name in taken if name in seen})
        late = soa_steps(config, ServerState(True, soas=seen, floors=floors))
        for step in late:
            self._set_soa(config, step.subject, floors.get(step.subject))
        return late

    def _do(self, config: ServerConfig, step: ServerStep) -> None:
        actions: Mapping[str, Callable[[], object]] = {
            "unstamp": lambda: self.store.remove(STAMP_FILE),
            "set_aside": lambda: self.store.rename(step.subject, step.after.strip()),
            "keep": lambda: self._keep(step.subject, step.after.strip()),
            "sweep": lambda: self.store.remove(step.subject),
            "enable": lambda: self.runner.run(["systemctl", "enable", self.provider.unit]),
            "start": lambda: self._start(config),
            "reload": lambda: self._reload(config),
            "thaw": lambda: self.handover.thaw(step.subject),
            "set_soa": lambda: self._set_soa(config, step.subject, self._floors(config).get(step.subject)),
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

    def _leftovers(self, config: ServerConfig) -> Tuple[str, ...]:
        """Unfinished files of a run that was killed, in folders where nobody else writes such."""
        paths = [self.provider.secrets(config).path, *self.provider.files(config), self.provider.zone_file("zone")]
        folders = sorted({os.path.dirname(path) for path in paths})
        found = [path for folder in folders for path in sorted(self.find(f"{glob.escape(folder)}/{STAGED}*"))]
        return tuple(path for path in found if _LEFTOVER.fullmatch(os.path.basename(path)))

    def _copies(self, config: ServerConfig) -> Iterator[Copy]:
        for zone in config.primaries:
            path = self.daemon.copy_of(zone)
            if path is not None:
                keys = self.asker.sep_tags(config, zone) if zone.dnssec else frozenset()
                other = path if path != self.provider.zone_file(zone.name) else ""
                yield Copy(zone.name, other, keys, self.daemon.key_tags(zone) if keys else frozenset(), self._primary_of(config, zone))

    def _primary_of(self, config: ServerConfig, zone: ServedZone) -> str:
        """The host that a zone is taken from up to now, by the files as they are, if it is one of the zone's servers and answers."""
        addresses = self.provider.upstreams({path: self.store.read(path) or "" for path in self.provider.files(config)}, zone.name)
        named = [peer.host for peer in zone.transfer.peers if set(peer.addresses) & set(addresses)]
        answering = self.succession.serials(config, zone) if named else {}
        return next((host for host in named if host in answering), "")

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

    def check(self, config: ServerConfig, steps: List[ServerStep]) -> None:
        """Raise ServerFailure unless the program accepts all new files as they would be together, and each new zone.

        Without the program, or with keys that are still to be made, nothing can be known.
        """
        if config.missing or not self.daemon.installed():
            return
        if any(step.action in ("write_keys", "configure") for step in steps):
            self.daemon.check(dict([self.provider.secrets(config), *self.provider.files(config).items()]))
        for step in (step for step in steps if step.action == "create_zone"):
            with scratch_folder() as folder:
                candidate = os.path.join(folder, "zone")
                self.store.write(candidate, step.after, 0o600)
                self.daemon.check_zone(self._zone_of(config, step), candidate)

    def _zone_of(self, config: ServerConfig, step: ServerStep) -> ServedZone:
        (zone,) = (zone for zone in config.primaries if self.provider.zone_file(zone.name) == step.subject)
        return zone

    def _place(self, config: ServerConfig, steps: List[ServerStep]) -> None:
        """Put all new files in place. At every moment in between the server can be started: all keys and zones that a file names are there."""
        secrets = self.provider.secrets(config)
        path = secrets.path
        keys = NewFile(path, secrets.content, SECRETS_MODE, "root", self.provider.group)
        both = keys._replace(content=secrets_of_both(self.provider, config, self.store.read(path) or ""))
        files = [NewFile(step.subject, step.after, 0o644) for step in steps if step.action == "configure"]
        if len(files) > 1:
            changed = {one.path: one.content for one in files}
            fitting = {other: text for other, text in self.provider.between(config).items() if text != changed.get(other, text)}
            files = [NewFile(other, text, 0o644) for other, text in fitting.items()] + sorted(files, key=lambda one: one.path in fitting)
        if any(step.action == "write_keys" for step in steps):
            files = [both, *files, keys] if files and both != keys else [keys, *files]
        user = self.provider.group
        zones = [NewFile(step.subject, step.after, 0o644, user, user) for step in steps if step.action == "create_zone"]
        self.store.write_all([*zones, *files])

    def _start(self, config: ServerConfig) -> None:
        unit = self.provider.unit
        said = self.runner.run(["systemctl", "start", unit], check=False)
        if said.rc != 0:
            raise ServerFailure(f"{unit} does not start: {said.message}; see 'journalctl -u {unit}'")
        self._await_zones(config)

    def _reload(self, config: ServerConfig) -> None:
        self.daemon.reload(config)
        self._await_zones(config)

    def _set_soa(self, config: ServerConfig, name: str, floor: Optional[int]) -> None:
        """Other writers move the serial all the time; each try says what it has seen, so that none is undone."""
        (zone,) = (zone for zone in config.primaries if zone.name == name)
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
                    f"The server runs, but it is not what answers at its address: {silence} 'ss -lnp sport = 53' shows which program has its port."
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


def _undone(step: ServerStep, error: OSError) -> str:
    what = f"write {error.filename or step.subject}" if step.action in PLACED else str(step)
    kept = " No file of the configuration was replaced, and no zone created." if step.action in PLACED else ""
    return f"Could not {what}: {error.strerror or error}.{kept} The server goes on with the configuration and the zones that it had. {LOOK}"
