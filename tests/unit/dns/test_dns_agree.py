# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether servers agree, decided without asking any."""

from __future__ import annotations

from typing import List, Sequence

import pytest
from fakes import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation import Answer, Goal, at_least, judge, newest
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.query.propagation_client import wait_until

KEY = ("www.example.net.", "A")
SERIALS = st.integers(0, 2**32 - 1)


def www(*values: str, ttl: int = 60) -> RRset:
    return RRset(*KEY, ttl, frozenset(values))


def wanted(*values: str, **more: object) -> Goal:
    return Goal(KEY, frozenset(values), **more)  # type: ignore[arg-type]


def reasons(goal: Goal, *answers: Answer) -> List[str]:
    return [lag.reason for lag in judge(goal, answers)]


@given(serial=SERIALS, step=st.integers(0, 2**31 - 1))
def test_a_serial_counted_up_is_later_also_over_the_end_of_the_numbers(serial: int, step: int) -> None:
    later = (serial + step) % 2**32
    assert at_least(later, serial)
    assert at_least(serial, later) == (step == 0)
    assert newest([serial, later]) == newest([later, serial]) == later


@given(serial=SERIALS, count=st.integers(1, 5))
def test_servers_with_one_serial_agree_and_one_behind_is_named(serial: int, count: int) -> None:
    answers = [Answer(f"ns{number}", (serial + 1) % 2**32) for number in range(count)]
    assert judge(Goal(), answers) == []
    (lag,) = judge(Goal(), [*answers, Answer("late", serial)])
    assert (lag.server, lag.reason) == ("late", "old_serial")


def test_a_serial_is_waited_for_at_every_server() -> None:
    assert reasons(Goal(serial=7), Answer("a", 7), Answer("b", 8)) == []
    assert reasons(Goal(serial=8), Answer("a", 7), Answer("b", 8)) == ["old_serial"]


def test_a_set_is_compared_by_its_values_and_if_asked_by_its_ttl() -> None:
    one, two, none = Answer("a", 1, www("192.0.2.1")), Answer("b", 1, www("192.0.2.1", "192.0.2.2")), Answer("c", 1)
    assert reasons(wanted("192.0.2.1"), one, two, none) == ["other_value", "missing"]
    assert reasons(wanted("192.0.2.1", contains=True), one, two, none) == ["missing"]
    assert reasons(wanted(), one, none) == ["other_value"]
    assert reasons(wanted("192.0.2.1", ttl=60), one) == []
    assert reasons(wanted("192.0.2.1", ttl=5), one) == ["other_value"]
    assert reasons(wanted("192.0.2.1", serial=2), one) == ["old_serial"]


def test_a_set_without_values_is_compared_with_that_of_the_newest_server() -> None:
    old, new = Answer("old", 1, www("192.0.2.1")), Answer("new", 2, www("192.0.2.2"))
    (lag,) = judge(Goal(KEY), [old, new])
    assert lag.server == "old"
    assert "192.0.2.1" in lag.message and "192.0.2.2" in lag.message
    assert judge(Goal(KEY), [old, Answer("same", 3, www("192.0.2.1"))]) == []


def test_no_server_at_all_is_no_agreement() -> None:
    assert reasons(Goal()) == ["no_server"]


def test_a_server_that_could_not_be_asked_lags_with_the_reason() -> None:
    for failure in ("unreachable", "not_auth", "timeout"):
        assert reasons(Goal(serial=1), Answer("a", failure=failure, message="says why")) == [failure]


def test_waiting_ends_as_soon_as_all_agree() -> None:
    said = [[Answer("a", 2), Answer("b", 1)], [Answer("a", 2), Answer("b", 2)]]
    clock = FakeClock()
    waited = wait_until(Goal(), lambda: said.pop(0), clock, 60, 2)
    assert (waited.lags, waited.rounds, clock.now) == ((), 2, 2)


@pytest.mark.parametrize(("timeout", "rounds"), [(0, 1), (1, 1), (10, 6)])
def test_waiting_ends_with_the_deadline_and_the_last_answers(timeout: float, rounds: int) -> None:
    clock = FakeClock()
    waited = wait_until(Goal(), lambda: [Answer("a", 2), Answer("b", 1)], clock, timeout, 2)
    assert (waited.rounds, [lag.server for lag in waited.lags]) == (rounds, ["b"])
    assert clock.now <= timeout


def test_nameservers_that_cannot_be_found_are_looked_for_again() -> None:
    rounds = []

    def look() -> Sequence[Answer]:
        rounds.append(1)
        if len(rounds) < 3:
            raise DnsFailure("timeout", "nobody answers")
        return [Answer("a", 1)]

    assert wait_until(Goal(), look, FakeClock(), 60, 1).rounds == 3
