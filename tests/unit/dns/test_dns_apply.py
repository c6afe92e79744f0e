# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One whole call against a server in memory: races, silence, lost answers, check mode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Iterator, Optional

import pytest
from fakes import FakeDns

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update import apply_client as dns_apply
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import ATTEMPTS, Request, converge

ZONE = "example.net."
WWW = ("www.example.net.", "CNAME")
OLD = RRset(*WWW, 5, frozenset({"app1.example.net."}))
NEW = RRset(*WWW, 5, frozenset({"app2.example.net."}))
THIRD = RRset(*WWW, 5, frozenset({"app3.example.net."}))


@pytest.fixture(autouse=True, scope="module")
def impatient() -> Iterator[None]:
    """A server in memory shows at once what it does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_apply, "PATIENCE", ())
        yield


def swap(want: Optional[RRset] = NEW, **more: Any) -> Request:
    return Request(ZONE, {WWW: want}, **more)


def server(*sets: RRset, **more: Any) -> FakeDns:
    return FakeDns(ZONE, {one.key: one for one in sets}, **more)


def put(one: RRset, times: int = 1) -> Any:
    """A rival that writes this set before each of the first updates."""
    left = [times]

    def meddle(at: FakeDns) -> None:
        if left[0]:
            left[0] -= 1
            at.sets[one.key] = RRset(*one.key, one.ttl, frozenset({f"{left[0]}.{value}" for value in one.values}))

    return meddle


def test_a_swap_is_one_message_and_the_second_run_sends_none() -> None:
    at = server(OLD)
    first = converge(at, swap())
    assert (first.changed, first.before, first.after, first.rcode) == (True, {WWW: OLD}, {WWW: NEW}, 0)
    second = converge(at, swap())
    assert (second.changed, second.rcode, len(at.sent)) == (False, None, 1)


def test_check_mode_says_the_same_and_sends_nothing() -> None:
    at = server(OLD)
    said = converge(at, swap(), check=True)
    assert at.sent == []
    done = converge(at, swap())
    assert (said.steps, said.before, said.after) == (done.steps, done.before, done.after)


def test_compare_and_swap_refuses_another_value_before_sending() -> None:
    at = server(THIRD)
    with pytest.raises(DnsFailure, match="should be app1.example.net. before this change, but is app3") as caught:
        converge(at, swap(expected=OLD))
    assert (caught.value.reason, at.sent) == ("not_expected", [])


def test_compare_and_swap_with_nothing_expected_creates_only() -> None:
    assert converge(server(), swap(expected=RRset(*WWW, 0, frozenset()))).changed
    with pytest.raises(DnsFailure, match="should be nothing before"):
        converge(server(OLD), swap(expected=RRset(*WWW, 0, frozenset())))


def test_compare_and_swap_run_again_after_it_was_done_changes_nothing() -> None:
    assert not converge(server(NEW), swap(expected=OLD)).changed


def test_a_lost_race_of_compare_and_swap_names_what_is_there_instead() -> None:
    at = server(OLD, meddle=put(THIRD))
    with pytest.raises(DnsFailure, match="is now 0.app3.example.net.") as caught:
        converge(at, swap(expected=OLD))
    assert (caught.value.reason, caught.value.rcode, len(at.sent)) == ("lost_race", 8, 1)
    assert at.sets[WWW].values == {"0.app3.example.net."}


def test_a_lost_race_without_condition_is_tried_again() -> None:
    at = server(OLD, meddle=put(THIRD, 2))
    assert converge(at, swap()).after == {WWW: NEW}
    assert len(at.sent) == 3


def test_a_race_that_is_always_lost_ends() -> None:
    at = server(OLD, meddle=put(THIRD, 99))
    with pytest.raises(DnsFailure) as caught:
        converge(at, swap())
    assert (caught.value.reason, len(at.sent)) == ("lost_race", ATTEMPTS)


def test_noerror_is_not_believed() -> None:
    with pytest.raises(DnsFailure, match="is still app1.example.net.") as caught:
        converge(server(OLD, deaf=True), swap())
    assert (caught.value.reason, caught.value.done) == ("ignored", ())


def test_steps_are_those_that_the_server_did_and_not_those_it_left_out() -> None:
    """A server that answers NOERROR and leaves out one set of two, as BIND does with a DS where there is no delegation."""
    other = RRset("other.example.net.", "A", 5, frozenset({"192.0.2.1"}))
    at = server(OLD)
    real = at.send

    def send_without_the_swap(zone: str, message: Any) -> int:
        rcode = real(zone, message)
        at.sets[WWW] = OLD
        return rcode

    at.send = send_without_the_swap  # type: ignore[method-assign]
    with pytest.raises(DnsFailure) as caught:
        converge(at, Request(ZONE, {WWW: NEW, other.key: other}))
    assert (caught.value.reason, caught.value.done) == ("ignored", ("create other.example.net. A",))


def test_a_ttl_that_the_server_cuts_is_an_error_with_the_ttl_to_write_and_in_each_run_the_same() -> None:
    long = RRset("long.example.net.", "A", 691200, frozenset({"192.0.2.1"}))
    at = server(OLD)
    real = at.send

    def send_with_a_limit(zone: str, message: Any) -> int:
        rcode = real(zone, message)
        at.sets.update({key: replace(one, ttl=min(one.ttl, 86400)) for key, one in at.sets.items()})
        return rcode

    at.send = send_with_a_limit  # type: ignore[method-assign]
    for done in (("create long.example.net. A",), ()):
        with pytest.raises(DnsFailure, match="long.example.net. A has a TTL of 86400 and not 691200. .* Write a ttl of at most 86400, or") as caught:
            converge(at, Request(ZONE, {long.key: long}))
        assert (caught.value.reason, caught.value.done) == ("ignored", done)
    fits = replace(long, ttl=86400)
    assert not converge(at, Request(ZONE, {long.key: fits})).changed


def test_steps_of_a_message_that_was_left_out_are_none_when_a_later_one_fails() -> None:
    wanted: Dict[Key, Optional[RRset]] = {
        (f"n{i:04}.example.net.", "TXT"): RRset(f"n{i:04}.example.net.", "TXT", 5, frozenset({"x" * 250})) for i in range(500)
    }
    at = server(deaf=True)

    def meddle(here: FakeDns) -> None:
        if here.sent:
            here.fail = DnsFailure("refused", "REFUSED.", rcode=5)

    at.meddle = meddle
    with pytest.raises(DnsFailure) as caught:
        converge(at, Request(ZONE, wanted))
    assert (caught.value.reason, caught.value.done) == ("refused", ())


def test_a_lost_answer_to_an_update_that_was_made_is_a_success() -> None:
    at = server(OLD, fail=DnsFailure("timeout", "No answer.", sent=True), fail_after=True)
    assert converge(at, swap()).after == {WWW: NEW}


def test_a_lost_answer_to_an_update_that_is_not_there_is_unknown() -> None:
    at = server(OLD, fail=DnsFailure("timeout", "No answer.", sent=True))
    with pytest.raises(DnsFailure) as caught:
        converge(at, swap())
    assert caught.value.reason == "unknown"


def test_a_refusal_is_not_mistaken_for_a_lost_answer() -> None:
    at = server(OLD, fail=DnsFailure("refused", "REFUSED.", rcode=5))
    with pytest.raises(DnsFailure) as caught:
        converge(at, swap())
    assert caught.value.reason == "refused"


def test_keep_and_fail_changes_nothing_and_says_what_is_there() -> None:
    at = server(OLD)
    with pytest.raises(DnsFailure, match="exists with other data: app1") as caught:
        converge(at, swap(on_existing=lambda _: "keep_and_fail"))
    assert (caught.value.reason, at.sent) == ("exists", [])
    kept = converge(at, swap(on_existing=lambda _: "keep_and_warn"))
    assert (kept.changed, len(kept.notes)) == (False, 1)


def test_a_rival_after_the_write_is_told_and_not_called_a_failure() -> None:
    at = server(OLD)
    real = at.send

    def send_and_meddle(zone: str, message: Any) -> int:
        rcode = real(zone, message)
        at.sets[WWW] = THIRD
        return rcode

    at.send = send_and_meddle  # type: ignore[method-assign]
    result = converge(at, swap())
    assert result.changed and "changed again by somebody else" in result.notes[0]


def test_what_was_done_before_a_failure_is_told() -> None:
    wanted: Dict[Key, Optional[RRset]] = {
        (f"n{i:04}.example.net.", "TXT"): RRset(f"n{i:04}.example.net.", "TXT", 5, frozenset({"x" * 250})) for i in range(500)
    }
    at = server()

    def meddle(here: FakeDns) -> None:
        if here.sent:
            here.fail = DnsFailure("refused", "REFUSED.", rcode=5)

    at.meddle = meddle
    with pytest.raises(DnsFailure) as caught:
        converge(at, Request(ZONE, wanted))
    assert 0 < len(caught.value.done) == len(at.sets) < 500
