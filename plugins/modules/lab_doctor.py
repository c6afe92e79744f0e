#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lab_doctor
short_description: Find out what kinds of lab this machine can run
version_added: 0.1.0
description:
  - Tries what a lab needs in namespaces that are thrown away, and reports for each lack what it takes away and the remedy.
  - Whether KVM is usable is decided by a guest with the lab's own kernel, once an image for guests is in the cache.
  - All container nodes take their instances of inotify(7) from those of root, of which C(fs.inotify.max_user_instances) allows
    128 by default. With O(plan) there must be enough for those of its containers that do not run yet, otherwise for a lab of four.
  - Internal to this collection. Use the playbook C(smallfleet.infra.doctor) instead.
options:
  cache:
    description: The folder that holds images and packages.
    type: path
    default: /var/cache/smallfleet
  release:
    description: Code name of the Debian release whose guest image is used for the trial.
    type: str
    default: trixie
  backends:
    description: Fail when one of these backends cannot run here. The trial under KVM is left out then, since none depends on it.
    type: list
    elements: str
    choices: [nspawn, qemu]
    default: []
  plan:
    description:
      - The plan of the whole fleet, by host. Fail when a backend of its lab cannot run here, or its containers would not boot.
      - Exclusive with O(backends).
    type: dict
attributes:
  check_mode:
    description: Changes nothing in any case.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The smallfleet.infra contributors (@smallfleet)
"""

EXAMPLES = r"""
- name: Find out what this machine can run
  smallfleet.infra.lab_doctor:
    backends: [nspawn]
  register: doctor

- name: Show the table
  ansible.builtin.debug:
    msg: "{{ doctor.table }}"
"""

RETURN = r"""
table:
  description: All rows as text in columns.
  returned: always
  type: str
rows:
  description: Each thing that was tried.
  returned: always
  type: list
  elements: dict
  sample:
    - {subject: root, here: true, found: "yes", lost: "", remedy: "", stops: [nspawn, qemu]}
    - {subject: wireguard links, here: false, found: "no", lost: kernel WireGuard in container nodes,
       remedy: "Use lab_backend: qemu for the hosts that need it", stops: []}
"""

from dataclasses import asdict

from ansible_collections.smallfleet.infra.plugins.module_utils._lab import doctor
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.commands_host import LabRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.doctor_host import examine
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "cache": {"type": "path", "default": "/var/cache/smallfleet"},
            "release": {"type": "str", "default": "trixie"},
            "backends": {"type": "list", "elements": "str", "choices": list(BACKENDS), "default": []},
            "plan": {"type": "dict"},
        },
        mutually_exclusive=[("backends", "plan")],
        supports_check_mode=True,
    )
    plan = module.params["plan"]
    backends = module.params["backends"] or doctor.backends_of(plan or {})
    containers = None if plan is None else doctor.containers_of(plan)
    facts = examine(module.params["cache"], module.params["release"], LabRunner(), trial=not backends, containers=containers)
    rows = doctor.examine(facts)
    result = {"changed": False, "rows": [asdict(row) for row in rows], "table": doctor.table(rows)}
    refused = doctor.refusals(rows, backends)
    if refused:
        module.fail_json(msg="This machine cannot run the lab; nothing was changed.\n" + doctor.table(refused), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
