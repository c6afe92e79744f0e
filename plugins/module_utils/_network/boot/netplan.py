# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netplan's files of others in any form of YAML: block and flow style, JSON, anchors, and entries that fit by ``match``.

A parser gives each file as dictionaries, lists and strings, as netplan itself has it: it takes a quoted scalar for the same as
a plain one, and knows no merge keys. Lines are removed where that has the same result, so that comments stay; otherwise the
file is written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from ..._shared.limits import BadText
from ..backends.backend import Load
from ..backends.base import HEAD
from ..backends.netplan import FOLDER, MADE, ROUTE_KEYS, SECTIONS, is_ours, without, yaml
from ..backends.networkd import FOLDER as NETWORKD
from ..kernel.macs import mac_of
from ..model import Desired, Link, Observed
from .findings import CARDS, Boot, Findings, ip_of, kind_of, setting, word
from .options import kept
from .routes import Written, compare

"""A YAML text and its path -> its value, all scalars as strings. Raises BadText."""
DEVICES = (*SECTIONS.values(), "wifis", "modems", "tunnels", "vrfs", "dummy-devices", "virtual-ethernets", "nm-devices")
_MATCHED = ("ethernets", "wifis", "modems")
_RENAMES = ("match", "set-name")
_NEUTRAL = frozenset("match set-name interfaces id link dhcp4 dhcp6 dhcp-identifier accept-ra link-local macaddress renderer".split())
_NOTHING = ("", "false", "no", "off", "0")
_ROUTE = {"via": "gateway", "from": "source", "on-link": "onlink", **{key: name for name, key in ROUTE_KEYS.items()}}
"""The keys of a route, as ``routes.Written`` has them."""


@dataclass(frozen=True)
class Definition:
    """An entry of a file: ``section`` is such as ethernets, ``id`` its key."""

    path: str
    section: str
    id: str
    body: Mapping[str, Any]

    def covers(self, name: str, link: Optional[Link]) -> bool:
        """Whether it is, or may be, about this interface."""
        match = self.body.get("match")
        if self.section not in _MATCHED or not isinstance(match, dict) or not match:
            return self.id == name or self.body.get("set-name") == name
        if self.body.get("set-name") == name:
            return True
        if link is None or link.kind in ("bridge", "bond", "vlan"):
            return False
        names = _texts(match.get("name"))
        if names and not any(fnmatchcase(name, one) or len(one) > 200 for one in names):
            return False
        mac = str(match.get("macaddress", ""))
        return not mac or mac_of(mac) in (link.permanent_mac or link.mac, link.mac)


def _texts(value: Any) -> List[str]:
    found = value if isinstance(value, list) else [] if value is None else [value]
    return [one for one in found if isinstance(one, str)]


def definitions(path: str, document: Any) -> Iterator[Definition]:
    """The entries of a file, in order."""
    inner = document.get("network") if isinstance(document, dict) else None
    for section, entries in inner.items() if isinstance(inner, dict) else ():
        for name, body in entries.items() if section in DEVICES and isinstance(entries, dict) else ():
            yield Definition(path, str(section), str(name), body if isinstance(body, dict) else {})


class Reader:
    """Takes the interfaces of the inventory out of files; see ``backends.netplan.Netplan``."""

    def __init__(self, load: Load, observed: Observed) -> None:
        self._load = load
        self._links = observed.links

    def without(self, path: str, text: str, names: Set[str]) -> Tuple[str, List[str]]:
        """A file less what it says of these interfaces, and why that cannot be done."""
        try:
            document = self._load(text, path)
        except BadText as error:
            return text, [str(error)]
        problems: List[str] = []
        gone: Dict[Tuple[str, str], Dict[str, Any]] = {}
        needed: Set[str] = set()
        for one in definitions(path, document):
            covered = sorted(name for name in names if one.covers(name, self._links.get(name)))
            if covered:
                problems += self._unclear(one, covered, names)
                gone[one.section, one.id] = {key: value for key, value in one.body.items() if key in _RENAMES and "set-name" in one.body}
            else:
                needed.update(names & {*_texts(one.body.get("link"))})
        if problems or not gone:
            return text, [f"{path}: {problem}" for problem in problems]
        target = _less(document, gone, needed)
        if target == document:
            return text, []
        after, said = without(text, names)
        if said or not self._says(path, after, target):
            after = HEAD + yaml(target)
        return after, []

    def _unclear(self, one: Definition, covered: List[str], names: Set[str]) -> Iterator[str]:
        match = one.body.get("match")
        match = match if isinstance(match, dict) and one.section in _MATCHED else {}
        if not match and one.id in names:
            return
        name = one.body.get("set-name")
        if isinstance(name, str) and name in names and name != one.id:
            yield f"{word(one.id)} is {name} by another name. Name it {name} there"
            return
        others = sorted(name for name, link in self._links.items() if name not in names and link.kind in CARDS and not link.loopback and one.covers(name, link))
        if "driver" in match and one.id not in covered:
            yield f"{word(one.id)} may be about {', '.join(covered)} by its driver. Write an entry for each interface, by its name"
        elif others:
            yield (
                f"{word(one.id)} is about {', '.join(covered)} of the inventory and about {', '.join(others)}, which is not in it. "
                "Write an entry for each interface, by its name"
            )

    def _says(self, path: str, text: str, value: Any) -> bool:
        try:
            return bool(self._load(text, path) == value)
        except BadText:
            return False


