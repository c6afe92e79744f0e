#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: caching_resolver
short_description: Run a caching resolver for the probes of a node
version_added: 0.1.0
description:
  - Runs an instance of the resolver unbound, which must be installed, that keeps each answer as long as its time to live
    says, never longer. It has a unit (C(smallfleet-resolver.service)), a configuration
    (C(/etc/unbound/smallfleet-resolver.conf)) and a loopback address (C(127.0.0.73)) of its own.
  - Given zones are asked from given servers, and all other names from the root downwards.
  - Only a probe that was started with O(smallfleet.infra.probe#module:own_resolver=true) uses it. The node's
    C(/etc/resolv.conf) and C(/etc/nsswitch.conf), and an unbound that it has already, stay as they are.
  - Internal to this collection. Use the role P(smallfleet.infra.probe#role) instead.
options:
  zones:
    description:
      - Zones that are asked from their own authoritative servers.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the zone.
        type: str
        required: true
      addresses:
        description:
          - Addresses of its servers.
        type: list
        elements: str
        required: true
  search:
    description:
      - Domain that a probe puts behind names of one label.
    type: str
    default: ""
attributes:
  check_mode:
    description: Whether the module can say what it would change without changing it.
    support: full
    details:
      - A resolver that is not installed is no error in check mode, for the same run may install it before.
  diff_mode:
    description: Whether the module shows what differs.
    support: full
author:
  - The smallfleet.infra contributors (@smallfleet)
"""

EXAMPLES = r"""
- name: Resolver | Ask the fleet's own server for the fleet's zone
  smallfleet.infra.caching_resolver:
    zones:
      - name: demo.example.net
        addresses: [192.0.2.53]
    search: demo.example.net
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: ["restart smallfleet-resolver.service"]
state:
  description: The resolver as read back; in check mode as it would be.
  returned: success
  type: dict
  sample: {running: true}
  contains:
    running:
      description: Whether it runs.
      type: bool
"""

from typing import Any, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.caching_resolver import CONFIG, bad_values, describe, plan_resolver, render_files
from ansible_collections.smallfleet.infra.plugins.module_utils._failover.caching_resolver_host import ResolverFailed, ResolverKeeper
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.diff import hunks, text_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

ZONE: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "required": True},
}
ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "zones": {"type": "list", "elements": "dict", "default": [], "options": ZONE},
    "search": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    problem = bad_values(module.params["zones"], module.params["search"])
    if problem:
        module.fail_json(msg=problem, steps=[])
    files = render_files(module.params["zones"], module.params["search"])
    keeper = ResolverKeeper(SystemRunner(), SystemFiles(), SystemClock())
    observed = keeper.observe(files)
    steps = plan_resolver(files, observed)
    done = [step.title for step in steps]
    fault = keeper.verify(files[CONFIG]) if steps else None
    if fault and not module.check_mode:
        module.fail_json(msg=f"Nothing was changed: {fault}", steps=[])
    if not module.check_mode:
        try:
            keeper.apply(steps, files)
        except (ResolverFailed, CommandFailed, OSError) as error:
            module.fail_json(msg=str(error), steps=done)
    running = True if module.check_mode else keeper.observe(files).running
    before, after = describe(observed.files, observed.running), describe(files, running)
    diff = text_diff("resolver", *hunks(before, after))
    module.exit_json(changed=bool(steps), steps=done, state={"running": running}, diff=diff)


if __name__ == "__main__":
    main()
