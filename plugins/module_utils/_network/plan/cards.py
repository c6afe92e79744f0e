# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cards that are named by their MAC: what the kernel calls them on this host."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, TypeVar

from ..model import Desired, Interface, Link, Observed

Value = TypeVar("Value")


def cards(mac: str, observed: Observed) -> List[Link]:
    """The cards with this MAC. A bond and a VLAN have that of a card too, and a port of a bond may have another's."""
    links = sorted(observed.links.values(), key=lambda link: link.name)
    return [link for link in links if link.kind in ("", "veth") and not link.loopback and (link.permanent_mac or link.mac) == mac]


def identified(desired: Desired, observed: Observed) -> Desired:
    """The same with the kernel's name in place of that of each card that is named by its MAC. One that is not found keeps its name
    (see ``obstacles``). A veth loses its ``card``: systemd-networkd knows no MAC of it that stays.
    """
    names: Dict[str, str] = {}
    kinds: Dict[str, str] = {}
    named = {one.name for one in desired.interfaces if not one.card}
    for interface in desired.interfaces:
        known = cards(interface.card, observed) if interface.card else []
        if len(known) == 1 and known[0].name not in named:
            names[interface.name], kinds[interface.name] = known[0].name, known[0].kind
    if not names:
        return desired

    def new(name: str) -> str:
        return names.get(name, name)

    def keyed(values: Mapping[str, Value]) -> Dict[str, Value]:
        return {new(name): value for name, value in values.items()}

    def renamed(one: Interface) -> Interface:
        options = {**one.options, **({"primary": new(one.options["primary"])} if "primary" in one.options else {})}
        return replace(
            one, name=new(one.name), card="" if kinds.get(one.name) else one.card, ports=tuple(map(new, one.ports)), base=new(one.base),
            options=options, port_options=keyed(one.port_options), vlans=keyed(one.vlans),
        )  # fmt: skip

    return replace(
        desired,
        interfaces=tuple(map(renamed, desired.interfaces)),
        routes=tuple(
            replace(one, interface=new(one.interface), hops=tuple(replace(hop, interface=new(hop.interface)) for hop in one.hops)) for one in desired.routes
        ),
        rules=tuple(replace(rule, iif=new(rule.iif), oif=new(rule.oif)) for rule in desired.rules),
    )


def unidentified(interface: Interface, observed: Observed) -> Iterator[str]:
    """Why a card that is named by its MAC is not known."""
    known = cards(interface.card, observed) if interface.card else []
    if not interface.card or [link.name for link in known] == [interface.name]:
        return
    if not known:
        others = sorted(f"{link.permanent_mac or link.mac} ({link.name})" for link in observed.links.values() if not link.kind and not link.loopback)
        yield f"this host has no card with the MAC {interface.card}. Write that of one that it has ({', '.join(others) or 'none'})"
    elif len(known) > 1:
        yield f"{' and '.join(link.name for link in known)} have the MAC {interface.card}. Name the card by its name (identifier: name)"
    else:
        yield f"the card with the MAC {interface.card} is {known[0].name}, which is named too. Write each card once"


def by_another_name(name: str, observed: Observed) -> str:
    """The interface that has this as a further name (altname); empty when there is none."""
    return next((link.name for link in observed.links.values() if name in link.altnames), "")
