# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of a zone that gets another primary, asked over the network."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Dict

from ..client import DnsFailure
from ..model import RRset
from ..query.reading_client import serial_of, soa_of
from ..query.transfer_client import history
from ..socket_client import Server
from ..wire_client import WireClient, make_key
from .base import ServedZone, ServerConfig

TIMEOUT = 5.0


class WireSuccession:
    """The real network."""

    def behind(self, config: ServerConfig, zone: ServedZone) -> str:
        """Secondaries allow no transfer, so that a server that sends changes is the zone's primary."""
        peer = zone.transfer.peers[0]
        key = next((key for key in config.keys if key.name == zone.transfer.key and key.generations), None)
        if key is None:
            return f"The key for {zone.name} is not on this host."
        made = key.generations[0]
        try:
            own = _soa(config.listen[0], zone)
            there = history(Server(peer.addresses[0], timeout=TIMEOUT), make_key(made.name, made.secret, made.algorithm), own)
        except DnsFailure as failure:
            remedy = f"Run the role on {peer.host} and on this host in the same run, without 'serial' and with two forks or more."
            return f"{peer.host} is not its primary yet ({failure.reason}). {remedy}"
        if there.known:
            return ""
        return (
            f"{peer.host} is its primary too, with serial {there.serial}, and lacks what was changed here, up to serial {serial_of(own)}. If {peer.host}"
            " was the primary before, name this host in dns_zones, run the role on both, and then move the zone. Otherwise compare both with"
            f" dns_zone_compare, write to {peer.host} what it lacks, stop the server on this host, so that nothing is awaited from it, and run this again."
        )

    def serials(self, config: ServerConfig, zone: ServedZone) -> Dict[str, int]:
        """Asked without a key, as anybody may."""
        found: Dict[str, int] = {}
        for host, address in [("", config.listen[0]), *((peer.host, peer.addresses[0]) for peer in zone.transfer.peers)]:
            with suppress(DnsFailure):
                found[host] = serial_of(_soa(address, zone))
        return found


def _soa(address: str, zone: ServedZone) -> RRset:
    with closing(WireClient(Server(address, timeout=TIMEOUT))) as client:
        return soa_of(client, f"{zone.name}.")
