# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading, planning, sending and reading back: the whole of one call against one zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from .._core.dns.model import Group, Key, Message, RRset
from .._core.dns.plan import Refused, Wanted, describe, pack, plan, settle
from .dns import NOERROR, RCODES, DnsClient, DnsFailure

ATTEMPTS = 5


@dataclass(frozen=True)
class Request:
    """What one call asks of a zone. ``expected`` are values that the only wanted set must have before the change."""

    zone: str
    wanted: Wanted
    given: Wanted = field(default_factory=dict)
    on_existing: Callable[[Key], str] = lambda key: "replace"
    expected: Optional[FrozenSet[str]] = None


@dataclass(frozen=True)
class Result:
    """What was done, or in check mode would be. ``rcode`` is None when nothing was sent.

    ``notes`` are sentences about sets that were kept, or that somebody else has changed since.
    """

    steps: Tuple[str, ...]
    before: Mapping[Key, RRset]
    after: Mapping[Key, RRset]
    notes: Tuple[str, ...] = ()
    rcode: Optional[int] = None
    messages: int = 0

    @property
    def changed(self) -> bool:
        return bool(self.steps)


def converge(client: DnsClient, request: Request, check: bool = False) -> Result:
    """Make the zone hold what is wanted. Raises DnsFailure, and Refused for what cannot be.

    A race lost to another writer is tried again from a new reading, except when ``expected`` says what the change is
    based on. An update without an answer is looked for afterwards: found there it is done, else its outcome is unknown.
    """
    done: List[str] = []
    first: Optional[Dict[Key, RRset]] = None
    sent = 0
    for attempt in range(1, ATTEMPTS + 1):
        observed = client.read(request.zone, list(request.wanted))
        before = {key: observed[key] for key in request.wanted if key in observed}
        first = before if first is None else first
        remaining, kept = settle(request.wanted, observed, request.on_existing, request.given)
        _refuse_kept(request, kept)
        messages = _messages(client, request.zone, remaining, observed, done)
        if messages:
            _check_expected(request, before)
        steps = [str(step) for message in messages for step in message.steps]
        if check or not messages:
            after = _wanted_state(remaining, before)
            rcode = NOERROR if sent else None
            return Result(tuple(done + (steps if check else [])), first, after, tuple(kept), rcode, sent)
        try:
            for message in messages:
                sent += 1
                _deliver(client, request, message)
                done.extend(str(step) for step in message.steps)
        except DnsFailure as failure:
            failure.done = tuple(done)
            if failure.reason == "lost_race" and request.expected is None and attempt < ATTEMPTS:
                continue
            raise
        after = _read_back(client, request, remaining, before, done)
        notes = kept + _changed_since(remaining, after)
        return Result(tuple(done), first, after, tuple(notes), NOERROR, sent)
    raise AssertionError("the last attempt returns or raises")


def _messages(
    client: DnsClient, zone: str, wanted: Wanted, observed: Mapping[Key, RRset], done: List[str]
) -> List[Message]:
    def measure(groups: Sequence[Group]) -> int:
        return client.size(zone, Message(tuple(groups)))

    try:
        return pack(plan(zone, wanted, observed), client.limit, measure)
    except Refused as refused:
        refused.done = tuple(done)
        raise


def converge_all(
    client: DnsClient, zones: Mapping[str, Tuple[Wanted, Wanted]], on_existing: str, check: bool = False
) -> Dict[str, Result]:
    """converge() for several zones, one after the other; a failure tells what was done in those before it."""
    results: Dict[str, Result] = {}
    for zone, (wanted, given) in zones.items():
        try:
            results[zone] = converge(client, Request(zone, wanted, given, lambda key: on_existing), check)
        except (DnsFailure, Refused) as failure:
            if not check:
                earlier = tuple(step for result in results.values() for step in result.steps)
                failure.done = earlier + failure.done
            raise
    return results


def _refuse_kept(request: Request, kept: List[str]) -> None:
    if kept and any(request.on_existing(key) == "keep_and_fail" for key in request.wanted):
        raise DnsFailure("exists", " ".join(kept) + " Nothing was changed.")


def _check_expected(request: Request, before: Mapping[Key, RRset]) -> None:
    if request.expected is None:
        return
    (key,) = request.wanted
    found = before.get(key)
    if (found.values if found else frozenset()) != request.expected:
        should = ", ".join(sorted(request.expected)) or "nothing"
        text = f"{key[0]} {key[1]} should be {should} before this change, but is {describe(found)}."
        raise DnsFailure("not_expected", f"{text} Nothing was changed.")


def _deliver(client: DnsClient, request: Request, message: Message) -> None:
    try:
        rcode = client.send(request.zone, message)
    except DnsFailure as failure:
        if not failure.sent:
            raise
        _look_for(client, request, message, failure)
        return
    if rcode != NOERROR:
        found = client.read(request.zone, [step.key for step in message.steps])
        text = "; ".join(_difference(step.before, found.get(step.key), step.key) for step in message.steps)
        raise DnsFailure(
            "lost_race",
            f"Somebody else changed the zone {request.zone} meanwhile ({RCODES.get(rcode, rcode)}): {text}."
            " Nothing of this message was changed.",
            rcode,
        )


def _difference(before: Optional[RRset], found: Optional[RRset], key: Key) -> str:
    return f"{key[0]} {key[1]} was {describe(before)}, is now {describe(found)}"


def _look_for(client: DnsClient, request: Request, message: Message, failure: DnsFailure) -> None:
    """After an update without an answer: return when the server has it, else say that nobody knows."""
    try:
        found = client.read(request.zone, [step.key for step in message.steps])
    except DnsFailure as second:
        raise DnsFailure(
            "unknown",
            f"{failure} Whether the update was made is not known, for the server cannot be asked: {second}"
            " Run it again when the server answers.",
        ) from None
    if all(found.get(step.key) == step.after for step in message.steps):
        return
    raise DnsFailure(
        "unknown",
        f"{failure} The server does not show the update, but may still make it. Run it again.",
    )


def _read_back(
    client: DnsClient, request: Request, remaining: Wanted, before: Mapping[Key, RRset], done: List[str]
) -> Dict[Key, RRset]:
    """What the server shows now. Raises DnsFailure ``ignored`` when it is what it was before the update."""
    found = client.read(request.zone, list(request.wanted))
    after = {key: found[key] for key in request.wanted if key in found}
    ignored = [
        f"{key[0]} {key[1]} is still {describe(after.get(key))}"
        for key, want in remaining.items()
        if after.get(key) != want and after.get(key) == before.get(key)
    ]
    if ignored:
        failure = DnsFailure(
            "ignored", f"The server answered NOERROR and did not do it: {'; '.join(ignored)}.", NOERROR
        )
        failure.done = tuple(done)
        raise failure
    return after


def _changed_since(remaining: Wanted, after: Mapping[Key, RRset]) -> List[str]:
    """Sets that were written, and then written again by somebody else before they were read back."""
    return [
        f"{key[0]} {key[1]} was changed again by somebody else, and is now {describe(after.get(key))}."
        for key, want in remaining.items()
        if after.get(key) != want
    ]


def _wanted_state(remaining: Wanted, before: Mapping[Key, RRset]) -> Dict[Key, RRset]:
    after = dict(before)
    for key, want in remaining.items():
        after.pop(key, None)
        if want is not None:
            after[key] = want
    return after
