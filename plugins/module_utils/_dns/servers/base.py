# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a DNS server is asked to be, in words that every provider understands.

``read_config`` makes a ServerConfig from the options of the module ``dns_server_config``, which are those of the
``dns_server`` part of the host plan. A Provider renders it for one program; what it needs done on the host is behind
the protocol Daemon in ``_dns/servers/server_host.py``, and both are registered in ``_dns/servers/providers_host.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Protocol, Sequence, Tuple

from ..._shared.limits import integer
from ..._shared.quoting import plain
from .. import names, values
from ..keys.key_file import TsigKey
from ..soa import FIELDS
from ..zones.external_secondaries import ANYWHERE, External
from ..zones.signing_policy import SigningPolicy, from_data

PRIMARY, SECONDARY = "primary", "secondary"
PRODUCE, CONSUME = "produce", "consume"


@dataclass(frozen=True)
class KnownKey:
    """A key that the server must know. ``generations`` are those in the key store: the current one, then the next.

    The store is read on the host; a key whose file is not there yet has no generations.
    """

    name: str
    algorithm: str
    file: str
    generations: Tuple[TsigKey, ...] = ()

    @property
    def names(self) -> Tuple[str, ...]:
        """The TSIG names that all have the same rights; the first is the one to sign with."""
        return tuple(key.name for key in self.generations) or (self.name,)


@dataclass(frozen=True)
class Grant:
    """``key`` may change these ``types`` (or ANY) at the absolute ``name``; ``match`` subdomain means all below too."""

    key: str
    match: str
    name: str
    types: Tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """A server of the fleet. ``addresses`` are without prefix length, at least one."""

    host: str
    addresses: Tuple[str, ...]


@dataclass(frozen=True)
class Transfer:
    """Who gets a zone from its primary, or whence a secondary has it: ``peers`` with ``key``, and ``external`` servers."""

    key: str = ""
    peers: Tuple[Peer, ...] = ()
    external: Tuple[External, ...] = ()


@dataclass(frozen=True)
class ServedZone:
    """One zone. ``name`` has no final dot. What follows ``transfer`` is for a primary only.

    ``soa`` has mname, rname, refresh, retry, expire, minimum and ttl, ``soa_keep`` are those of them that a zone which exists keeps;
    ``signing`` is how it is signed with ``dnssec``; ``nameservers`` are absolute; ``record_sets`` are dictionaries {record, type, ttl, value}.
    """

    name: str
    role: str
    ttl: int = 300
    dnssec: bool = False
    transfer: Transfer = Transfer()
    soa: Mapping[str, Any] = field(default_factory=dict)
    nameservers: Tuple[str, ...] = ()
    record_sets: Tuple[Mapping[str, Any], ...] = ()
    grants: Tuple[Grant, ...] = ()
    soa_keep: Tuple[str, ...] = ()
    signing: SigningPolicy = SigningPolicy()
    held_ttl: int = 0

    @property
    def longest_ttl(self) -> int:
        """The longest TTL of its records, the SOA among them, and ``held_ttl``, which records that it still holds may have."""
        return max([self.held_ttl, self.ttl, int(self.soa.get("ttl", 0)), *(int(one["ttl"]) for one in self.record_sets)])


@dataclass(frozen=True)
class Catalog:
    """A catalog zone (RFC 9432): ``members`` are zones that its consumers take from ``peers`` with ``key``.

    A produced catalog is also one of the zones, with ordinary records; a consumed one is also a zone of role secondary.
    """

    name: str
    role: str
    key: str
    peers: Tuple[Peer, ...]
    members: Tuple[str, ...]


@dataclass(frozen=True)
class ServerConfig:
    """What one server is asked to be.

    ``update_key`` is the name of a key in ``keys`` that may change everything, or "". ``discard_journals`` is the
    consent to go on without what a journal has that no longer fits its zone, ``replace_configuration`` the one to replace
    files that others wrote. ``run_hosts`` are the hosts that are provisioned in the same run, or none when that is not known.
    """

    listen: Tuple[str, ...]
    keys: Tuple[KnownKey, ...]
    update_key: str
    zones: Tuple[ServedZone, ...]
    catalogs: Tuple[Catalog, ...] = ()
    responses_per_second: int = 50
    discard_journals: bool = False
    replace_configuration: bool = False
    run_hosts: Tuple[str, ...] = ()

    @property
    def primaries(self) -> Tuple[ServedZone, ...]:
        """The zones whose content is made here."""
        return tuple(zone for zone in self.zones if zone.role == PRIMARY)

    @property
    def missing(self) -> Tuple[KnownKey, ...]:
        """The keys that are not in the host's key store."""
        return tuple(key for key in self.keys if not key.generations)

    @property
    def copies(self) -> Tuple[ServedZone, ...]:
        """The zones that are taken from another server, those that a catalog lists among them."""
        listed = [(name, one) for one in self.catalogs if one.role == CONSUME for name in one.members]
        members = [ServedZone(name, SECONDARY, transfer=Transfer(one.key, one.peers)) for name, one in listed]
        return (*(zone for zone in self.zones if zone.role != PRIMARY), *members)

    def key_names(self, name: str) -> Tuple[str, ...]:
        """The TSIG names of all generations of a key, the one to sign with first."""
        for key in self.keys:
            if key.name == name:
                return key.names
        return (name,)


