# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which program configures a host's network, by what the host tells of its programs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.detect import BACKENDS, choose, preflight_errors
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import named
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Family, Interface

from .guarded import host_facts

DESIRED = Desired((Interface("eth0"), Interface("br0", "bridge", ports=("eth0",))))
ALL = tuple(BACKENDS)
OWN_FILE, OF_NETPLAN = "/etc/systemd/network/10-eth0.network", "/run/systemd/network/10-netplan-eth0.network"
TRIAL = "/run/systemd/network/00-0-smallfleet-trial-05-smallfleet-eth0.network"


@pytest.mark.parametrize(
    ("seen", "backend"),
    [
        (host_facts(frozenset({"networkd"}), files=(("eth0", OWN_FILE),)), "networkd"),
        (host_facts(frozenset({"networkd", "netplan"}), files=(("eth0", OF_NETPLAN),)), "netplan"),
        (host_facts(frozenset({"networkd", "netplan"}), files=(("eth0", TRIAL),)), "netplan"),
        (host_facts(frozenset({"networkd"}), files=(("eth0", TRIAL),)), "networkd"),
        (host_facts(ALL, connections=(("eth0", "ethernet"),)), "networkmanager"),
        (host_facts(frozenset({"ifupdown", "networkd"}), stanzas=frozenset({"lo", "eth0"})), "ifupdown"),
        # none has the interfaces that are named: who has any at all
        (host_facts(frozenset({"ifupdown", "networkd"}), files=(("eth7", OWN_FILE),), stanzas=frozenset({"lo"})), "networkd"),
        (host_facts(frozenset({"networkd", "netplan"})), "netplan"),
        (host_facts(frozenset({"ifupdown"})), "ifupdown"),
    ],
)
def test_auto_is_the_program_that_has_the_interfaces(seen, backend):
    assert choose("auto", DESIRED, seen) == (backend, "")
    assert choose(backend, DESIRED, seen) == (backend, "")


def test_two_programs_for_one_interface_are_refused_with_both_named():
    seen = host_facts(frozenset({"ifupdown", "networkd"}), files=(("eth0", OWN_FILE),), stanzas=frozenset({"eth0"}))
    for wanted in ("auto", "networkd", "ifupdown"):
        backend, why = choose(wanted, DESIRED, seen)
        assert backend == ""
        assert "eth0 is configured by systemd-networkd and ifupdown" in why and "network_backend" in why


def test_a_program_that_is_not_at_work_is_refused_and_those_that_are_get_named():
    backend, why = choose("networkmanager", DESIRED, host_facts(frozenset({"networkd"}), files=(("eth0", OWN_FILE),)))
    assert backend == "" and "NetworkManager does not configure the network of this host" in why and "(networkd)" in why


def test_a_service_that_does_not_run_is_named():
    assert "for systemd-networkd.service does not run. Start it" in choose("networkd", DESIRED, host_facts(frozenset({"ifupdown"})))[1]
    assert "systemd-networkd and NetworkManager do not run" in choose("auto", DESIRED, host_facts(frozenset()))[1]


def test_another_program_than_the_one_that_has_the_interface_is_refused():
    seen = host_facts(frozenset({"networkd", "networkmanager"}), connections=(("eth0", "ethernet"),))
    backend, why = choose("networkd", DESIRED, seen)
    assert backend == "" and "eth0 is configured by NetworkManager, and network_backend is networkd" in why


@pytest.mark.parametrize("text", ["network:\n  renderer: NetworkManager\n", 'network: {renderer: "NetworkManager", version: 2}\n'])
def test_a_netplan_that_gives_interfaces_to_networkmanager_is_refused(text):
    seen = host_facts(frozenset({"networkd", "netplan"}), files=(("eth0", OF_NETPLAN),), yaml=(text,))
    assert "renderer" in choose("auto", DESIRED, seen)[1]


def test_a_host_of_none_of_them_is_told_the_choice():
    backend, why = choose("auto", DESIRED, host_facts())
    assert backend == "" and all(one in why for one in BACKENDS)


seen_anyhow = st.builds(
    host_facts,
    st.frozensets(st.sampled_from(ALL)),
    st.lists(st.tuples(st.sampled_from(["eth0", "eth7"]), st.sampled_from([OWN_FILE, OF_NETPLAN, TRIAL])), max_size=2).map(tuple),
    st.lists(st.tuples(st.sampled_from(["eth0", "br0"]), st.sampled_from(["ethernet", "wifi"])), max_size=2).map(tuple),
    st.frozensets(st.sampled_from(["lo", "eth0", "eth7"])),
)


