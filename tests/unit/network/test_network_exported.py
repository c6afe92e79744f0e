# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's network that is written as variables is the same network: the first run with them has nothing to do."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Dict, List, Tuple

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.values import is_domain
from ansible_collections.smallfleet.infra.plugins.module_utils._network import capability as network
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.resolv_conf import read_resolv_conf
from ansible_collections.smallfleet.infra.plugins.module_utils._network.exported import Exported, export
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Dns, Link, Observed, Operation, Route, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import from_data

from .kernel import Kernel
from .namespace import UNMANAGED, Namespace
from .test_network_plan import changes

FLEET: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {"main": {"ipv4": "10.0.0.0/24"}},
    "fleet_host_number": 11,
}


def planned(made: Exported) -> Desired:
    """What the role makes of the file."""
    found = plan_fleet({"app1": {**FLEET, **yaml.safe_load(made.text)}}, {}, {"network": network.resolve})
    assert [str(problem) for problem in found.problems] == [], made.text
    return from_data(found.hosts["app1"]["network"]["desired"])


def left_to_do(made: Exported, observed: Observed) -> List[Operation]:
    """What the first run would do, but for the link-local addresses of ports, which the role takes away."""
    steps = plan(pinned(planned(made), observed), observed).operations
    ports = {name for name, link in observed.links.items() if link.master}
    return [one for one in steps if not (one.link in ports and ("addrgenmode" in one.words or any(word.startswith("fe80:") for word in one.words)))]


@settings(max_examples=100, deadline=None)
@given(changes(), st.data())
def test_the_first_run_with_what_was_exported_changes_nothing(case: Tuple[Desired, Observed, bool], data: st.DataObject) -> None:
    """Also where somebody has changed an MTU, with bridges that no longer follow their ports."""
    _desired, observed, promote = case
    kernel = Kernel(observed, promote, [name for name, link in observed.links.items() if link.kind == "bridge"] if data.draw(st.booleans()) else ())
    resized = data.draw(st.sampled_from([name for name in observed.links if name not in ("lo", UNMANAGED)]))
    kernel.force([Operation("", resized, ("link", "set", "dev", resized, "mtu", data.draw(st.sampled_from(["576", "1279", "1400", "1500", "9000"]))))])
    observed = kernel.observed()
    assume(all(len({one.ip for one in many}) == len(many) for many in observed.addresses.values()))
    made = export(observed, [name for name in observed.links if name != UNMANAGED])
    assert left_to_do(made, observed) == [], made.text


def test_the_mtu_of_a_bridge_that_is_larger_than_its_port_is_left_out_by_name() -> None:
    links = {"eth0": Link("eth0", mac="02:00:00:00:00:01", mtu=1400, master="br0"), "br0": Link("br0", "bridge", mac="02:00:00:00:00:01")}
    made = export(Observed(links, {"br0": (Address("192.0.2.11", 24),)}), ["br0"])
    assert left_to_do(made, Observed(links, {"br0": (Address("192.0.2.11", 24),)})) == []
    assert {one.name: one.mtu for one in planned(made).interfaces} == {"eth0": 1400, "br0": None}
    assert "# Not in it: br0: the MTU 1500, which is more than the 1400 of its port eth0\n" in made.text


