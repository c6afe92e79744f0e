#!/usr/bin/python
# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a host's network as the variables of the role network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_network_info
short_description: Read a host's network as the variables that describe it
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Reads the interfaces, addresses, routes and rules that the kernel has, and returns them as C(network_interfaces), C(network_routes),
    C(network_rules) and C(network_dns), so that the first run of the role P(smallfleet.infra.network#role) changes nothing in the kernel.
  - A port of a bridge or a bond has no link-local address after that run, as all ports of the role.
  - Changes nothing itself. M(smallfleet.infra.host_network) is the module that does.
attributes:
  check_mode:
    description: Whether the module can run without changing anything.
    support: full
    details:
      - It never changes anything.
  diff_mode:
    description: Whether the module shows what differs.
    support: none
    details:
      - Nothing does.
options:
  interfaces:
    description:
      - The interfaces to read. Their ports, the bridge or bond that they are a port of, and what a VLAN stands on come with them.
      - If not given, those that a program known to this collection configures at boot (systemd-networkd, netplan, ifupdown, NetworkManager).
    type: list
    elements: str
    default: []
seealso:
  - module: smallfleet.infra.host_network
"""

EXAMPLES = r"""
- name: Read the network that the host has
  smallfleet.infra.host_network_info:
  register: network

- name: Write it on the controller
  ansible.builtin.copy:
    content: "{{ network.text }}"
    dest: "host_vars/{{ inventory_hostname }}/network.yml"
    mode: "0644"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
variables:
  description: The variables.
  returned: success
  type: dict
  sample:
    network_interfaces: [{name: eth0, ipv4: {enabled: true, address: [{ip: 192.0.2.10, prefix-length: 24}]}}]
    network_routes: {config: [{destination: 0.0.0.0/0, next-hop-interface: eth0, next-hop-address: 192.0.2.1}]}
text:
  description: The same as the text of a YAML file, with RV(left_out) as comments.
  returned: success
  type: str
  sample: "network_interfaces:\n  - name: eth0\n    ipv4: {enabled: true, dhcp: true}\n"
left_out:
  description: What the host has and the variables have not, each with the reason.
  returned: success
  type: list
  elements: str
  sample: ["wg0: is of the kind wireguard, which network_interfaces cannot describe"]
"""

from ansible_collections.smallfleet.infra.plugins.module_utils._network.export_host import export_network
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.rollback_host import Refused
from ansible_collections.smallfleet.infra.plugins.module_utils._shared.limits import BadText
from ansible_collections.smallfleet.infra.plugins.module_utils._system.ansible_module import AnsibleModule
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandFailed, SystemRunner


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec={"interfaces": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True)
    try:
        made = export_network(SystemRunner(60.0), module.params["interfaces"])
    except Refused as refusal:
        module.fail_json(msg=f"{refusal}.", reason=refusal.reason)
    except (CommandFailed, BadText, OSError) as error:
        module.fail_json(msg=f"{error}. Mend it and run again.", reason="failed")
    module.exit_json(changed=False, variables=made.variables, text=made.text, left_out=list(made.left_out))


if __name__ == "__main__":
    main()
