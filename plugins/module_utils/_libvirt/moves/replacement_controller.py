# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of the way from macvtap to a bridge: a confirmed change of the network, with guests before and after."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ..._network.rollback.commit_controller import Commit, Host, Unreachable

AGAIN = "Run this again, which goes on from there"


class Replacing:
    """What ``Commit`` takes for the host. The change begins with the guests, and is confirmed only when they answer."""

    def __init__(self, host: Host, part: Callable[[Dict[str, Any], bool], Dict[str, Any]]) -> None:
        self._host = host
        self._part = part
        self._begun: Dict[str, Any] = {}

    def call(self, arguments: Dict[str, Any], fresh: bool, moved: bool = False) -> Dict[str, Any]:
        if arguments["state"] == "applied":
            self._begun = self._part({**arguments, "state": "begun"}, False)
            return {**self._begun, "changed": bool(self._begun.get("begun"))}
        if arguments["state"] == "confirmed":
            guests = {f"guest {name}": addresses for name, addresses in self._begun["state"]["answering"].items()}
            arguments = {**arguments, "checks": {**arguments["checks"], "afterwards": guests}}
        return self._host.call(arguments, fresh, moved)

    def run(self, commit: Commit, given: Dict[str, Any]) -> Dict[str, Any]:
        """All of it: the result, or a failure after which everything is as it was, if it can be."""
        result = commit.run(given, given.get("checks") or {})
        if self._begun.get("failed") or not self._begun.get("needed"):
            return self._begun
        if result.get("failed"):
            return self._failed(result, given)
        try:
            done = self._part({**given, "state": "finished"}, True)
        except Unreachable as error:
            done = {"failed": True, "reason": "lost", "msg": f"The host has its bridge, but does not answer any more: {error}. {AGAIN}."}
        state = {**self._begun["state"], **result.get("state", {}), **done.get("state", {})}
        return {**result, **self._said(), **{key: done[key] for key in ("failed", "reason", "msg") if key in done}, "state": state}

    def _said(self) -> Dict[str, Any]:
        return {"changed": True, "steps": self._begun["steps"], "diff": self._begun["diff"]}

    def _failed(self, result: Dict[str, Any], given: Dict[str, Any]) -> Dict[str, Any]:
        """The host's network is as it was, or it is not known; only in the first case may guests return."""
        if result.get("reason") != "rolled_back":
            more = f"The guests are on the bridge, and what each was is noted. {AGAIN}"
            return {**result, **self._said(), "msg": f"{result['msg']} {more}."}
        try:
            back = self._part({**given, "state": "returned"}, True)
        except Unreachable as error:
            back = {"failed": True, "msg": f"the host does not answer: {error}."}
        if back.get("failed"):
            more = f"The guests could not be brought back: {back.get('msg', 'no reason').rstrip('.')}. {AGAIN}"
            return {**result, **self._said(), "reason": "stuck", "msg": f"{result['msg']} {more}."}
        state = {**result.get("state", {}), **back["state"]}
        return {**result, "changed": False, "steps": [], "diff": [], "state": state, "msg": f"{result['msg']} The guests are on their macvtaps again."}
