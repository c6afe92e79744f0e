# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interfaces of ``kernel.Kernel``: what ``ip link`` and ``bridge vlan`` do to them, and what goes with them.

A bond takes no port that is up, a card with a macvtap joins nothing, a VLAN is not larger than what it stands on; the MTU of a bridge
follows its ports until somebody changes it, and that of an IPv6 route its interface. Below 1280 octets an interface has no IPv6, and
from there on that of a new one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterable, List, Tuple

from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.link_options import BRIDGE, FILTERING, STP
from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.vlans import by_default, canonical, less, pvid_of
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Link, Observed, Route, Rule, Vlan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.draft import link_local
from ansible_collections.smallfleet.infra.plugins.module_utils._network.variables.interfaces import MTU_IPV6

BRIDGE_DEFAULTS = {option.key: option.default for option in (*STP, *BRIDGE, FILTERING)}
PORT_DEFAULTS = {"hairpin": "off", "priority": "32"}


class Failed(Exception):
    """The kernel refused."""


class Links:
    """See ``kernel.Kernel``."""

    def __init__(self, observed: Observed, promote: bool = False, fixed: Iterable[str] = ()) -> None:
        self.links: Dict[str, Link] = dict(observed.links)
        self.addresses: Dict[str, List[Address]] = {name: list(observed.addresses.get(name, ())) for name in self.links}
        self.routes: List[Route] = list(observed.routes)
        self.rules: List[Rule] = list(observed.rules)
        self.vlans: Dict[str, Tuple[Vlan, ...]] = dict(observed.vlans)
        self.pairs: Dict[str, str] = {}
        self.promote = promote
        lowest = {one.name: self._lowest(one.name) for one in self.links.values() if one.kind == "bridge"}
        self.fixed = {*fixed, *(name for name, mtu in lowest.items() if self.links[name].mtu != mtu)}

    def _link(self, name: str) -> Link:
        if name not in self.links:
            raise Failed(f"no device {name}")
        return self.links[name]

    def _add_link(self, words: List[str]) -> None:
        kind = words[words.index("type") + 1]
        head, tail = words[: words.index("type")], words[words.index("type") + 2 :]
        given = dict(zip(head[::2], head[1::2]))
        options = dict(zip(tail[::2], tail[1::2])) if kind != "veth" else {}
        name = given["name"]
        if name in self.links:
            raise Failed(f"{name} exists")
        lower = given.get("link", "")
        if lower:
            self._link(lower)
            protocol = options.get("protocol", "802.1q")
            if any((one.lower, one.vlan_id, one.vlan_protocol) == (lower, int(options["id"]), protocol) for one in self.links.values()):
                raise Failed("this VLAN exists")
        mtu = int(given.get("mtu", self.links[lower].mtu if lower else 1500))
        mac = given.get("address", self.links[lower].mac if lower else "02:00:00:00:00:fe")
        stp = options.get("stp_state", "0") == "1"
        mode = options.pop("mode", "")
        if kind == "bridge":
            options = {**BRIDGE_DEFAULTS, **{key: value for key, value in options.items() if key != "stp_state"}}
        self.links[name] = Link(
            name, kind, mac, mtu=mtu, up=False, carrier=False, lower=lower, stp=stp, mode=mode,
            vlan_id=int(options.get("id", 0)), options=options if kind in ("bond", "bridge") else {},
            vlan_protocol=options.get("protocol", "802.1q"), link_local=mtu >= MTU_IPV6,
        )  # fmt: skip
        self.addresses[name] = []
        if kind == "bridge":
            self.vlans[name] = by_default(int(options["vlan_default_pvid"]))
        if kind == "veth":
            peer = tail[tail.index("name") + 1]
            size = int(tail[tail.index("mtu") + 1])
            self.links[peer] = Link(peer, kind, mac, mtu=size, up=False, link_local=size >= MTU_IPV6)
            self.addresses[peer] = []
            self.pairs.update({name: peer, peer: name})

    def _delete_link(self, words: List[str]) -> None:
        name = words[1]
        self._link(name)
        over = {self.links[gone].master for gone in (name, self.pairs.get(name, "")) if gone in self.links}
        self.fixed.discard(name)
        for gone in [name, self.pairs.get(name, ""), *(one.name for one in self.links.values() if one.lower == name)]:
            if gone in self.links:
                del self.links[gone]
                self.addresses.pop(gone)
                self.vlans.pop(gone, None)
                self.routes = [route for route in self.routes if route.interface != gone]
        for port in [one for one in self.links.values() if one.master == name]:
            self.vlans.pop(port.name, None)
            self.links[port.name] = replace(port, master="", port_options={}, up=port.up and not self._is(name, "bond"))
        for bridge in over:
            self._follow_ports(bridge)

    def _is(self, name: str, kind: str) -> bool:
        return name in self.links and self.links[name].kind == kind

    def _set_link(self, words: List[str]) -> None:
        name, verb = words[1], words[2]
        link = self._link(name)
        if verb == "up":
            if link.lower and not self.links[link.lower].up and link.kind == "vlan":
                raise Failed(f"{link.lower} is down")
            self.links[name] = replace(link, up=True)
        elif verb == "down":
            self._down(link)
        elif verb == "master":
            self._enslave(link, words[3])
        elif verb == "nomaster":
            bonded = self._is(link.master, "bond")
            self.links[name] = replace(link, master="", port_options={})
            self.vlans.pop(name, None)
            self._follow_ports(link.master)
            if bonded:
                self._down(self.links[name])
        elif verb == "mtu":
            self._mtu(link, int(words[3]))
        elif verb == "address":
            self.links[name] = replace(link, mac=words[3])
        elif verb == "addrgenmode":
            if link.mtu < MTU_IPV6:
                raise Failed("EAFNOSUPPORT")
            self.links[name] = replace(link, link_local=words[3] != "none")
        elif verb == "type":
            if words[4] == "stp_state":
                self.links[name] = replace(link, stp=words[5] == "1")
            elif words[3] == "bridge_slave":
                if not self._is(link.master, "bridge"):
                    raise Failed("is not the port of a bridge")
                self.links[name] = replace(link, port_options={**link.port_options, words[4]: words[5]})
            else:
                if words[4] == "vlan_default_pvid":
                    self._default_pvid(link, int(words[5]))
                self.links[name] = replace(link, options={**link.options, words[4]: words[5]})
        else:
            raise AssertionError(words)

    def _enslave(self, link: Link, master: str) -> None:
        self._link(master)
        if any(one.lower == link.name and one.kind == "macvtap" for one in self.links.values()):
            raise Failed("EBUSY")
        if link.kind == "bridge" and self._is(master, "bridge"):
            raise Failed("ELOOP")
        if self._is(master, "bond") and link.up and link.master != master:
            raise Failed(f"{link.name} is up")
        if link.master == master:
            return
        bridge = self._is(master, "bridge")
        self.links[link.name] = replace(link, master=master, up=link.up or self._is(master, "bond"), port_options=PORT_DEFAULTS if bridge else {})
        self.vlans.pop(link.name, None)
        if bridge and "vlan_default_pvid" in self.links[master].options:  # not every kernel can filter VLANs
            self.vlans[link.name] = by_default(int(self.links[master].options["vlan_default_pvid"]))
        self._follow_ports(link.master)
        self._follow_ports(master)

    def _default_pvid(self, bridge: Link, number: int) -> None:
        """As __br_vlan_set_default_pvid: who has the old one as its own loses it, and who has none gets the new one."""
        if bridge.options["vlan_filtering"] == "1":
            raise Failed("EPERM")
        old = by_default(int(bridge.options["vlan_default_pvid"]))
        for name in [bridge.name, *(one.name for one in self.links.values() if one.master == bridge.name)]:
            had = self.vlans.get(name, ())
            if old and old[0] not in had or not old and pvid_of(had):
                continue
            self.vlans[name] = canonical([*(one for one in had if one not in old), *by_default(number)])

    def _vlan(self, verb: str, words: List[str]) -> None:
        name, ends = words[1], [int(part) for part in words[3].split("-")]
        link = self._link(name)
        if ("self" in words) != (link.kind == "bridge") or not (link.kind == "bridge" or self._is(link.master, "bridge")):
            raise Failed("EOPNOTSUPP")
        mine = Vlan(ends[0], ends[-1], "pvid" in words, "untagged" in words)
        rest = [one for number in less(self.vlans.get(name, ()), [mine]) for one in self._flags(name, number)]
        if verb == "add" and mine.pvid:
            rest = [replace(one, pvid=False) for one in rest]
        self.vlans[name] = canonical([*rest, *([mine] if verb == "add" else [])])

    def _flags(self, name: str, part: Vlan) -> List[Vlan]:
        """The numbers of this range with the flags that they have."""
        numbers = range(part.first, part.last + 1)
        return [replace(one, first=number, last=number) for number in numbers for one in self.vlans[name] if one.first <= number <= one.last]

    def _mtu(self, link: Link, mtu: int) -> None:
        if link.kind == "vlan" and mtu > self.links[link.lower].mtu:
            raise Failed("ERANGE")
        if link.kind == "bridge" and link.mtu != mtu:
            self.fixed.add(link.name)
        self._change_mtu(link.name, mtu)

    def _change_mtu(self, name: str, mtu: int) -> None:
        link = self.links[name]
        if link.mtu == mtu:
            return
        self.links[name] = replace(link, mtu=mtu)
        self.routes = [self._with_mtu(route, link.mtu, mtu) if route.interface == name else route for route in self.routes]
        if mtu < MTU_IPV6 <= link.mtu:
            self._end_ipv6(name)
        elif link.mtu < MTU_IPV6 <= mtu:
            self._begin_ipv6(name)
        for one in list(self.links.values()):
            if one.lower == name and one.kind == "vlan" and one.mtu > mtu:
                self._change_mtu(one.name, mtu)
        self._follow_ports(link.master)

    def _end_ipv6(self, name: str) -> None:
        """As addrconf_notify in net/ipv6/addrconf.c: its addresses, routes and settings go."""
        self.links[name] = replace(self.links[name], link_local=False)
        self.addresses[name] = [one for one in self.addresses[name] if one.family == 4]
        self.routes = [route for route in self.routes if route.family == 4 or name not in route.interfaces]

    def _begin_ipv6(self, name: str) -> None:
        """Likewise: as on a new interface, so with a link-local address, unless it is a port of a bond."""
        link = replace(self.links[name], link_local=True)
        self.links[name] = link
        if link.up and not self._is(link.master, "bond"):
            self.addresses[name].append(link_local(link.mac))

    @staticmethod
    def _with_mtu(route: Route, before: int, mtu: int) -> Route:
        """As fib6_nh_mtu_change in net/ipv6/route.c, where ``before`` is the interface's net.ipv6.conf.*.mtu. IPv4 does no such thing."""
        known = dict(route.attributes)
        if route.family == 4 or "mtu" not in known or "lock" in route.beyond or not (known["mtu"] >= mtu or known["mtu"] == before):
            return route
        return replace(route, attributes=tuple((name, mtu if name == "mtu" else value) for name, value in route.attributes))

    def _follow_ports(self, bridge: str) -> None:
        """As br_mtu_auto_adjust in net/bridge/br_if.c."""
        if self._is(bridge, "bridge") and bridge not in self.fixed:
            self._change_mtu(bridge, self._lowest(bridge))

    def _lowest(self, bridge: str) -> int:
        return min((one.mtu for one in self.links.values() if one.master == bridge), default=1500)

    def _down(self, link: Link) -> None:
        self.links[link.name] = replace(link, up=False)
        self.routes = [route for route in self.routes if route.interface != link.name]
        self.addresses[link.name] = [one for one in self.addresses[link.name] if one.family == 4]
