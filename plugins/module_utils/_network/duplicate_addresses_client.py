# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking on this host's links whether another host has an address."""

from __future__ import annotations

import select
import socket
import struct
from contextlib import ExitStack
from typing import Dict, List, Sequence, Set, Tuple

from .._system.clock import Clock
from .._system.command import CommandRunner
from .duplicate_addresses import Asking, Probe, asking, claim, said, same_macs
from .model import Desired, Observed

PROBES = 3
INTERVAL = 0.3
WAIT = 1.0
"""Three probes, and this many seconds for the last answer: RFC 5227 has patience for slower links, 6 seconds of it."""
_ALL_FRAMES = 3  # ETH_P_ALL of packet(7), as is what follows
_SOL_PACKET, _ADD_MEMBERSHIP, _ALL_MULTICAST = 263, 1, 2


class Conflicts:
    """Who else has an address, or the MAC of an interface."""

    def __init__(self, runner: CommandRunner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock

    def found(self, desired: Desired, observed: Observed) -> List[str]:
        """What is wrong with ``desired`` (pinned), as far as it can be known before the change."""
        neighbours = self._runner.run(["ip", "-json", "neighbour", "show"], check=False).stdout
        return [*self.taken(asking(desired, observed), observed), *same_macs(desired, observed, neighbours)]

    def taken(self, what: Asking, observed: Observed) -> List[str]:
        """The addresses of ``what.probes`` that somebody has. Takes up to two seconds."""
        mine = {mac for link in observed.links.values() for mac in (link.mac, link.permanent_mac)}
        owners = self._ask(what.probes, mine) if what.probes else {}
        return [said(one.interface, one.ip, owners[one.ip]) for one in what.probes if one.ip in owners]

    def taken_late(self, late: Sequence[Tuple[str, str]], observed: Observed) -> List[str]:
        """Likewise for addresses that could not be asked for before their interface was made."""
        links = {name: observed.links[name] for _ip, name in late if name in observed.links}
        probes = tuple(Probe(ip, name, name, links[name].mac) for ip, name in late if name in links and links[name].up)
        return self.taken(Asking(probes), observed)

    def _ask(self, probes: Sequence[Probe], mine: Set[str]) -> Dict[str, str]:
        """Address -> MAC of whoever has it."""
        owners: Dict[str, str] = {}
        wanted = {one.ip for one in probes}
        with ExitStack() as stack:
            cards = {card: stack.enter_context(listen(card)) for card in {one.card for one in probes}}
            for number in range(PROBES):
                for one in probes:
                    cards[one.card].send(one.frame)
                ends = self._clock.monotonic() + (WAIT if number == PROBES - 1 else INTERVAL)
                while wanted - set(owners) and self._clock.monotonic() < ends:
                    ready, _out, _bad = select.select(list(cards.values()), [], [], max(0.0, ends - self._clock.monotonic()))
                    for card in ready:
                        claimed = claim(card.recv(2048))
                        if claimed is not None and claimed[0] in wanted and claimed[1] not in mine:
                            owners[claimed[0]] = claimed[1]
        return owners


def listen(card: str) -> socket.socket:
    """All frames of a card, those to groups of IPv6 that it has not joined among them."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    try:
        made.bind((card, _ALL_FRAMES))
        groups = struct.pack("iHH8s", socket.if_nametoindex(card), _ALL_MULTICAST, 0, b"")
        made.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, groups)
    except OSError:
        made.close()
        raise
    return made
