# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An authoritative server of several zones in memory, that answers as RFC 1034 section 4.3.2 and RFC 4592 say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from fakes import FakeDns

from ansible_collections.smallfleet.infra.plugins.module_utils._dns import names
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset, ZoneContents
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.visibility import Answer


def rrset(name: str, kind: str, *values: str, ttl: int = 300) -> RRset:
    return RRset(name, kind, ttl, frozenset(values))


@dataclass
class ModelServer:
    """``minimal`` leaves the zone's NS out of positive answers. Without the rights, transfers and updates are refused."""

    zones: Mapping[str, Mapping[Key, RRset]]
    transfers: bool = False
    updates: bool = False
    minimal: bool = True
    stream: bool = True
    limit: int = 65000
    asked: List[Key] = field(default_factory=list)
    transferred: int = 0
    updated: int = 0

    def check_zone(self, zone: str) -> None:
        assert zone in self.zones

    def transfer(self, zone: str) -> ZoneContents:
        self.transferred += 1
        if not self.transfers:
            raise DnsFailure("refused", "REFUSED", 5)
        return FakeDns(zone, dict(self.zones[zone])).transfer(zone)

    def send(self, zone: str, message: Any) -> int:
        self.updated += 1
        assert not message.changes
        if not self.updates:
            raise DnsFailure("refused", "REFUSED", 5)
        return FakeDns(zone, dict(self.zones[zone])).send(zone, message)

    def ask(self, zone: str, name: str, kind: str) -> Answer:
        self.asked.append((name, kind))
        return self._answer(name, kind, 4)

    def _answer(self, name: str, kind: str, steps: int) -> Answer:
        """``steps`` are the aliases that are followed at most."""
        zone = self._nearest(name, kind)
        if zone is None:
            return Answer(0, True)
        sets = self.zones[zone]
        soa = FakeDns(zone).soa
        if name == zone and kind == "SOA":
            return Answer(0, True, (soa,))
        for above in reversed((name, *names.parents(name, zone))):
            servers = sets.get((above, "NS"))
            if servers is not None and above != zone and (above, kind) != (name, "DS"):
                glue = [sets.get((host, one)) for host in servers.values for one in ("A", "AAAA")]
                return Answer(0, False, (), (servers,), tuple(one for one in glue if one is not None))
            dname = sets.get((above, "DNAME"))
            if dname is not None and above != name:
                return Answer(0, True, (dname, rrset(name, "CNAME", "made.up.")))
        there = self._at(sets, name)
        if there is None:
            encloser = next(one for one in names.parents(name, zone) if self._at(sets, one) is not None)
            wild = self._at(sets, f"*.{encloser}")
            if wild is None:
                return Answer(3, True, (), (soa,))
            there = tuple(RRset(name, one.type, one.ttl, one.values) for one in wild)
        return self._from(zone, there, kind, steps)

    def _from(self, zone: str, there: Tuple[RRset, ...], kind: str, steps: int) -> Answer:
        found = tuple(one for one in there if one.type == kind or kind == "ANY")
        alias = next((one for one in there if one.type == "CNAME"), None)
        if alias is not None and not found:
            (target,) = alias.values
            followed = self._answer(target, kind, steps - 1) if steps else Answer(0, True)
            return Answer(followed.rcode, True, (alias, *followed.answer), followed.authority)
        if not found:
            return Answer(0, True, (), (FakeDns(zone).soa,))
        own = self.zones[zone].get((zone, "NS"))
        return Answer(0, True, found, () if self.minimal or own is None else (own,))

    def _nearest(self, name: str, kind: str) -> Optional[str]:
        zones = sorted((zone for zone in self.zones if names.within(name, zone)), key=len)
        if kind == "DS" and len(zones) > 1 and zones[-1] == name:
            return zones[-2]
        return zones[-1] if zones else None

    @staticmethod
    def _at(sets: Mapping[Key, RRset], name: str) -> Optional[Tuple[RRset, ...]]:
        """What is at a name; nothing at an empty one, None when the name does not exist."""
        found = tuple(one for key, one in sorted(sets.items()) if key[0] == name)
        return found if found or any(names.within(owner, name) for owner, _kind in sets) else None


def zone_sets(zone: str, sets: List[RRset]) -> Dict[Key, RRset]:
    """A zone that a server would load: nothing beside a CNAME, no CNAME and no cut at the apex."""
    found = {one.key: one for one in sets if names.within(one.name, zone)}
    alone = {name for name, kind in found if kind == "CNAME" and name != zone}
    kept = {key: one for key, one in found.items() if (key[1] == "CNAME" and key[0] != zone) or (key[0] not in alone and key[1] != "CNAME")}
    return {**kept, (zone, "NS"): rrset(zone, "NS", f"ns.{zone}")}
