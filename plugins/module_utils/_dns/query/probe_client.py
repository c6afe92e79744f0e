# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the servers of one side, each by itself, for many names, by several connections at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, Iterator, List, Sequence, Set

from ..client import DnsFailure
from ..migration.probes import ANY, Questions, as_wildcard
from ..model import Key, RRset
from ..wire_client import WireClient
from .compare import Said
from .contents_client import MANY
from .propagation_client import Asking, Endpoint

CONNECTIONS = 4
"""To one server at the same time; providers close them when there are many."""
_BATCH = MANY - 1  # more would be read by a transfer, which shows what a zone holds and not what is answered
_ONE_TYPE = ("refused", "malformed", "server_failure")  # what servers say to a question for a type that they do not know


@dataclass
class _Part:
    """What one connection asks, and what came back."""

    zone: str
    client: WireClient
    found: Dict[Key, RRset] = field(default_factory=dict)
    refused: Dict[str, str] = field(default_factory=dict)

    def ask(self, wanted: Questions) -> None:
        """Raises DnsFailure where the server does not answer at all."""
        self.client.check_zone(self.zone)
        first = [(name, kinds[0] if kinds[0] != ANY else "A") for name, kinds in wanted.items() if kinds]
        unused: Set[str] = set()
        for batch in _batches(first):
            unused.update(self._read(batch))
        rest = [(name, kind) for name, kinds in wanted.items() if name not in unused for kind in kinds[1:] if kind != ANY]
        for batch in _batches(rest):
            self._read(batch)
        for name, kinds in wanted.items():
            if ANY in kinds and name not in unused and not self._any(name):
                break

    def _read(self, keys: Sequence[Key]) -> FrozenSet[str]:
        """Reads these sets; the names of which the server says that they do not exist."""
        try:
            seen = self.client.read(self.zone, keys)
        except DnsFailure as failure:
            if failure.reason not in _ONE_TYPE:
                raise
            if len(keys) > 1:
                return frozenset().union(*(self._read([key]) for key in keys))
            self.refused.setdefault(keys[0][1], str(failure))
            return frozenset()
        self.found.update(seen)
        return seen.unused

    def _any(self, name: str) -> bool:
        """Whether the server answers such questions; many do not, and what they say then is no answer (RFC 8482)."""
        try:
            for key, one in self.client.read(self.zone, [(name, ANY)]).items():
                self.found.setdefault(key, one)
        except DnsFailure:
            return False
        return True


def probe(zone: str, wanted: Questions, label: str, asking: Asking, who: str, old: bool) -> Callable[[Endpoint], Said]:
    """Asks one server everything. ``label`` is that of questions for wildcards, ``who`` begins the server's name."""
    shares = [dict(list(wanted.items())[start::CONNECTIONS]) for start in range(CONNECTIONS)]

    def ask_share(place: Endpoint, share: Questions) -> _Part:
        with closing(asking.client(place)) as client:
            part = _Part(zone, client)
            part.ask(share)
            return part

    def ask(place: Endpoint) -> Said:
        server = f"{who} {place}"
        if not place.address:
            return Said(server, {}, "no_address", "has no address of the asked families", old)
        try:
            with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
                parts = list(pool.map(lambda share: ask_share(place, share), [share for share in shares if share]))
        except DnsFailure as failure:
            return Said(server, {}, failure.reason, str(failure), old)
        found: Dict[Key, RRset] = {}
        refused: Dict[str, str] = {}
        for part in parts:
            refused.update(part.refused)
            for (name, kind), one in part.found.items():
                real = as_wildcard(name, label)
                found.setdefault((real, kind), RRset(real, kind, one.ttl, one.values, one.exact))
        return Said(server, found, old=old, refused=refused)

    return ask


def _batches(keys: Sequence[Key]) -> Iterator[List[Key]]:
    for start in range(0, len(keys), _BATCH):
        yield list(keys[start : start + _BATCH])
