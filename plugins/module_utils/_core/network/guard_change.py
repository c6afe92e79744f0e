# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guarded change is (see ``guard``), and which interfaces it touches: the kernel's requests, files, and what services know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from ._interfaces import MTU_IPV6
from ._links import CARRIER
from .advertisements import Heeding
from .foreign_script import Foreign
from .link_options import VLAN_PROTOCOL
from .model import FileChange, Link, Observed, Plan

RUN_NETWORKD = "/run/systemd/network/"
IFUPDOWN, NETWORKMANAGER = "ifupdown", "networkmanager"
# Sorts before what people call their files: networkd takes the first file that matches, in the order of the names.
FIRST = "00-0-smallfleet-trial-"
_MADE = ("bridge", "bond", "vlan", "dummy")


@dataclass(frozen=True)
class Claim:
    """What a program writes down below /run of an interface that it has configured: "" when it has not."""

    interface: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Change:
    """What is changed: requests to the kernel, the boot configuration, and what a service is shown for the trial.

    ``trial`` are files below /run, gone at the next boot; those of ``early`` among them are shown to the service first,
    and it makes the interfaces ``made``: systemd-networkd 257 does not take over a bridge that it did not make. A VLAN it
    takes over if it knows its file when the VLAN appears; it would not make it before the interface below is configured.
    ``held`` are trial files in whose place the service is shown first that the interface is none of its business: it
    configures a port anew, by the file that it knows so far, as soon as that leaves its bridge.
    ``generates``: netplan(8) makes networkd's files, whenever its own have changed.
    ``program``: NETWORKMANAGER, which does not run during the trial, or IFUPDOWN; its ``claims`` change with the files.
    ``clients``: interfaces with DHCP clients that ifupdown started and that nobody wants any more. ``heedings``: what the
    kernel does with router advertisements. ``touched``: the interfaces whose state may change with it.
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
    program: str = ""
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
    shown: Mapping[str, str],
    observed: Observed,
    leaving: Sequence[str] = (),
) -> Change:
    """The change in ``folder``. ``shown`` are the files (path and content) of systemd-networkd that say the same as the
    boot configuration, whoever reads that; none where networkd does not run. It is to forget the interfaces ``leaving``.
    """
    added = {one.link for one in operations.prepare if one.kind == "add_link" and one.link not in observed.links}
    trial: Dict[str, str] = {}
    made: Dict[str, str] = {}
    early: List[str] = []
    for path, text in sorted(shown.items()):
        place = f"{RUN_NETWORKD}{FIRST}{path.rsplit('/', 1)[1]}"
        device = device_name(text) if path.endswith(".netdev") else ""
        if device in added:
            early.append(place)
        if device in added and not stacked(text):
            made[place] = device
        if not device or device in added:  # what exists stays whose it is
            trial[place] = text
    for name in leaving if shown else ():
        trial[f"{RUN_NETWORKD}{FIRST}{name}.network"] = _unmanaged(name)
    held: Dict[str, str] = {}
    for name in _moved(operations, observed) if shown else ():
        place = f"{RUN_NETWORKD}{FIRST}{name}.network"
        early += [place] if place in trial else []
        # a file for a card that is found by its MAC does not name it
        own = [path for path, text in trial.items() if path.endswith(f"-{name}.network") and device_name(text) in (name, "")]
        held.update({path: _unmanaged(name) for path in own if path != place})
    netplan = any(one.path.startswith("/etc/netplan/") for one in boot)
    return Change(
        folder,
        operations,
        tuple(boot),
        tuple(trial.items()),
        tuple(early),
        tuple(made.values()),
        tuple(held.items()),
        bool(shown),
        bool(shown) and netplan,
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
    start = f"link add name {link.name}{f' address {link.mac}' if link.mac else ''}"
    quiet = f"link set dev {link.name} addrgenmode none"
    if link.kind == "vlan":
        protocol = f"protocol {link.vlan_protocol} " if link.vlan_protocol != VLAN_PROTOCOL.default else ""
        return (f"link add link {link.lower} {start[9:]} type vlan {protocol}id {link.vlan_id}", quiet)
    ports = sorted((one for one in observed.links.values() if one.master == link.name), key=lambda one: one.name)
    if link.kind != "bond":
        joined = [f"link set dev {port.name} {words}" for port in ports for words in (f"master {link.name}", *_as_port(port))]
        return (f"{start} type {link.kind}", quiet, *joined)
    down = [f"link set dev {port.name} {words}" for port in ports for words in ("down", f"master {link.name}", "up")]
    return (f"{start} type bond{f' mode {link.mode}' if link.mode else ''}", quiet, *down)


def _as_port(port: Link) -> List[str]:
    return [f"type bridge_slave {key} {value}" for key, value in sorted(port.port_options.items())]


def without_ipv6(operations: Plan) -> List[str]:
    """The interfaces that get an MTU below that of IPv6: with the old one, the kernel gives them the settings of new ones."""
    sizes = [(one.link, one.words) for one in operations.operations if one.words[:2] == ("link", "set") and one.words[4:5] == ("mtu",)]
    return [name for name, words in sizes if int(words[5]) < MTU_IPV6]


def unrestorable(operations: Plan, observed: Observed) -> List[str]:
    """What the operations could lose and no rollback give back."""
    names = touched(operations, observed)
    return [
        f"{name} has a route to {destination} with an encapsulation that a rollback could not give back. Delete the route, "
        "let its program enter it again after the change"
        for name, destination in observed.opaque
        if name in names
    ]


def _unmanaged(name: str) -> str:
    """What tells systemd-networkd to leave an interface alone (systemd.network(5)); it takes away what addresses it gave it."""
    return f"[Match]\nName={name}\n\n[Link]\nUnmanaged=yes\n"


def _moved(operations: Plan, observed: Observed) -> List[str]:
    """The ports that leave their bridge or bond, for another or for none."""
    moves = [one.link for one in operations.switch if {"master", "nomaster"} & set(one.words)]
    return list(dict.fromkeys(name for name in moves if name in observed.links and observed.links[name].master))


def device_name(netdev: str) -> str:
    """The interface that a systemd.netdev(5) file makes, or that one of our systemd.network(5) files is for."""
    for line in netdev.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "Name":
            return value.strip()
    return ""


def stacked(netdev: str) -> bool:
    """Whether the file is of a VLAN, which is made when the interface below it is configured."""
    return any(line.replace(" ", "").lower() == "kind=vlan" for line in netdev.splitlines())
