# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of broken inventories: each is refused, naming the host, the variable and a remedy, and nothing else."""

from __future__ import annotations

import copy
from typing import Any, Callable, Dict, List, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.planning import plan_fleet
from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.problems import report

Inventory = Dict[str, Dict[str, Any]]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@example.net"
COMMON: Dict[str, Any] = {
    "fleet_name": "demo",
    "fleet_domain": "demo.example.net",
    "fleet_networks": {
        "main": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:0:1::/64"},
        "storage": {"ipv4": "198.51.100.0/24", "mtu": 9000},
    },
    "fleet_purposes": {"management": "main"},
    "dns_zones": {"demo.example.net": {"primary": "ns1"}},
    "standby_services": {
        "web": {
            "active": "app1",
            "standby": "app2",
            "unit": "web.service",
            "record": "www",
            "ttl": 5,
            "check": {"port": 8080},
        }
    },
    "probe_targets": {"web": {"from": "watch1", "url": "http://www.demo.example.net:8080/"}},
}
CIRCULAR: List[Any] = ["tcpdump"]
CIRCULAR.append(CIRCULAR)
NUMBERS = {"ns1": 1, "app1": 11, "app2": 12, "watch1": 21}


def sound() -> Inventory:
    """Four hosts on two networks, with a service, a zone and a probe."""
    return {host: {**copy.deepcopy(COMMON), "fleet_host_number": number} for host, number in NUMBERS.items()}


def everywhere(name: str, value: Any) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        for variables in inventory.values():
            variables[name] = copy.deepcopy(value)

    return change


def on(host: str, name: str, value: Any) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        inventory[host][name] = value

    return change


def without(name: str, *hosts: str) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        for host in hosts or tuple(inventory):
            del inventory[host][name]

    return change


def networks(**given: Any) -> Callable[[Inventory], None]:
    return everywhere("fleet_networks", {**COMMON["fleet_networks"], **given})


def service(**given: Any) -> Callable[[Inventory], None]:
    return everywhere("standby_services", {"web": {**COMMON["standby_services"]["web"], **given}})


def rename(old: str, new: str) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        inventory[new] = inventory.pop(old)

    return change


def place(**given: Any) -> Callable[[Inventory], None]:
    return on("watch1", "fleet_host_networks", {"main": given})


def certificate(name: str) -> Dict[str, Any]:
    files = [{"path": "/etc/app.pem", "content": ["fullchain"]}]
    return {"hosts": ["app1"], "names": [f"{name}.demo.example.net"], "deploy": {"files": files}}


def published(*texts: str) -> Dict[str, Any]:
    return {"demo.example.net": {"primary": "ns1", "records": [{"record": "note", "type": "TXT", "value": list(texts)}]}}


