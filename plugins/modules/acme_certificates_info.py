#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acme_certificates_info
short_description: Look at a host's certificates, and at what its servers show
version_added: 0.2.0
description:
  - Says of each certificate whether it is there, covers its names, matches its private key, how many days are left, and
    whether the server that shall show it does.
  - Internal to this collection. Use the role P(smallfleet.infra.acme_certificates#role) instead.
author:
  - The smallfleet.infra contributors (@smallfleet)
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  directory:
    description: The address of the ACME server's directory.
    type: str
    required: true
  certificates:
    description: The certificates, as C(acme_certificates.certificates) in the host plan has them.
    type: list
    elements: dict
    required: true
  least_days:
    description: Days that must be left. If not given, only a certificate that has ended is a problem.
    type: float
  program:
    description: The text of the program C(smallfleet-acme).
    type: str
    required: true
seealso:
  - module: smallfleet.infra.acme_certificates
"""

EXAMPLES = r"""
- name: Look at the certificates
  smallfleet.infra.acme_certificates_info:
    directory: "{{ plan.host_plan.acme_certificates.directory }}"
    certificates: "{{ plan.host_plan.acme_certificates.certificates }}"
    least_days: 14
    program: "{{ lookup('ansible.builtin.file', 'smallfleet-acme', rstrip=false) }}"
  register: found
  failed_when: found is failed or found.problems | length > 0
"""

RETURN = r"""
problems:
  description: Everything that is wrong, one sentence each, with the name of the certificate.
  returned: success
  type: list
  elements: str
  sample: ["web: it ends in 3.2 days", "web: the last try failed: No server took the update ..."]
certificates:
  description: The certificates.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web
      names: [example.net, www.example.net]
      not_after: "2027-02-18T12:00:00Z"
      days_left: 81
      fingerprint: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      issue: ""
      deploy: []
      failure: ""
      problems: []
  contains:
    name:
      description: Its name in the inventory.
      type: str
    names:
      description: The names that it covers.
      type: list
      elements: str
      sample: [example.net, www.example.net]
    not_after:
      description: When it ends.
      type: str
      sample: "2027-01-20T12:00:00Z"
    days_left:
      description: Whole days until then.
      type: int
    fingerprint:
      description: Its SHA-256 fingerprint.
      type: str
    issue:
      description: Why it is to be issued again, or an empty text.
      type: str
    deploy:
      description: What is left to do with it.
      type: list
      elements: str
      sample: [reload nginx.service]
    failure:
      description: Why the last try failed, or an empty text.
      type: str
    problems:
      description: What is wrong with what clients get.
      type: list
      elements: str
      sample: [192.0.2.11 port 443 shows another certificate]
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.certificates_host import AcmeFailure, AcmeHost
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "str", "required": True},
            "certificates": {"type": "list", "elements": "dict", "required": True},
            "least_days": {"type": "float"},
            "program": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    asked = {one["name"]: {**one, "directory": module.params["directory"]} for one in module.params["certificates"]}
    host = AcmeHost(SystemRunner(), SystemFiles(), module.params["program"])
    try:
        found = host.status(asked, look=True, least_days=module.params["least_days"])
    except (AcmeFailure, CommandFailed, OSError) as failure:
        module.fail_json(msg=f"{failure}")
    problems = [f"{one['name']}: {problem}" for one in found for problem in one["problems"]]
    problems += [f"{one['name']}: the last try failed: {one['failure']}" for one in found if one["failure"]]
    module.exit_json(changed=False, certificates=found, problems=problems)


if __name__ == "__main__":
    main()
