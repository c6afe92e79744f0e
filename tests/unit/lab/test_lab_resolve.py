# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From variables to a lab: what is derived, and what is refused."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._fleet.model import Attachment, Fleet, Host, Network
from ansible_collections.smallfleet.infra.plugins.module_utils._lab import layer, render, router
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.capability import mac_address, resolve
from ansible_collections.smallfleet.infra.plugins.module_utils._lab.spec import from_data, from_plan, to_data

GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def fleet(variables=None, host_variables=None, network="198.18.0.0/24", ipv6="2001:db8:0:1::/64", name="app1", number=11):
    main = Network("main", ip_network(network), ip_network(ipv6), 1500)
    ipv4 = ip_interface(f"{main.ipv4[number]}/{main.ipv4.prefixlen}")
    place = Attachment("main", "eth0", ipv4, ip_interface(f"{main.ipv6[number]}/{main.ipv6.prefixlen}"), 1500)
    host = Host(name, f"{name}.demo.example.net", (), (place,), {"management": "main", "public": "main"}, host_variables or {})
    given = {"lab_packages": ["bind9"]} if variables is None else variables
    return Fleet("demo", "demo.example.net", {"main": main}, {name: host}, {}, given)


def spec_of(made):
    return from_plan({name: {"lab": mine} for name, mine in resolve(made).host_plans.items()})


def test_an_inventory_without_a_lab_is_told_how_to_get_one():
    with pytest.raises(ValueError, match="Set a lab_\\* variable"):
        from_plan({"app1": {"capabilities": ["node"], "node": {}}})


def test_a_fleet_that_asks_for_no_lab_has_none():
    assert resolve(fleet(variables={})).host_plans == {}
    assert resolve(fleet(variables={}, network="192.0.2.0/24")).problems == ()


def test_a_lab_survives_the_trip_through_json():
    spec = spec_of(fleet(host_variables={"lab_disks": {"data": 64}}))
    assert from_data(json.loads(json.dumps(to_data(spec)))) == spec
    assert spec.namespace == "smallfleet-demo" and spec.folder == "/var/lib/smallfleet/labs/demo"
    assert spec.proxy_addresses == ("198.18.0.254",)
    assert spec.nodes[0].nics[0].link == "app1.0" and spec.nodes[0].disks == {"data": 64}


def test_the_name_of_a_link_fits_the_kernel_however_long_the_host_is_called():
    spec = spec_of(fleet(name="a-host-with-a-very-long-name"))
    assert len(spec.nodes[0].nics[0].link) <= 15


@pytest.mark.parametrize(
    ("variables", "host_variables", "network", "host", "variable"),
    [
        ({"lab_release": 13}, {}, "198.18.0.0/24", "", "lab_release"),
        ({"lab_name": "Demo Lab"}, {}, "198.18.0.0/24", "", "lab_name"),
        ({"lab_packages": "bind9"}, {}, "198.18.0.0/24", "", "lab_packages"),
        ({"lab_packages": ["-o", "bind9"]}, {}, "198.18.0.0/24", "", "lab_packages[0]"),
        ({}, {"lab_installed_packages": "bind9"}, "198.18.0.0/24", "app1", "lab_installed_packages"),
        ({}, {"lab_installed_packages": ["bind9", None]}, "198.18.0.0/24", "app1", "lab_installed_packages[1]"),
        ({"lab_installed_packages": ["-o", "bind9"]}, {}, "198.18.0.0/24", "app1", "lab_installed_packages[0]"),
        ({"lab_cache": "cache"}, {}, "198.18.0.0/24", "", "lab_cache"),
        ({"lab_directory": "/a b"}, {}, "198.18.0.0/24", "", "lab_directory"),
        ({}, {"lab_backend": "docker"}, "198.18.0.0/24", "app1", "lab_backend"),
        ({}, {"lab_memory": "1G"}, "198.18.0.0/24", "app1", "lab_memory"),
        ({}, {"lab_cpus": 0}, "198.18.0.0/24", "app1", "lab_cpus"),
        ({}, {"lab_disk": True}, "198.18.0.0/24", "app1", "lab_disk"),
        ({}, {"lab_memory": 2**30 + 1}, "198.18.0.0/24", "app1", "lab_memory"),
        ({}, {"lab_disks": {"../etc": 5}}, "198.18.0.0/24", "app1", "lab_disks.../etc"),
        ({}, {"lab_disks": ["data"]}, "198.18.0.0/24", "app1", "lab_disks"),
        ({}, {"lab_disks": {"data": "5G"}}, "198.18.0.0/24", "app1", "lab_disks.data"),
        ({}, {"lab_macvtap": "eth0"}, "198.18.0.0/24", "app1", "lab_macvtap"),
        ({}, {"lab_nics": ["main"]}, "198.18.0.0/24", "app1", "lab_nics"),
        ({}, {"lab_nics": {"eth0": "main"}}, "198.18.0.0/24", "app1", "lab_nics"),
        ({}, {"lab_nics": {"eth2": "main"}}, "198.18.0.0/24", "app1", "lab_nics"),
        ({}, {"lab_nics": {"eth1": "other"}}, "198.18.0.0/24", "app1", "lab_nics.eth1"),
        ({}, {"lab_nics": {"eth1": ["main"]}}, "198.18.0.0/24", "app1", "lab_nics.eth1"),
        ({"lab_packages": []}, {}, "192.0.2.0/24", "", "fleet_networks.main.ipv4"),
        ({"lab_packages": []}, {}, "198.18.0.0/28", "", ""),
    ],
)
def test_bad_input_is_refused_with_its_place(variables, host_variables, network, host, variable):
    problems = resolve(fleet(variables, host_variables, network)).problems
    assert [(p.host, p.variable) for p in problems] == ([(host, variable)] if variable else [])
    assert all(p.remedy for p in problems)


