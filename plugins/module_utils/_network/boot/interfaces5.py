# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot configuration of others in interfaces(5): what of it is lost by a change, and what stays that touches our interfaces."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Dict, Iterable, Iterator, List, Mapping, Set, Tuple

from ..._shared.limits import excerpt
from ..backends.base import present
from ..backends.ifupdown import KEYWORDS, is_ours, logical_lines, words_of
from ..model import ROUTE_ATTRIBUTES
from .findings import Boot, Findings, ip_of, kind_of, network, setting, word
from .options import kept
from .routes import Written, compare

COMMANDS = ("pre-up", "up", "post-up", "pre-down", "down", "post-down")
_REMEDY = "Add it to the inventory, or keep it in a unit of systemd or a script in /etc/network/if-up.d"
# What our files say in words of their own, and what only waits.
_NEUTRAL = frozenset(
    "broadcast network netmask metric accept_ra autoconf bridge_maxwait bridge_waitport bridge_gcint bridge_hw bridge_ports bond_slaves bond_ports "
    "bond_master bond_mode vlan_raw_device vlan_id dad_attempts dad_interval hwaddress ipv6_addrgen".split()
)
_PORTS = ("bridge_ports", "bond_slaves", "bond_ports")
LONGEST = 200
"""Characters of a pattern that is compared."""


