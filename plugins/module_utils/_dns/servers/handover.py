# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Zones that get another primary: which of them cannot move, and when the next primary has taken the last change.

The old primary freezes a zone, so that it acknowledges no update any more, and hands it over only when the history of the zone
on the new one has exactly the version that is frozen. The new one takes a zone over when it has all that its other servers have,
and none of them changes it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import FrozenSet, Iterable, List

from .base import ServerConfig

FROZEN_FILE = "/var/lib/smallfleet/dns_server.frozen"  # the zones that a run has frozen, one a line


@dataclass(frozen=True)
class Copy:
    """A zone that this host is to be the primary of, and that the running server has from another primary.

    ``file`` is the path of the copy where the server would not read it as a primary, else "". ``sep_tags`` are the key tags
    of a zone that is to be signed which the DS at its parent may name, and ``tags`` those of the private keys that are here.
    ``primary`` is the host that it has been taken from, if that is one of its servers and answers, else "".
    """

    zone: str
    file: str = ""
    sep_tags: FrozenSet[int] = frozenset()
    tags: FrozenSet[int] = frozenset()
    primary: str = ""


def copy_problems(config: ServerConfig, copies: Iterable[Copy]) -> Iterable[str]:
    """A zone that moves here goes on with the records and the keys that it has, and has one primary, or does not move.

    A primary that is not in the run, or that has failed in it already, would go on taking updates.
    """
    for copy in copies:
        if copy.primary and config.run_hosts and copy.primary not in config.run_hosts:
            yield (
                f"The zone {copy.zone} is left as it is: its primary {copy.primary} is not in this run, or has failed in it, and would go on taking"
                f" updates. Run the role on {copy.primary} and on this host in the same run, without 'serial' and with two forks or more; if"
                f" {copy.primary} is to serve the zone no more, stop its server first."
            )
        if copy.file:
            yield (
                f"The zone {copy.zone} is left as it is: this host has it by a catalog, in {copy.file}, which a primary does not read, so that records"
                " of others would be lost. Name the primary that it had, set dns_catalog to false, and run the role on all servers; then move the zone."
            )
        unknown = sorted(copy.sep_tags - copy.tags)
        if unknown:
            yield (
                f"The zone {copy.zone} is left as it is: its primary has signed it with the key {', '.join(map(str, unknown))}, which is not on this"
                " host. It would be signed with a new one, and the DS at the parent would no longer fit. Copy the key to this host, or stop signing"
                " at the primary that it has first, as docs/dnssec.md says of both."
            )


def crossing_problems(config: ServerConfig, handed: Iterable[str], copies: Iterable[Copy]) -> List[str]:
    """Moves in both directions between two hosts: each would wait for the other, which configures all its zones in one step.

    ``handed`` are the zones that this host is the primary of and another one is to be; ``copies`` those that come here.
    """
    successors = {zone.name: zone.transfer.peers[0].host for zone in config.copies}
    taken = {copy.zone for copy in copies}
    servers = {zone.name: {peer.host for peer in zone.transfer.peers} for zone in config.primaries if zone.name in taken}
    return [
        f"The zone {name} is to move from this host to {successors[name]}, and {', '.join(crossing)} the other way in the same run. Move zones between two"
        f" hosts in one direction at a time: name the primary that {crossing[0]} had in dns_zones, run the role on both, then change it and run it again."
        for name in sorted(handed)
        for crossing in [sorted(zone for zone, hosts in servers.items() if successors[name] in hosts)]
        if crossing
    ]
