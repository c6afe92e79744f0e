# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is desired as plain data, for the way from the plan of the fleet to the host, and back."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from .._fleet.fields import read
from .._fleet.places import REFUSED, Place
from .._fleet.values import Notes
from .._shared.addresses import read_address, read_network
from .kernel.link_options import BRIDGE, PORT, STP, VLAN_PROTOCOL
from .model import MAIN_TABLE, METRIC_IPV6, REJECTING, ROUTE_ATTRIBUTES, Address, Desired, Dns, Family, Interface, Route, Rule
from .variables.auto import auto_data, auto_from
from .variables.bridges import BRIDGE_PART, as_vlan, as_words, read_bridge
from .variables.hops import merged, split
from .variables.interfaces import TYPES

Part = TypeVar("Part")
_PARTS = {"bridge": "bridge", "link_aggregation": "bond", "vlan": "vlan"}
_WORD = re.compile(r"([A-Za-z0-9_.:][A-Za-z0-9_.:+-]*)?")


class BadDesired(ValueError):
    """The data is not what ``as_data`` gives."""


def as_data(desired: Desired) -> Dict[str, Any]:
    """nmstate's words with underscores, every default filled in, and of an interface only what its type has."""
    return {
        "interfaces": [_interface(one) for one in desired.interfaces],
        "routes": [_route(*entry) for one in desired.routes for entry in split(one)],
        "rules": [_rule(one) for one in desired.rules],
        "dns": {"server": list(desired.dns.servers), "search": list(desired.dns.search)},
        "addresses": {"ignored": list(desired.ignored), "absent": list(desired.unwanted)},
    }


def _interface(one: Interface) -> Dict[str, Any]:
    data: Dict[str, Any] = {"name": one.name, "type": one.type, "state": "absent" if one.absent else "up"}
    if one.absent:
        return data
    data.update(mac_address=one.mac, mtu=one.mtu, ipv4=_family(one.ipv4, 4), ipv6=_family(one.ipv6, 6))
    data["ipv6"]["autoconf"] = one.ipv6.autoconf
    if one.card:
        data.update(identifier="mac-address", mac_address=one.card)
    if one.type == "bridge":
        data["bridge"] = _bridge(one)
    elif one.type == "bond":
        data["link_aggregation"] = {"mode": one.mode, "port": list(one.ports), "options": dict(one.options)}
    elif one.type == "vlan":
        data["vlan"] = {"base_iface": one.base, "id": one.vlan_id, "protocol": one.vlan_protocol}
    return data


def _bridge(one: Interface) -> Dict[str, Any]:
    stp = {**({} if one.stp is None else {"enabled": one.stp}), **as_words(one.options, STP)}
    ports: List[Dict[str, Any]] = []
    for port in one.ports:
        vlan = {"vlan": as_vlan(one.vlans[port])} if port in one.vlans else {}
        ports.append({"name": port, **as_words(one.port_options.get(port, {}), PORT), **vlan})
    itself = {"vlan": as_vlan(one.vlans[one.name])} if one.name in one.vlans else {}
    return {"options": {**as_words(one.options, BRIDGE), "stp": stp}, "port": ports, **itself}


def _family(one: Family, family: int) -> Dict[str, Any]:
    addresses = [{"ip": address.ip, "prefix_length": address.prefix_length, "peer": address.peer} for address in one.addresses]
    return {"enabled": one.enabled, "dhcp": one.dhcp, "address": addresses, **auto_data(one.auto, family)}


def _route(one: Route, weight: int) -> Dict[str, Any]:
    data = {
        "destination": one.destination,
        "next_hop_interface": one.interface,
        "next_hop_address": one.gateway,
        "metric": one.metric,
        "table_id": one.table,
        "onlink": one.onlink,
        "state": "absent" if one.absent else "present",
        "route_type": one.type,
        "source": one.source,
        **{key: bool(value) if key == "quickack" else value for key, value in one.attributes},
    }
    return {**data, "weight": weight} if weight else data


