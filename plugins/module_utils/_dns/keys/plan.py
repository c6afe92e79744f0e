# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do in a host's key store so that it holds the keys the inventory gives it, and no others.

Every key has a home, the host where its secret is made. All other holders have what home has: an *arrangement* of the
key's generations, which is ``current`` (sign with this one), and during a rotation also ``next`` or ``previous``. A
server accepts every generation in its store.

Invariants, each with a property test that interrupts after every step:

- a generation that is in the store before and is to be there after is there at every moment in between;
- a secret is made at home only, and only where there is no usable one, and never that of a key that others make;
- the file to sign with, once there, is never absent;
- a file that neither belongs to an asked key nor carries our mark is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .key_file import SLOTS, TsigKey, fingerprint, generation, usable

IDLE, PREPARED, PROMOTED = "idle", "prepared", "promoted"
SETTLED = "settled"
MOVES = (PREPARED, PROMOTED, SETTLED)
PAIR_FILE = "exchange.pem"
Arrangement = Mapping[str, TsigKey]


@dataclass(frozen=True)
class AskedKey:
    """A key that this host is to hold. ``algorithm`` is for a secret that is yet to be made; an ``external`` one is made by others.

    Of a ``local`` key each host has a secret of its own, by the same name.
    """

    name: str
    algorithm: str
    home: str
    external: bool = False
    local: bool = False


@dataclass(frozen=True)
class StoredFile:
    """A file of the store. ``key`` is None when it holds no key; ``private`` when nobody but root can read it."""

    key: Optional[TsigKey]
    marked: bool = True
    private: bool = True


@dataclass(frozen=True)
class Store:
    """A key store as it is: ``files`` by name without folder.

    ``former`` are keys by name that an earlier version kept elsewhere, ``leftovers`` the names of files that a write
    which was cut off has left. ``pair`` says whether the host has its key pair, ``private`` whether only root can look
    into the folder, ``can_seal`` whether OpenSSL is installed.
    """

    files: Mapping[str, StoredFile] = field(default_factory=dict)
    former: Mapping[str, TsigKey] = field(default_factory=dict)
    leftovers: Tuple[str, ...] = ()
    pair: bool = False
    private: bool = True
    can_seal: bool = True


@dataclass(frozen=True)
class Move:
    """What a rotation wants of the homes of some keys: to be ``prepared``, ``promoted`` or ``settled``."""

    to: str = ""
    names: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Keep:
    """Keys of which no secret is generated and no file removed yet: those of these ``names``, or all of them.

    Another host may be about to give or to take them, since the zone that their home follows has got another primary.
    """

    everything: bool = False
    names: Tuple[str, ...] = ()

    def __contains__(self, name: object) -> bool:
        return self.everything or name in self.names


@dataclass(frozen=True)
class KeyStep:
    """``action`` is guard, pair, sweep, make, write, protect or remove; ``key`` what a file is to hold.

    With ``make`` the key's secret is empty: it is made when the step is done.
    """

    action: str
    file: str
    key: Optional[TsigKey] = None
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        name = self.key.name if self.key else ""
        return {
            "guard": f"let only root look into {self.file}",
            "pair": f"make the key pair {self.file}",
            "sweep": f"remove {self.file}, left by a run that was cut off",
            "make": f"make the key {name} in {self.file}",
            "write": f"write the key {name} to {self.file}",
            "protect": f"let only root read {self.file}",
            "remove": f"remove {self.file}",
        }[self.action]


@dataclass(frozen=True)
class StorePlan:
    """``missing`` are the names of keys that home must give first, by home; ``notes`` are for the user.

    Of keys that are kept as they are, ``generate`` are the names of those that are to be generated here, and ``remove`` those that this
    host is to hold no more, with what it has of them, as ``summary`` puts it.
    """

    steps: Tuple[KeyStep, ...]
    missing: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    notes: Tuple[str, ...] = ()
    generate: Tuple[str, ...] = ()
    remove: Mapping[str, str] = field(default_factory=dict)


def problems(asked: Sequence[AskedKey]) -> List[str]:
    """Keys whose files or generations could be taken for those of another."""
    found = []
    names = [key.name for key in asked]
    for name in dict.fromkeys(names):
        if not name or name.startswith(".") or "/" in name or not name.isprintable() or '"' in name:
            found.append(f"'{name}' is no name of a key.")
        if name.endswith((".next", ".previous")):
            found.append(f"The key {name} would have the file of another key's generation; give it another name.")
        if names.count(name) > 1:
            found.append(f"The key {name} is asked for twice.")
        for other in dict.fromkeys(names):
            if other != name and generation(name, other) is not None:
                found.append(f"The key {name} has the name of a generation of {other}; give it another name.")
    return found


def arrangement(store: Store, name: str) -> Dict[str, TsigKey]:
    """The usable generations of a key that are in the store, each once; the rest of a move that was cut off is not."""
    found: Dict[str, TsigKey] = {}
    for slot, suffix in SLOTS.items():
        stored = store.files.get(name + suffix)
        if stored and stored.key and usable(stored.key, name) and stored.key not in found.values():
            found[slot] = stored.key
    return found


