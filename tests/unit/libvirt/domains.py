# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions of guests as libvirt 11 prints them, cut to what matters here."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import Attachment, attached

MAC = "52:54:00:aa:00:01"
OTHER = "52:54:00:aa:00:02"
DOMAIN = """<domain type='qemu' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>
    <app:note xmlns:app="http://example.net/app">kept &lt;as it is&gt;</app:note>
  </metadata>
  <memory unit='KiB'>131072</memory>
  <os>
    <type arch='x86_64' machine='pc-q35-10.0'>hvm</type>
  </os>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
{nics}    <graphics type='vnc' port='-1' passwd='not-for-eyes'/>
  </devices>
</domain>
"""
NIC = """    <interface type='direct'>
      <mac address='{mac}'/>
      <source dev='eth0' mode='bridge'/>
      <target dev='macvtap0'/>
      <model type='virtio'/>
      <alias name='net0'/>
      <address type='pci' domain='0x0000' bus='0x0{bus}' slot='0x00' function='0x0'/>
    </interface>
"""


def nic(mac: str = MAC, bus: int = 1) -> str:
    return NIC.format(mac=mac, bus=bus)


def on(to: Attachment, mac: str = MAC, bus: int = 1) -> str:
    return f"    {attached(nic(mac, bus).strip(), to)}\n"


def domain(name: str = "web", nics: Sequence[str] = (NIC.format(mac=MAC, bus=1),), number: int = 1) -> str:
    return DOMAIN.format(name=name, uuid=f"00000000-0000-0000-0000-{number:012d}", nics="".join(nics))
