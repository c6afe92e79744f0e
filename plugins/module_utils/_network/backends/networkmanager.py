# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NetworkManager: keyfiles, nm-settings-keyfile(5), for NetworkManager 1.30 and later."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple
from uuid import NAMESPACE_DNS, uuid5

from ..boot.findings import CARDS
from ..kernel.link_options import OF_A_BRIDGE, STP, VLAN_PROTOCOL
from ..kernel.macs import mac_of
from ..kernel.vlans import span
from ..model import MAIN_TABLE, Desired, Family, FileChange, Files, Interface, Observed, Route, Rule, Vlan
from ..plan.draft import rule_words
from .backend import Backend, Load, Review, nothing_to_review
from .base import HEAD, Lacks, compare, dns_home, oversized, present, routes_of, rules_of, settings
from .control import RECORD, START, STOP, Command, Control
from .facts import HostFacts
from .unsupported import Unsupported

FOLDER = "/etc/NetworkManager/system-connections"
PREFIX = "smallfleet-"
OLD = "/etc/sysconfig/network-scripts"
SHIPPED = "/usr/lib/NetworkManager/system-connections"
MADE = "/run/NetworkManager/system-connections"
MODE = 0o600  # NetworkManager ignores keyfiles that others can read
PRIORITY = 100
ROUTE_KEYS = ("mtu", "cwnd", "initcwnd", "initrwnd")
PRIVACY = {"disabled": "0", "prefer-public": "1", "prefer-temporary": "2"}
TYPES = {"ethernet": "802-3-ethernet"}
BRIDGE_KEYS = {
    "ageing_time": "ageing-time",
    "forward_delay": "forward-delay",
    "group_fwd_mask": "group-forward-mask",
    "hello_time": "hello-time",
    "max_age": "max-age",
    "mcast_querier": "multicast-querier",
    "mcast_snooping": "multicast-snooping",
    "priority": "priority",
    "vlan_default_pvid": "vlan-default-pvid",
    "vlan_filtering": "vlan-filtering",
    "vlan_protocol": "vlan-protocol",
}
PORT_KEYS = {"cost": "path-cost", "hairpin": "hairpin-mode", "priority": "priority"}
LACKS = Lacks("NetworkManager", port={"priority": ("0",)})  # to it, no priority
_WITHOUT_STP = Lacks("NetworkManager without STP", bridge={option.key: () for option in STP})
_WIRED = ("ethernet", "802-3-ethernet")
_NUMBERED = re.compile(r"route([0-9]+)")
Section = Tuple[str, List[Tuple[str, str]]]


SERVICE = "NetworkManager.service"
# What it finds again as it was when it begins anew; an access point or a tunnel would have to be dialled again.
_KEPT = ("ethernet", "bridge", "bond", "vlan", "veth", "loopback", "dummy", "tun", "macvlan")
LIBRARY = r"""stop_nm() {
    timeout 40 systemctl stop NetworkManager.service
}
start_nm() {
    timeout 40 systemctl start NetworkManager.service
}
# Below /run/NetworkManager/devices is a file for each interface, by its number: NetworkManager reads them when it starts
claim_nm() {
    number=$(cat "/sys/class/net/$2/ifindex" 2>&1) || return 0
    file=/run/NetworkManager/devices/$number
    if [ -z "$1" ]; then rm -f "$file" && return 0; fi
    mkdir -p "$(dirname "$file")" && cp "$1" "$file.new" && mv -f "$file.new" "$file" && return 0
    rm -f "$file.new"
    return 1
}
"""
COMMANDS: Mapping[str, Command] = {
    STOP: Command("stop_nm", "NetworkManager did not end"),
    START: Command("start_nm", "NetworkManager did not start"),
    RECORD: Command("claim_nm {source} {file}", "NetworkManager could not be told of {file}"),
}


