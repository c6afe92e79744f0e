# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule, or a route that rejects, that leaves the inventory leaves the kernel with the change, and not at the next boot only."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Dict, List, Mapping

import pytest
from fakes import FakeClock

from ansible_collections.smallfleet.infra.plugins.module_utils._network import network_host as module
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.ifupdown import Ifupdown
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.netplan import Netplan
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkd import Networkd
from ansible_collections.smallfleet.infra.plugins.module_utils._network.backends.networkmanager import NetworkManager
from ansible_collections.smallfleet.infra.plugins.module_utils._network.boot.review import after_changes
from ansible_collections.smallfleet.infra.plugins.module_utils._network.foreign import marked, statics
from ansible_collections.smallfleet.infra.plugins.module_utils._network.given_up import given_up, given_up_routes
from ansible_collections.smallfleet.infra.plugins.module_utils._network.model import Desired, Observed, Route, Rule
from ansible_collections.smallfleet.infra.plugins.module_utils._network.network_host import HostNetwork
from ansible_collections.smallfleet.infra.plugins.module_utils._network.plan.plan import pinned, plan, rollback
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult
from ansible_collections.smallfleet.infra.plugins.module_utils._system.files import SystemFiles

from .namespace import Namespace
from .test_network_rules import RULES, SIX, desired_of

BACKENDS = [Ifupdown(), NetworkManager({})]
ALL: List[Any] = [*BACKENDS, Networkd(), Netplan()]
REJECTING = [
    Route("10.0.0.0/8", "", type="unreachable"),
    Route("10.0.0.0/8", "", type="unreachable", metric=50),
    Route("10.0.0.0/8", "", type="blackhole", metric=50, table=77),
    Route("2001:db8:9::/48", "", type="prohibit", metric=1024),
    Route("0.0.0.0/0", "", type="blackhole", table=78),
]
OLD, NEW = Rule(111, 4, 11, source="192.0.2.11/32"), Rule(112, 4, 12, source="192.0.2.11/32")


def with_rules(*rules: Rule) -> Desired:
    return Desired(desired_of().interfaces, rules=rules)


def gone(backend: Any, before: Desired, after: Desired, *kernel: Rule, files: Mapping[str, str] = MappingProxyType({})) -> List[Rule]:
    written = {**backend.files(before), **files}
    return list(given_up(after, Observed(rules=kernel), written, after_changes(written, backend.changes(after, written))))


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("rule", [*RULES, *SIX], ids=str)
def test_a_rule_of_each_kind_that_leaves_the_inventory_goes(backend: Any, rule: Dict[str, Any]) -> None:
    before = desired_of(rule)
    (known,) = before.rules
    assert gone(backend, before, with_rules(), replace(known, protocol="boot")) == [known]
    assert gone(backend, before, with_rules(NEW), known) == [known]
    assert gone(backend, before, before, known) == []


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
def test_what_is_not_in_our_files_or_is_still_there_stays(backend: Any) -> None:
    before = with_rules(OLD)
    theirs = {"/etc/network/interfaces": "iface eth9 inet manual\n    up ip -4 rule add priority 300 from 192.0.2.9/32 table 9 || true\n"}
    others = [Rule(300, 4, 9, source="192.0.2.9/32"), replace(OLD, selectors=("dport",)), replace(OLD, table=254)]
    assert gone(backend, before, with_rules(), *others, files=theirs) == []
    assert gone(backend, before, with_rules(replace(OLD, table=12)), OLD) == []  # the plan puts the new one in its place
    other = {path.replace("eth0", "eth7"): text for path, text in backend.files(before).items()}
    assert gone(backend, before, with_rules(), OLD, files=other) == []  # an interface that is out of the inventory keeps its file


def test_systemd_networkd_sees_to_its_rules_itself() -> None:
    assert gone(Networkd(), with_rules(OLD), with_rules(), OLD) == []


def test_the_trial_has_the_rules_of_the_next_boot() -> None:
    """A rule that gets another priority and another table: the old one would stand in front of the new one."""
    namespace = Namespace()
    if namespace.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    try:
        namespace.clear(False)
        namespace.run("ip", "rule", "add", "priority", "111", "from", "192.0.2.11/32", "lookup", "11")
        observed, backend = namespace.observed(), Ifupdown()
        written = backend.files(with_rules(OLD))
        wanted = pinned(with_rules(NEW), observed)
        left = given_up(wanted, observed, written, after_changes(written, backend.changes(wanted, written)))
        steps = plan(replace(wanted, rules=(*wanted.rules, *left)), observed)
        namespace.batch([*steps.prepare, *steps.switch, *steps.cleanup])
        assert [rule for rule in namespace.observed().rules if 0 < rule.priority < 32766] == [NEW]
    finally:
        namespace.close()


