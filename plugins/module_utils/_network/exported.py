# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's network as it is, written as the variables by which the role ``network`` keeps it so."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._shared.quoting import visible, yaml_flow
from . import serialization as data
from .foreign import program
from .kernel.vlans import default_pvid, with_default
from .model import Address, Desired, Dns, Family, Interface, Link, Observed, Route, Rule, Vlan
from .obstacles import KINDS
from .plan.kept import with_kept
from .plan.links import CARRIER
from .variables.bonds import fits
from .variables.interfaces import MTU_IPV4, MTU_IPV6

HEAD = "# The network of this host as it was when smallfleet.infra exported it.\n"
_BY_HAND = ("", "boot", "static", "kernel")
"""Who made a route or a rule that is exported: ip(8) itself, and the programs that configure a host at boot."""
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_KERNELS_OWN = (0, 32766, 32767)
"""The priorities of the rules that each kernel has (ip-rule(8))."""


@dataclass(frozen=True)
class Exported:
    """``desired`` is what the variables mean; ``left_out`` says of each thing that the host has and they do not: what, and why."""

    desired: Desired
    variables: Dict[str, Any]
    left_out: Tuple[str, ...]

    @property
    def text(self) -> str:
        """The variables as a YAML file, with one line for each thing that is not in them."""
        lines = [f"# Not in it: {visible(one)}\n" for one in self.left_out]
        for variable, value in self.variables.items():
            entries = "".join(_entry(one) for one in value) if isinstance(value, list) else ""
            lines.append(f"{variable}:\n{entries}" if entries else _config(variable, value))
        return HEAD + "".join(lines)


def _entry(one: Mapping[str, Any]) -> str:
    lines = [f"{key}: {yaml_flow(value)}\n" for key, value in one.items()]
    return "  - " + "    ".join(lines)


def _config(variable: str, value: Mapping[str, Any]) -> str:
    inner = value["config"]
    if isinstance(inner, list):
        return f"{variable}:\n  config:\n" + "".join(f"    - {yaml_flow(one)}\n" for one in inner)
    return f"{variable}:\n  config: {yaml_flow(inner)}\n"


def export(observed: Observed, configured: Collection[str], mentioned: Collection[str] = (), dns: Dns = Dns()) -> Exported:
    """The network of the interfaces that are ``configured`` at boot, with their ports, their bridges and what their VLANs stand on.

    ``mentioned`` are names in the boot configuration, of which only those count that are ports of such a bridge: those of guests
    and containers are not its ports at boot. Invariant: with these variables the plan for this host has no operation.
    """
    signed = [(name, one) for name, many in observed.addresses.items() for one in many if program(one)]
    observed = replace(observed, addresses={name: tuple(one for one in many if not program(one)) for name, many in observed.addresses.items()})
    names, left = _names(observed, configured, mentioned)
    left += [f"{name}: the address {one}: {program(one)} added it, and it stays" for name, one in signed if name in names]
    interfaces = tuple(_once(_interface(observed.links[name], observed, names), left) for name in observed.links if name in names)
    interfaces = tuple(_within_ports(one, observed, left) for one in interfaces)
    interfaces = tuple(_with_ipv6_above(one, interfaces, left) for one in interfaces)
    routes = _routes(observed, interfaces, left)
    desired = Desired(interfaces, routes, _rules(observed, left), _dns(dns, interfaces, left))
    return Exported(desired, _variables(desired), tuple(left))


def _names(observed: Observed, configured: Collection[str], mentioned: Collection[str]) -> Tuple[Set[str], List[str]]:
    names = {name for name in configured if name in observed.links and not observed.links[name].loopback}
    while True:
        more = set()
        for name, link in observed.links.items():
            if name in names:
                more |= {one for one in (link.master, link.lower if link.kind == "vlan" else "") if one in observed.links}
            elif link.master in names and not CARRIER.fullmatch(name) and (link.kind in ("", *KINDS) or name in mentioned):
                more.add(name)
        if more <= names:
            break
        names |= more
    reasons: Dict[str, str] = {}
    while True:
        found = {name: why for name in sorted(names - set(reasons)) for why in [_unfit(observed.links[name], observed, names, reasons)] if why}
        if not found:
            break
        reasons.update(found)
    left = [f"{name}: {why}" for name, why in sorted(reasons.items())]
    for name, link in observed.links.items():
        if name not in names and link.kind == "" and not link.loopback:
            left.append(f"{name}: no program configures this card at boot")
    return names - set(reasons), left


