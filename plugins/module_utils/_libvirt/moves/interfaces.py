# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network interfaces in a guest's definition (https://libvirt.org/formatdomain.html#network-interfaces).

A definition is changed as text, at the interface and nowhere else, so that all that is not understood here stays as it is.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Dict, List, Mapping, Optional, Tuple
from xml.parsers.expat import ExpatError, ParserCreate

from ..._shared.masking import masked_xml
from ..domain import BadDefinition, attribute, kibibytes, number, read_interface, read_root

_PATH = ("domain", "devices", "interface")
_GENERATED = re.compile(r"(vnet|macvtap|macvlan)\d+")
_HOTPLUG_BUSES = ("pci-root", "pci-bridge", "pcie-root-port", "pcie-switch-downstream-port", "pcie-to-pci-bridge")


@dataclass(frozen=True)
class Attachment:
    """What an interface of a guest hangs on: ``direct`` (a macvtap on the card ``source``) or the bridge ``source``.

    Any other ``type`` is libvirt's word, and its source is not looked at.
    """

    type: str
    source: str = ""
    mode: str = ""

    def __str__(self) -> str:
        if self.type == "direct":
            return f"macvtap on {self.source} ({self.mode})"
        return f"bridge {self.source}" if self.type == "bridge" else f"{self.type} {self.source}".strip()


def direct(card: str, mode: str = "bridge") -> Attachment:
    """A macvtap on a card."""
    return Attachment("direct", card, mode)


def bridge(name: str) -> Attachment:
    """A port of a bridge."""
    return Attachment("bridge", name)


@dataclass(frozen=True)
class Nic:
    """One interface. ``pci`` is its address in the guest, such as 0000:01:00.0; ``target`` the device on the host.

    ``network`` is the libvirt network that it is attached by, if any. ``text`` is the element as libvirt gives it.
    """

    mac: str
    at: Attachment
    pci: str = ""
    bus: int = -1
    model: str = ""
    target: str = ""
    network: str = ""
    special: Tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Domain:
    """What a definition says of a guest. ``buses`` maps the number of each PCI bus to the model of its controller."""

    name: str
    uuid: str
    memory_mib: int = 0
    machine: str = ""
    buses: Mapping[int, str] = field(default_factory=dict)
    host_devices: bool = False
    nics: Tuple[Nic, ...] = ()
    text: str = ""

    def nic(self, mac: str) -> Optional[Nic]:
        """The interface with this MAC."""
        return self._by_mac.get(mac.lower())

    @cached_property
    def _by_mac(self) -> Dict[str, Nic]:
        return {nic.mac: nic for nic in self.nics}

    def hotplug(self, nic: Nic) -> bool:
        """Whether the interface may be taken out while the guest runs. q35 has slots of its own for that."""
        return self.buses.get(nic.bus, "") in _HOTPLUG_BUSES


