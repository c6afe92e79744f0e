# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the fleet's variables to the lab that stands in for it."""

from __future__ import annotations

import re
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..fleet.model import Fleet, Host, Network, Resolution
from ..fleet.problems import Problem
from ..fleet.values import integer, truth
from .spec import BACKENDS

IPV4_RANGE = IPv4Network("198.18.0.0/15")  # RFC 2544: benchmarking, never routed
IPV6_RANGE = IPv6Network("2001:db8::/32")  # RFC 3849: documentation, never routed

FLEET_DEFAULTS: Mapping[str, Any] = {
    "lab_release": "trixie",
    "lab_packages": (),
    "lab_cache": "/var/cache/smallfleet",
    "lab_directory": "/var/lib/smallfleet/labs",
}
HOST_DEFAULTS: Mapping[str, Any] = {
    "lab_backend": "nspawn",
    "lab_memory": 1024,
    "lab_cpus": 1,
    "lab_disk": 4096,
    "lab_disks": {},
    "lab_macvtap": False,
    "lab_nics": {},
    "lab_installed_packages": (),
}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def resolve(fleet: Fleet) -> Resolution:
    """Slices ``{lab: shared values, node: this host's machine}`` for every host of a fleet that asks for a lab.

    A fleet asks for one by setting any variable of the lab. Its networks must lie in ranges that are never routed, so
    that a stray packet cannot reach anybody.
    """
    known = {*FLEET_DEFAULTS, *HOST_DEFAULTS, "lab_name"}
    if known.isdisjoint(fleet.variables) and all(known.isdisjoint(host.variables) for host in fleet.hosts.values()):
        return Resolution()
    problems: List[Problem] = []
    shared = _shared(fleet, problems)
    networks = [_network(network, problems) for network in fleet.networks.values()]
    slices = {host.name: {"lab": {**shared, "networks": networks}, "node": _node(fleet, host, problems)} for host in fleet.hosts.values()}
    return Resolution(slices, tuple(problems))


def _shared(fleet: Fleet, problems: List[Problem]) -> Dict[str, Any]:
    values = {**FLEET_DEFAULTS, "lab_name": fleet.name}
    values.update({name: value for name, value in fleet.variables.items() if name in values})
    if not (isinstance(values["lab_name"], str) and _NAME.fullmatch(values["lab_name"])):
        problems.append(Problem("", "lab_name", f"{values['lab_name']!r} is not a lab's name", "Use a-z, 0-9 and -, at most 31"))
    if not (isinstance(values["lab_release"], str) and re.fullmatch(r"[a-z]+", values["lab_release"])):
        problems.append(Problem("", "lab_release", f"{values['lab_release']!r} is not a Debian release", "Use its code name, such as trixie"))
    packages = _packages("", "lab_packages", values["lab_packages"], problems)
    for name in ("lab_cache", "lab_directory"):
        if not (isinstance(values[name], str) and re.fullmatch(r"(/[A-Za-z0-9._-]+)+", values[name])):
            problems.append(Problem("", name, f"{values[name]!r} is not a folder's absolute path", "Use one without spaces, such as /var/cache/x"))
    shared = {name[len("lab_") :]: values[name] for name in ("lab_name", "lab_release", "lab_cache", "lab_directory")}
    return {**shared, "packages": packages}


def _packages(host: str, variable: str, value: Any, problems: List[Problem]) -> List[str]:
    """The names, sorted and each once; none when the value is not a list of package names."""
    if not (isinstance(value, (list, tuple)) and all(isinstance(p, str) and _PACKAGE.fullmatch(p) for p in value)):
        problems.append(Problem(host, variable, "is not a list of Debian package names", "Use a list such as [bind9]"))
        return []
    return sorted(set(value))


def _network(network: Network, problems: List[Problem]) -> Dict[str, Any]:
    variable = f"fleet_networks.{network.name}"
    if network.ipv4 is not None and not network.ipv4.subnet_of(IPV4_RANGE):
        problems.append(Problem("", f"{variable}.ipv4", f"a lab on {network.ipv4} could reach real machines", f"Use a part of {IPV4_RANGE}"))
    if network.ipv6 is not None and not network.ipv6.subnet_of(IPV6_RANGE):
        problems.append(Problem("", f"{variable}.ipv6", f"a lab on {network.ipv6} could reach real machines", f"Use a part of {IPV6_RANGE}"))
    bridge = f"br-{network.name}" if len(network.name) <= 12 else f"br-{_digest(network.name, 12)}"
    return {"name": network.name, "bridge": bridge, "mtu": network.mtu, "address": lab_address(network)}


def lab_address(network: Network) -> Optional[str]:
    """The last usable address of a network, with prefix length: the lab's own end of the bridge."""
    if network.ipv4 is not None and network.ipv4.prefixlen <= 30:
        return f"{network.ipv4.broadcast_address - 1}/{network.ipv4.prefixlen}"
    if network.ipv6 is not None and network.ipv6.prefixlen <= 126:
        return f"{network.ipv6[-2]}/{network.ipv6.prefixlen}"
    return None


