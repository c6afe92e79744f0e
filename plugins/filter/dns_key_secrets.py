# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which secrets a host may be sent."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_key_secrets
short_description: The secrets of external TSIG keys that a host may be sent
version_added: 0.2.0
author:
  - The smallfleet.infra contributors (@smallfleet)
description:
  - Leaves only the secrets of those keys whose home is the host, so that no other host is sent any.
positional: names
options:
  _input:
    description: Secrets by the name of their key.
    type: dict
    required: true
  names:
    description: The keys whose home is the host, as C(dns_keys.secrets) in its plan has them.
    type: list
    elements: str
    required: true
seealso:
  - module: smallfleet.infra.dns_key_store
"""

EXAMPLES = r"""
- name: Keep the keys
  smallfleet.infra.dns_key_store:
    host: "{{ inventory_hostname }}"
    keys: "{{ plan.host_plan.dns_keys['keys'] }}"
    secrets: "{{ dns_keys_secrets | smallfleet.infra.dns_key_secrets(plan.host_plan.dns_keys.secrets) }}"
"""

RETURN = r"""
_value:
  description: The secrets of those keys, by name.
  type: dict
"""

from typing import Any, Callable, Dict, Mapping, Sequence


def dns_key_secrets(secrets: Mapping[str, Any], names: Sequence[str]) -> Dict[str, Any]:
    """See DOCUMENTATION."""
    return {name: secret for name, secret in secrets.items() if name in names}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"dns_key_secrets": dns_key_secrets}
