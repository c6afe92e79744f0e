# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``vm_host_*`` variables, which are the options of the module ``libvirt_guests`` too: what each may be."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Mapping

from .._fleet.fields import Field, Option, boolean, choice, list_of, mapping_of, name, optional, required, table_of, whole
from .._fleet.places import REFUSED, Place
from .._fleet.values import shown
from .domain import MODES

STATES = ("running", "stopped", "absent")
FORMATS = ("qcow2", "raw")
MODELS = ("virtio", "e1000e", "e1000", "rtl8139")
VIRTUALIZATION = ("auto", "kvm", "qemu")
LEAST_MEMORY, MOST_MEMORY, MOST_VCPUS = 16, 16 * 2**20, 255

_PATH_FORM = r"(/[A-Za-z0-9._+@-]+)+"
_FILE_FORM = r"[A-Za-z0-9_][A-Za-z0-9._+@-]*"
_SIZE_FORM = r"([1-9][0-9]{0,17})([KMGT]?)"
_PATH_TEXT = name(_PATH_FORM, "an absolute path of letters, digits and ._+@-", "Write for example /var/lib/libvirt/images")
_MAC_TEXT = name(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", "a unicast MAC address", "Write for example 52:54:00:12:34:56")


def _path(value: Any, place: Place) -> Any:
    """An absolute path that no program reads as more than a path."""
    given = _PATH_TEXT.parse(value, place)
    if given is not REFUSED and ("/../" in f"{given}/" or "/./" in f"{given}/"):
        return place.refuse(f"{shown(value)} leads back", "Write the path without . and ..")
    return given


def _file(value: Any, place: Place) -> Any:
    return value if isinstance(value, str) and re.fullmatch(_FILE_FORM, value) else _path(value, place)


def _size(value: Any, place: Place) -> Any:
    """Gives the bytes."""
    match = re.fullmatch(_SIZE_FORM, str(value)) if not isinstance(value, bool) else None
    if match is None:
        return place.refuse(f"{shown(value)} is not a size", "Write for example 20G; K, M, G and T are powers of 1024")
    return int(match[1]) << 10 * " KMGT".index(match[2] or " ")


def _line(value: Any, place: Place) -> Any:
    if isinstance(value, str) and value.isprintable():
        return " ".join(value.split())
    return place.refuse(f"{shown(value)} is not a line of text", "Write the kernel's parameters on one line")


def _mac(value: Any, place: Place) -> Any:
    return _MAC_TEXT.parse(value.lower() if isinstance(value, str) else value, place)


PATH = replace(_PATH_TEXT, parse=_path)
FOLDER = replace(PATH, type="path")
_FILE = Field("str", _file, {"type": "string", "pattern": rf"^({_FILE_FORM}|{_PATH_FORM})$|\{{\{{"})
_SIZE = Field("str", _size, {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": rf"^{_SIZE_FORM}$|\{{\{{"}]})
_LINE = Field("str", _line, {"type": "string"})
_MAC = Field("str", _mac, {"type": "string", "pattern": r"^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$|\{\{"})
_LINK = name(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", "the name of a link on the host", "Write for example br0")

DISK_OPTIONS: Mapping[str, Option] = {
    "target": optional(name(r"[vsh]d[a-z]", "a disk's name in a guest", "Write for example vda")),
    "file": optional(_FILE),
    "format": optional(choice(*FORMATS)),
    "size": optional(_SIZE),
    "rbd": optional(name(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*", "a pool and an image", "Write for example vms/web")),
}
INTERFACE_OPTIONS: Mapping[str, Option] = {
    "bridge": optional(_LINK),
    "direct": optional(_LINK),
    "mode": optional(choice(*MODES)),
    "mac": optional(_MAC),
    "model": optional(choice(*MODELS)),
}
BOOT_OPTIONS: Mapping[str, Option] = {"kernel": optional(PATH), "initrd": optional(PATH), "cmdline": optional(_LINE)}
_DISKS = list_of(table_of(DISK_OPTIONS, "a disk", "{file: web.qcow2, size: 20G}"), "[{file: web.qcow2, size: 20G}]")
_INTERFACES = list_of(table_of(INTERFACE_OPTIONS, "an interface", "{bridge: br0}"), "[{bridge: br0}]")
GUEST_OPTIONS: Mapping[str, Option] = {
    "state": optional(choice(*STATES), STATES[0]),
    "autostart": optional(boolean()),
    "memory": optional(whole(LEAST_MEMORY, MOST_MEMORY, "MiB", 2048)),
    "vcpus": optional(whole(1, MOST_VCPUS, "processors")),
    "boot": optional(table_of(BOOT_OPTIONS, "boot", "{kernel: /boot/vmlinuz}")),
    "disks": optional(_DISKS),
    "interfaces": optional(_INTERFACES),
    "uuid": optional(name(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a UUID", "Write for example 5f0f0c9e-6c1d-5c58-9d8e-1f0b8d1f2a3b")),
    "remove_disks": optional(boolean(), False),
}
ABSENT_OPTIONS = ("state", "remove_disks")
"""Those of a guest that is absent."""
_MONITOR = name(r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?", "a monitor's name or address", "Write for example mon1.example.net")
CEPH_OPTIONS: Mapping[str, Option] = {
    "monitors": required(list_of(_MONITOR, "[mon1.example.net, mon2.example.net]", 1), "Write for example [mon1.example.net, mon2.example.net]"),
    "user": required(name(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a Ceph user without the word client", "Write for example vms")),
    "keyring": optional(FOLDER),
}
CEPH = table_of(CEPH_OPTIONS, "the Ceph cluster", "{monitors: [mon1.example.net], user: vms}")
GUEST_NAME = name(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a guest's name", "Use letters, digits, '.', '_' and '-', at most 63")
_GUEST_EXAMPLE = "{memory: 2048, disks: [{file: web.qcow2, size: 20G}]}"

VARIABLES: Mapping[str, Field] = {
    "vm_host_ceph": CEPH,
    "vm_host_guests": mapping_of(GUEST_NAME, table_of(GUEST_OPTIONS, "a guest", _GUEST_EXAMPLE), f"{{web: {_GUEST_EXAMPLE}}}"),
    "vm_host_image_directory": FOLDER,
    "vm_host_virtualization": choice(*VIRTUALIZATION),
}
GUESTS = list_of(
    table_of({"name": required(GUEST_NAME), **GUEST_OPTIONS}, "a guest", f"{{name: web, {_GUEST_EXAMPLE[1:]}"), f"[{{name: web, {_GUEST_EXAMPLE[1:]}]"
)
"""As the module takes them."""
