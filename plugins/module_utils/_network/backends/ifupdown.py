# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ifupdown: interfaces(5), as Debian's ifupdown and ifupdown2 both read it.

Bridges, bonds and VLANs are made by ip(8) itself, so that none of the packages is needed that teach ifupdown about
them: a boot without them would be a boot without a network. What to do with router advertisements is said to the kernel,
since only ifupdown knows accept_ra. That an interface shall have no link-local address is said in ifupdown2's words too,
which gives it one otherwise, and what it has by then is taken away: ifupdown2 brings an interface up before all else.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Set, Tuple

from ..._shared.limits import excerpt, split_lines
from ..kernel.link_options import VLAN_PROTOCOL
from ..kernel.vlans import by_default, default_pvid, filters, requests
from ..model import Desired, FileChange, Files, Interface, Route, Rule
from ..plan.draft import address_words, route_words, rule_words
from ..plan.link_settings import born_with
from ..plan.links import vlan_words
from ..variables.auto import settings_of
from .backend import Backend
from .base import HEAD, compare, dns_home, floors, oversized, present, routes_of, rules_of
from .control import END, FREEZE, RECORD, THAW, Command, Control
from .facts import HostFacts
from .unsupported import Unsupported

MAIN = "/etc/network/interfaces"
FOLDER = "/etc/network/interfaces.d"
SOURCE = f"source {FOLDER}/smallfleet-*"
KEYWORDS = re.compile(r"iface|mapping|template|rename|source|source-directory|auto|no-auto-down|no-scripts|allow-\S+")
_NAMES = re.compile(r"auto|allow-\S+|no-auto-down|no-scripts")
_PATTERN = re.compile(r"^/|[*?\[]")
_SIMPLE = re.compile(r"/?[A-Za-z0-9.*?_-]{1,64}")
_OURS = re.compile(re.escape(FOLDER) + r"/smallfleet-[0-9]+-(.+)")


LIBRARY = r"""# ifupdown has a line for each interface that is up, NAME=LOGICAL-NAME, and the logical name in a file for each. ifupdown2
# has no such file: it looks at the kernel
claim_ifupdown() {
    state=/run/network/ifstate
    [ -e $state ] || return 0
    { awk -F= -v name="$2" '$1 != name' $state && { [ -z "$1" ] || echo "$2=$(cat "$1")"; }; } > $state.new &&
        cat "${1:-/dev/null}" > "$state.$2" && mv -f $state.new $state && return 0
    rm -f $state.new
    return 1
}
clients() {
    for process in /proc/[0-9]*; do
        case "$(cat "$process/comm" 2>&1)" in dhclient | dhcpcd | udhcpc) ;; *) continue ;; esac
        tr '\0 ' '\n\n' < "$process/cmdline" | grep -qxF -- "$2" && kill -s "$1" "${process#/proc/}"
    done
    return 0
}
"""
COMMANDS: Mapping[str, Command] = {
    RECORD: Command("claim_ifupdown {source} {file}", "ifupdown could not be told of {file}"),
    FREEZE: Command("clients STOP {file}"),
    THAW: Command("clients CONT {file}"),
    END: Command("clients KILL {file}"),
}


