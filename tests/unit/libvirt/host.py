# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of a host whose guests leave macvtap: its links, its guests' worlds, and the change of its own network.

It has the kernel's rules: no card joins a bridge while a macvtap is on it, no macvtap is made on a port of a bridge.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from fakes import FakeClock, FakeFiles

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import Domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import LINKS
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.mover_host import Mover
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import Entry, Guest, Step, Work
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.reachability_client import Question
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement import Beside, beside_path
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement_host import Asked, Prospect, Replacement
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.staged_bridges_host import Bridges
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import Clock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, CommandResult

from .world import World

CARD = "02:00:00:00:00:01"


class Cut(BaseException):
    """The power of whoever is at work is gone."""


class Host:
    """``left``: how many effects may be had before the cut; None for all."""

    def __init__(self, worlds: Mapping[str, World], networkd: bool = True) -> None:
        self.worlds = dict(worlds)
        self.networkd = networkd
        self.files = Files(self)
        self.bridge: Optional[Dict[str, Any]] = None
        self.joined = self.under_way = False
        self.left: Optional[int] = None
        self.effects = 0
        self.mute: List[str] = []

    def effect(self) -> None:
        """Before each change of anything."""
        if self.left is not None and self.effects >= self.left:
            raise Cut()
        self.effects += 1

    def replacement(self, asked: Asked) -> Replacement:
        clock = FakeClock()
        mover = Mover(self, Notes(self), clock, self, self._silent)  # type: ignore[arg-type]
        bridges = Bridges(self, self.files, clock)
        return Replacement(mover, self, bridges, self, asked, lambda ip, _wait: ip not in self.mute, lambda _links: {})

    def _silent(self, questions: Sequence[Question], _wait: float, _clock: Clock) -> List[Question]:
        return [one for one in questions if one.ip in self.mute]

    # The guests, as Mover wants them.

    def read(self, names: Optional[Sequence[str]] = None) -> Dict[str, Guest]:
        return {name: self._guest(world) for name, world in self.worlds.items() if names is None or name in names}

    def _guest(self, world: World) -> Guest:
        guest = world.guest()
        return replace(guest, live=None if guest.live is None else _named(guest.live))

    def carry_out(self, step: Step) -> None:
        self.effect()
        world = self.worlds[step.guest]
        world.carry_out(step, Work())
        if step.kind in ("attach", "start"):
            for nic in _live(world):
                assert not (nic.at.type == "direct" and self.joined), "EBUSY: a macvtap on a port of a bridge"
                assert nic.at.type == "direct" or self.bridge is not None, "there is no such bridge"

    # The network's change, as Replacement wants it.

    def prospect(self, gone: Sequence[str], _beside: Sequence[Beside]) -> Prospect:
        in_the_way = [name for name in self._macvtaps() if name not in gone]
        return Prospect(not self.joined, ["the card joins"] if not self.joined else [], (), in_the_way)

    def ready(self) -> None:
        """Nothing is checked here."""

    def begin(self) -> Dict[str, Any]:
        self.effect()
        assert not self._macvtaps(), "EBUSY: a macvtap is on the card"
        assert self.bridge is not None and self.bridge["up"] and (self.bridge["networkd"] or not self.networkd)
        self.joined = self.under_way = True
        return {"begun": True}

    def confirm(self) -> None:
        self.effect()
        self.under_way = False

    def take_network_back(self) -> None:
        """As the host does when nobody confirms the change."""
        if self.under_way:
            self.joined = self.under_way = False

    # The commands.

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        words = tuple(argv)
        rc, said = 0, ""
        if words == LINKS:
            said = json.dumps(self._links())
        elif words[0] == "systemctl":
            rc = 0 if self.networkd else 1
        elif words[:3] == ("ip", "link", "show"):
            rc = 0 if self.bridge else 1
        else:
            self.effect()
            self._change(words)
        result = CommandResult(words, rc, said, "")
        if check and rc:
            raise CommandFailed(result)
        return result

    def _change(self, words: Sequence[str]) -> None:
        if words[0] == "networkctl":
            if self.files.read(f"{beside_path('br0')}.netdev") is not None and self.bridge is None:
                self.bridge = {"up": False, "networkd": True}
        elif words[2] == "add":
            assert self.bridge is None
            self.bridge = {"up": False, "networkd": False}
        elif words[2] == "delete":
            assert self.bridge is not None and not self.joined and not self._taps()
            self.bridge = None
        else:
            assert self.bridge is not None, words
            self.bridge["up"] |= words[-1] == "up"

    def _macvtaps(self) -> List[str]:
        return [nic.target for world in self.worlds.values() for nic in _live(world) if nic.at.type == "direct"]

    def _taps(self) -> List[str]:
        return [nic.target for world in self.worlds.values() for nic in _live(world) if nic.at.type == "bridge"]

    def _links(self) -> List[Dict[str, Any]]:
        up = {"flags": ["UP"], "mtu": 1500}
        found: List[Dict[str, Any]] = [{"ifname": "eth0", "ifindex": 2, "address": CARD, **up}]
        if self.joined:
            found[0]["master"] = "br0"
        for name in self._macvtaps():
            info = {"info_kind": "macvtap", "info_data": {"mode": "bridge"}}
            found.append({"ifname": name, "ifindex": 9, "address": CARD, "link": "eth0", "linkinfo": info, **up})
        found += [{"ifname": name, "ifindex": 8, "address": CARD, "master": "br0", **up} for name in self._taps()]
        if self.bridge is not None:
            flags = {"flags": ["UP"] if self.bridge["up"] else [], "mtu": 1500}
            found.append({"ifname": "br0", "ifindex": 3, "address": CARD, "linkinfo": {"info_kind": "bridge"}, **flags})
        return found


class Files(FakeFiles):
    """Whose changes count."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def write(self, path: str, content: str, mode: int) -> None:
        self._host.effect()
        super().write(path, content, mode)

    def remove(self, path: str) -> None:
        self._host.effect()
        super().remove(path)


class Notes:
    """The journal of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def read(self) -> Dict[str, Entry]:
        return {world.entry.uuid: world.entry for world in self._host.worlds.values() if world.entry is not None}

    def note(self, entry: Entry) -> None:
        self._host.effect()
        self._host.worlds[entry.guest].entry = entry

    def forget(self, uuid: str) -> None:
        self._host.effect()
        for world in self._host.worlds.values():
            if world.entry is not None and world.entry.uuid == uuid:
                world.entry = None

    def rate(self) -> float:
        return 0.0

    def measured(self, _mib: int, _seconds: float) -> None:
        """Nobody asks for it here."""


def _named(domain: Domain) -> Domain:
    """With the names that libvirt gives the devices of running guests."""
    prefix = {"direct": "mt", "bridge": "vn"}
    nics = tuple(replace(nic, target=f"{prefix[nic.at.type]}{nic.mac[-5:].replace(':', '')}") for nic in domain.nics)
    return replace(domain, nics=nics)


def _live(world: World) -> Sequence[Any]:
    live = world.guest().live
    return () if live is None else _named(live).nics
