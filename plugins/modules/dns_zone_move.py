#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sees where the move of a zone to other servers stands."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_move
short_description: See where the move of a DNS zone to other servers stands, and what comes next
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Looks at the zone's old servers, its new servers, and the servers of its parent, and says which step comes next. It
    changes nothing in DNS; the playbook C(smallfleet.infra.move_zone) does, by what this module returns.
  - The TTLs that the zone had, and since when they are low, the DS is gone and the parent names the new servers,
    cannot be seen later. They are kept in a file, so that no wait is begun again.
  - Every old server is asked for every set that is to be imported, for the usual types at the zone's own name, at each name of
    O(record_sets), O(left_out) and O(names), for what answers any name (wildcards), and for names that zones often have. A set that
    the new servers would not get, or would get with other data, is in doubt, and the next step is not beyond V(explain).
  - Where the next step is to wait, it waits itself, as long as O(wait) allows.
  - Internal to this collection. Use the playbook C(smallfleet.infra.move_zone) instead.
extends_documentation_fragment:
  - smallfleet.infra.dns_decisions
attributes:
  check_mode:
    support: full
    description: Looks once, and does not write the file.
  diff_mode:
    support: none
    description: Nothing but the file of what is remembered is changed.
  idempotent:
    support: full
    description: A look that sees nothing new leaves the file as it is.
options:
  zone_name:
    description: The zone.
    type: str
    required: true
    aliases: [zone]
  old:
    description: The servers that the zone has had.
    type: dict
    required: true
    suboptions: &side
      servers:
        description: Addresses or names of the servers. Of a name, all addresses are asked.
        type: list
        elements: str
        required: true
      port:
        description: Port of the servers.
        type: int
        default: 53
      transfer:
        description: Whether they allow a zone transfer (AXFR). It is only used of the old servers.
        type: bool
        default: false
      key_name:
        description: Name of the TSIG key for the transfer.
        type: str
      key_secret:
        description: Secret of the key, in base64.
        type: str
      key_algorithm:
        description: Algorithm of the key.
        type: str
        choices: [hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha1, hmac-md5]
        default: hmac-sha256
      key_file:
        description: Path, on the host where the module runs, of a file that holds the key as C(tsig-keygen) prints it.
        type: path
  new:
    description: The servers that the zone shall have.
    type: dict
    required: true
    suboptions: *side
  parent_zone:
    description: The zone in which O(zone_name) is delegated. Without it, the name without its first label.
    type: str
  parent:
    description: The servers of O(parent_zone). Without it, those that the system's resolver finds.
    type: dict
    suboptions: *side
  record_sets:
    description:
      - What is in the zone, as M(smallfleet.infra.dns_zone_import) returns it, where the old servers allow no transfer.
      - The old servers are asked for these sets; TTLs and values are taken from their answers.
    type: list
    elements: dict
    default: []
  left_out:
    description:
      - What the import left out, as M(smallfleet.infra.dns_zone_import) returns it.
      - These sets, and their names, are in doubt until somebody decides about them.
    type: list
    elements: dict
    default: []
  ttl:
    description: The longest TTL in seconds that the zone may have at its old servers while it is switched.
    type: int
    default: 300
  state_file:
    description: >-
      Path of the file, on the host where the module runs. Without it,
      C(/var/lib/smallfleet/dns_move/), the zone's name and C(.json).
    type: path
  written:
    description: The text of the file that RV(variables) of an earlier run were written into, to see whether somebody edited it.
    type: str
    default: ""
  variable_prefix:
    description: What errors put before the names of options, for a playbook that takes them as variables. With V(move_), an error
      names C(move_old) in place of O(old).
    type: str
    default: ""
  wait:
    description: For how many seconds it may wait.
    type: float
    default: 0.0
  families:
    description: Over what to ask. Leave out V(ipv6) where the host that runs the module has none.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  timeout:
    description: Seconds to wait for the connection, and for the answer to each question.
    type: float
    default: 10.0
requirements:
  - dnspython 2.3 or later on the host where the module runs (Debian package C(python3-dnspython))
seealso:
  - module: smallfleet.infra.dns_zone_compare
  - module: smallfleet.infra.dns_zone_import
"""

EXAMPLES = r"""
- name: See where the move stands
  smallfleet.infra.dns_zone_move:
    zone_name: example.net
    old: {servers: [ns1.provider.example.com], transfer: true}
    new: {servers: [192.0.2.53]}
  register: move

- name: See where the move of a zone stands that only a file describes
  smallfleet.infra.dns_zone_move:
    zone_name: example.net
    old: {servers: [ns1.provider.example.com]}
    new: {servers: [192.0.2.53]}
    record_sets: "{{ imported.record_sets }}"
    left_out: "{{ imported.left_out }}"
    names: [intranet]
    decisions:
      - {record: "@", type: ALIAS, publish: nothing}
      - {record: "@", type: A, publish: value, value: [192.0.2.80]}

- name: Show it
  ansible.builtin.debug:
    var: move.plan
"""

RETURN = r"""
next:
  description:
    - The next step, one of V(lower), V(wait_ttl), V(explain), V(publish), V(unsign), V(wait_ds), V(switch), V(settle), V(wait_ns)
      and V(done).
  returned: success
  type: str
  sample: wait_ttl
