# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation over a whole fleet: whatever happens to it, nobody signs with what a server refuses."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.key_file import SLOTS, TsigKey
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.plan import (
    MOVES,
    PREPARED,
    Arrangement,
    AskedKey,
    Move,
    Store,
    StoredFile,
    arrangement,
    phase,
    plan_store,
    shown,
)
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.rotation import decide, plan_turn, questions, read_rotated

HOSTS = ("app1", "app2", "ns1", "ns2", "ns3")
# Key -> home, holders, servers: one for two clients, one for transfers, and one that is used at home only.
KEYS: Mapping[str, Tuple[str, Tuple[str, ...], Tuple[str, ...]]] = {
    "app-own": ("ns1", ("app1", "app2", "ns1", "ns3"), ("ns1", "ns3")),
    "transfer": ("ns1", ("ns1", "ns2"), ("ns1", "ns2")),
    "update": ("ns1", ("ns1",), ("ns1",)),
}


def host_plans() -> Dict[str, Dict[str, Any]]:
    made: Dict[str, Dict[str, Any]] = {host: {} for host in HOSTS}
    for name, (home, holders, servers) in KEYS.items():
        for host in holders:
            mine = made[host].setdefault("dns_keys", {"keys": []})["keys"]
            mine.append({"name": name, "algorithm": "hmac-sha256", "home": home, "file": "/x"})
        for host in servers:
            server = made[host].setdefault("dns_server", {"listen": [f"192.0.2.{HOSTS.index(host)}"], "keys": []})
            server["keys"].append({"name": name})
    made["ns1"]["dns_server"]["update_key"] = {"name": "update"}
    own = {"name": "own.example.net", "role": "primary", "grants": [{"key": "app-own"}], "transfer": {"key": ""}}
    made["ns1"]["dns_server"]["zones"] = [{**own, "name": "example.net", "transfer": {"key": "transfer"}}]
    made["ns2"]["dns_server"]["zones"] = [{"name": "example.net", "role": "secondary", "transfer": {"key": "transfer"}}]
    made["ns3"]["dns_server"]["zones"] = [own]
    return made


PLAN = host_plans()
ROTATED = read_rotated(PLAN)


class CutOff(Exception):
    """The controller died here."""


class Refused(Exception):
    """The playbook stopped by itself."""


@dataclass
class World:
    """All stores, and what each running server knows: key -> generations, the one it signs with first."""

    stores: Dict[str, Store] = field(default_factory=lambda: {host: Store(pair=True) for host in HOSTS})
    running: Dict[str, Dict[str, List[TsigKey]]] = field(default_factory=dict)
    budget: int = 10**6
    made: int = 0
    watch: bool = False

    def held(self, host: str, name: str) -> Dict[str, TsigKey]:
        return arrangement(self.stores[host], name)

    def tick(self) -> None:
        if self.watch:
            self.demand_that_nobody_is_refused()
        self.budget -= 1
        if self.budget <= 0:
            raise CutOff

    def demand_that_nobody_is_refused(self) -> None:
        for name, (_home, holders, servers) in KEYS.items():
            for host in holders:
                signs = {self.held(host, name)["current"], *self.running.get(host, {}).get(name, [])[:1]}
                for server in servers:
                    assert signs <= set(self.running[server][name]), f"{server} refuses {host}"

    def do(self, host: str, given: Mapping[str, Arrangement], move: Move) -> None:
        asked = [AskedKey(name, "hmac-sha256", home) for name, (home, holders, _s) in KEYS.items() if host in holders]
        before = self.stores[host]
        for step in plan_store(host, asked, before, given, move).steps:
            files = dict(before.files)
            if step.key is not None:
                self.made += not step.key.secret
                secret = step.key.secret or base64.b64encode(f"{self.made}".encode().ljust(32, b"=")).decode()
                files[step.file] = StoredFile(replace(step.key, secret=secret))
            else:
                del files[step.file]
            before = self.stores[host] = replace(before, files=files)
            self.tick()

    def mirror(self, hosts: List[str], moves: Mapping[str, List[str]], to: str) -> None:
        """The role dns_keys on these hosts, and then dns_server."""
        for host in hosts:
            self.do(host, {}, Move(to, tuple(moves.get(host, ()))))
        for host in hosts:
            told = {name: self.held(home, name) for name, (home, holders, _s) in KEYS.items() if home in hosts and home != host}
            self.do(host, {name: one for name, one in told.items() if KEYS[name][0] != host and one}, Move())
        for host in hosts:
            if "dns_server" in PLAN[host]:
                known = [one["name"] for one in PLAN[host]["dns_server"]["keys"]]
                self.running[host] = {name: list(self.held(host, name).values()) for name in known}
                self.tick()

    def proven(self, hosts: List[str]) -> Dict[str, Dict[str, Any]]:
        """What the play sees at the end of a phase; a host that a server refuses is out of it."""
        seen = {}
        for host in hosts:
            mine = {key.name: self.held(host, key.name) for key in ROTATED if host in key.holders}
            newest = {name: held.get("next") or held["current"] for name, held in mine.items()}
            asked = [one for key in ROTATED if host in key.holders for one in questions(key, host)]
            servers = [(HOSTS[int(one["server"].split(".")[-1])], one["key"]) for one in asked]
            if all(server in hosts and newest[name] in self.running[server][name] for server, name in servers):
                seen[host] = {name: shown(held) for name, held in mine.items()}
        return seen

    def rotate(self, hosts: List[str], lost: Mapping[str, FrozenSet[str]] = MappingProxyType({})) -> None:
        """The playbook rotate_dns_keys.yml on the hosts that can be reached; ``lost`` are those it loses in a phase."""
        seen: Dict[str, Any] = {host: {key.name: shown(self.held(host, key.name)) for key in ROTATED if host in key.holders} for host in hosts}
        for to in MOVES:
            turn = plan_turn(to, ROTATED, seen)
            if turn.refusals:
                raise Refused(turn.refusals)
            hosts = [host for host in hosts if host not in lost.get(to, ())]
            self.mirror(hosts, turn.moves, to)
            seen = self.proven(hosts)

    def current(self, name: str) -> Set[TsigKey]:
        return {self.held(host, name)["current"] for host in KEYS[name][1]}


