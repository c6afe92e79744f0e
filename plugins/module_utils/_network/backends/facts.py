# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host's glue gathers about the programs that may configure its network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Mapping, Tuple


@dataclass(frozen=True)
class ProgramFacts:
    """What a host has of one program. ``ready``: it is installed and active (one that works at boot only: enabled).

    ``interfaces``: interface -> what configures it, in the program's own terms (a file, the type of a connection, or "").
    ``devices``: interface and file by which the program creates it. ``dhcp_clients``: interfaces with a DHCP client that the program
    may have started. ``texts``: contents of its own files, where they decide whether it may be used.
    """

    ready: bool = False
    interfaces: Mapping[str, str] = field(default_factory=dict)
    devices: Tuple[Tuple[str, str], ...] = ()
    dhcp_clients: FrozenSet[str] = frozenset()
    texts: Tuple[str, ...] = ()


@dataclass(frozen=True)
class HostFacts:
    """``programs``: name of a backend -> its facts. ``interfaces`` are those of the kernel.

    ``accept_ra``: what the kernel does with router advertisements on each, and on those to come (see ``advertisements``).
    ``ipv6_off``: those, under the same names, on which IPv6 is turned off.
    """

    programs: Mapping[str, ProgramFacts] = field(default_factory=dict)
    interfaces: FrozenSet[str] = frozenset()
    accept_ra: Mapping[str, str] = field(default_factory=dict)
    ipv6_off: FrozenSet[str] = frozenset()

    def of(self, name: str) -> ProgramFacts:
        """The facts of a backend's program; of one that nothing was gathered about, that it is not there."""
        return self.programs.get(name, ProgramFacts())

    @property
    def ready(self) -> FrozenSet[str]:
        """The backends whose programs are ready."""
        return frozenset(name for name, facts in self.programs.items() if facts.ready)
