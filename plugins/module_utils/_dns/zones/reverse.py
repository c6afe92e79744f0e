# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reverse zones: the addresses that a zone's name stands for, and PTR records of the fleet's hosts in them.

Sources: RFC 1035 section 3.5, RFC 3596 section 2.5, and RFC 2317 for a part of 256 addresses, whose zone is named
``0/26.2.0.192.in-addr.arpa``, or ``0-26`` or ``0-63`` in its first label.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Mapping, Optional, Sequence, Set, Union

from ..._fleet.model import Fleet, Host
from ..._fleet.values import Notes
from .. import names
from .records import Table
from .variables import Zone

Network = Union[IPv4Network, IPv6Network]

_IPV4, _IPV6 = ".in-addr.arpa.", ".ip6.arpa."
_OCTET = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_NIBBLE = re.compile(r"[0-9a-f]")
_PART = re.compile(r"(0|[1-9][0-9]{0,2})([/-])([1-9][0-9]{0,2})", re.ASCII)


def network(zone: str) -> Optional[Network]:
    """The addresses whose names are in a zone with this canonical name; None for every other zone."""
    if zone.endswith(_IPV4):
        return _ipv4(zone[: -len(_IPV4)].split("."))
    if zone.endswith(_IPV6):
        return _ipv6(zone[: -len(_IPV6)].split("."))
    return None


def is_reverse(zone: str) -> bool:
    """Whether a canonical name is in the tree of one of the two families."""
    return f".{zone}".endswith((_IPV4, _IPV6))


def pointer_name(address: str, zone: str) -> str:
    """The canonical name of an address of the zone's network."""
    own = ip_address(address).reverse_pointer + "."
    return own if names.within(own, zone) else f"{own.partition('.')[0]}.{zone}"


def _ipv4(labels: Sequence[str]) -> Optional[IPv4Network]:
    part = _PART.fullmatch(labels[0])
    octets = [label for label in labels[1 if part else 0 :][::-1] if _OCTET.fullmatch(label) and int(label) < 256]
    if len(octets) != len(labels) - bool(part) or len(octets) > 4:
        return None
    if part is None:
        return IPv4Network((".".join([*octets, "0", "0", "0"][:4]), 8 * len(octets)))
    first, last = int(part[1]), int(part[3])
    length = _length(first, part[2], last)
    if len(octets) != 3 or length is None:
        return None
    return IPv4Network((f"{'.'.join(octets)}.{first}", length))


def _length(first: int, sign: str, last: int) -> Optional[int]:
    """The prefix length that ``first/last``, ``first-last`` mean; of ``0-31``, which could be both, the range of addresses."""
    size = last - first + 1
    if sign == "-" and first < last < 256 and size & (size - 1) == 0 and first % size == 0:
        return 32 - (size.bit_length() - 1)
    fits = 24 < last <= 32 and first < 256 and first % 2 ** (32 - last) == 0
    return last if fits else None


def _ipv6(labels: Sequence[str]) -> Optional[IPv6Network]:
    if len(labels) > 32 or not all(_NIBBLE.fullmatch(label) for label in labels):
        return None
    return IPv6Network((int("".join(labels[::-1]).ljust(32, "0"), 16), 4 * len(labels)))


def check_reverse(zones: Sequence[Zone], notes: Notes) -> None:
    """Notes reverse zones that are to publish hosts and stand for no addresses."""
    for zone in zones:
        if zone.hosts_written and zone.hosts and is_reverse(zone.name) and network(zone.name) is None:
            said = "is true, and the zone's name does not stand for addresses, so that it can have no PTR records of hosts"
            form = "2.0.192.in-addr.arpa, 0/26.2.0.192.in-addr.arpa or 8.b.d.0.1.0.0.2.ip6.arpa"
            notes.add("", f"{zone.path}.hosts", said, f"Write false, or name the zone by whole octets or hexadecimal digits, such as {form}")


