# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shared model of a fleet: networks, hosts and their addresses, as read from the inventory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Mapping, Optional, Tuple, Union

from .problems import Problem

MANAGEMENT, PUBLIC, STORAGE, CLUSTER = PURPOSES = ("management", "public", "storage", "cluster")
"""What a host uses a network for: to be managed, to be reached by everybody, for its storage, and for its cluster."""

Gateway = Union[IPv4Address, IPv6Address]


HostPlans = Mapping[str, Mapping[str, Any]]
"""host -> its part of the plan: ``fleet``, ``host``, ``capabilities``, and one dictionary for each capability."""


@dataclass(frozen=True)
class Network:
    """A network all of whose members reach each other.

    A shared network is one subnet in which hosts are numbered; at least one of its two families is set. In a routed network each host has
    an address, a prefix and a gateway of its own, as its provider assigned them, and both families are None.
    """

    name: str
    ipv4: Optional[IPv4Network]
    ipv6: Optional[IPv6Network]
    mtu: int
    routed: bool = False


@dataclass(frozen=True)
class Attachment:
    """A host's place in one network. ``interface`` is the name the host's kernel gives the NIC, ``mac`` the NIC's address if it is known.

    Only in a routed network there are gateways; each is in the host's subnet, or on the link nevertheless.
    """

    network: str
    interface: str
    ipv4: Optional[IPv4Interface]
    ipv6: Optional[IPv6Interface]
    mtu: int
    ipv4_gateway: Optional[IPv4Address] = None
    ipv6_gateway: Optional[IPv6Address] = None
    mac: str = ""

    @cached_property
    def addresses(self) -> Tuple[str, ...]:
        """The addresses without prefix length, IPv4 first."""
        return tuple(str(interface.ip) for interface in (self.ipv4, self.ipv6) if interface is not None)


@dataclass(frozen=True)
class Host:
    """One machine. ``variables`` are its own values of the variables that capabilities may set per host.

    ``purposes`` maps each purpose to a network of the host. Management and public are always there, in a fleet without problems; the
    public network is the management network where no other is set.
    """

    name: str
    fqdn: str
    groups: Tuple[str, ...]
    attachments: Tuple[Attachment, ...]
    purposes: Mapping[str, str]
    variables: Mapping[str, Any] = field(default_factory=dict)

    def attachment(self, network: Optional[str]) -> Optional[Attachment]:
        """The host's place in a network; None when it is not in it."""
        return self._attachments.get(network) if network is not None else None

    @cached_property
    def _attachments(self) -> Mapping[str, Attachment]:
        return {place.network: place for place in self.attachments}

    def addresses_for(self, *purposes: str) -> Tuple[str, ...]:
        """The host's addresses in the networks of these purposes, in this order, IPv4 first, without prefix length, each once."""
        places = [self.attachment(self.purposes.get(purpose)) for purpose in purposes]
        return tuple(dict.fromkeys(address for place in places if place is not None for address in place.addresses))


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

    ``host_plans`` maps a host to what that host needs to know, as plain dictionaries, lists, strings, numbers and
    booleans; a host that does not take part is absent. A capability with problems returns the
    host_plans that it could make.
    """

    host_plans: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: Tuple[Problem, ...] = ()