@dataclass
class Stanza:
    """A section of a file. ``head`` are its words, ``options`` the key and the value of each line in it."""

    path: str
    head: List[str]
    options: List[Tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The interface of an ``iface`` section, without the label of an alias such as eth0:1."""
        return self.head[1].partition(":")[0] if len(self.head) > 1 else ""

    @property
    def label(self) -> str:
        return self.head[1] if len(self.head) > 1 else ""

    def values(self, *keys: str) -> List[str]:
        return [word for key, value in self.options if _plain(key) in keys for word in value.split()]


def read(path: str, text: str) -> List[Stanza]:
    """Every section of a file, in order. What is before the first is ignored, as are comments."""
    found: List[Stanza] = []
    for line in logical_lines(text):
        words = words_of(line)
        if not words or words[0].startswith("#"):
            continue
        if KEYWORDS.fullmatch(words[0]):
            found.append(Stanza(path, words))
        elif found:
            found[-1].options.append((words[0], " ".join(words[1:])))
    return found


def read_all(texts: Mapping[str, str]) -> List[Stanza]:
    return [stanza for path in sorted(texts) if not is_ours(path) for stanza in read(path, texts[path])]


def review(boot: Boot) -> Findings:
    """What the change loses of interfaces(5), and what it leaves that would count."""
    found = Findings()
    before, after = read_all(boot.existing), read_all(boot.after)
    mine = [stanza for path in boot.after if is_ours(path) for stanza in read(path, boot.after[path])]
    templates = {one.label: one for one in before if one.head[0] in ("iface", "template")}
    for (path, name), stanzas in _of_managed(before, boot).items():
        settings: List[str] = []
        needed: List[str] = []
        inherited: Set[str] = {one.label for one in stanzas}
        ours = {option for one in mine if one.name == name for option in one.options}
        for stanza in stanzas:
            for key, value in dict.fromkeys(_options(stanza, templates, inherited)):
                said, carrying = ("", False) if (key, value) in ours else _judge(stanza, key, value, boot)
                settings += [said] if said else []
                needed += [said] if carrying else []
        if settings:
            found.lost(path, name, settings, _REMEDY, needed)
    for stanza in after:
        found.problems += _left(stanza, boot)
        found.warnings += _mentions(stanza, boot)
    return found


def _of_managed(stanzas: Iterable[Stanza], boot: Boot) -> Dict[Tuple[str, str], List[Stanza]]:
    found: Dict[Tuple[str, str], List[Stanza]] = {}
    for one in stanzas:
        if one.head[0] == "iface" and one.name in boot.managed:
            found.setdefault((one.path, one.name), []).append(one)
    return found


def _options(stanza: Stanza, templates: Mapping[str, Stanza], done: Set[str]) -> List[Tuple[str, str]]:
    """Its own options and those of the sections that it inherits from, less those that are ``done``."""
    options = list(stanza.options)
    here = stanza
    while "inherits" in here.head[:-1]:
        name = here.head[here.head.index("inherits") + 1]
        if name in done or name not in templates:
            break
        done.add(name)
        here = templates[name]
        options += here.options
    return options


def _plain(key: str) -> str:
    """ifupdown takes a hyphen for an underscore in options of bridges and bonds."""
    return key.replace("-", "_") if key.startswith(("bridge", "bond", "vlan", "ipv6", "dad", "request", "accept")) else key


def _judge(stanza: Stanza, key: str, value: str, boot: Boot) -> Tuple[str, bool]:
    """How a setting is called that is lost, empty when it is not; and whether the host is managed by it."""
    name, plain = stanza.name, _plain(key)
    said = setting(key, value, " ")
    if stanza.label != name:
        said = f"{said} (of {word(stanza.label)})"
    if key in COMMANDS:
        return _command(key, value, said, boot)
    if plain == "address":
        return ("" if ip_of(value) in boot.addresses else said), False
    if plain == "gateway":
        return ("" if boot.gateway(value) else said), False
    if plain in ("dns-nameservers", "dns-nameserver", "dns-search", "dns-domain", "dns-domains"):
        there = boot.desired.dns.servers if "server" in plain else boot.desired.dns.search
        return ("" if set(value.split()) <= set(there) else said), False
    if plain == "mtu":
        return ("" if str(boot.managed[name].mtu or 1500) == value else said), False
    if plain in _NEUTRAL or plain == "pointopoint" and ip_of(value):
        return "", False
    if plain.startswith(("bridge_", "bond_")) and kept(boot, name, kind_of(name, boot), plain.partition("_")[2], value):
        return "", False
    return said, plain.startswith(("wpa", "wireless")) and boot.carries_management(name)


def _command(key: str, value: str, said: str, boot: Boot) -> Tuple[str, bool]:
    """A command: what it does may be in the inventory, and the host may be managed by it."""
    words = value.split()
    routes = _routes(words)
    if routes and not _other_routes(words, boot) or _adds(words) & boot.addresses:
        return "", False
    rule = _rule(words)
    if rule and boot.has_rule(rule):
        return "", False
    there = {one.destination for one in boot.desired.routes if not one.absent}
    if key in ("pre-down", "down", "post-down") and there & set(map(network, _targets(words))):
        return "", False
    carrying = any(boot.serves_management(one) for one in routes)
    return said, carrying and key in ("pre-up", "up", "post-up")


_RULE_WORDS = {"lookup": "table", "prio": "priority", "pref": "priority", "preference": "priority", "order": "priority", "fwmark": "mark", "dev": "iif"}


_ROUTE_WORDS = {
    "via": "gateway", "gw": "gateway", "src": "source", "tos": "tos", "dsfield": "tos", "scope": "scope", "nhid": "nhid",
    **{key: key for key in ("metric", "table", *ROUTE_ATTRIBUTES)},
}  # fmt: skip


def _rule(words: List[str]) -> Dict[str, str]:
    """What a command of ip(8) says of a rule that it adds or deletes; nothing of other commands."""
    for index in range(len(words) - 1):
        if words[index] in ("rule", "ru") and words[index + 1] in ("add", "a", "del", "delete", "d"):
            rest = words[index + 2 :]
            return {_RULE_WORDS.get(key, key): value for key, value in zip(rest[::2], rest[1::2])}
    return {}


def _routes(words: List[str]) -> List[str]:
    """The networks to which a command adds a route: of ip(8) and route(8)."""
    return _targets(words) if {"add", "replace", "append"} & set(words) else []


def _other_routes(words: List[str], boot: Boot) -> List[str]:
    """Those of them that the inventory does not have, or has in another table or with other attributes."""
    plain = [word for word in words if word != "lock"]
    fields = {_ROUTE_WORDS[key]: value for key, value in zip(plain, plain[1:]) if key in _ROUTE_WORDS}
    return [one for one in _routes(words) if compare([Written(one, fields)], boot.desired.routes) != [[]]]


def _targets(words: List[str]) -> List[str]:
    if not {"route", "ro", "r"} & set(words):
        return []
    found: List[str] = []
    for index, text in enumerate(words):
        mask = words[index + 2] if words[index + 1 : index + 2] == ["netmask"] and len(words) > index + 2 else ""
        before = words[index - 1] if index else ""
        if before in ("via", "gw", "src", "netmask", "from"):
            continue
        if text == "default" or ip_of(text):
            found.append(f"{text}/{mask}" if mask else text)
    return found


def _adds(words: List[str]) -> Set[str]:
    """The addresses that a command of ip(8) adds."""
    if not {"a", "addr", "address"} & set(words) or not {"add", "replace"} & set(words):
        return set()
    return {ip for ip in (ip_of(word) for word in words) if ip}


def changes_network(words: List[str], boot: Boot) -> bool:
    """Whether a command adds an address or a route that is not in the inventory."""
    return bool(_adds(words) - boot.addresses or _other_routes(words, boot))


def _fits(pattern: str, names: Iterable[str]) -> bool:
    """Whether a pattern of interfaces(5), ifupdown2 or ifupdown-ng may be about one of these interfaces."""
    plain = pattern.lstrip("/").partition("=")[0].partition(":")[0]
    if len(plain) > LONGEST:
        return True
    return any(fnmatchcase(one, plain) for one in names)


def _left(stanza: Stanza, boot: Boot) -> Iterator[str]:
    """What a section that stays would do with an interface of the inventory at the next boot."""
    managed, where = boot.managed, f"{stanza.path}: {excerpt(' '.join(stanza.head))}"
    keyword, rest = stanza.head[0], stanza.head[1:]
    if keyword == "mapping" and any(_fits(one, managed) for one in rest):
        yield f"{where} may give an interface of the inventory another configuration. Remove it"
    elif keyword == "rename" and any(part in managed for one in rest for part in one.split("=")):
        yield f"{where} renames an interface of the inventory at boot. Remove it, and name the card by its own name"
    if keyword not in ("iface", "template"):
        return
    if "inherits" in rest[:-1] and rest[rest.index("inherits") + 1] in managed:
        yield f"{where} inherits from a section that the change removes. Write its options out"
    masters = {port: one for one in present(boot.desired) for port in one.ports}
    for port in stanza.values(*_PORTS) if keyword == "iface" and stanza.name not in managed else ():
        if port in ("all", "regex", "glob") or _fits(port, managed) and port != "none":
            yield f"{where} takes {word(port)} as a port at boot, which may be of the inventory. Name {word(stanza.name)} in it, or remove that"
    for master in stanza.values("bond_master") if stanza.name not in managed else ():
        if master in managed and masters.get(stanza.name, managed[master]).name == master and stanza.name not in managed[master].ports:
            yield f"{where} joins {master} at boot. Add {word(stanza.name)} to the ports of {master}, or remove that"
    for value in stanza.values("address") if keyword == "iface" else ():
        if ip_of(value) in boot.addresses and stanza.name not in managed:
            yield f"{where} has {ip_of(value)} too, which would be on two interfaces after the next boot. Remove it there"


def _mentions(stanza: Stanza, boot: Boot) -> Iterator[str]:
    """Commands of other interfaces about one of the inventory."""
    for key, value in stanza.options if stanza.head[0] == "iface" else ():
        words = re.split(r"[\s;&|'\"]+", value)
        named = sorted(set(words) & set(boot.managed))
        if key not in COMMANDS or not named or stanza.name in boot.managed:
            continue
        if changes_network(words, boot):
            text = setting(key, value, " ")
            yield (
                f"{stanza.path}: {text} of {word(stanza.label)} changes {', '.join(named)} at the next boot, which the inventory does not say. "
                "Add it to the inventory, or remove the line"
            )
