# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why the unit of a standby service is not as DNS demands."""

from __future__ import annotations

DOCUMENTATION = r"""
name: standby_fault
short_description: Why the unit of a standby service is not as DNS demands
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - The active host must run the unit, start it at boot and be healthy; on the other one it must be stopped and disabled.
positional: service, host, side
options:
  _input:
    description: The C(state) that M(smallfleet.infra.standby_service) has observed on the host.
    type: dict
    required: true
  service:
    description: The service, as C(standby.services) in the host's plan has it.
    type: dict
    required: true
  host:
    description: The inventory name of the host.
    type: str
    required: true
  side:
    description: What P(smallfleet.infra.standby_side#filter) has returned.
    type: dict
    required: true
seealso:
  - module: smallfleet.infra.standby_service
"""

EXAMPLES = r"""
- name: Assert that the unit is as DNS demands
  ansible.builtin.assert:
    that: (observed.state | smallfleet.infra.standby_fault(service, inventory_hostname, side)) == ''
"""

RETURN = r"""
_value:
  description: The fault, or an empty string.
  type: str
"""

from typing import Any, Callable, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.standby import host_fault


class FilterModule:
    """The filter of this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"standby_fault": lambda unit, service, host, side: host_fault(service, host, side, unit)}
