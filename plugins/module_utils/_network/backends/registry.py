# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backends: programs that configure the network at boot. All lists of their names derive from this one."""

from __future__ import annotations

from typing import Dict, Mapping, Tuple

from ..boot import interfaces5, keyfiles
from ..boot import netplan as boot_netplan
from ..boot import networkd as boot_networkd
from ..model import Observed
from .backend import Backend, Load
from .ifupdown import Ifupdown
from .netplan import Netplan
from .networkd import Networkd
from .networkmanager import NetworkManager

_ALL: Tuple[Backend, ...] = (
    Networkd(lambda boot, _load: boot_networkd.review(boot)),
    Ifupdown(lambda boot, _load: interfaces5.review(boot)),
    Netplan(boot_netplan.review, lambda load, observed: boot_netplan.Reader(load, observed).without),
    NetworkManager(lambda boot, _load: keyfiles.review(boot)),
)
BACKENDS: Mapping[str, Backend] = {one.name: one for one in _ALL}
"""By name, in the order in which messages list them."""
AUTO = "auto"
CHOICES: Tuple[str, ...] = (AUTO, *BACKENDS)
"""The values of ``network_backend``."""


def on_host(observed: Observed, load: Load) -> Dict[str, Backend]:
    """The backends as this host needs them, by name."""
    return {name: backend.on_host(observed, load) for name, backend in BACKENDS.items()}
