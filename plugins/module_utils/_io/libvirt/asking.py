# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting until guests answer at their addresses, asked on the bridge itself."""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from typing import List, Sequence, Set

from ..._core.libvirt.answer import answers, question
from ..clock import Clock
from ..command import CommandRunner

_EVERY = 0x0003  # ETH_P_ALL (packet(7))
_PAUSE = 0.2


@dataclass(frozen=True)
class Question:
    """Whether the card with this MAC has this address, asked on this bridge, which has a MAC of its own."""

    guest: str
    bridge: str
    own_mac: str
    mac: str
    ip: str


def silent(asked: Sequence[Question], timeout: float, clock: Clock) -> List[Question]:
    """Those that got no answer within the time. All are asked again and again, side by side."""
    left: Set[Question] = set(asked)
    sockets = {name: _open(name) for name in {one.bridge for one in asked}}
    try:
        ends = clock.monotonic() + timeout
        while left and clock.monotonic() < ends:
            for one in left:
                sockets[one.bridge].send(question(one.own_mac, one.ip)[1])
            again = min(ends, clock.monotonic() + _PAUSE)
            while left and clock.monotonic() < again:
                ready, _nothing, _more = select.select(list(sockets.values()), [], [], max(0.0, again - clock.monotonic()))
                for stream in ready:
                    frame = stream.recv(2048)
                    left -= {one for one in left if sockets[one.bridge] is stream and answers(frame, one.ip, one.mac)}
    finally:
        for stream in sockets.values():
            stream.close()
    return [one for one in asked if one in left]


def _open(name: str) -> socket.socket:
    stream = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY))
    stream.bind((name, 0))
    return stream


def echoes(runner: CommandRunner, ip: str, timeout: float) -> bool:
    """Whether an echo is answered: the host reaches the guest, and the guest the host, at their addresses (ping(8))."""
    wait = max(1, round(timeout))
    return runner.run(["ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", str(wait), ip], check=False).rc == 0
