# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``acme_certificates``: names, the place of their challenges, and what is to happen with a new certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .._dns import names
from .._dns.zones.variables import Zone
from .._dns.zones.variables import read_zones as read_dns_zones
from .._fleet.fields import choice, either, host, list_of, mapping_of, optional, parsed, read_variable, required, table_of
from .._fleet.fields import name as a_name
from .._fleet.model import PUBLIC, Fleet
from .._fleet.places import Items, Place, Values
from .._fleet.values import Notes
from .deploy import CHECK, DEPLOY, read_check, read_deploy

KEY_TYPES = ("ecdsa", "rsa")
NAMES_MOST = 100  # Let's Encrypt, "Rate Limits"
PREFIX = "_acme-challenge."


def _certified(given: Any) -> str:
    """The canonical form of a name that a certificate can have. Raises BadName."""
    name = names.plain(given)
    if "_" in name or "/" in name or name.count(".") < 2:
        raise names.BadName("is not the name of a host that a certificate can have")
    return name


_WHOLE = "Write a whole name, for example www.example.net"
_ALIAS = parsed(names.plain, names.BadName, _WHOLE)
OPTIONS = {
    "hosts": required(list_of(host(), "[app1]", least=1, unique=True), "Name the hosts that get the certificate, for example [app1]"),
    "names": required(list_of(parsed(_certified, names.BadName, _WHOLE), '[example.net, "*.example.net"]', least=1, unique=True)),
    "key_type": optional(choice(*KEY_TYPES), KEY_TYPES[0]),
    "challenge_alias": optional(
        either(
            "is not a name",
            "Write the name that _acme-challenge points to, or a dictionary with one for each name",
            mapping_of(_ALIAS, _ALIAS, "{www.example.net: www.proofs.example.net}"),
            _ALIAS,
        )
    ),
    "deploy": optional(DEPLOY),
    "check": optional(CHECK),
}
CERTIFICATES = mapping_of(
    a_name("[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", "the name of a certificate", "Use up to 40 lower-case letters, digits and hyphens"),
    table_of(OPTIONS, "a certificate", "{hosts: [app1], names: [example.net]}"),
    "{web: {hosts: [app1], names: [example.net]}}",
)


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
    """One certificate of the inventory, as far as it can be used."""

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
    given = read_variable(CERTIFICATES, fleet.variables, Place("", "acme_certificates", notes, fleet.hosts), {})
    zones = read_zones(fleet) if given else Zones()
    return [_certificate(name, options, zones) for name, options in given.items()]


def _certificate(name: str, options: Values, zones: Zones) -> Certificate:
    certified = () if options["names"] is None else _names(options["names"], options.at("names"))
    aliases = _aliases(options["challenge_alias"], options.at("challenge_alias"), certified)
    return Certificate(
        name,
        tuple(options["hosts"] or ()),
        tuple(one[:-1] for one in certified),
        _challenges(certified, aliases, options.place, zones),
        options["key_type"],
        read_deploy(options["deploy"]),
        read_check(options["check"]),
    )


def _names(given: Items, place: Place) -> Tuple[str, ...]:
    """The canonical names in the order given."""
    for name, here in zip(given, given.places):
        wildcard = f"*.{name.split('.', 1)[1]}"
        if name != wildcard and wildcard in given:
            said = f"{wildcard[:-1]} covers {name[:-1]} already, and Let's Encrypt refuses to certify both"
            here.refuse(said, "Leave one of the two out")
    if len(given) > NAMES_MOST:
        place.refuse(f"has {len(given)} names", f"Split it: a certificate holds at most {NAMES_MOST}")
    return tuple(given)


def _aliases(given: Any, place: Place, certified: Tuple[str, ...]) -> Mapping[str, str]:
    """For each proved name (without wildcard) the name that its ``_acme-challenge`` is said to be a CNAME to."""
    bases = {_base(one) for one in certified}
    if given is None:
        return {}
    if isinstance(given, str):
        return {base: given for base in sorted(bases)}
    for base in given:
        if base not in bases:
            place.key(base[:-1]).refuse("is not a name of this certificate", "Use the names without '*.'")
    aliases: Mapping[str, str] = given
    return aliases


def _challenges(certified: Tuple[str, ...], aliases: Mapping[str, str], path: Place, zones: Zones) -> Tuple[Challenge, ...]:
    found: Dict[str, Challenge] = {}
    for name in certified:
        base = _base(name)
        if base not in found:
            challenge = _place(base, aliases.get(base), path, zones)
            if challenge is not None:
                found[base] = challenge
    return tuple(found.values())


def _place(base: str, alias: Optional[str], path: Place, zones: Zones) -> Optional[Challenge]:
    start = PREFIX + base
    record = _follow(start, zones)
    if alias is not None and record not in (start, alias):
        said = f"{start[:-1]} is a CNAME to {record[:-1]} in dns_zones, and not to {alias[:-1]}"
        path.key("challenge_alias").refuse(said, "Let both say the same, or leave challenge_alias out")
        return None
    if alias is not None:
        record = _follow(alias, zones)
    where = path.key("names" if alias is None else "challenge_alias")
    zone = zones.zone_of(record)
    cut = zones.cut_above(record, zone) if zone else record
    if cut or "*" in record or len(record) > 254:
        reason = f" (its records delegate {cut[:-1]} to other servers)" if zone and cut else ""
        said = f"{record[:-1]}, where {base[:-1]} is proved, is in no zone of dns_zones{reason}"
        remedy = f"Have a CNAME entered at {start[:-1]} to a name in one of our zones, and give it as challenge_alias"
        where.refuse(said, remedy)
        return None
    if record in zones.texts:
        said = f"{record[:-1]} has TXT records of its own in {zones.texts[record]}, which every run would put back"
        where.refuse(said, "Take them out")
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
    """The zones that can be used, and their records as far as they matter here."""
    zones = Zones()
    for zone in read_dns_zones(fleet, Notes()):
        zones.servers[zone.name] = zone.primary.addresses_for(PUBLIC)
        # By full name: a host needs our servers' addresses, for its resolver may not know our names yet.
        zones.nameservers[zone.name] = {server.fqdn.lower().rstrip("."): server.addresses_for(PUBLIC) for server in (zone.primary, *zone.secondaries)}
        for record in zone.entries:
            _read_record(record, zone, zones)
    return zones


def _read_record(record: Values, zone: Zone, zones: Zones) -> None:
    try:
        name = names.qualify(record["record"], zone.name)
        if record["type"] == "TXT":
            zones.texts[name] = record.place.path
        elif record["type"] == "NS" and name != zone.name:
            zones.cuts[name] = record.place.path
        elif record["type"] == "CNAME" and record["value"]:
            zones.aliases[name] = names.target(record["value"][0], zone.name)
    except names.BadName:
        return
