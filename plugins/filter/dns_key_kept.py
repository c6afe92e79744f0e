# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which TSIG keys a host keeps although it is to hold them no more."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_key_kept
short_description: The TSIG keys that a host keeps until their new home has them
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - A key that M(smallfleet.infra.dns_key_store) would remove from this host stays while its new home does not have it, and a key that
    another host of this run gives is not generated.
positional: hostvars, variable, elsewhere
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
  elsewhere:
    description: The homes of keys that are not for this host, by name, as C(dns_keys.elsewhere) in its host plan has them.
    type: dict
    required: true
seealso:
  - module: smallfleet.infra.dns_key_store
"""

EXAMPLES = r"""
- name: Show which keys stay here for now
  ansible.builtin.debug:
    msg: "{{ here.state | smallfleet.infra.dns_key_kept(hostvars, 'here', plan.host_plan.dns_keys.elsewhere) }}"
"""

RETURN = r"""
_value:
  description: Names of the keys.
  type: list
  elements: str
"""

from typing import Any, Callable, Dict, List, Mapping

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.plan import keys_to_keep, other_states


def dns_key_kept(state: Mapping[str, Any], hostvars: Mapping[str, Mapping[str, Any]], variable: str, elsewhere: Mapping[str, str]) -> List[str]:
    """See DOCUMENTATION."""
    return keys_to_keep(state, other_states(state["host"], hostvars, variable), elsewhere)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"dns_key_kept": dns_key_kept}