def test_a_second_card_on_a_network_has_no_address_and_nobody_configures_it():
    spec = spec_of(fleet(host_variables={"lab_nics": {"eth1": "main"}}))
    first, second = spec.nodes[0].nics
    assert (second.network, second.interface, second.link) == ("main", "eth1", "app1.1")
    assert (second.ipv4, second.ipv6, second.mtu) == (None, None, 1500) and second.mac != first.mac
    assert [path for path in render.node_files(spec, spec.nodes[0]) if "networkd" in path or "network/" in path] == ["/etc/systemd/network/10-eth0.network"]


def test_a_host_has_the_packages_of_its_own_list_or_else_of_the_fleets():
    installed = {"lab_installed_packages": ["unbound", "bind9", "bind9"]}
    assert spec_of(fleet()).nodes[0].installed_packages == ()
    node = spec_of(fleet(variables=installed)).nodes[0]
    assert node.installed_packages == ("bind9", "unbound") and node.layer == "nspawn: bind9 unbound"
    own = spec_of(fleet(variables=installed, host_variables={"lab_installed_packages": ["knot"]})).nodes[0]
    assert own.installed_packages == ("knot",)
    none = spec_of(fleet(variables=installed, host_variables={"lab_installed_packages": []})).nodes[0]
    assert none.installed_packages == () and none.layer == ""


def test_a_lab_described_before_packages_could_be_installed_is_still_read():
    spec = spec_of(fleet(host_variables={"lab_installed_packages": ["knot"]}))
    data = json.loads(json.dumps(to_data(spec)))
    assert from_data(data) == spec
    del data["nodes"][0]["installed_packages"]
    assert from_data(data).nodes[0].installed_packages == ()


def test_the_secret_of_a_key_file_is_replaced_and_nothing_else():
    text = 'key "rndc-key" {\n\talgorithm hmac-sha256;\n\tsecret "b2xk";\n};\n'
    assert layer.renew_secrets(text, lambda: "bmV3") == text.replace("b2xk", "bmV3")
    assert layer.renew_secrets("# nothing secret\n", lambda: "bmV3") == "# nothing secret\n"


def test_packages_are_installed_without_a_network_and_die_with_their_builder():
    argv = layer.install_argv(("/archive", "/base"), "/folder", ["bind9", "knot"])
    assert argv[:3] == ["setpriv", "--pdeathsig", "KILL"] and {"--mount", "--net", "--pid", "--kill-child"} <= set(argv)
    assert argv[-4:] == ["/archive:/base", "/folder", "bind9", "knot"]
    assert "policy-rc.d" in argv[-6] and "exit 101" in argv[-6]


def test_a_host_cannot_have_the_address_of_the_lab():
    problems = resolve(fleet(number=254)).problems
    assert [(p.host, p.variable) for p in problems] == [("app1", "fleet_host_networks.main")]


VARIABLES = ("name", "release", "packages", "installed_packages", "cache", "backend", "disks", "nics", "memory")


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.dictionaries(st.sampled_from([f"lab_{name}" for name in VARIABLES]), GARBAGE))
def test_no_garbage_makes_a_traceback(variables):
    resolve(fleet(variables=variables))


@given(st.text(), st.text(), st.integers(0, 9))
def test_every_mac_address_is_unicast_and_locally_administered(name, host, position):
    assert int(mac_address(name, host, position)[:2], 16) & 3 == 2


