# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a guarded change (see ``guard``) deals with the program that configures the network, while the change lasts.

The guard knows kinds of steps and the points at which they come; it takes those that the program has a command for:

- ``stop`` and ``start``: the program must not run during the trial. It leaves the network as it is when it stops, and begins
  again with its files and records. A rollback stops it again before it touches the kernel.
- ``reload``: the program watches the network and reads the files of the trial, and those of the boot configuration after it.
- ``generate``: the files that it reads are made from those of the boot configuration.
- ``record``: what the program writes down below /run about the interface ``file`` becomes ``source``, or nothing.
- ``freeze``, ``thaw`` and ``end``: the DHCP clients of the interface ``file``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Tuple

STOP, START, RELOAD, GENERATE, RECORD = "stop", "start", "reload", "generate", "record"
FREEZE, THAW, END = "freeze", "thaw", "end"


@dataclass(frozen=True)
class Command:
    """One kind of step as one command of the shell, with ``{file}`` and ``{source}`` where the quoted words of a step go.

    ``failure`` is why the change is rolled back where the command fails, with ``{file}``; "" where it may fail.
    """

    shell: str
    failure: str = ""


@dataclass(frozen=True)
class Control:
    """The commands of a program, and the functions of the shell (``library``) that they call.

    ``removed_last``: endings of the files that are removed only after the change was confirmed. ``busy``: lines of the shell that succeed
    while the program, active or not, still acts on what it was told or has seen.
    """

    library: str = ""
    commands: Mapping[str, Command] = field(default_factory=dict)
    removed_last: Tuple[str, ...] = ()
    busy: str = ""

    @property
    def stops(self) -> bool:
        """Whether the program does not run during the trial."""
        return STOP in self.commands


@dataclass(frozen=True)
class Trial:
    """What a program that watches the network is shown for the trial.

    ``files`` (path and content) are below /run, gone at the next boot; those of ``early`` among them are shown first, and the program
    makes the interfaces ``made``. ``held`` are files in whose place the program is shown first that the interface is not its business.
    ``reloads``: it is to read them.
    """

    files: Tuple[Tuple[str, str], ...] = ()
    early: Tuple[str, ...] = ()
    made: Tuple[str, ...] = ()
    held: Tuple[Tuple[str, str], ...] = ()
    reloads: bool = False


NO_CONTROL, NO_TRIAL = Control(), Trial()
"""Of a program that does nothing by itself while the host runs."""
