# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which program configures a host's network at boot, and why it may not be the one that was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

from .advertisements import NEW
from .backends.base import present
from .model import Desired

BACKENDS = ("ifupdown", "netplan", "networkd", "networkmanager")
TITLES = {"ifupdown": "ifupdown", "netplan": "netplan", "networkd": "systemd-networkd", "networkmanager": "NetworkManager"}
_SERVICES = {"networkd": "systemd-networkd.service", "networkmanager": "NetworkManager.service"}
_BY_NETPLAN = re.compile(r"/(run|etc|lib)/systemd/network/10-netplan-")
_OTHER_RENDERER = re.compile(r"^[ \t]*(network:[ \t]*\{.*)?[\"']?renderer[\"']?\s*:\s*[\"']?NetworkManager", re.MULTILINE)
# What NetworkManager finds again as it was when it begins anew; an access point or a tunnel would have to be dialled again.
_KEPT = ("ethernet", "bridge", "bond", "vlan", "veth", "loopback", "dummy", "tun", "macvlan")


@dataclass(frozen=True)
class Seen:
    """What a host tells of the programs that may configure its network.

    ``ready`` are those of ``BACKENDS`` that are there and at work (ifupdown: at boot). ``files``: interface -> file of
    systemd-networkd that it configures it by. ``connections``: interface -> its type, of those that NetworkManager has
    activated a profile on. ``stanzas``: interfaces that interfaces(5) configures. ``yaml`` are the files of netplan.
    ``clients``: interfaces with a DHCP client of ifupdown. ``devices``: interface -> file by which systemd-networkd makes
    it. ``there`` are the interfaces that the kernel has, and ``accept_ra`` what it does with router advertisements on each
    and on those to come (see ``advertisements``). ``ipv6_off``: those, under the same names, on which IPv6 is turned off.
    """

    ready: FrozenSet[str] = frozenset()
    files: Tuple[Tuple[str, str], ...] = ()
    connections: Tuple[Tuple[str, str], ...] = ()
    stanzas: FrozenSet[str] = frozenset()
    yaml: Tuple[str, ...] = ()
    clients: FrozenSet[str] = frozenset()
    devices: Tuple[Tuple[str, str], ...] = ()
    there: FrozenSet[str] = frozenset()
    accept_ra: Mapping[str, str] = field(default_factory=dict)
    ipv6_off: FrozenSet[str] = frozenset()


def owners(names: Iterable[str], seen: Seen) -> Dict[str, List[str]]:
    """Interface -> the backends that configure it, of those interfaces that one does configure."""
    files = dict(seen.files)
    found: Dict[str, List[str]] = {}
    for name in names:
        mine: List[str] = []
        if name in files:
            mine.append("netplan" if _by_netplan(files[name], seen) else "networkd")
        if name in dict(seen.connections):
            mine.append("networkmanager")
        if name in seen.stanzas and "ifupdown" in seen.ready:
            mine.append("ifupdown")
        if mine:
            found[name] = mine
    return found


def _by_netplan(path: str, seen: Seen) -> bool:
    """A file that is shown for a trial says nothing of who configures the interface at boot."""
    return bool(_BY_NETPLAN.match(path)) or "-smallfleet-trial-" in path and "netplan" in seen.ready


def choose(wanted: str, desired: Desired, seen: Seen) -> Tuple[str, str]:
    """The backend, or why there is none: one of the two is empty. ``wanted`` is auto or one of ``BACKENDS``."""
    held = owners((one.name for one in desired.interfaces), seen)
    if wanted != "auto":
        return _given(wanted, held, seen)
    found = sorted({backend for many in held.values() for backend in many})
    if not found:
        found = _at_work(seen)
        told = " and ".join(TITLES[one] for one in found) + " are at work here, and none has the interfaces that are named"
    else:
        told = _told(held)
    if len(found) > 1:
        return "", f"{told}. Set network_backend to the one that shall configure them at boot, and take them away from the others"
    if not found:
        stopped = "systemd-networkd and NetworkManager do not run, and networking.service is not enabled"
        known = ", ".join(BACKENDS)
        return "", f"No program known here ({known}) configures the network of this host: {stopped}. Start or enable the one that does"
    return _given(found[0], held, seen)