def test_what_a_node_gets_before_it_boots():
    spec = spec_of(fleet())
    files = render.node_files(spec, spec.nodes[0])
    assert files["/etc/systemd/network/10-eth0.network"] == (
        "[Match]\nName=eth0\n\n[Link]\nMTUBytes=1500\n\n[Network]\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n\n"
        "[Address]\nAddress=198.18.0.11/24\n\n[Address]\nAddress=2001:db8:0:1::b/64\nDuplicateAddressDetection=none\n"
    )
    assert files["/etc/apt/apt.conf.d/00lab-proxy"] == 'Acquire::http::Proxy "http://198.18.0.254:3142";\n'
    assert len(files["/etc/machine-id"].strip()) == 32
    assert not any("PRIVATE KEY" in content for content in files.values())


def test_the_way_to_the_nodes_is_through_the_namespace_only():
    config = render.ssh_config(spec_of(fleet()))
    assert "Host app1 198.18.0.11 2001:db8:0:1::b\n  HostName 198.18.0.11\n  HostKeyAlias app1\n" in config
    assert "ProxyCommand nsenter --net=/run/netns/smallfleet-demo nc -N %h %p" in config
    assert "StrictHostKeyChecking yes" in config


def test_the_proxy_lets_only_the_mirrors_through():
    assert render.tinyproxy_filter(["deb.example.net", "a.example"]) == "^a\\.example$\n^deb\\.example\\.net$\n"
    assert "FilterDefaultDeny Yes" in render.tinyproxy_conf(1234, "/f", "")
    assert "Upstream http 192.0.2.1:8080" in render.tinyproxy_conf(1234, "/f", "192.0.2.1:8080")


def routed(**changes):
    """A lab of two hosts of a routed network: one with addresses alone, one with a subnet."""
    network = Network("internet", None, None, 1500, routed=True)
    alone = {"ipv4": ip_interface("198.18.7.11/32"), "ipv4_gateway": ip_address("198.18.255.1"), "ipv6": None, "ipv6_gateway": None}
    subnet = {"ipv4": None, "ipv4_gateway": None, "ipv6": ip_interface("2001:db8:b3::2/64"), "ipv6_gateway": ip_address("fe80::1")}
    hosts = {}
    for name, place in (("alone", {**alone, **changes}), ("subnet", subnet)):
        attachment = Attachment("internet", "eth0", mtu=1500, **place)
        hosts[name] = Host(name, f"{name}.demo.example.net", (), (attachment,), {"management": "internet", "public": "internet"})
    return Fleet("demo", "demo.example.net", {"internet": network}, hosts, {}, {"lab_packages": ["bind9"]})


def test_the_lab_is_the_router_of_a_routed_network():
    spec = spec_of(routed())
    assert from_data(json.loads(json.dumps(to_data(spec)))) == spec
    (network,) = spec.networks
    assert network.router == (*router.OWN, "198.18.255.1/32", "fe80::1/64")
    assert network.routes == ("198.18.7.11", "2001:db8:b3::2")
    assert render.networkd(spec.node("alone").nics[0]).endswith("[Address]\nAddress=198.18.7.11/32\n\n[Route]\nGateway=198.18.255.1\nGatewayOnLink=yes\n")


def test_a_node_finds_the_proxy_in_a_network_of_its_own_by_a_family_that_it_has():
    spec = spec_of(routed())
    assert spec.proxy_addresses == ("198.19.255.254", "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe")
    assert (spec.proxy_address(spec.node("alone")), spec.proxy_address(spec.node("subnet"))) == spec.proxy_addresses


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"ipv4": ip_interface("203.0.113.7/32")}, "fleet_host_networks.internet.ipv4"),
        ({"ipv4_gateway": ip_address("172.31.1.1")}, "fleet_host_networks.internet.ipv4_gateway"),
        ({"ipv6": ip_interface("2001:db9::1/64")}, "fleet_host_networks.internet.ipv6"),
        ({"ipv4": ip_interface("198.19.255.250/26")}, "fleet_host_networks.internet.ipv4"),
    ],
)
def test_a_routed_network_of_a_lab_has_no_address_of_a_real_machine_and_none_of_the_lab(changes, variable):
    assert [(problem.host, problem.variable) for problem in resolve(routed(**changes)).problems] == [("alone", variable)]


def test_a_card_has_the_mac_by_which_the_host_finds_it():
    cards = [spec_of(routed(**more)).node("alone").nics[0].mac for more in ({}, {"mac": "52:54:00:12:34:56"})]
    assert cards == [mac_address("demo", "alone", 0), "52:54:00:12:34:56"]


def test_a_gateway_that_is_a_host_of_the_fleet_is_left_to_that_host():
    (network,) = spec_of(routed(ipv4_gateway=ip_address("198.18.7.11"))).networks
    assert network.router == (*router.OWN, "fe80::1/64")
