#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A provider's zone as data of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_zone_import
short_description: Turn a provider's DNS zone into the data of an inventory
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Reads a zone by zone transfer from O(server), or from the text of a file, and returns its record sets as
    C(dns_zones) and M(smallfleet.infra.dns_record_sets) take them.
  - What is taken over gives exactly the same records again. Every set that is not taken over is named with the
    reason, namely the SOA, the old provider's nameservers, what a server made for DNSSEC, types that only the provider
    knows, such as C(ALIAS), and what cannot be written as data without a change.
extends_documentation_fragment:
  - smallfleet.infra.dns_transport
attributes:
  check_mode:
    support: full
    description: The zone is read, and O(dest) is not written.
  diff_mode:
    support: full
    description: The file in O(dest) before and after; without O(dest), what the file would hold.
  idempotent:
    support: full
    description: A second run of the same zone leaves O(dest) as it is.
options:
  zone_name:
    description: The zone.
    type: str
    required: true
    aliases: [zone]
  server:
    description:
      - Address or name of a server that allows a transfer of the zone (AXFR).
      - Exactly one of O(server), O(src) and O(content) must be given.
    type: str
    required: false
  src:
    description: Path of a file, on the host where the module runs.
    type: path
  content:
    description: The text of a file.
    type: str
  content_base64:
    description: A file as base64, for one on the controller that may not be UTF-8. Such a file is refused with what would convert it.
    type: str
  format:
    description:
      - What the text is. V(zone) is a zone file, as C(dnscontrol get-zones --format=zone) and the exports of most
        providers give it. C($INCLUDE) is refused.
      - In a zone file, a record outside the zone, of a type that DNS does not have, or with a value that cannot be read is
        left out and named with its line; so are a record that a Windows DNS server marked with C([AGE:...]), and a record of
        a type that DNS does not have in a comment, where C(dnscontrol) writes it. The module fails, and names the line, when the record
        is one of the zone's own of type V(A), V(AAAA), V(CNAME), V(DNAME), V(MX), V(NS), V(PTR), V(SRV) or V(TXT).
      - A record without a TTL has that of C($TTL), or the last one stated above it, or the last field of the SOA (RFC 2308
        section 4). A TTL counts as stated also on a line that is left out (RFC 1035 section 5.1). Of a set with several TTLs, the lowest
        is taken. In both cases, RV(left_out) says so.
      - A name outside ASCII is taken over in its C(xn--) form, a TTL of 1 second as it is, and both are noted in RV(left_out). What C(dig)
        writes of a transfer that failed part-way is refused.
      - At most 16 MiB and 250000 records are read, and C($GENERATE) may make 5000 of them.
      - V(octodns) is a file as C(octodns-dump) writes; it needs PyYAML. At most 8 MiB are read, about 70000 record sets.
        Names and values are read as they are written, so that C(on) is a name.
      - V(tsv) is what C(dnscontrol get-zones --format=tsv) writes. At most 16 MiB and 250000 lines are read.
    type: str
    choices: [zone, octodns, tsv]
    default: zone
  default_ttl:
    description: Time to live in seconds of octoDNS records that do not say theirs.
    type: int
    default: 3600
  nameservers:
    description: Whether to take over the zone's own NS records too.
    type: bool
    default: false
  txt_transformation:
    description:
      - Form of V(TXT) values. V(unquoted) is the text itself, or a list of strings for a value of several, as an
        inventory has it.
      - V(quoted) is the form of a zone file.
    type: str
    choices: [unquoted, quoted]
    default: unquoted
  variable_prefix:
    description: What errors put before the names of options, for a playbook that takes them as variables. With V(move_), an error
      names C(move_zone) in place of O(zone_name).
    type: str
    default: ""
  dest:
    description:
      - Path of a YAML file of variables to write, on the host where the module runs. Its folder must exist.
      - It defines one variable, C(imported_) and the zone's name with underscores, with C(ttl) and C(records).
      - It is replaced as one step, with mode 0644.
    type: path
seealso:
  - module: smallfleet.infra.dns_zone_compare
  - module: smallfleet.infra.dns_record_sets
"""

EXAMPLES = r"""
- name: Import a zone from the provider's server into the inventory
  smallfleet.infra.dns_zone_import:
    server: ns1.provider.example.com
    key_name: transfer
    key_secret: "{{ provider_transfer_secret }}"
    zone_name: example.net
    dest: "{{ inventory_dir }}/group_vars/all/zone_example_net.yml"
  delegate_to: localhost

