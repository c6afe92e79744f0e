# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the home of a key may take the next step of a rotation, from what is seen on all hosts that hold the key.

    home       everybody else, after taking what home has      allowed when
    prepared   servers know both, all sign with the old        home and all servers are seen, and no rotation is under way
    promoted   servers know both, all sign with the new        every server is seen to hold both, and answers to the new,
                                                               and who else holds the key was given the new
    settled    servers know the new only                       every holder is seen to sign with the new

Invariant, with a property test over every interruption, unreachable host and partial run: whatever generation a holder
signs with, every server of the key holds it. Home alone says how far a rotation is, so a run that was cut off
is finished by the next: a rotation is begun only when neither home nor any host that is seen is in the middle of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from ..._fleet.values import shown
from ..._shared.masking import looks_like_secret
from .external import VARIABLE
from .key_file import KEY_FOLDER, SLOTS
from .plan import IDLE, PREPARED, PROMOTED, phase

Shown = Mapping[str, Mapping[str, str]]  # slot -> name, algorithm, fingerprint: keys.shown()


@dataclass(frozen=True)
class RotatedKey:
    """A key as the fleet plan has it. ``holders`` include home; ``servers`` are those that must know it to serve.

    ``places`` are (server, address, zone): where it counts. ``granted`` are the servers where it may change something as
    one of ``dns_keys`` may; a transfer key has none. The update key of each primary is a key of its own. A ``shared`` key is
    held by others too, an ``external`` one is made by them.
    """

    name: str
    home: str
    algorithm: str
    holders: Tuple[str, ...]
    servers: Tuple[str, ...]
    places: Tuple[Tuple[str, str, str], ...]
    granted: Tuple[str, ...]
    shared: bool = False
    external: bool = False


@dataclass
class Turn:
    """What one phase asks of hosts. ``refusals`` are why it cannot be begun; then nothing else counts."""

    moves: Dict[str, List[str]] = field(default_factory=dict)
    steps: List[str] = field(default_factory=list)
    refusals: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


def read_rotated(plan: Mapping[str, Mapping[str, Any]]) -> List[RotatedKey]:
    """All keys of a fleet, from the plans of its hosts."""
    held: Dict[Tuple[str, str], List[str]] = {}
    entries: Dict[Tuple[str, str], Mapping[str, Any]] = {}
    for host, host_plan in sorted(plan.items()):
        for one in (host_plan.get("dns_keys") or {}).get("keys", ()):
            held.setdefault((one["name"], one["home"]), []).append(host)
            entries[one["name"], one["home"]] = one
    found = []
    for (name, home), holders in sorted(held.items()):
        served = {host: plan[host].get("dns_server") or {} for host in holders}
        servers = [host for host in holders if any(one["name"] == name for one in served[host].get("keys", ()))]
        places = [(host, served[host]["listen"][0], _zone_of(served[host], name)) for host in servers]
        granted = [host for host in servers if _grants(served[host], name)]
        entry = entries[name, home]
        marks = (bool(entry.get("shared")), bool(entry.get("external")))
        parts = (tuple(holders), tuple(servers), tuple(places), tuple(granted))
        found.append(RotatedKey(name, home, entry["algorithm"], *parts, *marks))
    return found


def _zone_of(server: Mapping[str, Any], name: str) -> str:
    """A zone of the server for which the key counts."""
    zones = server.get("zones", ())
    mine = [zone for zone in zones if any(grant["key"] == name for grant in zone.get("grants", ()))]
    mine.extend(zone for zone in zones if (zone.get("transfer") or {}).get("key") == name)
    mine.extend(zone for zone in zones if any(one["key"] == name for one in (zone.get("transfer") or {}).get("external", ())))
    if (server.get("update_key") or {}).get("name") == name:
        mine.extend(zone for zone in zones if zone.get("role") == "primary")
    return str((mine or list(zones))[0]["name"]) if zones else ""


def _grants(server: Mapping[str, Any], name: str) -> bool:
    return any(grant["key"] == name for zone in server.get("zones", ()) for grant in zone.get("grants", ()))


