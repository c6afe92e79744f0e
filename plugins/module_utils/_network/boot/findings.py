# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the readers of boot configurations share: the state they judge, and what they report.

A reader compares the boot configuration of others, before and after a change, with the inventory. What only the old files
gave is lost at the next boot although the kernel may still have it now: a warning, or a problem when the host is managed by
it. What files of others still give the interfaces of the inventory comes back at the next boot: a problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ..._shared.limits import excerpt
from ..._shared.masking import MASK, is_secret, masked
from ..backends.base import present
from ..kernel.macs import mac_of
from ..model import MAIN_TABLE, Desired, Interface, Observed, Rule

CARDS = ("", "veth")
"""The kernel's kinds of what is a card, or stands for one in a container."""
MOST = 40
"""Settings that one message lists; the rest is counted."""


@dataclass(frozen=True)
class Boot:
    """A host before a change. ``desired`` is pinned, ``existing`` and ``after`` are the files of its boot configuration.

    ``management`` are the addresses by which it is managed, ``peers`` those from which it is managed right now. ``made`` are the
    options that the boot configuration gives each bridge and bond, in the kernel's names (see ``options.made``).
    ``configured_by``: interface -> file, as systemd-networkd says.
    """

    desired: Desired
    observed: Observed
    existing: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    management: Tuple[str, ...] = ()
    peers: Tuple[str, ...] = ()
    made: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    configured_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def managed(self) -> Dict[str, Interface]:
        return {one.name: one for one in self.desired.interfaces}

    @property
    def addresses(self) -> Set[str]:
        """Each address of the inventory, without its prefix length."""
        return {address.ip for one in present(self.desired) for address in one.addresses}

    @property
    def rules(self) -> List[Rule]:
        """The rules of the inventory."""
        return [one for one in self.desired.rules if not one.absent]

    def has_rule(self, given: Mapping[str, str]) -> bool:
        """Whether a rule of the inventory is what a file says of one: ``from`` and ``to``, and of its other fields those that it has."""
        ends = [network(given.get(key, "")) for key in ("from", "to")]
        ends = ["" if one.endswith("/0") else one for one in ends]
        for rule in self.rules:
            there = {"table": "main" if rule.table == MAIN_TABLE else str(rule.table), "priority": str(rule.priority), "mark": rule.mark}
            there.update(iif=rule.iif, oif=rule.oif)
            asked = {key: "main" if (key, given[key]) == ("table", str(MAIN_TABLE)) else given[key] for key in there if key in given}
            if ends == [rule.source, rule.destination] and all(there[key] == value for key, value in asked.items()):
                return True
        return False

    def gateway(self, address: str) -> bool:
        """Whether a route of the inventory has this next hop."""
        hops = {hop.gateway for one in self.desired.routes if not one.absent for hop in one.hops}
        return bool(address) and address in hops | {one.gateway for one in self.desired.routes if not one.absent}

    def serves_management(self, destination: str) -> bool:
        """Whether whoever manages this host right now is answered by a route to this network."""
        text = network(destination)
        if not text or text.endswith("/0"):
            return False
        inside = ip_network(text)
        return any(one.version == inside.version and one in inside for one in map(ip_address, self.peers))

    def carries_management(self, name: str) -> bool:
        """Whether the host is managed by an address of this interface or of one that stands on it, now or after the change."""
        above, todo = {name}, [name]
        while todo:
            below = todo.pop()
            wanted = [one.name for one in present(self.desired) if below in (*one.ports, one.base)]
            now = [one.name for one in self.observed.links.values() if one.lower == below]
            link = self.observed.links.get(below)
            more = [one for one in (*wanted, *now, link.master if link else "") if one and one not in above]
            above.update(more)
            todo += more
        now_on = {address.ip for one in above for address in self.observed.addresses.get(one, ())}
        then_on = {address.ip for one in present(self.desired) if one.name in above for address in one.addresses}
        return bool(set(self.management) & (now_on | then_on))


@dataclass
class Findings:
    """``problems`` must stop the change, ``warnings`` are for the operator. Each says what, where, and what to do."""

    problems: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)

    def lost(self, path: str, name: str, settings: Sequence[str], remedy: str, managed_by: Iterable[str] = ()) -> None:
        """Settings of an interface that only the old boot configuration gives; ``managed_by`` those that must not go."""
        needed = dict.fromkeys(managed_by)
        rest = [one for one in dict.fromkeys(settings) if one not in needed]
        if needed:
            self.problems.append(f"{path}: the host is managed by {_listed(list(needed))} of {name}, which the new boot configuration does not have. {remedy}")
        if rest:
            self.warnings.append(f"{path}: the new boot configuration of {name} does not have {_listed(rest)}. {remedy}")


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - MOST} more" if len(texts) > MOST else ""
    return "; ".join(texts[:MOST]) + more


def word(text: str, longest: int = 60) -> str:
    """A text of others as a message may have it: short, on one line, without quotes around it."""
    return excerpt(text, longest)[1:-1]


def setting(key: str, value: str, sign: str = "=") -> str:
    """A setting as a message may quote it, without a secret."""
    hidden = is_secret(key)
    return f"'{word(key)}{sign}{MASK if hidden else word(masked(value.replace(chr(10), ' ')), 120)}'"


def network(text: str) -> str:
    """A destination in canonical form; empty for what is none."""
    if text in ("default", "0/0"):
        return "0.0.0.0/0"
    try:
        return str(ip_network(text, strict=False)) if len(text) <= 64 else ""
    except ValueError:
        return ""


def written_networks(texts: Iterable[str]) -> Set[str]:
    """Networks in canonical form as a file may have them: an address alone stands for itself."""
    return {one for text in texts for one in (text, text.partition("/")[0] if text.endswith(("/32", "/128")) else text)}


def ip_of(text: str) -> str:
    """The address in front of a prefix length, in canonical form; empty for what is none."""
    try:
        return str(ip_address(text.partition("/")[0])) if len(text) <= 64 else ""
    except ValueError:
        return ""


def of_card(name: str, boot: Boot, mac: str) -> bool:
    """Whether an interface has this MAC, by itself or by what it is changed to."""
    link = boot.observed.links.get(name)
    return link is not None and bool(mac_of(mac)) and mac_of(mac) in (link.permanent_mac or link.mac, link.mac)


def kind_of(name: str, boot: Boot) -> str:
    """The type of an interface in the words of the inventory; of one that is not in it, by the kernel."""
    wish: Optional[Interface] = boot.managed.get(name)
    if wish is not None:
        return wish.type
    link = boot.observed.links.get(name)
    return link.kind if link is not None and link.kind in ("bridge", "bond", "vlan") else "ethernet"
