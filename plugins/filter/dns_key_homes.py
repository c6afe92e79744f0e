# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts must give a host TSIG keys."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_key_homes
short_description: The homes that must give a host TSIG keys
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Compares what a host holds of the keys of others with what their homes hold, as M(smallfleet.infra.dns_key_store) has
    returned it on each of them in this run.
  - A home that is not in this run is named only if the host lacks one of its keys.
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
- name: Show who must give this host keys
  ansible.builtin.debug:
    msg: "{{ here.state | smallfleet.infra.dns_key_homes(hostvars, 'here') }}"
"""

RETURN = r"""
_value:
  description: Inventory names of the homes.
  type: list
  elements: str
"""

from typing import Any, Callable, Dict, List, Mapping, Optional

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.plan import homes_to_ask


def dns_key_homes(state: Mapping[str, Any], hostvars: Mapping[str, Mapping[str, Any]], variable: str) -> List[str]:
    """See DOCUMENTATION."""
    offers: Dict[str, Optional[Mapping[str, str]]] = {}
    for home in state["held"]:
        result = hostvars[home].get(variable) or {}
        offers[home] = result.get("state", {}).get("offers")
    return homes_to_ask(state["held"], state["missing"], offers)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"dns_key_homes": dns_key_homes}
