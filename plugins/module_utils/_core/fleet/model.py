# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shared model of a fleet: networks, hosts and their addresses, as read from the inventory."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Any, Mapping, Optional, Tuple

from .problems import Problem


@dataclass(frozen=True)
class Network:
    """A layer-2 network all of whose members reach each other. At least one of the two families is set."""

    name: str
    ipv4: Optional[IPv4Network]
    ipv6: Optional[IPv6Network]
    mtu: int


@dataclass(frozen=True)
class Attachment:
    """A host's place in one network. ``interface`` is the name the host's kernel gives the NIC."""

    network: str
    interface: str
    ipv4: Optional[IPv4Interface]
    ipv6: Optional[IPv6Interface]
    mtu: int


@dataclass(frozen=True)
class Host:
    """One machine. ``variables`` are its own values of the variables that capabilities may set per host."""

    name: str
    fqdn: str
    groups: Tuple[str, ...]
    attachments: Tuple[Attachment, ...]
    management: str
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def addresses(self) -> Tuple[str, ...]:
        """The host's addresses in its management network, IPv4 first, without prefix length."""
        for place in self.attachments:
            if place.network == self.management:
                return tuple(str(interface.ip) for interface in (place.ipv4, place.ipv6) if interface is not None)
        return ()


@dataclass(frozen=True)
class Fleet:
    """All hosts and networks. ``variables`` are the values that hold for the whole fleet."""

    name: str
    domain: str
    networks: Mapping[str, Network]
    hosts: Mapping[str, Host]
    groups: Mapping[str, Tuple[str, ...]]
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Resolution:
    """What one capability makes of a fleet.

    ``slices`` maps a host to what that host needs to know, as plain dictionaries, lists, strings, numbers and
    booleans; a host that does not take part is absent. A capability with problems returns the
    slices that it could make.
    """

    slices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: Tuple[Problem, ...] = ()
