# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the old and the new servers of a zone for every record set that one of them, or an import, has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .._core.dns.compare import Difference, Said, compare
from .._core.dns.model import Key, RRset, ZoneContents
from .._core.dns.plan import Refused
from .dns import DnsFailure
from .dns_agree import Asking, Endpoint, ask_each, endpoints
from .dns_options import ALGORITHMS, TRANSPORT_RULES, make_client
from .dns_transfer import transfer
from .files import FileStore

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
                client = make_client(self._transport(place), self.files)
                return transfer(client.server, client.key, zone)
            except DnsFailure as found:
                failure = found
        if failure is None:
            raise Refused([f"{self.label}: names no server."])
        raise failure

    def _transport(self, place: Endpoint) -> Dict[str, Any]:
        keys = {name: self.options[name] for name in ("key_name", "key_secret", "key_algorithm", "key_file")}
        asking = self.asking
        if not place.address:
            raise DnsFailure("unreachable", f"{place.name} has no address.")
        return {"server": place.address, "port": asking.port, "protocol": "tcp", "timeout": asking.timeout, **keys}


def side_of(label: str, options: Mapping[str, Any], asking: Asking, files: FileStore) -> Side:
    """A side of the options in SIDE, asked on its own port."""
    return Side(label, options, replace(asking, port=options["port"]), files)


def reader(zone: str, keys: Sequence[Key], side: Side) -> Callable[[Endpoint], Said]:
    """Asks one server for all of these sets."""

    def ask(place: Endpoint) -> Said:
        name = f"{side.label} {place}"
        if not place.address:
            return Said(name, {}, "no_address", "has no address of the asked families")
        client = side.asking.client(place)
        try:
            found = client.read(zone, keys)
        except DnsFailure as failure:
            return Said(name, {}, failure.reason, str(failure))
        finally:
            client.close()
        return Said(name, found)

    return ask


@dataclass(frozen=True)
class Compared:
    """The outcome: what was asked for, by whom it was answered, and the differences."""

    keys: Tuple[Key, ...]
    servers: Tuple[str, ...]
    differences: Tuple[Difference, ...]


def compare_sides(zone: str, old: Optional[Side], new: Side, given: Sequence[RRset]) -> Compared:
    """Compare all servers of both sides with the first old one that answers, or without old ones with ``given``.

    Asked is for the sets in ``given``, and those of each side that is transferred. Raises DnsFailure when no old
    server answers, and Refused when there is nothing to ask for.
    """
    keys = {(zone, kind) for kind in ("SOA", "NS", "DNSKEY")} | {one.key for one in given}
    for side in (old, new):
        if side is not None and side.options["transfer"]:
            keys.update(side.transfer(zone).sets)
    if len(keys) == 3:
        raise Refused(["Nothing to compare: set transfer for the old servers, or give record_sets."])
    wanted = sorted(keys, key=lambda one: (one[0] != zone, one))
    after = ask_each(new.places(), reader(zone, wanted, new))
    if old is None:
        reference: Mapping[Key, RRset] = {one.key: one for one in given}
        others = after
    else:
        before = ask_each(old.places(), reader(zone, wanted, old))
        first = next((said for said in before if not said.failure), None)
        if first is None:
            raise DnsFailure(
                before[0].failure if before and before[0].failure != "no_address" else "unreachable",
                f"No old server of {zone[:-1]} answers: {'; '.join(said.message for said in before)}",
            )
        reference = first.sets
        others = [*(said for said in before if said is not first), *after]
    differences = compare(zone, reference, others)
    return Compared(tuple(wanted), tuple(said.server for said in others), tuple(differences))
