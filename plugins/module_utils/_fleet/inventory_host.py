# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the variables of an inventory on the controller, and keeping the plan made of them for the rest of a run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Protocol, Sequence, Tuple

from .._shared.quoting import visible_lines
from .._system.files import FileStore
from .problems import Problem
from .values import truth
from .variables import belongs, meant_variable

_VAULTED = ("AnsibleVaultEncryptedUnicode", "EncryptedString")


class HostVariables(Protocol):
    """What ``hostvars`` offers: a host's variables as written, and the same rendered one by one on access."""

    def raw_get(self, host_name: str) -> Mapping[str, Any]:
        """The variables as written."""
        ...  # pylint: disable=unnecessary-ellipsis

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        """The variables, rendered on access."""
        ...  # pylint: disable=unnecessary-ellipsis


def collect(hostvars: HostVariables, names: Sequence[str]) -> Tuple[Dict[str, Dict[str, Any]], List[Problem]]:
    """The fleet's variables of the named hosts as plain data, and what could not be rendered.

    Only variables that belong to a fleet are touched, so neither the facts nor anything else costs time or is exposed. Of one whose name
    is probably a misspelt one of these, the name is all that is taken.
    A value that Ansible Vault protects is not opened: what is planned is written to files that people share.
    What is wrong with a host that is no member of the fleet is nobody's business here.
    """
    found: Dict[str, Dict[str, Any]] = {}
    problems: List[Problem] = []
    for host in names:
        found[host], wrong = _collect_host(hostvars, host)
        if truth(found[host].get("fleet_host_member", True)) is not False:
            problems += wrong
    return found, problems


def _collect_host(hostvars: HostVariables, host: str) -> Tuple[Dict[str, Any], List[Problem]]:
    raw = hostvars.raw_get(host)
    found: Dict[str, Any] = {name: "" for name in raw if not belongs(name) and meant_variable(name)}
    wrong: List[Problem] = []
    wanted = sorted(name for name in raw if belongs(name))
    rendered = hostvars[host] if any(_needs_rendering(raw[name]) for name in wanted) else raw
    for name in wanted:
        if _contains(raw[name], _is_vaulted):
            remedy = "A plan holds no secrets; take it out of the fleet"
            wrong.append(Problem(host, name, "is protected by Ansible Vault", remedy, blank=True))
            continue
        try:
            value = plain(rendered[name])
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-except  # templates of users may raise anything
            wrong.append(_unrendered(host, name, str(error)))
            continue
        left = _left_unrendered(raw[name], value)
        if left:
            wrong.append(_unrendered(host, name, f"{left} refers to something undefined"))
        else:
            found[name] = value
    return found, wrong


def plain(value: Any) -> Any:
    """A copy made of nothing but dict, list, str, int, float, bool and None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "".join(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(key) if isinstance(key, str) else str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return str(value)


def _unrendered(host: str, name: str, message: str) -> Problem:
    line = " ".join(message.split()).rstrip(".")
    return Problem(host, name, f"cannot be rendered: {line}", "Correct the template, or define what it uses", blank=True)


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


def _is_vaulted(value: Any) -> bool:
    return type(value).__name__ in _VAULTED


def _needs_rendering(value: Any) -> bool:
    return _contains(value, lambda inner: _is_template(inner) or _is_vaulted(inner))


def _contains(value: Any, wanted: Callable[[Any], bool]) -> bool:
    if wanted(value):
        return True
    if isinstance(value, Mapping):
        return any(_contains(inner, wanted) for item in value.items() for inner in item)
    return isinstance(value, (list, tuple)) and any(_contains(inner, wanted) for inner in value)


def _left_unrendered(raw: Any, value: Any) -> str:
    """The first template that came back as it was: ansible-core 2.18 does so with one that uses an undefined name."""
    if isinstance(raw, str):
        same = _is_template(raw) and raw == value and not getattr(raw, "__UNSAFE__", False)
        return str(value) if same else ""
    if isinstance(raw, Mapping) and isinstance(value, Mapping):
        pairs = [(raw[key], value.get(str(key))) for key in raw]
    elif isinstance(raw, (list, tuple)) and isinstance(value, list) and len(raw) == len(value):
        pairs = list(zip(raw, value))
    else:
        return ""
    return next((left for left in (_left_unrendered(*pair) for pair in pairs) if left), "")


class PlanStore:
    """A plan kept in the run's private temporary folder, one file per host, for the many processes of one run.

    ``folder`` must be readable by its owner only and end with the run. The plan is kept for one set of hosts: it is
    made again when a host is added during the run. Groups do not count, since a play may make them (group_by).
    """

    def __init__(self, folder: str, hosts: Sequence[str]) -> None:
        key = json.dumps(sorted(hosts))
        self._folder = os.path.join(folder, f"smallfleet-plan-{hashlib.sha256(key.encode()).hexdigest()[:16]}")
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the plan for oneself: the first process makes it while the others wait."""
        with open(os.path.join(self._folder, "lock"), "w", encoding="utf-8", opener=_private) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def read(self, name: str) -> Optional[Any]:
        """What was kept under the name, or None."""
        try:
            with open(self._path(name), encoding="utf-8") as stream:
                return json.load(stream)
        except FileNotFoundError:
            return None

    def write(self, name: str, value: Any) -> None:
        """Keep a value under the name."""
        with open(self._path(name), "w", encoding="utf-8", opener=_private) as stream:
            stream.write(json.dumps(value))  # json.dump encodes in Python, this in C

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, hashlib.sha256(name.encode()).hexdigest() + ".json")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def plan_folder(dest: Optional[str], sources: Sequence[str]) -> str:
    """Where the plan's files go: as asked, or beside the first inventory that is a file or a folder.

    Ansible reads every file in a folder that it is given as inventory, so the plan never goes into one:
    for ``hosts.yml`` it goes to ``plan`` beside that file, for a folder ``lab`` to ``lab-plan`` beside that folder.
    """
    if dest:
        return os.path.abspath(dest)
    for source in sources:
        if os.path.isdir(source):
            return os.path.abspath(source) + "-plan"
        if os.path.isfile(source):
            return os.path.join(os.path.dirname(os.path.abspath(source)), "plan")
    return os.path.abspath("plan")


def write_files(files: FileStore, folder: str, wanted: Mapping[str, str], check: bool) -> Dict[str, Any]:
    """Make the folder hold the wanted files; returns what a task does: changed, steps, diff and the folder."""
    steps: List[str] = []
    diff: List[Dict[str, str]] = []
    for name, content in wanted.items():
        path = os.path.join(folder, name)
        before = files.read(path)
        if before == content:
            continue
        steps.append(f"write {path}")
        headers = {"before_header": path, "after_header": path}
        diff.append({**headers, "before": visible_lines(before or ""), "after": visible_lines(content)})
        if not check:
            files.write(path, content, 0o644)
    return {"changed": bool(steps), "steps": steps, "diff": diff, "dest": folder}
