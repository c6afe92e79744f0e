# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of this package: one step of a sequence, and what is known of the two sides of a service."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Mapping, Optional, Tuple


class Running(str, Enum):
    """Whether a unit runs. UNKNOWN is what an unreachable host or an unreadable answer gives; it is never NO."""

    YES = "running"
    NO = "stopped"
    UNKNOWN = "unknown"


class Act(str, Enum):
    """What a step does. The words stand in previews and results."""

    CHECK = "check"
    STOP = "stop"
    START = "start"
    NAME = "name in DNS"
    VERIFY = "verify"
    HOLD = "hold"


@dataclass(frozen=True)
class Step:
    """One step. ``host`` is where it acts; for NAME it is the host that DNS shall name, and ``named`` the one before.

    ``named`` is the prerequisite of the compare-and-swap: None means that DNS names nobody. ``why`` is for the reader.
    """

    act: Act
    host: str
    named: Optional[str] = None
    why: str = ""

    @property
    def writer(self) -> str:
        """What the step does to the number of writers: ``starts``, ``stops`` or ``none``."""
        return {Act.START: "starts", Act.STOP: "stops"}.get(self.act, "none")

    def __str__(self) -> str:
        return f"{self.act.value} {self.host}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Side:
    """What was observed of one host. ``armed`` says that the unit would run again after a boot, by itself."""

    running: Running = Running.UNKNOWN
    armed: bool = True

    @property
    def at_rest(self) -> bool:
        """Whether the unit is known to be stopped and to stay so."""
        return self.running is Running.NO and not self.armed


@dataclass(frozen=True)
class Pair:
    """One service as desired: the two hosts, and which of them begins."""

    active: str
    standby: str

    @property
    def hosts(self) -> Tuple[str, str]:
        return (self.active, self.standby)

    def other(self, host: str) -> str:
        return self.standby if host == self.active else self.active


@dataclass(frozen=True)
class Observed:
    """The world as seen: the sides by host (a host that is not there was not observed) and the host DNS names.

    ``named`` is None when DNS has no such record, and may be a host of neither side when somebody else wrote it.
    """

    sides: Mapping[str, Side] = field(default_factory=dict)
    named: Optional[str] = None

    def side(self, host: str) -> Side:
        return self.sides.get(host, Side())
