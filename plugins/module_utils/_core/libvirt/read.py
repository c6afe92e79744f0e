# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what people write about guests: every value is checked, and what cannot be used is noted and left out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..fleet.values import Notes, integer, kind, shown, truth
from .domain import MODES, Disk, Domain, Interface
from .guest import MIB, Ceph, Guest, guest_uuid, mac_address

STATES = ("running", "stopped", "absent")
FORMATS = ("qcow2", "raw")
MODELS = ("virtio", "e1000e", "e1000", "rtl8139")
GUEST_KEYS = ("state", "autostart", "memory", "vcpus", "boot", "disks", "interfaces", "uuid")
ABSENT_KEYS = ("state", "remove_disks")
DISK_KEYS = ("target", "file", "format", "size", "rbd")
INTERFACE_KEYS = ("bridge", "direct", "mode", "mac", "model")
BOOT_KEYS = ("kernel", "initrd", "cmdline")
CEPH_KEYS = ("monitors", "user", "keyring")
LEAST_MEMORY, MOST_MEMORY, MOST_VCPUS = 16, 16 * 2**20, 255
LETTERS = "abcdefghijklmnopqrstuvwxyz"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LINK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_PATH = re.compile(r"(/[A-Za-z0-9._+@-]+)+")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]*")
_IMAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")
_TARGET = re.compile(r"[vsh]d[a-z]")
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
_SIZE = re.compile(r"([1-9][0-9]{0,17})([KMGT]?)")
_MONITOR = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Place:
    """Where a value is written, for those who are to correct it."""

    notes: Notes
    host: str
    path: str

    def __truediv__(self, key: object) -> Place:
        return Place(self.notes, self.host, f"{self.path}[{key}]" if isinstance(key, int) else f"{self.path}.{key}")

    def note(self, message: str, remedy: str) -> None:
        self.notes.add(self.host, self.path, message, remedy)


@dataclass(frozen=True)
class Around:
    """What all guests of a host have in common: the fleet's name, the folder of their disks, and where RBD images are."""

    fleet: str = ""
    image_directory: str = "/var/lib/libvirt/images"
    ceph: Optional[Ceph] = None


