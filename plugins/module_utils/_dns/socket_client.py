# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS messages over TCP and UDP (RFC 1035 section 4.2), as bytes."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import List, Sequence

from . import names
from .client import DnsFailure
from .update.plan import Refused

_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
FAMILIES = tuple(_FAMILIES)


@dataclass(frozen=True)
class Server:
    """Where to send messages. ``protocol`` is tcp or udp, ``timeout`` in seconds for one exchange."""

    address: str
    port: int = 53
    protocol: str = "tcp"
    timeout: float = 10.0

    def __str__(self) -> str:
        return f"{self.address} port {self.port}/{self.protocol}"


def ascii_host(text: str) -> str:
    """An address or name of a server in ASCII. Left to Python, a name would be encoded with the rules of 2003 alone.

    Raises Refused for a name that has no certain encoding.
    """
    if text.isascii():
        return text
    try:
        return names.plain(text)[:-1]
    except names.BadName as error:
        raise Refused([f"server: '{text}' {error}."]) from None


def resolve(server: Server) -> str:
    """The server's address. Raises DnsFailure ``unreachable``."""
    try:
        found = socket.getaddrinfo(server.address, server.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise DnsFailure("unreachable", f"{server.address} has no address: {error}.") from None
    return str(found[0][4][0])


def addresses_of(host: str, families: Sequence[str]) -> List[str]:
    """The addresses of a name in these families as the system knows them, each once; of an address itself, that one, whatever its family."""
    if is_address(host):
        return [host]
    found: List[str] = []
    for family in families:
        with suppress(OSError):
            for one in socket.getaddrinfo(ascii_host(host).rstrip("."), 53, _FAMILIES[family], socket.SOCK_DGRAM):
                found.append(str(one[4][0]))
    return list(dict.fromkeys(found))


def is_address(text: str) -> bool:
    """Whether a server is named by its address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def connect(server: Server) -> socket.socket:
    """A connection. Raises DnsFailure ``timeout`` or ``unreachable``."""
    try:
        return socket.create_connection((server.address, server.port), timeout=server.timeout)
    except socket.timeout:
        raise DnsFailure("timeout", f"{server} did not accept a connection in {server.timeout:g} s.") from None
    except OSError as error:
        raise DnsFailure("unreachable", f"{server} cannot be reached: {error}.") from None


def over_tcp(connection: socket.socket, wire: bytes, timeout: float) -> bytes:
    """One message there and one back. Raises OSError (socket.timeout too) and EOFError."""
    end = time.monotonic() + timeout
    connection.settimeout(timeout)
    connection.sendall(struct.pack("!H", len(wire)) + wire)
    (size,) = struct.unpack("!H", _receive(connection, 2, end))
    return _receive(connection, size, end)


def over_udp(server: Server, wire: bytes) -> bytes:
    """A message there, and the first packet from the server that has its number. Raises OSError and DnsFailure."""
    address = resolve(server)
    end = time.monotonic() + server.timeout
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect((address, server.port))
        made.send(wire)
        while True:
            made.settimeout(_remaining(end))
            answer = made.recv(65535)
            if answer[:2] == wire[:2]:
                return answer


def _receive(connection: socket.socket, size: int, end: float) -> bytes:
    data = b""
    while len(data) < size:
        connection.settimeout(_remaining(end))
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError("it was closed")
        data += more
    return data


def _remaining(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise socket.timeout("no answer")
    return left
