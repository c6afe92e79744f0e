#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lab_disk
short_description: Fill a disk up, or give the space back
version_added: 0.1.0
description:
  - Takes the free space of a file system with one file, so that a drill can show what happens without any.
  - Runs on the node whose disk is meant. Every lab node has a disk of its own, so only that node is hurt.
options:
  path:
    description: A folder on the file system to fill. The file C(.smallfleet-fill) is made in it.
    type: path
    default: /var
  leave:
    description: How many bytes to leave free.
    type: int
    default: 0
  state:
    description: Whether the disk is to be full.
    type: str
    choices: [full, released]
    required: true
extends_documentation_fragment:
  - smallfleet.infra.lab
author:
  - The smallfleet.infra contributors (@smallfleet)
seealso:
  - module: smallfleet.infra.lab
"""

EXAMPLES = r"""
- name: Fill the disk of app1
  smallfleet.infra.lab_disk:
    state: full

- name: Give the space back
  smallfleet.infra.lab_disk:
    state: released
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [fill /var up to 0 bytes]
state:
  description: The file system as it is afterwards.
  returned: always
  type: dict
  sample: {free: 1081344}
  contains:
    free:
      description: Bytes that root can still write.
      type: int
      returned: always
"""

import os

from ansible_collections.smallfleet.infra.plugins.module_utils._lab.disk_fill_host import SLACK, fill, free_bytes, release
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.module_host import step_diff
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule

NAME = ".smallfleet-fill"


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/var"},
            "leave": {"type": "int", "default": 0},
            "state": {"type": "str", "choices": ["full", "released"], "required": True},
        },
        supports_check_mode=True,
    )
    folder, leave = module.params["path"], max(module.params["leave"], 0)
    if not os.path.isdir(folder):
        module.fail_json(msg=f"path: {folder} is not a folder on this host. Name one on the file system to fill.")
    path = os.path.join(folder, NAME)
    full = module.params["state"] == "full"
    needed = free_bytes(folder) > leave + SLACK if full else os.path.exists(path)
    steps = [f"fill {folder} up to {leave} bytes" if full else f"remove {path}"] if needed else []
    try:
        if steps and not module.check_mode:
            if full:
                fill(path, leave)
            else:
                release(path)
    except OSError as error:
        module.fail_json(msg=f"{path}: {error.strerror}")
    module.exit_json(changed=bool(steps), steps=steps, state={"free": free_bytes(folder)}, diff=step_diff(steps))


if __name__ == "__main__":
    main()