class SecretsFile(NamedTuple):
    """A file with all generations of all keys."""

    path: str
    content: str


class Provider(Protocol):
    """How one program is told what to be. Everything is pure: paths and texts."""

    @property
    def name(self) -> str:
        """As ``dns_server_provider`` says it."""
        ...  # pylint: disable=unnecessary-ellipsis

    @property
    def unit(self) -> str:
        """The systemd unit, with its ending."""
        ...  # pylint: disable=unnecessary-ellipsis

    @property
    def group(self) -> str:
        """The user and the group that the program runs as, by the same name."""
        ...  # pylint: disable=unnecessary-ellipsis

    def files(self, config: ServerConfig) -> Dict[str, str]:
        """Path -> content of the files that are replaced whenever they differ. No secret is in them."""
        ...  # pylint: disable=unnecessary-ellipsis

    def foreign(self, path: str, content: str) -> Tuple[str, ...]:
        """What others have configured in one of these files that would be lost."""
        ...  # pylint: disable=unnecessary-ellipsis

    def secrets(self, config: ServerConfig) -> SecretsFile:
        """The one file that has all generations of all keys."""
        ...  # pylint: disable=unnecessary-ellipsis

    def between(self, config: ServerConfig) -> Dict[str, str]:
        """Some of files() as they fit the others both before and after a change of those, by path."""
        ...  # pylint: disable=unnecessary-ellipsis

    def keys_in(self, secrets: str) -> Tuple[TsigKey, ...]:
        """The keys in a file as secrets() returns it; of any other text, none."""
        ...  # pylint: disable=unnecessary-ellipsis

    def allowed_ttls(self, files: Mapping[str, str]) -> Dict[str, int]:
        """The longest TTL that each signed zone may have by these files, by path; zones with the usual one may be left out."""
        ...  # pylint: disable=unnecessary-ellipsis

    def upstreams(self, files: Mapping[str, str], name: str) -> Tuple[str, ...]:
        """The addresses that a zone is taken from by these files, by path; of a zone that is not, or that a catalog lists, none."""
        ...  # pylint: disable=unnecessary-ellipsis

    def zone_file(self, name: str) -> str:
        """The path of the file of a zone, named without final dot."""
        ...  # pylint: disable=unnecessary-ellipsis

    def zone_text(self, zone: ServedZone, serial: int) -> str:
        """A primary zone as it is born; see render_zone()."""
        ...  # pylint: disable=unnecessary-ellipsis

    def problems(self, config: ServerConfig) -> List[str]:
        """What this program cannot be asked for, beyond what read_config() refuses."""
        ...  # pylint: disable=unnecessary-ellipsis


class BadConfig(ValueError):
    """Options that make no configuration. The message has all reasons."""


def read_config(options: Mapping[str, Any]) -> ServerConfig:
    """The configuration in the module's options. Raises BadConfig, never anything else, on what a user wrote."""
    found: List[str] = []
    zones = tuple(_read("zones", options.get("zones"), _zone, found))
    catalogs = tuple(_read("catalogs", options.get("catalogs"), _catalog, found))
    keys = {one["name"]: KnownKey(one["name"], one["algorithm"], one["file"]) for one in options.get("keys") or ()}
    update = options.get("update_key")
    if update:
        keys.setdefault(update["name"], KnownKey(update["name"], update["algorithm"], update["file"]))
    config = ServerConfig(
        listen=tuple(options["listen"]),
        keys=tuple(keys.values()),
        update_key=update["name"] if update else "",
        zones=zones,
        catalogs=catalogs,
        responses_per_second=options.get("responses_per_second", 50),
        discard_journals=bool(options.get("discard_journals", False)),
        replace_configuration=bool(options.get("replace_configuration", False)),
        run_hosts=tuple(options.get("run_hosts") or ()),
    )
    found.extend(_unsafe(config))
    found.extend(_unknown_keys(config))
    if found:
        raise BadConfig(" ".join(found))
    return config


def _read(place: str, entries: Any, read: Any, found: List[str]) -> Iterable[Any]:
    for index, entry in enumerate(entries or ()):
        name = entry.get("name") if isinstance(entry, Mapping) else entry
        try:
            yield read(entry)
        except (names.BadName, values.BadValue) as error:
            found.append(f"{place}[{index}]: {name}: a name or value {error}.")
        except KeyError as error:
            found.append(f"{place}[{index}]: lacks {error.args[0]}. Give it as the fleet plan has it.")
        except (TypeError, AttributeError, ValueError) as error:
            found.append(f"{place}[{index}]: is not as the fleet plan has it ({error!r}).")