def _unfit(link: Link, observed: Observed, names: Set[str], reasons: Mapping[str, str]) -> str:
    """Why an interface cannot be written, or nothing."""
    if not _NAME.fullmatch(link.name):
        return "has a name that cannot be in an inventory"
    if link.kind not in ("", "veth", *KINDS):
        return f"is of the kind {link.kind}, which network_interfaces cannot describe"
    if not link.up:
        return "is down, and an interface that is named is up"
    below = [name for name, one in observed.links.items() if one.master == link.name and name in names]
    for name in [*below, *([link.master] if link.master else []), *([link.lower] if link.kind == "vlan" else [])]:
        if name in reasons:
            return f"belongs together with {name}, which is not in it either"
    if link.kind == "bond" and not below:
        return "is a bond without ports"
    if link.kind == "vlan" and link.lower not in names:
        return f"stands on {link.lower or 'an interface'} of another network namespace"
    if link.master and _given(link.name, observed):
        return f"is a port of {link.master}, and has addresses all the same"
    return ""


def _given(name: str, observed: Observed) -> List[Address]:
    """The addresses that the kernel did not give by itself."""
    return [one for one in observed.addresses.get(name, ()) if not one.link_local]


def _interface(link: Link, observed: Observed, names: Set[str]) -> Interface:
    ports = tuple(name for name, one in observed.links.items() if one.master == link.name and name in names)
    below = [observed.links[name].mtu for name in (*ports, link.lower) if name in observed.links]
    kind = link.kind if link.kind in KINDS else "ethernet"
    four, six = Family(), Family()
    if not link.master:
        mine = _given(link.name, observed)
        four, six = _four([one for one in mine if one.family == 4]), _six([one for one in mine if one.family == 6], link, observed)
    interface = Interface(
        link.name,
        kind,
        mac=_mac(link, ports, observed),
        mtu=link.mtu if any(size != 1500 for size in (link.mtu, *below)) and link.mtu >= (MTU_IPV6 if six.enabled else MTU_IPV4) else None,
        ipv4=four,
        ipv6=six,
        ports=ports,
        stp=link.stp or None,
        mode=link.mode,
        base=link.lower if kind == "vlan" else "",
        vlan_id=link.vlan_id,
        vlan_protocol=link.vlan_protocol,
    )
    return _with_options(interface, observed)


def _with_options(interface: Interface, observed: Observed) -> Interface:
    """Those that are not the kernel's defaults. VLANs of a port that the variables cannot describe stay with it unsaid."""
    kept = with_kept(interface, observed)
    if interface.type == "bond":
        there = {key: value for key, value in kept.options.items() if fits(key, interface.mode)}
        unwatched = observed.links[interface.name].options.get("miimon") == "0" and "arp_interval" not in there
        return replace(kept, options={**there, **({"miimon": "0"} if unwatched else {})})
    default = default_pvid(kept)
    vlans = {name: said for name, there in kept.vlans.items() for said in [_said(there, default)] if said is not None}
    return replace(kept, vlans=vlans)


def _said(vlans: Sequence[Vlan], default: int) -> Optional[Tuple[Vlan, ...]]:
    """What of these VLANs is written, without that in which the port is by the default of its bridge; None when nothing gives them."""
    rest = tuple(one for one in vlans if (one.first, one.pvid, one.untagged) != (default, False, True))
    plain = all(one.pvid == one.untagged for one in rest)
    return rest if plain and rest and with_default(rest, default) == tuple(vlans) else None


