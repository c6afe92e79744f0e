# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at on the host itself for one backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Collection, Dict, Iterable, List, Mapping

from ..._system.command import CommandRunner
from ..._system.files import FileStore
from ..model import Desired, Observed
from .facts import ProgramFacts


class HostBackend(ABC):
    """The effects of one program; see ``_network.backends.backend``."""

    @abstractmethod
    def facts(self, runner: CommandRunner, names: Collection[str]) -> ProgramFacts:
        """``names`` are the interfaces of the kernel. Raises BadText for a file that is too large."""

    def records(self, names: Iterable[str]) -> Dict[str, str]:
        """Interface -> what the program has written down about it, of those that it has."""
        return {}

    def not_adopted(self, runner: CommandRunner, desired: Desired, observed: Observed) -> str:
        """Which interfaces the program does not configure by our files some time after these changed, or ""."""
        return ""

    def dry_run(self, runner: CommandRunner, files: FileStore, desired: Desired, after: Mapping[str, str]) -> List[str]:
        """What the program itself would make of the files ``after`` a change (path and content) otherwise than ``desired``."""
        return []