def _zone(data: Mapping[str, Any]) -> ServedZone:
    name = names.plain(data["name"])[:-1]
    transfer = _transfer(data.get("transfer") or {})
    if data.get("role", PRIMARY) == SECONDARY:
        if not transfer.peers:
            raise KeyError("transfer.peers")
        return ServedZone(name, SECONDARY, transfer=transfer)
    zone = ServedZone(
        name,
        PRIMARY,
        _seconds(data, "ttl"),
        bool(data.get("dnssec", False)),
        transfer,
        {"ttl": data["ttl"], **{one: data["soa"][one] for one in FIELDS if one in data["soa"] or one != "ttl"}},
        tuple(data["nameservers"]),
        tuple(data["record_sets"]),
        tuple(_grant(one) for one in data.get("grants") or ()),
        tuple(one for one in data["soa"].get("keep") or () if one in FIELDS),
        from_data(data["signing"]) if data.get("signing") else SigningPolicy(),
    )
    render_zone(zone, 1)
    return zone


def _grant(data: Mapping[str, Any]) -> Grant:
    if data["match"] not in ("name", "subdomain"):
        raise ValueError(f"match {data['match']}")
    types = tuple("ANY" if one == "ANY" else values.type_name(one) for one in data["types"])
    return Grant(data["key"], data["match"], names.canonical(data["name"]), types)


def _peers(entries: Any) -> Tuple[Peer, ...]:
    return tuple(Peer(one["host"], tuple(one["addresses"])) for one in entries or ())


def _transfer(data: Mapping[str, Any]) -> Transfer:
    return Transfer(data.get("key") or "", _peers(data.get("peers")), tuple(_external(one) for one in data.get("external") or ()))


def _external(data: Mapping[str, Any]) -> External:
    one = External(tuple(data["notify"]), tuple(data["transfer"]), data["key"], integer(data["port"], "port", 1, 65535))
    if not one.key and ANYWHERE in one.transfer:
        raise ValueError("a transfer to everybody")
    return one


def _catalog(data: Mapping[str, Any]) -> Catalog:
    if data["role"] not in (PRODUCE, CONSUME):
        raise ValueError(f"role {data['role']}")
    members = tuple(names.plain(one)[:-1] for one in data["members"])
    return Catalog(names.plain(data["name"])[:-1], data["role"], data["key"], _peers(data["peers"]), members)


def _unsafe(config: ServerConfig) -> Iterable[str]:
    """Text that would break out of where it is put in a configuration, of whatever program."""
    texts = [*config.listen]
    for key in config.keys:
        texts.extend((key.name, key.algorithm, key.file))
    for transfer in [zone.transfer for zone in config.zones]:
        texts.extend(address for peer in transfer.peers for address in peer.addresses)
        texts.extend(address for one in transfer.external for address in (*one.notify, *one.transfer))
    for catalog in config.catalogs:
        texts.extend(address for peer in catalog.peers for address in peer.addresses)
    for text in dict.fromkeys(str(text) for text in texts):
        try:
            plain(text)
        except ValueError as error:
            yield f"{error}."


def _unknown_keys(config: ServerConfig) -> Iterable[str]:
    known = {key.name for key in config.keys}
    asked = [("grants", grant.key) for zone in config.zones for grant in zone.grants]
    asked.extend(("transfer", zone.transfer.key) for zone in config.zones if zone.transfer.key)
    asked.extend(("transfer", one.key) for zone in config.zones for one in zone.transfer.external if one.key)
    asked.extend(("catalogs", catalog.key) for catalog in config.catalogs)
    for place, name in dict.fromkeys(asked):
        if name not in known:
            yield f"{place}: the key '{name}' is not among keys."


def render_zone(zone: ServedZone, serial: int) -> str:
    """A primary zone as it is born, with all its records (RFC 1035 section 5). Then the file is the server's own."""
    origin = names.canonical(zone.name)
    mname, rname, *timers = soa_values(zone)
    lines = [
        f"$ORIGIN {origin}",
        f"$TTL {zone.ttl}",
        f"@ {_seconds(zone.soa, 'ttl')} SOA {mname} {rname} {serial} {' '.join(timers)}",
        *(f"@ {zone.ttl} NS {names.canonical(server)}" for server in zone.nameservers),
        *_records(zone.record_sets, origin),
    ]
    return "".join(f"{line}\n" for line in lines)


def soa_values(zone: ServedZone) -> Tuple[str, ...]:
    """The SOA of a zone that is created, as text: mname, rname, refresh, retry, expire and minimum."""
    mname, rname = (names.canonical(zone.soa[one]) for one in ("mname", "rname"))
    return (mname, rname, *(str(_seconds(zone.soa, timer)) for timer in ("refresh", "retry", "expire", "minimum")))


def _seconds(data: Mapping[str, Any], name: str) -> int:
    """A time in whole seconds. Raises ValueError."""
    return integer(data[name], name, 0, values.TTL_MAX)


def _records(record_sets: Sequence[Mapping[str, Any]], origin: str) -> Iterable[str]:
    for one in record_sets:
        kind = values.type_name(one["type"])
        owner = names.relative(names.qualify(one["record"], origin), origin)
        for value in one["value"]:
            yield f"{owner} {_seconds(one, 'ttl')} {kind} {values.present(kind, value, origin)}"
