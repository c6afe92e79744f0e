# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is needed of a DNS server's program, and of the server as its clients see it."""

from __future__ import annotations

from typing import Dict, FrozenSet, Mapping, Optional, Protocol, Tuple

from ..model import RRset
from .base import ServedZone, ServerConfig
from .plan import Trouble


class ServerFailure(Exception):
    """A step that could not be done. The message says what stayed as it was and what to do."""


class Daemon(Protocol):
    """What one program needs done in its own way. The order of things is ServerHost's."""

    def installed(self) -> bool:
        """Whether the program is on this host."""
        ...  # pylint: disable=unnecessary-ellipsis

    def unread(self) -> str:
        """Why the program would not read the files that are written, with the remedy, or "". Only reads."""
        ...  # pylint: disable=unnecessary-ellipsis

    def check(self, candidates: Mapping[str, str]) -> None:
        """Raise ServerFailure unless the program accepts its whole configuration with these files (path -> content).

        The file with the secrets is among them, so that copies must be readable by root only.
        """
        ...  # pylint: disable=unnecessary-ellipsis

    def check_zone(self, zone: ServedZone, path: str) -> None:
        """Raise ServerFailure unless the program would load the zone from this file."""
        ...  # pylint: disable=unnecessary-ellipsis

    def reload(self, config: ServerConfig) -> None:
        """Have the running program read its configuration, without suspending updates. Raises ServerFailure."""
        ...  # pylint: disable=unnecessary-ellipsis

    def zone_ready(self, zone: ServedZone) -> bool:
        """Whether the running program serves a primary zone, or knows of a secondary one."""
        ...  # pylint: disable=unnecessary-ellipsis

    def copy_of(self, zone: ServedZone) -> Optional[str]:
        """None unless the running program has the zone from another primary; else the file of that copy, or "" if it needs none."""
        ...  # pylint: disable=unnecessary-ellipsis

    def is_primary(self, zone: ServedZone) -> bool:
        """Whether the running program is the primary of the zone."""
        ...  # pylint: disable=unnecessary-ellipsis

    def freeze(self, zone: ServedZone) -> None:
        """Have the running program acknowledge no more updates of a primary zone, and end those that it has begun. Raises ServerFailure."""
        ...  # pylint: disable=unnecessary-ellipsis

    def thaw(self, name: str) -> None:
        """The opposite, for a zone by name, if it is frozen. Raises ServerFailure."""
        ...  # pylint: disable=unnecessary-ellipsis

    def key_tags(self, zone: ServedZone) -> FrozenSet[int]:
        """The key tags of the private keys of a zone that are on this host. Only reads."""
        ...  # pylint: disable=unnecessary-ellipsis

    def trouble(self, zone: ServedZone, active: bool) -> Optional[Trouble]:
        """Why a primary zone, whose file is there, does not load, or would not at the next start. Only reads."""
        ...  # pylint: disable=unnecessary-ellipsis


class Asker(Protocol):
    """The server as its clients see it: asked over the network, at an address it listens on."""

    def ask(self, config: ServerConfig) -> Tuple[Dict[str, RRset], str]:
        """The SOA of each primary zone that this very server answers, and why one is missing or "".

        Questions are signed with a key that only this server knows, so that no other program can answer for it.
        """
        ...  # pylint: disable=unnecessary-ellipsis

    def dnskeys(self, config: ServerConfig) -> Dict[str, Tuple[str, ...]]:
        """The DNSKEY values of each primary zone that is to be signed; of a zone that is not answered, none."""
        ...  # pylint: disable=unnecessary-ellipsis

    def sep_tags(self, config: ServerConfig, zone: ServedZone) -> FrozenSet[int]:
        """The tags of a zone's keys that are meant for a DS, as they are answered to a question that is not signed."""
        ...  # pylint: disable=unnecessary-ellipsis

    def replace(self, config: ServerConfig, seen: RRset, wanted: RRset) -> bool:
        """Replace an SOA by an update that says what was seen; False when the zone has changed meanwhile."""
        ...  # pylint: disable=unnecessary-ellipsis


class Succession(Protocol):
    """The servers of a zone that gets another primary, asked over the network."""

    def behind(self, config: ServerConfig, zone: ServedZone) -> str:
        """Why the server that a zone is to be taken from is not its primary yet with all that this server has, or ""."""
        ...  # pylint: disable=unnecessary-ellipsis

    def serials(self, config: ServerConfig, zone: ServedZone) -> Dict[str, int]:
        """The serials of a zone on this server (named "") and on its other servers, by host; only of those that answer."""
        ...  # pylint: disable=unnecessary-ellipsis
