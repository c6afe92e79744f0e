# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a fleet's DNS: who makes each, who holds it, and what it may change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..._fleet.fields import boolean, choice, host, in_context, list_of, mapping_of, optional, parsed, read, read_variable, required, table_of
from ..._fleet.model import Fleet
from ..._fleet.places import Place, Values, items
from ..._fleet.values import Notes, shown
from .. import names
from ..values import type_name
from ..zones.variables import MATCHES, Zone, record_name, type_or_any
from .key_file import KEY_FOLDER, generation

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
_KEY_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,100}[a-z0-9])?")
_ODD = re.compile(r"[^a-z0-9]+")

DerivedKeys = Mapping[str, Mapping[str, Any]]
"""Keys that other subjects need, as ``dns_keys`` would have them: name -> options."""


def _key_name(given: Any) -> str:
    """The name of a key. Raises BadName."""
    if not isinstance(given, str) or not _KEY_NAME.fullmatch(given) or given.endswith((".next", ".previous")):
        raise names.BadName("is not the name of a key")
    names.canonical(given)
    return given


_NAME = parsed(_key_name, names.BadName, "Use lower-case letters, digits and hyphens", f"^({_KEY_NAME.pattern})$")
_ALGORITHM = choice(*ALGORITHMS)
_GRANT_EXAMPLE = "{zone: example.net, name: app1, types: [A]}"
GRANT = table_of(
    {
        "zone": required(in_context(), "Name a zone of dns_zones"),
        "name": required(in_context(), "Write a name in the zone, or '@' for the zone itself"),
        "match": optional(choice(*MATCHES), MATCHES[0]),
        "types": required(list_of(type_or_any(type_name), "[A, AAAA], or [ANY] for all", least=1), "Write for example [A, AAAA], or [ANY] for all"),
    },
    "a grant",
    _GRANT_EXAMPLE,
)
KEY = table_of(
    {
        "algorithm": optional(_ALGORITHM, ALGORITHMS[0]),
        "hosts": optional(list_of(host(), "[app1]", unique=True), items(())),
        "grants": optional(list_of(GRANT, f"[{_GRANT_EXAMPLE}]"), items(())),
        "external": optional(boolean(), False),
    },
    "a key",
    f"{{hosts: [app1], grants: [{_GRANT_EXAMPLE}]}}",
)
KEYS = mapping_of(_NAME, KEY, f"{{app1-own: {{hosts: [app1], grants: [{_GRANT_EXAMPLE}]}}}}")
UPDATE_KEY = table_of({"name": optional(_NAME), "algorithm": optional(_ALGORITHM, ALGORITHMS[0])}, "the update key", "{name: demo-update}, or leave it out")


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
        """An entry of the host plan ``dns_keys``."""
        marks = {"external": self.external, "shared": bool(self.transfers) and not self.external, "local": self.path == "dns_update_key"}
        return {**self.as_known(), "home": self.home, **{mark: True for mark, is_so in marks.items() if is_so}}


def label(text: str) -> str:
    """An inventory name as one label of a domain name."""
    return _ODD.sub("-", text.lower()).strip("-")[:40] or "host"


def read_keys(fleet: Fleet, zones: Sequence[Zone], notes: Notes, derived: DerivedKeys) -> List[FleetKey]:
    """All keys: each primary's own update key and transfer key, those of ``dns_keys``, and those that certificates need."""
    update = update_key(fleet, notes)
    primaries = list(dict.fromkeys(zone.primary.name for zone in zones))
    found = [FleetKey(update["name"], update["algorithm"], primary, (primary,), "dns_update_key") for primary in primaries]
    found.extend(_transfer_keys(fleet, zones))
    place = Place("", "dns_keys", notes, fleet.hosts)
    found.extend(_keys(read_variable(KEYS, fleet.variables, place, {}), zones))
    theirs = {key.name for key in found}
    others = {key: read(KEY, options, Place("", f"acme_certificates ({key})", Notes(), fleet.hosts)) for key, options in derived.items()}
    found.extend(key for key in _keys(others, zones) if key.name not in theirs)
    _check_names(found, notes)
    _check_transfers(fleet, zones, notes)
    return found


def update_key(fleet: Fleet, notes: Notes) -> Mapping[str, str]:
    """Name and algorithm of the key that each primary makes for its own zones."""
    given = read_variable(UPDATE_KEY, fleet.variables, Place("", "dns_update_key", notes), {})
    return {"name": given.get("name") or f"{fleet.name}-update", "algorithm": given.get("algorithm", ALGORITHMS[0])}


