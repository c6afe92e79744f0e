#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server says about a zone as a whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_info
short_description: Read a DNS zone's SOA, nameservers and DNSSEC state from an authoritative server
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Asks the server in O(server) for the zone itself. Fails with RV(reason=not_auth) when that server does not serve it.
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
    description: The zone.
    type: str
    required: true
    aliases: [zone]
seealso:
  - module: smallfleet.infra.dns_record_set_info
  - module: smallfleet.infra.dns_wait
"""

EXAMPLES = r"""
- name: See which serial a secondary has
  smallfleet.infra.dns_zone_info:
    server: ns2.example.net
    zone_name: example.net
  register: zone
"""

RETURN = r"""
zone_name:
  description: The zone, without a final dot.
  returned: success
  type: str
  sample: example.net
zone_info:
  description: What the server says.
  returned: success
  type: dict
  sample:
    soa: {mname: ns1.example.net., rname: hostmaster.example.net., serial: 7, refresh: 3600, retry: 600,
          expire: 1209600, minimum: 300, ttl: 300}
    serial: 7
    nameservers: [ns1.example.net.]
    ttl: 300
    negative_ttl: 300
    signed: true
    dnskey:
      - "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvT meexv7bR6edbkrSqQpF64cYbcB7wNcP+ e+MAnLr+Wi9xMWyQLc8NAA=="
    cds:
      - "55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"
  contains:
    soa:
      description: The fields of the SOA record, and its TTL.
      returned: always
      type: dict
      sample: {mname: ns1.example.net., rname: hostmaster.example.net., serial: 7, refresh: 3600, retry: 600,
               expire: 1209600, minimum: 300, ttl: 300}
    serial:
      description: The serial number.
      returned: always
      type: int
      sample: 7
    nameservers:
      description: The zone's own NS records.
      returned: always
      type: list
      elements: str
      sample: [ns1.example.net.]
    ttl:
      description: TTL of the zone's own NS records.
      returned: always
      type: int
      sample: 300
    negative_ttl:
      description: For how many seconds resolvers keep that a name does not exist (RFC 2308).
      returned: always
      type: int
      sample: 300
    signed:
      description: Whether the zone has a DNSKEY.
      returned: always
      type: bool
      sample: true
    dnskey:
      description: The zone's DNSKEY records.
      returned: always
      type: list
      elements: str
      sample: ["257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvT meexv7bR6edbkrSqQpF64cYbcB7wNcP+ e+MAnLr+Wi9xMWyQLc8NAA=="]
    cds:
      description: The zone's CDS records, by which it asks its parent for a DS.
      returned: always
      type: list
      elements: str
      sample: ["55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17"]
steps:
  description: Always empty, since nothing is changed.
  returned: always
  type: list
  elements: str
  sample: []
state:
  description: The serial number, as in RV(zone_info).
  returned: success
  type: dict
  sample: {serial: 7}
reason:
  description: Why it failed, as one word. See M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: not_auth
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import TRANSPORT, TRANSPORT_RULES, make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.reading_client import zone_facts
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Ask, and return what was answered."""
    zone = zone_of(module.params["zone_name"])
    facts = zone_facts(make_client(module.params, SystemFiles()), zone)
    module.exit_json(changed=False, steps=[], zone_name=zone[:-1], zone_info=facts, state={"serial": facts["serial"]})


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={**TRANSPORT, "zone_name": {"type": "str", "required": True, "aliases": ["zone"]}},
        mutually_exclusive=TRANSPORT_RULES["mutually_exclusive"],
        required_together=TRANSPORT_RULES["required_together"],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
