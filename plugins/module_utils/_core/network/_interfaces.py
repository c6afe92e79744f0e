# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``network_interfaces``: nmstate's vocabulary (https://nmstate.io), each interface by itself."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any, Dict, List, Optional, Tuple

from ..fleet.values import kind, shown
from ._auto import KEYS4, KEYS6, read_auto
from ._read import Place, address, boolean, choice, mac, mapping, name, number, sequence
from .model import Address, Family, Interface

TYPES = ("ethernet", "bridge", "bond", "vlan")
LATER = ("vxlan", "wireguard")
MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
MTU_IPV4, MTU_IPV6, MTU_LARGEST = 68, 1280, 65535  # RFC 791, 3.2; RFC 8200, 5
BOND_NUMBERS = ("miimon", "updelay", "downdelay", "min_links")
BOND_WORDS = {
    "lacp_rate": ("slow", "fast"),
    "xmit_hash_policy": ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"),
    "ad_select": ("stable", "bandwidth", "count"),
}
BOND_OPTIONS = tuple(sorted((*BOND_NUMBERS, *BOND_WORDS, "primary")))
_KEYS = ("name", "type", "state", "mac-address", "mtu", "ipv4", "ipv6", "bridge", "link-aggregation", "vlan")
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
        if key in given and type_ != needed:
            (place / key).note(f"belongs to an interface of type {needed}, not {type_}", f"Write type: {needed}")
    ipv4 = _family(given.get("ipv4"), 4, place / "ipv4")
    ipv6 = _family(given.get("ipv6"), 6, place / "ipv6")
    least = MTU_IPV6 if ipv6.enabled else MTU_IPV4
    mtu = number(given.get("mtu"), least, MTU_LARGEST, "an MTU in bytes", place / "mtu")
    more: Dict[str, Any] = {}
    if type_ == "bridge":
        more = _bridge(given.get("bridge"), place / "bridge")
    elif type_ == "bond":
        more = _bond(given.get("link-aggregation"), place / "link-aggregation")
    elif type_ == "vlan":
        more = _vlan(given.get("vlan"), place / "vlan")
    card = mac(given.get("mac-address"), place / "mac-address")
    return Interface(own, type_, mac=card, mtu=mtu, ipv4=ipv4, ipv6=ipv6, **more) if own else None


def _family(value: Any, family: int, place: Place) -> Family:
    example = "{enabled: true, address: [{ip: 192.0.2.10, prefix-length: 24}]}"
    known = ("enabled", "dhcp", "address", *KEYS4) if family == 4 else ("enabled", "dhcp", "autoconf", "address", *KEYS6)
    given = mapping(value, known, example, place)
    enabled = boolean(given.get("enabled"), bool(given), place / "enabled")
    dhcp = boolean(given.get("dhcp"), False, place / "dhcp")
    autoconf = boolean(given.get("autoconf"), False, place / "autoconf")
    addresses: List[Address] = []
    for index, entry in enumerate(sequence(given.get("address"), "[{ip: 192.0.2.10, prefix-length: 24}]", place)):
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
    given = mapping(entry, ("ip", "prefix-length", "peer"), "{ip: 192.0.2.10, prefix-length: 24}", place)
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
    peer = address(given["peer"], family, place / "peer") if given.get("peer") not in (None, "") else ""
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


def _bridge(value: Any, place: Place) -> Dict[str, Any]:
    given = mapping(value, ("options", "port"), "{port: [{name: eth0}]}", place)
    options = mapping(given.get("options"), ("stp",), "{stp: {enabled: false}}", place / "options")
    stp = mapping(options.get("stp"), ("enabled",), "{enabled: false}", place / "options" / "stp")
    ports: List[str] = []
    for index, entry in enumerate(sequence(given.get("port"), "[{name: eth0}]", place / "port")):
        where = place / "port" / index
        port = name(mapping(entry, ("name",), "{name: eth0}", where).get("name"), where / "name")
        _add_port(port, ports, where)
    spoken = boolean(stp.get("enabled"), False, place / "options" / "stp" / "enabled")
    return {"ports": tuple(ports), "stp": spoken}


def _add_port(port: str, ports: List[str], place: Place) -> None:
    if port in ports:
        place.note(f"{port} is there twice", "Write each port once")
    elif port:
        ports.append(port)


def _bond(value: Any, place: Place) -> Dict[str, Any]:
    given = mapping(value, ("mode", "port", "options"), "{mode: active-backup, port: [eth0, eth1]}", place)
    if "mode" not in given:
        (place / "mode").note("is missing", f"Use one of {', '.join(MODES)}")
    mode = choice(given.get("mode"), MODES, "active-backup", place / "mode") if "mode" in given else "active-backup"
    ports: List[str] = []
    for index, entry in enumerate(sequence(given.get("port"), "[eth0, eth1]", place / "port")):
        _add_port(name(entry, place / "port" / index), ports, place / "port" / index)
    if not ports:
        (place / "port").note("a bond needs ports", "Name at least one, for example [eth0, eth1]")
    options = {"miimon": "100"}  # the kernel's default, 0, never notices that a link is gone
    written = given.get("options")
    if written is not None and not isinstance(written, dict):
        (place / "options").note(f"must be a dictionary, found {kind(written)}", "Write for example {miimon: 100}")
        written = {}
    for key, option in (written or {}).items():
        text = _bond_option(str(key), option, mode, ports, place / "options" / str(key))
        if text:
            options[str(key)] = text
    for key in ("updelay", "downdelay"):
        every = int(options["miimon"])
        if int(options.get(key, "0")) % every if every else key in options:
            (place / "options" / key).note(
                f"{options[key]} is no multiple of miimon, {every}", "The kernel would round it; write a multiple"
            )
    return {"mode": mode, "ports": tuple(ports), "options": options}


def _bond_option(key: str, value: Any, mode: str, ports: List[str], place: Place) -> str:
    if key in BOND_NUMBERS:
        found = number(value, 0, 2147483647, "a whole number", place)
        return "" if found is None else str(found)
    if key in BOND_WORDS:
        if value not in BOND_WORDS[key]:
            place.note(f"{shown(value)} is not accepted", f"Use one of {', '.join(BOND_WORDS[key])}")
        elif key in ("lacp_rate", "ad_select") and mode != "802.3ad":
            place.note(f"belongs to the mode 802.3ad, not {mode}", "Remove it")
        else:
            return str(value)
        return ""
    if key != "primary":
        place.note("no such option of a bond here", f"Use {', '.join(BOND_OPTIONS)}")
    elif mode not in ("active-backup", "balance-tlb", "balance-alb"):
        place.note(f"has no meaning with the mode {mode}", "Remove it")
    elif value not in ports:
        place.note(f"{shown(value)} is no port of the bond", "Name one of its ports")
    else:
        return str(value)
    return ""


def _vlan(value: Any, place: Place) -> Dict[str, Any]:
    given = mapping(value, ("base-iface", "id"), "{base-iface: eth0, id: 5}", place)
    for key in ("base-iface", "id"):
        if key not in given:
            (place / key).note("is missing", "Write for example {base-iface: eth0, id: 5}")
    base = name(given["base-iface"], place / "base-iface") if "base-iface" in given else ""
    found = number(given.get("id"), 1, 4094, "a VLAN (IEEE 802.1Q: 0 and 4095 are reserved)", place / "id")
    return {"base": base, "vlan_id": found or 0}
