# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``dns_zones``: who serves which zone, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..fleet.model import Fleet, Host
from ..fleet.problems import Problem
from ..fleet.values import integer, shown, truth
from . import names, values
from .external import External, read_external
from .prune import MATCHES as IGNORE_MATCHES
from .record_types import known_type
from .signing_policy import SigningPolicy, read_signing
from .soa import Soa, check_contact, read_soa

DEFAULT_TTL = 300
ZONE_OPTIONS = (
    "primary",
    "hidden_primary",
    "secondaries",
    "external_secondaries",
    "ttl",
    "soa",
    "hosts",
    "records",
    "prune",
    "ignore",
    "dnssec",
)
IGNORE_OPTIONS = ("record", "type", "match")
MATCHES = ("name", "subdomain")
_STAR = "0star0"  # stands in for the stars of a pattern while it is read as a name


@dataclass(frozen=True)
class Zone:
    """One zone as asked for. ``entries`` are its records as written, not yet looked into."""

    name: str
    path: str
    primary: Host
    ttl: int
    hosts: bool
    entries: Any
    secondaries: Tuple[Host, ...] = ()
    external: Tuple[External, ...] = ()
    hidden: bool = False
    prune: bool = False
    ignore: Tuple[Mapping[str, str], ...] = ()
    signing: Optional[SigningPolicy] = None
    soa: Soa = Soa()
    hosts_written: bool = False

    @property
    def public(self) -> Tuple[Host, ...]:
        """The fleet's hosts that the world is told to ask."""
        return self.secondaries if self.hidden else (self.primary, *self.secondaries)


@dataclass
class Notes:
    """Collects problems of the whole fleet."""

    problems: List[Problem] = field(default_factory=list)

    def add(self, variable: str, message: str, remedy: str, host: str = "") -> None:
        self.problems.append(Problem(host, variable, message, remedy))


def read_zones(fleet: Fleet, notes: Notes) -> List[Zone]:
    """The zones that can be used, in the order of the variable; notes what is wrong with all."""
    asked = fleet.variables.get("dns_zones")
    if asked is None:
        return []
    if not isinstance(asked, dict):
        notes.add("dns_zones", "is not a dictionary", "Write {demo.example.net: {primary: ns1}}")
        return []
    found: Dict[str, Zone] = {}
    files: Dict[str, str] = {}
    for text, options in asked.items():
        path = f"dns_zones.{text}"
        try:
            name = names.plain(text)
            if "*" in name or "/" in name and not name.endswith(".in-addr.arpa."):
                raise names.BadName("has a character that the name of a zone cannot have")
        except names.BadName as error:
            notes.add(path, f"'{text}' {error}", "Name the zone, for example demo.example.net")
            continue
        if name in found:
            notes.add(path, f"is the same zone as {found[name].path}", "Write each zone once")
            continue
        hyphens = name.replace("/", "-")  # how servers name its file
        if hyphens in files:
            said = f"would have the same zone file as {files[hyphens]}, since a slash is a hyphen in a file's name"
            notes.add(path, said, "Keep the one to which the CNAME records of the zone above lead")
            continue
        files[hyphens] = path
        zone = _zone(fleet, name, path, options, notes)
        if zone is not None:
            found[name] = zone
    return list(found.values())


def _zone(fleet: Fleet, name: str, path: str, options: Any, notes: Notes) -> Optional[Zone]:
    if not isinstance(options, dict):
        notes.add(path, "is not a dictionary", "Write for example {primary: ns1}")
        return None
    for option in options:
        if option not in ZONE_OPTIONS:
            notes.add(f"{path}.{option}", "is no option of a zone", f"Use {', '.join(ZONE_OPTIONS)}")
    ttl = integer(options.get("ttl", DEFAULT_TTL))
    if ttl is None or not values.is_ttl(ttl):
        notes.add(f"{path}.ttl", f"{options['ttl']!r} is no time to live", f"Write whole seconds from 0 to {values.TTL_MAX}")
        ttl = DEFAULT_TTL
    truths = {option: _truth(options, option, default, path, notes) for option, default in (("hosts", True), ("hidden_primary", False), ("prune", False))}
    primary = _primary(fleet, options.get("primary"), f"{path}.primary", notes)
    secondaries = _secondaries(fleet, options.get("secondaries"), primary, f"{path}.secondaries", notes)
    owners = {address: host.name for host in fleet.hosts.values() for address in host.addresses}
    external = read_external(options.get("external_secondaries"), name, owners, f"{path}.external_secondaries", notes.add)
    ignore = _ignore(options.get("ignore"), name, f"{path}.ignore", notes)
    if truths["hidden_primary"] and not (options.get("secondaries") or options.get("external_secondaries")):
        remedy = "Name at least one host in secondaries, or leave hidden_primary out"
        notes.add(f"{path}.hidden_primary", "leaves nobody to answer for the zone", remedy)
    soa = read_soa(options.get("soa", {}), ttl, "ttl" in options, _at(f"{path}.soa", notes))
    if primary is None:
        return None
    check_contact(soa, name, f"{primary.fqdn}.", _at(f"{path}.soa", notes))
    return Zone(
        name,
        path,
        primary,
        ttl,
        truths["hosts"],
        options.get("records"),
        secondaries,
        external,
        truths["hidden_primary"],
        truths["prune"],
        ignore,
        read_signing(options.get("dnssec", False), _at(f"{path}.dnssec", notes)),
        soa,
        "hosts" in options,
    )


