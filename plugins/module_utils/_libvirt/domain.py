# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt says of a guest, read from its domain XML (https://libvirt.org/formatdomain.html)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping, Optional, Tuple
from xml.etree.ElementTree import Element

from .._shared.limits import BadText, excerpt, parse_xml
from .._shared.limits import integer as whole

# Bytes in one of libvirt's units; memory is in KiB where no unit is written.
UNITS: Mapping[str, int] = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "k": 2**10,
    "KiB": 2**10,
    "MB": 10**6,
    "M": 2**20,
    "MiB": 2**20,
    "GB": 10**9,
    "G": 2**30,
    "GiB": 2**30,
    "TB": 10**12,
    "T": 2**40,
    "TiB": 2**40,
}
MODES = ("bridge", "vepa", "private", "passthrough")
"""How a macvtap treats the others on its card; libvirt takes vepa where nothing is said."""
SOURCES: Mapping[str, str] = {"bridge": "bridge", "direct": "dev", "network": "network"}

_HEXADECIMAL = re.compile(r"0[xX][0-9A-Fa-f]{1,8}")


class BadDefinition(BadText):
    """The text is not the definition of a guest, or not one that libvirt gives."""


@dataclass(frozen=True)
class Interface:
    """A guest's NIC. ``source`` is the bridge, the card below the macvtap link (``direct``), or the virtual network.

    ``target`` is the link on the host, ``address`` the PCI address in the guest, such as 0000:01:00.0; either may be empty.
    """

    type: str
    mac: str
    source: str
    mode: str = ""
    model: str = ""
    target: str = ""
    alias: str = ""
    address: str = ""


@dataclass(frozen=True)
class Disk:
    """A guest's disk. ``type`` is file, block, network or volume; ``source`` is a path, or pool/image for RBD.

    ``hosts`` are Ceph's monitors as written, ``user`` and ``secret`` its user and the UUID of the secret with that one's key.
    """

    target: str
    type: str
    source: str
    format: str = ""
    protocol: str = ""
    hosts: Tuple[str, ...] = ()
    user: str = ""
    secret: str = ""


@dataclass(frozen=True)
class Domain:
    """A guest as it is defined or as it runs. ``memory`` in KiB; ``kernel`` and so on are empty for one that boots from a disk."""

    name: str
    uuid: str
    type: str
    memory: int
    vcpus: int
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    disks: Tuple[Disk, ...] = ()
    interfaces: Tuple[Interface, ...] = ()


def read_root(xml: str, tag: str = "domain") -> Element:
    """The root element of what libvirt gave. Raises BadDefinition."""
    try:
        root = parse_xml(xml, f"libvirt's {tag}")
    except BadText as error:
        raise BadDefinition(str(error)) from None
    if root.tag != tag:
        raise BadDefinition(f"this is not the XML of libvirt's {tag} but of a {excerpt(root.tag)[1:-1]}")
    return root


def read_domain(xml: str) -> Domain:
    """The guest of a domain XML. Raises BadDefinition."""
    root = read_root(xml)
    return Domain(
        name=text(root, "name"),
        uuid=text(root, "uuid"),
        type=root.get("type", ""),
        memory=kibibytes(root.find("memory")),
        vcpus=number(text(root, "vcpu") or "1", "vcpu"),
        kernel=text(root, "os/kernel"),
        initrd=text(root, "os/initrd"),
        cmdline=text(root, "os/cmdline"),
        disks=tuple(read_disk(disk) for disk in root.findall("devices/disk") if disk.get("device", "disk") == "disk"),
        interfaces=tuple(read_interface(one) for one in root.findall("devices/interface")),
    )


def offers_kvm(capabilities: str) -> bool:
    """Whether libvirt runs guests by KVM here, by its own account (``virsh capabilities``): a device file proves nothing."""
    return any(domain.get("type") == "kvm" for domain in read_root(capabilities, "capabilities").iter("domain"))


def read_interface(element: Element) -> Interface:
    """The NIC of an ``<interface>`` element."""
    type_ = element.get("type", "")
    return Interface(
        type=type_,
        mac=attribute(element, "mac", "address").lower(),
        source=attribute(element, "source", SOURCES.get(type_, "")),
        mode=attribute(element, "source", "mode") if type_ == "direct" else "",
        model=attribute(element, "model", "type"),
        target=attribute(element, "target", "dev"),
        alias=attribute(element, "alias", "name"),
        address=_address(element.find("address")),
    )


def read_disk(element: Element) -> Disk:
    """The disk of a ``<disk>`` element."""
    type_ = element.get("type", "")
    where = {"file": "file", "block": "dev", "network": "name", "volume": "volume"}.get(type_, "")
    hosts = tuple(_host(host) for host in element.findall("source/host"))
    # A disk's <auth> was a child of <disk> first and is one of <source> since libvirt 3.9; either is written today.
    auth = next((found for found in (element.find("auth"), element.find("source/auth")) if found is not None), None)
    return Disk(
        target=attribute(element, "target", "dev"),
        type=type_,
        source=attribute(element, "source", where),
        format=attribute(element, "driver", "type"),
        protocol=attribute(element, "source", "protocol"),
        hosts=hosts,
        user="" if auth is None else auth.get("username", ""),
        secret="" if auth is None else attribute(auth, "secret", "uuid"),
    )


def _host(element: Element) -> str:
    name, port = element.get("name", ""), element.get("port", "")
    host = f"[{name}]" if ":" in name else name
    return f"{host}:{port}" if port else host


def _address(element: Optional[Element]) -> str:
    if element is None or element.get("type") != "pci":
        return ""
    domain, bus, slot, function = (number(element.get(key, "0"), f"address {key}") for key in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def number(digits: str, what: str) -> int:
    """A whole number as libvirt writes it, decimal or, with 0x, hexadecimal. Raises BadDefinition."""
    if _HEXADECIMAL.fullmatch(digits):
        return int(digits, 16)
    try:
        return whole(digits.strip(), what, high=2**53)
    except BadText as error:
        raise BadDefinition(str(error)) from None


def text(element: Element, path: str) -> str:
    """The text of an element below; empty when it is not there."""
    return (element.findtext(path) or "").strip()


def attribute(element: Element, path: str, name: str) -> str:
    """An attribute of an element below; empty when either is not there."""
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def kibibytes(element: Optional[Element]) -> int:
    """The size an element tells, in KiB."""
    if element is None or not (element.text or "").strip():
        return 0
    return number(element.text or "0", element.tag) * UNITS.get(element.get("unit", "KiB"), 2**10) // 2**10
