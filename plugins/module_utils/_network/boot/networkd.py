# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot configuration of others in systemd.network(5) and systemd.netdev(5): what ours, which come first, take from it."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple

from ..backends.base import present
from ..backends.networkd import FOLDERS, PREFIX, ROUTE_KEYS, matches
from ..model import MAIN_TABLE, Desired, Interface
from .findings import MOST, Boot, Findings, ip_of, kind_of, of_card, setting, word, written_networks
from .options import kept
from .routes import Written, compare
from .sections import Pairs, blocks, last, pairs

_MAKES = ("VLAN", "MACVLAN", "MACVTAP", "IPVLAN", "IPVTAP", "VXLAN", "Tunnel", "Xfrm", "MACsec", "L2TP", "VRF", "BatmanAdvanced")
# What our files say in words of their own, or what the trial itself shows.
_NEUTRAL: Mapping[str, FrozenSet[str]] = {
    "Match": frozenset(("*",)),
    "NetDev": frozenset(("Name", "Kind", "Description", "MACAddress")),
    "VLAN": frozenset(("Id",)),
    "Bond": frozenset(("Mode",)),
    "Link": frozenset(("MACAddress",)),
    "Network": frozenset(
        "Description Bridge Bond DHCP IPv6AcceptRA LinkLocalAddressing ConfigureWithoutCarrier PrimarySlave IPv6DuplicateAddressDetection".split()
    ),
    "Address": frozenset(("DuplicateAddressDetection", "Broadcast")),
    "RoutingPolicyRule": frozenset(("Family", "Type")),
    "DHCPv4": frozenset(("ClientIdentifier",)),
}
_ROUTE: Mapping[str, str] = {
    "Gateway": "gateway", "GatewayOnLink": "onlink", "GatewayOnlink": "onlink", "Metric": "metric", "PreferredSource": "source",
    "Protocol": "protocol", "Scope": "scope", "Table": "table", "Type": "type", **{key: name for name, key in ROUTE_KEYS.items()},
}  # fmt: skip
"""The keys of [Route], as ``routes.Written`` has them."""
_OF_A_LEASE = ("Destination", "Gateway", "GatewayOnLink", "GatewayOnlink", "Protocol", "Scope")
"""What a route says by the gateway of a lease or an advertisement that the lease gives anyway."""
_RULE: Mapping[str, Callable[[Boot], Set[str]]] = {
    "From": lambda boot: written_networks(rule.source for rule in boot.rules),
    "To": lambda boot: written_networks(rule.destination for rule in boot.rules),
    "Priority": lambda boot: {str(rule.priority) for rule in boot.rules},
    "Table": lambda boot: {name for rule in boot.rules for name in (str(rule.table), "main" if rule.table == MAIN_TABLE else "")},
    "IncomingInterface": lambda boot: {rule.iif for rule in boot.rules},
    "OutgoingInterface": lambda boot: {rule.oif for rule in boot.rules},
}
"""The values that the rules of the inventory have of each key."""


def effective(existing: Mapping[str, str], kind: str) -> Dict[str, str]:
    """Base name -> path of the files that count: one in /etc masks those of its name elsewhere; empty ones count for nothing."""
    found: Dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted(existing):
            base = path.rpartition("/")[2]
            if path == f"{folder}/{base}" and base.endswith(f".{kind}"):
                found.setdefault(base, path)
    return {base: path for base, path in sorted(found.items()) if existing[path].strip()}


def with_drop_ins(path: str, existing: Mapping[str, str]) -> List[str]:
    """The file itself and its drop-ins, in the order in which they count."""
    base = path.rpartition("/")[2]
    found: Dict[str, str] = {}
    for folder in FOLDERS:
        for one in existing:
            parent, _slash, name = one.rpartition("/")
            if parent == f"{folder}/{base}.d":
                found.setdefault(name, one)
    return [path, *(one for _name, one in sorted(found.items()))]


def settings_of(path: str, existing: Mapping[str, str]) -> Pairs:
    """What a file and its drop-ins say."""
    entries = [entry for one in with_drop_ins(path, existing) for entry in pairs(existing.get(one, ""))]
    return last(entries)


def file_of(name: str, boot: Boot, files: Mapping[str, str], kind: str) -> Optional[str]:
    """The file of others by which an interface is configured, as systemd-networkd says or else by [Match], or is made."""
    if kind == "network" and boot.configured_by:
        used = boot.configured_by.get(name, "")
        return used if used in boot.existing and "-smallfleet-" not in used else None
    for path in files.values():
        if "-smallfleet-" in path:
            continue
        if kind == "netdev" and matches(name, boot.existing[path], "NetDev"):
            return path
        if kind == "network" and matches(name, boot.existing[path], "Match") and _fits(name, boot, path):
            return path
    return None


def _fits(name: str, boot: Boot, path: str) -> bool:
    """Whether [Match] may fit by what it has beyond names."""
    link = boot.observed.links.get(name)
    for section, key, value in settings_of(path, boot.existing):
        if section != "Match" or link is None:
            continue
        if key in ("MACAddress", "PermanentMACAddress") and not any(of_card(name, boot, one) for one in value.split()):
            return False
        if key == "Kind" and (link.kind or "none") not in value.split() and not value.startswith("!"):
            return False
        if key == "Type" and not value.startswith("!") and not set(value.split()) & {"ether" if not link.kind else link.kind, "ether"}:
            return False
    return True