RECORD = "dns_zones.demo.example.net.records[0]"
Case = Tuple[str, Callable[[Inventory], None], List[Tuple[str, str]]]
CASES: List[Case] = [
    # What holds for the whole fleet
    ("no name", without("fleet_name"), [("", "fleet_name")]),
    ("a name with a space", everywhere("fleet_name", "my fleet"), [("", "fleet_name")]),
    ("a name that is a number", everywhere("fleet_name", 7), [("", "fleet_name")]),
    ("a domain with a final dot", everywhere("fleet_domain", "demo.example.net."), [("", "fleet_domain")]),
    ("a name that differs on one host", on("app2", "fleet_name", "other"), [("app2", "fleet_name")]),
    ("a name that one host lacks", without("fleet_name", "app2"), [("app2", "fleet_name")]),
    ("zones that one host sees otherwise", on("app1", "dns_zones", {}), [("app1", "dns_zones")]),
    ("a misspelt variable", everywhere("fleet_netwroks", {}), [(host, "fleet_netwroks") for host in NUMBERS]),
    ("a variable that never was", on("ns1", "fleet_colour", "red"), [("ns1", "fleet_colour")]),
    ("a secret in a service", service(password="x"), [("", "standby_services.web.password")]),
    ("a secret among settings", on("app1", "node_sysctl", {"net.secret": 1}), [("app1", "node_sysctl.net.secret")]),
    # Networks
    ("no networks", without("fleet_networks"), [("", "fleet_networks")]),
    ("an empty dictionary of networks", everywhere("fleet_networks", {}), [("", "fleet_networks")]),
    ("networks as a list", everywhere("fleet_networks", ["192.0.2.0/24"]), [("", "fleet_networks")]),
    ("a network as a string", networks(extra="203.0.113.0/24"), [("", "fleet_networks.extra")]),
    ("a network without addresses", networks(extra={"mtu": 1500}), [("", "fleet_networks.extra")]),
    ("a network with a bad name", networks(**{"Lan 1": {"ipv4": "203.0.113.0/24"}}), [("", "fleet_networks.Lan 1")]),
    ("a misspelt setting", networks(extra={"ipv4": "203.0.113.0/24", "mut": 1}), [("", "fleet_networks.extra.mut")]),
    ("host bits in a network", networks(extra={"ipv4": "203.0.113.5/24"}), [("", "fleet_networks.extra.ipv4")]),
    ("a network without prefix", networks(extra={"ipv4": "203.0.113.0"}), [("", "fleet_networks.extra.ipv4")]),
    ("a network as a number", networks(extra={"ipv4": 203}), [("", "fleet_networks.extra.ipv4")]),
    ("IPv6 where IPv4 belongs", networks(extra={"ipv4": "2001:db8:9::/64"}), [("", "fleet_networks.extra.ipv4")]),
    ("IPv4 where IPv6 belongs", networks(extra={"ipv6": "203.0.113.0/24"}), [("", "fleet_networks.extra.ipv6")]),
    ("a network of link-local addresses", networks(other={"ipv4": "169.254.0.0/16"}), [("", "fleet_networks.other.ipv4")]),
    ("a network of link-local IPv6 addresses", networks(other={"ipv6": "fe80::/64"}), [("", "fleet_networks.other.ipv6")]),
    ("a network of reserved addresses", networks(other={"ipv4": "255.255.255.0/24"}), [("", "fleet_networks.other.ipv4")]),
    ("IPv4 written as IPv6", networks(extra={"ipv6": "::ffff:192.0.2.0/120"}), [("", "fleet_networks.extra.ipv6")]),
    ("a multicast network", networks(extra={"ipv4": "233.252.0.0/24"}), [("", "fleet_networks.extra.ipv4")]),
    ("overlapping networks", networks(other={"ipv4": "192.0.2.128/25"}), [("", "fleet_networks.other.ipv4")]),
    ("several networks and no management network", without("fleet_purposes"), [("", "fleet_purposes.management")]),
    ("packages that contain themselves", everywhere("node_packages", CIRCULAR), [(host, "node_packages") for host in NUMBERS]),
    (
        "overlapping IPv6 networks",
        networks(other={"ipv6": "2001:db8::/32"}),
        [("", "fleet_networks.other.ipv6")],
    ),
    (
        "an MTU too small for IPv6",
        networks(extra={"ipv6": "2001:db8:9::/64", "mtu": 1279}),
        [("", "fleet_networks.extra.mtu")],
    ),
    (
        "an MTU that is a word",
        networks(extra={"ipv4": "203.0.113.0/24", "mtu": "big"}),
        [("", "fleet_networks.extra.mtu")],
    ),
    (
        "an MTU beyond 16 bits",
        networks(extra={"ipv4": "203.0.113.0/24", "mtu": 65536}),
        [("", "fleet_networks.extra.mtu")],
    ),
    (
        "an unknown management network",
        everywhere("fleet_purposes", {"management": "lan"}),
        [("", "fleet_purposes.management")],
    ),
    # Hosts
    ("no number", without("fleet_host_number", "app1"), [("app1", "fleet_host_number")]),
    ("number zero", on("app1", "fleet_host_number", 0), [("app1", "fleet_host_number")]),
    ("a boolean number", on("app1", "fleet_host_number", True), [("app1", "fleet_host_number")]),
    ("a duplicate number", on("app2", "fleet_host_number", 11), [("app2", "fleet_host_number")]),
    ("a duplicate number in a string", on("app2", "fleet_host_number", "11"), [("app2", "fleet_host_number")]),
    ("a number outside the network", on("app1", "fleet_host_number", 256), [("app1", "fleet_host_number")]),
    ("the broadcast address by number", on("app1", "fleet_host_number", 255), [("app1", "fleet_host_number")]),
    ("an unknown network", on("app1", "fleet_host_networks", ["main", "lan"]), [("app1", "fleet_host_networks[1]")]),
    ("a network twice", on("app1", "fleet_host_networks", ["main", "main"]), [("app1", "fleet_host_networks[1]")]),
    (
        "networks of a host as a string",
        on("watch1", "fleet_host_networks", "main"),
        [("watch1", "fleet_host_networks")],
    ),
    ("no management network", on("watch1", "fleet_host_networks", ["storage"]), [("watch1", "fleet_host_networks")]),
    ("an address outside its network", place(ipv4="198.51.100.9"), [("watch1", "fleet_host_networks.main.ipv4")]),
    ("a network address", place(ipv4="192.0.2.0"), [("watch1", "fleet_host_networks.main.ipv4")]),
    ("a broadcast address", place(ipv4="192.0.2.255"), [("watch1", "fleet_host_networks.main.ipv4")]),
    ("the routers' anycast address", place(ipv6="2001:db8:0:1::"), [("watch1", "fleet_host_networks.main.ipv6")]),
    ("an address that is none", place(ipv4="192.0.2.999"), [("watch1", "fleet_host_networks.main.ipv4")]),
    ("an address with a foreign prefix", place(ipv4="192.0.2.9/25"), [("watch1", "fleet_host_networks.main.ipv4")]),
    ("a host's IPv6 where IPv4 belongs", place(ipv4="2001:db8:0:1::9"), [("watch1", "fleet_host_networks.main.ipv4")]),
    ("a host's IPv4 where IPv6 belongs", place(ipv6="192.0.2.9"), [("watch1", "fleet_host_networks.main.ipv6")]),
    ("a duplicate address", place(ipv4="192.0.2.11"), [("watch1", "fleet_host_networks")]),
    ("a misspelt setting of a host", place(ip4="192.0.2.9"), [("watch1", "fleet_host_networks.main.ip4")]),
    ("a long interface", place(interface="enp0s31f6u1u2u34"), [("watch1", "fleet_host_networks.main.interface")]),
    ("an interface with a slash", place(interface="eth/0"), [("watch1", "fleet_host_networks.main.interface")]),
    ("an MTU above the network's", place(mtu=9000), [("watch1", "fleet_host_networks.main.mtu")]),
    ("a host's MTU too small for IPv6", place(mtu=1000), [("watch1", "fleet_host_networks.main.mtu")]),
    (
        "IPv6 in a network that has none",
        on("app1", "fleet_host_networks", {"main": {}, "storage": {"ipv6": "2001:db8:0:2::9"}}),
        [("app1", "fleet_host_networks.storage.ipv6")],
    ),
    (
        "one interface in two networks",
        on("app1", "fleet_host_networks", {"main": {"interface": "eth1"}, "storage": {}}),
        [("app1", "fleet_host_networks.storage.interface")],
    ),
    (
        "settings of a network as a number",
        on("app1", "fleet_host_networks", {"main": {}, "storage": 3}),
        [("app1", "fleet_host_networks.storage")],
    ),
    ("no address at all", place(ipv4=False, ipv6=False), [("watch1", "fleet_host_networks.main")]),
    ("a full name without a dot", on("app1", "fleet_host_fqdn", "app1"), [("app1", "fleet_host_fqdn")]),
    (
        "a duplicate full name",
        on("watch1", "fleet_host_fqdn", "app1.demo.example.net"),
        [("watch1", "fleet_host_fqdn")],
    ),
    ("a duplicate short name", on("watch1", "fleet_host_fqdn", "app1.example.net"), [("watch1", "fleet_host_fqdn")]),
    ("a host name with an underscore", rename("watch1", "watch_1"), [("watch_1", "fleet_host_fqdn")]),
    ("a word for a boolean", on("watch1", "fleet_host_member", "maybe"), [("watch1", "fleet_host_member")]),
    # Capabilities
    ("packages as a string", on("app1", "node_packages", "chrony"), [("app1", "node_packages")]),
    ("a package with a space", on("app1", "node_packages", ["a b"]), [("app1", "node_packages[0]")]),
    ("a time zone in no area", on("app1", "node_timezone", "Eurpoe/Berlin"), [("app1", "node_timezone")]),
    ("a time zone as a number", on("app1", "node_timezone", 1), [("app1", "node_timezone")]),
    (
        "a key that is none",
        on("app1", "node_administrators", {"root": ["x"]}),
        [("app1", "node_administrators.root[0]")],
    ),
    (
        "a private key",
        on("app1", "node_administrators", {"root": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}),
        [("app1", "node_administrators.root[0]")],
    ),
    (
        "a truncated key",
        on("app1", "node_administrators", {"root": [KEY.replace("AAAAC3", "AAAAB3")]}),
        [("app1", "node_administrators.root[0]")],
    ),
    ("administrators as a list", on("app1", "node_administrators", ["root"]), [("app1", "node_administrators")]),
    ("a user with a space", on("app1", "node_administrators", {"a b": []}), [("app1", "node_administrators.a b")]),
    ("keys as a string", on("app1", "node_administrators", {"root": KEY}), [("app1", "node_administrators.root")]),
    ("settings as a list", on("app1", "node_sysctl", ["net.a=1"]), [("app1", "node_sysctl")]),
    ("a boolean sysctl", on("app1", "node_sysctl", {"net.a": True}), [("app1", "node_sysctl.net.a")]),
    ("a sysctl that is none", on("app1", "node_sysctl", {"forward": 1}), [("app1", "node_sysctl.forward")]),
    ("a time server with a space", on("app1", "node_time_servers", ["a b"]), [("app1", "node_time_servers[0]")]),
    (
        "an unknown option of a key",
        on("app1", "node_administrators", {"root": [f'frm="192.0.2.0/24" {KEY}']}),
        [("app1", "node_administrators.root[0]")],
    ),
    (
        "an option of a key without quotes",
        on("app1", "node_administrators", {"root": [f"from=192.0.2.1 {KEY}"]}),
        [("app1", "node_administrators.root[0]")],
    ),
    (
        "an empty option of a key",
        on("app1", "node_administrators", {"root": [f"restrict,,pty {KEY}"]}),
        [("app1", "node_administrators.root[0]")],
    ),
    ("an address as a full name", on("app1", "fleet_host_fqdn", "192.0.2.1"), [("app1", "fleet_host_fqdn")]),
    ("the loopback interface", place(interface="lo"), [("watch1", "fleet_host_networks.main.interface")]),
    ("all interfaces", place(interface="all"), [("watch1", "fleet_host_networks.main.interface")]),
    ("the SSH server as a service", service(unit="ssh.service"), [("", "standby_services.web.unit")]),
    ("a folder that is a number", everywhere("fleet_plan_dir", 5), [("", "fleet_plan_dir")]),
    (
        "one file of two certificates",
        everywhere("acme_certificates", {name: certificate(name) for name in ("one", "two")}),
        [("", "acme_certificates.two.deploy.files[0].path")],
    ),
    ("a private key in DNS", everywhere("dns_zones", published("-----BEGIN PRIVATE KEY-----")), [("", f"{RECORD}.value[0]")]),
    # Inputs of roles and playbooks
    ("a negative rate", everywhere("dns_server_responses_per_second", -1), [("", "dns_server_responses_per_second")]),
    ("a word for seconds", on("app1", "vm_host_shutdown_timeout", "long"), [("app1", "vm_host_shutdown_timeout")]),
    ("packages of no provider", everywhere("dns_server_packages", "bind9"), [("", "dns_server_packages")]),
    ("packages of another provider", everywhere("dns_server_packages", {"nsd": []}), [("", "dns_server_packages.nsd")]),
    ("a package that is a number", everywhere("dns_server_packages", {"bind": [9]}), [("", "dns_server_packages.bind[0]")]),
    ("an unknown state", everywhere("lab_state", "up"), [("", "lab_state")]),
    ("seconds that are none", everywhere("standby_settle", "soon"), [("", "standby_settle")]),
    ("a relative path", everywhere("acme_certificates_ca_file", "ca.pem"), [("", "acme_certificates_ca_file")]),
    ("a name as an address", on("app1", "network_new_address", "app1"), [("app1", "network_new_address")]),
    ("a truth that is none", everywhere("node_verify", "maybe"), [("", "node_verify")]),
    ("an unknown host", service(active="app9"), [("", "standby_services.web.active")]),
    ("one host as both", service(standby="app1"), [("", "standby_services.web.standby")]),
    ("a port out of range", service(check={"port": 65536}), [("", "standby_services.web.check.port")]),
    (
        "an unknown primary",
        everywhere("dns_zones", {"demo.example.net": {"primary": "ns9"}}),
        [("", "dns_zones.demo.example.net.primary")],
    ),
    (
        "a zone served twice by one host",
        everywhere("dns_zones", {"demo.example.net": {"primary": "ns1", "secondaries": ["ns1"]}}),
        [("", "dns_zones.demo.example.net.secondaries[0]")],
    ),
    (
        "a hidden primary without secondary",
        everywhere("dns_zones", {"demo.example.net": {"primary": "ns1", "hidden_primary": True}}),
        [("", "dns_zones.demo.example.net.hidden_primary")],
    ),
    ("a key that nobody serves", everywhere("dns_keys", {"k": {"hosts": ["app1"]}}), [("", "dns_keys.k.grants")]),
    (
        "a key for a zone of others",
        everywhere("dns_keys", {"k": {"grants": [{"zone": "example.org", "name": "a", "types": ["A"]}]}}),
        [("", "dns_keys.k.grants[0].zone")],
    ),
    (
        "a key with the name of another in capitals",
        everywhere(
            "dns_keys",
            {name: {"grants": [{"zone": "demo.example.net", "name": name, "types": ["A"]}]} for name in ("own", "OWN.")},
        ),
        [("", "dns_keys.OWN.")],
    ),
    ("an unknown DNS server", on("ns1", "dns_server_provider", "djbdns"), [("ns1", "dns_server_provider")]),
    (
        "a probe from nowhere",
        everywhere("probe_targets", {"web": {"from": "watch9", "url": "http://www.demo.example.net:8080/"}}),
        [("", "probe_targets.web.from")],
    ),
]
# A mistake in what others build on shows there too; in every other case the report holds nothing else.
SHOWS_ELSEWHERE = {
    "a domain with a final dot",
    "a duplicate full name",
    "a host name with an underscore",
    "an unknown primary",
    "no management network",
    "no address at all",
}


