# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a moving zone's old servers, new servers and parent, and keeping what cannot be seen later."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Callable, ContextManager, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..._shared.limits import BadText, load_json
from ..._system.clock import Clock
from ..._system.files import FileStore, NotText
from .. import names
from ..client import DnsFailure
from ..dnssec_client import read_ds, read_key
from ..model import Key, RRset
from ..option_files_host import read_option, reason, write_dest, write_remedy
from ..query.compare_client import Side
from ..query.propagation_client import Endpoint, ask_each, question, zone_endpoints
from ..query.reading_client import soa_of
from ..rdata_client import read_value
from ..update.plan import Refused
from ..wire_client import WireClient
from .evidence_client import Findings, Source, examine
from .imported import Canonical
from .losses import unexplained
from .phases import BadMemory, Memory, OldZone, Position, Seen, look, recall, store

WAITS = ("wait_ttl", "wait_ds", "settle", "wait_ns")
NEEDS_OLD = ("lower", "wait_ttl", "explain", "publish", "unsign", "wait_ds", "switch")
_STATE_FOLDER = "/var/lib/smallfleet/dns_move"


@dataclass(frozen=True)
class Move:
    """What is moved from where to where. ``source`` is what a file says where the old zone cannot be transferred, and decisions."""

    zone: str
    old: Side
    new: Side
    parent_zone: str
    parent: Side
    low: int
    canonical: Canonical
    source: Source = field(default_factory=Source)


@dataclass(frozen=True)
class View:
    """One look: what the planner needs, the new servers' own addresses by name, and why the old zone is not there.

    ``listed`` are the old zone's sets as the transfer or the file has them.
    """

    seen: Seen
    addresses: Mapping[str, FrozenSet[str]]
    delegated: Mapping[str, str]
    failure: Optional[DnsFailure] = None
    listed: Mapping[Key, RRset] = field(default_factory=dict)


def observe(move: Move, now: int) -> View:
    """Ask everybody. Failures are part of what is seen; those of the old zone are kept apart."""
    old, failure, listed = None, None, move.source.listed
    try:
        old, listed = _old_zone(move)
    except DnsFailure as found:
        failure = found
    served, keys, addresses = _new_zone(move)
    delegations, delegation_ttl, ds, said = _delegations(move, addresses)
    unmatched = ds if ds is not None and not _matched(move.zone, ds, keys) else None
    seen = Seen(now, old, served, delegations, delegation_ttl, unmatched)
    return View(seen, addresses, said, failure, listed)


def _old_zone(move: Move) -> Tuple[OldZone, Mapping[Key, RRset]]:
    """The sets that are to be imported, as the old servers have them, and those that the transfer or the file has."""
    places = move.old.places()
    answers = ask_each(places, question(move.zone, None, move.old.asking))
    serials = frozenset(answer.serial for answer in answers if answer.serial is not None)
    contents = move.old.transfer(move.zone) if move.old.options["transfer"] else None
    held: Mapping[Key, RRset] = contents.sets if contents is not None else {}
    keys = [key for key in move.source.keys(move.zone) if key not in held]
    listed = {**move.source.listed, **held}
    if contents is not None and not keys:
        return OldZone(held, _negative(contents.soa), serials), listed
    if contents is None and not keys and not move.source.mentioned(move.zone):
        raise Refused(["old: set transfer, or give record_sets, so that it is known what is in the zone."])
    for place, answer in zip(places, answers):
        if not answer.failure:
            with closing(move.old.asking.client(place)) as client:
                soa = soa_of(client, move.zone)
                found = _read(client, move.zone, [(move.zone, "NS"), *keys])
            return OldZone({**found, **held}, _negative(soa), serials), listed
    raise DnsFailure("unreachable", "; ".join(answer.message for answer in answers) or "The zone has no old server.")


def _read(client: WireClient, zone: str, keys: Sequence[Key]) -> Dict[Key, RRset]:
    """These sets and no others. A question for a CNAME alone would be followed by one that many providers refuse."""
    found = client.read(zone, [(name, "A" if kind == "CNAME" else kind) for name, kind in keys])
    return {key: found[key] for key in keys if key in found}


