# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interface takes from a lease and from router advertisements: reading it, and its place in the plan."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from ..fleet.values import shown
from ._read import Place, boolean, choice, number
from .model import DEFAULT_DESTINATIONS, Auto, Family, Interface, Route

LEASED = ("dhcp", "ra")
KEYS4 = ("auto-dns", "auto-gateway", "auto-routes", "auto-route-metric")
KEYS6 = (*KEYS4, "addr-gen-mode", "token", "privacy")
GENERATIONS = ("eui64", "stable-privacy")
PRIVACY = ("disabled", "prefer-public", "prefer-temporary")
_METRIC_LARGEST = 4294967295


def read_auto(given: Mapping[str, Any], dynamic: bool, autoconf: bool, place: Place) -> Auto:
    """``dynamic``: by DHCP or by advertisements; ``autoconf``: by advertisements."""
    for key in KEYS6:
        if given.get(key) is None:
            continue
        if key in KEYS4 and not dynamic:
            (place / key).note("means nothing without dhcp or autoconf", f"Remove {key}")
        elif key not in KEYS4 and not autoconf:
            (place / key).note("means nothing without autoconf: true", f"Remove {key}")
    routes = boolean(given.get("auto-routes"), True, place / "auto-routes")
    gateway = boolean(given.get("auto-gateway"), routes, place / "auto-gateway")
    if gateway and not routes:
        (place / "auto-gateway").note("auto-routes: false leaves no gateway either", "Remove auto-gateway, or write auto-gateway: false alone")
    metric = number(given.get("auto-route-metric"), 1, _METRIC_LARGEST, "a metric", place / "auto-route-metric")
    generation = choice(given["addr-gen-mode"], GENERATIONS, "", place / "addr-gen-mode") if given.get("addr-gen-mode") is not None else ""
    token = _token(given["token"], place / "token") if given.get("token") is not None else ""
    if token and generation == "stable-privacy":
        (place / "token").note("is not used with addr-gen-mode: stable-privacy", "Remove one of them")
    privacy = choice(given["privacy"], PRIVACY, "", place / "privacy") if given.get("privacy") is not None else ""
    return Auto(boolean(given.get("auto-dns"), True, place / "auto-dns"), gateway, routes, metric, generation, token, privacy)


def _token(value: Any, place: Place) -> str:
    """The lower half of an address (draft-chown-6man-tokenised-ipv6-identifiers, ip-token(8))."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        token = IPv6Address(value)
        if not 0 < int(token) < 2**64:
            raise ValueError
        return str(token)
    except ValueError:
        place.note(f"{shown(value)} is not the second half of an IPv6 address", 'Write for example "::2a"')
        return ""


def auto_data(auto: Auto, family: int) -> Dict[str, Any]:
    """As ``slice.as_data`` gives it."""
    data: Dict[str, Any] = {
        "auto_dns": auto.dns,
        "auto_gateway": auto.gateway,
        "auto_routes": auto.routes,
        "auto_route_metric": auto.metric,
    }
    more = {"addr_gen_mode": auto.generation, "token": auto.token, "privacy": auto.privacy}
    return {**data, **more} if family == 6 else data


def auto_from(data: Mapping[str, Any]) -> Auto:
    """The inverse. Raises ValueError."""
    routes = bool(data.get("auto_routes", True))
    generation, privacy = data.get("addr_gen_mode") or "", data.get("privacy") or ""
    if generation not in ("", *GENERATIONS) or privacy not in ("", *PRIVACY):
        raise ValueError(f"{generation!r} is not an addr_gen_mode, or {privacy!r} not a privacy")
    metric = data.get("auto_route_metric")
    return Auto(
        bool(data.get("auto_dns", True)),
        routes and bool(data.get("auto_gateway", True)),
        routes,
        None if metric in (None, "") else int(metric),
        str(generation),
        str(IPv6Address(data["token"])) if data.get("token") else "",
        str(privacy),
    )


def settings_of(interface: Interface) -> Iterator[Tuple[int, str, str]]:
    """Family, key and value of everything that is not as it would be by itself."""
    for family, wish in ((4, interface.ipv4), (6, interface.ipv6)):
        auto, plain = auto_data(wish.auto, family), auto_data(Auto(), family)
        for key, value in auto.items():
            if value != plain[key] and not (key == "auto_gateway" and not wish.auto.routes):
                yield family, key.replace("_", "-"), str(value).lower()


def refused(route: Route, wish: Family) -> bool:
    """Whether the route came by a lease or an advertisement, and none like it is to be taken, or with another metric."""
    if route.protocol not in LEASED or not wish.dynamic:
        return False
    if not wish.auto.gateway and route.destination in DEFAULT_DESTINATIONS:
        return True
    return not wish.auto.routes and bool(route.gateway or route.hops) or taken(route, wish) != route


def taken(route: Route, wish: Family) -> Route:
    """The leased route with the metric that leases of the interface get. That of advertised routes is the program's own affair: it
    may add what the router says of its preference (RFC 4191).
    """
    metric: Optional[int] = wish.auto.metric
    return replace(route, metric=metric) if route.protocol == "dhcp" and route.family == 4 and metric is not None else route
