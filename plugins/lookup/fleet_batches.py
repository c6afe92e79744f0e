# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many hosts a play changes at once, from the plan of the fleet."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_batches
short_description: The sizes of the batches in which a play should change the hosts of a capability
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - For the keyword C(serial) of a play whose C(hosts) are those of P(smallfleet.infra.fleet_hosts#lookup), in the same order.
  - No two servers of a zone are in one batch. Neither are two hosts with guests, nor, when networks are changed, the two hosts of
    a standby service. All other hosts are changed at once. Hosts that C(--limit) leaves out do not count.
options:
  _terms:
    description: The name of a capability.
    type: list
    elements: str
    required: true
  moving:
    description:
      - Name of a variable in which hosts have registered the result of M(smallfleet.infra.dns_server_config). If a zone gets another
        primary according to one of them, all hosts are in one batch, since the two primaries wait for each other.
    type: str
    default: ""
seealso:
  - plugin: smallfleet.infra.fleet_hosts
    plugin_type: lookup
  - module: smallfleet.infra.fleet_plan
"""

EXAMPLES = r"""
- name: Change the networks of hosts
  hosts: "{{ query('smallfleet.infra.fleet_hosts', 'network') }}"
  serial: "{{ query('smallfleet.infra.fleet_batches', 'network') }}"
  roles:
    - role: smallfleet.infra.network
"""

RETURN = r"""
_list:
  description: Numbers of hosts. An empty list means that all are changed at once.
  type: list
  elements: int
"""

from typing import Any, Dict, List, Optional, Sequence

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.batches import moves_between, sizes
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import PlanStore
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.plan_host import batches_of


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: Sequence[str], variables: Optional[Dict[str, Any]] = None, **kwargs: Any) -> List[int]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        moving = self.get_option("moving")
        if moving and moves_between(known.get("hostvars", {}), moving):
            return []
        try:
            batches = batches_of(PlanStore(C.DEFAULT_LOCAL_TMP, known["groups"]["all"]), known, terms)
        except ValueError as error:
            raise AnsibleError(str(error)) from error
        return sizes(batches, known["ansible_play_hosts_all"])
