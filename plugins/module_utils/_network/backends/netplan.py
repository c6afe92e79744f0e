# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netplan: netplan-yaml(5). It merges all its files, so what others say of our interfaces must leave theirs."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from ..kernel.link_options import OF_A_BRIDGE, VLAN_PROTOCOL
from ..model import MAIN_TABLE, Desired, FileChange, Files, Interface, Observed, Plan, Route, Rule
from ..variables.auto import settings_of
from . import networkd
from .backend import Backend, Load, Review, nothing_to_review
from .base import FIRST, HEAD, Lacks, compare, dns_home, floors, oversized, present, routes_of, rules_of
from .control import GENERATE, Command, Control, Trial
from .facts import HostFacts
from .networkd import Networkd, earlier, strangers
from .networkd_change import COMMANDS, LIBRARY
from .unsupported import Unsupported

FOLDER = "/etc/netplan"
FILES = f"{FOLDER}/*.yaml"
MADE = "10-netplan-"
"""What the names of the files begin with that netplan makes for systemd-networkd."""
PREFIX = "90-smallfleet-"
SECTIONS = {"ethernet": "ethernets", "bridge": "bridges", "bond": "bonds", "vlan": "vlans", "dummy": "dummy-devices"}
MODE = 0o600  # netplan complains of files that others can read
BOND_KEYS = {
    "ad_select": "ad-select",
    "all_slaves_active": "all-slaves-active",
    "arp_all_targets": "arp-all-targets",
    "arp_interval": "arp-interval",
    "arp_ip_target": "arp-ip-targets",
    "arp_validate": "arp-validate",
    "downdelay": "down-delay",
    "fail_over_mac": "fail-over-mac-policy",
    "lacp_rate": "lacp-rate",
    "miimon": "mii-monitor-interval",
    "min_links": "min-links",
    "primary": "primary",
    "primary_reselect": "primary-reselect-policy",
    "resend_igmp": "resend-igmp",
    "updelay": "up-delay",
    "xmit_hash_policy": "transmit-hash-policy",
}
ROUTE_KEYS = {"mtu": "mtu", "initcwnd": "congestion-window", "initrwnd": "advertised-receive-window"}
BRIDGE_KEYS = {
    "ageing_time": "ageing-time",
    "forward_delay": "forward-delay",
    "hello_time": "hello-time",
    "max_age": "max-age",
    "priority": "priority",
}
PORT_KEYS = {"cost": "path-cost", "priority": "port-priority"}
LACKS = Lacks(
    "netplan",
    bridge={
        **{key: () for key in ("group_fwd_mask", "mcast_querier", "mcast_snooping", "vlan_default_pvid", "vlan_filtering", "vlan_protocol")},
        **networkd.LACKS.bridge,
    },
    port={"hairpin": ()},
    bond=networkd.LACKS.bond,
)
_OURS = re.compile(re.escape(f"{FOLDER}/{PREFIX}") + r"[0-9]+-(.+)\.yaml")
_KEY = re.compile(r"(?P<indent> *)(?P<quote>[\"']?)(?P<key>[A-Za-z0-9_.*?\[\]-]+)(?P=quote):(?P<rest>.*)")

_WORD = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9_.-]*", re.IGNORECASE)
# An anchor or an alias where a value begins.
_REFERENCE = re.compile(r"(?:^\s*|- +|: +|[\[{,]\s*)[&*][A-Za-z0-9_-]")
_WRITE_OUT = "Write it out in place of the alias"


Without = Callable[[str, str, Set[str]], Tuple[str, List[str]]]
"""Path, text and interfaces -> the file less what it says of them, and why that cannot be done."""


