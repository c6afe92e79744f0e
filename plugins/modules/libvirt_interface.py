#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves interfaces of running guests between macvtap and bridges."""

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_interface
short_description: Move the interface of a running guest from macvtap to a bridge, or back
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Attaches interfaces of guests to something else, macvtap or bridge, while the guests run. MAC and PCI address stay, and no
    guest is restarted. libvirt itself cannot change that of a running interface.
  - There are two ways, chosen for each guest; check mode says how long each is expected to take. With O(interfaces[].method=suspend)
    the guest's memory goes to the disk and it continues from there; with O(interfaces[].method=replug) it sees its card go and come.
  - A guest that does not answer afterwards, or whose move fails, is put back as it was. Others that were moved stay.
  - How each interface was is noted on the host before it is touched. When the module is killed, at any moment, the next
    run finishes what was begun, or takes it back when it is asked for what was before.
attributes:
  check_mode:
    support: full
    description: Says the steps, and in RV(state.guests) the expected outage of each guest.
  diff_mode:
    support: full
    description: Shows the interfaces in the definitions. Nothing else of a definition is shown, since it may hold passwords.
  idempotent:
    support: full
    description: An interface that hangs where it shall is left alone.
options:
  interfaces:
    description: The interfaces, and what each shall hang on. The guests are moved one after the other, the longest first.
    type: list
    elements: dict
    required: true
    suboptions:
      guest:
        description: Name of the guest. One that is off only has its definition changed.
        type: str
        required: true
      mac:
        description: MAC of the interface. It may be left out where the guest has only one.
        type: str
      type:
        description: V(bridge) for a port of a bridge, V(direct) for a macvtap.
        type: str
        choices: [bridge, direct]
        required: true
      source:
        description: The bridge, or the card that carries the macvtap. It must be there.
        type: str
        required: true
      mode:
        description: How a macvtap treats others on its card. Only with O(interfaces[].type=direct).
        type: str
        choices: [bridge, vepa, private, passthrough]
        default: bridge
      method:
        description:
          - V(suspend) saves the guest's memory, changes the definition beside it and lets the guest go on. The guest notices a
            pause, as long as it takes to write and read its memory; connections survive. Guests with devices of the host cannot.
          - V(replug) takes the interface out and puts it in again at the same place. That takes half a second, but the
            guest must configure its card anew, and its addresses and connections may be gone. On q35 the interface must
            be on a C(pcie-root-port).
        type: str
        choices: [suspend, replug]
        default: suspend
      answer:
        description:
          - Where the guest must answer afterwards. It is asked on the bridge, with ARP or a neighbour solicitation, so it
            does not matter whether this host has an address there. A guest on macvtap cannot be asked by its own host.
        type: dict
        suboptions:
          ip:
            description: An address that the guest has on this interface.
            type: str
            required: true
          timeout:
            description: For how many seconds to ask.
            type: float
            default: 15.0
  persistent:
    description:
      - Whether the definition that the guest boots with follows. Without it, the note of how the guest was stays on the host.
    type: bool
    default: true
  unplug_timeout:
    description: For how many seconds a guest may hold on to an interface that is taken out.
    type: float
    default: 15.0
  uri:
    description: The libvirt that has the guests.
    type: str
    default: qemu:///system
requirements:
  - virsh (Debian package C(libvirt-clients)) of libvirt 3.7 or later, iproute2, and root
seealso:
  - module: smallfleet.infra.macvtap_info
"""

EXAMPLES = r"""
- name: Move two guests to a bridge, each in its own way
  smallfleet.infra.libvirt_interface:
    interfaces:
      - guest: web
        type: bridge
        source: br0
        answer: {ip: 192.0.2.21}
      - guest: database
        mac: "52:54:00:aa:00:01"
        type: bridge
        source: br0
        method: replug
        answer: {ip: 192.0.2.22, timeout: 30}

- name: Put one back on macvtap
  smallfleet.infra.libvirt_interface:
    interfaces:
      - {guest: web, type: direct, source: eth0}
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: success, and failure while moving
  type: list
  elements: str
  sample: [save the memory of web (2048 MiB) and suspend it, let web go on from the saved memory]
