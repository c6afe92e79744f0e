# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at what this host has at its next boot: the files of others, and who writes them again."""

from __future__ import annotations

import os
import shutil
from functools import lru_cache
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..._shared.limits import CONFIGURATION, BadText
from ..._system.command import CommandRunner
from ..._system.files import FileStore
from ..._system.yaml_text import YAML_ERROR, load_yaml, text_loader
from ..backends.backend import Backend
from ..backends.base import FIRST
from ..backends.registry import on_host
from ..backends.registry_host import HOST_BACKENDS
from ..kernel.observe import COMMANDS
from ..kernel.observe_host import read_files, read_text
from ..model import Desired, Files, Observed
from . import others, udev
from .findings import Boot, Findings
from .options import from_kernel, made
from .review import after_changes, review
from .rewriters import CLOUD_CONFIG, CLOUD_OFF, PENDING, Writers

_ROUNDS = 8
"""Files that read in others, one below the other."""
_NO_YAML = "this needs PyYAML for the files of netplan, which the Python that Ansible runs has not. Install python3-yaml"


def load(text: str, what: str) -> Any:
    """The value of a YAML text, all scalars as strings, as netplan takes them. Raises BadText."""
    if YAML_ERROR is not None:
        raise BadText(f"{what}: {_NO_YAML}")
    return _parsed(text, what)


@lru_cache(maxsize=32)
def _parsed(text: str, what: str) -> Any:
    """A file is looked at before the change and after it, which is mostly the same. Nobody changes what is returned."""
    return load_yaml(text, what, CONFIGURATION, text_loader())


def backends(observed: Observed) -> Dict[str, Backend]:
    """The backends as this host needs them, by name."""
    return on_host(observed, load)


def boot_files(backend: Backend) -> Dict[str, str]:
    """Path and content of what a backend reads at boot, with what those files read in, less that of a trial. Raises BadText."""
    found = {path: text for path, text in read_files(backend.reads).items() if f"/{FIRST}" not in path}
    todo = dict(found)
    for _round in range(_ROUNDS):
        patterns = [pattern for path, text in todo.items() for pattern in backend.includes(path, text)]
        todo = {path: text for path, text in read_files(patterns).items() if path not in found}
        found.update(todo)
    return found


def findings(
    runner: CommandRunner,
    store: FileStore,
    backend: Backend,
    desired: Desired,
    observed: Observed,
    existing: Mapping[str, str],
    files: Files,
    management: Sequence[str],
    configured_by: Mapping[str, str],
) -> Findings:
    """What the next boot has that the change does not confirm, and the other way round. Raises CommandFailed, Unreadable, BadText."""
    before = {**existing, **{path: text for path, text in read_files(backend.reviewed).items() if f"/{FIRST}" not in path}}
    kernel = from_kernel(runner.run(COMMANDS["links"]).stdout)
    boot = Boot(
        desired,
        observed,
        before,
        after_changes(before, files),
        tuple(management),
        tuple(_peers()),
        made(desired, observed),
        configured_by,
    )
    found = review(backend, boot, files, _writers(runner), kernel, load, read_files((*udev.LINKS, *udev.RULES)))
    if not found.problems:
        found.problems += HOST_BACKENDS[backend.name].dry_run(runner, store, desired, boot.after)
    return found


def _writers(runner: CommandRunner) -> Writers:
    cloud: Dict[str, Any] = {}
    for path, text in read_files(CLOUD_CONFIG).items():
        try:
            cloud[path] = load(text, path)
        except BadText:
            cloud[path] = text
    installed = shutil.which("cloud-init") is not None
    enabled = [unit for unit in others.UNITS if runner.run(["systemctl", "is-enabled", "--quiet", "--", unit], check=False).rc == 0]
    local = read_text(others.LOCAL) if os.access(others.LOCAL, os.X_OK) else ""
    off, pending = os.path.exists(CLOUD_OFF), os.path.exists(PENDING)
    return Writers(installed, off, read_text("/proc/cmdline"), cloud, pending, frozenset(enabled), local)


def _peers() -> List[str]:
    """The address from which this host is managed: sshd(8) tells it its session, whose environment sudo(8) does not pass on."""
    process = "self"
    for _generation in range(20):
        for entry in read_text(f"/proc/{process}/environ").split("\0"):
            if entry.startswith("SSH_CONNECTION="):
                return entry.partition("=")[2].split()[:1]
        status = dict(_pair(line) for line in read_text(f"/proc/{process}/status").split("\n"))
        process = status.get("PPid", "0")
        if process in ("0", "1"):
            break
    return []


def _pair(line: str) -> Tuple[str, str]:
    key, _colon, value = line.partition(":")
    return key, value.strip()
