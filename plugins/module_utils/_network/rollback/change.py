# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guarded change is (see ``guard``), and which interfaces it touches: the kernel's requests, files, and what services know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from ..backends.advertisements import Heeding
from ..backends.control import GENERATE, NO_CONTROL, NO_TRIAL, Control, Trial
from ..kernel.link_options import VLAN_PROTOCOL
from ..model import FileChange, Link, Observed, Plan
from ..plan.links import CARRIER
from ..variables.bonds import fits
from ..variables.interfaces import MTU_IPV6
from .foreign_script import Foreign

_MADE = ("bridge", "bond", "vlan", "dummy")


@dataclass(frozen=True)
class Claim:
    """What a program writes down below /run of an interface that it has configured: "" when it has not."""

    interface: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Change:
    """What is changed: requests to the kernel, the boot configuration, and what a program is shown for the trial.

    ``trial``, ``early``, ``made``, ``held`` and ``reloads``: see ``backends.control.Trial``.
    ``generates``: what the program reads is generated whenever the boot configuration has changed.
    ``control``: the program's own steps; its ``claims`` change with the files, and so do its DHCP ``clients``, which nobody desires any
    more. ``heedings``: what the kernel does with router advertisements. ``touched``: the interfaces whose state may change with it.
    ``foreign``: what tells apart what programs have added. ``remade``: interface -> lines for ip(8) that make it again, lower ones
    first, should somebody delete it during the trial; ``accept_ra``: what the kernel does with router advertisements on each of them,
    and on those that the change leaves without IPv6 meanwhile.
    """

    folder: str
    operations: Plan
    boot: Tuple[FileChange, ...] = ()
    trial: Tuple[Tuple[str, str], ...] = ()
    early: Tuple[str, ...] = ()
    made: Tuple[str, ...] = ()
    held: Tuple[Tuple[str, str], ...] = ()
    reloads: bool = False
    generates: bool = False
    control: Control = NO_CONTROL
    claims: Tuple[Claim, ...] = ()
    clients: Tuple[str, ...] = ()
    heedings: Tuple[Heeding, ...] = ()
    touched: Tuple[str, ...] = ()
    foreign: Foreign = Foreign()
    remade: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()
    accept_ra: Tuple[Tuple[str, str], ...] = ()

    @property
    def made_addresses(self) -> Tuple[str, ...]:
        """The addresses that the change adds, without their prefix lengths."""
        words = [one.words for one in self.operations.operations if one.kind == "add_address"]
        return tuple(sorted({one[2].partition("/")[0] for one in words}))


def prepare(
    folder: str,
    operations: Plan,
    boot: Sequence[FileChange],
    observed: Observed,
    control: Control = NO_CONTROL,
    trial: Trial = NO_TRIAL,
) -> Change:
    """The change in ``folder``, with a program that is dealt with by ``control`` and is shown ``trial``."""
    return Change(
        folder,
        operations,
        tuple(boot),
        trial.files,
        trial.early,
        trial.made,
        trial.held,
        trial.reloads,
        trial.reloads and GENERATE in control.commands and bool(boot),
        control,
        touched=touched(operations, observed),
        remade=remade(touched(operations, observed), observed),
    )


def touched(operations: Plan, observed: Observed) -> Tuple[str, ...]:
    """The interfaces that the operations change, those that these are ports of, and those that stand on them."""
    found = {one.link for one in operations.operations if one.link}
    found |= {observed.links[name].master for name in found if name in observed.links} - {""}
    while True:
        above = {one.name for one in observed.links.values() if one.lower in found} - found
        if not above:
            return tuple(sorted(name for name in found if not CARRIER.fullmatch(name)))
        found |= above


def remade(names: Sequence[str], observed: Observed) -> Tuple[Tuple[str, Tuple[str, ...]], ...]:
    """How to make those of the interfaces again that are no hardware, lower ones first, with their ports, which the change itself may not
    touch. What they have besides, a rollback gives back in the kernel's words.
    """
    links = {name: observed.links[name] for name in names if name in observed.links and observed.links[name].kind in _MADE}
    found: Dict[str, Tuple[str, ...]] = {}
    while len(found) < len(links):
        ready = [link for name, link in links.items() if name not in found and link.lower not in set(links) - set(found)]
        if not ready:
            break
        found.update({link.name: _make(link, observed) for link in ready})
    return tuple(found.items())


def _make(link: Link, observed: Observed) -> Tuple[str, ...]:
    """As a port of a bond it joins before it is up, which a bond demands of its ports."""
    start = f"link add name {link.name}{f' address {link.mac}' if link.mac else ''}"
    quiet = [f"link set dev {link.name} addrgenmode none", *([f"link set dev {link.name} master {link.master}"] if link.master else [])]
    if link.kind == "vlan":
        protocol = f"protocol {link.vlan_protocol} " if link.vlan_protocol != VLAN_PROTOCOL.default else ""
        return (f"link add link {link.lower} {start[9:]} type vlan {protocol}id {link.vlan_id}", *quiet)
    ports = sorted((one for one in observed.links.values() if one.master == link.name), key=lambda one: one.name)
    if link.kind != "bond":
        joined = [f"link set dev {port.name} {words}" for port in ports for words in (f"master {link.name}", *_as_port(port))]
        return (f"{start} type {link.kind}", *quiet, *joined)
    down = [f"link set dev {port.name} {words}" for port in ports for words in ("down", f"master {link.name}", "up")]
    return (f"{start} type bond{_born_bond(link)}", *quiet, *down)


def _born_bond(link: Link) -> str:
    """What a bond takes only while it has no ports (BOND_OPTFLAG_NOSLAVES in drivers/net/bonding/bond_options.c)."""
    words = {"mode": link.mode, "fail_over_mac": link.options.get("fail_over_mac", "") if fits("fail_over_mac", link.mode) else ""}
    return "".join(f" {key} {value}" for key, value in words.items() if value)


def _as_port(port: Link) -> List[str]:
    return [f"type bridge_slave {key} {value}" for key, value in sorted(port.port_options.items())]


def without_ipv6(operations: Plan, observed: Observed) -> List[str]:
    """The interfaces that get an MTU below that of IPv6, with the bridges and VLANs above, which may follow: with the old one, the kernel
    gives them the settings of new ones.
    """
    sizes = [(one.link, one.words) for one in operations.operations if one.words[:2] == ("link", "set") and one.words[4:5] == ("mtu",)]
    found = [name for name, words in sizes if int(words[5]) < MTU_IPV6]
    for name in found:
        above = [one.name for one in observed.links.values() if one.lower == name]
        above += [observed.links[name].master] if name in observed.links else []
        found += [one for one in above if one and one not in found]
    return found


def unrestorable(operations: Plan, observed: Observed) -> List[str]:
    """What the operations could lose and no rollback give back."""
    names = touched(operations, observed)
    return [
        f"{name} has a route to {destination} with an encapsulation that a rollback could not give back. Delete the route, "
        "let its program enter it again after the change"
        for name, destination in observed.opaque
        if name in names
    ]
