# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting until guests answer at their addresses, asked on the bridge itself."""

from __future__ import annotations

import select
from dataclasses import dataclass
from ipaddress import ip_address
from typing import List, Sequence, Set

from ..._network.duplicate_addresses import Probe, claim
from ..._network.duplicate_addresses_client import listen
from ..._system.clock import Clock
from ..._system.command import CommandRunner

_PAUSE = 0.2


@dataclass(frozen=True)
class Question:
    """Whether the card with this MAC has this address, asked on this bridge, which has a MAC of its own."""

    guest: str
    bridge: str
    own_mac: str
    mac: str
    ip: str

    @property
    def canonical(self) -> str:
        """The address as it is written when it comes from a frame."""
        return str(ip_address(self.ip))


def silent(asked: Sequence[Question], timeout: float, clock: Clock) -> List[Question]:
    """Those that got no answer within the time. All are asked again and again, side by side, as for a duplicate."""
    left: Set[Question] = set(asked)
    sockets = {name: listen(name) for name in {one.bridge for one in asked}}
    try:
        ends = clock.monotonic() + timeout
        while left and clock.monotonic() < ends:
            for one in left:
                sockets[one.bridge].send(Probe(one.ip, one.bridge, one.bridge, one.own_mac).frame)
            again = min(ends, clock.monotonic() + _PAUSE)
            while left and clock.monotonic() < again:
                ready, _nothing, _more = select.select(list(sockets.values()), [], [], max(0.0, again - clock.monotonic()))
                for stream in ready:
                    said = claim(stream.recv(2048))
                    left -= {one for one in left if sockets[one.bridge] is stream and said == (one.canonical, one.mac)}
    finally:
        for stream in sockets.values():
            stream.close()
    return [one for one in asked if one in left]


def echoes(runner: CommandRunner, ip: str, timeout: float) -> bool:
    """Whether an echo is answered: the host reaches the guest, and the guest the host, at their addresses (ping(8))."""
    wait = max(1, round(timeout))
    return runner.run(["ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", str(wait), ip], check=False).rc == 0