GENERATOR = r"""# What netplan(8) prints after its first line is of its files, which may hold passwords
generate() {
    printed=$(timeout 20 netplan generate 2>&1) && return 0
    echo "$printed" | head -n 1
    return 1
}
"""
_BY_NETPLAN = re.compile(r"/(run|etc|lib)/systemd/network/" + re.escape(MADE))
_OTHER_RENDERER = re.compile(r"^[ \t]*(network:[ \t]*\{.*)?[\"']?renderer[\"']?\s*:\s*[\"']?NetworkManager", re.MULTILINE)


class Netplan(Backend):
    """See ``Backend``. ``make_reader`` makes, for one host, what takes the files of others apart (``boot.netplan``); without ``reader``
    only block style is understood.
    """

    name = "netplan"
    title = "netplan"
    service = networkd.SERVICE
    writes_for = Networkd.name
    reads: Tuple[str, ...] = (FILES, *Networkd.reads)
    reviewed = ("/run/netplan/*.yaml", "/lib/netplan/*.yaml", "/usr/lib/netplan/*.yaml")
    mentions = (*Networkd.mentions, "/run/netplan/*.yaml", "/usr/lib/netplan/*.yaml")
    settings = Networkd.settings
    route_attributes = tuple(ROUTE_KEYS)
    control = Control(LIBRARY + GENERATOR, {**COMMANDS, GENERATE: Command("generate", "netplan refused its file")})

    def __init__(
        self,
        review: Review = nothing_to_review,
        make_reader: Optional[Callable[[Load, Observed], Without]] = None,
        reader: Optional[Without] = None,
    ) -> None:
        super().__init__(review)
        self._make_reader = make_reader
        self._reader = reader or _by_lines

    def on_host(self, observed: Observed, load: Load) -> Backend:
        return Netplan(self._review, self._make_reader, self._make_reader(load, observed) if self._make_reader else None)

    def files(self, desired: Desired) -> Dict[str, str]:
        """One file for each interface: netplan knows in a file only what that or an earlier one defines."""
        found: Dict[str, str] = {}
        floor = floors(desired)
        for interface in present(desired):
            section = {SECTIONS[interface.type]: {interface.name: _entry(interface, desired)}}
            path = f"{FOLDER}/{PREFIX}{floor[interface.name]}-{interface.name}.yaml"
            found[path] = HEAD + yaml({"network": {"version": 2, **section}})
        return found

    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        beside = {path: text for path, text in existing.items() if not path.endswith(".yaml")}
        existing = {path: text for path, text in existing.items() if path not in beside}
        managed = {interface.name for interface in desired.interfaces}
        ours = {path: match.group(1) for path in existing for match in [_OURS.fullmatch(path)] if match}
        mine = [path for path, name in ours.items() if name in managed]
        found = list(compare(self.files(desired), existing, mine, MODE))
        problems = oversized({**existing, **beside})
        problems += [] if problems else earlier(desired, beside, MADE)
        problems += LACKS.of(desired)
        for path in () if oversized(existing) else sorted(existing):
            if path in ours:
                continue
            after, said = self._reader(path, existing[path], managed)
            problems += said
            if after != existing[path]:
                found.append(FileChange(path, existing[path], after, MODE))
        return Files(tuple(found), tuple(problems))

    def owns(self, path: str) -> bool:
        return is_ours(path)

    def has_route(self, text: str, route: Route) -> bool:
        return has_route(text, route)

    def unsupported_of_interface(self, interface: Interface) -> Iterator[Unsupported]:
        yield from self.peers(interface)
        if interface.vlan_protocol != VLAN_PROTOCOL.default:
            remedy = f"Set network_backend to another program, or remove protocol for {VLAN_PROTOCOL.default}"
            yield self.cannot(f"interfaces.{interface.name}.vlan.protocol", f"protocol: {interface.vlan_protocol}", remedy)
        for family, key, value in settings_of(interface):
            if not _expresses(interface, family, key, value):
                yield self.cannot(f"interfaces.{interface.name}.ipv{family}.{key}", f"{key}: {value}", f"Remove {key}")

    def unsupported_of_route(self, route: Route) -> Iterator[Unsupported]:
        yield from self.several_hops(route)
        yield from super().unsupported_of_route(route)

    def unsupported_of_rule(self, rule: Rule) -> Iterator[Unsupported]:
        beyond = {
            "iif": bool(rule.iif),
            "oif": bool(rule.oif),
            "not": rule.invert,
            "fwmask": bool(rule.fwmask),
            "suppress-prefix-length": rule.suppress is not None,
            "action": bool(rule.action),
        }
        for key, value in beyond.items():
            if value:
                yield self.cannot(f"rules.{rule.priority}", key, f"Remove {key}; netplan has ip-from, ip-to, fwmark and route-table only")

    def configures(self, facts: HostFacts) -> Collection[str]:
        """Those whose files it generates. A file that is shown for a trial does not tell who configures the interface at boot."""
        mine = facts.of(self.name)
        return [name for name, path in mine.interfaces.items() if _BY_NETPLAN.match(path) or f"/{FIRST}" in path and mine.ready]

    def in_use(self, facts: HostFacts) -> bool:
        return facts.of(self.name).ready and bool(facts.of(self.name).interfaces)

    def conflict(self, facts: HostFacts) -> str:
        if any(_OTHER_RENDERER.search(text) for text in facts.of(self.name).texts):
            return "netplan gives interfaces of this host to NetworkManager (renderer). Let one of the two configure them alone"
        return ""

    def preflight_errors(self, desired: Desired, facts: HostFacts) -> List[str]:
        return strangers(desired, facts, facts.of(self.name).devices)

    def notes(self, desired: Desired, observed: Observed, settings: Mapping[str, str]) -> List[str]:
        return Networkd().notes(desired, observed, settings)

    def trial(self, desired: Desired, operations: Plan, observed: Observed) -> Trial:
        """systemd-networkd is shown the same network in its own files."""
        return Networkd().trial(desired, operations, observed)