def review(boot: Boot) -> Findings:
    """What the change loses of the files of others. They stay, but ours are read in their place."""
    found = Findings()
    networks, netdevs = effective(boot.existing, "network"), effective(boot.existing, "netdev")
    for one in present(boot.desired):
        for kind, files in (("network", networks), ("netdev", netdevs)):
            ours = f"{FOLDERS[0]}/{PREFIX}{one.name}.{kind}"
            path = file_of(one.name, boot, files, kind)
            made = one.virtual if kind == "netdev" else one.name in boot.observed.links
            if path is None or ours in boot.existing or not made:
                continue
            texts = [boot.after.get(ours, ""), *(boot.existing[extra] for extra in with_drop_ins(ours, boot.existing)[1:])]
            keeping = {entry for text in texts for entry in pairs(text)}
            remedy = f"Add it to the inventory, or keep it in {ours}.d/keep.conf, which stays"
            entries = [entry for entry in settings_of(path, boot.existing) if entry[0] != "Route"]
            settings, needed = _lost(one, entries, keeping, boot, found, path, ours)
            there = _routes_of([boot.existing[each] for each in with_drop_ins(path, boot.existing)])
            settings += _lost_routes(there, _routes_of(texts[1:]), boot)
            if settings:
                found.lost(path, one.name, settings, remedy, needed)
    _elsewhere(boot, networks, found)
    return found


def _lost(one: Interface, entries: Pairs, keeping: Set[Tuple[str, str, str]], boot: Boot, found: Findings, path: str, ours: str) -> Tuple[List[str], List[str]]:
    settings: List[str] = []
    for section, key, value in entries:
        if (section, key, value) in keeping:
            continue
        if section == "Network" and key in _MAKES:
            lost = [word(name) for name in value.split()[:MOST] if name not in boot.managed]
            if lost:
                found.problems.append(
                    f"{path}: {', '.join(lost)} is made by {key}= of {one.name}, and would not be there after the next boot. "
                    f"Name it in the inventory, or write [Network] {key}={' '.join(lost)} into {ours}.d/keep.conf"
                )
        elif not _expressed(one, section, key, value, boot):
            settings.append(setting(f"[{section}] {key}", value))
    carried = [text for text in settings if "802.1X" in text or "EAP" in text]
    return settings, carried if boot.carries_management(one.name) else []


def _expressed(one: Interface, section: str, key: str, value: str, boot: Boot) -> bool:
    neutral = _NEUTRAL.get(section, frozenset())
    desired: Desired = boot.desired
    if (section, key) in (("Network", "Address"), ("Address", "Address")):
        return ip_of(value) in boot.addresses
    if (section, key) == ("Network", "Gateway"):
        return boot.gateway(value) or value.startswith("_")
    if section == "RoutingPolicyRule" and key in _RULE:
        return value.lower() in _RULE[key](boot)
    if (section, key) == ("Network", "DNS"):
        return set(value.split()) <= set(desired.dns.servers)
    if (section, key) == ("Network", "Domains"):
        return set(value.split()) <= set(desired.dns.search)
    if key == "MTUBytes":
        return value == str(one.mtu or 1500)
    if section in ("Bridge", "Bond") and kind_of(one.name, boot) == section.lower() and kept(boot, one.name, section.lower(), key, value):
        return True
    return "*" in neutral or key in neutral


def _routes_of(texts: Sequence[str]) -> List[Dict[str, str]]:
    """What each [Route] says. The last of a key counts, but there may be several next hops."""
    found: List[Dict[str, str]] = []
    for block in (block for text in texts for block in blocks(text) if block and block[0][0] == "Route"):
        said: Dict[str, str] = {}
        for _section, key, value in last(block):
            said[key] = f"{said[key]} {value}" if key == "MultiPathRoute" and key in said else value
        found.append({key: value for key, value in said.items() if value})
    return found


def _lost_routes(there: Sequence[Mapping[str, str]], kept_too: Sequence[Mapping[str, str]], boot: Boot) -> List[str]:
    """``kept_too`` are those that drop-ins of our file have, which stay."""
    rest = [one for one in there if one not in kept_too]
    leased = [one for one in rest if one.get("Gateway", "").startswith("_")]
    found = [setting(f"[Route] {key}", value) for one in leased for key, value in one.items() if key not in _OF_A_LEASE]
    rest = [one for one in rest if one not in leased]
    routes = [Written(one.get("Destination", ""), {_ROUTE.get(key, key): value for key, value in one.items() if key != "Destination"}) for one in rest]
    for one, lacking in zip(rest, compare(routes, boot.desired.routes)):
        for key, value in one.items():
            elsewhere = key == "Gateway" and not boot.gateway(value)
            if lacking is None or _ROUTE.get(key, key) in lacking or elsewhere:
                found.append(setting(f"[Route] {key}", value))
    return found


def _elsewhere(boot: Boot, networks: Mapping[str, str], found: Findings) -> None:
    """Addresses of the inventory that a file gives another interface of this host."""
    for path in networks.values():
        others = [name for name in boot.observed.links if name not in boot.managed and matches(name, boot.existing[path], "Match")]
        used = [name for name in others if file_of(name, boot, networks, "network") == path]
        for section, key, value in settings_of(path, boot.existing) if used else ():
            if key == "Address" and section in ("Network", "Address") and ip_of(value) in boot.addresses:
                found.problems.append(
                    f"{path}: gives {ip_of(value)} to {', '.join(used)}, and it would be on two interfaces after the next boot. Remove it there"
                )
