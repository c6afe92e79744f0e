#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: libvirt_guests
short_description: Make the virtual machines of a host what they are to be, without restarting one
version_added: 0.2.0
description:
  - Brings all guests that are named to what the options say, in one call. Guests that are not named are left alone.
  - A guest that runs is never restarted. What it can only take at its next start is written to its definition and reported in
    RV(restart_needed), in each run until it was restarted.
  - What libvirt or a person added to a definition, such as addresses, stays; only what is asked for is compared and changed. The disks and
    NICs of a guest that is named are described wholly, though, those that are not named leave its definition.
  - Before the first change it looks for everything that would stop it, and fails with all of it at once.
  - Internal to this collection. Use the role P(smallfleet.infra.vm_host#role) instead.
author:
  - The smallfleet.infra contributors (@smallfleet)
options:
  guests:
    description: The guests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the guest.
        type: str
        required: true
      state:
        description:
          - V(running) starts a guest that is off. V(stopped) shuts it down and waits for that; the cord is never pulled.
          - V(absent) shuts it down and removes its definition. Its disks are kept, but for O(guests[].remove_disks).
        type: str
        choices: [running, stopped, absent]
        default: running
      autostart:
        description: Whether it is started with the host; where not given, whether it is to run.
        type: bool
      memory:
        description: Its memory in MiB. Required for a guest that is not absent.
        type: int
      vcpus:
        description: Its processors; 1 where not given.
        type: int
      uuid:
        description: The UUID of a guest that is new; one that is there keeps its own. Derived from the name where not given.
        type: str
      boot:
        description: The kernel that it boots. Where not given, it boots from its first disk.
        type: dict
        suboptions:
          kernel:
            description: A file on the host.
            type: str
          initrd:
            description: A file on the host.
            type: str
          cmdline:
            description: The kernel's parameters.
            type: str
      disks:
        description: Its disks, each either a O(guests[].disks[].file) or an O(guests[].disks[].rbd) image.
        type: list
        elements: dict
        suboptions:
          target:
            description: Its name in the guest. V(vda), V(vdb) and so on in their order where not given.
            type: str
          file:
            description: A path on the host, or a name in O(image_directory).
            type: str
          format:
            description: Format of the file; V(qcow2) where not given.
            type: str
            choices: [qcow2, raw]
          size:
            description: Size such as V(20G), with which a file that is not there is created. One that is there keeps its size.
            type: str
          rbd:
            description: An image that is there in Ceph, as V(pool/image).
            type: str
      interfaces:
        description: Its NICs, each either on a O(guests[].interfaces[].bridge) or O(guests[].interfaces[].direct).
        type: list
        elements: dict
        suboptions:
          bridge:
            description: The bridge of the host that it is on.
            type: str
          direct:
            description: The card of the host that it is on by macvtap. The host cannot reach such a guest.
            type: str
          mode:
            description: Mode of the macvtap link; V(bridge) where not given.
            type: str
            choices: [bridge, vepa, private, passthrough]
          mac:
            description: Its MAC. Derived from the guest's name and the NIC's place where not given.
            type: str
          model:
            description: What the guest sees; V(virtio) where not given.
            type: str
            choices: [virtio, e1000e, e1000, rtl8139]
      remove_disks:
        description: Whether the disks of a guest that is V(absent) are deleted, as far as they are files in O(image_directory).
        type: bool
        default: false
  image_directory:
    description: Folder of the files that hold disks.
    type: path
    default: /var/lib/libvirt/images
  virtualization:
    description:
      - How guests are run. V(auto) leaves a guest that is there as it is, and takes KVM for a new one where libvirt offers it.
      - V(qemu) emulates a processor, which is slow.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
  ceph:
    description: Where RBD images are.
    type: dict
    suboptions:
      monitors:
        description: Names or addresses of the monitors, with a port where it is not the usual one.
        type: list
        elements: str
        required: true
      user:
        description: The user of Ceph, without C(client.).
        type: str
        required: true
      keyring:
        description: File on the host that holds the user's key; C(/etc/ceph/ceph.client.USER.keyring) where not given.
        type: path
  shutdown_timeout:
    description: Seconds to wait for a guest that shuts down. It runs on, and the module fails, when they are not enough.
    type: int
    default: 120
attributes:
  check_mode:
    description: Whether the module can say what it would change without changing it.
    support: full
    details:
      - What the same run may bring before, such as a bridge or libvirt itself, is a warning in check mode when it is missing.
  diff_mode:
    description: Whether the module shows what differs.
    support: full
    details:
      - The XML of each definition before and after, without its passwords.
"""

EXAMPLES = r"""
- name: Two guests on a bridge
  smallfleet.infra.libvirt_guests:
    guests:
      - name: web
        memory: 2048
        vcpus: 2
        disks:
          - {file: web.qcow2, size: 20G}
        interfaces:
          - {bridge: br0}
      - name: builder
        memory: 4096
        state: stopped
        disks:
          - {rbd: vms/builder}
        interfaces:
          - {bridge: br0, mac: "52:54:00:12:34:56"}
    ceph: {monitors: [mon1.example.net, mon2.example.net], user: vms}
  register: guests

- name: Take a guest away with its disks
  smallfleet.infra.libvirt_guests:
    guests:
      - {name: old, state: absent, remove_disks: true}
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create disk /var/lib/libvirt/images/web.qcow2, define web, autostart web, start web]
diff:
  description: What changed in each definition, disk and state; passwords, the kernel's parameters and other secrets are C(***).
  returned: always
  type: list
  elements: dict
  sample:
    - before_header: definition of web
      after_header: definition of web
      before: |
        [2 lines]
          <uuid>6778e1f5-5b6a-59fa-8b29-a641a3f4c035</uuid>
          <memory unit="KiB">131072</memory>
          <vcpu>1</vcpu>
          <os>
            <type arch="x86_64" machine="q35">hvm</type>
        [28 lines]
      after: |
        [2 lines]
          <uuid>6778e1f5-5b6a-59fa-8b29-a641a3f4c035</uuid>
          <memory unit="KiB">131072</memory>
          <vcpu>4</vcpu>
          <os>
            <type arch="x86_64" machine="q35">hvm</type>
        [28 lines]
    - {before_header: state of web, after_header: state of web, before: "shut off\n", after: "running\n"}