def _expresses(interface: Interface, family: int, key: str, value: str) -> bool:
    """Of advertisements it knows little, and for DHCPv4 and DHCPv6 together only what is the same for both."""
    if key in ("token", "privacy"):
        return value != "prefer-public"
    if family == 4:
        return key != "auto-gateway" and (key != "auto-dns" or not interface.ipv6.dhcp or not interface.ipv6.auto.dns)
    return key == "auto-dns" and interface.ipv6.dhcp and interface.ipv4.dhcp and not interface.ipv4.auto.dns


def is_ours(path: str) -> bool:
    """Whether a file is one of ours."""
    return bool(_OURS.fullmatch(path))


def _by_lines(path: str, text: str, names: Set[str]) -> Tuple[str, List[str]]:
    after, problems = without(text, names)
    return after, [f"{path}: {problem}" for problem in problems]


def _entry(interface: Interface, desired: Desired) -> Dict[str, Any]:
    entry: Dict[str, Any] = {}
    if interface.type == "vlan":
        entry.update(id=interface.vlan_id, link=interface.base)
    elif interface.ports:
        entry["interfaces"] = list(interface.ports)
    if interface.card:
        entry["match"] = {"macaddress": interface.card}
    if interface.mac:
        entry["macaddress"] = interface.mac
    if interface.mtu is not None:
        entry["mtu"] = interface.mtu
    if interface.type == "bridge":
        entry["parameters"] = _bridge(interface)
    elif interface.type == "bond":
        entry["parameters"] = {"mode": interface.mode, **_parameters(interface)}
    entry["dhcp4"], entry["dhcp6"] = interface.ipv4.dhcp, interface.ipv6.dhcp
    if interface.ipv4.dhcp:
        entry["dhcp-identifier"] = "mac"
    overrides = _overrides(interface)
    entry.update({f"dhcp{family}-overrides": overrides for family in (4, 6) if overrides and entry[f"dhcp{family}"]})
    entry["accept-ra"] = interface.ipv6.autoconf or interface.ipv6.dhcp
    auto = interface.ipv6.auto
    entry.update({"ipv6-privacy": auto.privacy == "prefer-temporary"} if auto.privacy else {})
    entry.update({"ipv6-address-token": auto.token} if auto.token else {})
    entry["link-local"] = ["ipv6"] if interface.ipv6.enabled else []
    if interface.addresses:
        entry["addresses"] = [str(address) for address in interface.addresses]
    routes = [_route(route) for route in routes_of(interface, desired)]
    rules = []
    for rule in rules_of(interface, desired):
        one: Dict[str, Any] = {"priority": rule.priority, "table": rule.table}
        one.update({"from": rule.source} if rule.source else {})
        one.update({"to": rule.destination} if rule.destination else {})
        one.update({"mark": rule.fwmark} if rule.fwmark else {})
        rules.append(one)
    entry.update({"routes": routes} if routes else {})
    entry.update({"routing-policy": rules} if rules else {})
    if dns_home(interface, desired) and (desired.dns.servers or desired.dns.search):
        entry["nameservers"] = {"addresses": list(desired.dns.servers), "search": list(desired.dns.search)}
    return entry