def test_the_sound_inventory_is_accepted() -> None:
    plan = plan_fleet(sound(), {"all": list(NUMBERS)})
    assert [str(problem) for problem in plan.problems] == []
    assert sorted(plan.hosts) == sorted(NUMBERS)


def test_the_table_holds_thirty_inventories_or_more() -> None:
    assert len({name for name, _change, _expected in CASES}) == len(CASES) >= 30


@pytest.mark.parametrize(("name", "change", "expected"), CASES, ids=[name for name, _change, _expected in CASES])
def test_a_broken_inventory_is_refused_with_host_variable_and_remedy(name: str, change: Any, expected: Any) -> None:
    inventory = sound()
    change(inventory)
    plan = plan_fleet(inventory, {"all": list(inventory)})
    assert plan.hosts == {}
    places = {(problem.host, problem.variable) for problem in plan.problems}
    assert places >= set(expected) if name in SHOWS_ELSEWHERE else places == set(expected)
    text = report(plan.problems)
    for host, variable in expected:
        line = next(line for line in text.splitlines() if f": {variable}: " in line)
        assert (host or "fleet") in line.split(":", maxsplit=1)[0]
    assert all(problem.message and problem.remedy for problem in plan.problems)
    assert not any(problem.remedy.endswith((".", "?")) for problem in plan.problems)


