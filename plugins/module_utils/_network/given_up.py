# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules and routes that have left the inventory: the next boot will not have them, so the trial must not have them either.

systemd-networkd deletes the rules of its files itself. ifupdown and NetworkManager leave them in the kernel, where they would go on
deciding while the change is tried, in front of those that the next boot has alone. Routes of an interface are seen to by the plan; those
of none (``REJECTING``) belong to whoever wrote them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Tuple

from .backends.registry import BACKENDS
from .model import Desired, Observed, Route, Rule

_BY_HAND = ("boot", "static")


def with_given_up(desired: Desired, observed: Observed, before: Mapping[str, str], after: Mapping[str, str]) -> Desired:
    """The same with both, so that the plan deletes them."""
    rules = (*desired.rules, *given_up(desired, observed, before, after))
    return replace(desired, rules=rules, given_up=given_up_routes(observed, before, after))


def given_up(desired: Desired, observed: Observed, before: Mapping[str, str], after: Mapping[str, str]) -> Tuple[Rule, ...]:
    """Those of the kernel that our files (path and content) have ``before`` the change and not ``after`` it, to be absent."""
    places = {rule.place for rule in desired.rules}
    there = [replace(rule, protocol="", absent=True) for rule in observed.rules if not rule.selectors and rule.place not in places]
    return tuple(rule for rule in there if _written(rule, before) and not _written(rule, after))


def given_up_routes(observed: Observed, before: Mapping[str, str], after: Mapping[str, str]) -> Tuple[Route, ...]:
    """The same of routes that reject, with every backend: what a program made is its own."""
    there = [route for route in observed.routes if not route.interface and route.protocol in _BY_HAND]
    return tuple(route for route in there if _has_route(route, before) and not _has_route(route, after))


def _written(rule: Rule, files: Mapping[str, str]) -> bool:
    return any(one.owns(path) and one.has_rule(text, rule) for path, text in files.items() for one in BACKENDS.values())


def _has_route(route: Route, files: Mapping[str, str]) -> bool:
    route = replace(route, protocol="static")
    return any(one.owns(path) and one.has_route(text, route) for path, text in files.items() for one in BACKENDS.values())
