# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routing rules with every selector that the inventory has: from there to the kernel and the files."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.registry import BACKENDS
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._network.serialization import BadDesired, as_data, from_data

from .namespace import Namespace
from .test_network_resolve import planned, static

FROM = {"priority": 100, "ip-from": "198.51.100.0/24"}
VPN = {"priority": 101, "fwmark": "0xca6c", "not": True, "route-table": 51820}
RULES: List[Dict[str, Any]] = [
    {**FROM, "route-table": 77},
    {**FROM, "route-table": 77, "not": True},
    {**FROM, "action": "blackhole"},
    {**FROM, "action": "unreachable", "oif": "eth0"},
    {**FROM, "route-table": 77, "oif": "eth0", "iif": "eth1"},
    {**FROM, "route-table": 77, "fwmark": 5},
    {**FROM, "route-table": 77, "fwmark": 5, "fwmask": "0xff"},
    {"priority": 100, "route-table": 254, "suppress-prefix-length": 0},
]
SIX = [
    {"priority": 100, "ip-to": "2001:db8:9::/48", "action": "prohibit"},
    {"priority": 100, "ip-to": "2001:db8:9::/48", "route-table": 77, "not": True},
    {"priority": 100, "family": "ipv6", "route-table": 254, "suppress-prefix-length": 7},
]


def ruled(*rules: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    card = {"name": "eth0", "ipv4": static("192.0.2.11"), "ipv6": static("2001:db8:0:1::b", 64)}
    return {"network_interfaces": [card], "network_rules": {"config": list(rules)}, **more}


def desired_of(*rules: Dict[str, Any]) -> Desired:
    made = planned(ruled(*rules))
    assert made.problems == ()
    desired = from_data(made.hosts["app1"]["network"]["desired"])
    assert from_data(as_data(desired)) == desired
    return Desired(desired.interfaces, rules=desired.rules)


def there(namespace: Namespace) -> List[Rule]:
    return [rule for rule in namespace.rules() if rule.priority == 100]


@pytest.mark.parametrize("place", [RULES, SIX])
def test_the_real_kernel_goes_from_each_rule_to_each_other_in_its_place_and_back_from_everywhere(namespace: Namespace, place: List[Dict[str, Any]]) -> None:
    namespace.clear(False)
    observed = namespace.observed()
    for first in place:
        for second in place:
            before, after = Desired(rules=desired_of(first).rules), Desired(rules=desired_of(second).rules)
            namespace.batch(plan(before, observed).operations)
            assert there(namespace) == list(before.rules)
            observed = namespace.observed()
            assert obstacles(after, observed) == []
            steps = plan(after, observed)
            for count in range(len(steps.switch) + 1):
                namespace.batch(steps.switch[:count])
                namespace.batch(rollback(steps), force=True)
                assert there(namespace) == list(before.rules), (first, second, count)
            namespace.batch(steps.operations)
            assert there(namespace) == list(after.rules), (first, second)
            observed = namespace.observed()
            assert plan(after, observed).operations == ()


def test_the_rules_of_a_vpn_can_be_written_and_taken_away(namespace: Namespace) -> None:
    """As wg-quick(8) makes them."""
    namespace.clear(False)
    main = {"priority": 100, "route-table": 254, "suppress-prefix-length": 0}
    namespace.batch(plan(Desired(rules=desired_of(VPN, main).rules), namespace.observed()).operations)
    text = namespace.run("ip", "rule")
    assert "101:\tnot from all fwmark 0xca6c lookup 51820" in text
    assert "100:\tfrom all lookup main suppress_prefixlength 0" in text
    gone = desired_of(*({**one, "state": "absent"} for one in (VPN, main)))
    namespace.batch(plan(Desired(rules=gone.rules), namespace.observed()).operations)
    assert there(namespace) == [] and "51820" not in namespace.run("ip", "rule")


def test_the_files_say_what_the_rule_says() -> None:
    desired = desired_of({**FROM, "oif": "eth0", "fwmark": 5, "fwmask": 15, "not": True, "action": "prohibit"}, {**RULES[-1], "priority": 102})
    text = "".join(Networkd().files(desired).values())
    assert "Priority=100\nType=prohibit\nInvertRule=yes\nFrom=198.51.100.0/24\nOutgoingInterface=eth0\nFirewallMark=5/15\n" in text
    assert "Priority=102\nTable=254\nSuppressPrefixLength=0\nFamily=ipv4\n" in text
    text = "".join(NetworkManager().files(desired).values())
    assert "routing-rule1=priority 100 not from 198.51.100.0/24 oif eth0 fwmark 5/15 type prohibit\n" in text
    assert "routing-rule2=priority 102 from 0.0.0.0/0 table 254 suppress_prefixlength 0\n" in text
    text = "".join(Ifupdown().files(desired).values())
    assert "up ip -4 rule add priority 100 not from 198.51.100.0/24 oif eth0 fwmark 5/15 type prohibit || true\n" in text
    assert "up ip -4 rule add priority 102 table 254 suppress_prefixlength 0 || true\n" in text


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RULES[0], []),
        (RULES[1], ["not"]),
        (RULES[3], ["oif", "action"]),
        (RULES[4], ["iif", "oif"]),
        (RULES[6], ["fwmask"]),
        (RULES[7], ["suppress-prefix-length"]),
    ],
)
def test_netplan_refuses_what_it_has_no_word_for(rule: Dict[str, Any], said: List[str]) -> None:
    found = BACKENDS["netplan"].unsupported(desired_of(rule))
    assert [one.message for one in found] == [f"netplan cannot express {key}" for key in said]
    problems = planned(ruled(rule, network_backend="netplan")).problems
    assert sorted(one.message for one in problems) == sorted(one.message for one in found)
    assert {one.variable for one in problems} <= {"network_rules.100"}
    for backend in ("networkd", "networkmanager", "ifupdown"):
        assert BACKENDS[backend].unsupported(desired_of(rule)) == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"priority": 100, "ip-from": "192.0.2.0/24"}, "is missing"),
        ({"priority": 100, "route-table": 7}, "would match everything"),
        ({"priority": 100, "route-table": 7, "not": True}, "would match nothing"),
        ({"priority": 100, "route-table": 7, "not": True, "suppress-prefix-length": 0}, "would match nothing"),
        ({**FROM, "action": "drop"}, "got 'drop'"),
        ({**FROM, "action": "blackhole", "route-table": 7}, "is never looked at by a rule that does blackhole"),
        ({**FROM, "action": "blackhole", "suppress-prefix-length": 0}, "means nothing for a rule that does blackhole"),
        ({**FROM, "route-table": 7, "fwmask": 7}, "needs a fwmark other than 0"),
        ({**FROM, "route-table": 7, "fwmark": 9, "fwmask": 7}, "0x7 hides a part of the fwmark 0x9, which would never match"),
        ({**FROM, "route-table": 7, "fwmark": "0x1ffffffff"}, "got '0x1ffffffff'"),
        ({**FROM, "route-table": 7, "oif": "a name"}, "cannot be the name of an interface"),
        ({**FROM, "route-table": 7, "suppress-prefix-length": 33}, "33 is longer than a prefix of IPv4"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_a_text(rule: Dict[str, Any], text: str) -> None:
    assert any(text in one.message and one.remedy for one in planned(ruled(rule)).problems)


def test_data_of_the_module_with_another_action_is_refused() -> None:
    with pytest.raises(BadDesired, match="is not an action"):
        from_data({"rules": [{"priority": 100, "action": "table 7\nlink delete dev eth0"}]})
