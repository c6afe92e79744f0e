# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be done so that the guests of a host are what they are to be, without a restart of any that runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from .._shared.diff import hunks, text_diff
from .definition import Difference, differences, moved_interface, rendered, revised, shown, summary
from .domain import Disk, Domain, Interface, read_domain
from .image import Image
from .model import Ceph, Guest

OFF = ("shut off", "crashed")
RUNS = ("running", "idle")


@dataclass(frozen=True)
class Desired:
    """The guests that are named; all others are left alone. ``virtualization`` is auto, kvm or qemu (emulation)."""

    guests: Tuple[Guest, ...]
    image_directory: str = "/var/lib/libvirt/images"
    virtualization: str = "auto"
    ceph: Optional[Ceph] = None


@dataclass(frozen=True)
class Found:
    """A guest that the host has. ``state`` is in libvirt's words, ``definition`` and ``live`` are XML."""

    state: str
    autostart: bool
    definition: str
    live: str = ""
    persistent: bool = True

    @property
    def active(self) -> bool:
        return self.state not in OFF


@dataclass(frozen=True)
class Observed:
    """What the host has. ``images`` are the files of disks that were looked for and are there, ``files`` kernels and so on;
    ``secret`` tells whether libvirt has the key of the keyring, ``keyring`` what is wrong with that. ``libvirt`` is what it said
    when it did not answer."""

    guests: Mapping[str, Found] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    files: FrozenSet[str] = frozenset()
    bridges: FrozenSet[str] = frozenset()
    links: FrozenSet[str] = frozenset()
    kvm: bool = False
    secret: bool = False
    keyring: str = ""
    libvirt: str = ""


class Action(Enum):
    """What a step does. The values are for people."""

    SET_SECRET = "set the secret"
    CREATE_DISK = "create disk"
    DELETE_DISK = "delete disk"
    DEFINE = "define"
    UNDEFINE = "undefine"
    AUTOSTART = "autostart"
    NO_AUTOSTART = "do not autostart"
    START = "start"
    SHUT_DOWN = "shut down"
    MOVE_INTERFACE = "move an interface of"


@dataclass(frozen=True)
class Step:
    """One thing to do. ``target`` is a guest, a file or a secret; ``value`` is XML, or format and bytes of a disk."""

    action: Action
    target: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.action.value} {self.target}"


def fitted(guest: Guest, desired: Desired, observed: Observed) -> Guest:
    """The guest with what only the host can tell: how it is run, where that is left to us, and a UUID that it has already."""
    found = observed.guests.get(guest.name)
    if guest.state == "absent":
        return guest
    kind, uuid = desired.virtualization, guest.domain.uuid
    if found is not None:
        there = read_domain(found.definition)
        kind, uuid = (there.type if kind == "auto" else kind), there.uuid
    elif kind == "auto":
        kind = "kvm" if observed.kvm else "qemu"
    return replace(guest, domain=replace(guest.domain, type=kind, uuid=uuid))


def plan(desired: Desired, observed: Observed) -> List[Step]:
    """Steps after which the named guests are what they are to be.

    Invariants: no step stops a guest that is to run, or touches one that is not named; applying any prefix and planning again
    leads to the same end; with nothing to change there are no steps. Guests that go make room before others come.
    """
    guests = [fitted(guest, desired, observed) for guest in sorted(desired.guests, key=lambda one: one.name)]
    steps: List[Step] = []
    if uses_ceph(desired) and desired.ceph is not None and not observed.secret:
        steps.append(Step(Action.SET_SECRET, desired.ceph.secret))
    for guest in guests:
        if guest.state == "absent" and guest.name in observed.guests:
            steps += _remove(guest, observed.guests[guest.name], desired, observed)
    present = [guest for guest in guests if guest.state != "absent"]
    steps += [
        Step(Action.SHUT_DOWN, guest.name)
        for guest in present
        if guest.state == "stopped" and guest.name in observed.guests and observed.guests[guest.name].active
    ]
    for guest in present:
        steps += _converge(guest, observed)
    return steps


def _remove(guest: Guest, found: Found, desired: Desired, observed: Observed) -> List[Step]:
    """The definition goes last: it is what knows the disks."""
    steps = [Step(Action.SHUT_DOWN, guest.name)] if found.active else []
    if guest.remove_disks:
        disks = read_domain(found.definition).disks
        steps += [Step(Action.DELETE_DISK, disk.source) for disk in disks if disk.source in observed.images and _ours(disk, desired)]
    return [*steps, Step(Action.UNDEFINE, guest.name)]


