# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the old and the new servers of a zone for every record set that one of them, or an import, has."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Container, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..._system.files import FileStore
from ..client import DnsFailure
from ..migration.decisions import PUBLISH, Decisions
from ..migration.probes import Questions, is_data, questions
from ..model import Key, RRset, ZoneContents
from ..options_client import ALGORITHMS, TRANSPORT_RULES, make_client
from ..update.plan import Refused
from ..wire_client import WireClient
from .compare import Difference, Said, compare
from .probe_client import probe
from .propagation_client import Asking, Endpoint, ask_each, endpoints
from .transfer_client import transfer

# One side of a comparison, as an option of a module.
SIDE: Mapping[str, Any] = {
    "type": "dict",
    "options": {
        "servers": {"type": "list", "elements": "str", "required": True},
        "port": {"type": "int", "default": 53},
        "transfer": {"type": "bool", "default": False},
        "key_name": {"type": "str"},
        "key_secret": {"type": "str", "no_log": True},
        "key_algorithm": {"type": "str", "choices": list(ALGORITHMS), "default": "hmac-sha256"},
        "key_file": {"type": "path", "no_log": False},
    },
    "mutually_exclusive": list(TRANSPORT_RULES["mutually_exclusive"]),
    "required_together": list(TRANSPORT_RULES["required_together"]),
}

# What is asked beyond the sets of a source, as options of a module.
BEYOND: Mapping[str, Any] = {
    "left_out": {"type": "list", "elements": "dict", "default": []},
    "names": {"type": "list", "elements": "str", "default": []},
    "decisions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "record": {"type": "str", "required": True},
            "type": {"type": "str", "required": True},
            "publish": {"type": "str", "choices": list(PUBLISH), "required": True},
            "value": {"type": "list", "elements": "raw"},
            "ttl": {"type": "int"},
        },
        "required_if": [("publish", "value", ["value"])],
    },
}


@dataclass(frozen=True)
class Side:
    """The servers of one side. ``options`` are those of SIDE."""

    label: str
    options: Mapping[str, Any]
    asking: Asking
    files: FileStore

    def places(self) -> List[Endpoint]:
        """All addresses of the servers."""
        return endpoints(self.options["servers"], self.asking)

    def transfer(self, zone: str) -> ZoneContents:
        """The zone from the first server that gives it. Raises DnsFailure of the last one, or Refused."""
        failure: Optional[DnsFailure] = None
        for place in self.places():
            try:
                client = self._client(place)
                return transfer(client.server, client.key, zone)
            except DnsFailure as found:
                failure = found
        if failure is None:
            raise Refused([f"{self.label}: names no server."])
        raise failure

    def transfers(self, zone: str) -> List[Tuple[Endpoint, Optional[ZoneContents]]]:
        """What each server gives, None of one that gives nothing."""
        return [(place, self._transfer_from(place, zone)) for place in self.places()]

    def _transfer_from(self, place: Endpoint, zone: str) -> Optional[ZoneContents]:
        try:
            client = self._client(place)
            return transfer(client.server, client.key, zone)
        except DnsFailure:
            return None

    def _client(self, place: Endpoint) -> WireClient:
        """Raises Refused, with the side's name before that of the option."""
        try:
            return make_client(self._transport(place), self.files)
        except Refused as refused:
            raise Refused([f"{self.label}.{reason}" for reason in refused.reasons]) from None

    def _transport(self, place: Endpoint) -> Dict[str, Any]:
        keys = {name: self.options[name] for name in ("key_name", "key_secret", "key_algorithm", "key_file")}
        asking = self.asking
        if not place.address:
            raise DnsFailure("unreachable", f"{place.name} has no address.")
        return {"server": place.address, "port": asking.port, "protocol": "tcp", "timeout": asking.timeout, **keys}


def side_of(label: str, options: Mapping[str, Any], asking: Asking, files: FileStore) -> Side:
    """A side of the options in SIDE, asked on its own port."""
    return Side(label, options, replace(asking, port=options["port"]), files)


@dataclass(frozen=True)
class Beyond:
    """What is asked beyond the sets of a source: at ``mentioned`` names all usual types. ``decisions`` about differences."""

    mentioned: Tuple[str, ...] = ()
    decisions: Decisions = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """The outcome: what was asked for, by whom it was answered, and the differences."""

    keys: Tuple[Key, ...]
    servers: Tuple[str, ...]
    differences: Tuple[Difference, ...]


def compare_sides(zone: str, old: Optional[Side], new: Side, given: Sequence[RRset], beyond: Optional[Beyond] = None) -> Compared:
    """Compare all servers of both sides with the first old one that answers, or without old ones with ``given``.

    Asked is for the sets in ``given``, those of each side that is transferred, and with old servers what probes.questions() says.
    Raises DnsFailure when no old server answers, and Refused when there is nothing to ask for.
    """
    beyond = beyond or Beyond()
    listed = {one.key for one in given}
    for side in (old, new):
        if side is not None and side.options["transfer"]:
            listed.update(side.transfer(zone).sets)
    if not listed and not beyond.mentioned:
        raise Refused(["Nothing to compare: set transfer for the old servers, or give record_sets."])
    keys = {(zone, kind) for kind in ("SOA", "NS", "DNSKEY")} | listed
    label = random_label()
    wanted = _only(keys) if old is None else questions(zone, keys, beyond.mentioned, old.options["transfer"], label)
    after = ask_each(new.places(), probe(zone, wanted, label, new.asking, new.label, False))
    if old is None:
        reference: Mapping[Key, RRset] = {one.key: one for one in given}
        others = after
    else:
        before = ask_each(old.places(), probe(zone, wanted, label, old.asking, old.label, True))
        reference, before = _reference(zone, before)
        others = [*before, *after]
    differences = [one for one in compare(zone, reference, others, beyond.decisions) if _counts(zone, one, keys)]
    return Compared(tuple(sorted(keys)), tuple(said.server for said in others), tuple(differences))


def _reference(zone: str, before: Sequence[Said]) -> Tuple[Mapping[Key, RRset], List[Said]]:
    """What the first old server that answers says, and the other old servers."""
    first = next((said for said in before if not said.failure), None)
    if first is None:
        raise DnsFailure(
            before[0].failure if before and before[0].failure != "no_address" else "unreachable",
            f"No old server of {zone[:-1]} answers: {'; '.join(said.message for said in before)}",
        )
    return first.sets, [said for said in before if said is not first]


def _only(keys: Iterable[Key]) -> Questions:
    """Questions for these sets and nothing else."""
    wanted: Dict[str, List[str]] = {}
    for name, kind in sorted(keys):
        wanted.setdefault(name, []).append(kind)
    return {name: tuple(kinds) for name, kinds in wanted.items()}


def _counts(zone: str, one: Difference, keys: Container[Key]) -> bool:
    """Whether a difference is about data: what only a server's software shows was not asked for."""
    sets = [found for found in (one.old, one.new) if found is not None]
    return one.key in keys or one.kind == "unreachable" or all(is_data(zone, found) for found in sets)


def random_label() -> str:
    """A label that no zone has."""
    return f"probe-{secrets.token_hex(8)}"
