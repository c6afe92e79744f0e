# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule of the inventory takes the place of one that no inventory can describe, in a real kernel, and a rollback gives that one back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Address, Desired, Family, Interface, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.obstacles import obstacles
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback

from .namespace import Namespace
from .rollback_host import RULES, Host

CARD = Interface("eth0", ipv4=Family(True, addresses=(Address("192.0.2.10", 24),)), ipv6=Family(True, addresses=(Address("2001:db8::10", 64),)))
BY_HAND = tuple(rule.replace(" protocol 17", "") for rule in RULES)
FROM = Rule(100, 4, 11, source="192.0.2.10/32")
ORDERS: Tuple[Tuple[str, ...], ...] = (
    ("from 192.0.2.10 lookup 11 ipproto tcp",),
    ("from 192.0.2.10 lookup 11", "from 192.0.2.10 lookup 11 ipproto tcp"),
    ("from 192.0.2.10 lookup 11 ipproto tcp", "from 192.0.2.10 lookup 11"),
    ("lookup 11 dport 22", "from 192.0.2.10 lookup 11", "from 192.0.2.0/24 lookup 11", "not from 192.0.2.10 lookup 11 tos 0x10"),
    ("not from 192.0.2.10 lookup 11 ipproto tcp", "not from 192.0.2.10 lookup 11"),
    ("from 192.0.2.10 to 10.0.0.0/8 lookup 11 sport 5", "from 192.0.2.10 goto 32766", "from 192.0.2.10 lookup 12 uidrange 5-6"),
)
"""Rules in one place, which requests to delete one of them may take for each other."""


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path) -> Iterator[Host]:
    namespace = Namespace()
    if namespace.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    yield Host(namespace, tmp_path)
    namespace.close()


def at(namespace: Namespace, priority: int) -> List[Rule]:
    return [replace(rule, protocol="") for rule in namespace.observed().rules if rule.priority == priority and rule.family == 4]


def test_rules_that_no_inventory_can_describe_are_replaced_and_a_rollback_gives_them_back_word_for_word(host: Host) -> None:
    host.enter(BY_HAND)
    host.enter(["rule add priority 100 from 2001:db8::/32 lookup 77 ipproto udp dport 53"], "-6")
    wanted = tuple(Rule(priority, 4, 11, source="192.0.2.10/32") for priority in range(100, 107))
    desired = Desired((CARD,), rules=(*wanted, Rule(100, 6, 11, source="2001:db8:7::/64")))
    observed = host.namespace.observed()
    assert obstacles(pinned(desired, observed), observed) == []
    before = host.everything()
    host.change(desired)
    host.script("switch.sh")
    assert [at(host.namespace, rule.priority) for rule in wanted] == [[rule] for rule in wanted]
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before


@pytest.mark.parametrize("there", ORDERS)
def test_exactly_the_rule_that_is_asked_for_is_left_in_its_place_and_a_rollback_gives_back_all_in_their_order(host: Host, there: Tuple[str, ...]) -> None:
    host.enter([f"rule add priority 100 {words}" for words in there])
    desired = Desired((CARD,), rules=(FROM,))
    before = host.everything()
    host.change(desired)
    host.script("switch.sh")
    assert at(host.namespace, 100) == [FROM]
    observed = host.namespace.observed()
    assert plan(pinned(desired, observed), observed).operations == ()
    host.script("restore.sh")
    assert host.differs() == []
    assert host.everything() == before


def test_the_rules_that_go_are_named_and_without_the_words_of_the_kernel_no_wider_rule_comes_back(host: Host) -> None:
    host.enter(["rule add priority 100 lookup 12 ipproto tcp dport 22", "rule add priority 101 from 192.0.2.10 lookup 12"])
    observed = host.namespace.observed()
    steps = plan(pinned(Desired((CARD,), rules=(FROM, replace(FROM, priority=101))), observed), observed)
    assert steps.notes == ("the rule 'priority 100 with dport with ipproto table 12' is not in the inventory and goes",)
    back = [one.line for one in rollback(steps) if one.words[:2] == ("rule", "add")]
    assert back and all(line.startswith("rule add priority 101 from 192.0.2.10/32 table 12") for line in back)
