# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule with ``state: absent`` is deleted, and no other of its place, whatever stands before it: in a real kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Tuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Observed, Operation, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import plan, rollback

from .kernel import Kernel
from .namespace import Namespace

FROM = Rule(100, 4, 11, source="192.0.2.10/32")
NARROWER = replace(FROM, destination="198.51.100.0/24")
BY_CARD = replace(FROM, oif="eth0")
RULES = (
    FROM,
    NARROWER,
    BY_CARD,
    replace(FROM, iif="eth1", suppress=0),
    replace(FROM, fwmark=5),
    replace(FROM, fwmark=5, fwmask=15),
    replace(FROM, table=12),
    replace(FROM, table=0, action="blackhole"),
    replace(NARROWER, invert=True, oif="eth0"),
    Rule(100, 4, 11, fwmark=5),
    Rule(100, 4, 11, destination="198.51.100.0/24"),
)
UNKNOWN = "rule add priority 100 from 192.0.2.10 ipproto tcp table 11"


def there(namespace: Namespace) -> List[Tuple[Rule, str]]:
    return [(rule, rule.protocol) for rule in namespace.rules() if rule.priority == 100]


def can_be(rules: List[Rule]) -> bool:
    """Whether the kernel takes them in this order."""
    kernel = Kernel(Observed())
    kernel.force(plan_of(rules))
    return kernel.rules == rules


def enter(namespace: Namespace, rules: List[Rule]) -> None:
    namespace.clear(False)
    namespace.batch(plan_of(rules))


def plan_of(rules: List[Rule]) -> List[Operation]:
    """Requests that add each of them, which the planner would do for one of a place only."""
    found: List[Operation] = []
    for rule in rules:
        found += plan(Desired(rules=(rule,)), Observed()).operations
    return found


def without(rule: Rule) -> Desired:
    return Desired(rules=(replace(rule, absent=True),))


def test_a_rule_with_more_selectors_that_stands_first_stays(namespace: Namespace) -> None:
    enter(namespace, [BY_CARD, FROM])
    namespace.batch(plan(without(FROM), namespace.observed()).operations)
    assert [rule for rule, _protocol in there(namespace)] == [BY_CARD]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(RULES), min_size=1, max_size=5, unique=True), st.data())
def test_exactly_the_rule_that_is_absent_goes_and_all_come_back_from_everywhere(namespace: Namespace, rules: List[Rule], data: st.DataObject) -> None:
    assume(can_be(rules))
    enter(namespace, rules)
    before = there(namespace)
    assert [rule for rule, _protocol in before] == rules
    gone = data.draw(st.sampled_from(rules))
    assert obstacles(without(gone), namespace.observed()) == []
    steps = plan(without(gone), namespace.observed())
    namespace.batch(steps.switch[: data.draw(st.integers(0, len(steps.switch)))])
    namespace.batch(rollback(steps), force=True)
    assert there(namespace) == before
    enter(namespace, rules)
    namespace.batch(steps.operations)
    assert there(namespace) == [one for one in before if one[0] != gone]
    assert plan(without(gone), namespace.observed()).operations == ()


@pytest.mark.parametrize("count", range(4))
def test_rules_that_had_to_be_deleted_to_reach_one_come_back_in_their_order(namespace: Namespace, count: int) -> None:
    enter(namespace, [BY_CARD, FROM])
    before = there(namespace)
    steps = plan(without(FROM), namespace.observed())
    assert [one.kind for one in steps.switch] == ["delete_rule", "delete_rule", "add_rule"]
    namespace.batch(steps.switch[:count])
    namespace.batch(rollback(steps), force=True)
    assert there(namespace) == before


def test_a_rule_that_cannot_be_deleted_without_one_that_nothing_can_restore_is_refused(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.run("ip", *UNKNOWN.split())
    namespace.batch(plan_of([FROM]))
    (said,) = obstacles(without(FROM), namespace.observed())
    assert said.startswith("rules.100: the IPv4 rule 'priority 100 from 192.0.2.10/32 table 11' leaves")
    assert "'priority 100 from 192.0.2.10/32 with ipproto table 11'" in said


def test_a_rule_that_stands_first_is_deleted_beside_one_that_nothing_can_restore(namespace: Namespace) -> None:
    enter(namespace, [FROM])
    namespace.run("ip", *UNKNOWN.split())
    assert obstacles(without(FROM), namespace.observed()) == []
    namespace.batch(plan(without(FROM), namespace.observed()).operations)
    assert [rule.selectors for rule, _protocol in there(namespace)] == [("ipproto",)]


def test_a_rule_of_a_program_keeps_its_protocol(namespace: Namespace) -> None:
    namespace.clear(False)
    namespace.run("ip", *"rule add priority 100 from 192.0.2.10 oif eth0 table 11 protocol 99".split())
    namespace.batch(plan_of([FROM]))
    namespace.batch(plan(without(FROM), namespace.observed()).operations)
    assert there(namespace) == [(BY_CARD, "99")]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("wanted", RULES, ids=str)
def test_a_rule_takes_the_place_of_each_other(namespace: Namespace, wanted: Rule, rule: Rule) -> None:
    """Also one that the kernel takes for a part of it, beside which it cannot be added."""
    enter(namespace, [rule])
    steps = plan(Desired(rules=(wanted,)), namespace.observed())
    namespace.batch(steps.operations)
    assert [one for one, _protocol in there(namespace)] == [wanted]
    namespace.batch(rollback(steps), force=True)
    assert [one for one, _protocol in there(namespace)] == [rule]