def _less(document: Any, gone: Mapping[Tuple[str, str], Mapping[str, Any]], needed: Set[str]) -> Any:
    """An entry that another one needs stays, without anything in it: netplan knows in a file only what it or an earlier one has."""
    inner: Dict[str, Any] = {}
    for section, entries in document["network"].items():
        if section in DEVICES and isinstance(entries, dict):
            rest = {name: gone.get((section, name), body) for name, body in entries.items()}
            entries = {name: body for name, body in rest.items() if body or name in needed or (section, name) not in gone}
            if not entries:
                continue
        inner[section] = entries
    return {**document, "network": inner}


def review(boot: Boot, load: Load) -> Findings:
    """What the change loses of the files of others, and what stays that would count."""
    found = Findings()
    before = _definitions(boot.existing, load, found)
    after = _definitions(boot.after, load, Findings())
    kept_ids, ids = {one.id for one in after}, {one.id for one in before}
    ours = {one.id: one.body for one in after if is_ours(one.path)}
    bodies = {(one.path, one.section, one.id): one.body for one in after}
    for one in before:
        if is_ours(one.path):
            continue
        names = [name for name in boot.managed if one.covers(name, boot.observed.links.get(name))]
        if names and not one.path.startswith(f"{FOLDER}/"):
            found.problems.append(f"{one.path}: configures {', '.join(names)} too, and is not read from {FOLDER}. Remove it, or what writes it")
        elif names and bodies.get((one.path, one.section, one.id)) != one.body:
            _losses(one, names[0], boot, found, ours.get(names[0], {}))
    for one in after:
        if not is_ours(one.path):
            _stays(one, kept_ids, ids, boot, found)
            _too_early(one, after, boot, found)
    return found


def _too_early(one: Definition, after: List[Definition], boot: Boot, found: Findings) -> None:
    """An entry that needs an interface of the inventory, which only a later file has."""
    below = one.body.get("link")
    files = [_base(other.path) for other in after if other.id == below]
    if isinstance(below, str) and below in boot.managed and files and min(files) > _base(one.path):
        found.problems.append(
            f"{one.path}: {word(one.id)} needs {below}, which netplan would know only from a later file. "
            f"Name {word(one.id)} in the inventory, or write '{below}: {{}}' into this file, in the section that {below} is of"
        )


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _definitions(texts: Mapping[str, str], load: Load, found: Findings) -> List[Definition]:
    result: List[Definition] = []
    for path, text in sorted(texts.items(), key=lambda item: _base(item[0])):
        try:
            document = load(text, path) if path.endswith(".yaml") else None
        except BadText:
            continue  # said by the reader that takes files apart
        result += definitions(path, document)
        inner = document.get("network") if isinstance(document, dict) else None
        levels = [inner, *inner.values()] if isinstance(inner, dict) else []
        levels += [one.body for one in definitions(path, document)]
        if any(isinstance(level, dict) and level.get("renderer") == "NetworkManager" for level in levels):
            found.problems.append(f"{path}: gives interfaces to NetworkManager (renderer). Let one of the two configure them alone")
    return result


def _losses(one: Definition, name: str, boot: Boot, found: Findings, ours: Mapping[str, Any]) -> None:
    if boot.managed[name].absent:
        return
    settings: List[str] = []
    for key, value in one.body.items():
        there = ours.get(key)
        if isinstance(value, dict) and isinstance(there, dict) and key != "nameservers":
            value = {inner: text for inner, text in value.items() if there.get(inner) != text}
        if value != there:
            settings += _lost(str(key), value, name, boot)
    carried = [text for text in settings if text.startswith("'auth")] if boot.carries_management(name) else []
    if settings:
        remedy = f"Add it to the inventory, or keep it for systemd-networkd in {NETWORKD}/{MADE}{name}.network.d/keep.conf"
        found.lost(one.path, name, settings, remedy, carried)


