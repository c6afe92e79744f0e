# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a fleet's DNS: who makes each, who holds it, and what it may change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..fleet.model import Fleet
from ..fleet.values import shown, truth
from . import names
from .acme import challenge_keys
from .keyfile import KEY_FOLDER, generation
from .resolve_zones import MATCHES, Notes, Zone, match_word, record_name, record_type

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
KEY_OPTIONS = ("algorithm", "hosts", "grants", "external")
GRANT_OPTIONS = ("zone", "name", "match", "types")
EXAMPLE = "Write for example {app1-own: {hosts: [app1], grants: [{zone: example.net, name: app1, types: [A]}]}}"
_KEY_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,100}[a-z0-9])?")
_ODD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Grant:
    """What a key may change: ``types`` at the canonical ``name`` in ``zone``, or all below it too."""

    zone: Zone
    match: str
    name: str
    types: Tuple[str, ...]


@dataclass(frozen=True)
class FleetKey:
    """A key, its home, and the hosts that hold it (home is one of them). ``path`` is the variable it comes from.

    ``transfers`` are the primaries from which external secondaries transfer with it. An ``external`` key is made by others.
    """

    name: str
    algorithm: str
    home: str
    holders: Tuple[str, ...]
    path: str
    grants: Tuple[Grant, ...] = ()
    transfers: Tuple[str, ...] = ()
    external: bool = False

    def as_known(self) -> Dict[str, str]:
        """What a host needs to know to use it."""
        return {"name": self.name, "algorithm": self.algorithm, "file": f"{KEY_FOLDER}/{self.name}.key"}

    def as_held(self) -> Dict[str, Any]:
        """An entry of the slice ``dns_keys``."""
        marks = {"external": self.external, "shared": bool(self.transfers) and not self.external, "local": self.path == "dns_update_key"}
        return {**self.as_known(), "home": self.home, **{mark: True for mark, is_so in marks.items() if is_so}}


def label(text: str) -> str:
    """An inventory name as one label of a domain name."""
    return _ODD.sub("-", text.lower()).strip("-")[:40] or "host"


def read_keys(fleet: Fleet, zones: Sequence[Zone], notes: Notes) -> List[FleetKey]:
    """All keys: each primary's own update key and transfer key, those of ``dns_keys``, and those that ACME needs."""
    update = update_key(fleet, notes)
    primaries = list(dict.fromkeys(zone.primary.name for zone in zones))
    found = [FleetKey(update["name"], update["algorithm"], primary, (primary,), "dns_update_key") for primary in primaries]
    found.extend(_transfer_keys(fleet, zones))
    found.extend(_asked_keys(fleet, zones, notes))
    theirs = {key.name for key in found}
    for name, options in challenge_keys(fleet).items():
        key = _key(fleet, name, options, f"acme_certificates ({name})", zones, Notes())
        if key is not None and name not in theirs:
            found.append(key)
    _check_names(found, notes)
    _check_transfers(fleet, zones, notes)
    return found


def update_key(fleet: Fleet, notes: Notes) -> Mapping[str, str]:
    """Name and algorithm of the key that each primary makes for its own zones."""
    asked = fleet.variables.get("dns_update_key")
    if asked is None:
        asked = {}
    if not isinstance(asked, dict):
        notes.add("dns_update_key", "is not a dictionary", "Write for example {name: demo-update}, or leave it out")
        asked = {}
    for option in asked:
        if option not in ("name", "algorithm"):
            notes.add(f"dns_update_key.{option}", "is no option of a key", "Use name and algorithm")
    name = asked.get("name", f"{fleet.name}-update")
    if not _is_key_name(name):
        notes.add("dns_update_key.name", f"{shown(name)} is no name of a key", "Use lower-case letters, digits and hyphens")
        name = "update"
    return {"name": name, "algorithm": _algorithm(asked, "dns_update_key", notes)}


def transfer_key_name(fleet: Fleet, primary: str) -> str:
    """The key with which a primary's secondaries take its zones."""
    return f"{fleet.name}-transfer-{label(primary)}"


