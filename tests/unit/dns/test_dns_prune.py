# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole zone against a server that follows RFC 2136: what goes, what stays, interrupted and raced."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Tuple

import pytest
from fakes import FakeDns
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.client import DnsFailure
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.model import Key, RRset
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update import apply_client as dns_apply
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_client import Request
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.apply_zone_client import RACES, Pruning, converge_all
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.plan import Refused, plan
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.prune import Ignore, complete, ignored, without_server_sets
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.update.request import Desired, read_ignore, read_zones

ZONE = "example.net."
NAMES = [ZONE, "a.example.net.", "x.a.example.net.", "b.example.net.", "*.example.net."]
TYPES = ["A", "AAAA", "TXT", "CNAME", "NS"]
Zone = Dict[Key, RRset]


@pytest.fixture(autouse=True, scope="module")
def impatient() -> Iterator[None]:
    """A server in memory shows at once what it does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_apply, "PATIENCE", ())
        yield


def some(name: str, kind: str, *values: str, ttl: int = 300) -> RRset:
    return RRset(name, kind, ttl, frozenset(values))


def zone_of(*sets: RRset) -> Zone:
    return {one.key: one for one in sets}


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    """What a server could hold, nameservers pointing into the zone, and beside it what only servers make."""
    sets: Zone = {}
    for name in NAMES:
        kinds: FrozenSet[str] = draw(st.frozensets(st.sampled_from(TYPES), max_size=3))
        if name == ZONE:
            kinds = (kinds | {"NS"}) - {"CNAME"}
        elif "CNAME" in kinds:
            kinds = frozenset({"CNAME"})
        for kind in kinds:
            values = st.sampled_from(NAMES[1:4] if kind in ("NS", "CNAME") else ["v1", "v2", "v3"])
            held = draw(st.frozensets(values, min_size=1, max_size=1 if kind == "CNAME" else 3))
            sets[name, kind] = RRset(name, kind, draw(st.sampled_from([60, 300])), held)
    if draw(st.booleans()):
        for kind in ("DNSKEY", "NSEC3PARAM", "CDS", "CDNSKEY", "TYPE65534"):
            sets[ZONE, kind] = some(ZONE, kind, "own")
    return sets


@st.composite
def ignores(draw: st.DrawFn) -> Tuple[Ignore, ...]:
    one = st.one_of(
        st.builds(Ignore, st.sampled_from(NAMES), st.sampled_from(["ANY", *TYPES]), st.just("name")),
        st.builds(Ignore, st.sampled_from(NAMES[1:]), st.sampled_from(["ANY", "TXT"]), st.just("subdomain")),
        st.builds(Ignore, st.sampled_from(["*a.example.net.", "x.*.net."]), st.just("TXT"), st.just("pattern")),
    )
    return tuple(draw(st.lists(one, max_size=2)))


def wish(target: Zone, ignore: Tuple[Ignore, ...]) -> Desired:
    """The inventory of somebody who wants this zone: what is ignored or the server's own is not named."""
    wanted = {key: one for key, one in without_server_sets(ZONE, target.values()).items() if not ignored(key, ignore)}
    return Desired(wanted, {}, True, ignore)


def pruning(server: FakeDns, desired: Desired) -> Pruning:
    return Pruning(server, Request(ZONE, desired.wanted, desired.given), desired, wait=lambda lost: None)


def possible(desired: Desired, observed: Zone) -> None:
    """Passes over what no zone can hold: somebody else's record beside a CNAME that is wanted."""
    sets = without_server_sets(ZONE, observed.values())
    try:
        plan(ZONE, complete(ZONE, desired.wanted, sets, desired.ignore), sets)
    except Refused:
        assume(False)


def kept_addresses(desired: Desired, sets: Zone) -> set[Key]:
    """The rule of complete(), written the other way: by what each address is for."""
    servers = {value for one in sets.values() if one.type == "NS" for value in one.values}
    named = {name for name, kind in desired.wanted if kind in ("A", "AAAA")}
    return {(name, kind) for name in servers - named for kind in ("A", "AAAA")}