@given(st.sampled_from(("auto", *BACKENDS)), seen_anyhow)
def test_there_is_a_backend_that_is_at_work_or_a_reason_and_never_both(wanted, seen):
    backend, why = choose(wanted, DESIRED, seen)
    assert bool(backend) != bool(why)
    assert not backend or backend in seen.ready and wanted in ("auto", backend)


def test_networkmanager_with_a_connection_that_would_have_to_be_dialled_again_is_refused():
    seen = host_facts(ALL, connections=(("eth0", "ethernet"), ("wlan0", "wifi")))
    assert preflight_errors("networkmanager", DESIRED, seen) == [
        "wlan0: NetworkManager ends for the trial, and this connection (wifi) with it. Disconnect it before"
    ]
    assert preflight_errors("networkd", DESIRED, seen) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_ipv6_that_is_turned_off_on_an_interface_is_refused_where_it_is_asked_for(backend):
    """A new interface gets the kernel's value for those to come; of others, and of what is to be absent, it does not matter."""
    six = Family(True)
    there = host_facts(ALL, devices=(("br0", "/etc/systemd/network/br0.netdev"),), there=frozenset({"eth0", "br0"}))
    bridge = Interface("br0", "bridge", ports=("eth0",), ipv6=six)
    for seen, name in ((there, "br0"), (host_facts(ALL, there=frozenset({"eth0"})), "default")):
        for off in ({"all", "eth0", "br0", "default"}, {name}):
            (said,) = preflight_errors(backend, Desired((Interface("eth0"), bridge)), replace(seen, ipv6_off=frozenset(off)))
            assert said.startswith(f"interfaces.br0: asks for IPv6, which net.ipv6.conf.{name}.disable_ipv6=1 turns off. Set it to 0")
        other = {"all", "eth0", "br0", "default"} - {name}
        assert preflight_errors(backend, Desired((Interface("eth0"), bridge)), replace(seen, ipv6_off=frozenset(other))) == []
        for desired in (Desired((Interface("eth0"), replace(bridge, ipv6=Family()))), Desired((replace(bridge, absent=True),))):
            assert preflight_errors(backend, desired, replace(seen, ipv6_off=frozenset({name}))) == []


def test_an_interface_that_networkd_would_make_in_the_midst_of_the_change_is_refused():
    """Its files and the kernel differ: what it was told to do, and has not done yet, it does when it is told anything."""
    devices = (("br0", "/run/systemd/network/10-netplan-br0.netdev"), ("br7", "/etc/systemd/network/br7.netdev"))
    seen = host_facts(ALL, devices=devices)
    for backend in ("networkd", "netplan"):
        (said,) = preflight_errors(backend, DESIRED, seen)
        assert said.startswith("interfaces.br0: /run/systemd/network/10-netplan-br0.netdev") and "networkctl reload" in said
    assert preflight_errors("ifupdown", DESIRED, seen) == []


def test_ports_of_a_bridge_that_networkd_did_not_make_are_refused():
    other = host_facts(ALL, there=frozenset({"eth0", "br0"}))
    for backend in ("networkd", "netplan"):
        (said,) = preflight_errors(backend, DESIRED, other)
        assert said.startswith("interfaces.br0: systemd-networkd has not made this bridge") and "another name" in said
        own = host_facts(ALL, devices=(("br0", "/etc/systemd/network/05-smallfleet-br0.netdev"),), there=other.interfaces)
        assert preflight_errors(backend, DESIRED, own) == []
        assert preflight_errors(backend, Desired((Interface("br0", "bridge"),)), other) == []
        assert preflight_errors(backend, Desired((Interface("br0", "bridge", absent=True),)), other) == []
    assert preflight_errors("networkmanager", DESIRED, other) == []


def test_ifupdown_cannot_start_a_client_by_itself_and_ends_one_that_nobody_wants():
    leased = Desired((Interface("eth0", ipv4=Family(True, dhcp=True)),))
    assert "interfaces.eth0: ifupdown starts a DHCP client by ifup only" in preflight_errors("ifupdown", leased, host_facts(ALL))[0]
    running = host_facts(ALL, clients=frozenset({"eth0"}))
    assert preflight_errors("ifupdown", leased, running) == [] and BACKENDS["ifupdown"].dhcp_clients_to_end(leased, running) == ()
    assert BACKENDS["ifupdown"].dhcp_clients_to_end(DESIRED, running) == ("eth0",)
    assert BACKENDS["networkd"].dhcp_clients_to_end(DESIRED, running) == ()


def test_the_interfaces_of_interfaces_files_are_found():
    text = "auto lo eth0\niface lo inet loopback\n# iface eth9 inet dhcp\niface eth0 \\\n  inet static\n    address 192.0.2.1/24\n"
    assert named([text, "iface br0 inet6 auto\n"]) == {"lo", "eth0", "br0"}