def _node(fleet: Fleet, host: Host, problems: List[Problem]) -> Dict[str, Any]:
    values = dict(HOST_DEFAULTS)
    for source in (fleet.variables, host.variables):
        values.update({name: value for name, value in source.items() if name in values})
    if values["lab_backend"] not in BACKENDS:
        problems.append(Problem(host.name, "lab_backend", f"{values['lab_backend']!r} is unknown", f"Use one of {', '.join(BACKENDS)}"))
    for name, least in (("lab_memory", 64), ("lab_cpus", 1), ("lab_disk", 1024)):
        values[name] = _whole_number(host, name, values[name], least, problems)
    macvtap = truth(values["lab_macvtap"])
    if macvtap is None:
        problems.append(Problem(host.name, "lab_macvtap", f"{values['lab_macvtap']!r} is neither true nor false", "Use true or false"))
    disks = values["lab_disks"]
    if not isinstance(disks, dict) or not all(isinstance(n, str) and re.fullmatch(r"[a-z][a-z0-9-]{0,19}", n) for n in disks):
        problems.append(Problem(host.name, "lab_disks", "is not a dictionary of names and MiB", "Use such as {data: 1024}"))
        disks = {}
    disks = {name: _whole_number(host, f"lab_disks.{name}", disks[name], 1, problems) for name in sorted(disks)}
    nics = []
    for position, place in enumerate(host.attachments):
        network = fleet.networks[place.network]
        for interface in (place.ipv4, place.ipv6):
            if interface is not None and str(interface) == lab_address(network):
                problems.append(Problem(host.name, f"fleet_host_networks.{place.network}", f"{interface.ip} is the lab's own", "Use another"))
        nics.append(
            {
                "network": place.network,
                "interface": place.interface,
                "link": _link(host, position),
                "mac": mac_address(fleet.name, host.name, position),
                "ipv4": str(place.ipv4) if place.ipv4 is not None else None,
                "ipv6": str(place.ipv6) if place.ipv6 is not None else None,
                "mtu": place.mtu,
            }
        )
    nics += _further_nics(fleet, host, values["lab_nics"], len(nics), problems)
    sizes = {name: values[f"lab_{name}"] for name in ("backend", "memory", "cpus", "disk")}
    installed = _packages(host.name, "lab_installed_packages", values["lab_installed_packages"], problems)
    further = {"macvtap": bool(macvtap), "installed_packages": installed}
    return {"name": host.name, **sizes, "disks": disks, "nics": nics, **further}


def _further_nics(fleet: Fleet, host: Host, asked: Any, first: int, problems: List[Problem]) -> List[Dict[str, Any]]:
    """Cards without an address, which nothing in the node configures: interface -> network."""
    remedy = "Use such as {eth1: main}"
    if not isinstance(asked, dict):
        problems.append(Problem(host.name, "lab_nics", "is not a dictionary of interfaces and networks", remedy))
        return []
    taken = [place.interface for place in host.attachments]
    found: List[Dict[str, Any]] = []
    for position, interface in enumerate(sorted(asked, key=lambda name: (len(str(name)), str(name))), first):
        name = asked[interface]
        expected = f"eth{position}"
        if interface != expected or interface in taken:
            said = f"{interface!r} is not the name of the next card"
            problems.append(Problem(host.name, "lab_nics", said, f"Call it {expected}: virtual machines count their cards"))
        elif not isinstance(name, str) or name not in fleet.networks:
            known = ", ".join(sorted(fleet.networks))
            problems.append(Problem(host.name, f"lab_nics.{interface}", f"there is no network {name!r}", f"Use one of {known}"))
        else:
            mac = mac_address(fleet.name, host.name, position)
            card = {"network": name, "interface": interface, "link": _link(host, position), "mac": mac}
            found.append({**card, "ipv4": None, "ipv6": None, "mtu": fleet.networks[name].mtu})
    return found


def _link(host: Host, position: int) -> str:
    """A name that fits the kernel however long the host's is."""
    link = f"{host.name}.{position}"
    return link if len(link) <= 15 else f"l{_digest(host.name, 10)}.{position}"


def _whole_number(host: Host, variable: str, value: Any, least: int, problems: List[Problem]) -> int:
    found = integer(value)
    if found is None or found < least:
        problems.append(Problem(host.name, variable, f"{value!r} is not a whole number from {least}", f"Use {least} or more"))
        return least
    return found


def _digest(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]


def mac_address(fleet: str, host: str, position: int) -> str:
    """A locally administered unicast address (IEEE 802, 48 bits) that depends only on names."""
    octets: Tuple[str, ...] = tuple(_digest(f"{fleet}/{host}/{position}", 10)[i : i + 2] for i in range(0, 10, 2))
    return ":".join(("02", *octets))
