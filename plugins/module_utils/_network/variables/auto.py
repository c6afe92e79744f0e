# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interface takes from a lease and from router advertisements: reading it, and its place in the plan."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from ..._fleet.fields import Field, Option, boolean, choice, optional, whole
from ..._fleet.places import Place, Values
from ..._fleet.values import shown
from ..model import DEFAULT_DESTINATIONS, Auto, Family, Interface, Route

LEASED = ("dhcp", "ra")
GENERATIONS = ("eui64", "stable-privacy")
PRIVACY = ("disabled", "prefer-public", "prefer-temporary")
_METRIC_LARGEST = 4294967295


def _token(value: Any, place: Place) -> Any:
    """The lower half of an address (draft-chown-6man-tokenised-ipv6-identifiers, ip-token(8))."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        token = IPv6Address(value)
        if not 0 < int(token) < 2**64:
            raise ValueError
        return str(token)
    except ValueError:
        return place.refuse(f"{shown(value)} is not the second half of an IPv6 address", 'Write for example "::2a"')


KEYS4: Mapping[str, Option] = {
    "auto-dns": optional(boolean(), True),
    "auto-gateway": optional(boolean()),
    "auto-routes": optional(boolean(), True),
    "auto-route-metric": optional(whole(1, _METRIC_LARGEST, "", 100)),
}
KEYS6: Mapping[str, Option] = {
    **KEYS4,
    "addr-gen-mode": optional(choice(*GENERATIONS), ""),
    "token": optional(Field("str", _token, {"type": "string", "minLength": 1}), ""),
    "privacy": optional(choice(*PRIVACY), ""),
}


def read_auto(given: Values, dynamic: bool, autoconf: bool) -> Auto:
    """``dynamic``: by DHCP or by advertisements; ``autoconf``: by advertisements."""
    for key in KEYS6:
        if key not in given.written:
            continue
        if key in KEYS4 and not dynamic:
            given.at(key).refuse("means nothing without dhcp or autoconf", f"Remove {key}")
        elif key not in KEYS4 and not autoconf:
            given.at(key).refuse("means nothing without autoconf: true", f"Remove {key}")
    routes = given["auto-routes"]
    gateway = routes if given["auto-gateway"] is None else given["auto-gateway"]
    if gateway and not routes:
        given.at("auto-gateway").refuse("auto-routes: false leaves no gateway either", "Remove auto-gateway, or write auto-gateway: false alone")
    token, generation = given.get("token", ""), given.get("addr-gen-mode", "")
    if token and generation == "stable-privacy":
        given.at("token").refuse("is not used with addr-gen-mode: stable-privacy", "Remove one of them")
    return Auto(given["auto-dns"], gateway, routes, given["auto-route-metric"], generation, token, given.get("privacy", ""))


def auto_data(auto: Auto, family: int) -> Dict[str, Any]:
    """As ``serialization.as_data`` gives it."""
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
