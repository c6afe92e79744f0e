# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Derives from the fleet's variables how Ansible reaches each host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Derive how Ansible reaches the hosts of a fleet
version_added: 0.2.0
description:
  - Sets C(ansible_host) of each host to its address in the network that C(fleet_purposes) names for C(management), IPv4 first.
  - Adds no host and no group, and connects to nothing. The hosts and their C(fleet_*) variables come from the other inventory sources, their
    C(group_vars) and C(host_vars). Sources are read in the order of C(-i), and the files of a folder in the order of their names, so this one
    must come last.
  - A host that has an C(ansible_host) keeps it. A host whose address cannot be read from the inventory gets none; M(smallfleet.infra.fleet_plan)
    says what is wrong before anything connects to it.
author:
  - The smallfleet.infra contributors (@smallfleet)
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [smallfleet.infra.fleet]
  purpose:
    description: The network in which the hosts are reached, for example V(public) until the VPN for management works.
    type: str
    choices: [management, public]
    default: management
notes:
  - Variables set with C(-e) do not reach inventory plugins.
seealso:
  - module: smallfleet.infra.fleet_plan
"""

EXAMPLES = r"""
# smallfleet.yml, in the folder of hosts.yml
plugin: smallfleet.infra.fleet
"""

from typing import Any, Dict, Iterator, Mapping, Sequence

from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.inventory_host import collect
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.read import read_fleet

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19, where text of an inventory needs no mark

    def trust_as_template(value: str) -> str:
        return value


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Sets C(ansible_host); see DOCUMENTATION."""

    NAME = "smallfleet.infra.fleet"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        variables = {name: _variables(host, loader, inventory.processed_sources) for name, host in inventory.hosts.items()}
        collected, unrendered = collect(_HostVariables(self.templar, variables), list(variables))
        fleet, problems = read_fleet(collected, {})
        for problem in [*unrendered, *problems]:
            self.display.vv(f"{self.NAME}: {problem}")
        for name, host in fleet.hosts.items():
            addresses = host.addresses_for(self.get_option("purpose"))
            if addresses and "ansible_host" not in variables[name]:
                # Without the mark, ansible-inventory would write it as {__ansible_unsafe: ...}.
                inventory.set_variable(name, "ansible_host", trust_as_template(addresses[0]))


def _variables(host: Any, loader: Any, sources: Sequence[str]) -> Dict[str, Any]:
    """A host's variables as written in the sources that were read so far, in the order in which Ansible lets one win over another."""
    groups = sort_groups(host.get_groups())
    variables: Dict[str, Any] = get_group_vars(groups)
    variables = combine_vars(variables, get_vars_from_inventory_sources(loader, sources, groups, "all"))
    variables = combine_vars(variables, host.get_vars())
    variables = combine_vars(variables, get_vars_from_inventory_sources(loader, sources, [host], "all"))
    return variables


class _HostVariables:
    """What ``collect`` reads, of the variables whose names begin with ``fleet_``."""

    def __init__(self, templar: Any, variables: Mapping[str, Mapping[str, Any]]) -> None:
        self._templar, self._variables = templar, variables

    def raw_get(self, host_name: str) -> Mapping[str, Any]:
        """The variables as written."""
        return {name: value for name, value in self._variables[host_name].items() if name.startswith("fleet_")}

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        return _Rendered(self._templar, self._variables[key])


class _Rendered(Mapping[str, Any]):
    """Variables that are rendered on access."""

    def __init__(self, templar: Any, variables: Mapping[str, Any]) -> None:
        self._templar, self._variables = templar, variables

    def __getitem__(self, key: str) -> Any:
        self._templar.available_variables = self._variables
        return self._templar.template(self._variables[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)
