# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a confirmed change, with a host that answers from a list."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple, Union

import pytest
from fakes import FakeClock

from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.commit_controller import AFTER, RESTORING, Commit, Unreachable
from ansible_collections.smallfleet.infra.plugins.module_utils._network.rollback.rollback_host import change_id

BEGUN = {"changed": True, "steps": ["ip link set dev eth0 master br0"], "state": {"checks": {"gateway": "", "name x": "no"}}}
TOKEN = "a token of this change"
OURS = {"id": change_id(TOKEN), "phase": "restored", "reason": "nobody confirmed it within 90 s", "differs": []}
CONFIRMED = {"changed": True, "state": {"checks": {}, "under_way": None, "last": {**OURS, "phase": "confirmed", "reason": ""}}}
RESTORED = {"changed": False, "state": {"under_way": None, "last": OURS}}
WAITING = {"changed": False, "state": {"under_way": {"id": "1"}, "last": None}}
UNDONE = {"changed": True, "state": {"under_way": None, "last": None}}
CHECK = {"failed": True, "reason": "check", "msg": "the gateway does not answer."}
Answer = Union[Dict[str, Any], str]


class Listed:
    """Answers by state: the last entry of each list is given again and again; a text is a lost connection."""

    def __init__(self, **answers: List[Answer]) -> None:
        self.answers = {"applied": [BEGUN], **answers}
        self.calls: List[Tuple[str, bool, bool]] = []
        self.given: List[Dict[str, Any]] = []

    def call(self, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
        state = arguments["state"]
        self.calls.append((state, fresh, moved))
        self.given.append(arguments)
        waiting = self.answers[state]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, str):
            raise Unreachable(answer)
        return answer


def run(host: Listed) -> Tuple[Dict[str, Any], FakeClock]:
    clock = FakeClock()
    return Commit(host, clock, TOKEN, 90.0).run({"desired": {}}, {"gateway": True}), clock


def test_a_change_is_confirmed_over_a_new_connection_with_its_token_and_what_was_checked_before() -> None:
    host = Listed(confirmed=["no route", CONFIRMED])
    result, _clock = run(host)
    assert (result["changed"], result["state"]["last"]["phase"]) == (True, "confirmed")
    assert host.calls == [("applied", False, False), ("confirmed", True, True), ("confirmed", True, True)]
    assert host.given[1]["token"] == host.given[0]["token"]
    assert host.given[1]["checked_before"] == {"gateway": "", "name x": "no"}


def test_what_changes_nothing_or_is_refused_is_not_confirmed() -> None:
    for answer in ({"changed": False}, {"failed": True, "msg": "busy"}):
        host = Listed(applied=[answer])
        assert run(host)[0] == answer
        assert len(host.calls) == 1


def test_a_check_that_fails_for_half_of_the_time_has_the_change_taken_back_at_once() -> None:
    host = Listed(confirmed=[CHECK], rolled_back=[UNDONE], observed=[RESTORED])
    result, clock = run(host)
    assert result["failed"] and result["reason"] == "rolled_back"
    assert "the gateway does not answer" in result["msg"] and " is as it was before" in result["msg"]
    assert 45 <= clock.now < 50


def test_a_host_that_is_cut_off_is_waited_for_until_it_has_gone_back_by_itself() -> None:
    host = Listed(confirmed=["timed out"], observed=[*["timed out"] * 20, WAITING, RESTORED])
    result, _clock = run(host)
    assert result["reason"] == "rolled_back"
    assert "nobody confirmed it within 90 s" in result["msg"] and "no new connection: timed out" in result["msg"]
    assert not any(state == "rolled_back" for state, _fresh, _moved in host.calls)
    assert [call for call in host.calls if call[0] == "observed"][0] == ("observed", True, False)


def test_the_steps_of_a_change_that_was_rolled_back_are_in_the_result_once() -> None:
    for answers in ({"confirmed": [CHECK], "rolled_back": [UNDONE], "observed": [RESTORED]}, {"confirmed": ["timed out"], "observed": [RESTORED]}):
        result, _clock = run(Listed(**answers))
        assert result["reason"] == "rolled_back" and result["steps"] == BEGUN["steps"]
        assert all(str(result).count(step) == 1 for step in result["steps"])


@pytest.mark.parametrize("differs", [["missing: route 4 unicast default via 192.0.2.1 dev eth0", "added: address 4 192.0.2.9/24 dev eth0"], None])
def test_only_what_was_compared_and_is_the_same_is_called_as_it_was_before(differs: Any) -> None:
    last = {**OURS, "differs": differs}
    restored = {"changed": False, "state": {"under_way": None, "last": last}}
    result, _clock = run(Listed(confirmed=[CHECK], rolled_back=[UNDONE], observed=[restored]))
    assert result["reason"] == "rolled_back" and "nobody confirmed it within 90 s" in result["msg"]
    assert " is as it was before" not in result["msg"]
    assert ("; ".join(differs) if differs else "was not compared") in result["msg"]


def test_a_rollback_says_what_failed_in_whole_sentences_and_what_to_do() -> None:
    result, _clock = run(Listed(confirmed=["Make sure this host can be reached over ssh:"], observed=[RESTORED]))
    assert "; nobody" not in result["msg"] and "was rolled back, because nobody confirmed it" in result["msg"]
    assert "It could not be confirmed: no new connection: Make sure this host can be reached over ssh. Correct the inventory, or" in result["msg"]


