# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a lab backend does on the controller."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import List, Optional, Protocol

from ..._system.files import FileStore
from ..commands_host import LabRunner
from ..image_host import Images, Progress
from ..network_host import LabNetworks
from ..spec import LabNode, LabSpec


class Machine(Protocol):
    """A node as a backend sees it; see ``node.Node``."""

    spec: LabSpec
    node: LabNode
    folder: str
    runner: LabRunner
    files: FileStore
    networks: LabNetworks

    @property
    def root(self) -> str:
        """Where the node's tree is mounted."""

    @property
    def machine(self) -> str:
        """A name that no other node of any lab has."""

    def mount(self) -> None:
        """Mount the tree."""

    def unmount(self) -> None:
        """Unmount it."""

    def mounted(self) -> bool:
        """Whether the tree is mounted."""

    def leader(self) -> Optional[int]:
        """The first process inside a running container."""


class HostBackend(ABC):
    """One way to run nodes; see ``_lab.backends.base``. A process of its own is each node's machine."""

    def recognises(self, folder: str) -> bool:
        """Whether the folder of a node that the inventory no longer has is of this backend."""
        return False

    def finish(self, machine: Machine) -> None:  # noqa: B027 - a backend may have nothing to do here
        """Turn the prepared tree into what the node boots from."""

    def ready(self, machine: Machine) -> bool:
        """Whether what the node boots from is in its place."""
        return machine.mounted()

    @abstractmethod
    def connect(self, machine: Machine) -> None:
        """What must be there before the machine starts: its disk, and its ends of the links."""

    @abstractmethod
    def command(self, machine: Machine, accelerator: str) -> List[str]:
        """The words of the command that is the node while it runs."""

    def groups(self, machine: Machine) -> List[str]:
        """Folders of the control groups that the command is to be started in."""
        return []

    def members(self, machine: Machine, leader: int) -> List[int]:
        """The processes that are the node, when ``leader`` is that of its command."""
        return [leader]

    def killed_with(self, machine: Machine, leader: int) -> List[int]:
        """The processes to kill before ``leader``, so that nothing in the node can write another byte."""
        return []

    def sweep(self, machine: Machine) -> None:  # noqa: B027 - as above
        """Remove what a machine that was killed leaves outside its folder. Called for every backend: a node may have had another."""

    def forget(self, machine: Machine) -> None:  # noqa: B027 - as above
        """Remove what a machine that has ended keeps for its next start."""

    def accelerator(self, machine: Machine, progress: Progress) -> str:
        """How nodes are run here where that has to be found out; "" where there is one way only."""
        return ""

    def boot_limit(self, accelerator: str) -> float:
        """Seconds within which a node must answer."""
        return 60.0

    def trial(self, images: Images, runner: LabRunner) -> Optional[bool]:
        """Whether a node runs fast here, by trying; None where that does not apply or cannot be tried."""
        return None
