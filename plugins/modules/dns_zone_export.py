#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exports a zone as a zone file or as an entry of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_export
short_description: Export a DNS zone as a zone file, or as an entry of dns_zones
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Reads the whole zone by transfer (AXFR), which most servers allow with a key only, and returns it in two forms.
  - The zone file has C($ORIGIN), C($TTL), relative names and everything in a stable order. C(named-checkzone) and
    M(smallfleet.infra.dns_zone_import) read the same zone from it.
  - The entry of C(dns_zones) has the record sets with their TTLs as the role P(smallfleet.infra.dns_server#role) takes them, and as
    C(soa) what the option can say of the SOA. It leaves out the zone's own NS, which the role makes. The addresses of the fleet's hosts are among its records,
    so that it has C(hosts=false).
  - What the server makes for DNSSEC is in neither.
  - The opposite is M(smallfleet.infra.dns_zone_import).
extends_documentation_fragment:
  - smallfleet.infra.dns_transport
attributes:
  check_mode:
    support: full
    description: The zone is read, and O(dest) is not written.
  diff_mode:
    support: full
    description: The lines of O(dest) that change.
  idempotent:
    support: full
    description: O(dest) is written only when its content differs. The serial is part of the zone file.
options:
  zone_name:
    description: The zone.
    type: str
    required: true
    aliases: [zone]
  nameservers:
    description: Whether the entry of C(dns_zones) has the zone's own NS records too. The zone file always does.
    type: bool
    default: false
  dest:
    description:
      - Path of a file to write, on the host where the module runs. Its folder must exist.
      - It is replaced as one step, with mode 0644.
    type: path
  format:
    description:
      - What O(dest) is. V(zone) is the zone file.
      - V(dns_zones) is a YAML file of variables with one variable, C(exported_) and the zone's name with underscores.
    type: str
    choices: [zone, dns_zones]
    default: zone
seealso:
  - module: smallfleet.infra.dns_zone_import
  - module: smallfleet.infra.dns_zone_info
"""

EXAMPLES = r"""
- name: Keep a copy of the zone on its primary
  smallfleet.infra.dns_zone_export:
    server: 127.0.0.1
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
    dest: /var/backups/demo.example.net.zone

- name: Read the zone as an entry of dns_zones
  smallfleet.infra.dns_zone_export:
    server: 127.0.0.1
    key_file: /etc/smallfleet/dns/demo-update.key
    zone_name: demo.example.net
  register: zone

- name: Write it on the controller
  ansible.builtin.copy:
    content: "{{ zone.variables }}"
    dest: group_vars/all/demo_example_net.yml
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
zone_file:
  description: The text of the zone file, whether or not O(dest) is given.
  returned: success
  type: str
  sample: |
    ; Exported by smallfleet.infra.dns_zone_export: example.net, serial 7.
    $ORIGIN example.net.
    $TTL 300
    @ IN SOA ns1.example.net. hostmaster.example.net. 7 3600 600 1209600 300
    @ IN NS ns1.example.net.
    ns1 IN A 192.0.2.53
variables:
  description: The text of the file of variables, whether or not O(dest) is given.
  returned: success
  type: str
  sample: "---\nexported_example_net:\n  ttl: 300\n  hosts: false\n  records: []\n"
variable:
  description: The name of its variable.
  returned: success
  type: str
  sample: exported_example_net
record_sets:
  description: The record sets of RV(variables), those of the zone's own name first.
  returned: success
  type: list
  elements: dict
  sample: [{record: ns1, type: A, ttl: 300, value: [192.0.2.53]}]
ttl:
  description: The TTL of the SOA, which is that of the zone.
  returned: success
  type: int
  sample: 300
left_out:
  description: What is not in RV(variables), and why.
  returned: success
  type: list
  elements: dict
  sample: [{record: "@", type: NS, reason: "is made from primary, secondaries and external_secondaries"}]
serial:
  description: The zone's serial number.
  returned: success
  type: int
  sample: 7
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [write /var/backups/demo.example.net.zone]
state:
  description: Figures about the zone.
  returned: success
  type: dict
  sample: {record_sets: 12, left_out: 1, signed: false}
reason:
  description: Why it failed, as one word. See M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: refused
"""

from dataclasses import asdict

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import is_ours
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.option_files_host import read_dest, write_dest
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import TRANSPORT, TRANSPORT_RULES, make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.export_client import FORMATS, export_zone
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.zones.exported import is_exported
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.diff import hunks, text_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.masking import masked
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Read the zone, and write or show it."""
    options = module.params
    files = SystemFiles()
    zone = zone_of(options["zone_name"])
    client = make_client(options, files)
    contents = transfer(client.server, client.key, zone)
    made = export_zone(client, contents, options["nameservers"])
    text = made.variables if options["format"] == "dns_zones" else made.zone_file
    dest = options["dest"]
    before = "" if dest is None else read_dest(files, "dest", dest)
    steps = [f"write {dest}"] if dest is not None and before != text else []
    if steps and not module.check_mode:
        write_dest(files, "dest", dest, text)
    shown = masked(before, "public" if is_ours(before) or is_exported(before) else "")
    module.exit_json(
        changed=bool(steps),
        steps=steps,
        zone_file=made.zone_file,
        variables=made.variables,
        variable=made.name,
        record_sets=list(made.found.record_sets),
        ttl=made.found.ttl,
        left_out=[asdict(one) for one in made.left_out],
        serial=contents.serial,
        diff=text_diff(dest or zone, *hunks(before, text, shown, text)) if dest is not None else {"before": "", "after": ""},
        state={"record_sets": len(made.found.record_sets), "left_out": len(made.left_out), "signed": contents.signed},
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **TRANSPORT,
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "nameservers": {"type": "bool", "default": False},
            "dest": {"type": "path"},
            "format": {"type": "str", "choices": list(FORMATS), "default": "zone"},
        },
        mutually_exclusive=TRANSPORT_RULES["mutually_exclusive"],
        required_together=TRANSPORT_RULES["required_together"],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