def _lost(key: str, value: Any, name: str, boot: Boot) -> Iterator[str]:
    """How each setting is called that the inventory does not have."""
    desired = boot.desired
    if key in _NEUTRAL or isinstance(value, str) and value.lower() in _NOTHING or value in ({}, []):
        return
    if key == "addresses":
        for entry in value if isinstance(value, list) else ():
            address = next(iter(entry), "") if isinstance(entry, dict) else entry
            if ip_of(str(address)) not in boot.addresses:
                yield setting("addresses", str(address), ": ")
            elif isinstance(entry, dict):
                yield setting(f"addresses: {word(str(address))}", "label or lifetime", ": ")
    elif key in ("gateway4", "gateway6"):
        if not boot.gateway(str(value)):
            yield setting(key, str(value), ": ")
    elif key == "routes":
        yield from _lost_routes(value if isinstance(value, list) else [], desired)
    elif key == "routing-policy":
        for entry in value if isinstance(value, list) else ():
            given = {str(part): str(text) for part, text in entry.items()} if isinstance(entry, dict) else {}
            if given and not boot.has_rule(given):
                yield setting(key, ", ".join(f"{part} {text}" for part, text in given.items()), ": ")
    elif key == "nameservers" and isinstance(value, dict):
        for part, there_too in (("addresses", desired.dns.servers), ("search", desired.dns.search)):
            for text in _texts(value.get(part)):
                if text not in there_too:
                    yield setting(f"nameservers.{part}", text, ": ")
    elif key == "mtu":
        if str(value) != str(boot.managed[name].mtu or 1500):
            yield setting(key, value, ": ")
    elif key == "parameters" and isinstance(value, dict):
        for option, text in value.items():
            plain = isinstance(text, str)
            if option != "mode" and not (plain and kept(boot, name, kind_of(name, boot), str(option), text)):
                yield setting(f"parameters.{option}", text if plain else _short(text), ": ")
    elif isinstance(value, dict) and key != "auth":
        for inner, text in value.items():
            yield setting(f"{key}.{inner}", text if isinstance(text, str) else _short(text), ": ")
    else:
        yield setting(key, value if isinstance(value, str) else _short(value), ": ")


def _lost_routes(entries: List[Any], desired: Desired) -> Iterator[str]:
    bodies = [{str(key): str(text) for key, text in entry.items()} if isinstance(entry, dict) else {} for entry in entries]
    routes = [Written(body.get("to", ""), {_ROUTE.get(key, key): text for key, text in body.items() if key != "to"}) for body in bodies]
    for body, _route, lacking in zip(bodies, routes, compare(routes, desired.routes)):
        target = body.get("to", "")
        if not target or lacking is None:
            words = [f"{key} {text}" for key, text in body.items() if key in ("via", "metric", "table")]
            yield setting("routes", ", ".join([f"to {target}", *words]), ": ")
        elif lacking:
            words = [f"{key} {text}" for key, text in body.items() if _ROUTE.get(key, key) in lacking]
            yield setting("routes", ", ".join([f"to {target}", *words]), ": ")


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) and all(isinstance(one, str) for one in value) else "..."


def _stays(one: Definition, ids: Set[str], before: Set[str], boot: Boot, found: Findings) -> None:
    """An entry of another interface that would take one of the inventory, or its address, or needs one that is gone."""
    if one.id in boot.managed and set(one.body) <= set(_RENAMES):
        return
    for port in _texts(one.body.get("interfaces")):
        wish = boot.managed.get(port)
        if wish is not None and not (one.id in boot.managed and port in boot.managed[one.id].ports):
            found.problems.append(
                f"{one.path}: {word(one.id)} takes {port} as a port at the next boot. Name {word(one.id)} in the inventory, or remove {port} there"
            )
        elif wish is None and port not in ids and port in before:
            found.problems.append(f"{one.path}: {word(one.id)} needs {word(port)}, whose entry the change removes. Write an entry for it, by its name")
    for key in ("link", "primary"):
        below = one.body.get(key)
        if isinstance(below, str) and below not in ids and below in before:
            found.problems.append(f"{one.path}: {word(one.id)} needs {word(below)}, whose entry the change removes. Write an entry for it, by its name")
    addresses = one.body.get("addresses")
    for entry in addresses if isinstance(addresses, list) else ():
        ip = ip_of(str(next(iter(entry), "") if isinstance(entry, dict) else entry))
        if ip in boot.addresses and ip and one.id not in boot.managed:
            found.problems.append(f"{one.path}: {word(one.id)} has {ip} too, which would be on two interfaces after the next boot. Remove it there")