def _at(path: str, notes: Notes) -> Callable[[str, str, str], None]:
    """Notes what is wrong with an option at this place."""
    return lambda option, message, remedy: notes.add(path + option, message, remedy)


def _truth(options: Mapping[Any, Any], option: str, default: bool, path: str, notes: Notes) -> bool:
    given = truth(options.get(option, default))
    if given is None:
        notes.add(f"{path}.{option}", f"{options[option]!r} is neither true nor false", "Write true or false")
        return default
    return given


def _primary(fleet: Fleet, given: Any, path: str, notes: Notes) -> Optional[Host]:
    if given is None:
        notes.add(path, "is missing", "Name the host that serves the zone")
        return None
    return _server(fleet, given, path, notes)


def _server(fleet: Fleet, given: Any, path: str, notes: Notes) -> Optional[Host]:
    host = fleet.hosts.get(given) if isinstance(given, str) else None
    if host is None:
        notes.add(path, f"{given!r} is not a host of the fleet", "Name a host of the inventory")
        return None
    if not host.addresses:
        notes.add(
            path,
            f"{given} has no address in its management network",
            "Give it a fleet_host_number and a management network with addresses",
        )
        return None
    return host


def _secondaries(fleet: Fleet, given: Any, primary: Optional[Host], path: str, notes: Notes) -> Tuple[Host, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        notes.add(path, f"{shown(given)} is not a list of hosts", "Write for example [ns2]")
        return ()
    found: List[Host] = []
    for index, one in enumerate(given):
        here = f"{path}[{index}]"
        host = _server(fleet, one, here, notes)
        if host is None:
            continue
        if primary is not None and host.name == primary.name:
            notes.add(here, f"{host.name} is the primary of the zone", "Name other hosts than the primary")
        elif host in found:
            notes.add(here, f"{host.name} is there twice", "Name each host once")
        else:
            found.append(host)
    return tuple(found)


def _ignore(given: Any, zone: str, path: str, notes: Notes) -> Tuple[Mapping[str, str], ...]:
    example = "Write for example [{record: _acme-challenge, type: TXT}]"
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        notes.add(path, f"{shown(given)} is not a list", example)
        return ()
    found: List[Mapping[str, str]] = []
    for index, one in enumerate(given):
        here = f"{path}[{index}]"
        if not isinstance(one, dict) or "record" not in one:
            notes.add(here, "is not a dictionary with record", example)
            continue
        for option in one:
            if option not in IGNORE_OPTIONS:
                notes.add(f"{here}.{option}", "is no option of what is ignored", f"Use {', '.join(IGNORE_OPTIONS)}")
        kind = record_type(one.get("type", "ANY"), f"{here}.type", notes, known_type)
        match = match_word(one.get("match", MATCHES[0]), f"{here}.match", notes, IGNORE_MATCHES)
        text = one["record"]
        if match == "pattern" and isinstance(text, str):
            text = text.replace("*", _STAR)
        name = record_name(text, zone, f"{here}.record", notes)
        if name and kind and match:
            record = names.relative(name, zone).replace(_STAR, "*")
            found.append({"record": record, "type": kind, "match": match, "path": here})
    return tuple(found)


def record_name(given: Any, zone: str, path: str, notes: Notes) -> Optional[str]:
    """The canonical name of a record in the zone, or None and a note."""
    try:
        return names.qualify(given, zone)
    except names.BadName as error:
        notes.add(path, f"{shown(given)} {error}", f"Write a name in the zone {zone[:-1]}, or '@' for the zone itself")
        return None


def record_type(given: Any, path: str, notes: Notes, read: Callable[[Any], str] = values.type_name) -> Optional[str]:
    """The name of a record type that ``read`` accepts, or ANY; None and a note for anything else."""
    if isinstance(given, str) and given.upper() == "ANY":
        return "ANY"
    try:
        return read(given)
    except values.BadValue as error:
        notes.add(path, f"{shown(given)} {error}", "Use for example A, AAAA or TXT, or ANY for all")
        return None


def match_word(given: Any, path: str, notes: Notes, known: Sequence[str] = MATCHES) -> Optional[str]:
    """One of the words for what a name stands for; None and a note for anything else."""
    if isinstance(given, str) and given in known:
        return given
    remedy = "Use name, or subdomain for the name and all below it"
    notes.add(path, f"{shown(given)} is not accepted", f"{remedy}, or pattern" if "pattern" in known else remedy)
    return None
