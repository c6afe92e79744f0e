# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of libvirt that takes the planner's steps, for tests that interrupt them."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, FrozenSet, Optional

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.definition import rendered, revised
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import Domain, Interface, read_domain
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.image import Image
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.plan import Action, Desired, Found, Observed, Step, plan


class Hypervisor:
    """What a host has. ``stopped`` collects the guests that were shut down, whoever asked for it."""

    def __init__(self, observed: Observed) -> None:
        self.guests: Dict[str, Found] = dict(observed.guests)
        self.images: Dict[str, Image] = dict(observed.images)
        self.secret = observed.secret
        self.rest = observed
        self.stopped: FrozenSet[str] = frozenset()

    def observed(self) -> Observed:
        return replace(self.rest, guests=dict(self.guests), images=dict(self.images), secret=self.secret)

    def apply(self, step: Step) -> None:
        found: Optional[Found] = self.guests.get(step.target)
        if step.action is Action.SET_SECRET:
            self.secret = True
        elif step.action is Action.CREATE_DISK:
            assert step.target not in self.images, "a disk that is there is overwritten"
            format_, size = step.value.split(" ")
            self.images[step.target] = Image(format_, int(size))
        elif step.action is Action.DELETE_DISK:
            del self.images[step.target]
        elif step.action is Action.DEFINE:
            domain = read_domain(step.value)
            assert all(disk.type != "file" or disk.source in self.images for disk in domain.disks)
            here = found or Found("shut off", False, step.value, step.value)
            live = here.live if here.active else step.value
            self.guests[step.target] = replace(here, definition=step.value, live=live)
        else:
            assert found is not None, f"{step}: there is no such guest"
            self._change(step, found)

    def _change(self, step: Step, found: Found) -> None:
        if step.action is Action.UNDEFINE:
            assert not found.active, "a guest without a definition would run on"
            del self.guests[step.target]
        elif step.action in (Action.AUTOSTART, Action.NO_AUTOSTART):
            self.guests[step.target] = replace(found, autostart=step.action is Action.AUTOSTART)
        elif step.action is Action.START:
            assert not found.active
            self.guests[step.target] = replace(found, state="running", live=found.definition)
        elif step.action is Action.SHUT_DOWN:
            assert found.active
            self.stopped |= {step.target}
            self.guests[step.target] = replace(found, state="shut off", live=found.definition)
        else:
            assert step.action is Action.MOVE_INTERFACE, step
            self.guests[step.target] = replace(found, live=_moved(found.live, step.value))


def _moved(live: str, device: str) -> str:
    """The guest with its NIC where the device's XML has it."""
    nic = read_domain(f"<domain><devices>{device}</devices></domain>").interfaces[0]
    domain = read_domain(live)
    assert nic.mac in [one.mac for one in domain.interfaces]
    moved = tuple(replace(one, source=nic.source) if one.mac == nic.mac else one for one in domain.interfaces)
    return revised(live, replace(domain, interfaces=moved))


def guest_found(domain: Domain, state: str = "running", autostart: bool = True, live: Optional[Domain] = None) -> Found:
    """A guest as libvirt would have it; ``live`` is what it was started as."""
    definition = rendered(domain)
    return Found(state, autostart, definition, definition if live is None else rendered(live))


def on_bridge(mac: str, bridge: str = "br0") -> Interface:
    return Interface("bridge", mac, bridge, model="virtio")


def settle(desired: Desired, host: Hypervisor) -> None:
    for step in plan(desired, host.observed()):
        host.apply(step)