class Ifupdown(Backend):
    """See ``Backend``."""

    name = "ifupdown"
    title = "ifupdown"
    boot_unit = "networking.service"
    kernel_accepts_ra = True
    reads: Tuple[str, ...] = (MAIN, f"{FOLDER}/*")
    mentions = ("/etc/network/*/*",)
    control = Control(LIBRARY, COMMANDS)

    def includes(self, path: str, text: str) -> List[str]:
        return sources(path, text)

    def files(self, desired: Desired) -> Dict[str, str]:
        """One file for each interface; their names sort what stands on others behind these."""
        floor = floors(desired)
        return {f"{FOLDER}/{_file(floor[one.name], one.name)}": HEAD + _text(one, desired) for one in present(desired)}

    def changes(self, desired: Desired, existing: Mapping[str, str]) -> Files:
        """Stanzas of the same interfaces leave the files of others; what else these say stays."""
        managed = {one.name for one in desired.interfaces}
        encoded = {_encoded(name) for name in managed}
        ours = {path: match.group(1) for path in existing for match in [_OURS.fullmatch(path)] if match}
        mine = [path for path, name in ours.items() if name in encoded]
        found = list(compare(self.files(desired), existing, mine))
        problems = oversized(existing)
        for path in () if problems else sorted(existing):
            if path in ours:
                continue
            after, said = without(existing[path], managed)
            problems += [f"{path}: {text}" for text in said]
            if path.startswith("/run/") and after != existing[path]:
                problems.append(f"{path}: is written at each boot, and configures an interface of the inventory. Turn off what writes it")
            if path == MAIN and not _sourced(after):
                after += f"\n{SOURCE}\n"
            if after != existing[path]:
                found.append(FileChange(path, existing[path], after))
        if MAIN not in existing:
            found.append(FileChange(MAIN, None, f"{HEAD}auto lo\niface lo inet loopback\n\n{SOURCE}\n"))
        return Files(tuple(found), tuple(problems))

    def claims(self, desired: Desired) -> Dict[str, str]:
        """The logical interface, which has the same name."""
        return {one.name: f"{one.name}\n" for one in present(desired)}

    def owns(self, path: str) -> bool:
        return is_ours(path)

    def has_route(self, text: str, route: Route) -> bool:
        return _has_line(text, route_line(route))

    def has_rule(self, text: str, rule: Rule) -> bool:
        return _has_line(text, rule_line(rule))

    def unsupported_of_interface(self, interface: Interface) -> Iterator[Unsupported]:
        for family, key, value in settings_of(interface):
            where = f"interfaces.{interface.name}.ipv{family}.{key}"
            yield self.cannot(where, f"{key}: {value}", f"Remove {key}, and write down what is to be other than leased")

    def configures(self, facts: HostFacts) -> Collection[str]:
        return facts.of(self.name).interfaces if facts.of(self.name).ready else ()

    def in_use(self, facts: HostFacts) -> bool:
        return bool(set(self.configures(facts)) - {"lo"})

    def preflight_errors(self, desired: Desired, facts: HostFacts) -> List[str]:
        return [
            f"interfaces.{one.name}: ifupdown starts a DHCP client by ifup only, which makes the interface anew. "
            "Write the address down, or let ifup start it first"
            for one in desired.interfaces
            if (one.ipv4.dhcp or one.ipv6.dhcp) and one.name not in facts.of(self.name).dhcp_clients
        ]

    def dhcp_clients_to_end(self, desired: Desired, facts: HostFacts) -> Tuple[str, ...]:
        clients = facts.of(self.name).dhcp_clients
        return tuple(one.name for one in desired.interfaces if one.name in clients and not (one.ipv4.dhcp or one.ipv6.dhcp))


def _file(floor: int, name: str) -> str:
    return f"smallfleet-{floor}-{_encoded(name)}"


def _encoded(name: str) -> str:
    """What ``source-directory`` reads too: it takes letters, digits, _ and - only."""
    return re.sub(r"[^A-Za-z0-9_-]", "--", name)


