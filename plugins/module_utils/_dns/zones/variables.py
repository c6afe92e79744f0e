# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``dns_zones``: who serves which zone, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..._fleet.fields import Field, boolean, choice, host, in_context, list_of, mapping_of, optional, parsed, read_variable, required, table_of, whole
from ..._fleet.model import PUBLIC, PURPOSES, Fleet, Host
from ..._fleet.places import Items, Place, Values, items
from ..._fleet.values import Notes, shown
from .. import names, values
from ..record_types import known_type
from ..soa import SOA, Soa, check_contact, read_soa
from ..update.prune import MATCHES as IGNORE_MATCHES
from .external_secondaries import EXTERNAL, External, read_external
from .records import RECORDS
from .signing_policy import DNSSEC, SigningPolicy, read_signing

DEFAULT_TTL = 300
MATCHES = ("name", "subdomain")
_STAR = "0star0"  # stands in for the stars of a pattern while it is read as a name


def type_or_any(read_type: Callable[[Any], str]) -> Field:
    """The name of a record type that ``read_type`` accepts, or ANY."""
    remedy = "Use for example A, AAAA or TXT, or ANY for all"
    return parsed(lambda given: "ANY" if isinstance(given, str) and given.upper() == "ANY" else read_type(given), values.BadValue, remedy)


def _zone_name(given: Any) -> str:
    """The canonical name of a zone. Raises BadName."""
    name = names.plain(given)
    if "*" in name or "/" in name and not name.endswith(".in-addr.arpa."):
        raise names.BadName("has a character that the name of a zone cannot have")
    return name


IGNORED = table_of(
    {
        "record": required(in_context(), "Write a name in the zone, or '@' for the zone itself"),
        "type": optional(type_or_any(known_type), "ANY"),
        "match": optional(choice(*IGNORE_MATCHES), IGNORE_MATCHES[0]),
    },
    "what is ignored",
    "{record: _acme-challenge, type: TXT}",
)
ZONE = table_of(
    {
        "primary": required(host(), "Name the host that serves the zone"),
        "hidden_primary": optional(boolean(), False),
        "secondaries": optional(list_of(host(), "[ns2]", unique=True), items(())),
        "external_secondaries": optional(EXTERNAL, items(())),
        "ttl": optional(whole(0, values.TTL_MAX, "seconds", DEFAULT_TTL), DEFAULT_TTL),
        "soa": optional(SOA),
        "hosts": optional(boolean(), True),
        "purpose": optional(choice(*PURPOSES), PUBLIC),
        "records": optional(RECORDS, items(())),
        "prune": optional(boolean(), False),
        "ignore": optional(list_of(IGNORED, "[{record: _acme-challenge, type: TXT}]"), items(())),
        "dnssec": optional(DNSSEC, False),
    },
    "a zone",
    "{primary: ns1}",
)
ZONES = mapping_of(parsed(_zone_name, names.BadName, "Name the zone, for example demo.example.net"), ZONE, "{demo.example.net: {primary: ns1}}")


@dataclass(frozen=True)
class Zone:
    """One zone of the inventory. ``entries`` are its records, read as far as that goes without the zone.

    ``purpose`` is that of the network whose addresses of hosts it publishes; with one that was written, it has names of its own for hosts
    whose full names are elsewhere.
    """

    name: str
    path: str
    primary: Host
    ttl: int
    hosts: bool
    entries: Items
    secondaries: Tuple[Host, ...] = ()
    external: Tuple[External, ...] = ()
    hidden: bool = False
    prune: bool = False
    ignore: Tuple[Mapping[str, str], ...] = ()
    signing: Optional[SigningPolicy] = None
    soa: Soa = Soa()
    hosts_written: bool = False
    purpose: str = PUBLIC
    purpose_written: bool = False

    def name_of(self, host: Host) -> str:
        """The canonical name that a host would have in the zone; that in another zone if this one has none for it. Raise BadName."""
        name = names.canonical(host.fqdn)
        has_own = self.purpose_written and not names.within(self.name, "arpa.") and not names.within(name, self.name)
        return f"{names.split(name)[0]}.{self.name}" if has_own else name

    @property
    def public(self) -> Tuple[Host, ...]:
        """The fleet's hosts that the world is told to ask."""
        return self.secondaries if self.hidden else (self.primary, *self.secondaries)


