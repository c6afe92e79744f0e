# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at on the host for each backend of ``_network.backends.registry``."""

from __future__ import annotations

from typing import Mapping

from .base_host import HostBackend
from .ifupdown import Ifupdown
from .ifupdown_host import IfupdownHost
from .netplan import Netplan
from .netplan_host import NetplanHost
from .networkd import Networkd
from .networkd_host import NetworkdHost
from .networkmanager import NetworkManager
from .networkmanager_host import NetworkManagerHost

HOST_BACKENDS: Mapping[str, HostBackend] = {
    Networkd.name: NetworkdHost(),
    Ifupdown.name: IfupdownHost(),
    Netplan.name: NetplanHost(),
    NetworkManager.name: NetworkManagerHost(),
}
