# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with an inventory, said so that the reader can mend it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import AbstractSet, Dict, Iterable, List, Sequence, Tuple

from .._shared.masking import without_keys
from .._shared.quoting import visible

NAMES_SHOWN = 6


@dataclass(frozen=True, order=True)
class Problem:
    """One reason to refuse the fleet.

    ``host`` is the inventory name, or an empty string when the value belongs to the whole fleet.
    ``variable`` is the path to the value, such as ``standby_services.web.active``.
    ``message`` says what is wrong, ``remedy`` what to write instead. None of them shows a key that was written where something
    else belongs. ``blank`` says that there is no value, ``meant`` names the variable that is missing because it is misspelt.
    """

    host: str
    variable: str
    message: str
    remedy: str
    blank: bool = field(default=False, compare=False)
    meant: str = field(default="", compare=False)

    @property
    def concerned(self) -> str:
        """The variable that it is about: of a misspelt one, the one that was meant."""
        return self.meant or self.variable.partition(".")[0].partition("[")[0]

    def __post_init__(self) -> None:
        for name in ("variable", "message", "remedy"):
            object.__setattr__(self, name, without_keys(getattr(self, name)))

    def __str__(self) -> str:
        return visible(f"{self.host or 'fleet'}: {self.variable}: {self.message}. {self.remedy}.")


def without_consequences(problems: Sequence[Problem], fleet_wide: AbstractSet[str]) -> List[Problem]:
    """The problems without those that probably follow from a place without a value, or from a variable that is misspelt.

    What is wrong at a place without a value, in it, and around it follows from it. Such a place in a variable of the whole fleet may be
    the cause of anything in any other variable, one in a variable of a host of anything in that host's other variables of that kind. A
    misspelt variable of the whole fleet may be the cause of anything but what is wrong with the fleet itself. A place without a value in
    what all hosts have alike is noted once.
    """
    of_fleet = {problem.variable for problem in problems if problem.blank and not problem.host}
    everything = [problem for problem in problems if not (problem.blank and problem.host and problem.variable in of_fleet)]
    blanks = [problem for problem in everything if problem.blank]
    shared = {problem.concerned for problem in everything if problem.blank or problem.meant} & fleet_wide
    only_misspelt = shared.isdisjoint(problem.concerned for problem in blanks)
    of_hosts = {_kind(problem): problem.concerned for problem in blanks}

    def follows(problem: Problem) -> bool:
        variable = problem.concerned
        if any(_is_around(problem, blank) for blank in blanks):
            return True
        if shared and variable not in shared and not (only_misspelt and variable.startswith("fleet_")):
            return True
        return of_hosts.get(_kind(problem), variable) != variable

    return [problem for problem in everything if problem.blank or problem.meant or not follows(problem)]


def _kind(problem: Problem) -> Tuple[str, str]:
    return problem.host, problem.concerned.partition("_")[0]


def _is_around(problem: Problem, blank: Problem) -> bool:
    """Whether a problem is at a place without a value, in it, or at what it is in.

    nmstate's keys are read with ``_`` and with ``-``. What holds for the fleet may be noted at a host, and the other way round.
    """
    if problem.host and blank.host and problem.host != blank.host:
        return False
    variable, path = problem.variable.replace("_", "-"), blank.variable.replace("_", "-")
    around = path[: max(path.rfind("."), path.rfind("["), 0)]
    return variable in (path, around) or variable.startswith((f"{path}.", f"{path}["))


def report(problems: Iterable[Problem]) -> str:
    """All problems as one text, in a stable order. What several hosts have in common is said once, with their names."""
    shared: Dict[Tuple[str, str, str], List[str]] = {}
    for problem in sorted(set(problems)):
        shared.setdefault((problem.variable, problem.message, problem.remedy), []).append(problem.host)
    found = [Problem(_names(hosts), *rest) for rest, hosts in shared.items()]
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    return "\n".join([f"The inventory has {count}; nothing was changed.", *(f"- {problem}" for problem in found)])


def _names(hosts: Sequence[str]) -> str:
    more = len(hosts) - NAMES_SHOWN
    return ", ".join(hosts) if more <= 1 else f"{', '.join(hosts[:NAMES_SHOWN])} and {more} more"