- name: Import a zone file that the provider's panel exported
  smallfleet.infra.dns_zone_import:
    zone_name: example.net
    content: "{{ lookup('ansible.builtin.file', 'example.net.zone') }}"
  register: zone
"""

RETURN = r"""
record_sets:
  description: The record sets, those of the zone's own name first.
  returned: success
  type: list
  elements: dict
  sample: [{record: "@", type: MX, ttl: 300, value: [10 mail.example.net.]}]
ttl:
  description: The TTL that most of the sets have.
  returned: success
  type: int
  sample: 300
left_out:
  description:
    - What was not taken over, or not as the source has it, and why.
    - C(kind) is V(expected) for what each server has of its own, V(lost) for what would be missing, V(proxied) and
      V(varies) for sets that were taken over while the provider's servers answer otherwise, and V(note) for other sets
      that were taken over.
  returned: success
  type: list
  elements: dict
  sample: [{record: "@", type: SOA, reason: is made by the server that serves the zone, kind: expected}]
variables:
  description: The text of the file of variables, whether or not O(dest) is given.
  returned: success
  type: str
  sample: "---\nimported_example_net:\n  ttl: 300\n  records: []\n"
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [write /etc/ansible/group_vars/all/zone_example_net.yml]
state:
  description: Figures about the zone.
  returned: success
  type: dict
  sample: {record_sets: 12, left_out: 2}
reason:
  description: Why it failed, as one word. See M(smallfleet.infra.dns_record_set).
  returned: failure
  type: str
  sample: bad_request
"""

from dataclasses import asdict

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.import_client import (
    FORMATS,
    YAML_ERROR,
    from_transfer,
    read_source,
    refuse_nothing,
    text_of,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.migration.imported import is_ours, render_variables, take
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.module_client import run_module
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.option_files_host import read_dest, write_dest
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.options_client import TRANSPORT, TRANSPORT_RULES, make_client
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.transfer_client import transfer
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import zone_of
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.diff import hunks, text_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.masking import masked
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def run(module: AnsibleModule) -> None:
    """Read the zone, and write or show the file of variables."""
    options = module.params
    files = SystemFiles()
    zone = zone_of(options["zone_name"])
    client = make_client({**options, "server": options["server"] or ""}, files)
    if options["server"]:
        sets, left = from_transfer(transfer(client.server, client.key, zone))
    else:
        sets, left = read_source(text_of(options, files), options, zone, client.canonical)
    refuse_nothing(sets, left, zone)
    found = take(zone, sets, client.canonical, options["nameservers"], options["txt_transformation"] == "quoted")
    left_out = [*left, *found.left_out]
    text = render_variables(zone, found, also_left_out=left)
    dest = options["dest"]
    before = "" if dest is None else read_dest(files, "dest", dest)
    steps = [f"write {dest}"] if dest is not None and before != text else []
    if steps and not module.check_mode:
        write_dest(files, "dest", dest, text)
    module.exit_json(
        changed=bool(steps),
        steps=steps,
        record_sets=list(found.record_sets),
        ttl=found.ttl,
        left_out=[asdict(one) for one in left_out],
        variables=text,
        diff=text_diff(dest or zone, *hunks(before, text, masked(before, "public" if is_ours(before) else "yaml"), text)),
        state={"record_sets": len(found.record_sets), "left_out": len(left_out)},
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **TRANSPORT,
            "server": {"type": "str"},
            "zone_name": {"type": "str", "required": True, "aliases": ["zone"]},
            "src": {"type": "path"},
            "content": {"type": "str"},
            "content_base64": {"type": "str"},
            "format": {"type": "str", "choices": list(FORMATS), "default": "zone"},
            "default_ttl": {"type": "int", "default": 3600},
            "nameservers": {"type": "bool", "default": False},
            "txt_transformation": {"type": "str", "choices": ["unquoted", "quoted"], "default": "unquoted"},
            "dest": {"type": "path"},
            "variable_prefix": {"type": "str", "default": ""},
        },
        required_one_of=[("server", "src", "content", "content_base64")],
        mutually_exclusive=[("server", "src", "content", "content_base64"), *TRANSPORT_RULES["mutually_exclusive"]],
        required_together=TRANSPORT_RULES["required_together"],
        supports_check_mode=True,
    )
    if YAML_ERROR and module.params["format"] == "octodns":
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_ERROR)
    run_module(module, run)


if __name__ == "__main__":
    main()