@settings(max_examples=200, deadline=None)
@given(observed=zones(), target=zones(), ignore=ignores(), limit=st.sampled_from([2500, 60000]))
def test_any_zone_becomes_any_other_nothing_ignored_is_touched_and_the_second_run_is_empty(
    observed: Zone, target: Zone, ignore: Tuple[Ignore, ...], limit: int
) -> None:
    desired = wish(target, ignore)
    possible(desired, observed)
    server = FakeDns(ZONE, dict(observed), limit=limit)
    pruning(server, desired).run()
    left = {key: one for key, one in observed.items() if key not in without_server_sets(ZONE, observed.values())}
    left.update({key: one for key, one in observed.items() if ignored(key, ignore)})
    own = {(ZONE, "NS")} if (ZONE, "NS") not in desired.wanted else set()
    rest = {key: one for key, one in server.sets.items() if key not in desired.wanted}
    assert {key: server.sets[key] for key in desired.wanted} == desired.wanted
    assert {key: server.sets.get(key) for key in left} == left
    assert all(observed[key] == one for key, one in rest.items())
    assert set(rest) - set(left) <= kept_addresses(desired, server.sets) | own
    again = pruning(server, desired).run()
    assert (again.steps, again.messages) == ((), 0)


@settings(max_examples=100, deadline=None)
@given(observed=zones(), target=zones(), ignore=ignores(), stop=st.integers(0, 4))
def test_a_run_that_stopped_after_any_message_is_finished_by_the_next(observed: Zone, target: Zone, ignore: Tuple[Ignore, ...], stop: int) -> None:
    desired = wish(target, ignore)
    possible(desired, observed)
    whole = FakeDns(ZONE, dict(observed), limit=2500)
    pruning(whole, desired).run()

    def cut(server: FakeDns) -> None:
        if len(server.sent) >= stop:
            raise KeyboardInterrupt

    half = FakeDns(ZONE, dict(observed), limit=1400, meddle=cut)
    try:
        pruning(half, desired).run()
    except KeyboardInterrupt:
        half.meddle = lambda server: None
    except Refused:
        assume(False)
    half.limit = 60000
    pruning(half, desired).run()
    assert half.sets == whole.sets


@settings(max_examples=100, deadline=None)
@given(observed=zones(), target=zones(), ignore=ignores(), name=st.sampled_from(NAMES[1:]))
def test_a_rivals_update_in_between_makes_it_plan_anew_and_is_there_before_it_is_judged(
    observed: Zone, target: Zone, ignore: Tuple[Ignore, ...], name: str
) -> None:
    """Whatever the rival writes just before our message, no message that was planned without it changes anything."""
    desired = wish(target, ignore)
    possible(desired, observed)
    assume((name, "CNAME") not in observed)
    theirs = some(name, "SRV", "rival")
    assume((name, "CNAME") not in desired.wanted or not ignored(theirs.key, ignore))
    rejected: List[int] = []

    def meddle(server: FakeDns) -> None:
        if not server.sent:
            server.sets[theirs.key] = theirs
            server.touch()

    server = FakeDns(ZONE, dict(observed), meddle=meddle)
    real = server.send

    def watch(zone: str, message: Any) -> int:
        before = dict(server.sets)
        rcode = real(zone, message)
        if rcode:
            rejected.append(rcode)
            assert server.sets == {**before, theirs.key: theirs}
        return rcode

    server.send = watch  # type: ignore[method-assign]
    result = pruning(server, desired).run()
    if result.changed:
        assert len(rejected) == 1
        assert (theirs.key in server.sets) == ignored(theirs.key, ignore)


def test_every_message_says_that_the_zone_is_still_as_it_was_read() -> None:
    sets = [some(f"n{i:03}.example.net.", "TXT", "x" * 200) for i in range(30)]
    server = FakeDns(ZONE, zone_of(some(ZONE, "NS", "ns.example.com."), *sets), limit=2500)
    pruning(server, Desired({}, {}, True)).run()
    assert len(server.sent) > 2
    guards = [message.prerequisites[0] for message in server.sent]
    assert all((guard.kind, guard.type) == ("equals", "SOA") for guard in guards)
    assert len(set(guards)) == len(guards)


def test_a_rival_that_is_always_faster_ends_it() -> None:
    server = FakeDns(ZONE, zone_of(some("a.example.net.", "A", "1")), meddle=lambda server: server.touch())
    with pytest.raises(DnsFailure) as caught:
        pruning(server, Desired({}, {}, True)).run()
    assert (caught.value.reason, len(server.sent)) == ("lost_race", RACES)


