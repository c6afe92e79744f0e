# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interfaces and default routes from a host's place in the fleet's networks, where ``network_from_fleet`` says so."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from .._fleet.model import PUBLIC, Attachment, Host
from .._fleet.routed import on_link
from .._shared.addresses import read_address

_FAMILIES = ("ipv4", "ipv6")
_EVERYWHERE = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}


def with_fleet(host: Host, written: Mapping[str, Any]) -> Dict[str, Any]:
    """The host's ``network_*`` with what its ``fleet_host_networks`` add: values of any type, which the reader checks.

    What is written wins: an address stays on the interface that has it, which gets the other family of its network too; an entry with
    ``ipv4``, ``ipv6`` or ``mtu`` keeps them; and a family with a default route gets no other. An entry without them, such as a VLAN of the
    provider, gets the addresses of its network. The default route leads to the gateway of the public network; without one there, to that of
    the first network by name.
    """
    interfaces, routes = written.get("network_interfaces", []), written.get("network_routes", {})
    config = routes.get("config", []) if isinstance(routes, Mapping) else None
    if not isinstance(interfaces, (list, tuple)) or not isinstance(config, (list, tuple)):
        return dict(written)
    entries = list(interfaces)
    for place in host.attachments:
        _add(entries, place)
    defaults = _default_routes(host, config, _interface_of(entries))
    return {**written, "network_interfaces": entries, **({"network_routes": {**routes, "config": [*config, *defaults]}} if defaults else {})}


def _interface_of(entries: Sequence[Any]) -> Dict[str, str]:
    """address -> name of the interface whose entry has it."""
    interfaces: Dict[str, str] = {}
    for entry in (entry for entry in entries if isinstance(entry, Mapping)):
        for family in _FAMILIES:
            options = entry.get(family)
            addresses = options.get("address") if isinstance(options, Mapping) else None
            for one in addresses if isinstance(addresses, (list, tuple)) else ():
                if isinstance(one, Mapping):
                    interfaces[_canonical(one.get("ip"))] = str(entry.get("name"))
    return interfaces


def _canonical(address: Any) -> str:
    """The address as the plan writes it; of what is none, which the reader refuses, nothing."""
    try:
        return str(read_address(address))
    except ValueError:
        return ""


def _add(entries: List[Any], place: Attachment) -> None:
    """Put the addresses of a place into the entry of its interface, or into a new one."""
    holders = _interface_of(entries)
    own = [holders[address] for address in place.addresses if address in holders]
    name = own[0] if own else place.interface
    derived: Dict[str, Any] = {} if own else {"mtu": place.mtu}
    for family, face in zip(_FAMILIES, (place.ipv4, place.ipv6)):
        if face is not None and str(face.ip) not in holders:
            derived[family] = {"enabled": True, "address": [{"ip": str(face.ip), "prefix-length": face.network.prefixlen}]}
    for index, entry in enumerate(entries):
        if isinstance(entry, Mapping) and entry.get("name") == name:
            if entry.get("state", "up") == "up":
                entries[index] = {**derived, **entry}
            return
    card = {"identifier": "mac-address", "mac-address": place.mac} if place.mac else {}
    entries.append({"name": name, **card, **derived})


def _default_routes(host: Host, config: Sequence[Any], interface_of: Mapping[str, str]) -> List[Dict[str, Any]]:
    public = host.purposes.get(PUBLIC)
    routes: List[Dict[str, Any]] = []
    for family in _FAMILIES:
        if any(isinstance(route, Mapping) and route.get("destination") == _EVERYWHERE[family] and "table-id" not in route for route in config):
            continue
        for place in sorted(host.attachments, key=lambda one: (one.network != public, one.network)):
            face, gateway = (place.ipv4, place.ipv4_gateway) if family == "ipv4" else (place.ipv6, place.ipv6_gateway)
            if face is not None and gateway is not None and str(face.ip) in interface_of:
                interface = interface_of[str(face.ip)]
                route = {"destination": _EVERYWHERE[family], "next-hop-interface": interface, "next-hop-address": str(gateway)}
                routes.append({**route, **({"on-link": True} if on_link(face, gateway) and not gateway.is_link_local else {})})
                break
    return routes
