# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only a guest's own answer counts, from its own card and for its own address."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address
from typing import List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves import reachability_client as asking
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.reachability_client import Question, silent
from ansible_collections.smallfleet.infra.plugins.module_utils._network.duplicate_addresses import Probe
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock

OWN, GUEST, OTHER = "02:00:00:00:00:01", "52:54:00:aa:00:01", "52:54:00:aa:00:02"


def reply(mac: str, ip: str) -> bytes:
    """An ARP reply, or a neighbour advertisement."""
    here = bytes.fromhex(mac.replace(":", ""))
    address = ip_address(ip)
    if address.version == 4:
        return OWN_BYTES + here + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2) + here + address.packed + bytes(10)
    message = bytes([136, 0, 0, 0, 0x60, 0, 0, 0]) + address.packed
    return OWN_BYTES + here + struct.pack("!HIHBB", 0x86DD, 6 << 28, len(message), 58, 255) + address.packed + bytes(16) + message


OWN_BYTES = bytes.fromhex(OWN.replace(":", ""))


@pytest.mark.parametrize(
    ("ip", "said", "answered"),
    [
        ("192.0.2.21", [(GUEST, "192.0.2.21")], True),
        ("192.0.2.21", [(OTHER, "192.0.2.21")], False),
        ("192.0.2.21", [(GUEST, "192.0.2.22")], False),
        ("192.0.2.21", [(OTHER, "192.0.2.21"), (GUEST, "192.0.2.21")], True),
        ("2001:DB8:0::21", [(GUEST, "2001:db8::21")], True),
        ("2001:db8::21", [(GUEST, "2001:db8::22")], False),
    ],
)
def test_an_answer_is_of_the_card_that_was_asked_for(monkeypatch: pytest.MonkeyPatch, ip: str, said: List[tuple[str, str]], answered: bool) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(asking, "listen", lambda name: {"br0": here}[name])
    for mac, claimed in said:
        there.send(reply(mac, claimed))
    question = Question("web", "br0", OWN, GUEST, ip)
    assert silent([question], 0.3, SystemClock()) == ([] if answered else [question])
    there.settimeout(1)
    assert there.recv(2048) == Probe(ip, "br0", "br0", OWN).frame
    there.close()
