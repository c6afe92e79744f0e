#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lab_link
short_description: Cut or restore the link of a lab node
version_added: 0.1.0
description:
  - Drops every frame on one of a node's links, in both directions or in one. The node keeps its carrier, as with a dead
    switch path, so nothing on it notices but by silence.
  - Runs on the controller as root.
options:
  network:
    description: Name of the network whose link is meant.
    type: str
    required: true
  state:
    description: Whether the link is to be cut.
    type: str
    choices: [cut, restored]
    required: true
  direction:
    description: For O(state=cut), which frames are dropped, seen from the node.
    type: str
    choices: [both, to, from]
    default: both
extends_documentation_fragment:
  - smallfleet.infra.lab
  - smallfleet.infra.lab.drill
author:
  - The smallfleet.infra contributors (@smallfleet)
"""

EXAMPLES = r"""
- name: Let app1 hear but not speak
  smallfleet.infra.lab_link:
    name: demo
    node: app1
    network: main
    state: cut
    direction: from
  delegate_to: localhost

- name: Mend the link
  smallfleet.infra.lab_link:
    name: demo
    node: app1
    network: main
    state: restored
  delegate_to: localhost
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [cut app1.0 from]
state:
  description: The link as it was found before.
  returned: always
  type: dict
  sample: {cut: ""}
  contains:
    cut:
      description: Which direction was cut; empty when none was.
      type: str
      returned: always
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.module_host import DRILL_ARGUMENTS, FAILURES, existing_lab, step_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            **DRILL_ARGUMENTS,
            "network": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["cut", "restored"], "required": True},
            "direction": {"type": "str", "choices": ["both", "to", "from"], "default": "both"},
        },
        supports_check_mode=True,
    )
    try:
        lab = existing_lab(module.params["directory"], module.params["name"])
        link = lab.link(module.params["node"], module.params["network"])
        before = lab.networks.direction_cut(link)
        wanted = module.params["direction"] if module.params["state"] == "cut" else ""
        if before != wanted and not module.check_mode:
            if wanted:
                lab.networks.cut(link, wanted)
            else:
                lab.networks.restore(link)
    except FAILURES as error:
        module.fail_json(msg=str(error))
    steps = [] if before == wanted else [f"cut {link} {wanted}" if wanted else f"restore {link}"]
    module.exit_json(changed=bool(steps), steps=steps, state={"cut": before}, diff=step_diff(steps))


if __name__ == "__main__":
    main()