@pytest.mark.parametrize("kinds", [("",), ("bond", ""), ("vlan", "")], ids=["a card", "a bond", "a VLAN"])
def test_the_mtu_of_a_port_is_left_out_by_name_where_the_bridge_on_it_would_have_no_ipv6_with_it(kinds: Tuple[str, ...]) -> None:
    mac = "02:00:00:00:00:01"
    links = {"br0": Link("br0", "bridge", mac=mac)}
    for index, kind in enumerate(kinds):
        name, above = f"port{index}", f"port{index - 1}" if index else "br0"
        lower = f"port{index + 1}" if kind == "vlan" else ""
        master = above if above == "br0" or links[above].kind == "bond" else ""
        more: Dict[str, Any] = {"mode": "active-backup", "options": {"miimon": "100"}} if kind == "bond" else {}
        links[name] = Link(name, kind, mac=mac, mtu=1279, master=master, lower=lower, vlan_id=5 if lower else 0, link_local=False, **more)
    observed = Observed(links, {"br0": (Address("192.0.2.11", 24), Address("2001:db8::b", 64))})
    made = export(observed, ["br0"])
    assert left_to_do(made, observed) == [] and obstacles(pinned(planned(made), observed), observed) == []
    sizes = {one.name: one.mtu for one in planned(made).interfaces}
    followed = ["port0", *(["port1"] if kinds[0] == "vlan" else [])]
    assert sizes == {name: None if name == "br0" or name in followed else 1279 for name in links}
    assert all(f"# Not in it: {name}: the MTU 1279, with which br0 on it would have no IPv6\n" in made.text for name in followed)
    silent = replace(observed, links={**links, "br0": replace(links["br0"], link_local=False)}, addresses={"br0": (Address("192.0.2.11", 24),)})
    made = export(silent, ["br0"])
    assert left_to_do(made, silent) == [] and {one.name: one.mtu for one in planned(made).interfaces} == {**dict.fromkeys(links, 1279), "br0": None}


CARD = Link("eth0", mac="02:00:00:00:00:01", permanent_mac="02:00:00:00:00:01")
GROWN = Observed(
    {
        "lo": Link("lo", loopback=True),
        "eth0": replace(CARD, master="br0"),
        "eth1": replace(CARD, name="eth1", mac="02:00:00:00:00:99", mtu=9000),
        "eth2": replace(CARD, name="eth2"),
        "br0": Link("br0", "bridge", mac=CARD.mac, stp=True),
        "eth1.5": Link("eth1.5", "vlan", mac="02:00:00:00:00:99", mtu=1400, lower="eth1", vlan_id=5, link_local=False),
        "vnet0": Link("vnet0", "tun", mac="fe:00:00:00:00:05", master="br0"),
        "veth9": Link("veth9", "veth", mac="fe:00:00:00:00:06", master="br0"),
        "wg0": Link("wg0", "wireguard", mtu=1420),
        "docker0": Link("docker0", "bridge", mac="02:42:00:00:00:01"),
    },
    {
        "br0": (Address("192.0.2.10", 24), Address("192.0.2.11", 32), Address("2001:db8::10", 64), Address("fe80::1", 64, link_local=True)),
        "eth1": (Address("198.51.100.9", 24, dynamic=True), Address("2001:db8:5::9", 64, dynamic=True)),
        "eth1.5": (Address("203.0.113.5", 24),),
        "docker0": (Address("172.17.0.1", 16),),
        "wg0": (Address("10.9.0.1", 24),),
    },
    (
        Route("0.0.0.0/0", "br0", "192.0.2.1", protocol="boot"),
        Route("::/0", "br0", "fe80::fffe", metric=1024),
        Route("10.42.1.0/24", "br0", "192.0.2.20", protocol="17"),
        Route("203.0.113.128/25", "eth1.5", "203.0.113.1", metric=50, table=77),
        Route("0.0.0.0/0", "eth1", "198.51.100.1", metric=1002, protocol="dhcp"),
        Route("10.9.1.0/24", "wg0"),
    ),
    (
        Rule(0, 4, 255),
        Rule(100, 4, 77, source="203.0.113.0/24"),
        Rule(101, 6, 77, fwmark=5),
        Rule(5210, 4, 52),
        Rule(5209, 4, 52, protocol="80", fwmark=8),
        Rule(200, 4, 77, selectors=("ipproto",)),
        Rule(32766, 4, 254),
    ),
)


