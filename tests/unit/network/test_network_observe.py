# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ip(8) prints is read. Bonds and VLANs as iproute2's source prints them, since test machines often have none."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.kernel.observe import COMMANDS, Unreadable, observe
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Hop, Route, Rule

from .namespace import Namespace

MACS = {"eth0": "02:00:00:00:00:01", "bond0": "02:00:00:00:00:01", "bond0.5": "02:00:00:00:00:01"}


def link(name: str, index: int, **more: Any) -> Dict[str, Any]:
    flags = ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]
    common = {"ifindex": index, "ifname": name, "flags": flags, "mtu": 1500, "address": MACS[name], "max_mtu": 9000}
    return {**common, "inet6_addr_gen_mode": "eui64", **more}


def printed(**given: Any) -> Dict[str, str]:
    bond = {"mode": "active-backup", "miimon": 100, "primary": "eth0", "ad_lacp_rate": "slow", "num_peer_notif": 1}
    slave = {"info_slave_kind": "bond", "info_slave_data": {"perm_hwaddr": "02:00:00:00:00:07"}}
    found: Dict[str, Any] = {
        "links": [
            {},
            link("eth0", 2, master="bond0", linkinfo=slave, flags=["BROADCAST"]),
            link("bond0", 3, linkinfo={"info_kind": "bond", "info_data": bond}),
            link("bond0.5", 4, link="bond0", linkinfo={"info_kind": "vlan", "info_data": {"id": 5}}),
        ],
        "addresses": [{"ifname": "bond0", "addr_info": [{"family": "inet", "local": "192.0.2.10", "prefixlen": 24}]}],
        **given,
    }
    return {key: json.dumps(found[key]) if key in found else "" for key in COMMANDS}


def test_bonds_their_ports_and_vlans_are_understood() -> None:
    observed = observe(printed())
    bond, port, vlan = (observed.links[name] for name in ("bond0", "eth0", "bond0.5"))
    assert (bond.kind, bond.mode, bond.up, bond.max_mtu) == ("bond", "active-backup", True, 9000)
    assert bond.options == {"miimon": "100", "primary": "eth0", "lacp_rate": "slow"}
    assert (port.kind, port.master, port.permanent_mac, port.up) == ("", "bond0", "02:00:00:00:00:07", False)
    assert (vlan.kind, vlan.lower, vlan.vlan_id) == ("vlan", "bond0", 5)
    assert observed.addresses["bond0"] == (Address("192.0.2.10", 24),)


@pytest.mark.parametrize(
    ("kind", "more", "lower"),
    [
        ("vxlan", {"linkinfo": {"info_kind": "vxlan", "info_data": {"id": 1, "link": "bond0"}}}, "bond0"),
        ("vxlan", {"linkinfo": {"info_kind": "vxlan", "info_data": {"id": 1}}}, ""),
        ("macsec", {"link": "bond0", "linkinfo": {"info_kind": "macsec"}}, "bond0"),
        ("veth", {"link": "bond0", "linkinfo": {"info_kind": "veth"}}, ""),
        ("gre", {"link": "bond0", "linkinfo": {"info_kind": "gre", "info_data": {"link": "bond0"}}}, ""),
    ],
)
def test_what_goes_with_the_interface_it_stands_on_is_known(kind: str, more: Dict[str, Any], lower: str) -> None:
    links = [link("bond0", 3), link("eth0", 4, **more)]
    assert observe(printed(links=links)).links["eth0"].lower == lower


def test_a_kernel_without_ipv6_is_noticed() -> None:
    entry = link("eth0", 2)
    del entry["inet6_addr_gen_mode"]
    observed = observe(printed(links=[entry]))
    assert not observed.ipv6 and not observed.links["eth0"].link_local


def test_output_of_an_unknown_form_is_one_error() -> None:
    for links in ([{"ifindex": 2}], 7, [[1]]):
        with pytest.raises(Unreadable):
            observe(printed(links=links))
    with pytest.raises(Unreadable):
        observe({})


def test_what_the_real_kernel_has_is_read_whole(namespace: Namespace) -> None:
    namespace.clear(False)
    lines = [
        "address add 192.0.2.10/24 dev eth0",
        "address add 198.51.100.7/24 dev eth0 valid_lft 3600 preferred_lft 1800",
        "address add 2001:db8::10/64 dev eth0 nodad",
        "route add 203.0.113.128/25 via 10.9.9.9 dev eth0 onlink table 77",
        "route add default via 192.0.2.1 proto dhcp metric 100 src 198.51.100.7",
        "route add 2001:db8:7::/64 via fe80::1 dev eth0 proto ra",
        "address add 198.51.100.200/26 dev eth1",
        "route add default via 198.51.100.193 dev eth1 proto dhcp metric 1024 src 198.51.100.200",
        "address add 198.51.100.201/26 dev eth1",
        "address add 2001:db8:1::5/64 dev eth1 nodad noprefixroute",
        "address add 2001:db8:1::6/64 dev eth1 nodad",
        "address add 2001:db8:2::6/64 dev eth1 nodad noprefixroute",
        "route add 2001:db8:1::/64 dev eth1 proto ra",
        "route add default via fe80::1 dev eth1 proto ra",
        "route add 198.51.100.128/25 nexthop via 192.0.2.1 dev eth0 nexthop via 192.0.2.2 dev eth0",
        "rule add priority 101 from 203.0.113.0/25 iif eth0 fwmark 5 table 77",
    ]
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
    observed = namespace.observed()
    leased = [one for one in observed.addresses["eth0"] if one.dynamic and not one.link_local]
    assert [str(one) for one in leased] == ["198.51.100.7/24"] and leased[0].preferred <= 1800
    endless = [one for one in observed.addresses["eth1"] if one.dynamic and not one.link_local]
    assert {(str(one), one.valid) for one in endless} == {("198.51.100.200/26", 0), ("2001:db8:1::5/64", 0)}
    routes = {one: (one.protocol, one.source) for one in observed.routes if one.interface == "eth0"}
    assert routes == {
        Route("203.0.113.128/25", "eth0", "10.9.9.9", table=77, onlink=True): ("boot", ""),
        Route("0.0.0.0/0", "eth0", "192.0.2.1", metric=100): ("dhcp", "198.51.100.7"),
        Route("2001:db8:7::/64", "eth0", "fe80::1", metric=1024): ("ra", ""),
        Route("198.51.100.128/25", "eth0", hops=(Hop("eth0", "192.0.2.1"), Hop("eth0", "192.0.2.2"))): ("boot", ""),
    }
    assert Rule(101, 4, 77, source="203.0.113.0/25", iif="eth0", fwmark=5) in observed.rules
    assert observed.links["eth0"].kind == "veth" and observed.links["lo"].loopback and observed.ipv6
