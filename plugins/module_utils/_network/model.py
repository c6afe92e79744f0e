# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's network as plain values: as it is asked for, as the kernel has it, and the way from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Mapping, Optional, Tuple, Union

MAIN_TABLE = 254
METRIC_IPV6 = 1024  # IP6_RT_PRIO_USER: what the kernel makes of no metric; for IPv4 it is 0
REJECTING = ("blackhole", "unreachable", "prohibit")
"""What a route or a rule does that sends packets nowhere."""
ROUTE_ATTRIBUTES = ("mtu", "cwnd", "initcwnd", "initrwnd", "advmss", "quickack")
DEFAULT_DESTINATIONS = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class Address:
    """An address with its prefix length. ``dynamic``: it came by DHCP or a router's advertisement.

    ``peer`` is the far end of a point-to-point address; the prefix length is then that of the peer's network, as in the kernel.
    ``valid`` and ``preferred`` are what is left of its lifetime, in seconds; 0 for one without an end.
    ``attributes`` are what it has besides, as ip-address(8) takes it, and ``foreign``: a program added it (see ``foreign``);
    both are known of observed addresses only.
    """

    ip: str
    prefix_length: int
    dynamic: bool = field(default=False, compare=False)
    link_local: bool = field(default=False, compare=False)
    valid: int = field(default=0, compare=False)
    preferred: int = field(default=0, compare=False)
    peer: str = ""
    attributes: Tuple[str, ...] = field(default=(), compare=False)
    foreign: bool = field(default=False, compare=False)

    @property
    def family(self) -> int:
        return 6 if ":" in self.ip else 4

    @property
    def alone(self) -> bool:
        """Whether nobody else is in its network, but for the peer."""
        return self.prefix_length == (32 if self.family == 4 else 128)

    @property
    def network(self) -> Union[IPv4Network, IPv6Network]:
        """What the kernel takes to be on the link with it."""
        return ip_network((self.peer or self.ip, self.prefix_length), strict=False)

    def __str__(self) -> str:
        return f"{self.ip} peer {self.peer}/{self.prefix_length}" if self.peer else f"{self.ip}/{self.prefix_length}"


@dataclass(frozen=True)
class Auto:
    """What is taken from a lease or from advertisements. Without ``routes`` there is no ``gateway`` either.

    IPv6 only: ``generation`` is how the second half of an address is made (eui64, stable-privacy), or it is that of ``token``;
    ``privacy`` is about temporary addresses (RFC 8981): disabled, prefer-public, prefer-temporary. Empty: as the program does.
    """

    dns: bool = True
    gateway: bool = True
    routes: bool = True
    metric: Optional[int] = None
    generation: str = ""
    token: str = ""
    privacy: str = ""


@dataclass(frozen=True)
class Family:
    """What an interface has of IPv4 or of IPv6. ``autoconf`` (addresses from advertisements) is IPv6's only."""

    enabled: bool = False
    dhcp: bool = False
    autoconf: bool = False
    addresses: Tuple[Address, ...] = ()
    auto: Auto = Auto()

    @property
    def dynamic(self) -> bool:
        return self.enabled and (self.dhcp or self.autoconf)


@dataclass(frozen=True)
class Vlan:
    """VLANs ``first`` to ``last`` of a bridge's port. ``pvid``: frames that come without a tag are in it; ``untagged``: its frames
    leave without one.
    """

    first: int
    last: int
    pvid: bool = False
    untagged: bool = False