def _negative(soa: RRset) -> int:
    """For how long resolvers keep that a name does not exist (RFC 2308 section 5)."""
    return min(soa.ttl, int(soa.spelled[0].split()[6]))


def _new_zone(move: Move) -> Tuple[FrozenSet[str], FrozenSet[str], Dict[str, FrozenSet[str]]]:
    """Nameservers (none unless all new servers serve the zone alike), DNSKEYs, and addresses of names in the zone."""

    def ask(place: Endpoint) -> Dict[Key, RRset]:
        if not place.address:
            return {}
        client = move.new.asking.client(place)
        try:
            found = client.read(move.zone, [(move.zone, "NS"), (move.zone, "DNSKEY")])
            servers = found.get((move.zone, "NS"))
            inside = [name for name in (servers.values if servers else ()) if names.within(name, move.zone)]
            found.update(client.read(move.zone, [(name, kind) for name in inside for kind in ("A", "AAAA")]))
        except DnsFailure:
            return {}
        finally:
            client.close()
        return found

    answers = ask_each(move.new.places(), ask)
    served = {_values(one, (move.zone, "NS")) for one in answers}
    first = answers[0] if answers else {}
    nameservers = next(iter(served)) if len(served) == 1 else frozenset()
    addresses = {name: _values(first, (name, "A")) | _values(first, (name, "AAAA")) for name in nameservers if names.within(name, move.zone)}
    return nameservers, _values(first, (move.zone, "DNSKEY")), addresses


def _values(sets: Mapping[Key, RRset], key: Key) -> FrozenSet[str]:
    found = sets.get(key)
    return found.values if found else frozenset()


Delegations = Tuple[Tuple[FrozenSet[str], ...], int, Optional[RRset], Dict[str, str]]


def _delegations(move: Move, addresses: Mapping[str, FrozenSet[str]]) -> Delegations:
    """What each server of the parent names, the longest TTL, the DS, and for people by server what it says."""
    places = move.parent.places() or zone_endpoints(move.parent_zone, move.parent.asking)
    wanted = [(move.zone, "NS"), (move.zone, "DS")]
    wanted += [(name, kind) for name in sorted(addresses) for kind in ("A", "AAAA")]

    def ask(place: Endpoint) -> Tuple[Dict[Key, RRset], str]:
        if not place.address:
            return {}, "has no address"
        client = move.parent.asking.client(place)
        try:
            return client.read(move.parent_zone, wanted), ""
        except DnsFailure as failure:
            return {}, str(failure)
        finally:
            client.close()

    answers = ask_each(places, ask)
    named = tuple(_named(move.zone, sets, addresses) for sets, _message in answers)
    ttl = max((sets[move.zone, "NS"].ttl for sets, _message in answers if (move.zone, "NS") in sets), default=0)
    ds = next((sets[move.zone, "DS"] for sets, _message in answers if (move.zone, "DS") in sets), None)
    said = {str(place): message or ", ".join(sorted(one)) or "nothing" for place, (_sets, message), one in zip(places, answers, named)}
    return named, ttl, ds, said


def _named(zone: str, sets: Mapping[Key, RRset], addresses: Mapping[str, FrozenSet[str]]) -> FrozenSet[str]:
    """The nameservers, told apart from equal names that lead to other addresses."""
    shown = []
    for name in _values(sets, (zone, "NS")):
        glue = _values(sets, (name, "A")) | _values(sets, (name, "AAAA"))
        if name in addresses and (not glue or not glue <= addresses[name]):
            name = f"{name} ({', '.join(sorted(glue)) or 'without an address'})"
        shown.append(name)
    return frozenset(shown)


def _matched(zone: str, ds: RRset, keys: FrozenSet[str]) -> bool:
    """Whether a resolver that has this DS can believe the new servers."""
    accepted = {fitting for key in keys for fitting in read_key(zone, read_value("DNSKEY", key, None)).ds}
    return any(read_ds(read_value("DS", one, None)) in accepted for one in ds.values)


