#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next step of a rotation of keys; the code is in plugins/action/dns_key_rotation.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_key_rotation
short_description: Decide on the next step of a rotation of TSIG keys
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Says which keys their homes may bring to the next phase of a rotation, from what the stores of all their holders were
    seen to have, or why not.
  - It works on the controller and connects to no host. C(playbooks/rotate_dns_keys.yml) does what it says.
  - Internal to this collection. Use the playbook C(smallfleet.infra.rotate_dns_keys) instead.
attributes:
  check_mode:
    support: full
    description: It never changes anything. In check mode it reports a rotation that would be begun or finished as a change.
  diff_mode:
    support: partial
    description: In check mode, the rotations.
  idempotent:
    support: full
    description: It changes nothing.
options:
  to:
    description:
      - The phase. For V(prepared) all servers must be seen, for V(promoted) all servers must have the next generation, for
        V(settled) all holders must sign with it.
    type: str
    choices: [prepared, promoted, settled]
    required: true
  plan:
    description: The plan of the whole fleet, as M(smallfleet.infra.fleet_plan) returns it with O(smallfleet.infra.fleet_plan#module:scope=fleet).
    type: dict
    required: true
  seen:
    description: Results of M(smallfleet.infra.dns_key_store) on the hosts that were looked at.
    type: list
    elements: dict
    required: true
  key:
    description: The key to rotate; if empty, all keys of the fleet that nobody else holds.
    type: str
    default: ""
  handed_over:
    description:
      - Whether the provider that transfers zones with O(key) has its next generation. Without it, V(promoted) is refused for
        such a key, and the error says where the file to hand over is.
    type: bool
    default: false
seealso:
  - module: smallfleet.infra.dns_key_store
"""

EXAMPLES = r"""
- name: Find out whether all holders sign with the new generation
  smallfleet.infra.dns_key_rotation:
    to: settled
    plan: "{{ fleet.plan }}"
    seen: "{{ ansible_play_hosts | map('extract', hostvars, 'looked') }}"
    key: app1-own
  run_once: true
"""

RETURN = r"""
hosts:
  description:
    - For each host that holds one of the keys, C(keys), C(move) (the names of those keys that it is to bring to the
      phase) and C(questions), as M(smallfleet.infra.dns_key_store) takes them.
  returned: success
  type: dict
  sample: {ns1: {keys: [app1-own], move: [app1-own], questions: []}}
steps:
  description: Rotations that are begun or finished.
  returned: success
  type: list
  elements: str
  sample: ["rotate app1-own, made on ns1, on app1, ns1"]
reason:
  description: Why it is not allowed, in one word.
  returned: failure
  type: str
  sample: unproven
"""
