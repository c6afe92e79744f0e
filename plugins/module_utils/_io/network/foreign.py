# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for what tells apart what programs have added: more files of boot configurations than the backends change."""

from __future__ import annotations

import glob
import os
from typing import Dict, List, Mapping, Sequence, Tuple

from ..._core.limits import BadText
from .observe import read_files

_SYSTEMD = ("/usr/lib/systemd", "/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")
_DROP_INS = tuple(f"{folder}/network/*.network.d/*.conf" for folder in _SYSTEMD)
_MORE: Mapping[str, Tuple[str, ...]] = {
    "networkd": _DROP_INS,
    "netplan": (*_DROP_INS, "/run/netplan/*.yaml", "/usr/lib/netplan/*.yaml"),
    "ifupdown": ("/etc/network/*/*",),
    "networkmanager": ("/usr/lib/NetworkManager/system-connections/*",),
}
_NETWORKD_CONF = tuple(f"{folder}/{name}" for folder in _SYSTEMD for name in ("networkd.conf", "networkd.conf.d/*.conf"))


def boot_texts(backend: str) -> List[str]:
    """The drop-ins, scripts and other folders that the backend's program reads beside the files that are changed."""
    return list(_readable(_MORE.get(backend, ())).values())


def networkd_conf() -> Dict[str, str]:
    return _readable(_NETWORKD_CONF)


def _readable(patterns: Sequence[str]) -> Dict[str, str]:
    """Path -> content. What is too large for a configuration is none."""
    found: Dict[str, str] = {}
    for path in (path for pattern in patterns for path in sorted(glob.glob(pattern)) if os.path.isfile(path)):
        try:
            found.update(read_files([glob.escape(path)]))
        except BadText:
            continue
    return found