def test_a_grown_host_reads_as_one_would_write_it() -> None:
    made = export(GROWN, ["br0", "eth1", "eth1.5", "wg0", "lo"], ["eth0", "veth1"], Dns(("192.0.2.53",), ("example.net",)))
    assert (
        made.text
        == """# The network of this host as it was when smallfleet.infra exported it.
# Not in it: wg0: is of the kind wireguard, which network_interfaces cannot describe
# Not in it: eth2: no program configures this card at boot
# Not in it: the route 10.42.1.0/24 via 192.0.2.20 dev br0: a program made it (protocol 17), and it stays
# Not in it: the rule priority 5210 table 52: network_rules cannot describe it, and it stays as long as this host runs
# Not in it: the rule priority 5209 fwmark 8 table 52: a program made it (protocol 80), and it stays
# Not in it: the rule priority 200 with ipproto table 77: network_rules cannot describe it, and it stays as long as this host runs
# Not in it: the name server 192.0.2.53: it may have come with a lease
network_interfaces:
  - name: eth1
    mac-address: "02:00:00:00:00:99"
    mtu: 9000
    ipv4: {enabled: true, dhcp: true}
    ipv6: {enabled: true, autoconf: true}
  - name: br0
    type: bridge
    ipv4: {enabled: true, address: [{ip: "192.0.2.10", prefix-length: 24}, {ip: "192.0.2.11", prefix-length: 32}]}
    ipv6: {enabled: true, address: [{ip: "2001:db8::10", prefix-length: 64}]}
    bridge: {options: {stp: {enabled: true}}, port: [{name: eth0}]}
  - name: "eth1.5"
    type: vlan
    mtu: 1400
    ipv4: {enabled: true, address: [{ip: "203.0.113.5", prefix-length: 24}]}
    vlan: {base-iface: eth1, id: 5}
network_routes:
  config:
    - {destination: "0.0.0.0/0", next-hop-interface: br0, next-hop-address: "192.0.2.1"}
    - {destination: "::/0", next-hop-interface: br0, next-hop-address: "fe80::fffe", metric: 1024}
    - {destination: "203.0.113.128/25", next-hop-interface: "eth1.5", next-hop-address: "203.0.113.1", metric: 50, table-id: 77}
network_rules:
  config:
    - {priority: 100, route-table: 77, ip-from: "203.0.113.0/24"}
    - {priority: 101, family: ipv6, route-table: 77, fwmark: 5}
"""
    )
    assert left_to_do(made, GROWN) == []


def test_an_address_that_is_there_with_two_prefix_lengths_is_named() -> None:
    made = export(Observed({"eth0": CARD}, {"eth0": (Address("192.0.2.9", 24), Address("192.0.2.9", 32))}), ["eth0"])
    assert made.left_out == ("eth0: the address 192.0.2.9/32, which 192.0.2.9/24 is too; the first run takes it away",)


def test_every_attribute_of_a_route_is_written_as_the_plan_takes_it() -> None:
    written = (("mtu", 1400), ("cwnd", 9), ("initcwnd", 20), ("initrwnd", 30), ("advmss", 1360), ("quickack", 1))
    route = Route("0.0.0.0/0", "eth0", "192.0.2.1", source="192.0.2.9", attributes=written)
    made = export(Observed({"eth0": CARD}, {"eth0": (Address("192.0.2.9", 24),)}, (route,)), ["eth0"])
    assert "quickack: true" in made.text
    (again,) = planned(made).routes
    assert again == route and again.attributes == written


def test_an_address_that_a_program_signed_is_its_own() -> None:
    virtual = Address("192.0.2.9", 32, attributes=("proto", "18"))
    made = export(Observed({"eth0": CARD}, {"eth0": (Address("192.0.2.1", 24), virtual)}), ["eth0"])
    assert made.left_out == ("eth0: the address 192.0.2.9/32: keepalived added it, and it stays",)
    assert [str(one) for one in made.desired.interfaces[0].addresses] == ["192.0.2.1/24"]


def test_name_servers_are_exported_where_no_lease_can_have_brought_them() -> None:
    dns = Dns(("192.0.2.53", "2001:db8::53"), ("example.net",))
    made = export(GROWN, ["br0"], ["eth0"], dns)
    assert made.variables["network_dns"] == {"config": {"server": ["192.0.2.53", "2001:db8::53"], "search": ["example.net"]}}
    assert planned(made).dns == dns


