# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings a host with its guests from macvtap to a bridge; documented in plugins/modules/macvtap_replacement.py."""

from __future__ import annotations

import secrets
from typing import Any, Dict

from ansible_collections.smallfleet.infra.plugins.module_utils._libvirt.moves.replacement_controller import Replacing
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.commit_controller import Commit
from ansible_collections.smallfleet.infra.plugins.module_utils._system.clock import SystemClock
from ansible_collections.smallfleet.infra.plugins.plugin_utils.network_change import NetworkChange


class ActionModule(NetworkChange):
    """The change of the network, with the guests before and after."""

    MODULE = "smallfleet.infra.macvtap_replacement"

    def change(self, given: Dict[str, Any], timeout: float) -> Dict[str, Any]:
        replacing = Replacing(self, self.part)
        return replacing.run(Commit(replacing, SystemClock(), secrets.token_hex(16), timeout), given)

    def part(self, arguments: Dict[str, Any], fresh: bool) -> Dict[str, Any]:
        """One call of the module, over a connection of its own where it is to be."""
        return self.execute(self.MODULE, arguments, fresh)
