# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_interfaces``: nmstate's vocabulary (https://nmstate.io), each interface by itself."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any, Dict, List, Optional, Tuple

from ..fleet.values import kind
from ._auto import KEYS4, KEYS6, read_auto
from ._bonds import read_bond
from ._bridges import read_bridge
from ._read import Place, address, boolean, choice, entry_of, mac, mapping, name, number, sequence
from .link_options import VLAN_PROTOCOL
from .model import Address, Family, Interface

TYPES = ("ethernet", "bridge", "bond", "vlan", "dummy")
SYNONYMS = {"linux-bridge": "bridge"}
LATER = ("vxlan", "wireguard")
MTU_IPV4, MTU_IPV6, MTU_LARGEST = 68, 1280, 65535  # RFC 791, 3.2; RFC 8200, 5
TOO_SMALL = f"is less than {MTU_IPV6}, below which the kernel ends IPv6 on an interface"
"""Its addresses, routes and settings go, and do not come back with a larger MTU (addrconf_notify in net/ipv6/addrconf.c)."""
_KEYS = ("name", "type", "state", "identifier", "mac-address", "mtu", "ipv4", "ipv6", "bridge", "link-aggregation", "vlan")
_OWN = {"bridge": "bridge", "link-aggregation": "bond", "vlan": "vlan"}
_EXAMPLE = "{name: br0, type: bridge, bridge: {port: [{name: eth0}]}}"


def read_interfaces(value: Any, place: Place) -> List[Tuple[Interface, Place]]:
    """Each interface that can be read, with where it is written. Ports that are not named get an entry of their own."""
    found: List[Tuple[Interface, Place]] = []
    for index, entry in enumerate(sequence(value, f"[{_EXAMPLE}]", place)):
        if not isinstance(entry, dict):
            (place / index).note(f"must be a dictionary, found {kind(entry)}", f"Write for example {_EXAMPLE}")
            continue
        interface = _read(entry, place / index)
        if interface is None:
            continue
        if interface.name in [one.name for one, _unused in found]:
            (place / index / "name").note(f"{interface.name} is named twice", "Write each interface once")
            continue
        found.append((interface, place / index))
    named = {interface.name for interface, _unused in found}
    for interface, where in list(found):
        for port in interface.ports:
            if port not in named and not interface.absent:
                named.add(port)
                found.append((Interface(port), where))
    return found


def _read(entry: Dict[str, Any], place: Place) -> Optional[Interface]:
    given = mapping(entry, _KEYS, _EXAMPLE, place)
    own = name(given.get("name"), place / "name")
    type_ = given.get("type", "ethernet")
    if type_ in LATER:
        (place / "type").note(f"{type_} is not for this role", "Remove it; it comes with the overlay roles")
        return None
    type_ = SYNONYMS.get(type_, type_) if isinstance(type_, str) else type_
    type_ = choice(type_, TYPES, "ethernet", place / "type")
    state = given.get("state", "up")
    if state in ("down", "ignore"):
        (place / "state").note(f"{state} is not supported", "Write up or absent, or leave the interface out")
    elif choice(state, ("up", "absent"), "up", place / "state") == "absent":
        for key in given:
            if key not in ("name", "type", "state"):
                (place / key).note("belongs to no interface that is absent", "Remove it, or the state")
        return Interface(own, type_, absent=True) if own else None
    for key, needed in _OWN.items():
        if key in given and type_ != needed and not (place / "type").noted:
            (place / key).note(f"belongs to an interface of type {needed}, not {type_}", f"Write type: {needed}")
    ipv4 = _family(given.get("ipv4"), 4, place / "ipv4")
    ipv6 = _family(given.get("ipv6"), 6, place / "ipv6")
    mtu = number(given.get("mtu"), MTU_IPV4, MTU_LARGEST, "an MTU in bytes", place / "mtu")
    if mtu is not None and mtu < MTU_IPV6 and ipv6.enabled:
        (place / "mtu").note(f"{mtu} {TOO_SMALL}", f"Write at least {MTU_IPV6}, or remove ipv6")
    more: Dict[str, Any] = {}
    if type_ == "bridge":
        more = read_bridge(own, given.get("bridge"), place / "bridge")
    elif type_ == "bond":
        more = read_bond(given.get("link-aggregation"), place / "link-aggregation")
    elif type_ == "vlan":
        more = _vlan(given.get("vlan"), place / "vlan")
    card = mac(given.get("mac-address"), place / "mac-address")
    if _by_mac(given, type_, place):
        more, card = {"card": card}, ""
    if card and more.get("options", {}).get("fail_over_mac") == "active":
        (place / "mac-address").note("a bond with fail_over_mac: active has the MAC of its active port", "Remove one of the two")
    return Interface(own, type_, mac=card, mtu=mtu, ipv4=ipv4, ipv6=ipv6, **more) if own else None


