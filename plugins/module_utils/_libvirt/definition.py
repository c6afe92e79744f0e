# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The definition of a guest: what differs from what was asked for, and the XML in which it no longer does.

libvirt adds addresses, controllers and defaults to what it is given. So texts are never compared, only what was asked for; and a
definition is changed where it differs, so that what libvirt or a person added stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Mapping, Sequence, Set, Tuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from .._shared.masking import mask_element
from .domain import SOURCES, BadDefinition, Disk, Domain, Interface, attribute, read_domain, read_interface, read_root

BUSES = {"v": "virtio", "s": "sata", "h": "ide"}
SPARE_PORTS = 6  # three for what every guest has besides, three for what is plugged in later
NAMESPACES = {
    "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
    "libosinfo": "http://libosinfo.org/xmlns/libvirt/domain/1.0",
}
# A machine without a screen: its console is serial. The features are those that virt-install gives a guest on x86.
FRAME = """\
<domain>
  <name/>
  <uuid/>
  <memory/>
  <vcpu/>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <features><acpi/><apic/></features>
  <clock offset="utc"/>
  <devices>
    <controller type="pci" model="pcie-root"/>
    <serial type="pty"/>
    <console type="pty"/>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
  </devices>
</domain>
"""


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that is not as asked. ``part`` is memory, vcpus, virtualization, kernel, initrd, cmdline, disk X or interface X."""

    part: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.part == "cmdline":
            return "cmdline: changed"  # it may hold a password or a token
        return f"{self.part}: {self.before or 'none'} -> {self.after or 'none'}"


def differences(found: Domain, wanted: Domain) -> Tuple[Difference, ...]:
    """What is to change. Disks are told apart by their names in the guest, NICs by their MACs; name and UUID are not compared."""
    parts = [
        ("memory", f"{found.memory} KiB", f"{wanted.memory} KiB"),
        ("vcpus", str(found.vcpus), str(wanted.vcpus)),
        ("virtualization", found.type, wanted.type or found.type),
        ("kernel", found.kernel, wanted.kernel),
        ("initrd", found.initrd, wanted.initrd),
        ("cmdline", found.cmdline, wanted.cmdline),
    ]
    parts += _listed("disk", {d.target: _disk(d) for d in found.disks}, {d.target: _disk(d) for d in wanted.disks})
    nics = [{one.mac: _interface(one) for one in domain.interfaces} for domain in (found, wanted)]
    parts += _listed("interface", *nics)
    return tuple(Difference(*part) for part in parts if part[1] != part[2])


def _listed(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> List[Tuple[str, str, str]]:
    return [(f"{kind} {name}", before.get(name, ""), after.get(name, "")) for name in sorted({*before, *after})]


def _disk(disk: Disk) -> str:
    if disk.type != "network":
        return f"{disk.format} {disk.source}"
    user = f" as {disk.user} by {disk.secret}" if disk.user else ""
    return f"{disk.protocol} {disk.source} at {', '.join(sorted(disk.hosts))}{user}"


def _interface(interface: Interface) -> str:
    mode = f" in mode {interface.mode}" if interface.mode else ""
    return f"{interface.model} {interface.type} {interface.source}{mode}"


def rendered(wanted: Domain) -> str:
    """The definition of a guest that does not exist yet."""
    root = ElementTree.fromstring(FRAME)
    root.set("type", wanted.type)
    for key in ("name", "uuid"):
        _child(root, key).text = getattr(wanted, key)
    if wanted.type == "kvm":
        SubElement(root, "cpu", {"mode": "host-model"})
    devices = _child(root, "devices")
    for _port in range(len(wanted.disks) + len(wanted.interfaces) + SPARE_PORTS):
        devices.insert(1, Element("controller", {"type": "pci", "model": "pcie-root-port"}))
    return _revised(root, replace(wanted, type=""), Domain(wanted.name, wanted.uuid, wanted.type, 0, 0))


def revised(definition: str, wanted: Domain) -> str:
    """The definition with all that differs changed and all else kept."""
    return _revised(read_root(definition), wanted, read_domain(definition))


def _revised(root: Element, wanted: Domain, found: Domain) -> str:
    devices = _child(root, "devices")
    changes: Dict[str, Callable[[], None]] = {
        "memory": lambda: _set_memory(root, wanted.memory),
        "vcpus": lambda: _set_vcpus(root, wanted.vcpus),
        "virtualization": lambda: _set_virtualization(root, wanted.type),
        **{key: _boot_setter(root, key, getattr(wanted, key)) for key in ("kernel", "initrd", "cmdline")},
    }
    disks, nics = {disk.target: disk for disk in wanted.disks}, {nic.mac: nic for nic in wanted.interfaces}
    elements = _by_name(devices)
    removed: Set[Element] = set()
    for difference in differences(found, wanted):
        kind, _space, name = difference.part.partition(" ")
        present = elements.get(difference.part, [])
        if kind == "disk" and name in disks:
            _set_disk(devices, present, disks[name])
        elif kind == "interface" and name in nics:
            _set_interface(devices, present, nics[name])
        elif kind in ("disk", "interface"):
            removed.update(present)
        else:
            changes[kind]()
    devices[:] = [element for element in devices if element not in removed]
    return written(root)


def _by_name(devices: Element) -> Dict[str, List[Element]]:
    """``disk X`` or ``interface X``, as in a ``Difference`` -> the elements of that name."""
    found: Dict[str, List[Element]] = {}
    for element in devices.findall("disk"):
        found.setdefault(f"disk {attribute(element, 'target', 'dev')}", []).append(element)
    for element in devices.findall("interface"):
        found.setdefault(f"interface {attribute(element, 'mac', 'address').lower()}", []).append(element)
    return found


def written(root: Element) -> str:
    """The XML as text, one element on a line."""
    for prefix, address in NAMESPACES.items():
        ElementTree.register_namespace(prefix, address)
    _indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _indent(element: Element, level: int = 0) -> None:
    """ElementTree.indent(), as Python 3.9 has it, leaves old white space where children were removed; this does not."""
    children = list(element)
    if children:
        element.text = "\n" + "  " * (level + 1)
        for child in children:
            _indent(child, level + 1)
            child.tail = "\n" + "  " * (level + 1)
        children[-1].tail = "\n" + "  " * level


def _child(element: Element, tag: str) -> Element:
    found = element.find(tag)
    return SubElement(element, tag) if found is None else found


def _set_memory(root: Element, kibibytes: int) -> None:
    for tag in ("memory", "currentMemory"):
        element = _child(root, tag)
        element.set("unit", "KiB")
        element.text = str(kibibytes)


def _set_vcpus(root: Element, number: int) -> None:
    element = _child(root, "vcpu")
    element.attrib.pop("current", None)
    element.text = str(number)
    # Each of these counts the processors too, and would contradict.
    for path, parent in (("vcpus", root), ("topology", root.find("cpu"))):
        listed = None if parent is None else parent.find(path)
        if parent is not None and listed is not None:
            parent.remove(listed)


def _set_virtualization(root: Element, type_: str) -> None:
    """An emulated processor cannot be the host's own."""
    root.set("type", type_)
    cpu = root.find("cpu")
    if type_ == "qemu" and cpu is not None and cpu.get("mode", "").startswith("host-"):
        root.remove(cpu)


