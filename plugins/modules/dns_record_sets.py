#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many record sets of one or more zones, by dynamic update."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_record_sets
short_description: Many DNS record sets at once, changed by RFC 2136 dynamic update
version_added: 0.1.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Makes each record set in the list what it says, in as few messages as possible. Sets that are not in the list are
    not touched, except with O(prune).
  - One message holds up to 64 kilobytes, which is more than a thousand simple sets. The server does a message as a
    whole or not at all. What does not fit goes into further messages of the same kind, each atomic in itself and never
    splitting the sets of one name; what is added comes before what goes. When a later one fails, the earlier ones stay
    done and RV(steps) names them; running it again does the rest.
  - A race lost to another writer is tried again from a new reading.
  - A name that changes from addresses to a CNAME, or back, does so in one message, when what goes is named with
    O(record_sets[].state=absent) or O(prune) is on. Else the call is refused, whatever O(on_existing) says, for
    the other sets may be somebody else's.
extends_documentation_fragment:
  - smallfleet.infra.dns_transport
  - smallfleet.infra.dns_writing
attributes:
  diff_mode:
    support: full
    description:
      - The named sets before and after, as lines of a zone file. With O(prune), all sets of the zone that are not
        ignored.
options:
  zone_name:
    description: The zone that holds the sets. Exactly one of O(zone_name) and O(zones) must be given.
    type: str
    aliases: [zone]
  record_sets:
    description: The record sets of O(zone_name).
    type: list
    elements: dict
    aliases: [records]
    suboptions: &sets
      record:
        description:
          - Name of the set. A name that ends in the zone's own name, or in a dot, is a whole name; any other is
            relative to the zone. V(@) is the zone itself.
        type: str
      prefix:
        description: Name of the set before the zone; an empty text is the zone itself.
        type: str
      type:
        description: Type of the set.
        type: str
        required: true
      ttl:
        description: Time to live in seconds.
        type: int
        default: 3600
      value:
        description:
          - All values of the set. See the option of the same name of M(smallfleet.infra.dns_record_set).
        type: list
        elements: raw
      state:
        description: Whether the set has the values in C(value), or does not exist.
        type: str
        choices: [present, absent]
        default: present
      on_existing:
        description: O(on_existing) for this set, if it differs.
        type: str
        choices: [replace, keep]
        version_added: 0.2.0
  zones:
    description: Several zones with their record sets, for servers of more than one.
    type: list
    elements: dict
    suboptions:
      zone_name:
        description: The zone that holds the sets.
        type: str
        required: true
      record_sets:
        description: The record sets of this zone.
        type: list
        elements: dict
        required: true
        suboptions: *sets
      prune:
        description: O(prune) for this zone, if it differs.
        type: bool
        aliases: [purge]
        version_added: 0.2.0
      ignore:
        description: O(ignore) for this zone, in the place of that for all zones.
        type: list
        elements: dict
        version_added: 0.2.0
        suboptions: &ignore
          record:
            description:
              - A name as in O(record_sets[].record). With C(match=pattern), V(*) in it stands for any text, dots too;
                else it is the wildcard of DNS.
            type: str
            required: true
          type:
            description: A type, or V(ANY).
            type: str
            default: ANY
          match:
            description: Whether exactly this name is meant, the name and all below it, or all names of a pattern.
            type: str
            choices: [name, subdomain, pattern]
            default: name
  prune:
    description:
      - Whether to delete, too, all sets of the zone that are neither in the list nor in O(ignore).
      - The zone is read by transfer (AXFR), which the key must be allowed. Every message carries the condition that the
        zone's SOA record is still the one of that reading, so nothing that another writer did in between can be lost;
        with several messages the zone is read anew before each.
      - Never touched are the SOA record and what the server makes for DNSSEC. Left alone, if they are not in the list,
        are the nameservers of the zone itself, and the addresses of names that a remaining nameserver record refers to
        (such as the glue of a delegation).
    type: bool
    default: false
    aliases: [purge]
    version_added: 0.2.0
  ignore:
    description:
      - Sets that others look after, such as ACME clients. O(prune) leaves them alone.
      - A set that is in the list as well is refused.
    type: list
    elements: dict
    version_added: 0.2.0
    suboptions: *ignore
  on_existing:
    description:
      - What to do about sets that exist with other values or another TTL.
      - V(replace) changes them, V(keep_and_fail) fails and leaves all, V(keep_and_warn) warns and leaves them,
        V(keep) leaves them.
    type: str
    choices: [replace, keep_and_fail, keep_and_warn, keep]
    default: replace
  txt_transformation:
    description:
      - Form of V(TXT) values. See the option of the same name of M(smallfleet.infra.dns_record_set).
    type: str
    choices: [unquoted, quoted]
    default: unquoted
seealso:
  - module: smallfleet.infra.dns_record
  - module: smallfleet.infra.dns_record_set
"""

EXAMPLES = r"""
- name: Publish the hosts
  smallfleet.infra.dns_record_sets:
    server: 127.0.0.1
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
    record_sets:
      - {record: app1, type: A, ttl: 300, value: [192.0.2.11]}
      - {record: app1, type: AAAA, ttl: 300, value: ["2001:db8::11"]}
      - {record: "@", type: MX, ttl: 300, value: [10 mail, 20 mail.example.com.]}
      - {record: old, type: A, state: absent}

