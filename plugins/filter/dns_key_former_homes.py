# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From which hosts a host can take TSIG keys whose home it has become."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_key_former_homes
short_description: The hosts that have TSIG keys whose home this host has become
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - For each key that M(smallfleet.infra.dns_key_store) would generate on this host, finds another host of this run that has it, which is its
    former home if that is in the run, or else a holder of the key.
positional: hostvars, variable
options:
  _input:
    description: The C(state) that M(smallfleet.infra.dns_key_store) has returned on this host.
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  variable:
    description: Name of the variable in which each host has the result of M(smallfleet.infra.dns_key_store).
    type: str
    required: true
seealso:
  - module: smallfleet.infra.dns_key_store
"""

EXAMPLES = r"""
- name: Show from where this host can take keys that it would generate
  ansible.builtin.debug:
    msg: "{{ here.state | smallfleet.infra.dns_key_former_homes(hostvars, 'here') }}"
"""

RETURN = r"""
_value:
  description: For each host, its C(host), C(keys) as the module takes them there, and C(adopt) as it takes them here.
  type: list
  elements: dict
"""

from typing import Any, Callable, Dict, List, Mapping

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.plan import former_homes, other_states


def dns_key_former_homes(state: Mapping[str, Any], hostvars: Mapping[str, Mapping[str, Any]], variable: str) -> List[Dict[str, Any]]:
    """See DOCUMENTATION."""
    if not state["deferred"]["generate"]:
        return []
    found = former_homes(state, other_states(state["host"], hostvars, variable))
    return [{"host": host, "keys": [{"name": name, "home": host} for name in names], "adopt": dict.fromkeys(names, host)} for host, names in found.items()]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"dns_key_former_homes": dns_key_former_homes}