def read_zones(fleet: Fleet, notes: Notes) -> List[Zone]:
    """The zones that can be used, in the order of the variable; notes what is wrong with all."""
    usable: List[Zone] = []
    files: Dict[str, str] = {}
    for name, options in read_variable(ZONES, fleet.variables, Place("", "dns_zones", notes, fleet.hosts), {}).items():
        hyphens = name.replace("/", "-")  # how servers name its file
        if hyphens in files:
            said = f"would have the same zone file as {files[hyphens]}, since a slash is a hyphen in a file's name"
            options.place.refuse(said, "Keep the one to which the CNAME records of the zone above lead")
            continue
        files[hyphens] = options.place.path
        zone = _zone(fleet, name, options)
        if zone is not None:
            usable.append(zone)
    return usable


def _zone(fleet: Fleet, name: str, options: Values) -> Optional[Zone]:
    primary = _server(fleet, options["primary"], options.at("primary"))
    secondaries = _secondaries(fleet, options["secondaries"], primary)
    owners = {address: one.name for one in fleet.hosts.values() for place in one.attachments for address in place.addresses}
    external = read_external(options["external_secondaries"], name, owners, options.at("external_secondaries"))
    ignore = _ignore(options["ignore"], name)
    nobody = not (options["secondaries"] or options["external_secondaries"])
    if options["hidden_primary"] and nobody and options.refused.isdisjoint(("secondaries", "external_secondaries")):
        remedy = "Name at least one host in secondaries, or leave hidden_primary out"
        options.at("hidden_primary").refuse("leaves nobody to answer for the zone", remedy)
    soa = read_soa(options["soa"], options["ttl"], "ttl" in options.written)
    if primary is None:
        return None
    check_contact(soa, name, f"{primary.fqdn}.", options.at("soa"))
    return Zone(
        name,
        options.place.path,
        primary,
        options["ttl"],
        options["hosts"],
        options["records"],
        secondaries,
        external,
        options["hidden_primary"],
        options["prune"],
        ignore,
        read_signing(options["dnssec"]),
        soa,
        "hosts" in options.written,
        options["purpose"],
        "purpose" in options.written,
    )


def _server(fleet: Fleet, name: Optional[str], place: Place) -> Optional[Host]:
    if name is None:
        return None
    server = fleet.hosts[name]
    if not server.addresses_for(PUBLIC):
        place.refuse(f"{name} has no address in its public network", "Give it a fleet_host_number, or an address of its own in fleet_host_networks")
        return None
    return server


def _secondaries(fleet: Fleet, given: Items, primary: Optional[Host]) -> Tuple[Host, ...]:
    usable: List[Host] = []
    for name, place in zip(given, given.places):
        server = _server(fleet, name, place)
        if primary is not None and name == primary.name:
            place.refuse(f"{name} is the primary of the zone", "Name other hosts than the primary")
        elif server is not None:
            usable.append(server)
    return tuple(usable)


def _ignore(given: Items, zone: str) -> Tuple[Mapping[str, str], ...]:
    usable: List[Mapping[str, str]] = []
    for one in given:
        if one.refused:
            continue
        text = one["record"]
        if one["match"] == "pattern" and isinstance(text, str):
            text = text.replace("*", _STAR)
        name = record_name(text, zone, one.at("record"))
        if name:
            record = names.relative(name, zone).replace(_STAR, "*")
            usable.append({"record": record, "type": one["type"], "match": one["match"], "path": one.place.path})
    return tuple(usable)


def record_name(given: Any, zone: str, place: Place) -> Optional[str]:
    """The canonical name of a record in the zone, or None and a note."""
    try:
        return names.qualify(given, zone)
    except names.BadName as error:
        place.refuse(f"{shown(given)} {error}", f"Write a name in the zone {zone[:-1]}, or '@' for the zone itself")
        return None