def _is_key_name(name: Any) -> bool:
    if not isinstance(name, str) or not _KEY_NAME.fullmatch(name) or name.endswith((".next", ".previous")):
        return False
    try:
        names.canonical(name)
    except names.BadName:
        return False
    return True


def _algorithm(asked: Mapping[Any, Any], path: str, notes: Notes) -> str:
    algorithm = asked.get("algorithm", ALGORITHMS[0])
    if algorithm in ALGORITHMS:
        return str(algorithm)
    notes.add(f"{path}.algorithm", f"{algorithm!r} is not accepted", f"Use one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[0]


def _transfer_keys(fleet: Fleet, zones: Sequence[Zone]) -> List[FleetKey]:
    holders: Dict[str, List[str]] = {}
    for zone in zones:
        if zone.secondaries:
            mine = holders.setdefault(zone.primary.name, [zone.primary.name])
            mine.extend(host.name for host in zone.secondaries)
    return [FleetKey(transfer_key_name(fleet, home), ALGORITHMS[0], home, tuple(dict.fromkeys(all_)), "dns_zones") for home, all_ in holders.items()]


def _asked_keys(fleet: Fleet, zones: Sequence[Zone], notes: Notes) -> List[FleetKey]:
    asked = fleet.variables.get("dns_keys")
    if asked is None:
        return []
    if not isinstance(asked, dict):
        notes.add("dns_keys", "is not a dictionary", EXAMPLE)
        return []
    found: List[FleetKey] = []
    seen: Dict[str, str] = {}
    for name, options in asked.items():
        path = f"dns_keys.{name}"
        plain = name.lower().rstrip(".") if isinstance(name, str) else ""
        if plain in seen:
            notes.add(path, f"is the same key as {seen[plain]}", "Write each key once, in lower case")
        elif not _is_key_name(name):
            notes.add(path, f"{name!r} is no name of a key", "Use lower-case letters, digits and hyphens")
        else:
            key = _key(fleet, name, options, path, zones, notes)
            found.extend([] if key is None else [key])
        seen.setdefault(plain, path)
    return found


def _key(fleet: Fleet, name: str, options: Any, path: str, zones: Sequence[Zone], notes: Notes) -> Optional[FleetKey]:
    if not isinstance(options, dict):
        notes.add(path, "is not a dictionary", EXAMPLE)
        return None
    for option in options:
        if option not in KEY_OPTIONS:
            notes.add(f"{path}.{option}", "is no option of a key", f"Use {', '.join(KEY_OPTIONS)}")
    algorithm = _algorithm(options, path, notes)
    hosts = _hosts(fleet, options.get("hosts"), f"{path}.hosts", notes)
    external = truth(options.get("external", False))
    if external is None:
        notes.add(f"{path}.external", f"{shown(options['external'])} is neither true nor false", "Write true for a key that others made")
    transfers = tuple(zone.primary.name for zone in zones if any(one.key == name for one in zone.external))
    given = options.get("grants", () if transfers else None)
    if not isinstance(given, (list, tuple)) or not (given or transfers):
        said = "is not a list of what the key may change, and no external_secondaries transfer with it, so that nobody serves it"
        notes.add(f"{path}.grants", said, EXAMPLE)
        return None
    read = [_grant(one, f"{path}.grants[{index}]", zones, notes) for index, one in enumerate(given)]
    grants = tuple(one for one in read if one is not None)
    primaries = (*(grant.zone.primary.name for grant in grants), *transfers)
    if not primaries:
        return None
    holders = dict.fromkeys((*primaries, *hosts))
    return FleetKey(name, algorithm, primaries[0], tuple(holders), path, grants, transfers, external is True)


def _check_transfers(fleet: Fleet, zones: Sequence[Zone], notes: Notes) -> None:
    """External secondaries transfer with keys of ``dns_keys`` only: no other key of the fleet is for strangers."""
    asked = fleet.variables.get("dns_keys")
    for one in (one for zone in zones for one in zone.external):
        if one.key and not (isinstance(asked, dict) and one.key in asked):
            remedy = "Name one, or add it: {} generates it here, {external: true} is one that the provider gave you"
            notes.add(f"{one.path}.key", f"{shown(one.key)} is not a key of dns_keys", remedy)


def _hosts(fleet: Fleet, given: Any, path: str, notes: Notes) -> Tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        notes.add(path, f"{shown(given)} is not a list of hosts", "Write for example [app1]")
        return ()
    found: List[str] = []
    for index, host in enumerate(given):
        if not isinstance(host, str) or host not in fleet.hosts:
            notes.add(f"{path}[{index}]", f"{shown(host)} is not a host of the fleet", "Name a host of the inventory")
        elif host in found:
            notes.add(f"{path}[{index}]", f"{host} is there twice", "Name each host once")
        else:
            found.append(host)
    return tuple(found)


def _grant(given: Any, path: str, zones: Sequence[Zone], notes: Notes) -> Optional[Grant]:
    if not isinstance(given, dict):
        notes.add(path, "is not a dictionary", "Write for example {zone: example.net, name: app1, types: [A]}")
        return None
    for option in given:
        if option not in GRANT_OPTIONS:
            notes.add(f"{path}.{option}", "is no option of a grant", f"Use {', '.join(GRANT_OPTIONS)}")
    match = match_word(given.get("match", MATCHES[0]), f"{path}.match", notes)
    types = _types(given.get("types"), f"{path}.types", notes)
    zone = _zone(given.get("zone"), f"{path}.zone", zones, notes)
    if zone is None:
        return None
    if "name" not in given:
        notes.add(f"{path}.name", "is missing", f"Write a name in the zone {zone.name[:-1]}")
        return None
    name = record_name(given["name"], zone.name, f"{path}.name", notes)
    if name is None or match is None or not types:
        return None
    closest = max((one.name for one in zones if names.within(name, one.name)), key=len)
    if closest != zone.name:
        said = f"{name[:-1]} lies in the zone {closest[:-1]}"
        notes.add(f"{path}.name", said, f"Write {closest[:-1]} as the grant's zone")
        return None
    return Grant(zone, match, name, types)


def _zone(given: Any, path: str, zones: Sequence[Zone], notes: Notes) -> Optional[Zone]:
    try:
        name = names.canonical(given)
    except names.BadName:
        name = ""
    for zone in zones:
        if zone.name == name:
            return zone
    known = ", ".join(zone.name[:-1] for zone in zones) or "none yet"
    notes.add(path, f"{shown(given)} is no zone that the fleet serves", f"Name a zone of dns_zones (there: {known})")
    return None


def _types(given: Any, path: str, notes: Notes) -> Tuple[str, ...]:
    if not isinstance(given, (list, tuple)) or not given:
        notes.add(path, "is not a list of record types", "Write for example [A, AAAA], or [ANY] for all")
        return ()
    read = [record_type(one, f"{path}[{index}]", notes) for index, one in enumerate(given)]
    found = tuple(dict.fromkeys(one for one in read if one))
    return ("ANY",) if "ANY" in found else found


def _check_names(keys: Sequence[FleetKey], notes: Notes) -> None:
    """Two keys must share neither a name, nor one the name of a later generation of the other."""
    first: Dict[str, FleetKey] = {}
    for key in keys:
        known = first.setdefault(key.name, key)
        own = known.path == key.path == "dns_update_key"  # each primary has its own secret, and nobody else knows it
        if known is not key and not own:
            said = f"there is already a key {key.name}, of {known.path}"
            notes.add(key.path, said, "Choose another name; inventory names must differ in letters or digits")
    for key in first.values():
        for other in first.values():
            if key is not other and generation(key.name, other.name) is not None:
                said = f"{key.name} is the name that a later generation of {other.name} will have"
                notes.add(key.path, said, "Choose another name")
