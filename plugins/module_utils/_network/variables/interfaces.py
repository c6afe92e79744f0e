# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_interfaces``: nmstate's vocabulary (https://nmstate.io), each interface by itself."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..._fleet.fields import Field, Option, boolean, choice, list_of, optional, required, whole
from ..._fleet.places import Place, Values
from ..kernel.link_options import VLAN_PROTOCOL
from ..model import Address, Family, Interface
from .auto import KEYS4, KEYS6, read_auto
from .bonds import AGGREGATION, MODES, read_bond
from .bridges import BRIDGE_PART, read_bridge
from .values import LINK, MAC, VLAN_ID, address, settings

TYPES = ("ethernet", "bridge", "bond", "vlan", "dummy")
SYNONYMS = {"linux-bridge": "bridge"}
LATER = ("vxlan", "wireguard")
MTU_IPV4, MTU_IPV6, MTU_LARGEST = 68, 1280, 65535  # RFC 791, 3.2; RFC 8200, 5
TOO_SMALL = f"is less than {MTU_IPV6}, below which the kernel ends IPv6 on an interface"
"""Its addresses, routes and settings go, and do not come back with a larger MTU (addrconf_notify in net/ipv6/addrconf.c)."""
_OWN = {"bridge": "bridge", "link-aggregation": "bond", "vlan": "vlan"}
_EXAMPLE = "{name: br0, type: bridge, bridge: {port: [{name: eth0}]}}"
_ADDRESS = "{ip: 192.0.2.10, prefix-length: 24}"
_VLAN = "{base-iface: eth0, id: 5}"


def _type(value: Any, place: Place) -> Any:
    if isinstance(value, str) and value in LATER:
        return place.refuse(f"{value} is not for this role", "Remove it; it comes with the overlay roles")
    return _TYPE.parse(SYNONYMS.get(value, value) if isinstance(value, str) else value, place)


def _state(value: Any, place: Place) -> Any:
    if isinstance(value, str) and value in ("down", "ignore"):
        return place.refuse(f"{value} is not supported", "Write up or absent, or leave the interface out")
    return _STATE.parse(value, place)


_TYPE, _STATE = choice(*TYPES), choice("up", "absent")


def _family_of(family: int) -> Field:
    longest, usual = (32, 24) if family == 4 else (128, 64)
    one = {
        "ip": required(address(family)),
        "prefix-length": required(whole(1, longest, "bits of a prefix", usual), f"Write prefix-length: {usual}"),
        "peer": optional(address(family), ""),
    }
    addresses = list_of(settings(one, "an address", _ADDRESS, empty=False), f"[{_ADDRESS}]")
    keys: Mapping[str, Option] = {
        "enabled": optional(boolean()),
        "dhcp": optional(boolean(), False),
        **({"autoconf": optional(boolean(), False)} if family == 6 else {}),
        "address": optional(addresses, ()),
        **(KEYS4 if family == 4 else KEYS6),
    }
    return settings(keys, f"IPv{family}", f"{{enabled: true, address: [{_ADDRESS}]}}")


INTERFACES = list_of(
    settings(
        {
            "name": required(LINK),
            "type": optional(Field("str", _type, choice(*TYPES, *SYNONYMS).schema, choices=(*TYPES, *SYNONYMS)), "ethernet"),
            "state": optional(Field("str", _state, _STATE.schema, choices=_STATE.choices), "up"),
            "identifier": optional(choice("name", "mac-address"), "name"),
            "mac-address": optional(MAC, ""),
            "mtu": optional(whole(MTU_IPV4, MTU_LARGEST, "bytes", 1500)),
            "ipv4": optional(_family_of(4)),
            "ipv6": optional(_family_of(6)),
            "bridge": optional(BRIDGE_PART),
            "link-aggregation": optional(AGGREGATION),
            "vlan": optional(
                settings(
                    {
                        "base-iface": required(LINK),
                        "id": required(VLAN_ID),
                        "protocol": optional(VLAN_PROTOCOL.field, VLAN_PROTOCOL.default),
                    },
                    "a VLAN",
                    _VLAN,
                )
            ),
        },
        "an interface",
        _EXAMPLE,
    ),
    f"[{_EXAMPLE}]",
)


def read_interfaces(entries: Sequence[Values]) -> List[Tuple[Interface, Place]]:
    """Each interface that can be read, with where it is written. Ports that are not named get an entry of their own."""
    written: List[Tuple[Interface, Place]] = []
    for given in entries:
        interface = _read(given)
        if interface is None:
            continue
        if interface.name in [one.name for one, _unused in written]:
            given.at("name").refuse(f"{interface.name} is named twice", "Write each interface once")
            continue
        written.append((interface, given.place))
    named = {interface.name for interface, _unused in written}
    for interface, where in list(written):
        for port in interface.ports:
            if port not in named and not interface.absent:
                named.add(port)
                written.append((Interface(port), where))
    return written


