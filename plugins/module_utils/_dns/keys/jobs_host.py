# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module dns_key_store is asked for, and doing it on a key store."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..client import DnsFailure
from ..dnspython_client import DNSPYTHON_ERROR
from ..socket_client import Server
from ..wire_client import WireClient, make_key
from .bundle import BadBundle, read_bundle, write_bundle
from .external import missing_secrets, read_secrets
from .key_file import SUFFIX, TsigKey
from .key_store_host import KeyFailure, KeyHost
from .plan import PAIR_FILE, Arrangement, AskedKey, Keep, KeyStep, Move, Store, StorePlan, arrangement, diff_texts, plan_store, problems, shown, summary

Ask = Callable[[Mapping[str, Any], TsigKey], None]
_KNOWS_THE_KEY = ("server_failure", "refused", "not_auth")  # said after the signature was found to be good


@dataclass(frozen=True)
class Job:
    """The options of the module. ``sealed`` is None when no home was asked yet; ``external`` are keys that others have made.

    ``adopt`` are the hosts that give keys whose home is this host by now, by key.
    """

    host: str
    keys: Tuple[AskedKey, ...]
    state: str
    sealed: Optional[Tuple[str, ...]]
    recipient: str
    move: Move
    questions: Sequence[Mapping[str, Any]]
    check: bool
    external: Mapping[str, Arrangement] = field(default_factory=dict, repr=False)
    keep: Keep = Keep()
    adopt: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, options: Mapping[str, Any], check: bool) -> Job:
        """Raises KeyFailure."""
        keys = tuple(AskedKey(one["name"], one["algorithm"], one["home"], bool(one.get("external")), bool(one.get("local"))) for one in options["keys"])
        at_home = [key for key in keys if key.home == options["host"]]
        external, unreadable = read_secrets(at_home, options.get("secrets") or {})
        wrong = [*problems(keys), *unreadable]
        for index, one in enumerate(options["keys"]):
            if one["file"] and one["file"] != os.path.join(options["folder"], one["name"] + SUFFIX):
                wrong.append(f"keys[{index}].file: {one['file']} is not {one['name']}{SUFFIX} in {options['folder']}.")
            if options["state"] == "sealed" and one["home"] != options["host"]:
                wrong.append(f"keys[{index}].home: the key {one['name']} is made on {one['home']}, not here.")
        if wrong:
            raise KeyFailure(" ".join(wrong), "bad_request")
        sealed = None if options["sealed"] is None else tuple(options["sealed"])
        move = Move(options["move_to"] or "", tuple(options["move"]))
        asked = options["questions"]
        keep = Keep(bool(options.get("defer")), tuple(options.get("keep") or ()))
        adopt = options.get("adopt") or {}
        return cls(options["host"], keys, options["state"], sealed, options["recipient"], move, asked, check, external, keep, adopt)


def run_job(host: KeyHost, job: Job, ask: Optional[Ask] = None) -> Dict[str, Any]:
    """The result of the module. Raises KeyFailure, CommandFailed or OSError."""
    if job.keys and not job.check and job.state != "observed":
        host.found()
    with host.locked():
        done = {"present": _present, "sealed": _seal, "observed": _observe}[job.state](host, job)
    if job.state == "observed":
        _prove(host, job, ask or ask_server)
    return done


def _present(host: KeyHost, job: Job) -> Dict[str, Any]:
    store = host.observe(job.keys)
    _demand_secrets(job, store)
    given = {**_open(host, job), **job.external}
    plan = plan_store(job.host, job.keys, store, given, job.move, job.keep)
    if job.adopt and not store.pair:
        plan = replace(plan, steps=(*plan.steps, KeyStep("pair", PAIR_FILE)))
    homes = {key.home for key in job.keys if key.name in given}  # a host of several homes takes from one after the other
    missing = {home: names for home, names in plan.missing.items() if home in homes or not homes}
    if job.sealed is not None and missing and not job.check:
        raise KeyFailure(f"{_listed(missing)}. Run the role dns_keys there, and then here.", "missing")
    return _done(host, job, store, plan)


def _seal(host: KeyHost, job: Job) -> Dict[str, Any]:
    """Only adds: what else is in the store is for this host's own run."""
    store = host.observe(job.keys)
    _demand_secrets(job, store)
    whole = plan_store(job.host, job.keys, store, job.external)
    plan = StorePlan(tuple(step for step in whole.steps if step.action not in ("remove", "sweep", "pair")))
    done = _done(host, job, store, plan)
    held = {key.name: arrangement(host.observe(job.keys), key.name) for key in job.keys}
    ready = bool(job.recipient) and all(held.values())
    if not (ready or job.check):
        raise KeyFailure("There is no certificate of a recipient; run the role dns_keys.", "bad_request")
    return {**done, "sealed": host.seal(write_bundle(job.host, held), job.recipient) if ready else ""}


