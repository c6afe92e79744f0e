#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the parent of a signed zone has the right DS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_ds_info
short_description: Compare the DS records at a zone's parent with the zone's own keys
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Asks every server of the parent zone for the DS records of a zone, every server of the zone itself for its CDS,
    CDNSKEY and DNSKEY records and the signature over the last, and says whether they belong together.
  - Returns the DS records that the parent should have, as lines to paste.
  - It can wait for a verdict, since a play that unsigns a zone has to wait until its DS is gone.
attributes:
  check_mode:
    support: full
    description: Looks once and does not fail, since what should be waited for may not have been done.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Nothing is changed.
options:
  zone_name:
    description: The zone.
    type: str
    required: true
    aliases: [zone]
  servers:
    description: Addresses of the zone's own servers. Without it, O(resolver) is asked for them.
    type: list
    elements: str
  parent_servers:
    description: Addresses of the servers of the zone above. Without it, O(resolver) is asked for them.
    type: list
    elements: str
  resolver:
    description: Address or name of the resolver to ask. Without it, those of the system are asked, one after the other.
    type: str
  resolver_port:
    description: Port of the resolver.
    type: int
    default: 53
  port:
    description: Port of all servers.
    type: int
    default: 53
  families:
    description: Which addresses of servers to take. Leave out V(ipv6) where the host that runs the module has none.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  wait:
    description: Whether to look again and again until the verdict is one of O(expected), and to fail when it does not.
    type: bool
    default: false
  expected:
    description: Verdicts to wait for.
    type: list
    elements: str
    choices: [ok, missing, stale, mismatch, unsigned]
    default: [ok]
  timeout:
    description: Seconds to wait.
    type: float
    default: 300.0
  delay:
    description: Seconds between two looks.
    type: float
    default: 5.0
  query_timeout:
    description: Seconds to wait for the answer to each question.
    type: float
    default: 5.0
requirements:
  - dnspython 2.3 or later on the host where the module runs (Debian package C(python3-dnspython))
seealso:
  - module: smallfleet.infra.dns_wait
"""

EXAMPLES = r"""
- name: Look whether the registrar has published our keys
  smallfleet.infra.dns_ds_info:
    zone_name: example.net
  register: chain

- name: Show what to hand over
  ansible.builtin.debug:
    var: chain.ds_lines

- name: Wait until the DS is gone, before the zone is unsigned
  smallfleet.infra.dns_ds_info:
    zone_name: example.net
    wait: true
    expected: [missing, unsigned]
    timeout: 3600
"""

RETURN = r"""
verdict:
  description:
    - V(ok), the parent has the DS of every key that the zone wants there, and no other.
    - V(missing), the zone is signed and the parent has no DS, so that resolvers take it for unsigned.
    - V(stale), resolvers accept the zone, but a DS is too much or too few.
    - V(mismatch), resolvers that validate refuse the whole zone, since no DS belongs to a key that signs its keys.
    - V(unsigned), there is no DS, and the zone is not signed or asks for none.
    - Of several servers that differ, the worst.
  returned: success
  type: str
  sample: missing
why:
  description: The verdict as a sentence.
  returned: success
  type: str
  sample: "The zone is signed, but the parent has no DS: resolvers take it for unsigned."
wanted:
  description: DS records that the parent should have.
  returned: success
  type: list
  elements: str
  sample: ["60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A"]
ds_lines:
  description: The same as lines of a zone file.
  returned: success
  type: list
  elements: str
  sample: ["example.net. 3600 IN DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A"]
ttl:
  description: The longest time to live, in seconds, of the DS records at the parent; V(0) when there are none.
  returned: success
  type: int
  sample: 3600
removal:
  description: Whether the zone asks its parent to take the DS away (RFC 8078).
  returned: success
  type: bool
  sample: false
parent_servers:
  description: What each server of the parent has.
  returned: success
  type: list
  elements: dict
  sample: [{server: 192.0.2.1, ds: [], verdict: missing}]
zone_keys:
  description: The zone's keys, and whether each signs the set of keys now.
  returned: success
  type: list
  elements: dict
  sample: [{tag: 60485, flags: 257, algorithm: 13, signs: true}]
steps:
  description: Always empty, since nothing is changed.
  returned: always
  type: list
  elements: str
  sample: []
reason:
  description:
    - V(deadline), or why a server could not be asked; see M(smallfleet.infra.dns_record_set). Besides, V(no_servers) and
      V(no_resolver), when servers have to be found and cannot.
  returned: failure
  type: str
  sample: deadline
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation import VERDICTS
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.delegation_client import Asker, Look, Patience, as_result, look, wait_for
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.resolver_client import Resolver
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock


def run(module: AnsibleModule) -> None:
    """Look once, or until it is as expected."""
    options = module.params
    where = Look(zone_of(options["zone_name"]), options["servers"] or (), options["parent_servers"] or ())
    asker = Asker(
        options["port"],
        options["query_timeout"],
        tuple(options["families"]),
        # A zone that does not validate is just what is looked for here.
        Resolver(options["resolver"] or "", options["resolver_port"], options["query_timeout"], unvalidated=True),
    )
    if options["wait"] and not module.check_mode:
        patience = Patience(options["expected"], options["timeout"], options["delay"])
        report = wait_for(asker, where, patience, SystemClock())
    else:
        report = look(asker, where)
    module.exit_json(changed=False, steps=[], **as_result(where.zone, report))


def main() -> None:
    """Entry point."""
    families = ["ipv4", "ipv6"]
    module = AnsibleModule(
        argument_spec={
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "servers": {"type": "list", "elements": "str"},
            "parent_servers": {"type": "list", "elements": "str"},
            "resolver": {"type": "str"},
            "resolver_port": {"type": "int", "default": 53},
            "port": {"type": "int", "default": 53},
            "families": {"type": "list", "elements": "str", "choices": families, "default": families},
            "wait": {"type": "bool", "default": False},
            "expected": {"type": "list", "elements": "str", "choices": list(VERDICTS), "default": ["ok"]},
            "timeout": {"type": "float", "default": 300.0},
            "delay": {"type": "float", "default": 5.0},
            "query_timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