def settled() -> World:
    world = World()
    world.mirror(list(HOSTS), {}, "")
    world.watch = True
    return world


events = st.tuples(
    st.sampled_from(["rotate", "site"]),
    st.one_of(st.just(frozenset(HOSTS)), st.frozensets(st.sampled_from(HOSTS), min_size=1)),
    st.integers(1, 60),
    st.permutations(HOSTS),
    st.dictionaries(st.sampled_from(MOVES), st.frozensets(st.sampled_from(HOSTS), max_size=2)),
)


@settings(max_examples=400, deadline=None)
@given(history=st.lists(events, max_size=5))
def test_whatever_is_cut_off_unreachable_or_left_out_nobody_is_ever_refused(
    history: List[Tuple[str, FrozenSet[str], int, List[str], Dict[str, FrozenSet[str]]]],
) -> None:
    world = settled()
    for what, reachable, budget, order, lost in history:
        hosts = [host for host in order if host in reachable]
        world.budget = budget
        try:
            if what == "rotate":
                world.rotate(hosts, lost)
            else:
                world.mirror(hosts, {}, "")
        except (CutOff, Refused):
            pass
    world.budget = 10**6
    world.rotate(list(HOSTS))
    for name, (_home, holders, servers) in KEYS.items():
        (only,) = world.current(name)
        assert all(world.held(host, name) == {"current": only} for host in holders)
        assert all(world.running[server][name] == [only] for server in servers)


@pytest.mark.parametrize("budget", range(1, 40))
def test_a_rotation_that_is_cut_off_is_finished_by_the_next_and_no_other_is_begun(budget: int) -> None:
    world = settled()
    world.budget = budget
    with suppress(CutOff):
        world.rotate(list(HOSTS))
    busy = {name for name in KEYS if any(phase(world.held(host, name)) != "idle" for host in KEYS[name][1])}
    made = world.made
    world.budget = 10**6
    world.rotate(list(HOSTS))
    assert all(phase(world.held(host, name)) == "idle" for name in KEYS for host in KEYS[name][1])
    assert (world.made == made) == bool(busy)


def test_while_one_rotation_is_under_way_no_other_is_begun() -> None:
    world = settled()
    world.rotate(list(HOSTS))
    world.do("ns1", {}, Move(PREPARED, ("transfer",)))
    seen = {host: {key.name: shown(world.held(host, key.name)) for key in ROTATED} for host in HOSTS}
    turn = plan_turn(PREPARED, ROTATED, seen)
    assert turn.steps == ["finish the rotation of transfer that is under way on ns1"] and not turn.moves
    assert "No rotation of app-own, update is begun" in turn.notes[0]


