#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acme_certificates
short_description: Have certbot issue and renew a host's certificates, proved by DNS
version_added: 0.2.0
description:
  - Installs two programs, a systemd service and a timer, describes each certificate in
    C(/etc/smallfleet/acme/NAME.json), and starts the service of every certificate that is due or not yet with those who use it.
  - The service has C(certbot) issue the certificate. Its hook proves each name with one TXT record, entered by dynamic
    update with the key of the host. What is new is put into C(/etc/smallfleet/acme/NAME/), and the units of that
    certificate are told. When anything fails, the old certificate stays, and the timer tries again.
  - A certificate that is no longer in O(certificates) is not renewed any more. Its files stay.
  - Internal to this collection. Use the role P(smallfleet.infra.acme_certificates#role) instead.
author:
  - The smallfleet.infra contributors (@smallfleet)
attributes:
  check_mode:
    support: full
    description: Only looks.
  diff_mode:
    support: full
    description: All descriptions and units, and names and end of each certificate, before and after.
  idempotent:
    support: full
    description: A second run finds nothing to change. A run that died leaves the rest to the next, or to the timer.
options:
  directory:
    description: The address of the ACME server's directory. Using it means to agree to the server's terms of service.
    type: str
    required: true
  contact:
    description: A mail address for the account. With an empty one the account has none.
    type: str
    default: ''
  ca_file:
    description: Certificates, as one file, of those whom to trust about the ACME server itself, if not the usual ones.
    type: path
    default: ''
  key:
    description: The key that may change the names of the challenges, with its C(name), C(algorithm) and C(file).
    type: dict
    required: true
  certificates:
    description: The certificates, as C(acme_certificates.certificates) in the host plan has them.
    type: list
    elements: dict
    required: true
  programs:
    description: The texts of the two programs, by the path of each.
    type: dict
    required: true
requirements:
  - certbot 2.1 or later, openssl and dnspython from Debian (packages C(certbot), C(openssl), C(python3-dnspython)); in
    check mode they may be missing
seealso:
  - module: smallfleet.infra.acme_certificates_info
  - module: smallfleet.infra.fleet_plan
"""

EXAMPLES = r"""
- name: Get this host's plan
  smallfleet.infra.fleet_plan:
  register: plan

- name: Keep its certificates
  smallfleet.infra.acme_certificates:
    directory: "{{ plan.host_plan.acme_certificates.directory }}"
    contact: "{{ plan.host_plan.acme_certificates.contact }}"
    key: "{{ plan.host_plan.acme_certificates.key }}"
    certificates: "{{ plan.host_plan.acme_certificates.certificates }}"
    programs:
      /usr/local/sbin/smallfleet-acme: "{{ lookup('ansible.builtin.file', 'smallfleet-acme', rstrip=false) }}"
      /usr/local/sbin/smallfleet-acme-dns: "{{ lookup('ansible.builtin.file', 'smallfleet-acme-dns', rstrip=false) }}"
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["write /etc/smallfleet/acme/web.json", "renew web by its timer", "web: issue, for it lacks www.example.net"]
diff:
  description: Descriptions, units and certificates before and after.
  returned: success
  type: list
  elements: dict
  sample:
    - before_header: certificate web
      after_header: certificate web
      before: |
        names: example.net
        ends: 2026-12-20T12:00:00Z
      after: |
        names: example.net, www.example.net
        ends: later
state:
  description: The certificates at the end.
  returned: success
  type: dict
  sample:
    certificates:
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
    certificates:
      description: Each certificate with what RV(smallfleet.infra.acme_certificates_info#module:certificates) has of it.
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
"""

from typing import Any, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.certificates_host import AcmeFailure, AcmeHost, installed_program
from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.plan import HOOK, PROGRAM, configurations, plan, render_diff, wanted_host
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "directory": {"type": "str", "required": True},
    "contact": {"type": "str", "default": ""},
    "ca_file": {"type": "path", "default": ""},
    "key": {"type": "dict", "required": True, "no_log": False},
    "certificates": {"type": "list", "elements": "dict", "required": True},
    "programs": {"type": "dict", "required": True},
}


def run(module: AnsibleModule) -> None:
    """Look, plan, and outside check mode do it and look again."""
    programs = module.params["programs"]
    if sorted(programs) != sorted((HOOK, PROGRAM)):
        module.fail_json(msg=f"The option programs needs the texts of {PROGRAM} and {HOOK}.", steps=[])
    installed = {**programs, PROGRAM: installed_program(programs[PROGRAM])}
    wanted = wanted_host(configurations(module.params), installed)
    host = AcmeHost(SystemRunner(1500.0), SystemFiles(), programs[PROGRAM])
    if wanted.certificates and not module.check_mode and module.get_bin_path("certbot") is None:
        module.fail_json(msg="Certbot is not installed here. Install the Debian package certbot first.", steps=[])
    steps = plan(wanted, host.observe(wanted))
    said = [str(step) for step in steps]
    for step in steps:
        if step.kind == "forget":
            module.warn(f"{step}. Delete them when nothing uses them any more.")
    if not module.check_mode:
        try:
            host.apply(steps)
        except AcmeFailure:
            found = [one for one in host.status(wanted.certificates) if one["failure"]]
            reasons = [f"{one['name']}: {one['failure']}" for one in found] or [host.log(steps[-1].subject)]
            remedy = "What was there before is still in use, and the timer tries again."
            module.fail_json(msg=f"{' '.join(reasons)} {remedy}", steps=said)
    state = {"certificates": host.status(wanted.certificates)}
    module.exit_json(changed=bool(steps), steps=said, diff=render_diff(steps), state=state)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        run(module)
    except (AcmeFailure, CommandFailed, OSError) as failure:
        module.fail_json(msg=f"{failure}", steps=[])


if __name__ == "__main__":
    main()