def test_a_server_that_compares_with_another_zone_is_not_asked_again_and_again() -> None:
    server = FakeDns(ZONE, zone_of(some("a.example.net.", "A", "1")))
    server.send = lambda zone, message: 8  # type: ignore[method-assign]
    with pytest.raises(DnsFailure, match="inline-signing no") as caught:
        pruning(server, Desired({}, {}, True)).run()
    assert caught.value.reason == "hidden_zone"


def test_what_a_deaf_server_leaves_out_is_not_called_done() -> None:
    server = FakeDns(ZONE, zone_of(some("a.example.net.", "A", "1")), deaf=True)
    with pytest.raises(DnsFailure) as caught:
        pruning(server, Desired({}, {}, True)).run()
    assert caught.value.reason == "ignored"


def test_check_mode_says_the_same_and_sends_nothing() -> None:
    server = FakeDns(ZONE, zone_of(some(ZONE, "NS", "n"), some("a.example.net.", "A", "1"), some("b.example.net.", "A", "2")))
    desired = Desired(zone_of(some("a.example.net.", "A", "1")), {}, True)
    said = converge_all(server, {ZONE: desired}, "replace", check=True)[ZONE]
    assert (server.sent, said.steps) == ([], ("delete b.example.net. A",))
    done = converge_all(server, {ZONE: desired}, "replace")[ZONE]
    assert (said.steps, said.before, said.after) == (done.steps, done.before, done.after)


def test_glue_stays_with_its_delegation_and_goes_with_it() -> None:
    child, glue = some("child.example.net.", "NS", "ns.child.example.net."), some("ns.child.example.net.", "A", "192.0.2.1")
    six = some("ns.child.example.net.", "AAAA", "2001:db8::1")
    observed = zone_of(child, glue, six)
    assert complete(ZONE, zone_of(child), observed, ()) == zone_of(child)
    assert complete(ZONE, {}, observed, ()) == {child.key: None, glue.key: None, six.key: None}
    assert complete(ZONE, zone_of(child, glue), observed, ()) == {**zone_of(child, glue), six.key: None}
    assert complete(ZONE, {}, observed, (Ignore("child.example.net.", "NS"),)) == {}


def read(**more: Any) -> Tuple[Ignore, ...]:
    return read_ignore(ZONE, [more])


def test_ignored_names_are_read_as_record_names_are() -> None:
    assert read(record="_acme-challenge", type="txt") == (Ignore("_acme-challenge.example.net.", "TXT"),)
    assert read(record="@")[0].name == read(record="example.net")[0].name == ZONE
    (star,) = read(record="*.dyn")
    assert star.covers(("*.dyn.example.net.", "A")) and not star.covers(("x.dyn.example.net.", "A"))
    (below,) = read(record="dyn", match="subdomain")
    assert below.covers(("dyn.example.net.", "A")) and below.covers(("a.b.dyn.example.net.", "TXT"))
    assert not below.covers(("xdyn.example.net.", "A"))
    (pattern,) = read(record="_acme-challenge*", match="pattern", type="TXT")
    assert pattern.covers(("_acme-challenge.www.example.net.", "TXT")) and pattern.covers(("_acme-challenge.example.net.", "TXT"))
    assert not pattern.covers(("_acme-challenge.example.net.", "A"))
    (every,) = read(record="*", match="pattern")
    assert every.covers(("a.b.example.net.", "A")) and not every.covers((ZONE, "MX"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"record": "a b"}, r"ignore\[0\].record: 'a b' has a part"),
        ({"record": "a[b]*", "match": "pattern"}, r"ignore\[0\].record"),
        ({"record": "x.example.com."}, "is outside the zone"),
        ({"record": "x", "type": "NONSENSE"}, r"ignore\[0\].type"),
    ],
)
def test_a_wrong_ignore_is_named(wrong: Dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_ignore(ZONE, [wrong])


def test_what_is_wanted_and_ignored_is_refused() -> None:
    sets: List[Dict[str, Optional[Any]]] = [{"record": "www", "type": "A", "ttl": 5, "value": ["192.0.2.1"], "state": "present"}]
    asked = [{"zone_name": "example.net", "record_sets": sets, "prune": True, "ignore": [{"record": "www"}]}]
    with pytest.raises(Refused, match="www.example.net. A is in record_sets and in ignore"):
        read_zones(asked, lambda kind, text: text)
