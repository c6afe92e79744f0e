# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what ip(8) of iproute2 says of the running kernel (measured with 6.1 and later)."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from .model import Address, Link, Observed, Route, Rule

# -N: tables and protocols as numbers, since a host may have names of its own for them in /etc/iproute2
COMMANDS: Mapping[str, Tuple[str, ...]] = {
    "links": ("ip", "-N", "-json", "-details", "link", "show"),
    "addresses": ("ip", "-N", "-json", "-details", "address", "show"),
    "routes4": ("ip", "-N", "-json", "-details", "-4", "route", "show", "table", "all"),
    "routes6": ("ip", "-N", "-json", "-details", "-6", "route", "show", "table", "all"),
    "rules4": ("ip", "-N", "-json", "-4", "rule", "show"),
    "rules6": ("ip", "-N", "-json", "-6", "rule", "show"),
}
PROTOCOLS: Mapping[str, str] = {"1": "redirect", "2": "kernel", "3": "boot", "4": "static", "9": "ra", "16": "dhcp"}
LOCAL_TABLE = 255
_UNICAST = "1"
_LINK_SCOPE = "253"
_FOREVER = 4294967295
_ON_TOP = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap")  # of others, "link" is the far end, or a tunnel's way out
_BOND_OPTIONS = (
    "miimon",
    "updelay",
    "downdelay",
    "ad_lacp_rate",
    "xmit_hash_policy",
    "ad_select",
    "min_links",
    "primary",
)


class Unreadable(Exception):
    """ip(8) printed something else than expected."""


def observe(printed: Mapping[str, str]) -> Observed:
    """The kernel's network from the output of each of ``COMMANDS``, by its key. Raises Unreadable."""
    try:
        entries = {key: list(_entries(printed[key])) for key in COMMANDS}
        links = {entry["ifname"]: _link(entry) for entry in entries["links"]}
        routes = [*_routes(entries["routes4"], 4), *_routes(entries["routes6"], 6)]
        addresses = {
            entry["ifname"]: tuple(_addresses(entry, routes)) for entry in entries["addresses"] if entry["ifname"] in links
        }
        rules = [*_rules(entries["rules4"], 4), *_rules(entries["rules6"], 6)]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"ip -json printed what this version does not know: {error!r}") from error
    ipv6 = any("inet6_addr_gen_mode" in entry for entry in entries["links"])
    return Observed(links, addresses, tuple(routes), tuple(rules), ipv6)


def _entries(text: str) -> Iterator[Dict[str, Any]]:
    """Some versions print nothing for an empty list, and empty dictionaries for what a filter left out."""
    for entry in json.loads(text) if text.strip() else []:
        if entry:
            yield entry


def _link(entry: Mapping[str, Any]) -> Link:
    info = entry.get("linkinfo", {})
    kind = info.get("info_kind", "")
    data = info.get("info_data", {})
    flags = entry["flags"]
    options = {key: str(data[key]) for key in _BOND_OPTIONS if key in data} if kind == "bond" else {}
    return Link(
        name=entry["ifname"],
        kind=kind,
        mac=entry.get("address", ""),
        permanent_mac=entry.get("permaddr", "") or str(info.get("info_slave_data", {}).get("perm_hwaddr", "")),
        mtu=int(entry["mtu"]),
        max_mtu=int(entry.get("max_mtu", 0)),
        up="UP" in flags,
        carrier="LOWER_UP" in flags,
        loopback="LOOPBACK" in flags,
        master=entry.get("master", ""),
        lower=entry.get("link", "") if kind in _ON_TOP else "",
        vlan_id=int(data.get("id", 0)) if kind == "vlan" else 0,
        stp=kind == "bridge" and bool(int(data.get("stp_state", 0))),
        mode=str(data.get("mode", "")) if kind == "bond" else "",
        options=options,
        link_local=entry.get("inet6_addr_gen_mode", "none") != "none",
    )


def _addresses(entry: Mapping[str, Any], routes: Sequence[Route]) -> Iterator[Address]:
    near = [route for route in routes if route.interface == entry["ifname"]]
    for one in entry.get("addr_info", []):
        if one.get("family") not in ("inet", "inet6"):
            continue
        valid = int(one.get("valid_life_time", _FOREVER))
        yield Address(
            ip=one["local"],
            prefix_length=int(one["prefixlen"]),
            dynamic=bool(one.get("dynamic")) or valid != _FOREVER or _leased_for_ever(one, near),
            link_local=one["family"] == "inet6" and str(one.get("scope")) == _LINK_SCOPE,
            valid=0 if valid == _FOREVER else valid,
            preferred=0 if valid == _FOREVER else int(one.get("preferred_life_time", valid)),
        )


def _leased_for_ever(one: Mapping[str, Any], routes: Sequence[Route]) -> bool:
    """Whether an address without an end came by a lease all the same: an infinite one (RFC 2131, 3.3; RFC 4861, 4.6.2) is
    to the kernel like one that somebody gave by hand, and only the routes that came with it tell. DHCP's name it as
    their source; an advertised prefix is a route of protocol ra, and who made that asked the kernel for none of its own.
    """
    if one["family"] == "inet":
        return any(route.protocol == "dhcp" and route.source == one["local"] for route in routes)
    prefixes = [route.destination for route in routes if route.protocol == "ra" and not route.gateway]
    return bool(one.get("noprefixroute")) and any(ip_address(one["local"]) in ip_network(prefix) for prefix in prefixes)


def _routes(entries: Sequence[Mapping[str, Any]], family: int) -> Iterator[Route]:
    """Unicast routes of one next hop that somebody made; the kernel's own come and go with the addresses."""
    for entry in entries:
        table = int(entry.get("table", 254))
        protocol = PROTOCOLS.get(str(entry.get("protocol", "")), str(entry.get("protocol", "")))
        if str(entry.get("type", _UNICAST)) != _UNICAST or table == LOCAL_TABLE or protocol == "kernel":
            continue
        if "dev" not in entry or "via" in entry:
            continue  # several next hops, or one of the other family
        yield Route(
            destination=_destination(entry["dst"], family),
            interface=entry["dev"],
            gateway=entry.get("gateway", ""),
            metric=int(entry.get("metric", 0)),
            table=table,
            onlink="onlink" in entry.get("flags", []),
            protocol=protocol,
            source=entry.get("prefsrc", ""),
            expires=max(1, int(entry["expires"])) if "expires" in entry else 0,
        )


def _destination(text: str, family: int) -> str:
    if text == "default":
        return "0.0.0.0/0" if family == 4 else "::/0"
    return str(ip_network(text))


def _rules(entries: Sequence[Mapping[str, Any]], family: int) -> List[Rule]:
    found: List[Rule] = []
    for entry in entries:
        if "table" not in entry or entry.get("action", "to_tbl") != "to_tbl":
            continue
        found.append(
            Rule(
                priority=int(entry.get("priority", 0)),
                family=family,
                table=int(entry["table"]),
                source=_selector(entry, "src"),
                destination=_selector(entry, "dst"),
                iif=entry.get("iif", ""),
                fwmark=int(str(entry.get("fwmark", "0")), 16),
            )
        )
    return found


def _selector(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key, "all")
    if value == "all":
        return ""
    length = entry.get(f"{key}len")
    return str(ip_network(value if length is None else f"{value}/{length}"))