@dataclass(frozen=True)
class Interface:
    """One interface as asked for; an interface that is named is described wholly, one that is not is left alone.

    ``type`` is ethernet, bridge, bond, vlan or dummy. ``mac`` is empty and ``mtu`` None when nothing is asked for; ``pinned``
    fills in the MAC of bridges and bonds. ``card`` is the MAC of the card that is meant, whatever the kernel calls it; ``pinned``
    fills in its name. ``ports`` are the names of a bridge's or a bond's members; ``base``, ``vlan_id`` and ``vlan_protocol``
    (802.1q or 802.1ad) belong to a VLAN, ``mode`` to a bond, and ``options`` to a bond or a bridge, by the keys and values of
    ip-link(8): those that are asked for, to which ``pinned`` adds what the kernel has. So it does with ``port_options`` and
    ``vlans``, which are those of each port of a bridge; ``vlans`` by the name of the bridge are those of the bridge itself.
    ``stp`` is None when nothing is asked for.
    """

    name: str
    type: str = "ethernet"
    absent: bool = False
    mac: str = ""
    mtu: Optional[int] = None
    ipv4: Family = Family()
    ipv6: Family = Family()
    ports: Tuple[str, ...] = ()
    stp: Optional[bool] = None
    mode: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    vlan_id: int = 0
    card: str = ""
    port_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    vlans: Mapping[str, Tuple[Vlan, ...]] = field(default_factory=dict)
    vlan_protocol: str = "802.1q"

    @property
    def addresses(self) -> Tuple[Address, ...]:
        return self.ipv4.addresses + self.ipv6.addresses

    @property
    def virtual(self) -> bool:
        return self.type != "ethernet"


@dataclass(frozen=True)
class Hop:
    """One next hop of a route that has several; ``weight`` is from 1 to 256."""

    interface: str
    gateway: str
    weight: int = 1
    onlink: bool = False


@dataclass(frozen=True)
class Route:
    """A route. ``gateway`` is empty for a destination on the link; ``absent``: there shall be none like it.

    ``destination`` is in canonical form, ``0.0.0.0/0`` and ``::/0`` for a default route. ``protocol`` is who made it,
    as ip-route(8) names it, ``expires`` the seconds that are left of it, 0 for one without an end, and ``foreign``: a program
    added it though its protocol is that of boot configurations (see ``foreign``); all are known of observed routes only.
    ``type`` is unicast or one of ``REJECTING``; such a route has no interface. ``source`` is the address
    to send from, ``attributes`` are those of ``ROUTE_ATTRIBUTES`` that are set, in that order.

    A route of several ``hops`` (see ``_hops.with_hops``) has the interface of the first one, and no gateway. ``selectors`` are words
    of ip-route(8) by which the kernel tells it from others to its destination (``tos``, ``from``), ``nhid`` is the number of its next
    hop object, 0 for none, and ``beyond`` names what else the inventory cannot say. All are known of observed routes only.
    """

    destination: str
    interface: str
    gateway: str = ""
    metric: int = 0
    table: int = MAIN_TABLE
    onlink: bool = False
    absent: bool = False
    protocol: str = field(default="static", compare=False)
    source: str = field(default="", compare=False)
    expires: int = field(default=0, compare=False)
    type: str = "unicast"
    hops: Tuple[Hop, ...] = ()
    attributes: Tuple[Tuple[str, int], ...] = field(default=(), compare=False)
    foreign: bool = field(default=False, compare=False)
    selectors: Tuple[str, ...] = ()
    nhid: int = field(default=0, compare=False)
    beyond: Tuple[str, ...] = field(default=(), compare=False)

    @property
    def undescribed(self) -> Tuple[str, ...]:
        """What it has that no variable can say, without which it would be another route."""
        return (*self.selectors[::2], *(["nhid"] if self.nhid else []), *self.beyond)

    @property
    def family(self) -> int:
        return 6 if ":" in self.destination else 4

    @property
    def interfaces(self) -> Tuple[str, ...]:
        return tuple(hop.interface for hop in self.hops) or ((self.interface,) if self.interface else ())

    def __str__(self) -> str:
        more = f" {' '.join(self.selectors)}" if self.selectors else ""
        more += f" metric {self.metric}" if self.metric else ""
        more += f" table {self.table}" if self.table != MAIN_TABLE else ""
        if not self.interface:
            return f"{self.type} {self.destination}{more}"
        hops = self.hops or (Hop(self.interface, self.gateway),)
        ways = [(f" via {hop.gateway}" if hop.gateway else "") + f" dev {hop.interface}" for hop in hops]
        ways = [f" nexthop{way} weight {hop.weight}" for way, hop in zip(ways, self.hops)] or ways
        return f"{self.destination}{''.join(ways)}{more}"


