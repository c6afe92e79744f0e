# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frames that ask who has an address, and those that answer."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._core.libvirt.answer import ARP, IPV6, answers, question

OWN, GUEST = "02:00:00:00:00:01", "52:54:00:aa:00:01"
OWN_OCTETS, GUEST_OCTETS = bytes.fromhex("020000000001"), bytes.fromhex("525400aa0001")


def arp_reply(ip: bytes, sender: bytes = GUEST_OCTETS, operation: int = 2) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + sender + ip + OWN_OCTETS + bytes(4)
    return OWN_OCTETS + sender + struct.pack("!H", ARP) + body


def test_an_arp_probe_names_no_address_of_its_own() -> None:
    kind, frame = question(OWN, "198.18.0.9")
    assert kind == ARP and len(frame) == 60
    assert frame[:14] == b"\xff" * 6 + OWN_OCTETS + b"\x08\x06"
    assert frame[20:22] == b"\0\1" and frame[28:32] == bytes(4) and frame[38:42] == bytes([198, 18, 0, 9])


def test_only_the_guests_own_answer_counts() -> None:
    ip = bytes([198, 18, 0, 9])
    assert answers(arp_reply(ip), "198.18.0.9", GUEST)
    assert not answers(arp_reply(ip), "198.18.0.8", GUEST)
    assert not answers(arp_reply(ip, OWN_OCTETS), "198.18.0.9", GUEST)
    assert not answers(arp_reply(ip, operation=1), "198.18.0.9", GUEST)


@pytest.mark.parametrize("length", range(42))
def test_a_frame_cut_short_is_no_answer(length: int) -> None:
    assert not answers(arp_reply(bytes([198, 18, 0, 9]))[:length], "198.18.0.9", GUEST)


def total(data: bytes) -> int:
    value = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def test_a_neighbour_solicitation_has_a_right_checksum_and_goes_to_the_group_of_the_address() -> None:
    kind, frame = question(OWN, "2001:db8::12:3456")
    assert kind == IPV6 and frame[:6] == bytes.fromhex("3333ff123456")
    header, message = frame[14:54], frame[54:]
    assert header[8:24] == bytes(16) and header[24:40] == bytes.fromhex("ff0200000000000000000001ff123456")
    pseudo = header[8:40] + struct.pack("!II", len(message), 58)
    assert total(pseudo + message) == 0xFFFF
    assert header[7] == 255 and struct.unpack("!H", header[4:6]) == (len(message),)


def test_a_neighbour_advertisement_is_an_answer() -> None:
    target = bytes.fromhex("20010db8000000000000000000000009")
    header = bytes([0x60, 0, 0, 0]) + struct.pack("!HBB", 32, 58, 255) + bytes(32)
    frame = bytes.fromhex("333300000001") + GUEST_OCTETS + struct.pack("!H", IPV6) + header
    frame += bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + target + bytes([2, 1]) + GUEST_OCTETS
    assert answers(frame, "2001:db8::9", GUEST)
    assert not answers(frame, "2001:db8::8", GUEST)
    assert not answers(frame.replace(bytes([136, 0, 0, 0]), bytes([135, 0, 0, 0])), "2001:db8::9", GUEST)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError):
        question(OWN, "web")