diff:
  description: The interfaces in the definitions before and after.
  returned: success
  type: list
  elements: dict
  sample:
    - before_header: definition of guest web
      after_header: definition of guest web
      before: |
        <interface type="direct">
              <mac address="52:54:00:aa:00:01" />
              <source dev="eth0" mode="bridge" />
              <model type="virtio" />
              <address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0" />
            </interface>
      after: |
        <interface type="bridge">
              <mac address="52:54:00:aa:00:01" />
              <source bridge="br0" />
              <model type="virtio" />
              <address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0" />
            </interface>
state:
  description: What became of the guests.
  returned: success, and failure while moving
  type: dict
  sample: {guests: {web: {became: moved, method: suspend, expected: "about 1.5 s (128 MiB ...)", seconds: 1.4}}}
  contains:
    guests:
      description:
        - By name, each with C(became) (C(moved), in check mode C(to be moved), C(unchanged), C(taken back), or C(stuck) where that
          failed too), C(method), C(expected) (the outage and where that number is from), and C(seconds) that the move took.
      type: dict
      sample: {web: {became: moved, method: suspend, expected: "about 1.5 s (128 MiB ...)", seconds: 1.4}}
reason:
  description: One word for why it failed. With V(refused) nothing was changed, with V(taken_back) some guests are as they were.
  returned: failure
  type: str
  sample: taken_back
"""

from typing import Any, Dict, List

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.domain import MODES, BadDefinition
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.guests_host import Guests, Journal, links
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.interfaces import Attachment
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.macvtap import Unreadable
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.mover_host import Mover, Outcome, Wanted, summary
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.plan import METHODS
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.request import Request, malformed, moves, unfit
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ANSWER: Dict[str, Any] = {"ip": {"type": "str", "required": True}, "timeout": {"type": "float", "default": 15.0}}
INTERFACE: Dict[str, Any] = {
    "guest": {"type": "str", "required": True},
    "mac": {"type": "str"},
    "type": {"type": "str", "choices": ["bridge", "direct"], "required": True},
    "source": {"type": "str", "required": True},
    "mode": {"type": "str", "choices": list(MODES), "default": "bridge"},
    "method": {"type": "str", "choices": list(METHODS), "default": "suspend"},
    "answer": {"type": "dict", "options": ANSWER},
}


def request_of(data: Dict[str, Any]) -> Request:
    """One of O(interfaces)."""
    answer = data["answer"] or {"ip": "", "timeout": 15.0}
    to = Attachment(data["type"], data["source"], data["mode"] if data["type"] == "direct" else "")
    return Request(data["guest"], to, data["mac"] or "", data["method"], answer["ip"], answer["timeout"])


def refuse(module: AnsibleModule, problems: List[str]) -> None:
    """Fail when there are any."""
    if problems:
        module.fail_json(msg="Nothing was changed: " + "; ".join(problems) + ".", reason="refused")


def run(module: AnsibleModule) -> None:
    """Plan, and unless in check mode move, ask, and let the definitions follow."""
    runner, clock = SystemRunner(3600.0), SystemClock()
    requests = [request_of(one) for one in module.params["interfaces"]]
    refuse(module, malformed(requests))
    guests = Guests(runner, clock, module.params["uri"], module.params["unplug_timeout"])
    mover = Mover(guests, Journal(SystemFiles()), clock, runner)
    asked, problems = moves(requests, guests.read([one.guest for one in requests]), module.params["persistent"])
    answer = {one.guest: one for one in requests if one.ip}
    wanted = [Wanted(move, answer[move.guest].ip, answer[move.guest].timeout) if move.guest in answer else Wanted(move) for move in asked]
    batch = mover.prepare(wanted)
    refuse(module, [*problems, *unfit(requests, links(runner)), *batch.problems])
    result = {"changed": bool(batch.steps()), "steps": batch.steps(), "diff": batch.diff()}
    outcome = Outcome()
    if not module.check_mode:
        outcome = mover.move(batch)
        mover.ask(batch, outcome)
        mover.finish(batch, outcome)
    result["state"] = {"guests": summary(batch, outcome)}
    if outcome.failed:
        module.fail_json(msg="; ".join(outcome.failed.values()) + ".", reason="taken_back", **result)
    module.exit_json(**result)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "dict", "required": True, "options": INTERFACE},
            "persistent": {"type": "bool", "default": True},
            "unplug_timeout": {"type": "float", "default": 15.0},
            "uri": {"type": "str", "default": "qemu:///system"},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (CommandFailed, Unreadable, BadDefinition, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"{error}. Mend it and run again, which goes on from there.", reason="failed")


if __name__ == "__main__":
    main()
