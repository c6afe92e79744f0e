# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that have left the inventory: the next boot will not have them, so the trial must not have them either.

systemd-networkd deletes the rules of its files itself. ifupdown and NetworkManager leave them in the kernel, where they would go on
deciding while the change is tried, in front of those that the next boot has alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Tuple

from .backends import ifupdown, networkmanager
from .model import Desired, Observed, Rule

_OURS = "/smallfleet-"


def given_up(desired: Desired, observed: Observed, before: Mapping[str, str], after: Mapping[str, str]) -> Tuple[Rule, ...]:
    """Those of the kernel that our files (path and content) have ``before`` the change and not ``after`` it, to be absent."""
    places = {rule.place for rule in desired.rules}
    there = [replace(rule, protocol="", absent=True) for rule in observed.rules if not rule.selectors and rule.place not in places]
    return tuple(rule for rule in there if _written(rule, before) and not _written(rule, after))


def _written(rule: Rule, files: Mapping[str, str]) -> bool:
    ends = (f" {ifupdown.rule_line(rule)}", f"={networkmanager.rule_line(rule)}")
    return any(line.endswith(ends) for path, text in files.items() if _OURS in path for line in text.splitlines())