def test_all_problems_of_an_inventory_are_reported_at_once() -> None:
    inventory = sound()
    alone = [case for case in CASES if case[0] in ("number zero", "a duplicate short name", "an MTU beyond 16 bits")]
    for _name, change, _expected in alone:
        change(inventory)
    places = [(problem.host, problem.variable) for problem in plan_fleet(inventory, {}).problems]
    for _name, _change, expected in alone:
        assert set(expected) <= set(places)


def test_a_misspelt_variable_is_answered_with_the_right_name() -> None:
    inventory = sound()
    on("app1", "fleet_host_numbr", 11)(inventory)
    (problem,) = plan_fleet(inventory, {}).problems
    assert "fleet_host_number" in problem.message


def test_what_many_hosts_have_in_common_is_said_once_with_their_names() -> None:
    inventory = {f"h{number:02}": {**sound()["ns1"], "fleet_host_number": number} for number in range(1, 31)}
    everywhere("node_packages", "chrony")(inventory)
    lines = [line for line in report(plan_fleet(inventory, {}).problems).splitlines() if "node_packages" in line]
    assert len(lines) == 1
    assert lines[0].startswith("- h01, h02, h03, h04, h05, h06 and 24 more: node_packages: expected a list")


@pytest.mark.parametrize(
    ("hosts", "groups", "place"),
    [
        ({}, {}, ("", "hosts")),
        ([], {}, ("", "hosts")),
        ({**sound(), "app9": "a string"}, {}, ("app9", "hosts")),
        (sound(), ["all"], ("", "groups")),
    ],
)
def test_an_inventory_of_the_wrong_shape_is_refused(hosts: Any, groups: Any, place: Tuple[str, str]) -> None:
    assert place in {(problem.host, problem.variable) for problem in plan_fleet(hosts, groups).problems}


@pytest.mark.parametrize(
    "change",
    [
        on("app1", "node_administrators", {"root": [f'restrict,command="/bin/sh -c \\"exit 1\\", x",from="192.0.2.0/24" {KEY}']}),
        on("app1", "node_administrators", {"root": [f"cert-authority,no-pty {KEY}"]}),
        on("app1", "node_packages", ["libc6:i386", "tcpdump:any=4.99.3-1"]),
        everywhere("dns_zones", published("token: abc", "secret=of a search engine")),
        everywhere("acme_certificates", {"one": certificate("one"), "two": {**certificate("two"), "hosts": ["app2"]}}),
        everywhere("dns_rotate_wait", "0"),
    ],
    ids=["a command for a key", "an authority", "a foreign architecture", "a public token", "a file on another host", "no wait"],
)
def test_what_only_looks_wrong_is_accepted(change: Callable[[Inventory], None]) -> None:
    inventory = sound()
    change(inventory)
    assert plan_fleet(inventory, {}).problems == ()
