# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at the programs that may configure this host's network, and at what the kernel does with router advertisements."""

from __future__ import annotations

import glob
from typing import Collection, Dict

from ..._system.command import CommandRunner
from ..kernel.observe_host import read_text
from .facts import HostFacts
from .registry_host import HOST_BACKENDS

ACCEPT_RA = "/proc/sys/net/ipv6/conf/*/accept_ra"
DISABLE_IPV6 = "/proc/sys/net/ipv6/conf/*/disable_ipv6"


def look(runner: CommandRunner, names: Collection[str]) -> HostFacts:
    """``names`` are the interfaces of the kernel. Raises BadText for a file that is too large."""
    return HostFacts(
        {name: backend.facts(runner, names) for name, backend in HOST_BACKENDS.items()},
        frozenset(names),
        kernel_values(ACCEPT_RA),
        frozenset(name for name, value in kernel_values(DISABLE_IPV6).items() if value == "1"),
    )


def kernel_values(setting: str) -> Dict[str, str]:
    """Interface -> the kernel's value."""
    return {path.rsplit("/", 2)[1]: read_text(path).strip() for path in glob.glob(setting)}
