# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole zones, where what is not wanted goes, and several zones in one call.

Every message that deletes by ``prune`` is planned on a zone as it was transferred, and says in its prerequisites that
the zone still has the SOA record it had then, so that nobody has written anything in between (optimistic locking of the
whole zone). The conditions on the single sets are sent too: Knot counts up the SOA once for several updates that it
takes together, and a server may count up later than it changes (RFC 2136 section 3.6).
"""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ..client import NOERROR, DnsClient, DnsFailure
from ..model import Key, Message, Prerequisite, RRset, Seen, Step, ZoneContents
from ..zones.lone_ds import objections
from .apply_client import (
    Request,
    Result,
    changed_since,
    converge,
    deliver,
    messages_for,
    patiently,
    refuse_ignored,
    refuse_kept,
    state_after,
    texts_of,
    that_show,
)
from .plan import Refused, Wanted, settle
from .prune import complete, ignored
from .request import Desired

RACES = 12  # lost in a row; each writer in the zone makes one
MESSAGES = 1000  # each at most 64 kilobytes; more is a zone that somebody fills as fast as it is pruned


def pause(lost: int) -> None:
    """Wait a moment after a lost race, longer and less predictably each time, so that rivals do not keep in step."""
    time.sleep(random.uniform(0, min(0.05 * 2**lost, 2.0)))


def converge_all(client: DnsClient, zones: Mapping[str, Desired], on_existing: str, check: bool = False) -> Dict[str, Result]:
    """Several zones, one after the other; a failure tells what was done in those before it."""
    results: Dict[str, Result] = {}
    for zone, desired in zones.items():
        request = Request(zone, desired.wanted, desired.given, partial(_choice, desired.on_existing, on_existing))
        try:
            if desired.prune:
                results[zone] = Pruning(client, request, desired).run(check)
            else:
                results[zone] = converge(client, request, check)
        except (DnsFailure, Refused) as failure:
            if not check:
                earlier = tuple(step for result in results.values() for step in result.steps)
                failure.done = earlier + failure.done
            raise
    return results


def _choice(own: Mapping[Key, str], default: str, key: Key) -> str:
    return own.get(key, default)


class Pruning:
    """One call against a whole zone. When it needs several messages, the zone is read anew before each."""

    def __init__(self, client: DnsClient, request: Request, desired: Desired, wait: Callable[[int], None] = pause) -> None:
        self.client = client
        self.request = request
        self.ignore = desired.ignore
        self.wait = wait
        self.done: List[Step] = []  # of all messages that were answered NOERROR
        self.showing: List[Step] = []  # of these, without what a later reading shows not to have happened
        self.sent = 0
        self.first: Optional[Mapping[Key, RRset]] = None

    def run(self, check: bool = False) -> Result:
        """Raises DnsFailure, and Refused for what cannot be; both tell what earlier messages did."""
        try:
            return self._run(check)
        except (DnsFailure, Refused) as failure:
            failure.done = texts_of(self.showing)
            raise

    def _run(self, check: bool) -> Result:
        lost, sent_all = 0, False
        kept: List[str] = []
        remaining: Wanted = {}
        written: Wanted = {}
        before: Mapping[Key, RRset] = {}
        while self.sent < MESSAGES:
            contents = patiently(partial(self._read, written, before))
            now = self._ours(contents)
            if sent_all:
                return self._result(self.showing, now, [*kept, *changed_since(remaining, now)])
            self.first = now if self.first is None else self.first
            remaining, kept = self._remaining(contents)
            messages = self._messages(contents, remaining)
            if check or not messages:
                steps = [step for message in messages for step in message.steps]
                return self._result([*self.showing, *steps], state_after(remaining, now), kept)
            try:
                self._send(messages[0])
            except DnsFailure as failure:
                lost += 1
                if failure.reason != "lost_race" or lost == RACES:
                    raise
                self._check_lock(contents)
                self.wait(lost)
                continue
            lost, sent_all, before = 0, len(messages) == 1, now
            written = {step.key: step.after for step in messages[0].steps}
        raise DnsFailure("lost_race", f"The zone {self.request.zone} is written to as fast as it can be read.")

    def _read(self, written: Wanted, before: Mapping[Key, RRset]) -> ZoneContents:
        contents = self.client.transfer(self.request.zone)
        ours = self._ours(contents)
        self.showing = that_show(self.done, ours)
        refuse_ignored(written, before, ours, self.done)
        return contents

    def _ours(self, contents: ZoneContents) -> Dict[Key, RRset]:
        return {key: one for key, one in contents.sets.items() if not ignored(key, self.ignore)}

    def _remaining(self, contents: ZoneContents) -> Tuple[Wanted, List[str]]:
        request = self.request
        wanted = complete(request.zone, request.wanted, contents.sets, self.ignore)
        remaining, kept = settle(wanted, contents.sets, request.on_existing, request.given)
        refuse_kept(request, kept)
        reasons = objections(request.zone, remaining, contents.sets, contents.sets)
        if reasons:
            raise Refused(reasons)
        return remaining, kept

    def _messages(self, contents: ZoneContents, remaining: Wanted) -> List[Message]:
        lock = Prerequisite("equals", contents.zone, "SOA", contents.soa.spelled)
        seen = Seen(contents.sets)
        seen.unused = frozenset(name for name, _kind in remaining) - {name for name, _kind in contents.sets}
        return messages_for(self.client, contents.zone, remaining, seen, texts_of(self.showing), (lock,))

    def _send(self, message: Message) -> None:
        self.sent += 1
        deliver(self.client, self.request.zone, message)
        self.done.extend(message.steps)
        self.showing = list(self.done)

    def _check_lock(self, contents: ZoneContents) -> None:
        """A condition that fails though nobody wrote: the server compares with another zone than it shows."""
        if self.client.transfer(contents.zone) == contents:
            raise DnsFailure(
                "hidden_zone",
                f"The server keeps another zone {contents.zone[:-1]} for updates than it shows, so a whole zone cannot"
                " be compared. With BIND, set 'inline-signing no' for it (updates are signed as well without), or do"
                " not use prune.",
            )

    def _result(self, steps: List[Step], after: Mapping[Key, RRset], notes: List[str]) -> Result:
        rcode = NOERROR if self.sent else None
        return Result(texts_of(steps), self.first or {}, after, tuple(notes), rcode, self.sent)
