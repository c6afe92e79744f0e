# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of a guest to what it is to be: what does not fit together is noted, and what cannot be used is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from .._fleet.places import Values
from .domain import MODES, Disk, Domain, Interface
from .model import MIB, Ceph, Guest, guest_uuid, mac_address
from .variables import ABSENT_OPTIONS, FORMATS, LEAST_MEMORY, MODELS

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Around:
    """What all guests of a host have in common: the fleet's name, the folder of their disks, and where RBD images are."""

    fleet: str = ""
    image_directory: str = "/var/lib/libvirt/images"
    ceph: Optional[Ceph] = None


def read_ceph(given: Optional[Values]) -> Optional[Ceph]:
    """Monitors, user and keyring; None where nothing is said. What could not be used is empty."""
    if given is None:
        return None
    user = given["user"] or ""
    return Ceph(tuple(given["monitors"] or ()), user, given["keyring"] or f"/etc/ceph/ceph.client.{user}.keyring")


def read_guest(name: str, given: Values, around: Around) -> Guest:
    """The guest with every default filled in; what does not fit together is noted."""
    state = given["state"]
    for key in sorted(given.written - {"name"}):
        if state == "absent" and key not in ABSENT_OPTIONS:
            given.at(key).refuse("belongs to no guest that is absent", "Remove it, or change the state")
        elif state != "absent" and key == "remove_disks":
            given.at(key).refuse("belongs to a guest that is absent only", "Remove it, or change the state")
    if state == "absent":
        return Guest(Domain(name, "", "", 0, 0), state, False, {}, given["remove_disks"])
    boot = given["boot"] or {}
    if "state" not in given.refused:
        _check_presence(given)
    sizes: Dict[str, int] = {}
    domain = Domain(
        name=name,
        uuid=given["uuid"] or guest_uuid(around.fleet, name),
        type="",
        memory=(given["memory"] or LEAST_MEMORY) * MIB,
        vcpus=given["vcpus"] or 1,
        kernel=boot.get("kernel") or "",
        initrd=boot.get("initrd") or "",
        cmdline=boot.get("cmdline") or "",
        disks=_disks(given, around, sizes),
        interfaces=_interfaces(name, given, around),
    )
    _check_whole(domain, given)
    autostart = state == "running" if given["autostart"] is None else given["autostart"]
    return Guest(domain, state, autostart, sizes)


def _check_presence(given: Values) -> None:
    if "memory" not in given.written:
        given.at("memory").refuse("is missing", "Write the guest's memory in MiB, for example 2048")
    boots = given["boot"] is not None and given["boot"].written or given["disks"]
    if not boots and not given.refused & {"boot", "disks"}:
        given.place.refuse("has nothing to boot from", "Give it disks, or boot with a kernel")


def _check_whole(domain: Domain, given: Values) -> None:
    """What is wrong with the guest as a whole."""
    if not domain.kernel and (domain.initrd or domain.cmdline) and "boot" not in given.refused:
        given.at("boot").refuse("has an initrd or a cmdline but no kernel", "Name the kernel too, or remove boot")
    for key, words in (
        ("disks", [disk.target for disk in domain.disks]),
        ("disks", [disk.source for disk in domain.disks]),
        ("interfaces", [interface.mac for interface in domain.interfaces]),
    ):
        for word in sorted(word for word, times in Counter(words).items() if times > 1):
            given.at(key).refuse(f"{word} is there twice", "Write each once")


def _disks(guest: Values, around: Around, sizes: Dict[str, int]) -> Tuple[Disk, ...]:
    read = [_disk(given, index, around, sizes) for index, given in enumerate(guest["disks"] or ()) if given.clean]
    return tuple(disk for disk in read if disk is not None)


def _disk(given: Values, index: int, around: Around, sizes: Dict[str, int]) -> Optional[Disk]:
    target = given["target"] or f"vd{LETTERS[index % 26]}"
    if ("file" in given.written) == ("rbd" in given.written):
        given.place.refuse("must have either a file or an RBD image", "Write for example {file: web.qcow2, size: 20G} or {rbd: vms/web}")
        return None
    if "file" in given.written:
        file = given["file"] if given["file"].startswith("/") else f"{around.image_directory}/{given['file']}"
        if given["size"] is not None:
            sizes[file] = given["size"]
        return Disk(target, "file", file, given["format"] or FORMATS[0])
    for key in ("format", "size"):
        if key in given.written:
            given.at(key).refuse("belongs to a file", "Remove it; an RBD image is made with rbd create")
    if around.ceph is None:
        given.at("rbd").refuse("nothing is known of the Ceph cluster", "Set vm_host_ceph (the option ceph) with monitors and user")
        return None
    return Disk(target, "network", given["rbd"], "raw", "rbd", around.ceph.monitors, around.ceph.user, around.ceph.secret)


def _interfaces(name: str, guest: Values, around: Around) -> Tuple[Interface, ...]:
    read = [_interface(name, given, index, around) for index, given in enumerate(guest["interfaces"] or ()) if given.clean]
    return tuple(interface for interface in read if interface is not None)


def _interface(guest: str, given: Values, index: int, around: Around) -> Optional[Interface]:
    if ("bridge" in given.written) == ("direct" in given.written):
        given.place.refuse("must be either on a bridge or directly on a card", "Write for example {bridge: br0}")
        return None
    type_ = "bridge" if "bridge" in given.written else "direct"
    if "mode" in given.written and type_ == "bridge":
        given.at("mode").refuse("belongs to an interface directly on a card", "Remove it")
    mode = given["mode"] or MODES[0] if type_ == "direct" else ""
    return Interface(type_, given["mac"] or mac_address(around.fleet, guest, index), given[type_], mode, given["model"] or MODELS[0])
