#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One record set of a zone, by dynamic update."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_record_set
short_description: One DNS record set, changed by RFC 2136 dynamic update as compare-and-swap
version_added: 0.1.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Makes all values of one name and type what O(value) says, or sees to it that there are none.
  - Reads the set, sends one update that the server carries out only if the set is still as it was read, and reads it
    again.
  - With O(expected), the change is made only if the set holds just these values before it. Of any number of rivals that
    expect the same, exactly one wins.
extends_documentation_fragment:
  - smallfleet.infra.dns_transport
  - smallfleet.infra.dns_writing
  - smallfleet.infra.dns_one_set
attributes:
  diff_mode:
    support: full
    description: The set before and after, as lines of a zone file.
options:
  ttl:
    description: Time to live in seconds. Another one alone is a change.
    type: int
    default: 3600
  value:
    description:
      - All values of the set, in the form of a zone file; for V(TXT) see O(txt_transformation).
      - Required for O(state=present), and for O(state=absent) when O(on_existing) is not V(replace).
      - A name in a value that ends in the zone's own name, or in a dot, is a whole name, and one without any dot is
        relative to the zone. Any other is refused as unclear.
    type: list
    elements: raw
  state:
    description: Whether the set has the values in O(value), or does not exist.
    type: str
    choices: [present, absent]
    default: present
  on_existing:
    description:
      - What to do about a set that exists with other values or another TTL.
      - With O(state=absent) and other than V(replace), the set is deleted only if its values are those in O(value).
      - V(replace) changes it, V(keep_and_fail) fails, V(keep_and_warn) warns and leaves it, V(keep) leaves it.
    type: str
    choices: [replace, keep_and_fail, keep_and_warn, keep]
    default: replace
  expected:
    description:
      - Values that the set must hold before the change; an empty list means that it must not exist.
      - If it holds others, or another writer is faster, the module fails with RV(reason=not_expected) or
        RV(reason=lost_race) and has changed nothing. A set that is already as wanted is no failure.
      - Without it, a lost race is tried again from a new reading.
    type: list
    elements: raw
seealso:
  - module: smallfleet.infra.dns_record
  - module: smallfleet.infra.dns_record_sets
"""

EXAMPLES = r"""
- name: Point the service at the second host, if it still points at the first
  smallfleet.infra.dns_record_set:
    server: 192.0.2.53
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
    record: www
    type: CNAME
    ttl: 5
    value: [app2.demo.example.net]
    expected: [app1.demo.example.net]

- name: Announce a service, whose value is three strings
  smallfleet.infra.dns_record_set:
    server: 192.0.2.53
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
    record: backup._ssh._tcp
    type: TXT
    value: [["txtvers=1", "u=root", "p="]]

- name: Publish a mail policy
  smallfleet.infra.dns_record_set:
    server: ns1.example.net
    key_name: mail-update
    key_secret: "{{ mail_update_secret }}"
    zone_name: example.net
    prefix: _dmarc
    type: TXT
    value: ["v=DMARC1; p=none"]

- name: Take an address away, but only if it is the one that was given out
  smallfleet.infra.dns_record_set:
    server: 192.0.2.53
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
    record: guest7
    type: A
    value: [192.0.2.107]
    state: absent
    on_existing: keep_and_fail
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["replace www.demo.example.net. CNAME"]
state:
  description: The set before and after. In check mode, after is what would be.
  returned: success
  type: dict
  sample:
    before: {ttl: 5, value: [app1.demo.example.net.]}
    after: {ttl: 5, value: [app2.demo.example.net.]}
  contains:
    before:
      description: TTL and values before, or nothing when the set did not exist.
      type: dict
      returned: always
      sample: {ttl: 5, value: [app1.demo.example.net.]}
    after:
      description: TTL and values afterwards, as the server shows them, or nothing when the set does not exist.
      type: dict
      returned: always
      sample: {ttl: 5, value: [app2.demo.example.net.]}
dns_rc:
  description: Response code of the update.
  returned: when an update was answered
  type: int
  sample: 0
dns_rc_str:
  description: Name of the response code.
  returned: when an update was answered
  type: str
  sample: NOERROR
reason:
  description:
    - Why it failed, as one word.
    - V(bad_request), V(bad_key) (unknown key), V(bad_sig), V(bad_time), V(refused), V(not_auth), V(not_zone),
      V(unreachable), V(timeout), V(broken) (connection), V(truncated), V(malformed), V(server_failure),
      V(exists) (O(on_existing=keep_and_fail)), V(not_expected), V(lost_race), V(ignored) (answered with C(NOERROR) but
      not done), V(unknown) (the answer to an update was lost, and the server does not show it), V(not_readable) (the
      server answers something else than the zone holds, such as the data of a delegated zone, and the key may not
      transfer the zone), or V(hidden_zone) (a whole zone cannot be compared, for the server shows another than it
      updates).
  returned: failure
  type: str
  sample: lost_race
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import ON_EXISTING, TRANSPORT, TRANSPORT_RULES, make_client, rcode_result
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request, converge
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused, render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_entries, read_values, show, zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Read the options, do it, and say what was done."""
    options = module.params
    zone = zone_of(options["zone_name"])
    quoted = options["txt_transformation"] == "quoted"
    client = make_client(options, SystemFiles())
    wanted, given = read_entries(zone, [options], client.canonical, quoted)
    key = next(iter(wanted))
    if options["state"] == "absent" and options["on_existing"] != "replace" and not given:
        raise Refused(["value: is needed to delete a set only if it holds these values."])
    expected = options["expected"]
    if expected is not None:
        expected = read_values(key, expected, zone, client.canonical, quoted)
    request = Request(zone, wanted, given, lambda _key: options["on_existing"], expected)
    result = converge(client, request, module.check_mode)
    for note in result.notes:
        module.warn(note)
    module.exit_json(
        changed=result.changed,
        steps=list(result.steps),
        diff={"before": render(result.before.values()), "after": render(result.after.values())},
        state={"before": show(result.before.get(key), quoted), "after": show(result.after.get(key), quoted)},
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
            "ttl": {"type": "int", "default": 3600},
            "value": {"type": "list", "elements": "raw"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "on_existing": {"type": "str", "choices": list(ON_EXISTING), "default": "replace"},
            "expected": {"type": "list", "elements": "raw"},
            "txt_transformation": {"type": "str", "choices": ["unquoted", "quoted"], "default": "unquoted"},
        },
        required_one_of=[("record", "prefix")],
        required_if=[("state", "present", ("value",))],
        mutually_exclusive=[("record", "prefix"), *TRANSPORT_RULES["mutually_exclusive"]],
        required_together=TRANSPORT_RULES["required_together"],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
