# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""At which addresses hosts of a fleet reach each other."""

from __future__ import annotations

from typing import Hashable, Tuple

from .model import MANAGEMENT, PUBLIC, Fleet, Host


def addresses_between(fleet: Fleet, source: Host, destination: Host) -> Tuple[str, ...]:
    """The addresses of ``destination`` at which ``source`` reaches it, IPv4 first; for a host itself, its management addresses.

    That is the management network where both are managed by the same one, else a network of both that one of them is managed by, else one
    that one of them is public in, else the public network of ``destination`` if it is routed. Both directions use the same network, so
    that a packet comes from an address that the other host knows. A family that ``source`` lacks there is left out, if another is left.
    """
    for purpose in (MANAGEMENT, PUBLIC):
        for network in sorted({host.purposes.get(purpose, "") for host in (source, destination)}):
            here, there = source.attachment(network), destination.attachment(network)
            if here is not None and there is not None and there.addresses:
                usable = (here.ipv4 is not None, here.ipv6 is not None)
                return tuple(address for address in there.addresses if usable[":" in address]) or there.addresses
    public = fleet.networks.get(destination.purposes.get(PUBLIC, ""))
    return destination.addresses_for(PUBLIC if public is not None and public.routed else MANAGEMENT)


def standpoint(source: Host) -> Hashable:
    """All of a host that counts for the addresses at which it reaches others: hosts with the same standpoint reach all at the same ones."""
    places = frozenset((place.network, place.ipv4 is not None, place.ipv6 is not None) for place in source.attachments)
    return source.purposes.get(MANAGEMENT), source.purposes.get(PUBLIC), places