def phase(held: Mapping[str, object]) -> str:
    """How far a rotation has come: ``next`` is there until the move that puts it in the place of ``current`` is done."""
    return PREPARED if "next" in held else PROMOTED if "previous" in held else IDLE


def plan_store(
    host: str,
    asked: Sequence[AskedKey],
    store: Store,
    given: Optional[Mapping[str, Arrangement]] = None,
    move: Move = Move(),
    keep: Keep = Keep(),
) -> StorePlan:
    """The steps for this host, none when there is nothing to do.

    ``given`` are arrangements by key: what homes have sent, and at home what others have made, or what the home before had.
    """
    given = given or {}
    leaving = _leaving(asked, store)
    steps = list(_tidying(host, asked, store, [name for name in leaving if leaving[name] not in keep]))
    generate: List[str] = []
    missing: Dict[str, Tuple[str, ...]] = {}
    notes = []
    for key in sorted(asked, key=lambda one: one.name):
        held = arrangement(store, key.name)
        if key.name in keep and _is_new(host, key, store, given):
            generate.append(key.name)
            continue
        wanted = _wanted(host, key, held, store, given, move)
        if wanted is None:
            missing[key.home] = (*missing.get(key.home, ()), key.name)
            continue
        generates = key.home == host and not key.external
        if generates and wanted["current"].algorithm != key.algorithm and "next" not in wanted:
            notes.append(
                f"The key {key.name} stays {wanted['current'].algorithm} until playbooks/rotate_dns_keys.yml makes its"
                f" next generation, which will be {key.algorithm}."
            )
        steps.extend(_rearrange(key.name, store, wanted))
    kept = {key: summary(arrangement(store, key)) for key in leaving.values() if key in keep}
    return StorePlan(tuple(steps), missing, tuple(notes), tuple(generate), kept)


def _leaving(asked: Sequence[AskedKey], store: Store) -> Dict[str, str]:
    """The files of keys that this host is to hold no more, with the names of the keys."""
    managed = {key.name + suffix for key in asked for suffix in SLOTS.values()}
    files = [name for name, stored in sorted(store.files.items()) if name not in managed and stored.marked]
    endings = sorted(SLOTS.values(), key=len, reverse=True)
    return {name: next((name[: -len(ending)] for ending in endings if name.endswith(ending)), name) for name in files}


def _is_new(host: str, key: AskedKey, store: Store, given: Mapping[str, Arrangement]) -> bool:
    """Whether its secret would be generated here, and could be on another host."""
    if key.home != host or key.external or key.local or key.name in given or arrangement(store, key.name):
        return False
    former = store.former.get(key.name)
    return former is None or not usable(former, key.name)


def _tidying(host: str, asked: Sequence[AskedKey], store: Store, unneeded: Sequence[str]) -> Iterable[KeyStep]:
    if not store.private:
        yield KeyStep("guard", ".")
    if any(key.home != host for key in asked) and not store.pair and store.can_seal:
        yield KeyStep("pair", PAIR_FILE)
    for name in store.leftovers:
        yield KeyStep("sweep", name)
    for name in unneeded:
        yield KeyStep("remove", name, before=describe(store.files[name].key))


def _wanted(host: str, key: AskedKey, held: Arrangement, store: Store, given: Mapping[str, Arrangement], move: Move) -> Optional[Arrangement]:
    """The arrangement to come to; None when only home knows."""
    if key.home == host and not key.external:
        return _at_home(key, held or given.get(key.name, {}), store, move if key.name in move.names else Move())
    if key.name in given:
        return given[key.name]
    return held if "current" in held else None


def _at_home(key: AskedKey, held: Arrangement, store: Store, move: Move) -> Arrangement:
    former = store.former.get(key.name)
    current = held.get("current") or held.get("previous") or held.get("next")
    if current is None:
        adopted = former if former is not None and usable(former, key.name) else None
        return {"current": adopted or TsigKey(key.name, key.algorithm, "")}
    wanted = {slot: one for slot, one in held.items() if one != current}
    wanted["current"] = current
    if move.to == PREPARED and phase(wanted) == IDLE:
        number = (generation(current.name, key.name) or 1) + 1
        wanted["next"] = TsigKey(f"{key.name}-{number}", key.algorithm, "")
    elif move.to == PROMOTED and "next" in wanted:
        wanted = {"current": wanted["next"], "previous": current}
    elif move.to == SETTLED and "next" not in wanted:
        wanted.pop("previous", None)
    return wanted