def gone_routes(backend: Any, before: Desired, after: Desired, kernel: List[Route]) -> List[Route]:
    written = backend.files(before)
    return list(given_up_routes(Observed(routes=tuple(kernel)), written, after_changes(written, backend.changes(after, written))))


@pytest.mark.parametrize("backend", ALL, ids=lambda backend: backend.name)
@pytest.mark.parametrize("route", REJECTING, ids=str)
def test_a_route_that_rejects_and_leaves_the_inventory_goes_alone(backend: Any, route: Route) -> None:
    plain = with_rules(OLD)
    every, others = replace(plain, routes=tuple(REJECTING)), [one for one in REJECTING if one != route]
    assert gone_routes(backend, every, replace(every, routes=tuple(others)), REJECTING) == [route]
    assert gone_routes(backend, replace(plain, routes=(route,)), plain, REJECTING) == [route]
    assert gone_routes(backend, every, every, REJECTING) == []
    assert gone_routes(backend, plain, plain, REJECTING) == []
    assert gone_routes(backend, every, plain, [replace(route, protocol="bird"), replace(route, type="throw")]) == []


def test_the_trial_has_no_route_that_the_next_boot_does_not_have() -> None:
    namespace = Namespace()
    if namespace.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    try:
        namespace.clear(False)
        lines = [f"route replace {one.type} {one.destination} metric {one.metric} table {one.table} proto static" for one in REJECTING]
        namespace.run("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
        observed, stays = namespace.observed(), tuple(REJECTING[1:])
        wanted = replace(pinned(with_rules(), observed), routes=stays, given_up=(REJECTING[0],))
        steps = plan(wanted, observed)
        namespace.batch(steps.operations)
        assert {one for one in namespace.observed().routes if not one.interface} == set(stays)
        assert plan(wanted, namespace.observed()).operations == ()
        namespace.batch(rollback(steps), force=True)
        assert sorted(map(str, namespace.observed().routes)) == sorted(map(str, observed.routes))
    finally:
        namespace.close()


def test_no_program_is_taken_for_the_owner_of_a_route_that_is_given_up() -> None:
    """Else it would be put back after a reload of systemd-networkd."""
    route = REJECTING[-1]
    observed = marked(Observed(routes=(route,)), Desired(given_up=(route,)), frozenset())
    assert statics(observed) == ()


def test_the_steps_of_a_change_name_the_rule_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host whose kernel and files are made up, since this machine's are not for trying."""

    class Nothing:
        def run(self, argv: Any, *, stdin: Any = None, check: bool = True) -> CommandResult:
            return CommandResult(tuple(argv), 1, "[]", "")

    namespace = Namespace()
    try:
        namespace.clear(False)
        namespace.run("ip", "rule", "add", "priority", "111", "from", "192.0.2.11/32", "lookup", "11")
        namespace.run("ip", *"route add unreachable 10.0.0.0/8 proto static".split())
        observed = namespace.observed()
    finally:
        namespace.close()
    monkeypatch.setattr(module, "boot_files", lambda backend: backend.files(replace(with_rules(OLD), routes=tuple(REJECTING[:1]))))
    monkeypatch.setattr(module, "choose", lambda wanted, desired, seen: ("ifupdown", ""))
    monkeypatch.setattr(module, "boot_texts", lambda name: [])
    monkeypatch.setattr(module, "findings", lambda *given: module.Findings())
    monkeypatch.setattr(module, "from_data", lambda data: with_rules(NEW))
    network = HostNetwork(Nothing(), SystemFiles(), FakeClock())
    monkeypatch.setattr(network, "observe", lambda: observed)
    work = network.work({}, "ifupdown", (), True)
    assert "ip rule del priority 111 from 192.0.2.11/32 table 11" in work.steps(), (work.steps(), work.wrong)
    assert "ip route del unreachable 10.0.0.0/8 proto static" in work.steps()
