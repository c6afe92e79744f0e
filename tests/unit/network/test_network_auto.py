# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interface takes from leases and router advertisements: from the inventory to the kernel and the files."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.netplan import Netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Auto, Desired
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, as_data, from_data

from .namespace import Namespace
from .test_network_resolve import planned

LEASE = {"enabled": True, "dhcp": True}
ADVERTISED = {"enabled": True, "autoconf": True}
EVERYTHING = {"auto-dns": False, "auto-gateway": False, "auto-route-metric": 50}
GATEWAYS = [
    "address add 192.0.2.10/24 dev eth0 valid_lft 3600 preferred_lft 1800",
    "route add 192.0.2.1 dev eth0 proto dhcp src 192.0.2.10 metric 1024",
    "route add default via 192.0.2.1 dev eth0 proto dhcp src 192.0.2.10 metric 1024",
    "route add 198.51.100.0/24 via 192.0.2.9 dev eth0 proto dhcp src 192.0.2.10 metric 1024",
]
ADVERTISEMENT = ["address add 2001:db8::7/64 dev eth0 valid_lft 3600 preferred_lft 1800 nodad", "route add ::/0 via fe80::1 dev eth0 proto ra expires 1800"]


def leased(ipv4: Any = None, ipv6: Any = None, **more: Any) -> Dict[str, Any]:
    return {"network_interfaces": [{"name": "eth0", "ipv4": {**LEASE, **(ipv4 or {})}, "ipv6": {**ADVERTISED, **(ipv6 or {})}}], **more}


def desired_of(variables: Dict[str, Any]) -> Desired:
    made = planned(variables)
    assert made.problems == ()
    data = made.hosts["app1"]["network"]["desired"]
    assert as_data(from_data(data)) == data
    return from_data(data)


def host(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in [*GATEWAYS, *ADVERTISEMENT]))


def routes(namespace: Namespace) -> List[str]:
    return sorted(f"{one} {one.protocol} {one.source}".strip() for one in namespace.observed().routes if one.interface in ("eth0", "br0"))


def test_leases_are_left_alone_where_nothing_else_is_said(namespace: Namespace) -> None:
    host(namespace)
    desired = pinned(desired_of(leased()), namespace.observed())
    assert [line for line in plan(desired, namespace.observed()).operations if line.words[0] == "route"] == []


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "left"),
    [
        ({"auto-gateway": False}, {}, ["192.0.2.1/32", "198.51.100.0/24", "::/0"]),
        ({"auto-routes": False}, {}, ["192.0.2.1/32", "::/0"]),
        ({}, {"auto-gateway": False}, ["0.0.0.0/0", "192.0.2.1/32", "198.51.100.0/24"]),
        ({}, {"auto-routes": False}, ["0.0.0.0/0", "192.0.2.1/32", "198.51.100.0/24"]),
    ],
)
def test_the_trial_already_goes_without_the_routes_that_are_not_taken(
    namespace: Namespace, ipv4: Dict[str, Any], ipv6: Dict[str, Any], left: List[str]
) -> None:
    """Else the checks would pass by a gateway that the next boot does not have."""
    host(namespace)
    before = routes(namespace)
    desired = pinned(desired_of(leased(ipv4, ipv6)), namespace.observed())
    steps = plan(desired, namespace.observed())
    namespace.batch(steps.prepare + steps.switch + steps.cleanup)
    assert sorted(one.destination for one in namespace.observed().routes if one.interface == "eth0") == left
    assert plan(desired, namespace.observed()).operations == ()
    namespace.batch(rollback(steps), force=True)
    assert routes(namespace) == before


def test_leased_routes_get_their_metric_during_the_trial_and_on_a_bridge_and_lose_it_in_a_rollback(namespace: Namespace) -> None:
    metric = {"auto-route-metric": 50}
    card = leased(metric)
    bridge = {**card["network_interfaces"][0], "name": "br0", "type": "bridge", "bridge": {"port": [{"name": "eth0"}]}}
    for name, variables in (("eth0", card), ("br0", {"network_interfaces": [bridge]})):
        host(namespace)
        before = routes(namespace)
        desired = pinned(desired_of(variables), namespace.observed())
        steps = plan(desired, namespace.observed())
        namespace.batch(steps.prepare + steps.switch + steps.cleanup)
        assert [line for line in routes(namespace) if "dhcp" in line] == [
            f"0.0.0.0/0 via 192.0.2.1 dev {name} metric 50 dhcp 192.0.2.10",
            f"192.0.2.1/32 dev {name} metric 50 dhcp 192.0.2.10",
            f"198.51.100.0/24 via 192.0.2.9 dev {name} metric 50 dhcp 192.0.2.10",
        ]
        assert [str(one) for one in plan(desired, namespace.observed()).operations if one.words[0] == "route"] == []
        namespace.batch(rollback(steps), force=True)
        assert routes(namespace) == before


