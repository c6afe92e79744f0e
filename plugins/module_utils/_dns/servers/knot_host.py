# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Knot DNS needs done in its own way: the Daemon of the provider ``knot``."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from typing import Callable, FrozenSet, Mapping, Optional

from ..._shared.masking import masked_message
from ..._system.command import CommandResult, CommandRunner, as_user
from ..._system.files import FileStore
from .base import PRIMARY, ServedZone, ServerConfig
from .knot import DATABASE, MAIN_FILE, USER, ZONE_FOLDER, addresses, beside, unsigning, zone_file
from .plan import Trouble
from .program_host import ServerFailure
from .server_host import scratch_folder


@dataclass
class KnotDaemon:
    """knotd, through its own tools."""

    runner: CommandRunner
    store: FileStore
    find: Callable[[str], Optional[str]] = field(default=shutil.which)
    exists: Callable[[str], bool] = field(default=os.path.exists)

    def installed(self) -> bool:
        return self.find("knotd") is not None

    def unread(self) -> str:
        """knotd prefers a configuration database (knotd(8), --confdb), and changes that are made for a moment would go into it."""
        if not self.exists(DATABASE):
            return ""
        return (
            f"knotd reads the configuration database {DATABASE} and not {MAIN_FILE}. See with 'knotc conf-export FILE' what is in it, put what is"
            f" needed into dns_zones, stop knot.service, and move {DATABASE} away"
        )

    def check(self, candidates: Mapping[str, str]) -> None:
        with scratch_folder() as folder:
            moved = {path: os.path.join(folder, os.path.basename(path)) for path in candidates}
            for path, content in candidates.items():
                self.store.write(moved[path], beside(content, moved), 0o600)
            said = self.runner.run(["knotc", "-c", moved[MAIN_FILE], "conf-check"], check=False)
        if said.rc != 0:
            raise ServerFailure(f"knotc refuses the new configuration; the old one stays in place: {_words(said)}")

    def check_zone(self, zone: ServedZone, path: str) -> None:
        said = self.runner.run(["kzonecheck", "--origin", zone.name, path], check=False)
        if said.rc != 0:
            raise ServerFailure(f"The zone {zone.name} would not load, and was not created: {_words(said)}")

    def reload(self, config: ServerConfig) -> None:
        """Updates go on while it reads its configuration. Only to listen elsewhere it has to be started again."""
        self.runner.run(["systemctl", "daemon-reload"])
        self._knotc("conf-abort")  # a run that was killed may have left a transaction open, which every reload would fail with
        if self._knotc("conf-read", "server.listen").stdout.split()[2:] == list(addresses(config)):
            self._must("reload")
        else:
            said = self.runner.run(["systemctl", "restart", "knot.service"], check=False)
            if said.rc != 0:
                raise ServerFailure(f"knot.service does not start: {_words(said)}; see 'journalctl -u knot'")
        for zone in config.primaries:
            if not zone.dnssec:
                self._unsign(zone, config)

    def zone_ready(self, zone: ServedZone) -> bool:
        """A primary zone that the server has never had is born here, from its file."""
        if zone.role != PRIMARY:
            return self._knotc("zone-status", zone.name).rc == 0
        if self._knotc("zone-read", zone.name, "@", "DNSKEY" if zone.dnssec else "SOA").rc == 0:
            if zone.dnssec:
                # Knot does not see to it that a new private key is on the disk, and without it serves nothing.
                self.runner.run(["sync", "--file-system", ZONE_FOLDER])
            return True
        journals = self.runner.run(as_user(USER, ["kjournalprint", "-c", MAIN_FILE, "-z"]), check=False)
        if f"{zone.name}." not in journals.stdout.split():
            self._bear(zone)
        return False

    def copy_of(self, zone: ServedZone) -> Optional[str]:
        """Its journal is the same in both roles."""
        return zone_file(zone.name) if "role: slave" in self._role(zone) else None

    def is_primary(self, zone: ServedZone) -> bool:
        return "role: master" in self._role(zone)

    def freeze(self, zone: ServedZone) -> None:
        """knotd answers no update of the zone from then on; a secondary forwards those that have waited to the new primary."""
        self._must("--blocking", "zone-freeze", zone.name)

    def thaw(self, name: str) -> None:
        """A zone stays frozen when the server becomes its secondary."""
        if self._knotc("zone-status", name).rc == 0:
            self._must("zone-thaw", name)

    def key_tags(self, zone: ServedZone) -> FrozenSet[int]:
        if not self.exists(f"{ZONE_FOLDER}/keys"):
            return frozenset()
        said = self.runner.run(as_user(USER, ["keymgr", zone.name, "list"]), check=False)
        words = [line.split() for line in said.stdout.splitlines()]
        return frozenset(int(one[1]) for one in words if len(one) > 2 and one[1].isdigit() and "public-only" not in one)

    def trouble(self, zone: ServedZone, active: bool) -> Optional[Trouble]:
        """None: the journal is a database that a crash leaves whole, and no file is read that might not fit it."""
        return None

    def _bear(self, zone: ServedZone) -> None:
        """Let the server read the file once: by a setting that it forgets when it reads its configuration again."""
        self._knotc("conf-abort")
        self._must("conf-begin")
        try:
            self._must("conf-set", f"zone[{zone.name}].zonefile-load", "difference")
            self._must("conf-commit")
            self._must("--blocking", "zone-reload", zone.name)
        finally:
            self._knotc("conf-abort")
            self._must("reload")

    def _unsign(self, zone: ServedZone, config: ServerConfig) -> None:
        """Take away what Knot leaves in a zone that it signed; by updates, since a transaction would block them."""
        keys = [key for known in config.keys if known.name == config.update_key for key in known.generations]
        if not keys or self._knotc("zone-read", zone.name, "@", "RRSIG").rc != 0:
            return
        said = self._knotc("zone-read", zone.name)
        for script in unsigning(zone, said.stdout, keys[0]):
            done = self.runner.run(["knsupdate", "-v"], stdin=script, check=False)
            if done.rc != 0:
                raise ServerFailure(f"The records of DNSSEC could not be taken out of {zone.name}: {_words(done)}")

    def _role(self, zone: ServedZone) -> str:
        return self._knotc("zone-status", zone.name, "+role").stdout

    def _knotc(self, *arguments: str) -> CommandResult:
        return self.runner.run(["knotc", *arguments], check=False)

    def _must(self, *arguments: str) -> None:
        said = self._knotc(*arguments)
        if said.rc != 0:
            raise ServerFailure(f"knotd did not take '{' '.join(arguments)}': {_words(said)}; see 'journalctl -u knot'")


def _words(said: CommandResult) -> str:
    """What a tool said; it repeats a secret that it does not like."""
    return masked_message(re.sub(r"(item 'secret', value )'[^']*'", r"\1(hidden)", (said.stdout + said.stderr).strip()))
