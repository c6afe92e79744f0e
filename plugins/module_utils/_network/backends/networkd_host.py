# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-networkd on this host."""

from __future__ import annotations

from typing import Collection, Dict, List, Tuple

from ..._system.command import CommandRunner
from ..kernel.observe_host import active, interface_number, read_files, read_text
from .base import FIRST
from .base_host import HostBackend
from .facts import ProgramFacts
from .networkd import SERVICE
from .networkd_change import device_name

NETDEVS = tuple(f"{folder}/systemd/network/*.netdev" for folder in ("/etc", "/run", "/usr/lib"))


class NetworkdHost(HostBackend):
    """See ``HostBackend``."""

    def facts(self, runner: CommandRunner, names: Collection[str]) -> ProgramFacts:
        if not active(runner, SERVICE):
            return ProgramFacts()
        return ProgramFacts(True, _files(names), tuple(_devices()))


def _devices() -> List[Tuple[str, str]]:
    found = [(device_name(text), path) for path, text in read_files(NETDEVS).items() if f"/{FIRST}" not in path]
    return [(name, path) for name, path in found if name]


def _files(names: Collection[str]) -> Dict[str, str]:
    """What systemd-networkd writes down of each interface, which is all that its older versions tell."""
    found: Dict[str, str] = {}
    for name in names:
        lines = read_text(f"/run/systemd/netif/links/{interface_number(name)}").splitlines()
        known = dict(line.split("=", maxsplit=1) for line in lines if "=" in line)
        if known.get("NETWORK_FILE") and known.get("ADMIN_STATE") != "unmanaged":
            found[name] = known["NETWORK_FILE"]
    return found