def transfer_key_name(fleet: Fleet, primary: str) -> str:
    """The key with which a primary's secondaries take its zones."""
    return f"{fleet.name}-transfer-{label(primary)}"


def _transfer_keys(fleet: Fleet, zones: Sequence[Zone]) -> List[FleetKey]:
    holders: Dict[str, List[str]] = {}
    for zone in zones:
        if zone.secondaries:
            mine = holders.setdefault(zone.primary.name, [zone.primary.name])
            mine.extend(host.name for host in zone.secondaries)
    return [FleetKey(transfer_key_name(fleet, home), ALGORITHMS[0], home, tuple(dict.fromkeys(all_)), "dns_zones") for home, all_ in holders.items()]


def _keys(given: Mapping[str, Values], zones: Sequence[Zone]) -> List[FleetKey]:
    """The keys that a server can know, out of what is read."""
    usable: List[FleetKey] = []
    for name, options in given.items():
        transfers = tuple(zone.primary.name for zone in zones if any(one.key == name for one in zone.external))
        if not (options["grants"] or transfers or "grants" in options.refused):
            said = "is not a list of what the key may change, and no external_secondaries transfer with it, so that nobody serves it"
            options.at("grants").refuse(said, f"Write for example [{_GRANT_EXAMPLE}]")
        read_grants = [_grant(one, zones) for one in options["grants"]]
        grants = tuple(one for one in read_grants if one is not None)
        primaries = (*(grant.zone.primary.name for grant in grants), *transfers)
        if primaries:
            holders = dict.fromkeys((*primaries, *options["hosts"]))
            path = options.place.path
            usable.append(FleetKey(name, options["algorithm"], primaries[0], tuple(holders), path, grants, transfers, options["external"]))
    return usable


def _check_transfers(fleet: Fleet, zones: Sequence[Zone], notes: Notes) -> None:
    """External secondaries transfer with keys of ``dns_keys`` only: no other key of the fleet is for strangers."""
    asked = fleet.variables.get("dns_keys")
    for one in (one for zone in zones for one in zone.external):
        if one.key and not (isinstance(asked, dict) and one.key in asked):
            remedy = "Name one, or add it: {} generates it here, {external: true} is one that the provider gave you"
            notes.add("", f"{one.path}.key", f"{shown(one.key)} is not a key of dns_keys", remedy)


def _grant(given: Values, zones: Sequence[Zone]) -> Optional[Grant]:
    zone = _zone(given, zones) if "zone" not in given.refused else None
    if zone is None or not given.refused.isdisjoint(("name", "match", "types")):
        return None
    name = record_name(given["name"], zone.name, given.at("name"))
    if name is None:
        return None
    closest = max((one.name for one in zones if names.within(name, one.name)), key=len)
    if closest != zone.name:
        given.at("name").refuse(f"{name[:-1]} lies in the zone {closest[:-1]}", f"Write {closest[:-1]} as the grant's zone")
        return None
    types = tuple(dict.fromkeys(given["types"]))
    return Grant(zone, given["match"], name, ("ANY",) if "ANY" in types else types)


def _zone(grant: Values, zones: Sequence[Zone]) -> Optional[Zone]:
    try:
        name = names.canonical(grant["zone"])
    except names.BadName:
        name = ""
    for zone in zones:
        if zone.name == name:
            return zone
    known = ", ".join(zone.name[:-1] for zone in zones) or "none yet"
    grant.at("zone").refuse(f"{shown(grant['zone'])} is not a zone that the fleet serves", f"Name a zone of dns_zones (there: {known})")
    return None


def _check_names(keys: Sequence[FleetKey], notes: Notes) -> None:
    """Two keys must share neither a name, nor one the name of a later generation of the other."""
    first: Dict[str, FleetKey] = {}
    for key in keys:
        known = first.setdefault(key.name, key)
        own = known.path == key.path == "dns_update_key"  # each primary has its own secret, and nobody else knows it
        if known is not key and not own:
            said = f"there is already a key {key.name}, of {known.path}"
            notes.add("", key.path, said, "Choose another name; inventory names must differ in letters or digits")
    for key in first.values():
        for other in first.values():
            if key is not other and generation(key.name, other.name) is not None:
                said = f"{key.name} is the name that a later generation of {other.name} will have"
                notes.add("", key.path, said, "Choose another name")
