#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record sets of a zone, read from its server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_record_set_info
short_description: Read DNS record sets from an authoritative server
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Reads one record set, all sets of one name, or all sets of a zone, straight from the server in O(server).
  - What is read is what the zone holds. Data that the server makes up from a wildcard or a DNAME is not taken for a set
    of that name, nor is what it answers from another of its zones, such as a delegated one.
  - Where an answer does not prove what the zone holds, at and below delegations for example, the zone is read by
    transfer, which O(server) must allow. Else the module fails with RV(reason=not_readable).
extends_documentation_fragment:
  - smallfleet.infra.dns_transport
attributes:
  check_mode:
    support: full
    description: Only questions are ever sent.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Nothing is changed.
options:
  zone_name:
    description: The zone that holds the sets.
    type: str
    required: true
    aliases: [zone]
  what:
    description:
      - V(single_record) is one set, V(all_types_for_record) all sets of a name.
      - V(all_records) is the whole zone by zone transfer (AXFR), which the server must allow. The SOA, and what the
        server made for DNSSEC, are left out.
    type: str
    choices: [single_record, all_types_for_record, all_records]
    default: single_record
  record:
    description:
      - Name of the set. A name that ends in the zone's own name, or in a dot, is a whole name; any other is relative to
        the zone. V(@) is the zone itself.
      - Exactly one of O(record) and O(prefix) must be given, but for O(what=all_records).
    type: str
  prefix:
    description: Name of the set before the zone; an empty text is the zone itself.
    type: str
  type:
    description: Type of the set, required for O(what=single_record).
    type: str
  txt_transformation:
    description:
      - Form of V(TXT) values. V(unquoted) is the text itself, or a list of strings for a value of several; V(quoted) is
        the form of a zone file.
    type: str
    choices: [unquoted, quoted]
    default: unquoted
seealso:
  - module: smallfleet.infra.dns_record_set
  - module: smallfleet.infra.dns_zone_info
"""

EXAMPLES = r"""
- name: Read one set
  smallfleet.infra.dns_record_set_info:
    server: 192.0.2.53
    zone_name: example.net
    record: www
    type: AAAA
  register: www

- name: Read the whole zone
  smallfleet.infra.dns_record_set_info:
    server: 192.0.2.53
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: example.net
    what: all_records
  register: zone
"""

RETURN = r"""
set:
  description: The set, or an empty dictionary when there is none.
  returned: success, and O(what=single_record)
  type: dict
  sample: {record: www.example.net, prefix: www, type: AAAA, ttl: 300, value: ["2001:db8::11"]}
sets:
  description: The sets, those of the zone's own name first.
  returned: success, and O(what) is not V(single_record)
  type: list
  elements: dict
  sample: [{record: example.net, prefix: "", type: MX, ttl: 300, value: [10 mail.example.net.]}]
serial:
  description: The serial number of the zone that was transferred.
  returned: success, and O(what=all_records)
  type: int
  sample: 2026112101
steps:
  description: Always empty, since nothing is changed.
  returned: always
  type: list
  elements: str
  sample: []
state:
  description: How many sets were found.
  returned: success
  type: dict
  sample: {record_sets: 1}
  contains:
    record_sets:
      description: The number.
      returned: always
      type: int
      sample: 1
reason:
  description: Why it failed, as one word. See M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: refused
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import TRANSPORT, TRANSPORT_RULES, make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.contents_client import held
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import described, described_all, name_of, type_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Ask, and return what was answered."""
    options = module.params
    zone = zone_of(options["zone_name"])
    quoted = options["txt_transformation"] == "quoted"
    client = make_client(options, SystemFiles())
    if options["what"] == "all_records":
        contents = transfer(client.server, client.key, zone)
        sets = described_all(zone, contents.sets.values(), quoted)
        module.exit_json(changed=False, steps=[], sets=sets, serial=contents.serial, state={"record_sets": len(sets)})
    name = name_of(options, zone)
    if options["what"] == "all_types_for_record":
        found = held(client, zone, [(name, "CNAME")])  # answered with all there is when there is no CNAME
        sets = described_all(zone, found.values(), quoted)
        module.exit_json(changed=False, steps=[], sets=sets, state={"record_sets": len(sets)})
    key = (name, type_of(options["type"]))
    one = held(client, zone, [key]).get(key)
    module.exit_json(
        changed=False,
        steps=[],
        set=described(zone, one, quoted) if one else {},
        state={"record_sets": 1 if one else 0},
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **TRANSPORT,
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "what": {
                "type": "str",
                "choices": ["single_record", "all_types_for_record", "all_records"],
                "default": "single_record",
            },
            "record": {"type": "str"},
            "prefix": {"type": "str"},
            "type": {"type": "str"},
            "txt_transformation": {"type": "str", "choices": ["unquoted", "quoted"], "default": "unquoted"},
        },
        required_if=[
            ("what", "single_record", ("type",)),
            ("what", "single_record", ("record", "prefix"), True),
            ("what", "all_types_for_record", ("record", "prefix"), True),
        ],
        mutually_exclusive=[("record", "prefix"), *TRANSPORT_RULES["mutually_exclusive"]],
        required_together=TRANSPORT_RULES["required_together"],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
