# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest is to be, as plain data that survives a trip through JSON."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .domain import Disk, Domain, Interface

MIB = 2**10  # in KiB
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "vm-host.smallfleet.infra")


@dataclass(frozen=True)
class Ceph:
    """Where the images of RBD disks are. ``keyring`` is a file on the host with the key of ``user``."""

    monitors: Tuple[str, ...]
    user: str
    keyring: str

    @property
    def secret(self) -> str:
        """The UUID of libvirt's secret for this user."""
        return str(uuid.uuid5(NAMESPACE, f"ceph client.{self.user}"))


@dataclass(frozen=True)
class Guest:
    """``domain`` is what it is to be defined as, with an empty ``type`` where any will do. ``sizes`` maps each file that may be
    created to its bytes; ``state`` is running, stopped or absent."""

    domain: Domain
    state: str = "running"
    autostart: bool = True
    sizes: Mapping[str, int] = field(default_factory=dict)
    remove_disks: bool = False

    @property
    def name(self) -> str:
        return self.domain.name


def mac_address(fleet: str, guest: str, position: int) -> str:
    """An address with the prefix that QEMU's guests have (52:54:00), which depends on names only."""
    digest = sha256(f"{fleet}/{guest}/{position}".encode()).hexdigest()
    return ":".join(("52:54:00", digest[0:2], digest[2:4], digest[4:6]))


def guest_uuid(fleet: str, guest: str) -> str:
    """A UUID that depends on names only, so that a guest is the same wherever it is defined anew."""
    return str(uuid.uuid5(NAMESPACE, f"{fleet}/{guest}"))


def to_data(guest: Guest) -> Dict[str, Any]:
    """The guest as the module ``libvirt_guests`` takes it; of one that is to be absent, its name and what becomes of its disks."""
    if guest.state == "absent":
        return {"name": guest.name, "state": guest.state, "remove_disks": guest.remove_disks}
    domain = guest.domain
    boot = {"kernel": domain.kernel, "initrd": domain.initrd, "cmdline": domain.cmdline}
    return {
        "name": guest.name,
        "uuid": domain.uuid,
        "state": guest.state,
        "autostart": guest.autostart,
        "memory": domain.memory // MIB,
        "vcpus": domain.vcpus,
        "boot": {key: value for key, value in boot.items() if value},
        "disks": [_disk(disk, guest.sizes.get(disk.source)) for disk in domain.disks],
        "interfaces": [_interface(one) for one in domain.interfaces],
    }


def _disk(disk: Disk, size: Optional[int]) -> Dict[str, Any]:
    if disk.type == "network":
        return {"target": disk.target, "rbd": disk.source}
    data: Dict[str, Any] = {"target": disk.target, "file": disk.source, "format": disk.format}
    return data if size is None else {**data, "size": str(size)}


def _interface(interface: Interface) -> Dict[str, Any]:
    data = {"mac": interface.mac, interface.type: interface.source, "model": interface.model}
    return {**data, "mode": interface.mode} if interface.mode else data


def clashes(guests: Mapping[str, Guest]) -> List[Tuple[str, str, str]]:
    """(place, place, MAC) of NICs that have the same MAC; ``guests`` maps a place to the guest that is written there."""
    seen: Dict[str, str] = {}
    found: List[Tuple[str, str, str]] = []
    for place in sorted(guests):
        for index, interface in enumerate(guests[place].domain.interfaces):
            where = f"{place}.interfaces[{index}]"
            if interface.mac in seen:
                found.append((seen[interface.mac], where, interface.mac))
            seen.setdefault(interface.mac, where)
    return found
