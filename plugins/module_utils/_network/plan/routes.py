# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the plan about routes and rules."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Mapping, Sequence, Set, Tuple

from ..model import DEFAULT_DESTINATIONS, METRIC_IPV6, Address, Desired, Observed, Operation, Route, Rule
from ..variables.auto import LEASED, refused, taken
from ..variables.hops import route_key, split
from .addresses import donors, final
from .along import moved_routes, reached
from .draft import Draft, goes_down, has_own_mtu, route_words, rule_words
from .rule_removal import Removal, removals


def wanted_routes(desired: Desired, observed: Observed) -> Tuple[Route, ...]:
    """The routes that are asked for, and those that move along with leased addresses or are of programs, or are leased and get
    another metric.
    """
    found = [route for route in desired.routes if not route.absent]
    for interface in desired.interfaces:
        for family, wish in ((4, interface.ipv4), (6, interface.ipv6)):
            for name in (interface.name, *donors(interface, family, desired, observed)):
                for route in observed.routes:
                    if route.interfaces != (name,) or route.family != family or not _leased(route):
                        continue
                    moved = taken(replace(route, interface=interface.name, nhid=route.nhid if name == interface.name else 0), wish)
                    if (moved == route and name == interface.name) or interface.absent or refused(moved, wish):
                        continue
                    if wish.dynamic and route_key(moved) not in [route_key(one) for one in found]:
                        found.append(moved)
    keys = {route_key(one) for one in found}
    found += [one for one in moved_routes(desired, observed, final(desired, observed)) if route_key(one) not in keys]
    return tuple(found)


def _leased(route: Route) -> bool:
    """dhclient says of a default route only that it was not there at boot (proto boot)."""
    return route.protocol in LEASED or (route.protocol == "boot" and route.destination in DEFAULT_DESTINATIONS)


def plan_routes(draft: Draft) -> None:
    """Each route replaces, in one request, the one in its place: there is always one of the two."""
    observed = draft.observed
    wanted = wanted_routes(draft.desired, observed)
    replaced: Set[int] = set()
    ends = final(draft.desired, observed)
    for route in wanted:
        if any(_as_wanted(one, route, draft) for one in observed.routes):
            continue
        draft.entered.append(route)
        alike = [index for index, one in enumerate(observed.routes) if route_key(one) == route_key(route)]
        replaced.update(alike[:1])
        draft.switch.append(_replace(route, observed, alike[:1]))
    for index, route in enumerate(observed.routes):
        if index in replaced:
            continue
        if route not in wanted and _unwanted(route, draft):
            undo = (route_words("append", route),)
            draft.switch.append(Operation("delete_route", route.interface, route_words("del", route), undo))
        elif has_own_mtu(route) and (route in wanted or _stays(route, ends, draft)):
            draft.kept.append(route)


def _as_wanted(one: Route, route: Route, draft: Draft) -> bool:
    """Whether the observed route is the wanted one and stays: the kernel drops a route with its source address.

    A program that leases may have given its route a source and attributes that nobody asked for.
    """
    if one != route:
        return False
    if one.source:
        ends = {**draft.observed.addresses, **final(draft.desired, draft.observed)}
        if one.source not in {address.ip for many in ends.values() for address in many}:
            return False
    if one.protocol in LEASED:
        return route.source in ("", one.source) and set(route.attributes) <= set(one.attributes)
    return (one.source, one.attributes, one.undescribed) == (route.source, route.attributes, route.undescribed)


def _replace(route: Route, observed: Observed, alike: List[int]) -> Operation:
    if alike:
        before = observed.routes[alike[0]]
        undo: Tuple[Tuple[str, ...], ...] = (route_words("replace", before),)
    else:
        undo = (route_words("del", route),)
    return Operation("replace_route", route.interface, route_words("replace", route), undo)


def _unwanted(route: Route, draft: Draft) -> bool:
    """Whether a route that is not asked for must go.

    What is given up, and else only of interfaces that are asked for, and of these: what is asked to be absent, what was configured by a tool
    (``proto static``), and a default route that nobody leases. What programs have entered is theirs.
    """
    absent = [one for one in draft.desired.routes if one.absent]
    if route in draft.desired.given_up or all(any(_like(hop, one) for one in absent) for hop, _weight in split(route)):
        return True
    if route.undescribed and route.protocol in ("boot", "static"):
        return False  # no inventory can have it
    managed = [draft.managed[name] for name in route.interfaces if name in draft.managed]
    if len(managed) < len(route.interfaces) or all(one.absent or goes_down(one.name, draft) for one in managed):
        return False  # not ours, or it goes with its interfaces
    if route.protocol == "static":
        return not route.foreign
    if any(refused(route, one.ipv4 if route.family == 4 else one.ipv6) for one in managed):
        return True
    dynamic = any((one.ipv4 if route.family == 4 else one.ipv6).dynamic for one in managed)
    return route.protocol == "boot" and route.destination in DEFAULT_DESTINATIONS and not dynamic


