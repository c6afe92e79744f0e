# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with an inventory, said so that the reader can mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, List, Sequence, Tuple

from ..masking import without_keys
from ..quoting import visible

NAMES_SHOWN = 6


@dataclass(frozen=True, order=True)
class Problem:
    """One reason to refuse the fleet.

    ``host`` is the inventory name, or an empty string when the value belongs to the whole fleet.
    ``variable`` is the path to the value, such as ``standby_services.web.active``.
    ``message`` says what is wrong, ``remedy`` what to write instead. None of them shows a key that was written where something
    else belongs.
    """

    host: str
    variable: str
    message: str
    remedy: str

    def __post_init__(self) -> None:
        for name in ("variable", "message", "remedy"):
            object.__setattr__(self, name, without_keys(getattr(self, name)))

    def __str__(self) -> str:
        return visible(f"{self.host or 'fleet'}: {self.variable}: {self.message}. {self.remedy}.")


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
