# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt says of a guest, read from its domain XML (https://libvirt.org/formatdomain.html)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

# Bytes in one of libvirt's units; memory is in KiB where no unit is written.
UNITS: Mapping[str, int] = {
    "b": 1, "bytes": 1, "KB": 10**3, "k": 2**10, "KiB": 2**10, "MB": 10**6, "M": 2**20, "MiB": 2**20, "GB": 10**9, "G": 2**30,
    "GiB": 2**30, "TB": 10**12, "T": 2**40, "TiB": 2**40,
}
MODES = ("bridge", "vepa", "private", "passthrough")
"""How a macvtap treats the others on its card; libvirt takes vepa where nothing is said."""
SOURCES: Mapping[str, str] = {"bridge": "bridge", "direct": "dev", "network": "network"}


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


def read_domain(xml: str) -> Domain:
    """The guest of a domain XML. Raise ValueError for text that is none."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"this is not XML: {error}") from None
    if root.tag != "domain":
        raise ValueError(f"this is not the XML of a domain but of a {root.tag}")
    return Domain(
        name=text(root, "name"),
        uuid=text(root, "uuid"),
        type=root.get("type", ""),
        memory=kibibytes(root.find("memory")),
        vcpus=int(text(root, "vcpu") or 1),
        kernel=text(root, "os/kernel"),
        initrd=text(root, "os/initrd"),
        cmdline=text(root, "os/cmdline"),
        disks=tuple(read_disk(disk) for disk in root.findall("devices/disk") if disk.get("device", "disk") == "disk"),
        interfaces=tuple(read_interface(one) for one in root.findall("devices/interface")),
    )


def offers_kvm(capabilities: str) -> bool:
    """Whether libvirt runs guests by KVM here, by its own account (``virsh capabilities``): a device file proves nothing."""
    return any(domain.get("type") == "kvm" for domain in ElementTree.fromstring(capabilities).iter("domain"))


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
    number: Dict[str, int] = {key: int(element.get(key, "0"), 0) for key in ("domain", "bus", "slot", "function")}
    return f"{number['domain']:04x}:{number['bus']:02x}:{number['slot']:02x}.{number['function']:x}"


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
    return int(element.text or "0") * UNITS.get(element.get("unit", "KiB"), 2**10) // 2**10