def read_domain(text: str) -> Domain:
    """Raises BadDefinition."""
    root = read_root(text)
    if not root.findtext("name"):
        raise BadDefinition("this is the definition of a guest without a name")
    devices = root.find("devices")
    nics = _nics(root, text)
    if not all(nic.mac for nic in nics) or len({nic.mac for nic in nics}) != len(nics):
        raise BadDefinition(f"the interfaces of {root.findtext('name')} cannot be told apart by their MAC")
    kind = root.find("os/type")
    return Domain(
        name=str(root.findtext("name")),
        uuid=str(root.findtext("uuid") or ""),
        memory_mib=-(-kibibytes(root.find("memory")) // 1024),
        machine="" if kind is None else kind.get("machine", ""),
        buses={} if devices is None else _buses(devices),
        host_devices=devices is not None and devices.find("hostdev") is not None,
        nics=nics,
        text=text,
    )


def _nics(root: ET.Element, text: str) -> Tuple[Nic, ...]:
    """The interfaces with their texts. Raises BadDefinition."""
    data = text.encode("utf-8")
    elements, spans = root.findall("devices/interface"), _spans(data)
    if len(elements) != len(spans):
        raise BadDefinition("the definition has its interfaces in several places")
    return tuple(replace(_nic(element), text=data[begin:end].decode("utf-8")) for element, (begin, end) in zip(elements, spans))


def _spans(data: bytes) -> List[Tuple[int, int]]:
    """The first byte and that behind the last of each interface in a definition. Comments hold none."""
    parser = ParserCreate("utf-8")
    path: List[str] = []
    found: List[Tuple[int, int]] = []
    begins: List[int] = []

    def start(tag: str, _attributes: Dict[str, str]) -> None:
        path.append(tag)
        if len(path) == 3 and tuple(path) == _PATH:
            begins.append(parser.CurrentByteIndex)

    def end(_tag: str) -> None:
        if len(path) == 3 and tuple(path) == _PATH:
            here = parser.CurrentByteIndex  # behind <interface/>, or before </interface>
            closing = data.startswith(b"</interface", here)
            found.append((begins.pop(), data.index(b">", here) + 1 if closing else here))
        path.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(data, True)
    except ExpatError as error:
        raise BadDefinition(f"this is no XML: {error}") from None
    return found


def _buses(devices: ET.Element) -> Dict[int, str]:
    found: Dict[int, str] = {}
    for one in devices.findall("controller"):
        if one.get("type") == "pci" and one.get("index"):
            found[number(one.get("index", ""), "controller index")] = one.get("model", "")
    return found


def read_nic(text: str) -> Nic:
    """One interface from its element alone. Raises BadDefinition."""
    return replace(_nic(read_root(text, "interface")), text=text)


def _nic(element: ET.Element) -> Nic:
    found = read_interface(element)
    at = Attachment(found.type, found.source or attribute(element, "source", found.type))
    network = found.source if found.type == "network" else ""
    card, port = attribute(element, "source", "dev"), attribute(element, "source", "bridge")
    if found.type == "direct" or (network and card):
        at = direct(card, attribute(element, "source", "mode") or "vepa")
    elif network and port:
        at = bridge(port)
    special = tuple(name for name in ("virtualport", "filterref", "vlan", "hostdev") if element.find(name) is not None)
    bus = int(found.address.split(":")[1], 16) if found.address else -1
    return Nic(found.mac, at, found.address, bus, found.model, found.target, network, special)


def attached(text: str, to: Attachment) -> str:
    """The element of an interface, attached to something else; MAC, PCI address and all else stay as they are.

    Raises BadDefinition.
    """
    element = read_root(text, "interface")
    element.set("type", to.type)
    if to.type != "direct":
        element.attrib.pop("trustGuestRxFilters", None)
    source = element.find("source")
    if source is None:
        source = ET.SubElement(element, "source")
    tail = source.tail
    source.clear()
    source.tail = tail
    source.attrib.update({"bridge": to.source} if to.type == "bridge" else {"dev": to.source, "mode": to.mode})
    return _plain(element)


def settled(text: str) -> str:
    """The element without what libvirt gives a running interface of its own accord: device and alias."""
    return _plain(read_root(text, "interface"))


def _plain(element: ET.Element) -> str:
    target, alias = element.find("target"), element.find("alias")
    if target is not None and _GENERATED.fullmatch(target.get("dev", "")):
        target.attrib.pop("dev")
        if not target.attrib:
            element.remove(target)
    if alias is not None and not alias.get("name", "").startswith("ua-"):
        element.remove(alias)
    element.tail = None
    return ET.tostring(element, encoding="unicode")


def spliced(text: str, wanted: Mapping[str, str]) -> str:
    """A definition with the elements of some interfaces, by MAC, replaced. Raises BadDefinition when one is missing."""
    by_mac = {mac.lower(): element for mac, element in wanted.items()}
    data = text.encode("utf-8", "replace")
    parts: List[bytes] = []
    done = 0
    for nic, (begin, end) in zip(_nics(read_root(text), text), _spans(data)):
        element = by_mac.pop(nic.mac, None)
        if element is not None:
            parts += [data[done:begin], element.encode("utf-8")]
            done = end
    if by_mac:
        raise BadDefinition(f"there is no interface with the MAC {', '.join(sorted(by_mac))}")
    return b"".join([*parts, data[done:]]).decode("utf-8")


def shown(domain: Optional[Domain], macs: List[str]) -> str:
    """The elements of some interfaces, for people; nothing else of a definition, which may hold a password."""
    nics = [] if domain is None else [domain.nic(mac) for mac in macs]
    return "".join(f"{masked_xml(settled(nic.text))}\n" for nic in nics if nic is not None)