def _text(interface: Interface, desired: Desired) -> str:
    stanzas: List[Tuple[str, List[str]]] = []
    for family, word, wish in ((4, "inet", interface.ipv4), (6, "inet6", interface.ipv6)):
        for address in wish.addresses:
            if address.peer and family == 6:
                continue  # interfaces(5) has no peer for IPv6
            lines = [f"address {address.ip}/{address.prefix_length}"]
            lines += ["dad-attempts 0"] if family == 6 else []
            lines += [f"pointopoint {address.peer}" + ("" if address.alone else f"/{address.prefix_length}")] if address.peer else []
            stanzas.append((f"{word} static", lines))
        if wish.dhcp:
            stanzas.append((f"{word} dhcp", []))
        elif wish.autoconf:
            stanzas.append((f"{word} auto", []))
    if not stanzas or not stanzas[0][0].startswith("inet "):
        stanzas.insert(0, ("inet manual", []))
    stanzas[0][1][:0] = [f"pre-up {line}" for line in _make(interface, desired)]
    if interface.vlan_protocol != VLAN_PROTOCOL.default:
        stanzas[0][1].append(f"vlan-protocol {interface.vlan_protocol}")  # ifupdown2 makes a VLAN with a dot in its name itself
    if not interface.ipv6.enabled:
        stanzas[0][1].append("ipv6-addrgen off")
    peers = [f"ip {' '.join(address_words('replace', interface.name, one))}" for one in interface.ipv6.addresses if one.peer]
    stanzas[-1][1].extend(f"up {line}" for line in [*peers, *_routes(interface, desired)])
    if dns_home(interface, desired):
        servers, search = " ".join(desired.dns.servers), " ".join(desired.dns.search)
        stanzas[0][1].extend([f"dns-nameservers {servers}"] if servers else [])
        stanzas[0][1].extend([f"dns-search {search}"] if search else [])
    if interface.virtual:
        stanzas[0][1].append(f"post-down ip link delete dev {interface.name} || true")
    blocks = [f"iface {interface.name} {head}\n" + "".join(f"    {one}\n" for one in lines) for head, lines in stanzas]
    return f"auto {interface.name}\n" + "\n".join(blocks)


def _make(interface: Interface, desired: Desired) -> List[str]:
    """The commands that make the interface and bring it up; those that may have been done already may fail."""
    name = interface.name
    lines: List[str] = []
    card = f" address {interface.mac}" if interface.mac else ""
    if interface.type == "vlan":
        lines.append(f"ip link add link {interface.base} name {name}{card} type vlan {' '.join(vlan_words(interface))} || true")
    elif interface.type == "bond":
        lines.append(f"ip link add name {name}{card} type bond mode {interface.mode} {' '.join(born_with(interface))} || true")
    elif interface.type == "bridge":
        options = "".join(f" {word}" for word in born_with(interface))
        lines.append(f"ip link add name {name}{card} type bridge stp_state {int(bool(interface.stp))}{options} || true")
    elif interface.type == "dummy":
        lines.append(f"ip link add name {name}{card} type dummy || true")
    elif interface.mac:
        lines.append(f"ip link set dev {name}{card}")
    if interface.mtu is not None:
        lines.append(f"ip link set dev {name} mtu {interface.mtu}")
    if not interface.ipv6.enabled:
        lines.append(f"ip link set dev {name} addrgenmode none || true")
        lines.append(f"ip -6 address flush dev {name} scope link || true")
    if not interface.ipv6.dynamic:
        lines.append(f"echo 0 > /proc/sys/net/ipv6/conf/{name}/accept_ra || true")
    for port in interface.ports:
        if interface.type == "bond":
            lines.append(f"ip link set dev {port} down")
        lines.append(f"ip link set dev {port} master {name}")
        lines.append(f"ip link set dev {port} up")
        for key, value in sorted(interface.port_options.get(port, {}).items()):
            lines.append(f"ip link set dev {port} type bridge_slave {key} {value}")
    lines += _filtering(interface)
    if interface.options.get("primary"):
        lines.append(f"ip link set dev {name} type bond primary {interface.options['primary']}")
    lines.append(f"ip link set dev {name} up")
    return lines


def _filtering(interface: Interface) -> List[str]:
    """VLANs of the ports and of the bridge itself, and at last that it goes by them."""
    if not filters(interface):
        return []
    default = by_default(default_pvid(interface))
    found = [f"bridge {' '.join(words)}" for name, vlans in sorted(interface.vlans.items()) for words in requests(name, vlans, default, name == interface.name)]
    return [*found, f"ip link set dev {interface.name} type bridge vlan_filtering 1"]


def _routes(interface: Interface, desired: Desired) -> List[str]:
    return [route_line(route) for route in routes_of(interface, desired)] + [rule_line(rule) for rule in rules_of(interface, desired)]


