# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``acme_certificates``: names, the place of their challenges, and what is to happen with a new certificate."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..fleet.model import Fleet, Host
from ..fleet.values import Notes, shown
from . import names
from .acme_deploy import read_check, read_deploy

OPTIONS = ("hosts", "names", "key_type", "challenge_alias", "deploy", "check")
KEY_TYPES = ("ecdsa", "rsa")
NAMES_MOST = 100  # Let's Encrypt, "Rate Limits"
PREFIX = "_acme-challenge."
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Challenge:
    """Where one name is proved. ``name`` is without wildcard; ``record`` is where the TXT records are written.

    ``servers`` are the addresses of the zone's primary, ``nameservers`` those of all our servers of it, by name.
    """

    name: str
    record: str
    zone: str
    servers: Tuple[str, ...]
    nameservers: Mapping[str, Tuple[str, ...]]


@dataclass(frozen=True)
class Certificate:
    """One certificate as asked for, as far as it can be used."""

    name: str
    hosts: Tuple[str, ...]
    names: Tuple[str, ...]
    challenges: Tuple[Challenge, ...]
    key_type: str
    deploy: Mapping[str, Any]
    check: Optional[Mapping[str, Any]]


@dataclass
class Zones:
    """What ``dns_zones`` says of the places of challenges. What is wrong in it, the capability dns_server reports."""

    servers: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    nameservers: Dict[str, Dict[str, Tuple[str, ...]]] = field(default_factory=dict)
    aliases: Dict[str, str] = field(default_factory=dict)
    texts: Dict[str, str] = field(default_factory=dict)
    cuts: Dict[str, str] = field(default_factory=dict)

    def zone_of(self, name: str) -> str:
        """The closest zone above a name, or an empty text."""
        return max((zone for zone in self.servers if names.within(name, zone)), key=len, default="")

    def cut_above(self, name: str, zone: str) -> str:
        """The name of a delegation to others that the name lies in, or an empty text."""
        return next((one for one in (name, *names.parents(name, zone)) if one != zone and one in self.cuts), "")


def read_certificates(fleet: Fleet, notes: Notes) -> List[Certificate]:
    """All certificates; notes everything that is wrong with them. Never raises on what a user wrote."""
    asked = fleet.variables.get("acme_certificates")
    if asked is None:
        return []
    if not isinstance(asked, Mapping):
        remedy = "Write for example {web: {hosts: [app1], names: [example.net]}}"
        notes.add("", "acme_certificates", "is not a dictionary", remedy)
        return []
    zones = read_zones(fleet)
    found: List[Certificate] = []
    for name, options in asked.items():
        path = f"acme_certificates.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            said = f"{shown(name)} is no name of a certificate"
            notes.add("", path, said, "Use up to 40 lower-case letters, digits and hyphens")
        elif not isinstance(options, Mapping):
            notes.add("", path, "is not a dictionary", "Write for example {hosts: [app1], names: [example.net]}")
        else:
            found.append(_certificate(fleet, name, options, zones, notes))
    return found


def _certificate(fleet: Fleet, name: str, options: Mapping[Any, Any], zones: Zones, notes: Notes) -> Certificate:
    path = f"acme_certificates.{name}"
    for option in options:
        if option not in OPTIONS:
            notes.add("", f"{path}.{option}", "is no option of a certificate", f"Use {', '.join(OPTIONS)}")
    key_type = options.get("key_type", KEY_TYPES[0])
    if key_type not in KEY_TYPES:
        notes.add("", f"{path}.key_type", f"{shown(key_type)} is not accepted", f"Use one of {', '.join(KEY_TYPES)}")
        key_type = KEY_TYPES[0]
    wanted = _names(options.get("names"), f"{path}.names", notes)
    aliases = _aliases(options.get("challenge_alias"), f"{path}.challenge_alias", wanted, notes)
    return Certificate(
        name,
        _hosts(fleet, options.get("hosts"), f"{path}.hosts", notes),
        tuple(one[:-1] for one in wanted),
        _challenges(wanted, aliases, path, zones, notes),
        key_type,
        read_deploy(options.get("deploy"), f"{path}.deploy", notes),
        read_check(options.get("check"), f"{path}.check", notes),
    )


def _hosts(fleet: Fleet, asked: Any, path: str, notes: Notes) -> Tuple[str, ...]:
    if not isinstance(asked, (list, tuple)) or not asked:
        notes.add("", path, "is not a list of hosts", "Name the hosts that get the certificate, for example [app1]")
        return ()
    found: List[str] = []
    for index, host in enumerate(asked):
        if not isinstance(host, str) or host not in fleet.hosts:
            said = f"{shown(host)} is not a host of the fleet"
            notes.add("", f"{path}[{index}]", said, "Name a host of the inventory")
        elif host in found:
            notes.add("", f"{path}[{index}]", f"{host} is there twice", "Name each host once")
        else:
            found.append(host)
    return tuple(found)


def _names(asked: Any, path: str, notes: Notes) -> Tuple[str, ...]:
    """The canonical names in the order given."""
    if not isinstance(asked, (list, tuple)) or not asked:
        notes.add("", path, "is not a list of names", 'Write for example [example.net, "*.example.net"]')
        return ()
    found: Dict[str, str] = {}
    for index, text in enumerate(asked):
        place = f"{path}[{index}]"
        try:
            name = names.plain(text)
            if "_" in name or "/" in name or name.count(".") < 2:
                raise names.BadName("is no name of a host that a certificate can have")
        except names.BadName as error:
            notes.add("", place, f"{shown(text)} {error}", "Write a whole name, for example www.example.net")
            continue
        if name in found:
            notes.add("", place, f"{name[:-1]} is there twice", "Name each once")
        found.setdefault(name, place)
    for name, place in found.items():
        wildcard = f"*.{name.split('.', 1)[1]}"
        if name != wildcard and wildcard in found:
            said = f"{wildcard[:-1]} covers {name[:-1]} already, and Let's Encrypt refuses to certify both"
            notes.add("", place, said, "Leave one of the two out")
    if len(found) > NAMES_MOST:
        notes.add("", path, f"has {len(found)} names", f"Split it: a certificate holds at most {NAMES_MOST}")
    return tuple(found)