class NetworkManager(Backend):
    """See ``Backend``. ``cards``: MAC -> interface of the host's cards, for profiles that are bound to one by its MAC."""

    name = "networkmanager"
    title = "NetworkManager"
    service = SERVICE
    reads: Tuple[str, ...] = (f"{FOLDER}/*", f"{MADE}/*", f"{SHIPPED}/*", f"{OLD}/ifcfg-*")
    mentions = (f"{SHIPPED}/*",)
    route_attributes = ROUTE_KEYS
    control = Control(LIBRARY, COMMANDS)

    def __init__(self, review: Review = nothing_to_review, cards: Optional[Mapping[str, str]] = None) -> None:
        super().__init__(review)
        self._cards = cards or {}

    def on_host(self, observed: Observed, load: Load) -> Backend:
        cards = {mac: link.name for link in observed.links.values() if link.kind in CARDS for mac in (link.mac, link.permanent_mac) if mac}
        return NetworkManager(self._review, cards)

    def files(self, desired: Desired) -> Dict[str, str]:
        return {_path(one.name): HEAD + _text(_profile(one, desired)) for one in present(desired)}

    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        """Profiles of others for the same interfaces go: two that fit would take turns."""
        managed = [interface.name for interface in desired.interfaces]
        found = list(compare(self.files(desired), existing, [_path(name) for name in managed], MODE))
        silent = tuple(one for one in desired.interfaces if not one.stp)
        problems = [*LACKS.of(desired), *_WITHOUT_STP.of(replace(desired, interfaces=silent)), *oversized(existing)]
        for path, text in () if oversized(existing) else sorted(existing.items()):
            base = path.rpartition("/")[2]
            if path.startswith((f"{FOLDER}/{PREFIX}", SHIPPED)) or ignored(path):
                continue
            if path.startswith(OLD):
                if base[len("ifcfg-") :] in managed or self._old_interface(text) in managed:
                    problems.append(f"{path}: is in the old format. Run nmcli connection migrate first")
            elif self._interface(text) in managed:
                found.append(FileChange(path, text, None, MODE))
        return Files(tuple(found), tuple(problems))

    def _interface(self, text: str) -> str:
        """The interface that a keyfile is for; empty when it is for any."""
        connection = settings(text, "connection", "#")
        name = connection.get("interface-name", [""])[-1]
        wired = connection.get("type", [""])[-1] in _WIRED  # a VLAN may name its parent by MAC
        for section in _WIRED if wired and not name else ():
            mac = settings(text, section, "#").get("mac-address", [""])[-1]
            name = name or self._cards.get(mac_of(mac), "")
        return name

    def _old_interface(self, text: str) -> str:
        """That of an ifcfg file: its DEVICE, or the card with its HWADDR."""
        values = {key: value.strip("\"'") for key, _equals, value in (line.strip().partition("=") for line in text.split("\n"))}
        return values.get("DEVICE", "") or self._cards.get(mac_of(values.get("HWADDR", "")), "")

    def claims(self, desired: Desired) -> Dict[str, str]:
        """A file of /run/NetworkManager/devices (nm-config.c): whose profile is active, and whether it made the interface."""
        found: Dict[str, str] = {}
        for one in present(desired):
            owned = str(one.virtual).lower()
            found[one.name] = f"[device]\nmanaged=true\nconnection-uuid={_uuid(one.name)}\nnm-owned={owned}\n"
        return found

    def owns(self, path: str) -> bool:
        return path.startswith(f"{FOLDER}/{PREFIX}")

    def has_route(self, text: str, route: Route) -> bool:
        return has_route(text, route)

    def has_rule(self, text: str, rule: Rule) -> bool:
        return any(line.endswith(f"={rule_line(rule)}") for line in text.splitlines())

    def unsupported_of_interface(self, interface: Interface) -> Iterator[Unsupported]:
        return self.peers(interface)

    def unsupported_of_route(self, route: Route) -> Iterator[Unsupported]:
        yield from self.several_hops(route)
        yield from super().unsupported_of_route(route)

    def preflight_errors(self, desired: Desired, facts: HostFacts) -> List[str]:
        return [
            f"{name}: NetworkManager ends for the trial, and this connection ({kind}) with it. Disconnect it before"
            for name, kind in facts.of(self.name).interfaces.items()
            if kind not in _KEPT
        ]


def ignored(path: str) -> bool:
    """Whether NetworkManager takes a file for none of its profiles: hidden ones and copies of editors (nms-keyfile-utils.c)."""
    base = path.rpartition("/")[2]
    return base.startswith(".") or base.endswith(("~", ".swp", ".nmmeta"))


def profile(name: str) -> str:
    """What our profile of an interface is called."""
    return f"{PREFIX}{name}"


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_DNS, f"{name}.network.smallfleet.infra"))


def _path(name: str) -> str:
    return f"{FOLDER}/{PREFIX}{name}.nmconnection"


def _text(sections: List[Section]) -> str:
    blocks = [f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines) for name, lines in sections]
    return "\n".join(blocks)


def _profile(interface: Interface, desired: Desired) -> List[Section]:
    name = interface.name
    connection = [
        ("id", profile(name)),
        ("uuid", _uuid(name)),
        ("type", TYPES.get(interface.type, interface.type)),
        *([] if interface.card else [("interface-name", name)]),
        ("autoconnect", "true"),
        ("autoconnect-priority", str(PRIORITY)),
    ]
    master = next((other for other in present(desired) if name in other.ports), None)
    if master is not None:
        connection += [("master", master.name), ("slave-type", master.type)]
    if interface.ports:
        connection.append(("autoconnect-slaves", "1"))
    found: List[Section] = [("connection", connection)]
    card = [("mac-address", interface.card)] if interface.card else []
    card += [("cloned-mac-address", interface.mac)] if interface.mac else []
    card += [("mtu", str(interface.mtu))] if interface.mtu is not None else []
    found += [("ethernet", card)] if card or not interface.virtual else []
    if interface.type == "bridge":
        found.append(("bridge", _bridge(interface)))
    elif interface.type == "dummy":
        found.append(("dummy", []))
    elif interface.type == "bond":
        found.append(("bond", [("mode", interface.mode), *sorted(interface.options.items())]))
    elif interface.type == "vlan":
        # flag 1: the headers are reordered, as the kernel does by default
        protocol = [("protocol", interface.vlan_protocol)] if interface.vlan_protocol != VLAN_PROTOCOL.default else []
        found.append(("vlan", [("flags", "1"), ("id", str(interface.vlan_id)), ("parent", interface.base), *protocol]))
    if master is not None and master.type == "bridge":
        port = _port(master, name)
        found += [("bridge-port", port)] if port else []
    if master is None:
        found.append(("ipv4", _family(interface.ipv4, 4, interface, desired)))
        found.append(("ipv6", _family(interface.ipv6, 6, interface, desired)))
    return found


