# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What git knows of a checkout: its files, and when each was changed last."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import AbstractSet, Dict, Mapping, Sequence

from .inputs import Tree


@dataclass(frozen=True, order=True)
class Change:
    """A commit. ``age`` counts the commits since, -1 for what is not committed yet."""

    age: int
    commit: str
    subject: str


UNCOMMITTED = Change(-1, "", "not committed yet")
UNKNOWN = Change(10**9, "", "not known to git")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.quotePath=false", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, errors="replace").stdout


def tree(root: Path) -> Tree:
    """The files that git tracks and those that it would, without the collection's link to itself."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    present = [path for path in listed if path and not path.startswith("collections/") and (root / path).is_file()]
    return Tree(present, lambda path: (root / path).read_text(encoding="utf-8"))


def changes(root: Path) -> Mapping[str, Change]:
    """File -> the newest commit that changed it. The same for the same commit and no uncommitted change."""
    newest: Dict[str, Change] = {}
    log = _git(root, "log", "--name-only", "--format=%x00%h%x09%s")
    for age, entry in enumerate(log.split("\0")[1:]):
        head, *names = entry.splitlines()
        commit, _tab, subject = head.partition("\t")
        for name in filter(None, names):
            newest.setdefault(name, Change(age, commit, subject))
    for name in _uncommitted(root):
        newest[name] = UNCOMMITTED
    return newest


def _uncommitted(root: Path) -> Sequence[str]:
    names = _git(root, "diff", "--name-only", "-z", "HEAD") + _git(root, "ls-files", "-z", "--others", "--exclude-standard")
    return [name for name in names.split("\0") if name]


def digests(root: Path, inputs: Mapping[str, AbstractSet[str]]) -> Mapping[str, str]:
    """Phase -> a digest of the names and contents of its inputs."""
    contents: Dict[str, bytes] = {}
    for path in {path for paths in inputs.values() for path in paths}:
        contents[path] = sha256((root / path).read_bytes()).digest()
    return {phase: sha256(b"".join(f"{path}\0".encode() + contents[path] for path in sorted(paths))).hexdigest() for phase, paths in inputs.items()}


def state(root: Path) -> str:
    """A name for exactly these files: the commit, and a digest of what is not committed."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD").strip()
    changed = _uncommitted(root)
    if not changed:
        return commit
    digest = sha256()
    for name in sorted(changed):
        path = root / name
        digest.update(f"{name}\0".encode() + (path.read_bytes() if path.is_file() else b"gone") + b"\0")
    return f"{commit}-{digest.hexdigest()[:12]}"