def _bridge(interface: Interface) -> Dict[str, Any]:
    found: Dict[str, Any] = {"stp": bool(interface.stp)}
    for key, value in sorted(interface.options.items()):
        if key in BRIDGE_KEYS:
            found[BRIDGE_KEYS[key]] = OF_A_BRIDGE[key].value(value)
    for port, options in sorted(interface.port_options.items()):
        for key, value in sorted(options.items()):
            if key in PORT_KEYS:
                found.setdefault(PORT_KEYS[key], {})[port] = int(value)
    return found


def _overrides(interface: Interface) -> Dict[str, Any]:
    """The same for both versions: netplan refuses them for systemd-networkd where they differ. DHCPv6 gives no routes."""
    auto = interface.ipv4.auto
    found: Dict[str, Any] = {} if auto.dns else {"use-dns": False}
    found.update({} if auto.routes else {"use-routes": False})
    found.update({} if auto.metric is None else {"route-metric": auto.metric})
    return found


def _parameters(interface: Interface) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in sorted(interface.options.items()):
        if key == "arp_ip_target":
            found[BOND_KEYS[key]] = value.split(",")
        elif key == "all_slaves_active":
            found[BOND_KEYS[key]] = value == "1"
        elif key in BOND_KEYS:
            found[BOND_KEYS[key]] = int(value) if value.isdigit() else value
    return found


def _route(route: Route) -> Dict[str, Any]:
    one: Dict[str, Any] = {"to": route.destination}
    one.update({"type": route.type} if not route.interface else {"via": route.gateway} if route.gateway else {"scope": "link"})
    one.update({"metric": route.metric} if route.metric else {})
    one.update({"table": route.table} if route.table != MAIN_TABLE else {})
    one.update({"on-link": True} if route.onlink else {})
    one.update({"from": route.source} if route.source else {})
    one.update({ROUTE_KEYS[key]: value for key, value in route.attributes if key in ROUTE_KEYS})
    return one


def has_route(text: str, route: Route) -> bool:
    """Whether one of our files has exactly this route: the lines of ``yaml``, and none more of the same entry."""
    lines, wanted = ([line.strip() for line in each.splitlines()] for each in (text, yaml([_route(route)])))
    for start in (index for index, line in enumerate(lines) if line == wanted[0]):
        following = lines[start + len(wanted) :][:1]
        if lines[start : start + len(wanted)] == wanted and all(line.startswith("- ") or line.endswith(":") for line in following):
            return True
    return False


