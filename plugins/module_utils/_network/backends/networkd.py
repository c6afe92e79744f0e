# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-networkd: systemd.netdev(5) and systemd.network(5), for systemd 247 and later."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ..boot.sections import blocks, last, pairs
from ..foreign import manages, notes_on_reloads
from ..kernel.link_options import OF_A_BRIDGE, VLAN_PROTOCOL
from ..kernel.vlans import span
from ..model import MAIN_TABLE, Auto, Desired, Files, Interface, Observed, Plan, Route, Rule
from .backend import Backend
from .base import HEAD, Lacks, compare, dns_home, oversized, present, routes_of, rules_of
from .control import Trial
from .facts import HostFacts
from .networkd_change import CONTROL, trial_of
from .unsupported import Unsupported

FOLDER = "/etc/systemd/network"
FOLDERS: Tuple[str, ...] = tuple(f"{folder}/systemd/network" for folder in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
DROP_INS: Tuple[str, ...] = tuple(f"{folder}/*.{kind}.d/*.conf" for folder in FOLDERS for kind in ("network", "netdev"))
_SYSTEMD = tuple(f"{folder}/systemd" for folder in ("/usr/lib", "/lib", "/usr/local/lib", "/run", "/etc"))
SERVICE = "systemd-networkd.service"
PREFIX = "05-smallfleet-"
"""The first file whose [Match] fits wins: ours come before those of installers (10-, 50-) and of netplan (10-)."""
BOND_KEYS = {
    "ad_select": "AdSelect",
    "all_slaves_active": "AllSlavesActive",
    "arp_all_targets": "ARPAllTargets",
    "arp_interval": "ARPIntervalSec",
    "arp_ip_target": "ARPIPTargets",
    "arp_validate": "ARPValidate",
    "downdelay": "DownDelaySec",
    "fail_over_mac": "FailOverMACPolicy",
    "lacp_rate": "LACPTransmitRate",
    "miimon": "MIIMonitorSec",
    "min_links": "MinLinks",
    "primary_reselect": "PrimaryReselectPolicy",
    "resend_igmp": "ResendIGMP",
    "updelay": "UpDelaySec",
    "xmit_hash_policy": "TransmitHashPolicy",
}
ROUTE_KEYS = {
    "mtu": "MTUBytes",
    "initcwnd": "InitialCongestionWindow",
    "initrwnd": "InitialAdvertisedReceiveWindow",
    "advmss": "TCPAdvertisedMaximumSegmentSize",
    "quickack": "QuickAck",
}
TOKENS = {"eui64": "eui64", "stable-privacy": "prefixstable"}
PRIVACY = {"disabled": "no", "prefer-public": "prefer-public", "prefer-temporary": "yes"}
BRIDGE_KEYS = {
    "ageing_time": "AgeingTimeSec",
    "forward_delay": "ForwardDelaySec",
    "group_fwd_mask": "GroupForwardMask",
    "hello_time": "HelloTimeSec",
    "max_age": "MaxAgeSec",
    "mcast_querier": "MulticastQuerier",
    "mcast_snooping": "MulticastSnooping",
    "priority": "Priority",
    "vlan_default_pvid": "DefaultPVID",
    "vlan_filtering": "VLANFiltering",
    "vlan_protocol": "VLANProtocol",
}
PORT_KEYS = {"cost": "Cost", "hairpin": "HairPin", "priority": "Priority"}
LACKS = Lacks(
    "systemd-networkd",
    bridge={"priority": ("0",)},  # to it, no priority
    bond={"arp_validate": ("filter", "filter_active", "filter_backup"), "xmit_hash_policy": ("vlan+srcmac",)},
)
LONGEST_PATTERN = 200
"""Characters of a pattern that is compared; interfaces have names of at most 15."""
_MILLISECONDS = ("miimon", "updelay", "downdelay", "arp_interval")
Section = Tuple[str, List[Tuple[str, str]]]


class Networkd(Backend):
    """See ``Backend``."""

    name = "networkd"
    title = "systemd-networkd"
    service = SERVICE
    control = CONTROL
    reviewed = DROP_INS
    mentions = tuple(f"{folder}/network/*.network.d/*.conf" for folder in _SYSTEMD)
    settings = tuple(f"{folder}/{name}" for folder in _SYSTEMD for name in ("networkd.conf", "networkd.conf.d/*.conf"))
    route_attributes = tuple(ROUTE_KEYS)
    reads: Tuple[str, ...] = tuple(f"{folder}/*.{kind}" for folder in FOLDERS for kind in ("network", "netdev"))

    def files(self, desired: Desired) -> Dict[str, str]:
        found: Dict[str, str] = {}
        for interface in present(desired):
            if interface.virtual:
                found[_path(interface.name, "netdev")] = _text(_netdev(interface))
            found[_path(interface.name, "network")] = _text(_network(interface, desired))
        return found

    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        """Files of others stay: ours come first. One that would come before ours is a problem."""
        mine = [_path(one.name, kind) for one in desired.interfaces for kind in ("netdev", "network")]
        problems = LACKS.of(desired) + (oversized(existing) or earlier(desired, existing, PREFIX))
        return Files(compare(self.files(desired), existing, mine), tuple(problems))

    def owns(self, path: str) -> bool:
        return path.startswith(f"{FOLDER}/{PREFIX}")

    def has_route(self, text: str, route: Route) -> bool:
        return has_route(text, route)

    def unsupported_of_route(self, route: Route) -> Iterator[Unsupported]:
        for hop in route.hops:
            if hop.onlink:
                remedy = f"Write a route to {hop.gateway} without next-hop-address in place of on-link"
                yield self.cannot(f"routes.{route.destination}", f"that {hop.gateway}, one of several next hops, is on the link", remedy)
        yield from super().unsupported_of_route(route)

    def preflight_errors(self, desired: Desired, facts: HostFacts) -> List[str]:
        return strangers(desired, facts, facts.of(self.name).devices)

    def notes(self, desired: Desired, observed: Observed, settings: Mapping[str, str]) -> List[str]:
        return notes_on_reloads(observed, desired, manages(settings))

    def trial(self, desired: Desired, operations: Plan, observed: Observed) -> Trial:
        leaving = [one.name for one in desired.interfaces if one.absent and one.name in observed.links]
        return trial_of(self.files(desired), operations, observed, leaving)


def strangers(desired: Desired, facts: HostFacts, devices: Sequence[Tuple[str, str]]) -> List[str]:
    """Where the kernel and what systemd-networkd has made (``devices``: interface and file) differ."""
    found: List[str] = []
    for name, path in devices:
        if name in {one.name for one in desired.interfaces} - facts.interfaces:
            found.append(
                f"interfaces.{name}: {path} is for this interface, which is not there, so systemd-networkd would make it in the "
                "midst of the change. Let it do so first (networkctl reload, or boot the host), or remove the file"
            )
    for one in desired.interfaces:
        if one.ports and not one.absent and one.name in facts.interfaces and one.name not in dict(devices):
            found.append(
                f"interfaces.{one.name}: systemd-networkd has not made this {one.type}, and takes the ports of such a one away. "
                "Give the new one another name, and this one state: absent"
            )
    return found


def _path(name: str, kind: str) -> str:
    return f"{FOLDER}/{PREFIX}{name}.{kind}"


def _text(sections: List[Section]) -> str:
    parts = [f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines) for name, lines in sections]
    return HEAD + "\n".join(parts)