def mapping(value: Any, known: Tuple[str, ...], place: Place) -> Dict[str, Any]:
    """The dictionary without its empty entries; a key that has no meaning here is noted."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        place.note(f"must be a dictionary, found {kind(value)}", f"Write it as a dictionary of {', '.join(known)}")
        return {}
    for key in sorted(value, key=str):
        if key not in known:
            (place / key).note("has no meaning here", f"Use {', '.join(known)}")
    return {key: value[key] for key in known if value.get(key) is not None}


def _sequence(value: Any, place: Place) -> List[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        place.note(f"must be a list, found {kind(value)}", "Write it as a list")
        return []
    return list(value)


def matching(value: Any, form: re.Pattern[str], what: str, example: str, place: Place) -> str:
    """The text if it is of the form, else an empty one."""
    if isinstance(value, str) and form.fullmatch(value):
        return value
    place.note(f"{shown(value)} is not {what}", f"Write for example {example}")
    return ""


def path(value: Any, place: Place) -> str:
    """An absolute path that no program reads as more than a path."""
    found = matching(value, _PATH, "an absolute path of letters, digits and ._+@-", "/var/lib/libvirt/images", place)
    if "/../" in f"{found}/" or "/./" in f"{found}/":
        place.note(f"{shown(value)} leads back", "Write the path without . and ..")
        return ""
    return found


def choice(value: Any, among: Tuple[str, ...], default: str, place: Place) -> str:
    if value is None or value in among:
        return value or default
    place.note(f"{shown(value)} is unknown", f"Use one of {', '.join(among)}")
    return default


def _number(value: Any, least: int, most: int, what: str, place: Place) -> int:
    number = integer(value)
    if number is None or not least <= number <= most:
        place.note(f"{shown(value)} is not {what}", f"Write a whole number from {least} to {most}")
        return least
    return number


def read_ceph(value: Any, place: Place) -> Optional[Ceph]:
    """Monitors, user and keyring; None where nothing is said or something is wrong."""
    if value is None:
        return None
    given = mapping(value, CEPH_KEYS, place)
    monitors = []
    for index, monitor in enumerate(_sequence(given.get("monitors"), place / "monitors")):
        monitors.append(matching(monitor, _MONITOR, "a monitor's name or address", "mon1.example.net", place / "monitors" / index))
    if not monitors:
        (place / "monitors").note("no monitor is named", "Write for example [mon1.example.net, mon2.example.net]")
    user = matching(given.get("user"), _USER, "a Ceph user without the word client", "vms", place / "user")
    keyring = path(given.get("keyring", f"/etc/ceph/ceph.client.{user}.keyring"), place / "keyring")
    return Ceph(tuple(monitors), user, keyring) if all(monitors) and monitors and user and keyring else None


def read_guest(name: Any, value: Any, around: Around, place: Place) -> Optional[Guest]:
    """The guest with every default filled in; what is wrong with it is noted."""
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        place.note(f"{shown(name)} is not a guest's name", "Use letters, digits, '.', '_' and '-', at most 63")
        return None
    given = mapping(value, (*GUEST_KEYS, "remove_disks"), place)
    if not isinstance(value, Mapping):
        if value is None:
            place.note("is empty", "Write for example {memory: 2048, disks: [{file: web.qcow2, size: 20G}]}, or remove it")
        return None
    state = choice(given.get("state"), STATES, "running", place / "state")
    known = ABSENT_KEYS if state == "absent" else GUEST_KEYS
    for key in given:
        if key not in known:
            belongs = "no guest that is absent" if state == "absent" else "a guest that is absent only"
            (place / key).note(f"belongs to {belongs}", "Remove it, or change the state")
    if state == "absent":
        return Guest(Domain(name, "", "", 0, 0), state, False, {}, _truth(given, "remove_disks", False, place))
    if "memory" not in given:
        (place / "memory").note("is missing", "Write the guest's memory in MiB, for example 2048")
    sizes: Dict[str, int] = {}
    boot = mapping(given.get("boot"), BOOT_KEYS, place / "boot")
    domain = Domain(
        name=name,
        uuid=matching(given.get("uuid", guest_uuid(around.fleet, name)), _UUID, "a UUID", guest_uuid("", name), place / "uuid"),
        type="",
        memory=_number(given.get("memory", LEAST_MEMORY), LEAST_MEMORY, MOST_MEMORY, "a size in MiB", place / "memory") * MIB,
        vcpus=_number(given.get("vcpus", 1), 1, MOST_VCPUS, "a number of processors", place / "vcpus"),
        kernel=path(boot["kernel"], place / "boot" / "kernel") if "kernel" in boot else "",
        initrd=path(boot["initrd"], place / "boot" / "initrd") if "initrd" in boot else "",
        cmdline=_cmdline(boot.get("cmdline", ""), place / "boot" / "cmdline"),
        disks=tuple(_each(given.get("disks"), place / "disks", lambda one, index, at: _disk(one, index, at, around, sizes))),
        interfaces=tuple(_each(given.get("interfaces"), place / "interfaces", lambda one, index, at: _interface(name, one, index, at, around))),
    )
    if not boot and not given.get("disks"):
        place.note("has nothing to boot from", "Give it disks, or boot with a kernel")
    _whole(domain, place)
    return Guest(domain, state, _truth(given, "autostart", state == "running", place), sizes)


def _truth(given: Mapping[str, Any], key: str, default: bool, place: Place) -> bool:
    found = truth(given.get(key, default))
    if found is None:
        (place / key).note(f"{shown(given[key])} is neither true nor false", "Write true or false")
    return default if found is None else found


def _each(value: Any, place: Place, read: Callable[[Any, int, Place], Any]) -> List[Any]:
    found = []
    for index, entry in enumerate(_sequence(value, place)):
        if entry is None:
            (place / index).note("is empty", "Remove it, or write what it is to be")
        else:
            found.append(read(entry, index, place / index))
    return [one for one in found if one is not None]


def _cmdline(value: Any, place: Place) -> str:
    if isinstance(value, str) and value.isprintable():
        return " ".join(value.split())
    place.note(f"{shown(value)} is not a line of text", "Write the kernel's parameters on one line")
    return ""


def _whole(domain: Domain, place: Place) -> None:
    """What is wrong with the guest as a whole."""
    if not domain.kernel and (domain.initrd or domain.cmdline):
        (place / "boot").note("has an initrd or a cmdline but no kernel", "Name the kernel too, or remove boot")
    for key, words in (
        ("disks", [disk.target for disk in domain.disks]),
        ("disks", [disk.source for disk in domain.disks]),
        ("interfaces", [interface.mac for interface in domain.interfaces]),
    ):
        for word in sorted(word for word, times in Counter(words).items() if word and times > 1):
            (place / key).note(f"{word} is there twice", "Write each once")


def _disk(value: Any, index: int, place: Place, around: Around, sizes: Dict[str, int]) -> Optional[Disk]:
    given = mapping(value, DISK_KEYS, place)
    if not isinstance(value, Mapping):
        return None
    target = given.get("target", f"vd{LETTERS[index % 26]}")
    target = matching(target, _TARGET, "a disk's name in a guest", "vda", place / "target")
    if ("file" in given) == ("rbd" in given):
        place.note("must have either a file or an RBD image", "Write for example {file: web.qcow2, size: 20G} or {rbd: vms/web}")
        return None
    if "rbd" in given:
        for key in ("format", "size"):
            if key in given:
                (place / key).note("belongs to a file", "Remove it; an RBD image is made with rbd create")
        if around.ceph is None:
            (place / "rbd").note("nothing is known of the Ceph cluster", "Set vm_host_ceph (the option ceph) with monitors and user")
            return None
        image = matching(given["rbd"], _IMAGE, "a pool and an image", "vms/web", place / "rbd")
        ceph = around.ceph
        return Disk(target, "network", image, "raw", "rbd", ceph.monitors, ceph.user, ceph.secret) if image and target else None
    file = given["file"]
    if isinstance(file, str) and _FILE.fullmatch(file):
        file = f"{around.image_directory}/{file}"
    file = path(file, place / "file")
    size = _size(given["size"], place / "size") if "size" in given else None
    if file and size is not None:
        sizes[file] = size
    format_ = choice(given.get("format"), FORMATS, "qcow2", place / "format")
    return Disk(target, "file", file, format_) if file and target else None


def _size(value: Any, place: Place) -> Optional[int]:
    match = _SIZE.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None:
        place.note(f"{shown(value)} is not a size", "Write for example 20G; K, M, G and T are powers of 1024")
        return None
    return int(match[1]) << 10 * " KMGT".index(match[2] or " ")


def _interface(guest: str, value: Any, index: int, place: Place, around: Around) -> Optional[Interface]:
    given = mapping(value, INTERFACE_KEYS, place)
    if not isinstance(value, Mapping):
        return None
    if ("bridge" in given) == ("direct" in given):
        place.note("must be either on a bridge or directly on a card", "Write for example {bridge: br0}")
        return None
    type_ = "bridge" if "bridge" in given else "direct"
    source = matching(given[type_], _LINK, "the name of a link on the host", "br0", place / type_)
    mac = given.get("mac", mac_address(around.fleet, guest, index))
    mac = matching(mac.lower() if isinstance(mac, str) else mac, _MAC, "a unicast MAC address", "52:54:00:12:34:56", place / "mac")
    if "mode" in given and type_ == "bridge":
        (place / "mode").note("belongs to an interface directly on a card", "Remove it")
    mode = choice(given.get("mode"), MODES, "bridge", place / "mode") if type_ == "direct" else ""
    model = choice(given.get("model"), MODELS, "virtio", place / "model")
    return Interface(type_, mac, source, mode, model) if source and mac else None