def _ours(disk: Disk, desired: Desired) -> bool:
    return disk.type == "file" and disk.source.startswith(f"{desired.image_directory}/")


def _converge(guest: Guest, observed: Observed) -> List[Step]:
    steps = []
    for disk in guest.domain.disks:
        if disk.type == "file" and disk.source not in observed.images:
            steps.append(Step(Action.CREATE_DISK, disk.source, f"{disk.format} {guest.sizes.get(disk.source, 0)}"))
    found = observed.guests.get(guest.name)
    if found is None:
        steps.append(Step(Action.DEFINE, guest.name, rendered(guest.domain)))
    elif differences(read_domain(found.definition), guest.domain):
        steps.append(Step(Action.DEFINE, guest.name, revised(found.definition, guest.domain)))
    if guest.autostart != (found is not None and found.autostart):
        steps.append(Step(Action.AUTOSTART if guest.autostart else Action.NO_AUTOSTART, guest.name))
    if guest.state != "running":
        return steps
    if found is None or not found.active:
        return [*steps, Step(Action.START, guest.name)]
    return [*steps, *(Step(Action.MOVE_INTERFACE, guest.name, moved_interface(found.live, one)) for one in movable(guest, found))]


def movable(guest: Guest, found: Found) -> List[Interface]:
    """NICs of a running guest that libvirt can put on another bridge as it runs. From macvtap to a bridge it cannot."""
    live = {one.mac: one for one in read_domain(found.live).interfaces}
    moves = []
    for wanted in guest.domain.interfaces:
        now = live.get(wanted.mac)
        if now is not None and (now.type, wanted.type) == ("bridge", "bridge") and now.source != wanted.source:
            moves += [wanted] if now.model == wanted.model else []
    return moves


def restart_needed(desired: Desired, observed: Observed) -> Dict[str, List[Difference]]:
    """Guest -> what of its definition it will have after its next start only, when the plan has been applied."""
    needed: Dict[str, List[Difference]] = {}
    for guest in (fitted(one, desired, observed) for one in desired.guests):
        found = observed.guests.get(guest.name)
        if guest.state != "running" or found is None or not found.active:
            continue
        moved = {f"interface {one.mac}" for one in movable(guest, found)}
        left = [one for one in differences(read_domain(found.live), guest.domain) if one.part not in moved]
        if left:
            needed[guest.name] = left
    return needed


def uses_ceph(desired: Desired) -> bool:
    """Whether any guest has a disk in Ceph."""
    return any(disk.type == "network" for guest in desired.guests for disk in guest.domain.disks)


def images_of(domain: Domain) -> List[str]:
    """The files that hold the guest's disks."""
    return [disk.source for disk in domain.disks if disk.type == "file"]


def changes(desired: Desired, observed: Observed) -> List[Dict[str, str]]:
    """The plan as diffs: each definition and disk that changes, before and after."""
    diffs = []
    for step in plan(desired, observed):
        found = observed.guests.get(step.target)
        if step.action is Action.DEFINE:
            before = shown(found.definition) if found is not None else ""
            diffs.append(text_diff(f"definition of {step.target}", *hunks(before, shown(step.value))))
        elif step.action is Action.UNDEFINE:
            diffs.append(text_diff(f"definition of {step.target}", summary(found.definition) if found is not None else "", ""))
        elif step.action in (Action.CREATE_DISK, Action.DELETE_DISK):
            there = f"{step.value} bytes\n" if step.value else "a disk\n"
            diffs.append(text_diff(step.target, *(("", there) if step.value else (there, ""))))
        elif step.action in (Action.START, Action.SHUT_DOWN):
            diffs.append(text_diff(f"state of {step.target}", f"{found.state if found else 'none'}\n", f"{_after(step)}\n"))
        elif step.action in (Action.AUTOSTART, Action.NO_AUTOSTART):
            diffs.append(text_diff(f"autostart of {step.target}", *(("no\n", "yes\n") if step.action is Action.AUTOSTART else ("yes\n", "no\n"))))
    return diffs


def _after(step: Step) -> str:
    return "running" if step.action is Action.START else "shut off"


def named(steps: Sequence[Step]) -> List[str]:
    """The steps in words."""
    return [str(step) for step in steps]