def test_what_a_host_says_of_its_own_rollback_is_not_said_twice() -> None:
    expired = {"failed": True, "reason": "expired", "msg": "The change was rolled back: nobody confirmed it within 90 s. Find out why."}
    result, _clock = run(Listed(confirmed=[expired], observed=[RESTORED]))
    assert result["msg"].count("nobody confirmed it") == 1 and "could not be confirmed" not in result["msg"]


def test_a_connection_that_stands_only_after_the_rollback_is_named_as_the_reason() -> None:
    expired = {"failed": True, "reason": "expired", "msg": "The change was rolled back: nobody confirmed it within 90 s. Find out why."}
    clock = FakeClock()

    class Slow(Listed):
        def call(self, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
            clock.sleep(93.0 if arguments["state"] == "confirmed" else 0.0)
            return super().call(arguments, fresh, moved)

    result = Commit(Slow(confirmed=[expired], observed=[RESTORED]), clock, TOKEN, 90.0).run({"desired": {}}, {})
    assert "nobody confirmed it within 90 s. It could not be confirmed: no new connection, for 93 s, before it was rolled back." in result["msg"]


def test_a_host_that_has_not_carried_it_out_yet_gets_all_of_the_time() -> None:
    early = {"failed": True, "reason": "early", "msg": "The change has not been carried out yet."}
    host = Listed(confirmed=[*[early] * 60, CONFIRMED])
    result, clock = run(host)
    assert not result.get("failed") and 45 < clock.now < 90
    result, clock = run(Listed(confirmed=[early], rolled_back=[UNDONE], observed=[RESTORED]))
    assert result["reason"] == "rolled_back" and 90 <= clock.now < 95


def test_a_refusal_that_no_other_try_can_change_is_not_tried_again() -> None:
    refused = {"failed": True, "reason": "expired", "msg": "The change was rolled back: the kernel refused a request."}
    host = Listed(confirmed=[refused], observed=[RESTORED])
    assert run(host)[0]["reason"] == "rolled_back"
    assert [state for state, _fresh, _moved in host.calls] == ["applied", "confirmed", "observed"]


def test_a_change_whose_timer_was_stopped_is_rolled_back_at_once() -> None:
    refused = {"failed": True, "reason": "unwatched", "msg": "The timer of the change was stopped."}
    host = Listed(confirmed=[refused], rolled_back=[UNDONE], observed=[RESTORED])
    result, _clock = run(host)
    assert result["reason"] == "rolled_back" and "The timer of the change was stopped" in result["msg"]
    assert [state for state, _fresh, _moved in host.calls] == ["applied", "confirmed", "rolled_back", "observed"]


def test_a_host_that_confirmed_the_change_and_could_not_say_so_is_believed_when_it_can() -> None:
    heard = {**CONFIRMED, "changed": False}
    result, _clock = run(Listed(confirmed=["the connection broke"], observed=["timed out", "timed out", heard]))
    assert not result.get("failed") and result["changed"]
    assert result["state"]["last"]["phase"] == "confirmed"
    assert "its answer was lost (no new connection: the connection broke)" in result["warnings"][0]


@pytest.mark.parametrize("last", [None, {**OURS, "phase": "applied"}, {**OURS, "id": "somebody else's"}])
def test_what_the_host_does_not_say_is_called_unknown(last: Any) -> None:
    silent = {"changed": False, "state": {"under_way": None, "last": last}}
    result, _clock = run(Listed(confirmed=["timed out"], observed=[silent]))
    assert (result["failed"], result["reason"]) == (True, "unknown")
    assert "as it was before" not in result["msg"]


def test_a_host_that_is_found_at_its_new_address_only_is_asked_there() -> None:
    class Moved(Listed):
        def call(self, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
            if fresh and not moved:
                raise Unreachable("nobody is there")
            return super().call(arguments, fresh, moved)

    result, _clock = run(Moved(confirmed=["the connection broke"], observed=[{**CONFIRMED, "changed": False}]))
    assert result["changed"] and result["state"]["last"]["phase"] == "confirmed"


def test_a_host_that_never_answers_again_is_called_lost() -> None:
    result, clock = run(Listed(confirmed=["timed out"], observed=["timed out"]))
    assert (result["failed"], result["reason"]) == (True, "lost")
    assert "smallfleet-network-rollback" in result["msg"]
    assert clock.now >= 90 + AFTER


def test_a_slow_host_that_is_still_at_taking_it_back_is_given_more_time() -> None:
    expired = {"failed": True, "reason": "expired", "msg": "The change was rolled back: nobody confirmed it within 90 s."}
    slow: List[Answer] = [WAITING] * 150
    result, clock = run(Listed(confirmed=[expired], observed=[*slow, RESTORED]))
    assert result["reason"] == "rolled_back" and "as it was before" in result["msg"]
    assert clock.monotonic() > 90.0 + AFTER
    result, clock = run(Listed(confirmed=[expired], observed=[WAITING]))
    assert result["reason"] == "lost" and "still rolling it back" in result["msg"]
    assert clock.monotonic() <= 90.0 + AFTER + RESTORING + 3
