# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delegations in a zone's table: those of the fleet's own zones, and what may not be at or below any.

The parent of a zone in ``dns_zones`` that is in ``dns_zones`` too gets the zone's nameservers as an NS set, and addresses
for those whose names are in the parent (glue, RFC 9471). An NS set that is written in ``records`` is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Mapping, Sequence, Set, Tuple

from ..._fleet.values import Notes
from .. import names
from ..migration.occluded import ADDRESSES, cuts_among, occluded
from .records import Table
from .variables import Zone


@dataclass(frozen=True)
class ZoneBelow:
    """A zone of the fleet below another one: its nameservers, and all its record sets."""

    nameservers: Tuple[str, ...]
    table: Table


def add_delegations(
    zone: Zone,
    table: Table,
    below: Mapping[str, ZoneBelow],
    host_addresses: Callable[[str], Sequence[str]],
    notes: Notes,
) -> None:
    """Put the delegations of the zones ``below``, by name, into the table of their parent.

    ``host_addresses(name)`` are those of the host with this name.
    """
    for child in sorted(below):
        others = (other for other in below if other != child)
        if (child, "NS") in table.entries or any(names.within(child, other) for other in others):
            continue
        servers = below[child].nameservers
        if not servers:
            continue
        source = f"dns_zones.{child[:-1]}"
        trouble = table.add(child, "NS", zone.ttl, servers, source)
        if trouble:
            notes.add("", f"{zone.path}.records", f"{child} is delegated, and {trouble}", "Take that record away")
            continue
        for server in servers:
            if names.within(server, zone.name):
                _add_addresses(zone, table, below, server, child, host_addresses(server), notes)


def _add_addresses(
    zone: Zone,
    table: Table,
    below: Mapping[str, ZoneBelow],
    server: str,
    child: str,
    of_host: Sequence[str],
    notes: Notes,
) -> None:
    if any((server, kind) in table.entries for kind in ADDRESSES):
        return
    owner = max((name for name in below if names.within(server, name)), key=len, default="")
    added = False
    for kind in ADDRESSES:
        known: Sequence[str] = below[owner].table.values_at(server, kind) if owner else ()
        known = known or [address for address in of_host if (":" in address) == (kind == "AAAA")]
        added = bool(known and not table.add(server, kind, zone.ttl, known, f"dns_zones.{child[:-1]}")) or added
    if not added:
        said = f"{server} is a nameserver of {child[:-1]} and has no address"
        notes.add("", f"dns_zones.{child[:-1]}", said, f"Add its A or AAAA record to {zone.path}.records")


def cuts_of(table: Table) -> Set[str]:
    """The names that the table delegates."""
    return cuts_among(table.zone, table.entries)


def servers_of(table: Table) -> Set[str]:
    """The nameservers of all delegations in the table."""
    return {server for cut in cuts_of(table) for server in table.values_at(cut, "NS")}


def check_delegations(zone: Zone, table: Table, notes: Notes) -> None:
    """Note what no resolver would ever see."""
    nameservers = {cut: frozenset(table.values_at(cut, "NS")) for cut in cuts_of(table)}
    for (name, kind), reason in occluded(zone.name, table.entries, nameservers).items():
        source = table.entries[name, kind].source
        path = source if source.startswith("dns_zones.") else f"{zone.path}.records"
        notes.add("", path, f"{name} {reason.text}", reason.remedy)


def answerable(record_sets: Iterable[Mapping[str, Any]], zone: str, served: Sequence[str]) -> List[Mapping[str, Any]]:
    """Of a zone's record sets those that a server shows which serves the zones ``served`` below it, too."""
    found = []
    for one in record_sets:
        name = names.qualify(one["record"], zone)
        ds_at = one["type"] == "DS"
        if not any(names.within(name, cut) and not (ds_at and name == cut) for cut in served):
            found.append(one)
    return found