def _netdev(interface: Interface) -> List[Section]:
    head = [("Name", interface.name), ("Kind", interface.type)]
    head += [("MTUBytes", str(interface.mtu))] if interface.mtu is not None else []
    head += [("MACAddress", interface.mac)] if interface.mac else []
    if interface.type == "bridge":
        options = [(BRIDGE_KEYS[key], _bridge_value(key, value)) for key, value in sorted(interface.options.items())]
        return [("NetDev", head), ("Bridge", [("STP", _yes(bool(interface.stp))), *options])]
    if interface.type == "dummy":
        return [("NetDev", head)]
    if interface.type == "vlan":
        protocol = [("Protocol", interface.vlan_protocol)] if interface.vlan_protocol != VLAN_PROTOCOL.default else []
        return [("NetDev", head), ("VLAN", [("Id", str(interface.vlan_id)), *protocol])]
    lines = [("Mode", interface.mode)]
    for key, value in sorted(interface.options.items()):
        if key in BOND_KEYS:
            lines.append((BOND_KEYS[key], f"{value}ms" if key in _MILLISECONDS else value.replace(",", " ")))
    return [("NetDev", head), ("Bond", lines)]


def _bridge_value(key: str, value: str) -> str:
    if key == "vlan_default_pvid":
        return value if value != "0" else "none"
    option = OF_A_BRIDGE[key]
    return _yes(value == "1") if option.switch else value if option.words else str(int(value) // option.scale)


def _match(interface: Interface) -> List[Tuple[str, str]]:
    """A card that is named by its MAC is found by it at boot too, whatever its name is then."""
    return [("PermanentMACAddress", interface.card)] if interface.card else [("Name", interface.name)]


def _port(interface: Interface, desired: Desired) -> List[Section]:
    """What it is told as the port of a bridge, or as a bridge itself."""
    found: List[Section] = []
    for other in present(desired):
        options = sorted(other.port_options.get(interface.name, {}).items()) if other.type == "bridge" else []
        found += [("Bridge", [(PORT_KEYS[key], value.replace("on", "yes").replace("off", "no")) for key, value in options])] if options else []
        for one in other.vlans.get(interface.name, ()) if other.type == "bridge" else ():
            lines = [("PVID", span(one))] if one.pvid else []
            found.append(("BridgeVLAN", [*lines, ("VLAN", span(one)), *([("EgressUntagged", span(one))] if one.untagged else [])]))
    return found


def _network(interface: Interface, desired: Desired) -> List[Section]:
    link: List[Tuple[str, str]] = []
    if interface.mtu is not None:
        link.append(("MTUBytes", str(interface.mtu)))
    if interface.mac and not interface.virtual:
        link.append(("MACAddress", interface.mac))
    found: List[Section] = [("Match", _match(interface))]
    found += [("Link", link)] if link else []
    found.append(("Network", _general(interface, desired)))
    found += _port(interface, desired)
    if interface.ipv4.dhcp:
        # the same to the server wherever the address moves: networkd's own identifier depends on the interface
        found.append(("DHCPv4", [("ClientIdentifier", "mac"), *_auto(interface.ipv4.auto, "UseRoutes")]))
    if interface.ipv6.dhcp and not interface.ipv6.auto.dns:
        found.append(("DHCPv6", [("UseDNS", "no")]))
    six = _auto(interface.ipv6.auto, "UseRoutePrefix")
    found += [("IPv6AcceptRA", six)] if interface.ipv6.dynamic and six else []
    for address in interface.addresses:
        lines = [("Address", f"{address.ip}/{address.prefix_length}")]
        lines += [("Peer", f"{address.peer}/{address.prefix_length}")] if address.peer else []
        lines += [("DuplicateAddressDetection", "none")] if address.family == 6 else []
        found.append(("Address", lines))
    found += [("Route", _route(route)) for route in routes_of(interface, desired)]
    found += [("RoutingPolicyRule", _rule(rule)) for rule in rules_of(interface, desired)]
    return found


def _auto(auto: Auto, routes: str) -> List[Tuple[str, str]]:
    """``routes`` is the key for routes other than that by the gateway. Those of [IPv6AcceptRA] need systemd 250."""
    lines = [("UseDNS", "no")] if not auto.dns else []
    lines += [("UseGateway", "no")] if not auto.gateway else []
    lines += [(routes, "no")] if not auto.routes else []
    lines += [("RouteMetric", str(auto.metric))] if auto.metric is not None else []
    lines += [("Token", f"static:{auto.token}")] if auto.token else []
    return lines + ([("Token", TOKENS[auto.generation])] if auto.generation and not auto.token else [])


def _general(interface: Interface, desired: Desired) -> List[Tuple[str, str]]:
    lines: List[Tuple[str, str]] = []
    for other in present(desired):
        if interface.name in other.ports:
            lines.append(("Bridge" if other.type == "bridge" else "Bond", other.name))
            if other.options.get("primary") == interface.name:
                lines.append(("PrimarySlave", "yes"))
    lines += [("VLAN", other.name) for other in present(desired) if other.base == interface.name]
    four, six = interface.ipv4.dhcp, interface.ipv6.dhcp
    lines.append(("DHCP", "yes" if four and six else "ipv4" if four else "ipv6" if six else "no"))
    lines.append(("IPv6AcceptRA", _yes(interface.ipv6.autoconf or interface.ipv6.dhcp)))
    if interface.ipv6.auto.privacy:
        lines.append(("IPv6PrivacyExtensions", PRIVACY[interface.ipv6.auto.privacy]))
    lines.append(("LinkLocalAddressing", "ipv6" if interface.ipv6.enabled else "no"))
    if interface.type == "bridge":
        lines.append(("ConfigureWithoutCarrier", "yes"))  # the host keeps its address when the last port is gone
    if dns_home(interface, desired):
        lines += [("DNS", server) for server in desired.dns.servers]
        lines += [("Domains", " ".join(desired.dns.search))] if desired.dns.search else []
    return lines


def _route(route: Route) -> List[Tuple[str, str]]:
    lines = [("Destination", route.destination)]
    lines += [("Gateway", route.gateway)] if route.gateway else []
    lines += [("Scope", "link")] if route.interface and not route.gateway and not route.hops and route.family == 4 else []
    lines += [("MultiPathRoute", f"{hop.gateway}@{hop.interface} {hop.weight}") for hop in route.hops]
    lines += [("Type", route.type)] if not route.interface else []
    lines += [("GatewayOnLink", "yes")] if route.onlink else []
    lines += [("Metric", str(route.metric))] if route.metric else []
    lines += [("Table", str(route.table))] if route.table != MAIN_TABLE else []
    lines += [("PreferredSource", route.source)] if route.source else []
    lines += [(ROUTE_KEYS[key], str(value)) for key, value in route.attributes if key in ROUTE_KEYS]
    return lines


def has_route(text: str, route: Route) -> bool:
    """Whether one of our files has exactly this route."""
    wanted = [("Route", key, value) for key, value in _route(route)]
    return wanted in blocks(text)


def _rule(rule: Rule) -> List[Tuple[str, str]]:
    lines = [("Priority", str(rule.priority)), ("Type", rule.action) if rule.action else ("Table", str(rule.table))]
    lines += [("InvertRule", "yes")] if rule.invert else []
    lines += [("From", rule.source)] if rule.source else []
    lines += [("To", rule.destination)] if rule.destination else []
    lines += [("IncomingInterface", rule.iif)] if rule.iif else []
    lines += [("OutgoingInterface", rule.oif)] if rule.oif else []
    lines += [("FirewallMark", rule.mark)] if rule.mark else []
    lines += [("SuppressPrefixLength", str(rule.suppress))] if rule.suppress is not None else []
    if not rule.source and not rule.destination:
        lines.append(("Family", f"ipv{rule.family}"))
    return lines


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def earlier(desired: Desired, existing: Mapping[str, str], prefix: str) -> List[str]:
    """A file that sorts before those that begin with ``prefix``, and may match an interface, would be used in its place."""
    found: List[str] = []
    for path in sorted(existing, key=_base):
        if _base(path).startswith(prefix) or _base(path) > prefix:
            continue
        for interface in present(desired):
            kind, text = path.rpartition(".")[2], existing[path]
            if matches(interface.name, text, "Match" if kind == "network" else "NetDev"):
                found.append(
                    f"{path}: comes before {prefix}{interface.name}.{kind} and may match {interface.name}. Rename it so that it sorts later, or remove it"
                )
    return found


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def matches(name: str, text: str, section: str) -> bool:
    """Whether a file is, or may be, about the interface. One that matches by other things than names may be."""
    entries = [(key, value) for where, key, value in last(pairs(text)) if where == section]
    names = [value for key, value in entries if key == "Name"]
    if not entries:
        return False
    if not names:
        return section == "Match"
    patterns = " ".join(names).split()
    if any(len(pattern) > LONGEST_PATTERN for pattern in patterns):
        return True
    if patterns and patterns[0].startswith("!"):
        return not any(fnmatchcase(name, one.lstrip("!")) for one in patterns)
    return any(fnmatchcase(name, one) for one in patterns)