- name: Make the zone hold just this, and what ACME clients and the hosts of one branch write themselves
  smallfleet.infra.dns_record_sets:
    server: 127.0.0.1
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
    record_sets:
      - {record: www, type: CNAME, value: [app1]}
      - {record: app1, type: A, value: [192.0.2.11]}
    prune: true
    ignore:
      - {record: "_acme-challenge*", type: TXT, match: pattern}
      - {record: dyn, match: subdomain}

- name: See whether two zones are as they should be
  smallfleet.infra.dns_record_sets:
    server: ns1.example.net
    zones:
      - zone_name: demo.example.net
        record_sets: [{record: www2, type: A, ttl: 60, value: [192.0.2.1]}]
      - zone_name: 2.0.192.in-addr.arpa
        record_sets: [{record: "1", type: PTR, ttl: 60, value: [www2.demo.example.net.]}]
  check_mode: true
  register: zones
  failed_when: zones is failed or zones is changed
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["create app1.demo.example.net. A", "delete old.demo.example.net. A"]
state:
  description: Figures about each zone.
  returned: success
  type: dict
  sample: {zones: {demo.example.net: {record_sets: 4, pruned: 0, messages: 1}}}
  contains:
    zones:
      description: By the name of the zone, the sets asked for, those that O(prune) deletes, and the messages sent.
      returned: always
      type: dict
      sample: {demo.example.net: {record_sets: 4, pruned: 0, messages: 1}}
dns_rc:
  description: Response code of the last update, when one was answered.
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
  sample: lost_race
"""

from typing import Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import ON_EXISTING, TRANSPORT, TRANSPORT_RULES, make_client, rcode_result
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Result
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_zone_client import converge_all
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import render
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.prune import MATCHES
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import Desired, read_zones
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Read the options, do it zone by zone, and say what was done."""
    options = module.params
    client = make_client(options, SystemFiles())
    asked = options["zones"] or []
    if options["zone_name"] is not None:
        asked = [{"zone_name": options["zone_name"], "record_sets": options["record_sets"]}]
    for zone in asked:
        for option in ("prune", "ignore"):
            if zone.get(option) is None:
                zone[option] = options[option]
    zones = read_zones(asked, client.canonical, options["txt_transformation"] == "quoted")
    results = converge_all(client, zones, options["on_existing"], module.check_mode)
    for result in results.values():
        for note in result.notes:
            module.warn(note)
    codes = [result.rcode for result in results.values() if result.rcode is not None]
    module.exit_json(
        changed=any(result.changed for result in results.values()),
        steps=[step for result in results.values() for step in result.steps],
        diff={
            "before": "".join(render(result.before.values()) for result in results.values()),
            "after": "".join(render(result.after.values()) for result in results.values()),
        },
        state={"zones": {zone[:-1]: figures(zones[zone], result) for zone, result in results.items()}},
        **rcode_result(codes[-1] if codes else None),
    )


def figures(desired: Desired, result: Result) -> Dict[str, int]:
    """What is told about a zone."""
    gone = [key for key in result.before if key not in result.after and key not in desired.wanted]
    return {"record_sets": len(desired.wanted), "pruned": len(gone), "messages": result.messages}


def main() -> None:
    """Entry point."""
    sets = {
        "type": "list",
        "elements": "dict",
        "options": {
            "record": {"type": "str"},
            "prefix": {"type": "str"},
            "type": {"type": "str", "required": True},
            "ttl": {"type": "int", "default": 3600},
            "value": {"type": "list", "elements": "raw"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "on_existing": {"type": "str", "choices": ["replace", "keep"]},
        },
        "required_one_of": [("record", "prefix")],
        "mutually_exclusive": [("record", "prefix")],
        "required_if": [("state", "present", ("value",))],
    }
    ignore = {
        "type": "list",
        "elements": "dict",
        "options": {
            "record": {"type": "str", "required": True},
            "type": {"type": "str", "default": "ANY"},
            "match": {"type": "str", "choices": list(MATCHES), "default": "name"},
        },
    }
    module = AnsibleModule(
        argument_spec={
            **TRANSPORT,
            "zone_name": {"type": "str", "aliases": ["zone"]},
            "record_sets": {**sets, "aliases": ["records"]},
            "prune": {"type": "bool", "default": False, "aliases": ["purge"]},
            "ignore": ignore,
            "zones": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "zone_name": {"type": "str", "required": True},
                    "record_sets": {**sets, "required": True},
                    "prune": {"type": "bool", "aliases": ["purge"]},
                    "ignore": ignore,
                },
            },
            "on_existing": {"type": "str", "choices": list(ON_EXISTING), "default": "replace"},
            "txt_transformation": {"type": "str", "choices": ["unquoted", "quoted"], "default": "unquoted"},
        },
        required_one_of=[("zone_name", "zones")],
        mutually_exclusive=[("zone_name", "zones"), *TRANSPORT_RULES["mutually_exclusive"]],
        required_together=[("zone_name", "record_sets"), *TRANSPORT_RULES["required_together"]],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