@dataclass(frozen=True)
class Rule:
    """A routing rule; ``source`` and ``destination`` are empty for all addresses.

    ``action`` is one of ``REJECTING``, and ``table`` then 0. ``fwmask`` is 0 where the whole mark counts; ``invert``: what does
    not match; ``suppress``: routes with a prefix of at most this length are not taken. ``protocol`` is who made it, as for a
    route, and ``selectors`` are the names of what it has beyond these fields (``ipproto``, ``goto`` and others of ip-rule(8));
    both are known of observed rules only.
    """

    priority: int
    family: int
    table: int
    source: str = ""
    destination: str = ""
    iif: str = ""
    fwmark: int = 0
    absent: bool = field(default=False, compare=False)
    protocol: str = field(default="", compare=False)
    selectors: Tuple[str, ...] = ()
    oif: str = ""
    fwmask: int = 0
    invert: bool = False
    suppress: Optional[int] = None
    action: str = ""

    @property
    def mark(self) -> str:
        """As ip-rule(8) has it; empty where the mark does not count."""
        return f"{self.fwmark}/{self.fwmask}" if self.fwmask else str(self.fwmark or "")

    @property
    def place(self) -> Tuple[int, int]:
        """Where it stands among the rules; two in one place are asked in the order in which they were made."""
        return (self.family, self.priority)

    def __str__(self) -> str:
        words = [("from", self.source), ("to", self.destination), ("iif", self.iif), ("oif", self.oif), ("fwmark", self.mark)]
        parts = ["not"] if self.invert else []
        parts += [f"{word} {value}" for word, value in words if value] + [f"with {name}" for name in self.selectors]
        parts.append(self.action or f"table {self.table}")
        parts += [] if self.suppress is None else [f"suppress_prefixlength {self.suppress}"]
        return f"priority {self.priority} {' '.join(parts)}"


@dataclass(frozen=True)
class Dns:
    """Name servers and search domains for the backend's configuration; the kernel knows nothing of them."""

    servers: Tuple[str, ...] = ()
    search: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Desired:
    """What is asked for of one host. Interfaces that are not named in it are nobody's business here.

    ``ignored`` are addresses and networks whose addresses programs may add to any interface, ``unwanted`` addresses that are
    removed from every interface that is named. ``given_up`` are routes of no interface that have left the inventory (see ``given_up``).
    """

    interfaces: Tuple[Interface, ...] = ()
    routes: Tuple[Route, ...] = ()
    rules: Tuple[Rule, ...] = ()
    dns: Dns = Dns()
    ignored: Tuple[str, ...] = ()
    unwanted: Tuple[str, ...] = ()
    given_up: Tuple[Route, ...] = ()


@dataclass(frozen=True)
class Link:
    """A network interface as the kernel has it.

    ``kind`` is empty for hardware, else the kernel's word (bridge, bond, vlan, veth, macvtap, ...). ``up`` is the
    administrator's flag; ``master`` the bridge or bond it is a port of; ``lower`` the interface it sits on (VLAN,
    macvlan, macvtap). ``mac`` is the present address, ``permanent_mac`` the card's own where the kernel tells it. ``options``
    are those of a bridge or a bond, ``port_options`` those of a bridge's port, as far as they are known here, by the keys by which
    ip-link(8) sets them. ``altnames`` are further names of it; ``vlan_protocol`` is that of an ``Interface``.
    """

    name: str
    kind: str = ""
    mac: str = ""
    permanent_mac: str = ""
    mtu: int = 1500
    max_mtu: int = 0
    up: bool = True
    carrier: bool = True
    loopback: bool = False
    master: str = ""
    lower: str = ""
    vlan_id: int = 0
    stp: bool = False
    mode: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    link_local: bool = True
    port_options: Mapping[str, str] = field(default_factory=dict)
    altnames: Tuple[str, ...] = ()
    vlan_protocol: str = "802.1q"