def _boot_setter(root: Element, tag: str, value: str) -> Callable[[], None]:
    def change() -> None:
        system = _child(root, "os")
        if value:
            _child(system, tag).text = value
        else:
            system.remove(_child(system, tag))

    return change


def _set_disk(devices: Element, found: Sequence[Element], disk: Disk) -> None:
    element = found[0] if found else SubElement(devices, "disk", {"device": "disk"})
    element.set("type", disk.type)
    for tag in ("source", "auth", "backingStore"):
        for child in element.findall(tag):
            element.remove(child)
    driver = _child(element, "driver")
    driver.set("name", "qemu")
    driver.set("type", disk.format)
    if not found:
        driver.set("discard", "unmap")
        SubElement(element, "target", {"dev": disk.target, "bus": BUSES[disk.target[0]]})
    if disk.type == "file":
        SubElement(element, "source", {"file": disk.source})
        return
    source = SubElement(element, "source", {"protocol": disk.protocol, "name": disk.source})
    for host in disk.hosts:
        match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d+))?", host)
        name, port = match.groups() if match else (host, None)
        SubElement(source, "host", {"name": name.strip("[]"), **({"port": port} if port else {})})
    auth = SubElement(source, "auth", {"username": disk.user})
    SubElement(auth, "secret", {"type": "ceph", "uuid": disk.secret})


def _set_interface(devices: Element, found: Sequence[Element], wanted: Interface) -> None:
    element = found[0] if found else SubElement(devices, "interface")
    if not found:
        SubElement(element, "mac", {"address": wanted.mac})
    _move(element, wanted)


def _move(element: Element, wanted: Interface) -> None:
    element.set("type", wanted.type)
    for tag in ("source", "target", "virtualport"):
        for child in element.findall(tag):
            element.remove(child)
    source = {SOURCES[wanted.type]: wanted.source}
    SubElement(element, "source", {**source, "mode": wanted.mode} if wanted.mode else source)
    _child(element, "model").set("type", wanted.model)
    element.attrib.pop("trustGuestRxFilters", None)
    if wanted.type == "direct":
        # Without it a macvtap link keeps from the guest the multicast by which IPv6 neighbours are found.
        element.set("trustGuestRxFilters", "yes")


def moved_interface(live: str, wanted: Interface) -> str:
    """The NIC of a running guest on another bridge: what libvirt can change while the guest runs."""
    for element in read_root(live).findall("devices/interface"):
        if read_interface(element).mac == wanted.mac:
            for source in element.findall("source"):
                element.remove(source)
            SubElement(element, "source", {"bridge": wanted.source})
            return written(element)
    raise BadDefinition(f"the guest has no NIC with the MAC {wanted.mac}")


def shown(definition: str) -> str:
    """The definition as it may be shown: without any secret, and as we write it, so that only what differs does."""
    root = read_root(definition)
    mask_element(root)
    return written(root)


def summary(definition: str) -> str:
    """A definition that goes, in a few lines: what can be asked for of a guest, without its kernel's parameters."""
    found = read_domain(definition)
    rows = differences(found, Domain(found.name, found.uuid, "", 0, 0))
    return "".join(f"{row.part}: {row.before}\n" for row in rows if row.part != "cmdline")