restart_needed:
  description: The guests that run as they were defined before, and what they will have after their next start.
  returned: success
  type: dict
  sample: {web: ["memory: 2097152 KiB -> 4194304 KiB"]}
state:
  description: What is there at the end.
  returned: success
  type: dict
  sample: {guests: {web: running, builder: shut off}}
  contains:
    guests:
      description: State of each guest that was named and is there, in libvirt's words.
      type: dict
      sample: {web: running, builder: shut off}
"""

from typing import Any, Dict, List

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import Notes
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.libvirt_host import GuestFailed, Hypervisor
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.obstacles import lacks, obstacles, warnings
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.options import read_desired, spec
from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.plan import Desired, Observed, Step, changes, named, plan, restart_needed
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def refuse(module: AnsibleModule, found: List[str]) -> None:
    if found:
        module.fail_json(msg="Nothing was changed. " + "; ".join(found) + ".", steps=[], diff=[])


def result(desired: Desired, observed: Observed, steps: List[str], diff: List[Dict[str, str]]) -> Dict[str, Any]:
    waiting = {name: [str(one) for one in found] for name, found in sorted(restart_needed(desired, observed).items())}
    there = {guest.name: observed.guests[guest.name].state for guest in desired.guests if guest.name in observed.guests}
    return {"changed": bool(steps), "steps": steps, "diff": diff, "restart_needed": waiting, "state": {"guests": there}}


def converge(module: AnsibleModule, host: Hypervisor, desired: Desired) -> None:
    observed = host.observe(desired)
    missing = lacks(desired, observed)
    refuse(module, [*obstacles(desired, observed), *([] if module.check_mode else missing)])
    for warning in [*missing, *warnings(desired, observed)]:
        module.warn(warning)
    steps, diff = plan(desired, observed), changes(desired, observed)
    if module.check_mode:
        module.exit_json(**result(desired, observed, named(steps), diff))
    done: List[Step] = []
    for step in steps:
        try:
            host.apply(step, desired)
        except (CommandFailed, GuestFailed, OSError) as error:
            module.fail_json(msg=f"Could not {step}: {error}. Mend it and run again.", steps=named(done), diff=diff)
        done.append(step)
    now = host.observe(desired) if steps else observed
    module.exit_json(**result(desired, now, named(steps), diff))


def main() -> None:
    module = AnsibleModule(argument_spec=spec(), supports_check_mode=True)
    notes = Notes()
    desired = read_desired(module.params, notes)
    refuse(module, [f"{problem.variable}: {problem.message}. {problem.remedy}" for problem in notes.problems])
    host = Hypervisor(SystemRunner(), SystemFiles(), SystemClock(), module.params["shutdown_timeout"])
    try:
        converge(module, host, desired)
    except (CommandFailed, OSError, ValueError) as error:
        module.fail_json(msg=f"The guests of this host cannot be read: {error}. Mend it and run again.", steps=[], diff=[])


if __name__ == "__main__":
    main()
