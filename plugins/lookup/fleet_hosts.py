# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a play, from the plan of the fleet."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_hosts
short_description: The hosts that take part in a capability, in the order in which a play should change them
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - For the keyword C(hosts) of a play. The hosts are those to which the fleet plan gives the capability, whatever C(--limit) says.
  - When there are none, or the inventory has errors, it returns a pattern that matches no host, without a warning. The same before the
    first play of a run, so C(ansible-playbook --list-hosts) lists none.
options:
  _terms:
    description: Names of capabilities, as in RV(smallfleet.infra.fleet_plan#module:host_plan), or V(dns_other_keys).
    type: list
    elements: str
    required: true
seealso:
  - plugin: smallfleet.infra.fleet_batches
    plugin_type: lookup
  - module: smallfleet.infra.fleet_plan
"""

EXAMPLES = r"""
- name: Provision the DNS servers
  hosts: "{{ query('smallfleet.infra.fleet_hosts', 'dns_server') }}"
  serial: "{{ query('smallfleet.infra.fleet_batches', 'dns_server') }}"
  roles:
    - role: smallfleet.infra.dns_server
"""

RETURN = r"""
_list:
  description: Inventory names of hosts.
  type: list
  elements: str
"""

from typing import Any, Dict, List, Optional, Sequence

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import PlanStore
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.plan_host import batches_of

NO_HOST = ["all", "!all"]


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: Sequence[str], variables: Optional[Dict[str, Any]] = None, **kwargs: Any) -> List[str]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        try:
            batches = batches_of(PlanStore(C.DEFAULT_LOCAL_TMP, known["groups"]["all"]), known, terms)
        except ValueError as error:
            raise AnsibleError(str(error)) from error
        return [host for batch in batches for host in batch] or NO_HOST
