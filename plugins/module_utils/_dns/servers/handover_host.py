# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A zone that gets another primary, on both hosts: no update that was acknowledged is lost, and there is a primary at every moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ..._system.clock import Clock
from ..._system.files import FileStore
from .base import ServedZone, ServerConfig
from .handover import FROZEN_FILE
from .plan import ahead
from .program_host import Daemon, ServerFailure, Succession

HANDOVER_TIMEOUT = 30.0  # seconds for the new primary, which is configured in the same run, to take over what the old one has frozen
CHANGES_TIMEOUT = 20.0  # seconds for the old primary to freeze a zone, before this; less than the new one is given altogether
QUIET = 4.0  # seconds without a change after which a zone counts as frozen; two hosts of a run begin at about the same time


@dataclass
class Handover:
    """The effects, behind their protocols."""

    daemon: Daemon
    succession: Succession
    store: FileStore
    clock: Clock

    def leaving(self, config: ServerConfig) -> Tuple[ServedZone, ...]:
        """The zones that this server is the primary of and that are to be taken from another one. Only reads."""
        return tuple(zone for zone in config.copies if self.daemon.is_primary(zone))

    def coming(self, config: ServerConfig) -> Tuple[ServedZone, ...]:
        """The zones that this server is to be the primary of and takes from another one up to now. Only reads."""
        return tuple(zone for zone in config.primaries if self.daemon.copy_of(zone) is not None)

    def frozen(self) -> Tuple[str, ...]:
        """The names of the zones that a run has frozen. Only reads."""
        return tuple((self.store.read(FROZEN_FILE) or "").split())

    def await_last_changes(self, config: ServerConfig) -> None:
        """A new primary waits until it has the last change that its predecessor took. Raises ServerFailure.

        Without the other servers there is nothing to wait for.
        """
        coming = self.coming(config)
        end = self.clock.monotonic() + CHANGES_TIMEOUT
        seen: Optional[Dict[str, Dict[str, int]]] = None
        since = self.clock.monotonic()
        while coming:
            serials = {zone.name: self.succession.serials(config, zone) for zone in coming}
            waiting = {name: ahead(one) for name, one in serials.items() if ahead(one)}
            if not any(host for one in serials.values() for host in one):
                return
            now = self.clock.monotonic()
            if waiting or serials != seen:
                seen, since = serials, now
            elif now - since >= QUIET:
                return
            if now >= end:
                raise ServerFailure(_not_quiet(waiting, sorted(serials)))
            self.clock.sleep(0.5)

    def hand_over(self, config: ServerConfig) -> None:
        """An old primary freezes its zones, and waits until the new one has them. Raises ServerFailure, and thaws them, if it does not come to that."""
        leaving = self.leaving(config)
        if not leaving:
            return
        try:
            self._note(tuple(dict.fromkeys((*self.frozen(), *(zone.name for zone in leaving)))))
            for zone in leaving:
                self.daemon.freeze(zone)
            end = self.clock.monotonic() + HANDOVER_TIMEOUT
            for zone in leaving:
                self._await_successor(config, zone, end)
        except BaseException:
            self.thaw_all()
            raise

    def thaw(self, name: str) -> None:
        """Take updates of a zone again, and note it. Raises ServerFailure."""
        self.daemon.thaw(name)
        self._note(tuple(other for other in self.frozen() if other != name))

    def thaw_all(self) -> None:
        """The same for all zones that a run has frozen, whatever role they have by now."""
        for name in self.frozen():
            self.thaw(name)

    def still_frozen(self) -> str:
        """What an error says of the zones that another host has taken over, and that this one still has, or ""."""
        names = ", ".join(self.frozen())
        return f" It takes no updates of {names}, which another host is the primary of by now, until the next run." if names else ""

    def _note(self, zones: Tuple[str, ...]) -> None:
        if zones:
            self.store.write(FROZEN_FILE, "".join(f"{name}\n" for name in zones), 0o644)
        else:
            self.store.remove(FROZEN_FILE)

    def _await_successor(self, config: ServerConfig, zone: ServedZone, end: float) -> None:
        while True:
            reason = self.succession.behind(config, zone)
            if not reason:
                return
            if self.clock.monotonic() >= end:
                raise ServerFailure(f"This host stays the primary of the zone {zone.name}, and nothing was changed: {reason}")
            self.clock.sleep(0.5)


def _not_quiet(waiting: Dict[str, List[str]], names: List[str]) -> str:
    if not waiting:
        return (
            f"This host did not become the primary of {', '.join(names)}, and nothing was changed: the primary that it has takes updates all the"
            " time. Run the role on both hosts in the same run, without 'serial' and with two forks or more."
        )
    name, hosts = min(waiting.items())
    return (
        f"This host did not become the primary of {name}, and nothing was changed: {', '.join(hosts)} has changes that this host does not have."
        " Run the role on the primary that it had in the same run; if that one is gone for good, name the host with the latest changes as the primary."
    )