def _at_work(seen: Seen) -> List[str]:
    """Those that have some interface here, or else all that could have one. What netplan writes, systemd-networkd reads."""
    netplan = "netplan" in seen.ready
    busy = {"netplan" if netplan else "networkd"} if seen.files else set()
    busy |= {"networkmanager"} if seen.connections else set()
    busy |= {"ifupdown"} & seen.ready if seen.stanzas - {"lo"} else set()
    return sorted(busy or {one for one in seen.ready if not (one == "networkd" and netplan)})


def _told(held: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} is configured by {' and '.join(TITLES[one] for one in many)}" for name, many in sorted(held.items()))


def _given(name: str, held: Mapping[str, Sequence[str]], seen: Seen) -> Tuple[str, str]:
    if name not in seen.ready:
        others = ", ".join(sorted(seen.ready)) or "none of them"
        stopped = f", for {_SERVICES[name]} does not run. Start it, or set" if name in _SERVICES else ". Set"
        return "", f"{TITLES[name]} does not configure the network of this host{stopped} network_backend to one that does ({others})"
    foreign = {one: many for one, many in held.items() if set(many) != {name}}
    if foreign:
        return "", f"{_told(foreign)}, and network_backend is {name}. Take them away from the other, or set network_backend to it"
    if any(_OTHER_RENDERER.search(text) for text in seen.yaml):
        return "", "netplan gives interfaces of this host to NetworkManager (renderer). Let one of the two configure them alone"
    return name, ""


def unable(backend: str, desired: Desired, seen: Seen) -> List[str]:
    """What this program would have to interrupt, or cannot do while it runs: what, where and a remedy."""
    found = _without_ipv6(desired, seen)
    if backend == "networkmanager":
        for name, kind in seen.connections:
            if kind not in _KEPT:
                found.append(f"{name}: NetworkManager ends for the trial, and this connection ({kind}) with it. Disconnect it before")
    if backend in ("networkd", "netplan"):
        found += _strangers(desired, seen)
    for one in desired.interfaces if backend == "ifupdown" else ():
        if (one.ipv4.dhcp or one.ipv6.dhcp) and one.name not in seen.clients:
            found.append(
                f"interfaces.{one.name}: ifupdown starts a DHCP client by ifup only, which makes the interface anew. "
                "Write the address down, or let ifup start it first"
            )
    return found


def _without_ipv6(desired: Desired, seen: Seen) -> List[str]:
    """The kernel takes no address there (ip-sysctl.rst, disable_ipv6). Its name for interfaces to come is the one to change."""
    found: List[str] = []
    for one in present(desired):
        name = one.name if one.name in seen.there else NEW
        if one.ipv6.enabled and name in seen.ipv6_off:
            found.append(
                f"interfaces.{one.name}: asks for IPv6, which net.ipv6.conf.{name}.disable_ipv6=1 turns off. Set it to 0 "
                f"(sysctl -w net/ipv6/conf/{name}/disable_ipv6=0), also below /etc/sysctl.d, or remove ipv6"
            )
    return found


def _strangers(desired: Desired, seen: Seen) -> List[str]:
    """Where the kernel and what systemd-networkd has made differ."""
    found: List[str] = []
    for name, path in seen.devices:
        if name in {one.name for one in desired.interfaces} - seen.there:
            found.append(
                f"interfaces.{name}: {path} is for this interface, which is not there, so systemd-networkd would make it in the "
                "midst of the change. Let it do so first (networkctl reload, or boot the host), or remove the file"
            )
    for one in desired.interfaces:
        if one.ports and not one.absent and one.name in seen.there and one.name not in dict(seen.devices):
            found.append(
                f"interfaces.{one.name}: systemd-networkd has not made this {one.type}, and takes the ports of such a one away. "
                "Give the new one another name, and this one state: absent"
            )
    return found


def clients_to_end(backend: str, desired: Desired, seen: Seen) -> Tuple[str, ...]:
    """The interfaces that shall have no DHCP client of ifupdown any more."""
    if backend != "ifupdown":
        return ()
    return tuple(one.name for one in desired.interfaces if one.name in seen.clients and not (one.ipv4.dhcp or one.ipv6.dhcp))
