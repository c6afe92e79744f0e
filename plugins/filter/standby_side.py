# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What DNS makes of a host of a standby service."""

from __future__ import annotations

DOCUMENTATION = r"""
name: standby_side
short_description: What DNS makes of a host of a standby service
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Says whether the host is the active one of the service, and which host is the other one.
positional: service, host
options:
  _input:
    description: The result of M(smallfleet.infra.dns_record_set) for the CNAME of the service.
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
seealso:
  - module: smallfleet.infra.standby_service
"""

EXAMPLES = r"""
- name: Show whether this host is the active one
  ansible.builtin.debug:
    msg: "{{ (cname | smallfleet.infra.standby_side(service, inventory_hostname)).active }}"
"""

RETURN = r"""
_value:
  description:
    - The C(dns_target), whether the host is C(active), the C(peer), the C(health_url) if it is active, and the C(refusal) if DNS
      names neither host.
  type: dict
"""

from typing import Any, Callable, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._failover.standby import host_side


class FilterModule:
    """The filter of this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"standby_side": lambda answer, service, host: host_side(service, host, answer)}