def test_the_files_say_what_is_taken() -> None:
    six = {**EVERYTHING, "token": "::2A", "privacy": "prefer-public", "dhcp": True}
    desired = desired_of(leased({**EVERYTHING, "auto-gateway": True}, six))
    text = Networkd().files(desired)["/etc/systemd/network/05-smallfleet-eth0.network"]
    assert "[DHCPv4]\nClientIdentifier=mac\nUseDNS=no\nRouteMetric=50\n" in text
    assert "[DHCPv6]\nUseDNS=no\n" in text
    assert "[IPv6AcceptRA]\nUseDNS=no\nUseGateway=no\nRouteMetric=50\nToken=static:::2a\n" in text
    assert "\nIPv6PrivacyExtensions=prefer-public\n" in text
    text = "".join(NetworkManager().files(desired).values())
    four, six_text = text.split("[ipv4]\n")[1].split("[ipv6]\n")
    assert "ignore-auto-dns=true\nroute-metric=50\n" in four and "never-default" not in four
    assert "addr-gen-mode=eui64\ntoken=::2a\nip6-privacy=1\nignore-auto-dns=true\nnever-default=true\nroute-metric=50\n" in six_text
    random = desired_of(leased({"auto-routes": False}, {"addr-gen-mode": "stable-privacy", "privacy": "disabled"}))
    text = "".join(Networkd().files(random).values())
    assert "UseGateway=no\nUseRoutes=no\n" in text and "[IPv6AcceptRA]\nToken=prefixstable\n" in text and "IPv6PrivacyExtensions=no\n" in text
    text = "".join(NetworkManager().files(random).values())
    assert "ignore-auto-routes=true\nnever-default=true\n" in text and "addr-gen-mode=stable-privacy\nip6-privacy=0\n" in text
    known = desired_of(leased({"auto-dns": False, "auto-routes": False, "auto-route-metric": 50}, {"token": "::2a", "privacy": "prefer-temporary"}))
    assert BACKENDS["netplan"].unsupported(known) == []
    text = "".join(Netplan().files(known).values())
    assert "dhcp4-overrides:\n        use-dns: false\n        use-routes: false\n        route-metric: 50\n" in text
    assert 'ipv6-privacy: true\n      ipv6-address-token: "::2a"\n' in text and "dhcp6-overrides" not in text


@pytest.mark.parametrize(
    ("backend", "ipv4", "ipv6", "said"),
    [
        ("ifupdown", EVERYTHING, {"token": "::1"}, ["auto-dns: false", "auto-gateway: false", "auto-route-metric: 50", "token: ::1"]),
        ("netplan", EVERYTHING, {}, ["auto-gateway: false"]),
        ("netplan", {}, EVERYTHING, ["auto-dns: false", "auto-gateway: false", "auto-route-metric: 50"]),
        ("netplan", {}, {"privacy": "prefer-public", "addr-gen-mode": "eui64"}, ["addr-gen-mode: eui64", "privacy: prefer-public"]),
        ("netplan", {"auto-dns": False}, {"dhcp": True}, ["auto-dns: false"]),
        ("netplan", {"auto-dns": False}, {"dhcp": True, "auto-dns": False}, []),
        ("networkd", EVERYTHING, EVERYTHING, []),
        ("networkmanager", EVERYTHING, EVERYTHING, []),
    ],
)
def test_what_a_backend_cannot_say_of_leases_is_refused_by_name(backend: str, ipv4: Any, ipv6: Any, said: List[str]) -> None:
    found = BACKENDS[backend].unsupported(desired_of(leased(ipv4, ipv6)))
    assert [one.message.partition(" cannot express ")[2] for one in found] == said
    problems = planned(leased(ipv4, ipv6, network_backend=backend)).problems
    assert sorted(one.message for one in problems) == sorted(one.message for one in found)
    assert all(one.variable.startswith("network_interfaces.eth0.ipv") and one.remedy for one in problems)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "text"),
    [
        ({"dhcp": False, "auto-dns": False}, {}, "means nothing without dhcp or autoconf"),
        ({"auto-routes": False, "auto-gateway": True}, {}, "auto-routes: false leaves no gateway either"),
        ({"auto-route-metric": 0}, {}, "got 0"),
        ({"token": "::1"}, {}, "is not an option of IPv4"),
        ({}, {"token": "2001:db8::1"}, "'2001:db8::1' is not the second half of an IPv6 address"),
        ({}, {"token": "::1", "addr-gen-mode": "stable-privacy"}, "is not used with addr-gen-mode: stable-privacy"),
        ({}, {"addr-gen-mode": "random"}, "got 'random'"),
        ({}, {"privacy": "much"}, "got 'much'"),
        ({}, {"autoconf": False, "dhcp": True, "privacy": "disabled"}, "means nothing without autoconf: true"),
        ({}, {"token": "::1%eth0"}, "is not the second half"),
    ],
)
def test_settings_of_leases_that_cannot_be_are_refused_with_a_text(ipv4: Any, ipv6: Any, text: str) -> None:
    assert any(text in one.message and one.remedy for one in planned(leased(ipv4, ipv6)).problems)


def test_data_of_the_module_with_other_words_is_refused() -> None:
    for bad in ({"token": "::1\nGateway=192.0.2.1"}, {"privacy": "yes\n[Route]"}, {"addr_gen_mode": "x"}):
        with pytest.raises(BadDesired):
            from_data({"interfaces": [{"name": "eth0", "ipv6": {"enabled": True, "autoconf": True, **bad}}]})
    assert from_data({"interfaces": [{"name": "eth0"}]}).interfaces[0].ipv6.auto == Auto()
