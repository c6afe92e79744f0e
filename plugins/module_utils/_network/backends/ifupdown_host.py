# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ifupdown, or ifupdown2, on this host."""

from __future__ import annotations

import glob
import os
import shutil
from typing import Collection, Dict, FrozenSet, Iterable, List

from ..._system.command import CommandRunner
from ..kernel.observe_host import read_files, read_text
from .base_host import HostBackend
from .facts import ProgramFacts
from .ifupdown import Ifupdown, named

CLIENTS = ("dhclient", "dhcpcd", "udhcpc")


class IfupdownHost(HostBackend):
    """See ``HostBackend``."""

    def facts(self, runner: CommandRunner, names: Collection[str]) -> ProgramFacts:
        enabled = runner.run(["systemctl", "is-enabled", "--quiet", "--", Ifupdown.boot_unit], check=False).rc == 0
        stanzas = dict.fromkeys(sorted(named(read_files(Ifupdown.reads).values())), "")
        return ProgramFacts(enabled and shutil.which("ifup") is not None, stanzas, dhcp_clients=_clients(names))

    def records(self, names: Iterable[str]) -> Dict[str, str]:
        lines = read_text("/run/network/ifstate").splitlines()
        return {name: f"{logical}\n" for name, _equals, logical in (line.partition("=") for line in lines)}


def _clients(names: Iterable[str]) -> FrozenSet[str]:
    """The interfaces that are named to a DHCP client."""
    words: List[str] = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        if read_text(path).strip() in CLIENTS:
            words += read_text(f"{os.path.dirname(path)}/cmdline").replace("\0", " ").split()
    return frozenset(name for name in names if name in words)
