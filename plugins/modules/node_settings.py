#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_settings
short_description: Set a host's name, known hosts, administrators' keys, kernel settings and time
version_added: 0.1.0
description:
  - Makes a host what the options say, in one call. An option that is not given leaves its part of the host alone.
  - Before the first change it looks for everything that would stop it, and fails with all of it at once.
  - In C(/etc/hosts) and in each C(authorized_keys) it owns one part between two marks. What others wrote there stays.
  - Internal to this collection. Use the role P(smallfleet.infra.node#role) instead.
author:
  - The smallfleet.infra contributors (@smallfleet)
options:
  hostname:
    description:
      - The name the host knows itself by, without the domain. It is taken at once and at every boot.
    type: str
  hosts_entries:
    description:
      - What this host is to know of the addresses and names of others, in our part of C(/etc/hosts).
    type: list
    elements: dict
    suboptions:
      address:
        description: An IPv4 or IPv6 address.
        type: str
        required: true
      names:
        description: Names of that address, the full name first.
        type: list
        elements: str
        required: true
  administrators:
    description:
      - A dictionary of users and the public keys each may log in with, in our part of the user's C(authorized_keys).
      - The users must exist. A user who got keys from us earlier and is no longer named loses them; keys that were put
        there otherwise stay.
    type: dict
  sysctl:
    description:
      - A dictionary of kernel settings. They are set at once, and at every boot by C(/etc/sysctl.d/60-smallfleet.conf).
      - A setting that cannot be changed here, as most in a container, is refused unless it has the value already.
    type: dict
  timezone:
    description:
      - The time zone, as C(timedatectl list-timezones) names it.
    type: str
  time_servers:
    description:
      - The servers that C(systemd-timesyncd) asks for the time. An empty list stands for the distribution's own.
      - In a container nothing is done, since its clock is the host's, and RV(state.time) says so.
    type: list
    elements: str
attributes:
  check_mode:
    description: Whether the module can say what it would change without changing it.
    support: full
    details:
      - A missing C(systemd-timesyncd) is a warning in check mode, for the same run may install it before.
  diff_mode:
    description: Whether the module shows what differs.
    support: full
"""

EXAMPLES = r"""
- name: Set up a host
  smallfleet.infra.node_settings:
    hostname: app1
    hosts_entries:
      - {address: 192.0.2.11, names: [app1.demo.example.net, app1]}
      - {address: "2001:db8::b", names: [app1.demo.example.net, app1]}
    administrators:
      root:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@example.net
    sysctl:
      net.ipv4.ip_forward: 1
    timezone: Europe/Vienna
    time_servers: [ntp1.example.net]
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [write /etc/hosts, set the host name to app1, write the keys of root]
diff:
  description: Each file and setting that changed, before and after.
  returned: always
  type: list
  elements: dict
  sample:
    - before_header: /etc/hosts
      after_header: /etc/hosts
      before: |
        127.0.0.1 localhost
      after: |
        127.0.0.1 localhost
        # BEGIN smallfleet.infra: written from the inventory, changes are lost
        192.0.2.11 app1.demo.example.net app1
        # END smallfleet.infra
state:
  description: What the host is at the end.
  returned: success
  type: dict
  sample: {hostname: app1, timezone: Etc/UTC, time: systemd-timesyncd}
  contains:
    hostname:
      description: The name the host knows itself by.
      type: str
    timezone:
      description: The time zone, empty when it has none that has a name.
      type: str
    time:
      description: Who sets the host's clock.
      type: str
      sample: systemd-timesyncd
"""

from typing import Any, Dict, List

from ansible_collections.smallfleet.infra.plugins.module_utils._node.node_host import Node
from ansible_collections.smallfleet.infra.plugins.module_utils._node.plan import (
    Desired,
    Step,
    hosts_lines,
    keeper_of_time,
    lacks,
    leftovers,
    obstacles,
    plan,
    render_diff,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles


def read_desired(given: Dict[str, Any]) -> Desired:
    administrators, sysctl = given["administrators"], given["sysctl"]
    return Desired(
        hostname=given["hostname"],
        hosts=None if given["hosts_entries"] is None else hosts_lines(given["hosts_entries"]),
        administrators=None if administrators is None else {user: tuple(keys) for user, keys in administrators.items()},
        sysctl=None if sysctl is None else {key: str(value) for key, value in sysctl.items()},
        timezone=given["timezone"],
        time_servers=None if given["time_servers"] is None else tuple(given["time_servers"]),
    )


def converge(module: AnsibleModule, node: Node, desired: Desired) -> None:
    observed = node.observe(desired)
    wrong = obstacles(desired, observed)
    missing = lacks(desired, observed)
    if wrong or (missing and not module.check_mode):
        found = wrong + missing
        module.fail_json(msg="No setting was changed. " + "; ".join(found) + ".", steps=[], diff=[])
    for warning in missing + leftovers(desired, observed):
        module.warn(warning)
    steps = plan(desired, observed)
    done: List[Step] = []
    for step in [] if module.check_mode else steps:
        try:
            node.apply(step)
        except (OSError, CommandFailed) as error:
            diff = render_diff(done, observed)
            said = [str(earlier) for earlier in done]
            module.fail_json(msg=f"Could not {step}: {error}. Mend it and run again.", steps=said, diff=diff)
        done.append(step)
    now = node.observe(desired) if done else observed
    state = {"hostname": now.hostname, "timezone": now.timezone, "time": keeper_of_time(now)}
    diff = render_diff(steps, observed)
    module.exit_json(changed=bool(steps), steps=[str(step) for step in steps], diff=diff, state=state)


def main() -> None:
    entry = {
        "address": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "hostname": {"type": "str"},
            "hosts_entries": {"type": "list", "elements": "dict", "options": entry},
            "administrators": {"type": "dict"},
            "sysctl": {"type": "dict"},
            "timezone": {"type": "str"},
            "time_servers": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    converge(module, Node(SystemRunner(), SystemFiles()), read_desired(module.params))


if __name__ == "__main__":
    main()
