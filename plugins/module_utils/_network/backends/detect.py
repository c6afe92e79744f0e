# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which program configures a host's network at boot, and why it may not be the one that was asked for."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from ..model import Desired
from .advertisements import NEW
from .base import present
from .facts import HostFacts
from .registry import AUTO, BACKENDS


def owners(names: Iterable[str], facts: HostFacts) -> Dict[str, List[str]]:
    """Interface -> the backends that configure it, of those interfaces that one does configure."""
    configured = {name: set(backend.configures(facts)) for name, backend in BACKENDS.items()}
    for name, backend in BACKENDS.items():
        if backend.writes_for:
            configured[backend.writes_for] -= configured[name]
    found = {one: [name for name in BACKENDS if one in configured[name]] for one in names}
    return {one: many for one, many in found.items() if many}


def choose(wanted: str, desired: Desired, facts: HostFacts) -> Tuple[str, str]:
    """The backend, or why there is none: one of the two is empty. ``wanted`` is auto or one of ``BACKENDS``."""
    held = owners((one.name for one in desired.interfaces), facts)
    if wanted != AUTO:
        return _given(wanted, held, facts)
    found = sorted({backend for many in held.values() for backend in many})
    if not found:
        found = _at_work(facts)
        told = " and ".join(BACKENDS[one].title for one in found) + " are at work here, and none has the interfaces that are named"
    else:
        told = _told(held)
    if len(found) > 1:
        return "", f"{told}. Set network_backend to the one that shall configure them at boot, and take them away from the others"
    if not found:
        services = [one.title for one in BACKENDS.values() if one.service and not one.writes_for]
        stopped = f"{' and '.join(services)} do not run, and {' and '.join(one.boot_unit for one in BACKENDS.values() if one.boot_unit)} is not enabled"
        known = ", ".join(sorted(BACKENDS))
        return "", f"No program known here ({known}) configures the network of this host: {stopped}. Start or enable the one that does"
    return _given(found[0], held, facts)


def _at_work(facts: HostFacts) -> List[str]:
    """Those that have some interface here, or else all that could have one, less those that only read what another one generates."""
    readers = {BACKENDS[name].writes_for for name in facts.ready}
    in_use = {name for name, backend in BACKENDS.items() if backend.in_use(facts)}
    return sorted((in_use or facts.ready) - readers)


def _told(held: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} is configured by {' and '.join(BACKENDS[one].title for one in many)}" for name, many in sorted(held.items()))


def _given(name: str, held: Mapping[str, Sequence[str]], facts: HostFacts) -> Tuple[str, str]:
    backend = BACKENDS[name]
    if name not in facts.ready:
        others = ", ".join(sorted(facts.ready)) or "none of them"
        stopped = f", for {backend.service} does not run. Start it, or set" if backend.service and not backend.writes_for else ". Set"
        return "", f"{backend.title} does not configure the network of this host{stopped} network_backend to one that does ({others})"
    foreign = {one: many for one, many in held.items() if set(many) != {name}}
    if foreign:
        return "", f"{_told(foreign)}, and network_backend is {name}. Take them away from the other, or set network_backend to it"
    conflict = next((text for text in (one.conflict(facts) for one in BACKENDS.values()) if text), "")
    return ("", conflict) if conflict else (name, "")


def preflight_errors(backend: str, desired: Desired, facts: HostFacts) -> List[str]:
    """Why the change cannot be made on this host with this program: what, where and a remedy."""
    return _without_ipv6(desired, facts) + BACKENDS[backend].preflight_errors(desired, facts)


def _without_ipv6(desired: Desired, facts: HostFacts) -> List[str]:
    """The kernel takes no address there (ip-sysctl.rst, disable_ipv6). Its name for interfaces to come is the one to change."""
    found: List[str] = []
    for one in present(desired):
        name = one.name if one.name in facts.interfaces else NEW
        if one.ipv6.enabled and name in facts.ipv6_off:
            found.append(
                f"interfaces.{one.name}: asks for IPv6, which net.ipv6.conf.{name}.disable_ipv6=1 turns off. Set it to 0 "
                f"(sysctl -w net/ipv6/conf/{name}/disable_ipv6=0), also below /etc/sysctl.d, or remove ipv6"
            )
    return found
