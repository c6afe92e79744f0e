# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes a host's network and confirms it by a new connection; documented in plugins/modules/host_network.py."""

from __future__ import annotations

from ansible_collections.smallfleet.infra.plugins.plugin_utils.network_change import NetworkChange


class ActionModule(NetworkChange):
    """Nothing but the change."""
