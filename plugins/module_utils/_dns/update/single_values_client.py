# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call that adds values to a set, or takes them out of it."""

from __future__ import annotations

from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ..client import NOERROR, DnsClient, DnsFailure
from ..model import Key, Message, RRset, Seen, Step
from ..query.contents_client import held, unseen_ttls
from .apply_client import Result, deliver, patiently, refuse_lone_ds
from .apply_zone_client import pause
from .plan import describe
from .single_values import Values, merge, merged, shows

RACES = 10  # a rival that adds another value makes at most one; the rest are rivals that replace the whole set


def converge_values(client: DnsClient, zone: str, asked: Values, check: bool = False, wait: Callable[[int], None] = pause) -> Result:
    """Make the set have the values, or not have them. Raises DnsFailure, and Refused for what cannot be.

    A lost race is always tried again from a new reading, for what is asked does not depend on the other values.
    """
    first: Optional[Mapping[Key, RRset]] = None
    sent = 0
    for lost in range(1, RACES + 1):
        observed = held(client, zone, [asked.key], [merged(asked, None)])
        before = _only(asked, observed)
        first = before if first is None else first
        _refuse_unseen_ttl(asked, observed)
        groups = merge(zone, asked, observed)
        refuse_lone_ds(client, zone, {asked.key: merged(asked, observed.get(asked.key))}, observed)
        steps = tuple(str(step) for group in groups for step in group.steps)
        if check or not groups:
            want = merged(asked, observed.get(asked.key))
            notes = unseen_ttls(observed, [asked.key] if asked.ttl is not None and asked.present and not groups else [])
            return Result(steps, first, {asked.key: want} if want else {}, tuple(notes), NOERROR if sent else None, sent)
        try:
            sent += 1
            deliver(client, zone, Message(tuple(groups)), _shows(asked))
        except DnsFailure as failure:
            if failure.reason != "lost_race" or lost == RACES:
                raise
            wait(lost)
            continue
        after, notes = patiently(partial(_read_back, client, zone, asked, before))
        return Result(steps, first, after, tuple(notes), NOERROR, sent)
    raise AssertionError("the last attempt returns or raises")


def _refuse_unseen_ttl(asked: Values, observed: Seen) -> None:
    """Raises DnsFailure when a value would get the set's own TTL, and that is not known."""
    after, before = merged(asked, observed.get(asked.key)), observed.get(asked.key)
    if asked.key in observed.unseen_ttls and asked.present and asked.ttl is None and after != before:
        name, kind = asked.key
        raise DnsFailure(
            "not_readable",
            f"The TTL of {name} {kind} cannot be seen with this key, so no value can be added with it. Name the ttl, or allow the key to transfer the zone.",
        )


def _only(asked: Values, seen: Seen) -> Dict[Key, RRset]:
    return {asked.key: seen[asked.key]} if asked.key in seen else {}


def _shows(asked: Values) -> Callable[[Step, Optional[RRset]], bool]:
    def look(step: Step, found: Optional[RRset]) -> bool:
        return shows(asked, found)

    return look


def _read_back(client: DnsClient, zone: str, asked: Values, before: Mapping[Key, RRset]) -> Tuple[Dict[Key, RRset], List[str]]:
    """What is there now, and what to tell of it. Raises DnsFailure ``ignored`` when it is what it was."""
    after = _only(asked, held(client, zone, [asked.key], [merged(asked, before.get(asked.key))]))
    found = after.get(asked.key)
    if shows(asked, found):
        return after, []
    name, kind = asked.key
    if found == before.get(asked.key):
        text = f"The server answered NOERROR and did not do it: {name} {kind} is still {describe(found)}."
        raise DnsFailure("ignored", text, NOERROR)
    return after, [f"{name} {kind} was changed again by somebody else, and is now {describe(found)}."]
