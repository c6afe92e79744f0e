# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a node whose kernel knows no VLANs: gives it an interface ``vlan5`` in VLAN 5 of eth0 (IEEE 802.1Q).

What is sent on it goes out with the tag, and only frames with the tag come in. Ends after ten minutes.
"""

import fcntl
import os
import select
import socket
import struct
import subprocess
import time

TAG = struct.pack("!HH", 0x8100, 5)
SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 1 << 4  # packet(7), linux/if_packet.h
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
ETH_P_ALL, OUTGOING = 3, 4

tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"vlan5", IFF_TAP | IFF_NO_PI))
with open("/sys/class/net/eth0/address", encoding="ascii") as stream:
    mac = stream.read().strip()
for words in (f"link set vlan5 address {mac} mtu 1400 up", "address add 198.18.5.2/24 dev vlan5"):
    subprocess.run(["ip", *words.split()], check=True)
card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
card.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
card.bind(("eth0", ETH_P_ALL))
ends = time.monotonic() + 600
while time.monotonic() < ends:
    ready, _out, _bad = select.select([tap, card], [], [], 1.0)
    if tap in ready:
        frame = os.read(tap, 2048)
        card.send(frame[:12] + TAG + frame[12:])
    if card in ready:
        frame, extra, _flags, where = card.recvmsg(2048, 256)
        for level, kind, data in extra:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA) or where[2] == OUTGOING:
                continue
            status, _len, _snap, _mac, _net, tci, _tpid = struct.unpack("IIIHHHH", data[:20])
            if status & VLAN_VALID and tci & 0xFFF == 5:
                os.write(tap, frame)