def _once(interface: Interface, left: List[str]) -> Interface:
    """Each address once: the kernel takes one with several prefix lengths, and the inventory does not."""
    kept: Dict[str, Address] = {}
    for one in interface.addresses:
        if kept.setdefault(one.ip, one) is not one:
            left.append(f"{interface.name}: the address {one}, which {kept[one.ip]} is too; the first run takes it away")
    four, six = (tuple(one for one in kept.values() if one.family == family) for family in (4, 6))
    return replace(interface, ipv4=replace(interface.ipv4, addresses=four), ipv6=replace(interface.ipv6, addresses=six))


def _within_ports(interface: Interface, observed: Observed, left: List[str]) -> Interface:
    """The kernel takes a bridge or bond that is larger than its ports, to which it could not send what fits it, and the inventory does not."""
    lowest = min(interface.ports, key=lambda port: observed.links[port].mtu, default="")
    if not lowest or interface.mtu is None or interface.mtu <= observed.links[lowest].mtu:
        return interface
    left.append(f"{interface.name}: the MTU {interface.mtu}, which is more than the {observed.links[lowest].mtu} of its port {lowest}")
    return replace(interface, mtu=None)


def _with_ipv6_above(interface: Interface, interfaces: Sequence[Interface], left: List[str]) -> Interface:
    """In the inventory a bridge without an MTU of its own has that of its ports, and so none with IPv6 where that ends it."""
    if interface.mtu is None or interface.mtu >= MTU_IPV6:
        return interface
    above = [one for one in interfaces if one.mtu is None and one.ipv6.enabled and interface.name in _followed(one, interfaces)]
    if not above:
        return interface
    left.append(f"{interface.name}: the MTU {interface.mtu}, with which {above[0].name} on it would have no IPv6")
    return replace(interface, mtu=None)


def _followed(interface: Interface, interfaces: Sequence[Interface]) -> Set[str]:
    """What the interface has its MTU from, by way of others; a bond gives its ports its own."""
    below = {interface.base, *(interface.ports if interface.type == "bridge" else ())}
    return below.union(*(_followed(one, interfaces) for one in interfaces if one.name in below and one is not interface))


def _four(addresses: Sequence[Address]) -> Family:
    dhcp = any(one.dynamic for one in addresses)
    return Family(bool(addresses), dhcp, addresses=tuple(one for one in addresses if not one.dynamic))


def _six(addresses: Sequence[Address], link: Link, observed: Observed) -> Family:
    """DHCPv6 gives single addresses (RFC 8415 section 18.2.10.1), an advertisement the prefix of a network."""
    leased = [one.prefix_length for one in addresses if one.dynamic]
    return Family(
        bool(addresses) or (link.link_local and observed.ipv6),
        dhcp=128 in leased,
        autoconf=any(length != 128 for length in leased),
        addresses=tuple(one for one in addresses if not one.dynamic),
    )


def _mac(link: Link, ports: Sequence[str], observed: Observed) -> str:
    """The address that the interface would not have by itself at the next boot."""
    if ports or not link.mac or link.master:
        return ""
    if link.kind == "vlan":
        base = observed.links.get(link.lower)
        return link.mac if base is not None and base.mac != link.mac else ""
    if link.kind == "bridge":
        return link.mac
    return link.mac if link.permanent_mac and link.permanent_mac != link.mac else ""


def _routes(observed: Observed, interfaces: Sequence[Interface], left: List[str]) -> Tuple[Route, ...]:
    able = {(one.name, family) for one in interfaces for family, wish in ((4, one.ipv4), (6, one.ipv6)) if wish.enabled}
    named = {one.name for one in interfaces}
    found: List[Route] = []
    for route in observed.routes:
        if (route.interfaces and not named & {*route.interfaces}) or route.protocol in ("dhcp", "ra", "redirect"):
            continue
        unable = [name for name in route.interfaces if (name, route.family) not in able]
        if route.protocol not in _BY_HAND:
            left.append(f"the route {route}: a program made it (protocol {route.protocol}), and it stays")
        elif route.undescribed:
            what = " and ".join(route.undescribed)
            left.append(f"the route {route}: network_routes cannot describe its {what}, and it stays as long as this host runs")
        elif unable:
            left.append(f"the route {route}: {unable[0]} is not in it, or has no IPv{route.family} address")
        else:
            found.append(replace(route, protocol="static", expires=0))
    stays = "network_routes cannot describe it, and it stays as long as this host runs"
    left += [f"the route {text}: {stays}" for name, text in observed.unmodelled if not name or name in named]
    return tuple(found)


