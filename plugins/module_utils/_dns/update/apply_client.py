# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading, planning, sending and reading back: the whole of one call against one zone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple, TypeVar

from ..client import NOERROR, RCODES, DnsClient, DnsFailure
from ..model import Group, Key, Message, Prerequisite, RRset, Seen, Step
from ..query.contents_client import held, look, unseen_ttls
from ..txt import fitted
from ..zones.lone_ds import companions, objections
from .plan import Refused, Wanted, describe, pack, plan, settle

ATTEMPTS = 5
PATIENCE = (0.1, 0.3, 0.9)  # BIND with inline-signing shows an update a moment after it took it
_TOLD = 8  # sets in one sentence

Found = TypeVar("Found")


@dataclass(frozen=True)
class Request:
    """What one call asks of named sets. ``expected`` is a set whose values the only one must have before the change."""

    zone: str
    wanted: Wanted
    given: Wanted = field(default_factory=dict)
    on_existing: Callable[[Key], str] = lambda key: "replace"
    expected: Optional[RRset] = None


@dataclass(frozen=True)
class Result:
    """What was done and shows, or in check mode would be done. ``rcode`` is None when nothing was sent.

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
    done: List[Step] = []
    first: Optional[Dict[Key, RRset]] = None
    sent = 0
    for attempt in range(1, ATTEMPTS + 1):
        observed = held(client, request.zone, list(request.wanted), request.wanted.values())
        done = that_show(done, observed)
        before = {key: observed[key] for key in request.wanted if key in observed}
        first = before if first is None else first
        remaining, kept = settle(request.wanted, observed, request.on_existing, request.given)
        refuse_kept(request, kept)
        refuse_lone_ds(client, request.zone, remaining, observed, texts_of(done))
        messages = messages_for(client, request.zone, remaining, observed, texts_of(done))
        if messages:
            _check_expected(request, before)
        steps = [str(step) for message in messages for step in message.steps]
        written = {step.key for step in (*done, *(step for message in messages for step in message.steps))}
        kept += unseen_ttls(observed, [key for key, want in remaining.items() if want is not None and key not in written])
        if check or not messages:
            after = state_after(remaining, before)
            rcode = NOERROR if sent else None
            return Result((*texts_of(done), *(steps if check else ())), first, after, tuple(kept), rcode, sent)
        try:
            for message in messages:
                sent += 1
                deliver(client, request.zone, message)
                done.extend(message.steps)
        except DnsFailure as failure:
            if failure.reason == "lost_race" and request.expected is None and attempt < ATTEMPTS:
                continue
            failure.done = texts_of(_still_shown(client, request.zone, done))
            raise
        after = patiently(partial(_read_back, client, request, remaining, before, done))
        notes = tuple(kept + changed_since(remaining, after))
        return Result(texts_of(done), first, after, notes, NOERROR, sent)
    raise AssertionError("the last attempt returns or raises")


def that_show(done: Sequence[Step], found: Mapping[Key, RRset]) -> List[Step]:
    """Of the steps that were sent and answered NOERROR, those that were not silently left out: their sets have changed."""
    return [step for step in done if found.get(step.key) != step.before]


def texts_of(steps: Sequence[Step]) -> Tuple[str, ...]:
    """Steps as results have them."""
    return tuple(str(step) for step in steps)


def _still_shown(client: DnsClient, zone: str, done: Sequence[Step]) -> List[Step]:
    """The steps of earlier messages that show; all of them when the server cannot be asked any more."""
    try:
        return that_show(done, _sets_of(client, zone, done)) if done else []
    except DnsFailure:
        return list(done)


def messages_for(
    client: DnsClient,
    zone: str,
    wanted: Wanted,
    observed: Seen,
    done: Sequence[str],
    guard: Tuple[Prerequisite, ...] = (),
) -> List[Message]:
    """The plan in as few messages as fit, each with the guard."""

    def measure(groups: Sequence[Group]) -> int:
        return client.size(zone, Message(tuple(groups), guard))

    try:
        groups = plan(zone, wanted, observed, observed.unused)
        return [Message(message.groups, guard) for message in pack(groups, client.limit, measure)]
    except Refused as refused:
        refused.done = tuple(done)
        raise


def refuse_lone_ds(client: DnsClient, zone: str, wanted: Wanted, observed: Mapping[Key, RRset], done: Sequence[str] = ()) -> None:
    """Raises Refused when a DS would be without NS records. What cannot be read is left to the server."""
    keys = companions(zone, wanted, observed)
    known, unknown = look(client, zone, keys, ()) if keys else (Seen(), {})
    reasons = objections(zone, wanted, observed, known, set(unknown))
    if reasons:
        refused = Refused(reasons)
        refused.done = tuple(done)
        raise refused


def refuse_kept(request: Request, kept: List[str]) -> None:
    """Raises DnsFailure ``exists`` when a set was kept and that is a failure."""
    if kept and any(request.on_existing(key) == "keep_and_fail" for key in request.wanted):
        raise DnsFailure("exists", " ".join(kept) + " Nothing was changed.")


def _check_expected(request: Request, before: Mapping[Key, RRset]) -> None:
    if request.expected is None:
        return
    (key,) = request.wanted
    found = before.get(key)
    values: FrozenSet[str] = found.values if found else frozenset()
    if values != fitted(request.expected, found).values:
        should = ", ".join(sorted(request.expected.values)) or "nothing"
        text = f"{key[0]} {key[1]} should be {should} before this change, but is {describe(found)}."
        raise DnsFailure("not_expected", f"{text} Nothing was changed.")


Shows = Callable[[Step, Optional[RRset]], bool]


def whole_set(step: Step, found: Optional[RRset]) -> bool:
    """Whether a set is what a step makes it."""
    return found == step.after


def deliver(client: DnsClient, zone: str, message: Message, shows: Shows = whole_set) -> None:
    """Send an update. Raises DnsFailure ``lost_race``, and ``unknown`` when it had no answer and is not there.

    ``shows(step, found)`` says whether what is there now is what the step did.
    """
    try:
        rcode = client.send(zone, message)
    except DnsFailure as failure:
        if not failure.sent:
            raise
        _look_for(client, zone, message, failure, shows)
        return
    if rcode != NOERROR:
        found = _sets_of(client, zone, message.steps)
        changes = [_difference(step.before, found.get(step.key), step.key) for step in message.steps if _values(step.before) != _values(found.get(step.key))]
        text = "; ".join(changes[:_TOLD]) or "none of the sets of this message"
        raise DnsFailure(
            "lost_race",
            f"Somebody else changed the zone {zone} meanwhile ({RCODES.get(rcode, rcode)}): {text}. Nothing of this message was changed.",
            rcode,
        )


def _sets_of(client: DnsClient, zone: str, steps: Sequence[Step]) -> Seen:
    """What the zone holds of the sets that steps are about."""
    guesses = [one for step in steps for one in (step.after, step.before)]
    return held(client, zone, [step.key for step in steps], guesses)


def _values(one: Optional[RRset]) -> FrozenSet[str]:
    return one.values if one else frozenset()


def _difference(before: Optional[RRset], found: Optional[RRset], key: Key) -> str:
    return f"{key[0]} {key[1]} was {describe(before)}, is now {describe(found)}"


def _look_for(client: DnsClient, zone: str, message: Message, failure: DnsFailure, shows: Shows) -> None:
    """After an update without an answer: return when the server has it, else say that nobody knows."""
    try:
        found = _sets_of(client, zone, message.steps)
    except DnsFailure as second:
        raise DnsFailure(
            "unknown",
            f"{failure} Whether the update was made is not known, for the server cannot be asked: {second} Run it again when the server answers.",
        ) from None
    if all(shows(step, found.get(step.key)) for step in message.steps):
        return
    raise DnsFailure(
        "unknown",
        f"{failure} The server does not show the update, but may still make it. Run it again.",
    )


def _read_back(client: DnsClient, request: Request, remaining: Wanted, before: Mapping[Key, RRset], done: Sequence[Step]) -> Dict[Key, RRset]:
    found = held(client, request.zone, list(request.wanted), request.wanted.values())
    after = {key: found[key] for key in request.wanted if key in found}
    refuse_ignored(remaining, before, after, done)
    return after


def patiently(look: Callable[[], Found]) -> Found:
    """Look again a few times, until an update shows; then what look() raises is true."""
    for seconds in PATIENCE:
        try:
            return look()
        except DnsFailure as failure:
            if failure.reason != "ignored":
                raise
        time.sleep(seconds)
    return look()


def refuse_ignored(remaining: Wanted, before: Mapping[Key, RRset], after: Mapping[Key, RRset], done: Sequence[Step]) -> None:
    """Raises DnsFailure ``ignored``, with the steps that were done, when a set is what it was before the update, or its TTL was cut."""
    _refuse_cut(remaining, after, done)
    left = [
        f"{key[0]} {key[1]} is still {describe(after.get(key))}"
        for key, want in remaining.items()
        if after.get(key) != want and after.get(key) == before.get(key)
    ]
    if left:
        text = "; ".join(left[:_TOLD])
        failure = DnsFailure("ignored", f"The server answered NOERROR and did not do it: {text}.", NOERROR)
        failure.done = texts_of(that_show(done, after))
        raise failure


def _refuse_cut(remaining: Wanted, after: Mapping[Key, RRset], done: Sequence[Step]) -> None:
    """BIND answers NOERROR to a TTL above the zone's max-zone-ttl, and writes that one."""
    cut = [
        (want, found)
        for want, found in ((want, after.get(key)) for key, want in remaining.items())
        if want is not None and found is not None and found.values == want.values and found.ttl < want.ttl
    ]
    if cut:
        text = "; ".join(f"{want.name} {want.type} has a TTL of {found.ttl} and not {want.ttl}" for want, found in cut[:_TOLD])
        remedy = f"Write a ttl of at most {min(found.ttl for _want, found in cut)}, or raise that limit; of a zone in dns_zones, it is the longest TTL there"
        cause = "It cuts TTLs that are longer than the zone may have, as BIND does above max-zone-ttl of a signed zone's dnssec-policy"
        failure = DnsFailure("ignored", f"The server answered NOERROR and did not do all of it: {text}. {cause}. {remedy}.", NOERROR)
        failure.done = texts_of(that_show(done, after))
        raise failure


def changed_since(remaining: Wanted, after: Mapping[Key, RRset]) -> List[str]:
    """Sets that were written, and then written again by somebody else before they were read back."""
    return [
        f"{key[0]} {key[1]} was changed again by somebody else, and is now {describe(after.get(key))}."
        for key, want in remaining.items()
        if after.get(key) != want
    ]


def state_after(remaining: Wanted, before: Mapping[Key, RRset]) -> Dict[Key, RRset]:
    """The sets as they would be."""
    after = dict(before)
    for key, want in remaining.items():
        after.pop(key, None)
        if want is not None:
            after[key] = want
    return after