def _aliases(asked: Any, path: str, wanted: Tuple[str, ...], notes: Notes) -> Dict[str, str]:
    """For each proved name (without wildcard) the name that its ``_acme-challenge`` is said to be a CNAME to."""
    bases = {_base(one) for one in wanted}
    if asked is None:
        return {}
    if isinstance(asked, str):
        asked = {base: asked for base in sorted(bases)}
    if not isinstance(asked, Mapping):
        remedy = "Write the name that _acme-challenge points to, or a dictionary with one for each name"
        notes.add("", path, f"{shown(asked)} is no name", remedy)
        return {}
    found: Dict[str, str] = {}
    for text, target in asked.items():
        try:
            base = names.plain(text)
            if base not in bases:
                notes.add("", f"{path}.{text}", "is no name of this certificate", "Use the names without '*.'")
            found[base] = names.plain(target)
        except names.BadName as error:
            said = f"{shown(text)} or {shown(target)} cannot be used: it {error}"
            notes.add("", path, said, "Write whole names, without wildcard")
    return found


def _challenges(wanted: Tuple[str, ...], aliases: Mapping[str, str], path: str, zones: Zones, notes: Notes) -> Tuple[Challenge, ...]:
    found: Dict[str, Challenge] = {}
    for name in wanted:
        base = _base(name)
        if base not in found:
            challenge = _place(base, aliases.get(base), path, zones, notes)
            if challenge is not None:
                found[base] = challenge
    return tuple(found.values())


def _place(base: str, alias: Optional[str], path: str, zones: Zones, notes: Notes) -> Optional[Challenge]:
    start = PREFIX + base
    record = _follow(start, zones)
    if alias is not None and record not in (start, alias):
        said = f"{start[:-1]} is a CNAME to {record[:-1]} in dns_zones, and not to {alias[:-1]}"
        notes.add("", f"{path}.challenge_alias", said, "Let both say the same, or leave challenge_alias out")
        return None
    if alias is not None:
        record = _follow(alias, zones)
    where = f"{path}.names" if alias is None else f"{path}.challenge_alias"
    zone = zones.zone_of(record)
    cut = zones.cut_above(record, zone) if zone else record
    if cut or "*" in record or len(record) > 254:
        reason = f" (its records delegate {cut[:-1]} to other servers)" if zone and cut else ""
        said = f"{record[:-1]}, where {base[:-1]} is proved, is in no zone of dns_zones{reason}"
        remedy = f"Have a CNAME entered at {start[:-1]} to a name in one of our zones, and give it as challenge_alias"
        notes.add("", where, said, remedy)
        return None
    if record in zones.texts:
        said = f"{record[:-1]} has TXT records of its own in {zones.texts[record]}, which every run would put back"
        notes.add("", where, said, "Take them out")
        return None
    return Challenge(base, record, zone, zones.servers[zone], zones.nameservers[zone])


def _follow(name: str, zones: Zones) -> str:
    """Where the CNAMEs of the inventory lead to."""
    seen = [name]
    while seen[-1] in zones.aliases and len(seen) < 9 and zones.aliases[seen[-1]] not in seen:
        seen.append(zones.aliases[seen[-1]])
    return seen[-1]


def _base(name: str) -> str:
    return name.removeprefix("*.")


def read_zones(fleet: Fleet) -> Zones:
    """The zones that have a primary with an address, and their records as far as they matter here."""
    zones = Zones()
    asked = fleet.variables.get("dns_zones")
    for text, options in asked.items() if isinstance(asked, Mapping) else ():
        primary = options.get("primary") if isinstance(options, Mapping) else None
        host = fleet.hosts.get(primary) if isinstance(primary, str) else None
        if host is None or not host.addresses:
            continue
        try:
            zone = names.plain(text)
        except names.BadName:
            continue
        zones.servers[zone] = tuple(host.addresses)
        zones.nameservers[zone] = _nameservers(fleet, host, options.get("secondaries"))
        records = options.get("records")
        for index, record in enumerate(records if isinstance(records, (list, tuple)) else ()):
            if isinstance(record, Mapping):
                _read_record(record, zone, f"dns_zones.{text}.records[{index}]", zones)
    return zones


def _nameservers(fleet: Fleet, primary: Host, secondaries: Any) -> Dict[str, Tuple[str, ...]]:
    """Our servers of a zone by full name. A host needs them, for its resolver may not know our names yet."""
    others = secondaries if isinstance(secondaries, (list, tuple)) else ()
    hosts = [primary, *(fleet.hosts[one] for one in others if isinstance(one, str) and one in fleet.hosts)]
    return {host.fqdn.lower().rstrip("."): tuple(host.addresses) for host in hosts}


def _read_record(record: Mapping[Any, Any], zone: str, place: str, zones: Zones) -> None:
    kind = record.get("type")
    values = record.get("value")
    first = values[0] if isinstance(values, (list, tuple)) and values else values
    try:
        name = names.qualify(record.get("record"), zone)
        if kind in ("TXT", "txt"):
            zones.texts[name] = place
        elif kind in ("NS", "ns") and name != zone:
            zones.cuts[name] = place
        elif kind in ("CNAME", "cname"):
            zones.aliases[name] = names.target(first, zone)
    except names.BadName:
        return
