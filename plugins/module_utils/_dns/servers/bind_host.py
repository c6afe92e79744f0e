# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What BIND needs done in its own way: the Daemon of the provider ``bind``."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ..._shared.masking import masked_message
from ..._system.command import CommandResult, CommandRunner, as_user
from ..._system.files import FileStore
from .base import PRIMARY, ServedZone, ServerConfig
from .bind import MAIN_FILE, USER, ZONE_FOLDER, beside, missing_includes, zone_file
from .plan import Trouble
from .program_host import ServerFailure
from .server_host import scratch_folder

_PRIVATE = re.compile(r"K(.+)\.\+[0-9]{3}\+([0-9]{5})\.private")
_LOADED = re.compile(r"\bloaded serial ([0-9]{1,10})\b")


@dataclass
class BindDaemon:
    """named, through its own tools."""

    runner: CommandRunner
    store: FileStore
    find: Callable[[str], Optional[str]] = field(default=shutil.which)
    exists: Callable[[str], bool] = field(default=os.path.exists)
    names: Callable[[str], List[str]] = field(default=os.listdir)

    def installed(self) -> bool:
        return self.find("named") is not None

    def unread(self) -> str:
        missing = missing_includes(self.store.read(MAIN_FILE) or "")
        return f"{MAIN_FILE} does not include {' and '.join(missing)}; put the lines of the Debian package back" if missing else ""

    def check(self, candidates: Mapping[str, str]) -> None:
        main = self.store.read(MAIN_FILE)
        with scratch_folder() as folder:
            moved = {path: os.path.join(folder, os.path.basename(path)) for path in candidates}
            for path, content in candidates.items():
                self.store.write(moved[path], beside(content, moved), 0o600)
            candidate = os.path.join(folder, "named.conf")
            self.store.write(candidate, beside(main or "", moved), 0o600)
            said = self.runner.run(["named-checkconf", candidate], check=False)
        if said.rc != 0:
            text = masked_message((said.stdout + said.stderr).strip())
            raise ServerFailure(f"named-checkconf refuses the new configuration; the old one stays in place: {text}")

    def check_zone(self, zone: ServedZone, path: str) -> None:
        said = self.runner.run(["named-checkzone", "-i", "local", *_judged(zone), zone.name, path], check=False)
        if said.rc != 0:
            text = masked_message((said.stdout + said.stderr).strip())
            raise ServerFailure(f"The zone {zone.name} would not load, and was not created: {text}")

    def reload(self, config: ServerConfig) -> None:
        """reconfig reads the configuration and new zones, and leaves the zones that are served in peace."""
        self.runner.run(["systemctl", "daemon-reload"])
        said = self.runner.run(["rndc", "reconfig"], check=False)
        if said.rc != 0:
            raise ServerFailure(f"named did not take its configuration: {said.message}; see 'journalctl -u named'")

    def zone_ready(self, zone: ServedZone) -> bool:
        return self._status(zone).rc == 0 or (zone.role != PRIMARY and self._unloaded(zone))

    def copy_of(self, zone: ServedZone) -> Optional[str]:
        told = self._told(zone)
        return told.get("files", "").split(",")[0] if told.get("type") == "secondary" else None

    def is_primary(self, zone: ServedZone) -> bool:
        return self._told(zone).get("type") == "primary"

    def freeze(self, zone: ServedZone) -> None:
        """named writes the zone's file, too, and answers updates with REFUSED from then on."""
        if self._told(zone).get("frozen") != "yes":
            self._must("freeze", zone.name)

    def thaw(self, name: str) -> None:
        """A zone that this server is the secondary of, or does not have any more, is never frozen."""
        if self._told(ServedZone(name, PRIMARY)).get("frozen") == "yes":
            self._must("thaw", name)

    def key_tags(self, zone: ServedZone) -> FrozenSet[int]:
        names = (_PRIVATE.fullmatch(name) for name in self.names(ZONE_FOLDER))
        return frozenset(int(name[2]) for name in names if name and name[1] == zone.name)

    def trouble(self, zone: ServedZone, active: bool) -> Optional[Trouble]:
        """Its tools load the zone as named would, with its journal, and once more without."""
        if active and not self._unloaded(zone):
            return None
        path = zone_file(zone.name)
        journal = f"{path}.jnl"
        alone = self._load(zone, path)
        if alone.rc != 0:
            return Trouble(zone.name, _words(alone))
        if not self.exists(journal):
            return None
        together = self._load(zone, path, "-j")
        if together.rc == 0:
            return None
        printed = self.runner.run(as_user(USER, ["named-journalprint", journal]), check=False)
        lost = tuple(line for line in printed.stdout.splitlines() if line.startswith(("add ", "del ")))
        loaded = _LOADED.search(alone.stdout)
        return Trouble(zone.name, _words(together), journal, lost, int(loaded[1]) if loaded else None, *_journal_range(lost))

    def _must(self, *arguments: str) -> None:
        said = self.runner.run(["rndc", *arguments], check=False)
        if said.rc != 0:
            raise ServerFailure(f"named did not take '{' '.join(arguments)}': {said.message}; see 'journalctl -u named'")

    def _told(self, zone: ServedZone) -> Dict[str, str]:
        return dict(line.split(": ", 1) for line in self._status(zone).stdout.splitlines() if ": " in line)

    def _status(self, zone: ServedZone) -> CommandResult:
        return self.runner.run(["rndc", "zonestatus", zone.name], check=False)

    def _unloaded(self, zone: ServedZone) -> bool:
        """Whether the running server knows the zone and has not loaded it."""
        said = self._status(zone)
        return said.rc != 0 and "not loaded" in said.stdout + said.stderr

    def _load(self, zone: ServedZone, path: str, *options: str) -> CommandResult:
        """As named's own user: in its folder, the path may lead anywhere."""
        argv = as_user(USER, ["named-checkzone", "-i", "none", *_judged(zone), *options, zone.name, path])
        return self.runner.run(argv, check=False)


def _judged(zone: ServedZone) -> Sequence[str]:
    """The names that named itself refuses in a zone of this role, by the default of its option ``check-names``."""
    return ("-k", "fail" if zone.role == PRIMARY else "warn")


def _journal_range(changes: Sequence[str]) -> Tuple[Optional[int], Optional[int]]:
    """The serials before the first and after the last of these changes, as named-journalprint prints them; None where they have none."""
    soas = [line.split() for line in changes if line.split()[4:5] == ["SOA"]]
    before, after = ([int(words[7]) for words in soas if words[0] == way] for way in ("del", "add"))
    return before[0] if before else None, after[-1] if after else None


def _words(said: CommandResult) -> str:
    return " ".join(masked_message(said.stdout + said.stderr).split())
