#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares what a zone's old and new servers answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_compare
short_description: Compare a DNS zone's old and new servers, answer by answer
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Asks every server of both sides, each of its addresses over IPv4 and IPv6, for every record set of the zone, and
    tells where an answer is not that of the first old server.
  - The sets come from transfers of the sides with C(transfer), and from O(record_sets). With O(old), both sides are also asked for the
    usual types at the zone's own name, at each name of O(record_sets), O(left_out) and O(names), for what answers any name
    (wildcards), and for names that zones often have. After a transfer of the old zone, its names are asked for the types it has.
  - Expected to differ, and said so, are the SOA, the zone's own nameservers and their addresses, and what a server
    makes for DNSSEC. Differences of the TTL alone are told apart.
  - TXT values are compared string by string, since some readers (DNS-SD) see a difference. Only plain text in
    O(record_sets) is the same as its text in any strings.
extends_documentation_fragment:
  - smallfleet.infra.dns_decisions
attributes:
  check_mode:
    support: full
    description: Only questions are ever sent.
  diff_mode:
    support: full
    description: The sets that differ, as lines of a zone file.
  idempotent:
    support: full
    description: Nothing is changed.
options:
  zone_name:
    description: The zone.
    type: str
    required: true
    aliases: [zone]
  old:
    description: The servers that the zone has now. Without it, the new ones are compared with O(record_sets).
    type: dict
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
        description: Whether to find out what there is by zone transfer (AXFR) from the first server that gives it.
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
  record_sets:
    description: Record sets to ask for too, as M(smallfleet.infra.dns_zone_import) returns them.
    type: list
    elements: dict
    default: []
  left_out:
    description:
      - What the import left out, as M(smallfleet.infra.dns_zone_import) returns it.
      - Both sides are asked for all usual types at their names.
    type: list
    elements: dict
    default: []
  families:
    description: Over what to ask. Leave out V(ipv6) where the host that runs the module has none.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  protocol:
    description: How questions are sent.
    type: str
    choices: [tcp, udp]
    default: tcp
  timeout:
    description: Seconds to wait for the connection, and for the answer to each question.
    type: float
    default: 10.0
  ignore_extra:
    description: Whether a set that only the new servers have is no reason to fail.
    type: bool
    default: false
  fail_on_difference:
    description: Whether to fail when an answer differs in its data, or a server could not be asked.
    type: bool
    default: false
  variable_prefix:
    description: What errors put before the names of options, for a playbook that takes them as variables. With V(move_), an error
      names C(move_old) in place of O(old).
    type: str
    default: ""
requirements:
  - dnspython 2.3 or later on the host where the module runs (Debian package C(python3-dnspython))
seealso:
  - module: smallfleet.infra.dns_zone_import
  - module: smallfleet.infra.dns_wait
"""

EXAMPLES = r"""
- name: See that our servers answer as the provider's do
  smallfleet.infra.dns_zone_compare:
    zone_name: example.net
    old: {servers: [ns1.provider.example.com, ns2.provider.example.com], transfer: true}
    new: {servers: [192.0.2.53, "2001:db8::53"]}
    fail_on_difference: true

- name: Compare a zone that only a file describes, with what was decided about two record sets
  smallfleet.infra.dns_zone_compare:
    zone_name: example.net
    old: {servers: [ns1.provider.example.com]}
    new: {servers: [192.0.2.53]}
    record_sets: "{{ imported.record_sets }}"
    left_out: "{{ imported.left_out }}"
    decisions:
      - {record: "@", type: ALIAS, publish: nothing}
      - {record: "@", type: A, publish: value, value: [192.0.2.80]}
"""

RETURN = r"""
table:
  description: All differences, for people.
  returned: success or failure
  type: str
  sample: |
    www.example.net. A has other data at new 192.0.2.53
        old: 60 192.0.2.80
        new: 60 192.0.2.81
steps:
  description: Always empty, since nothing is changed.
  returned: always
  type: list
  elements: str
  sample: []
state:
  description: What was compared, and what differs.
  returned: success or failure
  type: dict
  sample:
    record_sets: 40
    servers: [new 192.0.2.53]
    same: false
    differences:
      - {record: www.example.net, type: A, server: new 192.0.2.53, kind: values, old: [192.0.2.80],
         new: [192.0.2.81], old_ttl: 60, new_ttl: 60, note: ""}
  contains:
    record_sets:
      description: How many record sets were asked for.
      returned: always
      type: int
      sample: 40
    servers:
      description: The servers that were compared with the first old one.
      returned: always
      type: list
      elements: str
      sample: [new 192.0.2.53]
    same:
      description: Whether no answer differs in its data, and every server was asked.
      returned: always
      type: bool
      sample: false
    differences:
      description:
        - Every difference. C(kind) is C(missing), C(values), C(extra), C(ttl), C(expected) or C(unreachable).
      returned: always
      type: list
      elements: dict
      sample: [{record: www.example.net, type: A, server: new 192.0.2.53, kind: values, old: [192.0.2.80],
                new: [192.0.2.81], old_ttl: 60, new_ttl: 60, note: ""}]
reason:
  description: V(different), or why it could not be compared, as one word. See M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: different
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.result_client import source_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare import as_data, counted, diff, table
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.compare_client import BEYOND, SIDE, Beyond, compare_sides, side_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import Asking
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import FAMILIES, Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Ask all, and tell the differences."""
    options = module.params
    files = SystemFiles()
    zone = zone_of(options["zone_name"])
    asking = Asking(53, options["protocol"], options["timeout"], tuple(options["families"]))
    old = side_of("old", options["old"], asking, files) if options["old"] else None
    source = source_of(zone, options, WireClient(Server("")).canonical)
    beyond = Beyond(source.mentioned(zone), source.decisions)
    found = compare_sides(zone, old, side_of("new", options["new"], asking, files), list(source.listed.values()), beyond)
    wrong = counted(found.differences, options["ignore_extra"])
    result = {
        "changed": False,
        "steps": [],
        "table": table(found.differences),
        "diff": diff(found.differences),
        "state": {
            "record_sets": len(found.keys),
            "servers": list(found.servers),
            "same": not wrong,
            "differences": [as_data(one) for one in found.differences],
        },
    }
    if wrong and options["fail_on_difference"]:
        module.fail_json(msg=f"The servers of {zone[:-1]} do not answer alike:\n{table(wrong)}", reason="different", **result)
    module.exit_json(**result)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "old": dict(SIDE),
            "new": {**SIDE, "required": True},
            "record_sets": {"type": "list", "elements": "dict", "default": []},
            **BEYOND,
            "families": {"type": "list", "elements": "str", "choices": list(FAMILIES), "default": list(FAMILIES)},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "timeout": {"type": "float", "default": 10.0},
            "ignore_extra": {"type": "bool", "default": False},
            "fail_on_difference": {"type": "bool", "default": False},
            "variable_prefix": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
