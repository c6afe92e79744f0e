# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that write the boot configuration again when the host boots, and so undo what a confirmed change has removed.

cloud-init renders the network for ifupdown, netplan, NetworkManager or systemd-networkd (cloudinit/net of its source). It does
so unless its configuration, the kernel's command line or a file turns that off (reference/network-config of its documentation).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Tuple

from ..backends.networkmanager import MADE
from ..model import Files

CLOUD_CONFIG: Tuple[str, ...] = ("/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg")
CLOUD_OFF = "/etc/cloud/cloud-init.disabled"
_BY_CLOUD = re.compile(
    r"/etc/netplan/50-cloud-init\.yaml|/etc/network/interfaces\.d/50-cloud-init(\.cfg)?"
    r"|/etc/NetworkManager/system-connections/cloud-init-[^/]*|/etc/systemd/network/10-cloud-init-[^/]*"
)
_HEADER = re.compile(r"(?i)^#.*(generated from information provided by the datasource|created by cloud-init|cloud-init automatically)", re.MULTILINE)
_DISABLED = re.compile(r"^network[ ]*:[ \n{]*config[ ]*:[ ]*[\"']?disabled", re.MULTILINE)
_BY_NETPLAN = re.compile(re.escape(MADE) + r"/netplan-[^/]*")
_INITRD = re.compile(r"(?:^|\s)(?:ip=(?!none|off)|rd\.neednet=1)")
_SDN = "/etc/network/interfaces.d/sdn"
PENDING = "/etc/network/interfaces.new"
REMEDY = "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg"


@dataclass(frozen=True)
class Writers:
    """``cloud``: path -> parsed configuration of cloud-init (None where it cannot be read); ``installed`` whether it is there.

    ``off`` whether its file says that it is not to run; ``command_line`` is the kernel's; ``pending`` whether Proxmox VE has
    an interfaces file that it takes at the next boot. ``enabled`` are those of ``others.UNITS`` that systemd starts at boot, ``local`` is
    what rc.local has, where that is run.
    """

    installed: bool = False
    off: bool = False
    command_line: str = ""
    cloud: Mapping[str, Any] = field(default_factory=dict)
    pending: bool = False
    enabled: FrozenSet[str] = frozenset()
    local: str = ""


def cloud_writes(writers: Writers) -> bool:
    """Whether cloud-init may write the network's configuration at the next boot."""
    words = writers.command_line.split()
    if not writers.installed or writers.off or "network-config=disabled" in words or "cloud-init=disabled" in words:
        return False
    merged: Dict[str, Any] = {}
    main, folder = CLOUD_CONFIG[0], "/etc/cloud/cloud.cfg.d/"
    for path in sorted(writers.cloud, key=lambda one: (one != main, one)):
        value = writers.cloud[path]
        if isinstance(value, str) and _DISABLED.search(value):
            merged = {"network": {"config": "disabled"}}
        elif isinstance(value, dict) and (path == main or path.startswith(folder)) and "network" in value:
            merged = {"network": value["network"]}
    network = merged.get("network")
    return not (isinstance(network, dict) and str(network.get("config", "")) == "disabled")


def rewritten(files: Files, writers: Writers) -> List[str]:
    """The changes that the next boot may undo: who does it, and the remedy."""
    found: List[str] = []
    cloud = cloud_writes(writers)
    for one in files.changes:
        if one.before is None or "smallfleet-" in one.path:
            continue
        if cloud and (_BY_CLOUD.fullmatch(one.path) or _HEADER.search(one.before[:4000])):
            found.append(
                f"{one.path}: cloud-init writes it again at a later boot, and with it the interfaces that this change takes out of it. "
                f"Write 'network: {{config: disabled}}' into {REMEDY}"
            )
        elif one.path.startswith(MADE) and _INITRD.search(writers.command_line):
            found.append(f"{one.path}: the initrd makes it again at each boot, by what the kernel's command line has (ip=). Remove that")
        elif _BY_NETPLAN.fullmatch(one.path):
            found.append(f"{one.path}: netplan makes it again at each boot. Take the interface out of the files in /etc/netplan")
        elif one.path == _SDN:
            found.append(f"{one.path}: Proxmox VE writes it again. Take the interface out of its SDN configuration")
    if writers.pending and any(one.path.startswith("/etc/network/") for one in files.changes):
        found.append(f"{PENDING}: Proxmox VE takes it for /etc/network/interfaces at the next boot. Apply or revert the pending changes first")
    return found