def questions(key: RotatedKey, host: str) -> List[Dict[str, str]]:
    """What a holder asks to prove a generation: a server itself, a secondary its primary too, others all they may change."""
    asked = [host, *([] if key.granted else [key.home])] if host in key.servers else key.granted
    return [{"key": key.name, "server": address, "zone": zone} for server, address, zone in key.places if zone and server in asked]


def plan_turn(to: str, keys: Sequence[RotatedKey], seen: Mapping[str, Mapping[str, Shown]], handed_over: bool = False) -> Turn:
    """What to do to bring the keys to a phase. ``seen`` has the stores of the hosts that were looked at, by host and key.

    For ``promoted`` and ``settled`` a host is in ``seen`` only if its servers have accepted the generation that it is to
    sign with. ``handed_over`` is a person's word that all others who hold a shared key have its next generation.
    """
    turn = Turn()
    if to == PREPARED:
        _begin_or_finish(keys, seen, turn, handed_over)
        return turn
    for key in keys:
        at_home = seen.get(key.home, {}).get(key.name, {})
        if "current" not in at_home:
            turn.refusals.append(_unseen_home(key))
        elif to == PROMOTED and key.shared and phase(at_home) == PREPARED and not handed_over:
            turn.refusals.append(_to_hand_over(key))
        elif to == PROMOTED:
            _switch(key, at_home, seen, turn)
        else:
            _forget(key, at_home, seen, turn)
    return turn


def _to_hand_over(key: RotatedKey) -> str:
    return (
        f"The next generation of {key.name} is in {KEY_FOLDER}/{key.name}{SLOTS['next']} on {key.home}, and its servers accept"
        f" both. Give that file to the provider. When the provider signs with it, run this again with -e"
        f" dns_rotate_key={key.name} -e dns_rotate_handed_over=true; until then nothing more is to be done."
    )


def _begin_or_finish(keys: Sequence[RotatedKey], seen: Mapping[str, Mapping[str, Shown]], turn: Turn, handed_over: bool) -> None:
    """Where any rotation is under way, those are finished, and none is begun: the rest is done already, or new."""
    busy = {key: [host for host in key.holders if phase(seen.get(host, {}).get(key.name, {})) != IDLE] for key in keys}
    under_way = [key for key in keys if busy[key]]
    for key in under_way or keys:
        unseen = [host for host in key.servers if host not in seen]
        if "current" not in seen.get(key.home, {}).get(key.name, {}):
            turn.refusals.append(_unseen_home(key))
        elif unseen:
            turn.refusals.append(
                f"{_listed(unseen)} cannot be reached or was left out with --limit, and must know the next generation of"
                f" {key.name} before anybody signs with it. Bring it back, and run this again."
            )
        elif handed_over and not busy[key]:
            turn.refusals.append(
                f"No rotation of {key.name} is under way, so no next generation of it can have been handed over. Leave dns_rotate_handed_over out to begin one."
            )
        elif busy[key]:
            turn.steps.append(f"finish the rotation of {key.name} that is under way on {_listed(busy[key])}")
        else:
            turn.steps.append(f"rotate {key.name}, made on {key.home}, on {_listed(key.holders)}")
            turn.moves.setdefault(key.home, []).append(key.name)
        later = [host for host in key.holders if host not in seen]
        if later and not turn.refusals:
            turn.notes.append(
                f"{_listed(later)} cannot be reached or was left out with --limit. The servers will accept both"
                f" generations of {key.name} until that host has the new one."
            )
    waiting = [key.name for key in keys if under_way and not busy[key]]
    if waiting:
        turn.notes.append(f"No rotation of {_listed(waiting)} is begun, since another is finished first. Run this again.")


def _unseen_home(key: RotatedKey) -> str:
    return f"The key {key.name} is not seen on {key.home}, where it is made. Run site.yml, and then this again; do not leave that host out with --limit."


