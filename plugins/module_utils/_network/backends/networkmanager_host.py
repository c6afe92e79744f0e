# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NetworkManager on this host."""

from __future__ import annotations

from typing import Collection, Dict, Iterable, List, Tuple

from ..._system.command import CommandRunner
from ..kernel.observe_host import active, interface_number, read_text
from ..model import Desired, Observed
from .base import present
from .base_host import HostBackend
from .facts import ProgramFacts
from .networkmanager import SERVICE, profile


class NetworkManagerHost(HostBackend):
    """See ``HostBackend``."""

    def facts(self, runner: CommandRunner, names: Collection[str]) -> ProgramFacts:
        if not active(runner, SERVICE):
            return ProgramFacts()
        return ProgramFacts(True, {name: kind for name, kind, _profile in connections(runner)})

    def records(self, names: Iterable[str]) -> Dict[str, str]:
        found = {name: read_text(f"/run/NetworkManager/devices/{interface_number(name)}") for name in names}
        return {name: text for name, text in found.items() if text}

    def not_adopted(self, runner: CommandRunner, desired: Desired, observed: Observed) -> str:
        """It activates none of our profiles on a dead cable."""
        found = {name: used for name, _kind, used in connections(runner)}
        alive = [one.name for one in present(desired) if one.name in observed.links and observed.links[one.name].carrier]
        lacking = [name for name in alive if found.get(name) != profile(name)]
        return f"NetworkManager has not taken over {', '.join(lacking)}" if lacking else ""


def connections(runner: CommandRunner) -> List[Tuple[str, str, str]]:
    """Interface, type and profile of each that NetworkManager has connected, less what it found connected by others."""
    argv = ["env", "LC_ALL=C", "nmcli", "--terse", "--fields", "DEVICE,TYPE,STATE,CONNECTION", "device"]
    found: List[Tuple[str, str, str]] = []
    for line in runner.run(argv, check=False).stdout.splitlines():
        words = line.replace("\\:", "\0").split(":")
        if len(words) == 4 and (words[2] == "connected" or words[2].startswith("connecting")):
            found.append((words[0].replace("\0", ":"), words[1], words[3].replace("\0", ":")))
    return found