def _observe(host: KeyHost, job: Job) -> Dict[str, Any]:
    store = host.observe(job.keys)
    return {**_done(host, job, store, StorePlan((), plan_store(job.host, job.keys, store).missing))}


def _demand_secrets(job: Job, store: Store) -> None:
    held = {key.name: arrangement(store, key.name) for key in job.keys}
    missing = missing_secrets(job.host, job.keys, held, job.external)
    if missing:
        raise KeyFailure(" ".join(missing), "missing")


def _open(host: KeyHost, job: Job) -> Dict[str, Arrangement]:
    given: Dict[str, Arrangement] = {}
    expected = [replace(key, home=job.adopt.get(key.name, key.home)) for key in job.keys if key.home != job.host or key.name in job.adopt]
    for text in job.sealed or ():
        if not text:
            continue
        try:
            given.update(read_bundle(host.unseal(text), expected))
        except BadBundle as error:
            raise KeyFailure(f"What came for this host was opened, but {error}. Nothing was changed.", "bad_bundle") from error
    return given


def _done(host: KeyHost, job: Job, store: Store, plan: StorePlan) -> Dict[str, Any]:
    steps = list(plan.steps)
    if steps and not job.check:
        host.apply(steps)
        store = host.observe(job.keys)
    said = [str(step) for step in steps]
    diff = diff_texts(host.folder, steps)
    if job.check and job.sealed is not None:
        adopted: Dict[str, Tuple[str, ...]] = {}
        for name, former in job.adopt.items():
            adopted[former] = (*adopted.get(former, ()), name)
        for home, names in sorted({**plan.missing, **adopted}.items()):
            said.extend(f"take the key {name} from {home}" for name in names)
            diff["after"] += "".join(f"==> {host.folder}/{name}{SUFFIX} <==\n(made on {home})\n" for name in names)
    return {
        "changed": bool(said),
        "steps": said,
        "diff": diff,
        "notes": plan.notes,
        "state": _state(host, job, store, plan),
    }


def _state(host: KeyHost, job: Job, store: Store, plan: StorePlan) -> Dict[str, Any]:
    keys = {key.name: arrangement(store, key.name) for key in job.keys}
    held: Dict[str, Dict[str, str]] = {}
    for key in job.keys:
        held.setdefault(key.home, {})[key.name] = summary(keys[key.name])
    return {
        "host": job.host,
        "generations": {name: shown(one) for name, one in keys.items() if one},
        "held": {home: told for home, told in held.items() if home != job.host},
        "offers": held.get(job.host, {}),
        "missing": {home: list(names) for home, names in plan.missing.items()},
        "deferred": {"generate": list(plan.generate), "remove": dict(plan.remove)},
        "certificate": host.certificate(),
        "can_seal": store.can_seal,
    }


def _prove(host: KeyHost, job: Job, ask: Ask) -> None:
    store = host.observe(job.keys)
    for question in job.questions:
        held = arrangement(store, question["key"])
        key = held.get("next") or held.get("current")
        if key is None:
            said = f"The key {question['key']} is not on {job.host}. Run the role dns_keys, and then this again."
            raise KeyFailure(said, "missing")
        ask(question, key)


def ask_server(question: Mapping[str, Any], key: TsigKey) -> None:
    """Ask for the zone's SOA. Raises KeyFailure unless the server has checked the signature and found it good."""
    if DNSPYTHON_ERROR:
        raise KeyFailure("dnspython is missing. Install the Debian package python3-dnspython here.", "missing_library")
    client = WireClient(Server(question["server"], question["port"]), make_key(key.name, key.secret, key.algorithm))
    try:
        client.check_zone(f"{question['zone']}.")
    except DnsFailure as failure:
        if failure.reason not in _KNOWS_THE_KEY:
            raise KeyFailure(f"A question signed with the key {key.name} failed: {failure}", failure.reason) from failure
    finally:
        client.close()


def _listed(missing: Mapping[str, Sequence[str]]) -> str:
    parts: List[str] = [f"{home} has not given {', '.join(names)}" for home, names in sorted(missing.items())]
    return "; ".join(parts)
