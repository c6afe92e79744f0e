# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why the guests of a host cannot be made what they are to be. All of it is found before the first change."""

from __future__ import annotations

from typing import Dict, List

from .domain import Domain, read_domain
from .model import Guest
from .plan import OFF, RUNS, Desired, Observed, images_of, uses_ceph


def obstacles(desired: Desired, observed: Observed) -> List[str]:
    """What stops the change whatever else a run does first; one sentence each, with what to do."""
    found: List[str] = []
    if desired.virtualization == "kvm" and not observed.kvm and not observed.libvirt:
        found.append("libvirt offers no KVM here. Load the kernel's module, or set the virtualization to auto or qemu")
    taken = _macs_of_others(desired, observed)
    disks = _disks_of_others(desired, observed)
    found += _disks_of_several(desired)
    for guest in desired.guests:
        there = observed.guests.get(guest.name)
        if there is not None and not there.persistent:
            found.append(f"{guest.name}: it runs without a definition. Define it with virsh define first, or shut it down")
        found += _disks(guest, observed, disks)
        for interface in guest.domain.interfaces:
            if interface.mac in taken:
                found.append(f"{guest.name}: {interface.mac} is the MAC of {taken[interface.mac]}. Give one of them another")
        if guest.remove_disks and there is not None:
            shared = [source for source in images_of(read_domain(there.definition)) if source in disks]
            found += [f"{guest.name}: {source} is a disk of {disks[source]} too. Set remove_disks: false" for source in shared]
    return found


def _disks(guest: Guest, observed: Observed, others: Dict[str, str]) -> List[str]:
    found = []
    for disk in guest.domain.disks:
        if disk.source in others:
            found.append(f"{guest.name}: {disk.source} is a disk of {others[disk.source]}. Give one of them another")
        image = observed.images.get(disk.source)
        if image is None or disk.type != "file":
            continue
        if image.wrong:
            found.append(f"{guest.name}: {disk.source} {image.wrong}. Put a whole image in its place (qemu-img convert), or name another file")
        elif image.format != disk.format:
            found.append(f"{guest.name}: {disk.source} is there as {image.format}. Write format: {image.format}, or name another file")
    return found


def _macs_of_others(desired: Desired, observed: Observed) -> Dict[str, str]:
    """MAC -> guest that is not named and has it."""
    return {one.mac: name for name, domain in _others(desired, observed).items() for one in domain.interfaces}


def _disks_of_others(desired: Desired, observed: Observed) -> Dict[str, str]:
    return {disk.source: name for name, domain in _others(desired, observed).items() for disk in domain.disks}


def _disks_of_several(desired: Desired) -> List[str]:
    """Disks that more than one of the guests would write to."""
    owners: Dict[str, List[str]] = {}
    for guest in desired.guests:
        for source in {disk.source for disk in guest.domain.disks} if guest.state != "absent" else ():
            owners.setdefault(source, []).append(guest.name)
    return [f"{source} is a disk of {', '.join(names)}. Give each of them one of its own" for source, names in owners.items() if len(names) > 1]


def _others(desired: Desired, observed: Observed) -> Dict[str, Domain]:
    names = {guest.name for guest in desired.guests}
    return {name: read_domain(found.definition) for name, found in observed.guests.items() if name not in names}


def lacks(desired: Desired, observed: Observed) -> List[str]:
    """What must be there before, and may be brought by an earlier part of the same run: in check mode these are warnings."""
    found = [f"libvirt does not answer: {observed.libvirt}"] if observed.libvirt else []
    if uses_ceph(desired) and observed.keyring:
        found.append(observed.keyring)
    for guest in desired.guests:
        domain = guest.domain
        for kind, file in (("kernel", domain.kernel), ("initrd", domain.initrd)):
            if file and file not in observed.files:
                found.append(f"{guest.name}: its {kind} {file} is not there. Put it there before")
        for disk in domain.disks:
            if disk.type == "file" and disk.source not in observed.images and disk.source not in guest.sizes:
                found.append(f"{guest.name}: {disk.source} is not there. Give it a size to have it created, or put it there before")
        for one in domain.interfaces:
            if one.type == "bridge" and one.source not in observed.bridges:
                found.append(f"{guest.name}: {one.source} is no bridge of this host. Make it with the role network, or name another")
            elif one.type == "direct" and one.source not in observed.links:
                found.append(f"{guest.name}: this host has no link {one.source}. Name one that it has")
    return found


def warnings(desired: Desired, observed: Observed) -> List[str]:
    """What is as it should not be and is left alone."""
    found = []
    for guest in desired.guests:
        there = observed.guests.get(guest.name)
        if there is not None and guest.state == "running" and there.state not in (*RUNS, *OFF):
            found.append(f"{guest.name} is {there.state}, which is left to whoever brought it there")
        if guest.remove_disks and there is not None:
            kept = [source for source in images_of(read_domain(there.definition)) if _outside(source, desired)]
            found += [f"{guest.name}: {source} is kept, for it is not in {desired.image_directory}" for source in kept]
        found += _sizes(guest, observed)
    return found


def _outside(source: str, desired: Desired) -> bool:
    return not source.startswith(f"{desired.image_directory}/")


def _sizes(guest: Guest, observed: Observed) -> List[str]:
    found = []
    for source, size in sorted(guest.sizes.items()):
        image = observed.images.get(source)
        if image is not None and image.size != size:
            found.append(f"{guest.name}: {source} has {image.size} bytes and not {size}; a disk that is there keeps its size")
    return found
