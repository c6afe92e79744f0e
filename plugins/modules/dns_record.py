#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single values of a record set, by dynamic update."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_record
short_description: One value in a DNS record set, the others untouched, by RFC 2136 dynamic update
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Sees to it that a record set has a value among others, or has not. All other values of the set stay, also those that
    somebody else adds or removes at the same moment. So two ACME clients, or two certificates, can use one name.
  - All values of a set have one TTL (RFC 2181, section 5.2). Without O(ttl), a value is added with that of the set.
  - A CNAME or DNAME can have one value only, and a zone keeps its last nameserver. Asking for more is an error, as is a
    value beside a CNAME; nothing is changed then.
  - A race lost to another writer is tried again from a new reading.
extends_documentation_fragment:
  - smallfleet.infra.dns_transport
  - smallfleet.infra.dns_writing
  - smallfleet.infra.dns_one_set
attributes:
  diff_mode:
    support: full
    description: The set before and after, as lines of a zone file.
options:
  value:
    description:
      - The value, in the form of a zone file; for V(TXT) see O(txt_transformation).
      - Exactly one of O(value) and O(values) must be given.
    type: raw
  values:
    description: Several values, which are added or removed as one step.
    type: list
    elements: raw
  ttl:
    description:
      - Time to live in seconds. Another one than the set has is a change, and is one for all its values.
      - Without it, the set keeps its own, and a new set gets 3600. Not used with O(state=absent).
    type: int
  state:
    description: Whether the set has the value, or has not.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: smallfleet.infra.dns_record_set
  - module: smallfleet.infra.dns_record_sets
"""

EXAMPLES = r"""
- name: Answer a challenge
  smallfleet.infra.dns_record:
    server: 192.0.2.53
    key_file: /etc/smallfleet/dns/acme-www.key
    zone_name: example.net
    record: _acme-challenge.www
    type: TXT
    ttl: 60
    value: "{{ challenge_digest }}"

- name: Take the answer back, and leave those to other challenges
  smallfleet.infra.dns_record:
    server: 192.0.2.53
    key_file: /etc/smallfleet/dns/acme-www.key
    zone_name: example.net
    record: _acme-challenge.www
    type: TXT
    value: "{{ challenge_digest }}"
    state: absent

- name: Add a mail server
  smallfleet.infra.dns_record:
    server: ns1.example.net
    key_name: mail-update
    key_secret: "{{ mail_update_secret }}"
    zone_name: example.net
    prefix: ""
    type: MX
    value: 20 mail2
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["add a value to _acme-challenge.www.example.net. TXT"]
state:
  description: The whole set before and after, as M(smallfleet.infra.dns_record_set) returns it.
  returned: success
  type: dict
  sample: {before: {ttl: 60, value: [one]}, after: {ttl: 60, value: [one, two]}}
dns_rc:
  description: Response code of the update, when one was answered.
  returned: sometimes
  type: int
  sample: 0
dns_rc_str:
  description: Its name.
  returned: sometimes
  type: str
  sample: NOERROR
reason:
  description: Why it failed, as one word. All are listed with M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: refused
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import TRANSPORT, TRANSPORT_RULES, make_client, rcode_result
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_some, show, zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.single_values_client import converge_values
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Read the options, do it, and say what was done."""
    options = module.params
    zone = zone_of(options["zone_name"])
    quoted = options["txt_transformation"] == "quoted"
    client = make_client(options, SystemFiles())
    asked = read_some(zone, options, client.canonical, quoted)
    result = converge_values(client, zone, asked, module.check_mode)
    for note in result.notes:
        module.warn(note)
    before, after = result.before.get(asked.key), result.after.get(asked.key)
    module.exit_json(
        changed=result.changed,
        steps=list(result.steps),
        diff={"before": render(result.before.values()), "after": render(result.after.values())},
        state={"before": show(before, quoted), "after": show(after, quoted)},
        **rcode_result(result.rcode),
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **TRANSPORT,
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "record": {"type": "str"},
            "prefix": {"type": "str"},
            "type": {"type": "str", "required": True},
            "value": {"type": "raw"},
            "values": {"type": "list", "elements": "raw"},
            "ttl": {"type": "int"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "txt_transformation": {"type": "str", "choices": ["unquoted", "quoted"], "default": "unquoted"},
        },
        required_one_of=[("record", "prefix"), ("value", "values")],
        mutually_exclusive=[("record", "prefix"), ("value", "values"), *TRANSPORT_RULES["mutually_exclusive"]],
        required_together=TRANSPORT_RULES["required_together"],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