def _stays(route: Route, ends: Mapping[str, Sequence[Address]], draft: Draft) -> bool:
    """Whether a route that is not asked for is certain to be there in the end, and may be entered again. ``ends`` are the addresses then."""
    for name in route.interfaces:
        if name in draft.managed and (draft.managed[name].absent or goes_down(name, draft)):
            return False
    hops = [hop for hop, _weight in split(route)]
    return all(reached(hop, tuple(ends.get(hop.interface, draft.on(hop.interface)))) for hop in hops if hop.interface)


def _like(route: Route, absent: Route) -> bool:
    return (
        (route.destination, route.interface, route.table, route.type, route.selectors)
        == (absent.destination, absent.interface, absent.table, absent.type, absent.selectors)
        and absent.gateway in ("", route.gateway)
        and absent.metric in (0, METRIC_IPV6, route.metric)
    )


def note_losses(draft: Draft) -> None:
    """Say which routes of others go, since the kernel drops an interface's routes with its last IPv4 address."""
    wanted = wanted_routes(draft.desired, draft.observed)
    keys = [route_key(route) for route in wanted]
    ends = final(draft.desired, draft.observed)
    for route in draft.observed.routes:
        if route.interface not in ends or route in wanted or route_key(route) in keys or _unwanted(route, draft):
            continue
        had = [one for one in draft.on(route.interface) if one.family == route.family and not one.link_local]
        if had and not [one for one in ends[route.interface] if one.family == route.family]:
            draft.notes.append(f"the route {route} (made by {route.protocol}) is not in the inventory and goes")


def plan_rules(draft: Draft) -> None:
    """Rules are added and taken away one by one; those that are not named stay, unless another is to stand in their place:
    beside the old rule, which is asked first, the new one would have no effect before the next boot.

    A request to delete a rule takes the first one that has what it names, and perhaps more. So those of a place go in their order, and
    before the new one is there where they could be taken for it (``_in_the_way``).
    """
    wanted = {rule.place: rule for rule in draft.desired.rules if not rule.absent}
    present = [rule for rule in draft.desired.rules if not rule.absent]
    gone = [rule for rule in draft.observed.rules if rule.place in wanted and rule not in present]
    places = {rule.place for rule in gone if _in_the_way(rule, wanted[rule.place])} | _behind(wanted, gone, draft.observed)
    first = [rule for rule in draft.observed.rules if rule.place in places]
    draft.switch += [_rule_operation("del", rule) for rule in first]
    for rule in draft.desired.rules:
        if not rule.absent and (rule not in draft.observed.rules or rule.place in places):
            draft.switch.append(_rule_operation("add", rule, [one for one in gone if one.place == rule.place]))
    draft.switch += [_rule_operation("del", rule) for rule in gone if rule.place not in places]
    for one in removals(draft.desired, draft.observed):
        draft.switch += _removed(one)
    draft.notes += [f"the rule '{rule}' is not in the inventory and goes" for rule in gone if rule.selectors]


def _removed(removal: Removal) -> List[Operation]:
    """The undo of the first request comes last, and gives back all in their order, as far as there are words for them."""
    back = tuple(rule_words(verb, rule) for verb in ("del", "add") for rule in removal.before)
    found = [_rule_operation("del", rule) for rule in removal.deleted]
    if not any(rule.selectors for rule in removal.before):
        found = [replace(one, undo=() if index else back) for index, one in enumerate(found)]
    return found + [replace(_rule_operation("add", rule), undo=()) for rule in removal.restored]


def _in_the_way(rule: Rule, wanted: Rule) -> bool:
    """Whether the kernel takes the wanted rule for this one (EEXIST): to rule_exists, an address or a tos that is not named is a
    wildcard, and ``not`` says nothing.
    """
    source, destination = rule.source if wanted.source else "", rule.destination if wanted.destination else ""
    selectors = tuple(name for name in rule.selectors if name not in ("tos", "dscp"))
    return replace(rule, invert=wanted.invert, source=source, destination=destination, selectors=selectors) == wanted


def _behind(wanted: Mapping[Tuple[int, int], Rule], gone: Sequence[Rule], observed: Observed) -> Set[Tuple[int, int]]:
    """The places in which a rule that goes stands behind the wanted one."""
    passed: Set[Tuple[int, int]] = set()
    found: Set[Tuple[int, int]] = set()
    for rule in observed.rules:
        if rule == wanted.get(rule.place):
            passed.add(rule.place)
        elif rule in gone and rule.place in passed:
            found.add(rule.place)
    return found


def _rule_operation(verb: str, rule: Rule, before: Sequence[Rule] = ()) -> Operation:
    """``before`` were in its place: what may be any of these is deleted once for each, and then they are given back. But those with
    ``selectors`` only in the kernel's own words (see ``kernel_words``): without them they would be for more than they were.
    """
    kind, back = ("delete_rule", "add") if verb == "del" else ("add_rule", "del")
    lines = [(back, rule)] * (1 + len(before)) + [("add", one) for one in before]
    undo = tuple(rule_words(word, one) for word, one in lines if word == "del" or not one.selectors)
    return Operation(kind, "", rule_words(verb, rule), undo, 6 if rule.family == 6 else 0)
