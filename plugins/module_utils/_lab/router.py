# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The router of a routed network in a lab: the lab's namespace, which has the gateways of the hosts and forwards between them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_interface
from typing import Any, Dict, Iterator, List, Tuple, Union

from .._fleet.model import Attachment, Fleet, Network
from .._fleet.problems import Problem

OWN = ("198.19.255.254/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe/128")
"""The router's own addresses, at which hosts that have a gateway find the package proxy."""


def as_data(fleet: Fleet, network: Network) -> Dict[str, Any]:
    """What a LabNetwork that is routed has: ``router``, addresses of the bridge with their prefix lengths, and ``routes``, addresses behind it."""
    if not network.routed:
        return {}
    places = [place for host in fleet.hosts.values() for place in host.attachments if place.network == network.name]
    hosts = {address for host in fleet.hosts.values() for place in host.attachments for address in place.addresses}
    gateways = {gateway for place in places for gateway in (place.ipv4_gateway, place.ipv6_gateway) if gateway is not None and str(gateway) not in hosts}
    addresses = sorted(f"{gateway}/{64 if gateway.version == 6 and gateway.is_link_local else gateway.max_prefixlen}" for gateway in gateways)
    return {"router": [*OWN, *addresses], "routes": sorted(address for place in places for address in place.addresses)}


def gateways(place: Attachment) -> Dict[str, Any]:
    """What a LabNic has of a host's gateways."""
    of_families = {"ipv4_gateway": place.ipv4_gateway, "ipv6_gateway": place.ipv6_gateway}
    return {key: str(gateway) for key, gateway in of_families.items() if gateway is not None}


def outside(fleet: Fleet, ipv4: IPv4Network, ipv6: IPv6Network) -> List[Problem]:
    """What hosts have in routed networks that is in neither range, so that a lab with it could reach real machines."""
    problems: List[Problem] = []
    for host in fleet.hosts.values():
        for place in host.attachments:
            for key, subnet in _subnets(place) if fleet.networks[place.network].routed else ():
                variable, allowed = f"fleet_host_networks.{place.network}.{key}", ipv4 if subnet.version == 4 else ipv6
                if not subnet.subnet_of(allowed):  # type: ignore[arg-type]
                    problems.append(Problem(host.name, variable, f"a lab on {subnet} could reach real machines", f"Use a part of {allowed}"))
                elif any(ip_interface(own).ip in subnet for own in OWN):
                    problems.append(Problem(host.name, variable, f"{subnet} has an address of the lab's own", "Use another"))
    return problems


def _subnets(place: Attachment) -> Iterator[Tuple[str, Union[IPv4Network, IPv6Network]]]:
    for key, face in (("ipv4", place.ipv4), ("ipv6", place.ipv6)):
        if face is not None:
            yield key, face.network
    if place.ipv4_gateway is not None and not place.ipv4_gateway.is_link_local:
        yield "ipv4_gateway", IPv4Network(place.ipv4_gateway)
    if place.ipv6_gateway is not None and not place.ipv6_gateway.is_link_local:
        yield "ipv6_gateway", IPv6Network(place.ipv6_gateway)
