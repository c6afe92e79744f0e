# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at on the host for each backend of ``_core.network.backends.registry``."""

from __future__ import annotations

from typing import Mapping

from ...._core.network.backends.ifupdown import Ifupdown
from ...._core.network.backends.netplan import Netplan
from ...._core.network.backends.networkd import Networkd
from ...._core.network.backends.networkmanager import NetworkManager
from .base_host import HostBackend
from .ifupdown_host import IfupdownHost
from .netplan_host import NetplanHost
from .networkd_host import NetworkdHost
from .networkmanager_host import NetworkManagerHost

HOST_BACKENDS: Mapping[str, HostBackend] = {
    Networkd.name: NetworkdHost(),
    Ifupdown.name: IfupdownHost(),
    Netplan.name: NetplanHost(),
    NetworkManager.name: NetworkManagerHost(),
}