class MemoryFile:
    """The memory of a move as a file of the host where the module runs. ``lock`` holds a folder, and waits for whoever holds it."""

    def __init__(self, files: FileStore, path: Optional[str], zone: str, lock: Callable[[str], ContextManager[None]]) -> None:
        self._files = files
        self._lock = lock
        self._option = "state_file" if path else "The memory of the move"
        self.path = path or f"{_STATE_FOLDER}/{zone[:-1].replace('/', '-')}.json"

    def read(self) -> Memory:
        """Raises Refused for a file that cannot be read."""
        try:
            text = read_option(self._files, self._option, self.path)
            return recall(None if text is None else load_json(text, "The file"))
        except (BadMemory, NotText, BadText) as error:
            remedy = "Move it away to begin anew, which waits the TTLs out again."
            why = reason(error) if isinstance(error, NotText) else str(error)
            raise Refused([f"{self._option}: {self.path} cannot be used. {why.rstrip('.')}. {remedy}"]) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While other runs on this host wait, which may be of the same move. Raises Refused."""
        with ExitStack() as held:
            try:
                held.enter_context(self._lock(os.path.dirname(os.path.abspath(self.path))))
            except OSError as error:
                raise Refused([f"{self._option}: the folder of {self.path} cannot be used: {reason(error)}. {write_remedy(error)}"]) from None
            yield

    def write(self, memory: Memory) -> None:
        write_dest(self._files, self._option, self.path, json.dumps(store(memory), indent=1) + "\n")


@dataclass(frozen=True)
class Progress:
    """The last look of a call, the position it gives, whether the memory has changed since before, and what is in doubt."""

    view: View
    position: Position
    changed: bool
    findings: Findings


def proceed(move: Move, file: MemoryFile, clock: Clock, now: Callable[[], int], patience: float, check: bool) -> Progress:
    """Look, and while only time is needed, look again for at most ``patience`` seconds. Raises DnsFailure, Refused.

    What is remembered is read, and kept, for each look anew, and by one run at a time: another operator may run the same move.
    """
    first = file.read()
    end = clock.monotonic() + (0 if check else patience)
    while True:
        with nullcontext() if check else file.alone():
            memory = file.read()
            view = observe(move, now())
            position = look(view.seen, memory, move.low)
            if position.memory != memory and not check:
                file.write(position.memory)
        memory = position.memory
        if position.next in NEEDS_OLD and view.failure is not None:
            raise view.failure
        rest = end - clock.monotonic()
        if position.next not in WAITS or rest <= 0:
            findings = _findings(move, view, position)
            seen = replace(view.seen, unexplained=len(unexplained(findings.losses)))
            return Progress(view, look(seen, memory, move.low), memory != first, findings)
        needed = position.until - view.seen.now if position.until is not None else 1
        clock.sleep(max(0.2, min(rest, needed, 10)))


def _findings(move: Move, view: View, position: Position) -> Findings:
    """What is in doubt, where the old zone still counts."""
    if position.next not in NEEDS_OLD or view.seen.old is None:
        return Findings()
    return examine(move.zone, move.old, view.seen.old.sets, view.listed, move.source, move.canonical)


def delegation(move: Move, view: View, ttl: int) -> List[Dict[str, Any]]:
    """What the parent, or the old zone, shall hold, as dns_record_sets takes it: nameservers, and addresses of theirs.

    Addresses only of names in the zone: servers refuse a nameserver there that has none.
    """
    sets: List[Dict[str, Any]] = [{"record": move.zone, "type": "NS", "ttl": ttl, "value": sorted(view.seen.nameservers)}]
    for name, found in sorted(view.addresses.items()):
        for kind, mark in (("A", "."), ("AAAA", ":")):
            chosen = sorted(one for one in found if mark in one)
            if chosen:
                sets.append({"record": name, "type": kind, "ttl": ttl, "value": chosen})
    return sets