@pytest.mark.parametrize(
    ("link", "why"),
    [
        (Link("eth0", up=False), "eth0: is down"),
        (Link("{{eth0}}"), "{{eth0}}: has a name that cannot be in an inventory"),
        (Link("tun0", "tun"), "tun0: is of the kind tun"),
        (Link("bond0", "bond", mode="802.3ad"), "bond0: is a bond without ports"),
        (Link("v5", "vlan", vlan_id=5), "v5: stands on an interface of another network namespace"),
    ],
)
def test_what_cannot_be_described_is_named_and_not_exported(link: Link, why: str) -> None:
    made = export(Observed({link.name: link}), [link.name])
    assert made.variables == {"network_interfaces": []} and len(made.left_out) == 1 and made.left_out[0].startswith(why)


def test_a_bridge_whose_port_has_addresses_is_left_out_with_all_that_belongs_to_it() -> None:
    links = {"eth0": replace(CARD, master="br0"), "br0": Link("br0", "bridge"), "br0.7": Link("br0.7", "vlan", lower="br0", vlan_id=7)}
    made = export(Observed(links, {"eth0": (Address("192.0.2.1", 24),)}), ["br0.7"])
    assert made.variables == {"network_interfaces": []}
    assert made.left_out == (
        "br0: belongs together with eth0, which is not in it either",
        "br0.7: belongs together with br0, which is not in it either",
        "eth0: is a port of br0, and has addresses all the same",
    )


BY_HAND = """
link set dev eth0 mtu 1400
link add name br0 type bridge stp_state 0
link set dev br0 up
link set dev eth0 master br0
address add 192.0.2.10/24 dev br0
address add 192.0.2.9/32 dev br0
address add 2001:db8::10/64 dev br0 nodad
address add 198.51.100.1/32 dev eth1
route add 203.0.113.1 dev eth1
route add default via 203.0.113.1 dev eth1
route add 198.51.100.64/26 via 192.0.2.3 dev br0 metric 7
route add default via fe80::1 dev br0
route add 10.42.0.0/16 via 192.0.2.4 dev br0 proto 17
rule add from 198.51.100.1 lookup 77 priority 100
route add default via 192.0.2.2 dev br0 table 77
route add 198.51.100.128/25 nexthop via 192.0.2.3 dev br0 weight 2 nexthop via 192.0.2.4 dev br0
route add blackhole 10.0.0.0/8
route add 198.51.100.32/27 via 192.0.2.3 dev br0 src 192.0.2.9 mtu 1400 proto kernel
address add 198.51.100.2 peer 198.51.100.3/32 dev eth1
rule add not from 192.0.2.0/24 lookup 77 priority 101 suppress_prefixlength 0
"""


def test_a_network_made_by_hand_in_a_real_kernel_is_exported_and_needs_nothing(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.run("ip", "-batch", "-", text=BY_HAND)
    observed = namespace.observed()
    made = export(observed, ["br0", "eth1"], ["eth0"])
    assert left_to_do(made, observed) == [], made.text
    assert [one for one in made.left_out if "protocol 17" in one]
    assert {one.name for one in made.desired.interfaces} == {"eth0", "br0", "eth1"}
    assert len(made.desired.routes) == 8 and len(made.desired.rules) == 2


@settings(max_examples=200)
@given(st.text(st.sampled_from("nameserver search domain 0123456789abcdef:.%#;\n\t\x85\u2028")))
def test_any_resolv_conf_gives_addresses_and_domains_only(text: str) -> None:
    found = read_resolv_conf(text)
    assert all(str(ip_address(one)) == one for one in found.servers) and all(map(is_domain, found.search))


def test_a_resolver_of_the_host_itself_is_no_name_server_of_its_network() -> None:
    text = "# made by hand\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\ndomain a.example\nsearch Example.NET. b.example ..\n"
    assert read_resolv_conf(text) == Dns(("192.0.2.53",), ("example.net", "b.example"))