def yaml(value: Any, indent: int = 0) -> str:
    """Dictionaries and lists in block style; JSON's scalars are YAML's. So are its strings, as keys that are more than a word."""
    space = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            nested = isinstance(inner, (dict, list)) and inner
            lines.append(f"{space}{_key(key)}:\n{yaml(inner, indent + 1)}" if nested else f"{space}{_key(key)}: {json.dumps(inner)}\n")
        return "".join(lines)
    lines = []
    for inner in value:
        text = yaml(inner, indent + 1) if isinstance(inner, (dict, list)) else f"{space}  {json.dumps(inner)}\n"
        lines.append(f"{space}- {text[len(space) + 2 :]}")
    return "".join(lines)


def _key(key: Any) -> str:
    return key if isinstance(key, str) and _WORD.fullmatch(key) else json.dumps(str(key))


def without(text: str, names: Set[str]) -> Tuple[str, List[str]]:
    """A file of netplan less what it says of these interfaces, and what in it cannot be taken apart line by line.

    Only block style is, which is what installers and cloud-init write. Nothing is expanded: an alias that may stand for one of
    the interfaces is a problem, and so is any in a file from which something is taken.
    """
    kept: List[str] = []
    problems: List[str] = []
    references: List[int] = []
    inside: List[Tuple[int, str]] = []  # the keys above the present line, with their indentation
    skip = -1
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        bare = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if bare and not bare.startswith("#") and _REFERENCE.search(line):
            references.append(number)
        if skip >= 0 and (not bare or bare.startswith("#") or indent > skip or _item(bare, indent, skip)):
            continue
        skip = -1
        match = _KEY.match(line)
        if match and not bare.startswith("#"):
            while inside and inside[-1][0] >= indent:
                inside.pop()
            inside.append((indent, match["key"]))
            keys = [key for _indent, key in inside]
            if keys[:1] == ["network"] and len(keys) == 3 and keys[1] in SECTIONS.values():
                if match["key"] in names:
                    skip = indent
                    continue
            problems += _clever(keys, match, names, number)
        elif bare.startswith("<<") and sum(above < indent for above, _key in inside) < 3:
            problems.append(f"line {number} merges an alias that may define any interface. {_WRITE_OUT}")
        kept.append(line)
    after = "".join(kept)
    if references and after != text and not problems:
        problems.append(f"line {references[0]} has an anchor or an alias, which may be of what is removed. {_WRITE_OUT}")
    return _less_empty(after, text), problems


def _item(bare: str, indent: int, skip: int) -> bool:
    return bare.startswith("- ") and indent == skip


def _clever(keys: List[str], match: re.Match[str], names: Set[str], number: int) -> List[str]:
    """What this reader of YAML does not follow, or what is about our interfaces under another name."""
    rest = match["rest"].strip()
    if keys[:1] == ["network"] and len(keys) < 3 and rest.startswith("{") and rest != "{}":
        return ["is written in flow style ({...}). Write it in block style, one key to a line"]
    if keys[:1] == ["network"] and len(keys) < 3 and rest.startswith("*"):
        return [f"line {number} is an alias that may define any interface. {_WRITE_OUT}"]
    name = rest.split(" #")[0].strip().strip("\"'")
    if match["key"] == "set-name" and name in names and len(keys) != 4:
        return [f"line {number} has 'set-name: {name}' outside of an interface. Write it directly below the interface, or remove it"]
    if match["key"] == "set-name" and name in names and keys[2] != name:
        return [f"{keys[2]} is {name} by another name. Name it {name} there"]
    return []


def _less_empty(text: str, before: str) -> str:
    """netplan refuses a section without anything in it."""
    if text == before:
        return text
    kept: List[str] = []
    following = -1  # the indentation of the next line with anything in it
    for line in reversed(text.splitlines(keepends=True)):
        bare = line.strip()
        match = _KEY.match(line)
        empty = match and match["key"] in SECTIONS.values() and not match["rest"].strip() and following <= len(match["indent"])
        if not empty:
            kept.append(line)
            if bare and not bare.startswith("#"):
                following = len(line) - len(line.lstrip(" "))
    return "".join(reversed(kept))