until:
  description: When the wait is over, in UTC; empty when the next step is no wait.
  returned: success
  type: str
  sample: "2026-11-21T01:00:00Z"
seconds:
  description: For how many seconds there is still to wait.
  returned: success
  type: int
  sample: 1200
to_do:
  description: What a human has to do for the next step, where it cannot be done by update. Empty when nothing.
  returned: success
  type: str
  sample: ""
message:
  description: What a run says that stops here, with every set that is in doubt.
  returned: success
  type: str
  sample: It is to be waited until 2026-11-21T01:00:00Z (wait_ttl). Nothing is wrong; run this again then.
report:
  description: RV(plan), RV(to_do), and one line for each set that is in doubt, decided about or left out.
  returned: success
  type: list
  elements: str
  sample: ["in doubt  @ ALIAS is no type of DNS but one of the provider's own; write what it stands for (line 3)"]
unexplained:
  description: The record sets that are in doubt, the likeliest cause first.
  returned: success
  type: list
  elements: dict
  sample: [{record: www, type: A, reason: "is not in the file, and the old servers answer 192.0.2.80", publish: ""}]
decided:
  description: The record sets that would be in doubt, and what O(decisions) says is published.
  returned: success
  type: list
  elements: dict
  sample: [{record: "@", type: ALIAS, reason: is no type of DNS, publish: nothing}]
plan:
  description: One line for each step, marked as done, next or later.
  returned: success
  type: list
  elements: str
  sample: ["done   lower the TTLs at the old provider to 300 s"]
lower:
  description: The old zone's sets whose TTL is to be lowered, as M(smallfleet.infra.dns_record_sets) takes them with
    C(txt_transformation=quoted).
  returned: success
  type: list
  elements: dict
  sample: [{record: www.example.net., type: A, ttl: 300, value: [192.0.2.80]}]
delegation:
  description: What the parent's zone shall hold, as M(smallfleet.infra.dns_record_sets) takes it.
  returned: success
  type: list
  elements: dict
  sample: [{record: example.net., type: NS, ttl: 3600, value: [ns1.example.net.]}]
old_delegation:
  description: The same with the TTL in O(ttl), for the old zone, so that caches that ask there learn it too.
  returned: success
  type: list
  elements: dict
  sample: [{record: example.net., type: NS, ttl: 300, value: [ns1.example.net.]}]
nameservers:
  description: The zone's own nameservers as the new servers give them; empty when not all serve the zone.
  returned: success
  type: list
  elements: str
  sample: [ns1.example.net.]
variables:
  description: A file of variables with the old zone's record sets and the TTLs they had before they were lowered, as
    M(smallfleet.infra.dns_zone_import) writes it. Empty when no old server answers.
  returned: success
  type: str
  sample: "---\nimported_example_net:\n  ttl: 3600\n  records: []\n"
edited:
  description: Whether RV(variables) would replace what somebody changed by hand in O(written).
  returned: success
  type: bool
  sample: false
left_out:
  description: What was not taken over into RV(variables), and why, with what O(left_out) has.
  returned: success
  type: list
  elements: dict
  sample: [{record: "@", type: NS, reason: names the servers of the old provider, kind: expected}]
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [remember /var/lib/smallfleet/dns_move/example.net.json]
state:
  description: What was seen.
  returned: success
  type: dict
  sample: {next: wait_ttl, parents: {192.0.2.1: ns1.provider.example.com.}, longest_ttl: 3600}
reason:
  description: Why it failed, as one word. See M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: unreachable
"""

import time

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.move_client import MemoryFile, proceed
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.result_client import move_of, result_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare_client import BEYOND, SIDE
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import FAMILIES, Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles
from ansible_collections.smallfleet.infra.plugins.module_utils._system.locks import locked_new_folder


def run(module: AnsibleModule) -> None:
    """Look, wait if that is what is needed, and say what comes next."""
    options = module.params
    files = SystemFiles()
    canonical = WireClient(Server("")).canonical
    move = move_of(options, files, canonical)
    memory = MemoryFile(files, options["state_file"], move.zone, locked_new_folder)
    progress = proceed(move, memory, SystemClock(), lambda: int(time.time()), options["wait"], module.check_mode)
    for text in progress.findings.unused:
        module.warn(f"decisions: {text}")
    module.exit_json(**result_of(move, progress, memory.path, options["written"]))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "old": {**SIDE, "required": True},
            "new": {**SIDE, "required": True},
            "parent_zone": {"type": "str"},
            "parent": dict(SIDE),
            "record_sets": {"type": "list", "elements": "dict", "default": []},
            **BEYOND,
            "ttl": {"type": "int", "default": 300},
            "state_file": {"type": "path"},
            "written": {"type": "str", "default": ""},
            "wait": {"type": "float", "default": 0.0},
            "variable_prefix": {"type": "str", "default": ""},
            "families": {"type": "list", "elements": "str", "choices": list(FAMILIES), "default": list(FAMILIES)},
            "timeout": {"type": "float", "default": 10.0},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