def _rearrange(name: str, store: Store, wanted: Arrangement) -> Iterable[KeyStep]:
    """Writes, each where nothing that is wanted later is lost by it, and then removals."""
    held = {slot: store.files[name + suffix] for slot, suffix in SLOTS.items() if name + suffix in store.files}
    now = {slot: one.key for slot, one in held.items()}
    for slot in _write_order(now, wanted):
        key = wanted[slot]
        before = describe(now[slot]) if slot in now else ""
        yield KeyStep("write" if key.secret else "make", name + SLOTS[slot], key, before, describe(key))
    for slot, one in held.items():
        if slot in wanted and one.key == wanted[slot] and not one.private:
            yield KeyStep("protect", name + SLOTS[slot], None, "readable by others\n", "readable by root\n")
        elif slot not in wanted:
            yield KeyStep("remove", name + SLOTS[slot], before=describe(one.key))


def _write_order(before: Mapping[str, Optional[TsigKey]], wanted: Arrangement) -> Iterable[str]:
    """What to keep for later first, then what to sign with; but a key that is wanted is never overwritten by its last."""
    now = dict(before)
    waiting = [slot for slot in ("previous", "next", "current") if slot in wanted and now.get(slot) != wanted[slot]]
    while waiting:
        free = (slot for slot in waiting if now.get(slot) not in wanted.values() or list(now.values()).count(now[slot]) > 1)
        slot = next(free, waiting[0])
        waiting.remove(slot)
        now[slot] = wanted[slot]
        yield slot


def describe(key: Optional[TsigKey]) -> str:
    """A key as it may be shown."""
    if key is None:
        return "(no key)\n"
    return f'key "{key.name}" {key.algorithm} {fingerprint(key) if key.secret else "(made on this host)"}\n'


def shown(held: Arrangement) -> Dict[str, Dict[str, str]]:
    """An arrangement as it may be shown: slot -> name, algorithm and fingerprint."""
    return {slot: {"name": key.name, "algorithm": key.algorithm, "fingerprint": fingerprint(key)} for slot, key in held.items()}


def summary(held: Arrangement) -> str:
    """Equal for two hosts if and only if they hold the same generations in the same places."""
    return " ".join(f"{slot}={fingerprint(held[slot])}" for slot in SLOTS if slot in held)


def other_states(host: str, hostvars: Mapping[str, Mapping[str, Any]], variable: str) -> Dict[str, Mapping[str, Any]]:
    """The ``state`` that dns_key_store has returned on each host but ``host``, by the variable that has its result; {} where it did not run."""
    return {name: (hostvars[name].get(variable) or {}).get("state", {}) for name in hostvars if name != host}


def former_homes(state: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> Dict[str, List[str]]:
    """Who can give this host the keys that it would generate, as {host: names}: the home that they had, or else another holder.

    ``state`` is what the module dns_key_store has returned on this host, and ``others`` on the other hosts of this run.
    """
    leaving = [(host, one.get("deferred", {}).get("remove", {})) for host, one in others.items()]
    holding = [(host, one.get("held", {}).get(state["host"], {})) for host, one in others.items()]
    found: Dict[str, List[str]] = {}
    for name in state["deferred"]["generate"]:
        host = next((host for host, held in (*leaving, *holding) if held.get(name)), None)
        if host is not None:
            found.setdefault(host, []).append(name)
    return found


def keys_to_keep(state: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], elsewhere: Mapping[str, str]) -> List[str]:
    """Keys that this host would generate and that others give, and keys that it is to hold no more and whose new home does not have them yet.

    ``elsewhere`` has the homes of keys that this host may have been the home of, by name.
    """
    awaited = {name for one in others.values() for name in one.get("deferred", {}).get("generate", ())}

    def arrived(name: str) -> bool:
        home = others.get(elsewhere.get(name, ""), {})
        return name not in awaited and (name not in elsewhere or bool(home.get("offers", {}).get(name)))

    given = [name for names in former_homes(state, others).values() for name in names]
    return [*given, *(name for name in state["deferred"]["remove"] if not arrived(name))]


def homes_to_ask(summaries: Mapping[str, Mapping[str, str]], missing: Iterable[str], offers: Mapping[str, Optional[Mapping[str, str]]]) -> List[str]:
    """The homes that must give this host keys, in the order of ``summaries``.

    ``summaries`` has for each home what this host has of each of its keys, as ``summary`` puts it; ``missing`` are the homes without
    which it lacks a key. ``offers`` has what a home has itself, or None for a home that is not in this run, which must give only what
    is missing.
    """
    lacking = set(missing)

    def differs(home: str) -> bool:
        offered = offers.get(home)
        return offered is not None and any(offered.get(name) != summed for name, summed in summaries[home].items())

    return [home for home in summaries if home in lacking or differs(home)]


def diff_texts(folder: str, steps: Sequence[KeyStep]) -> Dict[str, str]:
    """Before and after of the files that the steps write or remove, without a secret."""
    return {
        "before": "".join(f"==> {folder}/{step.file} <==\n{step.before}" for step in steps if step.before),
        "after": "".join(f"==> {folder}/{step.file} <==\n{step.after}" for step in steps if step.after),
    }
