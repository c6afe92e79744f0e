# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a confirmed change: begin it, come back by a new connection, and confirm it or see it undone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Protocol

from ..._shared.quoting import visible_lines
from ..._system.clock import Clock
from .phases import CONFIRMED, RESTORED
from .rollback_host import change_id

HOPELESS = ("expired", "none", "token", "stuck", "unsettled")
"""Reasons of a refusal that another try cannot change."""
UNWATCHED = "unwatched"
"""Reason of a refusal after which the change is still there, and no timer takes it back."""
AFTER = 30.0
"""Seconds that a node gets to answer again after its time is up."""
RESTORING = 90.0
"""Seconds more for one that answers, and is still rolling the change back."""
SLOW = 1.0
"""Seconds after which the first answer over a new connection is called late, if it says that the change was rolled back."""
REMEDY = "Correct the inventory, or what the checks need, and run again"


class Unreachable(Exception):
    """The node gave no answer over this connection. The text may be what the other end sent."""

    def __init__(self, text: str) -> None:
        super().__init__(visible_lines(text))


class Host(Protocol):
    """The node, asked over a connection of its own for each call. Raises Unreachable."""

    def call(self, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
        """The module's result. ``fresh``: over a new connection; ``moved``: at the address that the change gives it."""
        ...  # pylint: disable=unnecessary-ellipsis


@dataclass
class Commit:
    """One change of one host, from the controller. ``tries`` are what was said by each attempt to confirm it."""

    host: Host
    clock: Clock
    token: str
    timeout: float
    delay: float = 1.0
    pause: float = 1.0
    tries: List[str] = field(default_factory=list)

    def run(self, arguments: Dict[str, Any], checks: Dict[str, Any]) -> Dict[str, Any]:
        """The module's result for ``arguments``, confirmed, or failed with what was tried, restored and why."""
        result = self.host.call({**arguments, "state": "applied", "token": self.token, "delay": self.delay}, fresh=False)
        begun = self.clock.monotonic()
        if result.get("failed") or not result.get("changed"):
            return result
        self.clock.sleep(self.delay)
        confirmed = self._confirm(checks, result, begun + self.timeout / 2)
        if confirmed is not None and not confirmed.get("failed"):
            return self._succeeded(result, confirmed, begun)
        return self._failed(result, confirmed, begun)

    def _succeeded(self, result: Dict[str, Any], confirmed: Dict[str, Any], begun: float) -> Dict[str, Any]:
        took = {"confirmed_after": round(self.clock.monotonic() - begun - self.delay, 1)}
        warnings = [*result.get("warnings", []), *confirmed.get("warnings", [])]
        return {**result, "changed": True, "state": {**confirmed.get("state", {}), **took}, "warnings": warnings}

    def _observed(self) -> Dict[str, Any]:
        """What the host says of itself, at the address that it had or at the one that the change gives it."""
        try:
            return self.host.call({"state": "observed"}, fresh=True)
        except Unreachable:
            return self.host.call({"state": "observed"}, fresh=True, moved=True)

    def _confirm(self, checks: Dict[str, Any], result: Dict[str, Any], until: float) -> Optional[Dict[str, Any]]:
        """Try again until it is confirmed, refused for good, or half of the time is over. None: it never answered.

        A host that has not carried it out yet has nothing to roll back, and gets the other half too.
        """
        arguments = {"state": "confirmed", "token": self.token, "checks": checks, "checked_before": result["state"]["checks"]}
        answer: Optional[Dict[str, Any]] = None
        while True:
            started = self.clock.monotonic()
            try:
                answer = self.host.call(arguments, fresh=True, moved=True)
                said = "" if not answer.get("failed") else _reason(answer)
                took = self.clock.monotonic() - started
                if answer.get("reason") == "expired" and not self.tries and took >= SLOW:
                    self.tries.append(f"no new connection, for {took:.0f} s, before it was rolled back")
                if not said or answer.get("reason") in (*HOPELESS, UNWATCHED):
                    return answer
            except Unreachable as error:
                said = f"no new connection: {str(error).rstrip('.: ')}"
            if said not in self.tries:
                self.tries.append(said)
            early = answer is not None and answer.get("reason") == "early"
            if self.clock.monotonic() >= until + (self.timeout / 2 if early else 0):
                return answer
            self.clock.sleep(self.pause)

    def _failed(self, result: Dict[str, Any], answer: Optional[Dict[str, Any]], begun: float) -> Dict[str, Any]:
        """Have it rolled back at once where the node answers, else wait until it has done so by itself."""
        why = "; ".join(self.tries) or _reason(answer or {})
        last: Dict[str, Any] = {}
        ends = begun + self.delay + self.timeout + AFTER
        asked = False
        while self.clock.monotonic() < ends + (RESTORING if "state" in last else 0):
            try:
                if not asked and answer is not None and answer.get("reason") not in HOPELESS:
                    undo = {"state": "rolled_back", "token": self.token, "because": f"the controller did not confirm it: {why}"}
                    self.host.call(undo, fresh=True, moved=True)
                    asked = True
                last = self._observed()
                if not last.get("failed") and not last["state"]["under_way"]:
                    return self._ended(result, why, last, begun)
            except Unreachable as error:
                last = {"msg": str(error)}
            asked = True
            self.clock.sleep(self.pause)
        if "state" in last:
            now = f"{AFTER + RESTORING:g} s after its time was up the host is still rolling it back"
        else:
            now = f"the host does not answer {AFTER:g} s after its time was up: {last.get('msg', 'no reason')}"
        remedy = "Look at its console: journalctl --unit=smallfleet-network-rollback.service says what it did"
        return {**result, "failed": True, "reason": "lost", "msg": f"The change was not confirmed ({why}), and {now}. {remedy}."}

    def _ended(self, result: Dict[str, Any], why: str, last: Dict[str, Any], begun: float) -> Dict[str, Any]:
        """No change is pending any more: what became of it is what the host says, which may have heard what it could not answer."""
        known = last["state"].get("last") or {}
        phase = known.get("phase") if known.get("id") == change_id(self.token) else ""
        if phase == CONFIRMED:
            heard = f"The host was told to confirm the change and did, but its answer was lost ({why})"
            return self._succeeded(result, {**last, "warnings": [heard]}, begun)
        if phase == RESTORED:
            return {**result, "changed": False, "failed": True, "reason": "rolled_back", **_told(self.tries or [why], last)}
        text = f"The change was not confirmed ({why}), nothing watches over it any more, and the host does not say that it was rolled back"
        remedy = "Look at its network, and run again: that begins by rolling back what is left of it"
        return {**result, "failed": True, "reason": "unknown", "state": last["state"], "msg": f"{text}. {remedy}."}


def _told(tries: List[str], last: Dict[str, Any]) -> Dict[str, Any]:
    """What was restored, and why. What was tried is in ``steps``: Ansible prints a message of a failure twice, and the result too."""
    restored, differs = last["state"]["last"]["reason"], last["state"]["last"].get("differs")
    text = f"The network of this host is as it was before: the change was rolled back, because {restored}"
    if differs is None:
        text = f"The change was rolled back, because {restored}. What the kernel has now was not compared with what it had before"
    elif differs:
        text = f"The change was rolled back, because {restored}, but the network of this host is not as it was before: {'; '.join(differs)}"
    why = "; ".join(one for one in tries if restored not in one)
    more = "" if why in restored else f" It could not be confirmed: {why}."
    return {"state": last["state"], "msg": f"{text}.{more} {REMEDY}. The steps that were tried are in the result."}


def _reason(answer: Dict[str, Any]) -> str:
    return str(answer.get("msg", "it gave no reason")).rstrip(".")