def _rules(observed: Observed, left: List[str]) -> Tuple[Rule, ...]:
    places = [rule.place for rule in observed.rules]
    found: List[Rule] = []
    for rule in observed.rules:
        if rule.priority in _KERNELS_OWN:
            continue
        if rule.protocol not in _BY_HAND:
            left.append(f"the rule {rule}: a program made it (protocol {rule.protocol}), and it stays")
        elif rule.selectors or places.count(rule.place) > 1 or rule.priority > 32765 or not _describable(rule):
            left.append(f"the rule {rule}: network_rules cannot describe it, and it stays as long as this host runs")
        else:
            found.append(replace(rule, protocol=""))
    return tuple(found)


def _describable(rule: Rule) -> bool:
    """Whether it leads somewhere, and not for everything or nothing."""
    selects = bool(rule.source or rule.destination or rule.iif or rule.oif or rule.fwmark)
    return bool(rule.table or rule.action) and (selects or (rule.suppress is not None and not rule.invert))


def _dns(dns: Dns, interfaces: Sequence[Interface], left: List[str]) -> Dns:
    if any(one.ipv4.dynamic or one.ipv6.dynamic for one in interfaces):
        left += [f"the name server {one}: it may have come with a lease" for one in dns.servers]
        return Dns()
    return dns


def _variables(desired: Desired) -> Dict[str, Any]:
    """In the words of the inventory, without what need not be said."""
    written = data.as_data(desired)
    of_a_master = {port for one in desired.interfaces for port in one.ports}
    interfaces = []
    for one, entry in zip(desired.interfaces, written["interfaces"]):
        (usual,) = data.as_data(Desired((Interface(one.name, one.type),)))["interfaces"]
        short = _without(entry, usual)
        if short or one.name not in of_a_master:
            interfaces.append({"name": one.name, **({"type": one.type} if one.virtual else {}), **short})
    found: Dict[str, Any] = {"network_interfaces": interfaces}
    routes = [_route(entry) for entry in written["routes"]]
    rules = [_rule(rule, entry) for rule, entry in zip(desired.rules, written["rules"])]
    dns = {key: value for key, value in written["dns"].items() if value}
    for key, entries in (("network_routes", routes), ("network_rules", rules), ("network_dns", dns)):
        if entries:
            found[key] = {"config": entries}
    return found


def _route(entry: Mapping[str, Any]) -> Dict[str, Any]:
    (usual,) = data.as_data(Desired(routes=(Route(entry["destination"], ""),)))["routes"]
    return {"destination": entry["destination"], **_without(entry, usual)}


def _rule(rule: Rule, entry: Mapping[str, Any]) -> Dict[str, Any]:
    (usual,) = data.as_data(Desired(rules=(Rule(0, 6 if rule.source or rule.destination else 4, 0),)))["rules"]
    usual["family"] = "ipv6" if ":" in f"{rule.source}{rule.destination}" else "ipv4"
    return _without(entry, usual)


_WORDS = {"onlink": "on-link"}


def _without(entry: Mapping[str, Any], usual: Mapping[str, Any]) -> Dict[str, Any]:
    """What differs from the usual, with nmstate's hyphens."""
    found: Dict[str, Any] = {}
    for key, value in entry.items():
        if key in usual and value == usual[key]:
            continue
        word = _WORDS.get(key, key.replace("_", "-"))
        inner = usual.get(key)
        found[word] = _without(value, inner) if isinstance(value, dict) and isinstance(inner, dict) else _hyphens(value)
    return found


def _hyphens(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).replace("_", "-"): _hyphens(inner) for key, inner in value.items() if inner not in ("", None)}
    return [_hyphens(one) for one in value] if isinstance(value, (list, tuple)) else value