def publish_pointers(fleet: Fleet, zones: Sequence[Zone], tables: Mapping[str, Table], claims: Mapping[str, str]) -> None:
    """Put PTR records of the fleet's hosts into the tables of the reverse zones that publish hosts.

    A host's address has a PTR if the zone that has its name publishes this address, or is not in the inventory. With
    a purpose, it leads to the name that a zone of the same purpose publishes it for. Records of
    the inventory win: where one of them takes the name, or delegates it, there is no PTR of a host. Addresses that a zone of the
    fleet has by RFC 2317 have CNAME records that lead there, and no PTR.
    """
    for zone in zones:
        addresses = network(zone.name)
        if addresses is None or not zone.hosts:
            continue
        others = [one.name for one in zones if one.name != zone.name and names.within(one.name, zone.name)]
        aliases = _add_aliases(zone, [one for one in others if _is_part(one)], others, tables[zone.name], claims)
        for host in fleet.hosts.values():
            if zone.hidden and host is zone.primary:
                continue
            for address in (one for one in host.addresses_for(zone.purpose) if ip_address(one) in addresses):
                owner = pointer_name(address, zone.name)
                if owner in aliases:
                    tables[zone.name].replaced.append((owner, "PTR"))
                if owner in claims or any(names.within(owner, other) for other in others):
                    continue
                target = _target(host, address, zone, zones, tables)
                if target and not _is_taken(owner, tables[zone.name]):
                    tables[zone.name].add(owner, "PTR", zone.ttl, [target], f"host {host.name}")


def _is_part(zone: str) -> bool:
    """Whether a canonical name stands for a part of 256 addresses (RFC 2317)."""
    return network(zone) is not None and _PART.fullmatch(zone.partition(".")[0]) is not None


def _add_aliases(zone: Zone, parts: Sequence[str], below: Sequence[str], table: Table, claims: Mapping[str, str]) -> Set[str]:
    """Put CNAME records that lead to the zones of parts of 256 addresses into the table of the zone above; answers their names.

    Where two of these zones overlap, the smaller one has the address. Nothing is put beside a record of the inventory.
    """
    added: Set[str] = set()
    for part, addresses in sorted(((part, network(part)) for part in parts), key=lambda one: (-one[1].prefixlen if one[1] else 0, one[0])):
        for address in addresses or ():
            owner = f"{address.reverse_pointer}."
            if owner in claims or any(names.within(owner, other) for other in below) or _is_taken(owner, table):
                continue
            if not table.add(owner, "CNAME", zone.ttl, [pointer_name(str(address), part)], f"the zone {part[:-1]}"):
                added.add(owner)
    return added


def _target(host: Host, address: str, zone: Zone, zones: Sequence[Zone], tables: Mapping[str, Table]) -> str:
    """The name to which the PTR of an address in a reverse zone leads: that in a zone of the same purpose, or the host's own; empty for none."""
    try:
        own = {one.name: one.name_of(host) for one in zones if zone.purpose_written and one.purpose == zone.purpose and not is_reverse(one.name)}
    except names.BadName:
        return ""
    kind = "AAAA" if ":" in address else "A"
    published = [name for closest, name in own.items() if address in tables[closest].values_at(name, kind)]
    return next(iter(published), names.canonical(host.fqdn) if _is_public(host, address, tables) else "")


def _is_public(host: Host, address: str, tables: Mapping[str, Table]) -> bool:
    try:
        name = names.canonical(host.fqdn)
    except names.BadName:
        return False
    closest = max((zone for zone in tables if names.within(name, zone)), key=len, default="")
    kind = "AAAA" if ":" in address else "A"
    return not closest or address in tables[closest].values_at(name, kind)


def _is_taken(owner: str, table: Table) -> bool:
    """Whether the inventory says what is at the name, or that it is below a delegation or a DNAME."""
    above = [name for name in names.parents(owner, table.zone) if name != table.zone]
    taken = [(owner, kind) for kind in ("PTR", "CNAME", *(("NS", "DNAME") if owner != table.zone else ()))]
    return any(key in table.entries for key in (*taken, *((name, kind) for name in above for kind in ("NS", "DNAME"))))
