#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lab
short_description: Raise or remove a fleet of virtual machines and containers on one machine
version_added: 0.1.0
description:
  - Brings a lab to the state that the inventory describes, from whatever an earlier run left behind, also a crashed one.
  - Nodes are containers run by C(systemd-nspawn) or virtual machines run by QEMU. Their networks live in a network
    namespace of their own that has no way out.
  - Runs on the controller as root. The action plugin of the same name shows progress while it works.
  - Internal to this collection. Use the role P(smallfleet.infra.lab#role) instead.
options:
  state:
    description: Whether every node of the lab answers, or nothing of it is left outside the cache.
    type: str
    choices: [present, absent]
    default: present
  plan:
    description: The plan of the whole fleet, as P(smallfleet.infra.fleet_plan#module) makes it with O(ignore:scope=fleet).
    type: dict
    required: true
  progress:
    description: A file to which each step is appended as it begins. Set by the action plugin.
    type: path
requirements:
  - The commands that P(smallfleet.infra.lab_doctor#module) names.
extends_documentation_fragment:
  - smallfleet.infra.lab
author:
  - The smallfleet.infra contributors (@smallfleet)
seealso:
  - module: smallfleet.infra.lab_doctor
  - module: smallfleet.infra.lab_node
  - module: smallfleet.infra.lab_link
"""

EXAMPLES = r"""
- name: Take the plan of the whole fleet
  smallfleet.infra.fleet_plan:
    scope: fleet
  register: fleet
  delegate_to: localhost

- name: Start the lab
  smallfleet.infra.lab:
    state: present
    plan: "{{ fleet.plan }}"
  delegate_to: localhost
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [create namespace smallfleet-demo, create bridge br-main, prepare node app1, start node app1, connect link app1.0, wait for node app1]
state:
  description: Where the lab is.
  returned: always
  type: dict
  sample: {name: demo, namespace: smallfleet-demo, ssh_config: /var/lib/smallfleet/labs/demo/ssh_config}
  contains:
    name:
      description: Name of the lab.
      type: str
      returned: always
    namespace:
      description: Name of the network namespace that holds it.
      type: str
      returned: always
    ssh_config:
      description: File for C(ssh -F) with which its nodes are reached.
      type: str
      returned: always
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.module_host import FAILURES, step_diff, system_lab
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.processes_host import alone
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.spec import from_plan
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "plan": {"type": "dict", "required": True},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        spec = from_plan(module.params["plan"])
        lab = system_lab(spec, module.params["progress"])
        with alone(spec.name):
            steps = lab.plan(module.params["state"] == "present")
            if not module.check_mode:
                lab.apply(steps)
    except FAILURES as error:
        module.fail_json(msg=str(error))
    said = [str(step) for step in steps]
    state = {"name": spec.name, "namespace": spec.namespace, "ssh_config": f"{spec.folder}/ssh_config"}
    module.exit_json(changed=bool(steps), steps=said, state=state, diff=step_diff(said))


if __name__ == "__main__":
    main()