def _rule(one: Rule) -> Dict[str, Any]:
    return {
        "priority": one.priority,
        "family": f"ipv{one.family}",
        "route_table": one.table,
        "ip_from": one.source,
        "ip_to": one.destination,
        "iif": one.iif,
        "fwmark": one.fwmark,
        "fwmask": one.fwmask,
        "oif": one.oif,
        "not": one.invert,
        "suppress_prefix_length": one.suppress,
        "action": one.action,
        "state": "absent" if one.absent else "present",
    }


def from_data(data: Mapping[str, Any]) -> Desired:
    """The inverse of ``as_data``. Raises BadDesired; what the data means was checked when the fleet was planned.

    Data that a person wrote may leave out defaults, and ports that have nothing of their own. Routes to the link come first, since
    gateways may be reached by them.
    """
    if not isinstance(data, Mapping):
        raise BadDesired(f"is {data!r}, not a mapping")
    return Desired(
        _with_ports(_each(data, "interfaces", _read_interface)),
        tuple(sorted(merged(_each(data, "routes", _read_route)), key=lambda route: bool(route.gateway or route.hops))),
        _each(data, "rules", _read_rule),
        _read("dns", data.get("dns") or {}, _read_dns),
        *_read("addresses", data.get("addresses") or {}, _read_addresses),
    )


def _each(data: Mapping[str, Any], key: str, reader: Callable[[Mapping[str, Any]], Part]) -> Tuple[Part, ...]:
    entries = data.get(key) or ()
    if not isinstance(entries, (list, tuple)):
        raise BadDesired(f"has {key}: {entries!r}, which is not a list")
    return tuple(_read(f"{key}[{index}]", one, reader) for index, one in enumerate(entries))


def _read(where: str, one: Any, reader: Callable[[Mapping[str, Any]], Part]) -> Part:
    if not isinstance(one, Mapping):
        raise BadDesired(f"has {where}: {one!r}, which is not a mapping")
    try:
        return reader(one)
    except KeyError as error:
        raise BadDesired(f"has {where} without {error.args[0]}: {dict(one)!r}") from error
    except ValueError as error:
        raise BadDesired(f"has {where} with a wrong value: {error}") from error
    except (AttributeError, TypeError) as error:
        raise BadDesired(f"has {where} with a part of a wrong type: {dict(one)!r}") from error


def _with_ports(interfaces: Tuple[Interface, ...]) -> Tuple[Interface, ...]:
    named = [one.name for one in interfaces]
    ports = dict.fromkeys(port for one in interfaces if not one.absent for port in one.ports if port not in named)
    return (*interfaces, *(Interface(port) for port in ports))


def _read_interface(one: Mapping[str, Any]) -> Interface:
    bond, vlan = (one.get(key) or {} for key in ("link_aggregation", "vlan"))
    type_ = str(one.get("type", "ethernet"))
    if type_ not in TYPES:
        raise ValueError(f"{type_!r} is not a type")
    for part, owner in _PARTS.items():
        if one.get(part) and type_ != owner:
            raise ValueError(f"{part} is for interfaces of the type {owner}, and {one['name']!r} is of the type {type_}")
    by_mac = one.get("identifier") == "mac-address"
    card = _word(one.get("mac_address") or "")
    fields: Dict[str, Any] = {
        "ports": tuple(map(_word, bond.get("port") or ())),
        "options": {_word(key): _text(value) for key, value in (bond.get("options") or {}).items()},
    }
    return Interface(
        name=_word(one["name"]),
        type=type_,
        absent=one.get("state") == "absent",
        mac="" if by_mac else card,
        mtu=_integer(one.get("mtu")),
        ipv4=_read_family(one.get("ipv4") or {}),
        ipv6=_read_family(one.get("ipv6") or {}),
        mode=_word(bond.get("mode", "")),
        base=_word(vlan.get("base_iface", "")),
        vlan_id=int(vlan.get("id", 0)),
        card=card if by_mac else "",
        vlan_protocol=_vlan_protocol(vlan.get("protocol") or VLAN_PROTOCOL.default),
        **(_read_bridge(one) if type_ == "bridge" else fields),
    )