def _bridge(interface: Interface) -> List[Tuple[str, str]]:
    lines = [("stp", "true" if interface.stp else "false")]
    for key, value in sorted(interface.options.items()):
        option = OF_A_BRIDGE[key]
        text = ("true" if value == "1" else "false") if option.switch else str(option.value(value))
        lines.append((BRIDGE_KEYS[key], text))
    return lines + _vlans(interface.vlans.get(interface.name, ()))


def _port(bridge: Interface, name: str) -> List[Tuple[str, str]]:
    lines: List[Tuple[str, str]] = []
    for key, value in sorted(bridge.port_options.get(name, {}).items()):
        lines.append((PORT_KEYS[key], {"on": "true", "off": "false"}.get(value, value)))
    return lines + _vlans(bridge.vlans.get(name, ()))


def _vlans(vlans: Sequence[Vlan]) -> List[Tuple[str, str]]:
    words = [" ".join([span(one), *(["pvid"] if one.pvid else []), *(["untagged"] if one.untagged else [])]) for one in vlans]
    return [("vlans", ", ".join(words))] if words else []


def _family(wish: Family, family: int, interface: Interface, desired: Desired) -> List[Tuple[str, str]]:
    lines = [(f"address{index}", str(one)) for index, one in enumerate(wish.addresses, 1)]
    lines.append(("method", _method(wish, family)))
    if family == 6 and wish.enabled:
        lines.append(("addr-gen-mode", wish.auto.generation or "eui64"))
        lines += [("token", wish.auto.token)] if wish.auto.token else []
        lines += [("ip6-privacy", PRIVACY[wish.auto.privacy])] if wish.auto.privacy else []
    if family == 4 and wish.dhcp:
        lines.append(("dhcp-client-id", "mac"))
    lines += [] if wish.auto.dns else [("ignore-auto-dns", "true")]
    lines += [] if wish.auto.routes else [("ignore-auto-routes", "true")]
    lines += [] if wish.auto.gateway else [("never-default", "true")]
    lines += [] if wish.auto.metric is None else [("route-metric", str(wish.auto.metric))]
    if wish.enabled:
        routes = [route for route in routes_of(interface, desired) if route.family == family]
        for index, route in enumerate(routes, 1):
            lines += _route(index, route)
        rules = [rule for rule in rules_of(interface, desired) if rule.family == family]
        lines += [(f"routing-rule{index}", rule_line(rule)) for index, rule in enumerate(rules, 1)]
    if dns_home(interface, desired) and wish.enabled:
        servers = [one for one in desired.dns.servers if (":" in one) == (family == 6)]
        lines += [("dns", "".join(f"{one};" for one in servers))] if servers else []
        lines += [("dns-search", "".join(f"{one};" for one in desired.dns.search))] if desired.dns.search else []
    return lines


def _method(wish: Family, family: int) -> str:
    if not wish.enabled:
        return "disabled"
    if family == 6:
        return "auto" if wish.autoconf else "dhcp" if wish.dhcp else "manual" if wish.addresses else "link-local"
    return "auto" if wish.dhcp else "manual" if wish.addresses else "disabled"


def _route(index: int, route: Route) -> List[Tuple[str, str]]:
    """The metric is always said: the default is one for each kind of interface, not the kernel's."""
    gateway = route.gateway or ("0.0.0.0" if route.family == 4 else "::")
    lines = [(f"route{index}", f"{route.destination},{gateway},{route.metric}")]
    options = [f"table={route.table}"] if route.table != MAIN_TABLE else []
    options += ["onlink=true"] if route.onlink else []
    options += [f"type={route.type}"] if not route.interface else []
    options += [f"src={route.source}"] if route.source else []
    for key, value in route.attributes:
        options += [f"{key}={value}", *(["lock-cwnd=true"] if key == "cwnd" else [])] if key in ROUTE_KEYS else []
    return lines + ([(f"route{index}_options", ",".join(options))] if options else [])


def has_route(text: str, route: Route) -> bool:
    """Whether one of our profiles has exactly this route."""
    found = settings(text, f"ipv{route.family}", "#")
    wanted = [value for _key, value in _route(0, route)]
    numbers = [match.group(1) for match in map(_NUMBERED.fullmatch, found) if match]
    return any([*found[f"route{number}"], *found.get(f"route{number}_options", [])] == wanted for number in numbers)


def rule_line(rule: Rule) -> str:
    """In the words of ip-rule(8), but that NetworkManager wants the addresses that tell the family."""
    source = rule.source or ("0.0.0.0/0" if rule.family == 4 else "::/0")
    return " ".join(rule_words("add", replace(rule, source=source))[2:])