def route_line(route: Route) -> str:
    return f"ip {' '.join(route_words('replace', route))}"


def rule_line(rule: Rule) -> str:
    return f"ip -{rule.family} {' '.join(rule_words('add', rule))} || true"


def _has_line(text: str, line: str) -> bool:
    return any(one.endswith(f" {line}") for one in text.splitlines())


def _sourced(text: str) -> bool:
    """Whether the main file reads those of ours."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in ("source", "source-directory"):
            target = words[1].replace("/etc/network/", "").rstrip("/")
            if target in ("interfaces.d/*", "interfaces.d/smallfleet-*") and words[0] == "source" or target == "interfaces.d":
                return True
    return False


def sources(path: str, text: str) -> List[str]:
    """The patterns of the files that this one reads in (``source``, ``source-directory``)."""
    found: List[str] = []
    folder = path.rpartition("/")[0]
    for words in (words_of(line) for line in logical_lines(text)):
        if words[:1] in (["source"], ["source-directory"]):
            for word in words[1:]:
                target = word if word.startswith("/") else f"{folder}/{word}"
                found.append(f"{target.rstrip('/')}/*" if words[0] == "source-directory" else target)
    return found


def is_ours(path: str) -> bool:
    """Whether a file is one of ours."""
    return bool(_OURS.fullmatch(path))


def named(texts: Iterable[str]) -> Set[str]:
    """The interfaces that interfaces(5) files configure. An alias such as eth0:1 is an address of its interface."""
    found: Set[str] = set()
    for text in texts:
        for words in (words_of(line) for line in logical_lines(text)):
            found.update(_base(word) for word in (words[1:2] if words[:1] == ["iface"] else []))
    return found


def without(text: str, names: Set[str]) -> Tuple[str, List[str]]:
    """An interfaces(5) file less what it says of these interfaces, and what in it is too clever to be taken apart."""
    kept: List[str] = []
    problems: List[str] = []
    skipping = False
    for line in logical_lines(text):
        words = words_of(line)
        if words and not line.lstrip().startswith("#") and KEYWORDS.fullmatch(words[0]):
            skipping = words[0] == "iface" and len(words) > 1 and _base(words[1]) in names
            if any(_may_fit(one, names) for one in words[1:]) and (_NAMES.fullmatch(words[0]) or words[0] == "iface"):
                problems.append(f"{excerpt(' '.join(words))} may be about an interface of the inventory. Name the interfaces one by one")
            if _NAMES.fullmatch(words[0]) and names & {_base(one) for one in words[1:]}:
                rest = [one for one in words[1:] if _base(one) not in names]
                if rest:
                    kept.append(" ".join([words[0], *rest]) + "\n")
                continue
        if not skipping or (words and line.lstrip().startswith("#")) or not words:
            kept.append(line)
    return "".join(kept), problems


def _may_fit(word: str, names: Set[str]) -> bool:
    """Whether a word is a pattern, and may be about one of the interfaces. Only the simplest are understood."""
    if not _PATTERN.search(word):
        return False
    return not _SIMPLE.fullmatch(word) or any(fnmatchcase(name, word.lstrip("/")) for name in names)


def _base(name: str) -> str:
    """The interface of an alias: eth0 of eth0:1, and of ifupdown's ``eth0=lan``."""
    return name.partition(":")[0].partition("=")[0]


def words_of(line: str) -> List[str]:
    """The words of a logical line, as ifupdown joins its parts: with nothing in place of the backslash."""
    return line.replace("\\\n", "").split()


def logical_lines(text: str) -> List[str]:
    """The lines of a file; one that ends in a backslash goes on in the next, unless it begins as a comment."""
    found: List[List[str]] = []
    for line in split_lines(text):
        if found and found[-1][-1].endswith("\\\n") and not found[-1][0].lstrip().startswith("#"):
            found[-1].append(line)
        else:
            found.append([line])
    return ["".join(parts) for parts in found]
