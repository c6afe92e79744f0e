# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions of guests that others made, and what libvirt's and QEMU's programs print."""

from __future__ import annotations

from typing import Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt import definition, domain, image
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves import interfaces, macvtap
from fuzz.target import Target, text

MAC = "52:54:00:00:00:01"
GUEST = domain.Domain(
    "web",
    "",
    "kvm",
    1024,
    1,
    disks=(domain.Disk("vda", "file", "/web.qcow2", "qcow2"),),
    interfaces=(domain.Interface("bridge", MAC, "br0", model="virtio"),),
)
XML = (
    b"<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name><uuid>1</uuid><memory unit='KiB'>1024</memory>"
    b"<vcpu placement='static'>2</vcpu><os><type machine='q35'>hvm</type><kernel>/k</kernel></os><devices><disk type='file' device='disk'>"
    b"<driver name='qemu' type='qcow2'/><source file='/a'/><target dev='vda'/></disk><disk type='network'><source protocol='rbd' name='a/b'>"
    b"<host name='::1' port='1'/><auth username='u'><secret type='ceph' uuid='1'/></auth></source><target dev='vdb'/></disk>"
    b"<controller type='pci' index='1' model='pcie-root-port'/><!-- <interface> --><interface type='direct'><mac address='52:54:00:00:00:01'/>"
    b"<source dev='eth0' mode='bridge'/><target dev='macvtap0'/><model type='virtio'/><alias name='net0'/>"
    b"<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></interface><interface type='network'>"
    b"<mac address='52:54:00:00:00:02'/><source network='n' bridge='br0'/></interface><graphics type='vnc' passwd='x'/></devices>"
    b"<qemu:commandline><qemu:arg value='-x'/></qemu:commandline></domain>"
)
NIC = b"<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/><alias name='net0'/></interface>"
BOMB = b"<!DOCTYPE d [<!ENTITY a 'x'>" + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b"]><domain>&j;</domain>"
MANY = b"".join(b"<interface type='bridge'><mac address='52:54:00:%02x:%02x:00'/></interface>" % (n >> 8, n & 255) for n in range(2_000))


def _definition(data: bytes) -> None:
    xml = text(data)
    definition.differences(domain.read_domain(xml), GUEST)
    definition.revised(definition.revised(xml, GUEST), GUEST)
    definition.shown(xml)
    definition.moved_interface(xml, GUEST.interfaces[0])


def _interfaces(data: bytes) -> None:
    xml = text(data)
    found = interfaces.read_domain(xml)
    interfaces.shown(found, [nic.mac for nic in found.nics])
    same = interfaces.spliced(xml, {nic.mac: nic.text for nic in found.nics})
    assert same == xml, "putting back what is there changes nothing"
    interfaces.spliced(xml, {MAC: NIC.decode()})


def _interface(data: bytes) -> None:
    for to in (interfaces.bridge("br0"), interfaces.direct("eth0")):
        interfaces.read_nic(interfaces.attached(interfaces.settled(text(data)), to))


def _capabilities(data: bytes) -> None:
    domain.offers_kvm(text(data))


def _links(data: bytes) -> None:
    macvtap.describe(macvtap.members(macvtap.read_links(text(data)), [], {}), [], [])


def _image(data: bytes) -> None:
    found = image.read_image(data[: image.HEAD], len(data))
    assert found.wrong or found.format != "qcow2" or data[8:20] == bytes(12), "a qcow2 image that names another file is refused"


TARGETS: Dict[str, Target] = {
    "guest_definition": Target(_definition, (domain.BadDefinition,), (XML, BOMB, b"<domain>" * 2000, b"<domain><name>x</name></domain>")),
    "guest_interfaces": Target(
        _interfaces,
        (domain.BadDefinition,),
        (XML, BOMB, b"<domain><name>x</name><devices>" + MANY + b"</devices></domain>", b"<domain><devices>" + b"<interface>" * 50_000),
    ),
    "disk_image": Target(
        _image,
        (),
        (
            b"QFI\xfb\0\0\0\x03" + bytes(12) + b"\0\0\0\x10\0\0\0\0\x04\0\0\0" + bytes(72),
            b"QFI\xfb\0\0\0\x02\0\0\0\0\0\0\0\x68\0\0\0\x0b" + bytes(84) + b"/etc/shadow",
            b"KDMV",
            bytes(512),
        ),
    ),
    "guest_interface": Target(_interface, (domain.BadDefinition,), (NIC, b"<interface/>")),
    "capabilities": Target(_capabilities, (domain.BadDefinition,), (b"<capabilities><guest><arch><domain type='kvm'/></arch></guest></capabilities>",)),
    "macvtap_links": Target(
        _links,
        (macvtap.Unreadable,),
        (
            (
                b'[{"ifname":"macvtap0","ifindex":7,"flags":["UP"],"mtu":1500,"address":"52:54:00:00:00:01","link":"eth0","linkinfo":'
                b'{"info_kind":"macvtap","info_data":{"mode":"bridge"}}},{},{"ifname":"eth0","ifindex":2,"flags":[],"mtu":1500}]'
            ),
        ),
    ),
}