@dataclass(frozen=True)
class Observed:
    """The kernel's network. ``addresses`` are in the kernel's order, which decides what is primary; ``routes`` are
    those that somebody made. ``ipv6``: the kernel speaks IPv6 at all.
    ``vlans`` are those of bridges and their ports, by interface; there are none where the kernel cannot filter VLANs.
    ``opaque``: interface and destination of each route that ip(8) prints in other words than it takes. ``unmodelled``: interface
    and text of each that was entered by hand and is no ``Route``, such as ``throw`` and one with a next hop of the other family.
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    addresses: Mapping[str, Tuple[Address, ...]] = field(default_factory=dict)
    routes: Tuple[Route, ...] = ()
    rules: Tuple[Rule, ...] = ()
    ipv6: bool = True
    vlans: Mapping[str, Tuple[Vlan, ...]] = field(default_factory=dict)
    opaque: Tuple[Tuple[str, str], ...] = ()
    unmodelled: Tuple[Tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Operation:
    """One request to the kernel, in the words of a line of ``ip -batch`` (ip(8)), or of ``bridge -batch`` (bridge(8)) where the
    first one is ``vlan``.

    ``kind`` is one of: add_link, set_link, delete_link, add_address, delete_address, replace_route, delete_route,
    add_rule, delete_rule, set_vlans. ``link`` is the interface it changes, empty for a rule. ``undo`` are the lines that take it
    back: each may be given to ``ip -force -batch`` whether or not the operation was carried out.
    ``family`` is 6 where ip(8) must be called with ``-6``, which a line of a batch cannot say (rules only); else 0.
    """

    kind: str
    link: str
    words: Tuple[str, ...]
    undo: Tuple[Tuple[str, ...], ...] = ()
    family: int = 0

    @property
    def line(self) -> str:
        """The line of a batch file."""
        return " ".join(self.words)

    @property
    def by_bridge(self) -> bool:
        """Whether it is for bridge(8)."""
        return self.words[0] == "vlan"

    def __str__(self) -> str:
        return f"{'bridge' if self.by_bridge else 'ip'} {'-6 ' if self.family == 6 else ''}{self.line}"


@dataclass(frozen=True)
class Plan:
    """The way from what is observed to what is desired, in four parts.

    ``prepare`` makes new interfaces and does not touch what serves. ``switch`` is given to the kernel in one go, once
    each link of ``carriers`` is operationally up. ``cleanup`` follows at once and takes away what helped. ``retire``
    takes away what nobody wants any more; it is for the time when the change is confirmed, and not rolled back.
    ``notes`` say what a person should know before it is done.
    """

    prepare: Tuple[Operation, ...] = ()
    switch: Tuple[Operation, ...] = ()
    cleanup: Tuple[Operation, ...] = ()
    retire: Tuple[Operation, ...] = ()
    carriers: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()

    @property
    def operations(self) -> Tuple[Operation, ...]:
        """All of it, in order. Nothing is to be done when this is empty."""
        return self.prepare + self.switch + self.cleanup + self.retire


@dataclass(frozen=True)
class FileChange:
    """One file of the boot configuration; ``before`` or ``after`` is None when there is no such file then."""

    path: str
    before: Optional[str]
    after: Optional[str]
    mode: int = 0o644


@dataclass(frozen=True)
class Files:
    """What becomes of the boot configuration; with ``problems`` (what, where, what to do) it must not be written."""

    changes: Tuple[FileChange, ...] = ()
    problems: Tuple[str, ...] = ()
