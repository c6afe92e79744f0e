# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the inventory's hosts, groups and variables to the fleet, with everything that is wrong said at once."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Sequence, Set, Tuple

from .hosts import read_host
from .model import Fleet, Host, Network
from .networks import read_networks
from .problems import Problem
from .purposes import OF_FLEET, read_purposes
from .values import Notes, integer, is_domain, kind, shown, truth
from .variables import VARIABLES, agree, find_blanks, find_faults, find_secrets, find_typos, plain_hosts

_FLEET_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MEMBER = "fleet_host_member"


def read_fleet(hosts: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> Tuple[Fleet, Tuple[Problem, ...]]:
    """The fleet that an inventory describes, and its problems.

    ``hosts`` maps each host of the whole inventory to its variables, already rendered; ``groups`` maps each group to
    its hosts. Values may be of any type. The fleet is always returned, without the parts that could not be read, so
    that the capabilities can be checked in the same go; it must not be used when there are problems.

    The result does not depend on the order of hosts, groups or keys, and each host is read from its own variables and the
    fleet's, so a host that joins changes no other.
    """
    notes = Notes()
    clean = plain_hosts(hosts, notes)
    members = {host: clean[host] for host in sorted(clean) if _is_member(host, clean[host], notes)}
    if not members:
        notes.add("", "hosts", "the inventory has no host of the fleet", "Add hosts to the inventory", blank=True)
    for host, variables in members.items():
        find_typos(host, variables, notes)
    common = agree(members, notes)
    _search_everywhere(members, common, notes)
    name = _read_name(common.get("fleet_name"), notes)
    domain = _read_domain(common.get("fleet_domain"), notes)
    networks = read_networks(common.get("fleet_networks"), notes)
    purposes = read_purposes("", OF_FLEET, common.get(OF_FLEET), networks, notes)
    placed = _read_groups(groups, members, notes)
    found: Dict[str, Host] = {}
    within: Dict[str, List[str]] = {host: [] for host in members}
    for group, names in placed.items():
        for host in names:
            within[host].append(group)
    for host, variables in members.items():
        found[host] = read_host(host, variables, tuple(within[host]), networks, domain, purposes, notes)
    _find_duplicates(found, members, notes)
    _find_overlaps(found, networks.usable, notes)
    return Fleet(name, domain, networks.usable, found, placed, common), tuple(sorted(set(notes.problems)))


def _is_member(host: str, variables: Mapping[str, Any], notes: Notes) -> bool:
    value = variables.get(_MEMBER, True)
    member = truth(value)
    if member is None:
        notes.add(host, _MEMBER, f"must be true or false, found {shown(value)}", "Leave it out for a member of the fleet")
    return member is not False


def _search_everywhere(members: Mapping[str, Mapping[str, Any]], common: Mapping[str, Any], notes: Notes) -> None:
    """Note secrets, places without a value, and inputs of roles that cannot be used, in what holds for the fleet and in what is each host's own."""
    own = {host: {name: value for name, value in variables.items() if name not in common} for host, variables in members.items()}
    for host, variables in {"": common, **own}.items():
        find_faults(host, variables, notes)
        for variable, value in variables.items():
            find_secrets(host, variable, value, notes)
            if variable in VARIABLES:
                find_blanks(host, variable, value, notes)


def _read_name(value: Any, notes: Notes) -> str:
    if isinstance(value, str) and _FLEET_NAME.fullmatch(value):
        return value
    said = "is not set" if value is None else f"{shown(value)} is not a usable name"
    notes.add("", "fleet_name", said, "Use 1 to 31 characters: a small letter, then small letters, digits and -")
    return "fleet"


def _read_domain(value: Any, notes: Notes) -> str:
    if is_domain(value):
        return str(value)
    said = "is not set" if value is None else f"{shown(value)} is not a domain name in small letters without a final dot"
    notes.add("", "fleet_domain", said, "Write for example demo.example.net", blank=value is None)
    return "invalid"


def _read_groups(groups: Mapping[str, Sequence[str]], members: Mapping[str, Any], notes: Notes) -> Dict[str, Tuple[str, ...]]:
    """The groups with their members only, both in order of name; a group without a member is kept."""
    if not isinstance(groups, Mapping):
        notes.add("", "groups", f"expected a dictionary of groups, found {kind(groups)}", "Correct the inventory")
        return {}
    found: Dict[str, Tuple[str, ...]] = {}
    for group in sorted(groups, key=str):
        names = groups[group] if isinstance(groups[group], (list, tuple)) else []
        found[str(group)] = tuple(sorted({name for name in names if isinstance(name, str) and name in members}))
    return found


def _find_duplicates(hosts: Mapping[str, Host], members: Mapping[str, Mapping[str, Any]], notes: Notes) -> None:
    """Note what two hosts claim, at every claimant but the first in order of name."""
    everyone = sorted(hosts.values(), key=lambda host: host.name)
    same_number: Set[str] = set()
    for host, owner, number in _claims(everyone, lambda host: _number_of(members[host.name])):
        same_number.add(host.name)
        message = f"the number {number} already belongs to {owner.name}"
        notes.add(host.name, "fleet_host_number", message, "Give each host a number of its own")
    for host, owner, address in _claims(everyone, _addresses_of):
        if host.name not in same_number:
            message = f"the address {address} already belongs to {owner.name}"
            notes.add(host.name, "fleet_host_networks", message, "Give each host an address of its own")
    for host, owner, mac in _claims(everyone, lambda host: [place.mac for place in host.attachments if place.mac]):
        notes.add(host.name, "fleet_host_networks", f"the MAC {mac} already belongs to {owner.name}", "Give each host the MAC of its own card")
    for host, owner, short in _claims(everyone, lambda host: [host.fqdn.split(".", maxsplit=1)[0]]):
        name = f"the full name {host.fqdn}" if host.fqdn == owner.fqdn else f"the short name {short}"
        message = f"{name} already belongs to {owner.name}"
        notes.add(host.name, "fleet_host_fqdn", message, "Let the first labels of the full names differ")


def _claims(hosts: Sequence[Host], of_host: Callable[[Host], Iterable[str]]) -> Iterator[Tuple[Host, Host, str]]:
    """(later host, first host, value) for each value that more than one host claims."""
    owners: Dict[str, Host] = {}
    for host in hosts:
        for value in of_host(host):
            owner = owners.setdefault(value, host)
            if owner is not host:
                yield host, owner, value


def _find_overlaps(hosts: Mapping[str, Host], networks: Mapping[str, Network], notes: Notes) -> None:
    """Note subnets of hosts in routed networks that share addresses with a shared network."""
    for host in hosts.values():
        for place in (place for place in host.attachments if networks[place.network].routed):
            for family in ("ipv4", "ipv6"):
                face = getattr(place, family)
                for other in networks.values() if face is not None else ():
                    subnet = getattr(other, family)
                    if subnet is not None and face.network.overlaps(subnet):
                        message = f"{face.network} overlaps {subnet} of network {other.name}"
                        notes.add(host.name, f"fleet_host_networks.{place.network}.{family}", message, "Correct the address or its prefix")


def _number_of(variables: Mapping[str, Any]) -> List[str]:
    number = integer(variables.get("fleet_host_number"))
    return [] if number is None else [str(number)]


def _addresses_of(host: Host) -> List[str]:
    return [address for place in host.attachments for address in place.addresses]
