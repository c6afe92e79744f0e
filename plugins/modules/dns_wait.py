#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits until all servers of a zone agree."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_wait
short_description: Wait until all authoritative servers of a DNS zone agree
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Asks every server of a zone, each of its addresses over IPv4 and IPv6, until all of them give the record set in
    O(value), or have a serial number of at least O(serial), or, with neither, until all of them say the same.
  - When the time is over it fails with what every server that is behind answers instead.
attributes:
  check_mode:
    support: full
    description: Asks once and does not fail, since what should be waited for may not have been done.
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
    description:
      - Addresses or names of the servers to ask. Of a name, all addresses are asked.
      - Without it, the nameservers that the zone itself names are asked.
    type: list
    elements: str
  resolver:
    description:
      - Who is asked for the zone's nameservers and their addresses, a resolver or a server of the zone itself.
      - Without it, the system's resolver is.
    type: str
  port:
    description: Port of the servers.
    type: int
    default: 53
  resolver_port:
    description: Port of O(resolver).
    type: int
    default: 53
  protocol:
    description: How questions are sent.
    type: str
    choices: [tcp, udp]
    default: tcp
  families:
    description: Over what to ask. Leave out V(ipv6) where the host that runs the module has none.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  record:
    description:
      - Name of a record set to compare. A name that ends in the zone's own name, or in a dot, is a whole name; any
        other is relative to the zone. V(@) is the zone itself.
    type: str
  prefix:
    description: Name of the set before the zone; an empty text is the zone itself.
    type: str
  type:
    description: Type of the set.
    type: str
  value:
    description:
      - Values that the set has in the end, as M(smallfleet.infra.dns_record_set) takes them. An empty list means that
        the set does not exist in the end.
      - Without it, the set is only compared between the servers.
    type: list
    elements: raw
  mode:
    description: Whether the set must have the values in O(value) and no others, or others too.
    type: str
    choices: [equals, contains]
    default: equals
  ttl:
    description: Time to live that the set has in the end. Without it, any.
    type: int
  serial:
    description: Serial number that every server has in the end, or a later one (RFC 1982).
    type: int
  timeout:
    description: Seconds until it fails.
    type: float
    default: 60.0
  delay:
    description: Seconds between two rounds of questions.
    type: float
    default: 1.0
  query_timeout:
    description: Seconds to wait for the connection, and for the answer to each question.
    type: float
    default: 5.0
requirements:
  - dnspython 2.3 or later on the host where the module runs (Debian package C(python3-dnspython))
seealso:
  - module: smallfleet.infra.dns_zone_info
"""

EXAMPLES = r"""
- name: Wait until the world can see the challenge
  smallfleet.infra.dns_wait:
    zone_name: example.net
    record: _acme-challenge
    type: TXT
    value: ["{{ challenge }}"]
    mode: contains

- name: Wait until the secondaries have what the primary has
  smallfleet.infra.dns_wait:
    zone_name: example.net
    servers: [ns1.example.net, ns2.example.net]
    timeout: 30
"""

RETURN = r"""
servers:
  description: What each server answered last.
  returned: always
  type: list
  elements: dict
  sample: [{server: "ns2.example.net. (192.0.2.54)", serial: 6, value: [], ttl: null, agrees: false,
            reason: old_serial, message: "has serial 6, where another server has 7"}]
steps:
  description: Always empty, since nothing is changed.
  returned: always
  type: list
  elements: str
  sample: []
state:
  description: How many servers agree, after how many rounds and seconds.
  returned: always
  type: dict
  sample: {agreed: 3, servers: 4, rounds: 12, seconds: 60.1}
reason:
  description:
    - V(not_agreed), or V(bad_request) for options that make no sense.
    - The reason of each server is in RV(servers). It is one of those of M(smallfleet.infra.dns_record_set), or
      V(old_serial), V(other_value), V(missing) or V(no_address).
  returned: failure
  type: str
  sample: not_agreed
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation import Goal, describe_lags
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import (
    Asking,
    ask_each,
    described,
    endpoints,
    question,
    wait_until,
    zone_endpoints,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import name_of, type_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.socket_client import FAMILIES, Server
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import read_values, zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.wire_client import WireClient
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock


def goal_of(module: AnsibleModule, zone: str) -> Goal:
    """What is waited for. Raises Refused."""
    options = module.params
    if options["type"] is None:
        return Goal(serial=options["serial"])
    key = (name_of(options, zone), type_of(options["type"]))
    contains = options["mode"] == "contains"
    if options["value"] is None:
        return Goal(key, None, contains, options["ttl"], options["serial"])
    shown = read_values(key, options["value"], zone, WireClient(Server("")).canonical)
    return Goal(key, shown.values, contains, options["ttl"], options["serial"], shown.texts)


def run(module: AnsibleModule) -> None:
    """Ask round by round."""
    options = module.params
    zone = zone_of(options["zone_name"])
    goal = goal_of(module, zone)
    asking = Asking(
        options["port"],
        options["protocol"],
        options["query_timeout"],
        tuple(options["families"]),
        options["resolver"] or "",
        options["resolver_port"],
    )
    ask = question(zone, goal.key, asking)
    servers = options["servers"]
    waited = wait_until(
        goal,
        lambda: ask_each(zone_endpoints(zone, asking) if servers is None else endpoints(servers, asking), ask),
        SystemClock(),
        0 if module.check_mode else options["timeout"],
        options["delay"],
    )
    result = {
        "changed": False,
        "steps": [],
        "servers": described(waited.answers, waited.lags),
        "state": {
            "agreed": len(waited.answers) - len([lag for lag in waited.lags if lag.server]),
            "servers": len(waited.answers),
            "rounds": waited.rounds,
            "seconds": round(waited.seconds, 1),
        },
    }
    if waited.lags and not module.check_mode:
        module.fail_json(msg=describe_lags(zone, waited.lags, options["timeout"]), reason="not_agreed", **result)
    module.exit_json(**result)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "servers": {"type": "list", "elements": "str"},
            "resolver": {"type": "str"},
            "port": {"type": "int", "default": 53},
            "resolver_port": {"type": "int", "default": 53},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "families": {"type": "list", "elements": "str", "choices": list(FAMILIES), "default": list(FAMILIES)},
            "record": {"type": "str"},
            "prefix": {"type": "str"},
            "type": {"type": "str"},
            "value": {"type": "list", "elements": "raw"},
            "mode": {"type": "str", "choices": ["equals", "contains"], "default": "equals"},
            "ttl": {"type": "int"},
            "serial": {"type": "int"},
            "timeout": {"type": "float", "default": 60.0},
            "delay": {"type": "float", "default": 1.0},
            "query_timeout": {"type": "float", "default": 5.0},
        },
        mutually_exclusive=[("record", "prefix")],
        required_by={
            "value": ("type",),
            "ttl": ("value",),
            "record": ("type",),
            "prefix": ("type",),
        },
        supports_check_mode=True,
    )
    if module.params["type"] is not None and module.params["record"] is None and module.params["prefix"] is None:
        module.fail_json(msg="type: record or prefix is needed with it.", reason="bad_request")
    run_module(module, run)


if __name__ == "__main__":
    main()
