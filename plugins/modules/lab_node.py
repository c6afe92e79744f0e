#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lab_node
short_description: Cut or restore the power of a lab node, freeze or thaw it
version_added: 0.1.0
description:
  - Does to one node what drills need, from the controller as root.
  - In a virtual machine, what the guest had not yet written to its disk is lost with the power. In a container it is kept
    by the controller's kernel, so a lost write cannot be shown there.
options:
  state:
    description:
      - V(powered_off) ends every process of the node at once, as when the cord is pulled.
      - V(powered_on) starts it again from its disk and waits until it answers.
      - V(frozen) stops every process with C(SIGSTOP), so that connections stay open and nothing answers.
      - V(thawed) lets them go on.
    type: str
    choices: [powered_on, powered_off, frozen, thawed]
    required: true
extends_documentation_fragment:
  - smallfleet.infra.lab
  - smallfleet.infra.lab.drill
author:
  - The smallfleet.infra contributors (@smallfleet)
"""

EXAMPLES = r"""
- name: Pull the cord of app1
  smallfleet.infra.lab_node:
    name: demo
    node: app1
    state: powered_off
  delegate_to: localhost

- name: Switch it on again
  smallfleet.infra.lab_node:
    name: demo
    node: app1
    state: powered_on
  delegate_to: localhost
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [stop node app1]
state:
  description: The node as it was found before.
  returned: always
  type: dict
  sample: {running: true, frozen: false}
  contains:
    running:
      description: Whether it had power.
      type: bool
      returned: always
    frozen:
      description: Whether it was frozen.
      type: bool
      returned: always
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.module_host import DRILL_ARGUMENTS, FAILURES, existing_lab, step_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.plan import plan_node
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            **DRILL_ARGUMENTS,
            "state": {"type": "str", "choices": ["powered_on", "powered_off", "frozen", "thawed"], "required": True},
        },
        supports_check_mode=True,
    )
    try:
        lab = existing_lab(module.params["directory"], module.params["name"])
        spec = lab.described(module.params["node"])
        node = lab.node(spec.name)
        state = {"running": node.running() is not None, "frozen": node.frozen()}
        steps = plan_node(spec, module.params["state"], **state)
        if not module.check_mode:
            lab.apply(steps)
    except FAILURES as error:
        module.fail_json(msg=str(error))
    said = [str(step) for step in steps]
    module.exit_json(changed=bool(steps), steps=said, state=state, diff=step_diff(said))


if __name__ == "__main__":
    main()