def _switch(key: RotatedKey, at_home: Shown, seen: Mapping[str, Mapping[str, Shown]], turn: Turn) -> None:
    if phase(at_home) != PREPARED:
        return
    both = {at_home["current"]["fingerprint"], at_home["next"]["fingerprint"]}
    lacking = [host for host in key.servers if not both <= _prints(seen.get(host, {}).get(key.name, {}))]
    if lacking:
        turn.refusals.append(
            f"{_listed(lacking)} is not proven to know the next generation of {key.name}. Nobody signs with it yet, and"
            " every server accepts what everybody signs with. See the errors above, and run this again."
        )
        return
    turn.moves.setdefault(key.home, []).append(key.name)


def _forget(key: RotatedKey, at_home: Shown, seen: Mapping[str, Mapping[str, Shown]], turn: Turn) -> None:
    if phase(at_home) == PREPARED:
        turn.refusals.append(f"{key.home} does not sign with the next generation of {key.name} yet. Run this again.")
        return
    new = at_home["current"]["fingerprint"]
    lacking = [host for host in key.holders if _signs_with(seen.get(host, {}).get(key.name, {})) != new]
    if lacking:
        turn.refusals.append(
            f"{_listed(lacking)} is not proven to sign with the new generation of {key.name}, {at_home['current']['name']}."
            f" Nothing was forgotten: the servers accept both. Bring that host back, or take the key away from it in the"
            f" inventory, and run this again."
        )
        return
    if phase(at_home) == PROMOTED:
        turn.moves.setdefault(key.home, []).append(key.name)


def _signs_with(held: Shown) -> str:
    return held.get("current", {}).get("fingerprint", "")


def _prints(held: Shown) -> Set[str]:
    return {one["fingerprint"] for one in held.values()}


def _listed(hosts: Sequence[str]) -> str:
    return ", ".join(hosts)


def _left_alone(key: RotatedKey) -> str:
    if key.external:
        return f"The key {key.name} is made by others, and stays."
    return f"The key {key.name} is held by others too, and stays. Rotate it by its name: -e dns_rotate_key={key.name}."


def decide(
    to: str,
    plan: Mapping[str, Mapping[str, Any]],
    seen: Sequence[Mapping[str, Any]],
    name: str = "",
    handed_over: bool = False,
) -> Dict[str, Any]:
    """``{hosts: {host: {keys, move, questions}}, steps, notes, refusals, reason}``: plan_turn() for data.

    ``plan`` is that of the whole fleet, ``seen`` are results of the module dns_key_store, ``name`` is the one key to
    rotate, or empty for all that nobody else holds.
    """
    known_keys = read_rotated(plan)
    keys = [key for key in known_keys if key.name == name or not (name or key.shared or key.external)]
    if not keys and (name or not known_keys):
        known = ", ".join(dict.fromkeys(key.name for key in known_keys)) or "none"
        named = shown(name) if looks_like_secret(name) else name
        said = f"The fleet has no key {named} (it has {known})." if name else "The fleet has no keys."
        return {"hosts": {}, "steps": [], "notes": [], "refusals": [f"Nothing was changed. {said}"], "reason": "no_key"}
    made_by_others = [key for key in keys if key.external]
    if made_by_others:
        said = (
            f"Nothing was changed. The key {name} is made by others. Get a new one from them, put its secret into"
            f" {VARIABLE}.{name}, and run site.yml at the time that you agreed on with them."
        )
        return {"hosts": {}, "steps": [], "notes": [], "refusals": [said], "reason": "external"}
    states = [one["state"] for one in seen if "state" in one]
    turn = plan_turn(to, keys, {state["host"]: state["generations"] for state in states}, handed_over)
    turn.notes.extend(_left_alone(key) for key in known_keys if to == PREPARED and not name and key not in keys)
    hosts: Dict[str, Dict[str, Any]] = {}
    for key in keys:
        for host in key.holders:
            part = hosts.setdefault(host, {"keys": [], "move": turn.moves.get(host, []), "questions": []})
            part["keys"].append(key.name)
            part["questions"].extend(questions(key, host))
    nothing = "Nothing was changed. " if to == PREPARED and turn.refusals else ""
    return {
        "hosts": hosts,
        "steps": turn.steps,
        "notes": turn.notes,
        "refusals": [nothing + refusal for refusal in turn.refusals[:1]] + turn.refusals[1:],
        "reason": "unproven" if turn.refusals else "",
    }