def _read_bridge(one: Mapping[str, Any]) -> Dict[str, Any]:
    notes = Notes()
    given = read(BRIDGE_PART, one.get("bridge") or {}, Place("", "bridge", notes))
    fields = {} if given is REFUSED else read_bridge(str(one["name"]), given)
    if notes.problems:
        first = notes.problems[0]
        raise ValueError(f"{first.variable}: {first.message}. {first.remedy}")
    return fields


def _vlan_protocol(value: Any) -> str:
    if value not in VLAN_PROTOCOL.words:
        raise ValueError(f"{value!r} is not a protocol of VLANs")
    return str(value)


def _text(value: Any) -> str:
    """A list is one of addresses, which the kernel takes with commas between them."""
    return ",".join(map(_word, value if isinstance(value, (list, tuple)) else str(value).split(",")))


def _word(value: Any) -> str:
    """A text that becomes a word of ip(8) and of files. Raises ValueError for what could be more."""
    text = str(value)
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} is not one plain word")
    return text


def _integer(value: Any) -> Optional[int]:
    return None if value in (None, "") else int(value)


def _read_family(one: Mapping[str, Any]) -> Family:
    entries: Sequence[Mapping[str, Any]] = one.get("address") or ()
    addresses = tuple(map(_read_ip, entries))
    return Family(bool(one.get("enabled")), bool(one.get("dhcp")), bool(one.get("autoconf")), addresses, auto_from(one))


def _read_ip(one: Mapping[str, Any]) -> Address:
    peer = str(read_address(one["peer"])) if one.get("peer") else ""
    return Address(str(read_address(one["ip"])), int(one["prefix_length"]), peer=peer)


def _read_route(one: Mapping[str, Any]) -> Tuple[Route, int]:
    destination = str(read_network(one["destination"]))
    kind = one.get("route_type") or "unicast"
    if kind not in ("unicast", *REJECTING):
        raise ValueError(f"{kind!r} is not a route_type")
    route = Route(
        destination=destination,
        interface=_word(one["next_hop_interface"]) if kind == "unicast" else "",
        gateway=str(read_address(one["next_hop_address"])) if one.get("next_hop_address") else "",
        metric=int(one.get("metric") or (METRIC_IPV6 if ":" in destination else 0)),
        table=int(one.get("table_id") or MAIN_TABLE),
        onlink=bool(one.get("onlink")),
        absent=one.get("state") == "absent",
        source=str(read_address(one["source"])) if one.get("source") else "",
        type=kind,
        attributes=tuple((key, int(one[key])) for key in ROUTE_ATTRIBUTES if one.get(key)),
    )
    return route, int(one.get("weight") or 0)


def _read_rule(one: Mapping[str, Any]) -> Rule:
    action = one.get("action") or ""
    if action not in ("", *REJECTING):
        raise ValueError(f"{action!r} is not an action")
    return Rule(
        priority=int(one["priority"]),
        family=6 if one.get("family") == "ipv6" else 4,
        table=0 if action else int(one.get("route_table") or MAIN_TABLE),
        source=str(read_network(one["ip_from"])) if one.get("ip_from") else "",
        destination=str(read_network(one["ip_to"])) if one.get("ip_to") else "",
        iif=_word(one.get("iif") or ""),
        fwmark=int(one.get("fwmark") or 0),
        absent=one.get("state") == "absent",
        oif=_word(one.get("oif") or ""),
        fwmask=int(one.get("fwmask") or 0),
        invert=bool(one.get("not")),
        suppress=_integer(one.get("suppress_prefix_length")),
        action=action,
    )


def _read_dns(one: Mapping[str, Any]) -> Dns:
    return Dns(tuple(str(read_address(entry)) for entry in one.get("server") or ()), tuple(map(_word, one.get("search") or ())))


def _read_addresses(one: Mapping[str, Any]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    ignored = tuple(str(read_network(entry)) for entry in one.get("ignored") or ())
    return ignored, tuple(str(read_address(entry)) for entry in one.get("absent") or ())