def _by_mac(given: Dict[str, Any], type_: str, place: Place) -> bool:
    """Whether the interface is the card with this MAC, whatever its name: nmstate's ``identifier``."""
    if choice(given.get("identifier"), ("name", "mac-address"), "name", place / "identifier") == "name":
        return False
    if type_ != "ethernet":
        (place / "identifier").note(f"only a card has a MAC by which it can be found, not a {type_}", "Remove it")
    elif given.get("mac-address") is None:
        (place / "mac-address").note("is missing, by which the card is to be found", 'Write for example "02:00:00:00:00:01"')
    return True


def _family(value: Any, family: int, place: Place) -> Family:
    example = "{enabled: true, address: [{ip: 192.0.2.10, prefix-length: 24}]}"
    known = ("enabled", "dhcp", "address", *KEYS4) if family == 4 else ("enabled", "dhcp", "autoconf", "address", *KEYS6)
    given = mapping(value, known, example, place)
    enabled = boolean(given.get("enabled"), bool(given), place / "enabled")
    dhcp = boolean(given.get("dhcp"), False, place / "dhcp")
    autoconf = boolean(given.get("autoconf"), False, place / "autoconf")
    addresses: List[Address] = []
    for index, entry in enumerate(sequence(given.get("address"), "[{ip: 192.0.2.10, prefix-length: 24}]", place / "address")):
        where = place / "address" / index
        read = _address(entry, family, where)
        if read is None:
            continue
        if read.ip in [one.ip for one in addresses]:
            where.note(f"{read.ip} is there twice", "Write it once")
        else:
            addresses.append(read)
    if not enabled and (dhcp or autoconf or addresses):
        place.note("has settings, but is not enabled", "Write enabled: true, or remove the settings")
        return Family()
    if not enabled:
        return Family(auto=read_auto(given, False, False, place))
    return Family(enabled, dhcp, autoconf, tuple(addresses), read_auto(given, dhcp or autoconf, autoconf, place))


def _address(entry: Any, family: int, place: Place) -> Optional[Address]:
    given = entry_of(entry, ("ip", "prefix-length", "peer"), "{ip: 192.0.2.10, prefix-length: 24}", place)
    if not given:
        return None
    ip = address(given.get("ip"), family, place / "ip")
    longest = 32 if family == 4 else 128
    if "prefix-length" not in given:
        (place / "prefix-length").note("is missing", f"Write prefix-length: {24 if family == 4 else 64}")
        return None
    length = number(given["prefix-length"], 1, longest, "a prefix length", place / "prefix-length")
    if not ip or length is None:
        return None
    face = ip_interface(f"{ip}/{length}")
    if face.ip.is_link_local and family == 6:
        (place / "ip").note(f"{ip} is link-local, which the kernel gives by itself", "Remove it")
        return None
    peer = address(given["peer"], family, place / "peer") if given.get("peer") is not None else ""
    if peer == ip:
        (place / "peer").note(f"{peer} is the address itself", "Write the address of the far end, such as that of the router")
        return None
    reserved = _reserved(face.network, ip) if longest - length > 1 and not peer else ""
    if reserved:
        (place / "ip").note(f"{ip} is {reserved} of {face.network}", "Write the address of a host")
        return None
    return Address(ip, length, peer=peer)


def _reserved(network: Any, ip: str) -> str:
    if ip == str(network.network_address):
        return "the network address" if network.version == 4 else "the routers' anycast address"
    return "the broadcast address" if network.version == 4 and ip == str(network.broadcast_address) else ""


def _vlan(value: Any, place: Place) -> Dict[str, Any]:
    given = mapping(value, ("base-iface", "id", "protocol"), "{base-iface: eth0, id: 5}", place)
    for key in ("base-iface", "id"):
        if key not in given:
            (place / key).note("is missing", "Write for example {base-iface: eth0, id: 5}")
    base = name(given["base-iface"], place / "base-iface") if "base-iface" in given else ""
    found = number(given.get("id"), 1, 4094, "a VLAN (IEEE 802.1Q: 0 and 4095 are reserved)", place / "id")
    spoken = VLAN_PROTOCOL.read(given["protocol"], place / "protocol") if given.get("protocol") is not None else ""
    return {"base": base, "vlan_id": found or 0, "vlan_protocol": spoken or VLAN_PROTOCOL.default}
