# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the fleet's variables to the lab that stands in for it."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .._fleet.fields import read_variable
from .._fleet.model import Fleet, Host, Network, Resolution
from .._fleet.places import Place
from .._fleet.values import Notes, shown
from . import router
from .variables import FLEET_DEFAULTS, HOST_DEFAULTS, VARIABLES

IPV4_RANGE = IPv4Network("198.18.0.0/15")  # RFC 2544: benchmarking, never routed
IPV6_RANGE = IPv6Network("2001:db8::/32")  # RFC 3849: documentation, never routed


def resolve(fleet: Fleet) -> Resolution:
    """Slices ``{lab: shared values, node: this host's machine}`` for every host of a fleet that asks for a lab.

    A fleet asks for one by setting any variable of the lab. Its networks must lie in ranges that are never routed, so
    that a stray packet cannot reach anybody.
    """
    if VARIABLES.keys().isdisjoint(fleet.variables) and all(VARIABLES.keys().isdisjoint(host.variables) for host in fleet.hosts.values()):
        return Resolution()
    notes = Notes()
    shared = _read("", {"lab_name": fleet.name, **FLEET_DEFAULTS}, fleet.variables, notes)
    shared["packages"] = sorted(set(shared["packages"]))
    networks = [{**_network(network, notes), **router.as_data(fleet, network)} for network in fleet.networks.values()]
    notes.problems += router.outside(fleet, IPV4_RANGE, IPV6_RANGE)
    host_plans = {host.name: {"lab": {**shared, "networks": networks}, "node": _node(fleet, host, notes)} for host in fleet.hosts.values()}
    return Resolution(host_plans, tuple(notes.problems))


def _read(host: str, defaults: Mapping[str, Any], variables: Mapping[str, Any], notes: Notes) -> Dict[str, Any]:
    """The values of the variables that have defaults here, by their names without ``lab_``."""
    places = {variable: Place(host, variable, notes) for variable in defaults}
    return {variable[len("lab_") :]: read_variable(VARIABLES[variable], variables, place, defaults[variable]) for variable, place in places.items()}


def _network(network: Network, notes: Notes) -> Dict[str, Any]:
    variable = f"fleet_networks.{network.name}"
    if network.ipv4 is not None and not network.ipv4.subnet_of(IPV4_RANGE):
        notes.add("", f"{variable}.ipv4", f"a lab on {network.ipv4} could reach real machines", f"Use a part of {IPV4_RANGE}")
    if network.ipv6 is not None and not network.ipv6.subnet_of(IPV6_RANGE):
        notes.add("", f"{variable}.ipv6", f"a lab on {network.ipv6} could reach real machines", f"Use a part of {IPV6_RANGE}")
    bridge = f"br-{network.name}" if len(network.name) <= 12 else f"br-{_digest(network.name, 12)}"
    return {"name": network.name, "bridge": bridge, "mtu": network.mtu, "address": lab_address(network)}


def lab_address(network: Network) -> Optional[str]:
    """The last usable address of a network, with prefix length: the lab's own end of the bridge."""
    if network.ipv4 is not None and network.ipv4.prefixlen <= 30:
        return f"{network.ipv4.broadcast_address - 1}/{network.ipv4.prefixlen}"
    if network.ipv6 is not None and network.ipv6.prefixlen <= 126:
        return f"{network.ipv6[-2]}/{network.ipv6.prefixlen}"
    return None


def _node(fleet: Fleet, host: Host, notes: Notes) -> Dict[str, Any]:
    values = _read(host.name, HOST_DEFAULTS, {**fleet.variables, **host.variables}, notes)
    nics = []
    for position, place in enumerate(host.attachments):
        network = fleet.networks[place.network]
        for interface in (place.ipv4, place.ipv6):
            if interface is not None and str(interface) == lab_address(network):
                notes.add(host.name, f"fleet_host_networks.{place.network}", f"{interface.ip} is the lab's own", "Use another")
        nics.append(
            {
                "network": place.network,
                "interface": place.interface,
                "link": _link(host, position),
                "mac": place.mac or mac_address(fleet.name, host.name, position),
                "ipv4": str(place.ipv4) if place.ipv4 is not None else None,
                "ipv6": str(place.ipv6) if place.ipv6 is not None else None,
                "mtu": place.mtu,
                **router.gateways(place),
            }
        )
    nics += _further_nics(fleet, host, values["nics"], len(nics), Place(host.name, "lab_nics", notes))
    disks = {name: values["disks"][name] for name in sorted(values["disks"])}
    installed = sorted(set(values["installed_packages"]))
    return {"name": host.name, **values, "disks": disks, "nics": nics, "installed_packages": installed}


def _further_nics(fleet: Fleet, host: Host, cards: Mapping[Any, Any], first: int, place: Place) -> List[Dict[str, Any]]:
    """Cards without an address, which nothing in the node configures: interface -> network."""
    taken = [attachment.interface for attachment in host.attachments]
    further: List[Dict[str, Any]] = []
    for position, interface in enumerate(sorted(cards, key=lambda name: (len(str(name)), str(name))), first):
        name = cards[interface]
        expected = f"eth{position}"
        if interface != expected or interface in taken:
            place.refuse(f"{shown(interface)} is not the name of the next card", f"Call it {expected}: virtual machines count their cards")
        elif not isinstance(name, str) or name not in fleet.networks:
            place.key(interface).refuse(f"there is no network {shown(name)}", f"Use one of {', '.join(sorted(fleet.networks))}")
        else:
            mac = mac_address(fleet.name, host.name, position)
            card = {"network": name, "interface": interface, "link": _link(host, position), "mac": mac}
            further.append({**card, "ipv4": None, "ipv6": None, "mtu": fleet.networks[name].mtu})
    return further


def _link(host: Host, position: int) -> str:
    """A name that fits the kernel however long the host's is."""
    link = f"{host.name}.{position}"
    return link if len(link) <= 15 else f"l{_digest(host.name, 10)}.{position}"


def _digest(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]


def mac_address(fleet: str, host: str, position: int) -> str:
    """A locally administered unicast address (IEEE 802, 48 bits) that depends only on names."""
    octets: Tuple[str, ...] = tuple(_digest(f"{fleet}/{host}/{position}", 10)[i : i + 2] for i in range(0, 10, 2))
    return ":".join(("02", *octets))