def test_a_rotation_makes_one_secret_for_each_key() -> None:
    world = settled()
    world.made = 0
    world.rotate(list(HOSTS))
    assert world.made == len(KEYS)
    assert {one.name for name in KEYS for one in world.current(name)} == {f"{name}-2" for name in KEYS}


def refusal(hosts: List[str], world: Optional[World] = None) -> str:
    with pytest.raises(Refused) as caught:
        (world or settled()).rotate(hosts)
    return str(caught.value)


@pytest.mark.parametrize("gone", ["ns1", "ns2", "ns3"])
def test_without_one_of_the_servers_nothing_is_begun(gone: str) -> None:
    world = settled()
    said = refusal([host for host in HOSTS if host != gone], world)
    assert gone in said
    assert world.made == len(KEYS)


def test_without_a_holder_nothing_is_forgotten_and_the_holder_is_named() -> None:
    world = settled()
    said = refusal([host for host in HOSTS if host != "app2"], world)
    assert "app2 is not proven to sign with the new generation of app-own, app-own-2" in said
    assert "Nothing was forgotten" in said
    assert {one.name for one in world.running["ns3"]["app-own"]} == {"app-own", "app-own-2"}
    world.rotate(list(HOSTS))
    assert {one.name for one in world.current("app-own")} == {"app-own-2"}


def test_each_holder_asks_its_own_server_and_those_that_it_may_change_something_on() -> None:
    (own, transfer, update) = ROTATED
    assert [one["server"] for one in questions(own, "app1")] == ["192.0.2.2", "192.0.2.4"]
    assert [one["zone"] for one in questions(own, "app1")] == ["example.net", "own.example.net"]
    assert [one["server"] for one in questions(own, "ns3")] == ["192.0.2.4"]
    assert [one["server"] for one in questions(transfer, "ns2")] == ["192.0.2.2", "192.0.2.3"]
    assert [one["server"] for one in questions(transfer, "ns1")] == ["192.0.2.2"]
    assert questions(update, "ns1") == [{"key": "update", "server": "192.0.2.2", "zone": "example.net"}]


def result(host: str, *names: str) -> Dict[str, Any]:
    one = TsigKey("app-own", "hmac-sha256", base64.b64encode(b"x" * 32).decode())
    return {"changed": False, "state": {"host": host, "generations": {name: shown({"current": one}) for name in names}}}


def test_what_the_playbook_is_told_is_for_each_host_its_moves_and_questions() -> None:
    seen = [result("ns1", "app-own"), result("ns3", "app-own"), result("app1", "app-own"), {"skipped": True}]
    told = decide(PREPARED, PLAN, seen, "app-own")
    assert told["refusals"] == []
    assert told["steps"] == ["rotate app-own, made on ns1, on app1, app2, ns1, ns3"]
    assert told["hosts"]["ns1"]["move"] == ["app-own"] and told["hosts"]["app1"]["move"] == []
    assert "app2 cannot be reached or was left out" in told["notes"][0]


def test_a_key_that_the_fleet_has_not_is_refused_with_those_it_has() -> None:
    told = decide(PREPARED, PLAN, [], "app-onw")
    assert told["reason"] == "no_key"
    assert told["refusals"] == ["Nothing was changed. The fleet has no key app-onw (it has app-own, transfer, update)."]
    assert "QUJD" not in str(decide(PREPARED, {}, [], "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="))
    assert decide(PREPARED, {}, [])["refusals"] == ["Nothing was changed. The fleet has no keys."]


def test_a_home_that_was_not_looked_at_is_refused() -> None:
    told = decide(PREPARED, PLAN, [result("ns3", "app-own")], "app-own")
    assert told["refusals"][0].startswith("Nothing was changed. The key app-own is not seen on ns1")


def test_two_primaries_have_update_keys_of_their_own_under_one_name() -> None:
    plan = {
        host: {
            "dns_keys": {"keys": [{"name": "u", "algorithm": "hmac-sha256", "home": host}]},
            "dns_server": {"listen": [host], "keys": [{"name": "u"}], "update_key": {"name": "u"}, "zones": []},
        }
        for host in ("ns1", "ns2")
    }
    assert [(one.home, one.holders) for one in read_rotated(plan)] == [("ns1", ("ns1",)), ("ns2", ("ns2",))]


def test_the_slots_are_what_the_files_are_called() -> None:
    assert SLOTS == {"current": ".key", "next": ".next.key", "previous": ".previous.key"}