def _read(given: Values) -> Optional[Interface]:
    own, type_ = given["name"], given["type"]
    if given["state"] == "absent":
        for key in sorted(given.written - {"name", "type", "state"}):
            given.at(key).refuse("belongs to no interface that is absent", "Remove it, or the state")
        return Interface(own, type_, absent=True) if own else None
    ipv4, ipv6 = _family(given["ipv4"], 4), _family(given["ipv6"], 6)
    mtu = given["mtu"]
    if mtu is not None and mtu < MTU_IPV6 and ipv6.enabled:
        given.at("mtu").refuse(f"{mtu} {TOO_SMALL}", f"Write at least {MTU_IPV6}, or remove ipv6")
    more = {} if "type" in given.refused else _of_type(own, type_, given)
    card = given["mac-address"]
    if given["identifier"] == "mac-address" and "type" not in given.refused:
        _check_identifier(given)
        more, card = {"card": card}, ""
    if card and more.get("options", {}).get("fail_over_mac") == "active":
        given.at("mac-address").refuse("a bond with fail_over_mac: active has the MAC of its active port", "Remove one of the two")
    return Interface(own, type_, mac=card, mtu=mtu, ipv4=ipv4, ipv6=ipv6, **more) if own else None


def _of_type(own: Optional[str], type_: str, given: Values) -> Dict[str, Any]:
    """The fields that only an interface of this type has."""
    for key, needed in _OWN.items():
        if key in given.written and type_ != needed:
            given.at(key).refuse(f"belongs to an interface of type {needed}, not {type_}", f"Write type: {needed}")
        elif key not in given.written and type_ == needed != "bridge":
            example = _VLAN if type_ == "vlan" else "{mode: active-backup, port: [eth0, eth1]}"
            given.at(key).refuse("is missing", f"Write for example {example}")
    if type_ == "bridge" and given["bridge"] is not None:
        return read_bridge(own or "", given["bridge"])
    if type_ == "bond" and given["link-aggregation"] is not None:
        return read_bond(given["link-aggregation"])
    if type_ == "vlan" and given["vlan"] is not None:
        vlan = given["vlan"]
        return {"base": vlan["base-iface"] or "", "vlan_id": vlan["id"] or 0, "vlan_protocol": vlan["protocol"]}
    return {"mode": MODES[1]} if type_ == "bond" else {}


def _check_identifier(given: Values) -> None:
    """``identifier: mac-address`` is for the card with this MAC, whatever its name."""
    if given["type"] != "ethernet":
        given.at("identifier").refuse(f"only a card has a MAC by which it can be found, not a {given['type']}", "Remove it")
    elif "mac-address" not in given.written:
        given.at("mac-address").refuse("is missing, by which the card is to be found", 'Write for example "02:00:00:00:00:01"')


def _family(given: Optional[Values], family: int) -> Family:
    if given is None:
        return Family()
    enabled = bool(given.written) if given["enabled"] is None else given["enabled"]
    dhcp, autoconf = given["dhcp"], given.get("autoconf", False)
    addresses: List[Address] = []
    for entry in given["address"]:
        read = _address(entry, family) if entry.clean else None
        if read is None:
            continue
        if read.ip in [one.ip for one in addresses]:
            entry.place.refuse(f"{read.ip} is there twice", "Write it once")
        else:
            addresses.append(read)
    if not enabled and (dhcp or autoconf or addresses):
        given.place.refuse("has settings, but is not enabled", "Write enabled: true, or remove the settings")
        return Family()
    if not enabled:
        return Family(auto=read_auto(given, False, False))
    return Family(enabled, dhcp, autoconf, tuple(addresses), read_auto(given, dhcp or autoconf, autoconf))


def _address(given: Values, family: int) -> Optional[Address]:
    ip, length, peer = given["ip"], given["prefix-length"], given["peer"]
    face = ip_interface(f"{ip}/{length}")
    if face.ip.is_link_local and family == 6:
        given.at("ip").refuse(f"{ip} is link-local, which the kernel gives by itself", "Remove it")
        return None
    if peer == ip:
        given.at("peer").refuse(f"{peer} is the address itself", "Write the address of the far end, such as that of the router")
        return None
    reserved = _reserved(face.network, ip) if face.max_prefixlen - length > 1 and not peer else ""
    if reserved:
        given.at("ip").refuse(f"{ip} is {reserved} of {face.network}", "Write the address of a host")
        return None
    return Address(ip, length, peer=peer)


def _reserved(network: Any, ip: str) -> str:
    if ip == str(network.network_address):
        return "the network address" if network.version == 4 else "the routers' anycast address"
    return "the broadcast address" if network.version == 4 and ip == str(network.broadcast_address) else ""
