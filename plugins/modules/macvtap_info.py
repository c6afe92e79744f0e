#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds guests on macvtap."""

from __future__ import annotations

DOCUMENTATION = r"""
module: macvtap_info
short_description: Find guests on macvtap, and who cannot talk to whom because of it
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - A guest on macvtap sends its frames out by the card without a look at the host, so host and guest cannot talk to each
    other. In the modes other than V(bridge), guests on the same card cannot either.
  - Lists every macvtap and macvlan of the kernel with who uses it, the interfaces of all guests of libvirt, and who cannot
    talk to whom. M(smallfleet.infra.libvirt_interface) moves a guest's interface to a bridge while it runs.
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
  diff_mode:
    support: none
    description: The module changes nothing.
  idempotent:
    support: full
    description: The module changes nothing.
options:
  uri:
    description: The libvirt to ask. A host without libvirt is one without guests.
    type: str
    default: qemu:///system
requirements:
  - iproute2; virsh (Debian package C(libvirt-clients)) where there are guests
seealso:
  - module: smallfleet.infra.libvirt_interface
"""

EXAMPLES = r"""
- name: See who is on macvtap
  smallfleet.infra.macvtap_info:
  register: macvtap

- name: Show it
  ansible.builtin.debug:
    var: macvtap.text
"""

RETURN = r"""
text:
  description: All of it for people, one line each.
  returned: success
  type: list
  elements: str
  sample:
    - "macvtap0: macvtap on eth0 (bridge), MAC 52:54:00:aa:00:01, PCI 0000:01:00.0, of guest web"
links:
  description: Each macvtap and macvlan of the kernel. Those that were moved into another network namespace are not seen.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: macvtap0, kind: macvtap, card: eth0, mode: bridge, mac: "52:54:00:aa:00:01", owner: {type: guest, name: web}}
  contains:
    name:
      description: Its name.
      type: str
      sample: macvtap0
    kind:
      description: V(macvtap) or V(macvlan).
      type: str
      sample: macvtap
    card:
      description: What it sits on.
      type: str
      sample: eth0
    mode:
      description: V(bridge), V(vepa), V(private), V(passthrough) or V(source).
      type: str
      sample: bridge
    mac:
      description: Its MAC.
      type: str
      sample: "52:54:00:aa:00:01"
    owner:
      description:
        - Who uses it, as C(type) and C(name). A C(guest) of libvirt, another C(process) that holds its device open, this
          C(host) itself (a macvlan), or C(nobody).
      type: dict
      sample: {type: guest, name: web}
guests:
  description: Each guest of libvirt.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web
      state: running
      interfaces:
        - {mac: "52:54:00:aa:00:01", type: direct, source: eth0, mode: bridge, network: "", pci: "0000:01:00.0",
          model: virtio, target: macvtap0}
      defined:
        - {mac: "52:54:00:aa:00:01", type: direct, source: eth0, mode: bridge, network: "", pci: "0000:01:00.0",
          model: virtio, target: ""}
  contains:
    name:
      description: Its name.
      type: str
      sample: web
    state:
      description: V(running), V(paused), V(off), or what else it is.
      type: str
      sample: running
    interfaces:
      description:
        - Its interfaces while it runs, each with C(mac), C(type) (C(direct) is macvtap), C(source), C(mode), C(network),
          C(pci), C(model) and C(target). Empty when it is off.
      type: list
      elements: dict
      sample:
        - {mac: "52:54:00:aa:00:01", type: direct, source: eth0, mode: bridge, network: "", pci: "0000:01:00.0",
           model: virtio, target: macvtap0}
    defined:
      description: Likewise, the interfaces that it boots with.
      type: list
      elements: dict
      sample:
        - {mac: "52:54:00:aa:00:01", type: direct, source: eth0, mode: bridge, network: "", pci: "0000:01:00.0",
          model: virtio, target: ""}
cannot_talk:
  description: The pairs that cannot talk to each other over a card.
  returned: success
  type: list
  elements: dict
  sample:
    - between: [this host, guest web]
      card: eth0
      because: what its macvtap macvtap0 sends leaves eth0 without passing this host
      except_through: a switch that sends frames back to where they came from
  contains:
    between:
      description: The two.
      type: list
      elements: str
      sample: [this host, guest web]
    card:
      description: The card that they share.
      type: str
      sample: eth0
    because:
      description: Why not.
      type: str
      sample: what its macvtap macvtap0 sends leaves eth0 without passing this host
    except_through:
      description: What would let them, or nothing.
      type: str
      sample: a switch that sends frames back to where they came from
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import BadDefinition
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.guests_host import Guests
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import Unreadable
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap_host import macvtap_report
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={"uri": {"type": "str", "default": "qemu:///system"}}, supports_check_mode=True)
    runner = SystemRunner(60.0)
    try:
        report = macvtap_report(runner, Guests(runner, SystemClock(), module.params["uri"]))
    except (CommandFailed, Unreadable, BadDefinition, OSError) as error:
        module.fail_json(msg=f"{error}. See that libvirt answers at {module.params['uri']}, as root.")
    module.exit_json(changed=False, **report)


if __name__ == "__main__":
    main()
