# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A DNS server behind a small protocol."""

from __future__ import annotations

from typing import Mapping, Optional, Protocol, Tuple

from .model import Message, ZoneContents
from .query.visibility import Answer

NOERROR = 0
RCODES: Mapping[int, str] = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    7: "YXRRSET",
    8: "NXRRSET",
    9: "NOTAUTH",
    10: "NOTZONE",
}
PREREQUISITE_FAILED = (3, 6, 7, 8)  # RFC 2136 section 3.2.5


class DnsFailure(Exception):
    """An exchange that failed, or whose outcome is unknown.

    ``reason`` is one word of a fixed list (see the documentation of the modules), ``rcode`` the server's answer when
    there was one, ``sent`` whether an update may have reached the server, ``done`` what earlier messages did.
    """

    def __init__(self, reason: str, message: str, rcode: Optional[int] = None, sent: bool = False) -> None:
        self.reason = reason
        self.rcode = rcode
        self.sent = sent
        self.done: Tuple[str, ...] = ()
        super().__init__(message)


def refusal(who: str, question: str, rcode: int) -> DnsFailure:
    """The failure for an answer with a response code that is neither NOERROR nor NXDOMAIN."""
    reason = {5: "refused", 2: "server_failure"}.get(rcode, "malformed")
    return DnsFailure(reason, f"{who} answered the question for {question} with {RCODES.get(rcode, str(rcode))}.", rcode)


class DnsClient(Protocol):
    """One authoritative server. ``limit`` is the most bytes that one update may have, without its signature."""

    @property
    def limit(self) -> int:
        """Bytes, without the signature."""
        ...  # pylint: disable=unnecessary-ellipsis

    def size(self, zone: str, message: Message) -> int:
        """The bytes of an update on the wire, without its signature; more than ``limit`` when it cannot be made."""
        ...  # pylint: disable=unnecessary-ellipsis

    def canonical(self, kind: str, text: str) -> str:
        """The canonical form of one value in presentation form, its names absolute. Raises ValueError."""
        ...  # pylint: disable=unnecessary-ellipsis

    @property
    def stream(self) -> bool:
        """Whether messages go over a connection, so that reading a whole zone is cheap."""
        ...  # pylint: disable=unnecessary-ellipsis

    def ask(self, zone: str, name: str, kind: str) -> Answer:
        """The answer to one question about a name in a zone: NOERROR or NXDOMAIN."""
        ...  # pylint: disable=unnecessary-ellipsis

    def check_zone(self, zone: str) -> None:
        """Raises DnsFailure ``not_auth`` when the server does not serve exactly this zone."""
        ...  # pylint: disable=unnecessary-ellipsis

    def transfer(self, zone: str) -> ZoneContents:
        """The whole zone at one moment."""
        ...  # pylint: disable=unnecessary-ellipsis

    def send(self, zone: str, message: Message) -> int:
        """Send one update; the response code, which is NOERROR or one of PREREQUISITE_FAILED."""
        ...  # pylint: disable=unnecessary-ellipsis
