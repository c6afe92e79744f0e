# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the next boot gives what a change confirms: everything that is known of it before the change."""

from __future__ import annotations

from typing import Dict, Mapping, Optional

from ..backends.backend import Backend, Load
from ..model import Files
from . import others, udev, undescribed
from .drift import drifted
from .findings import Boot, Findings
from .rewriters import Writers, rewritten


def after_changes(existing: Mapping[str, str], files: Files) -> Dict[str, str]:
    """The files as they are when the changes are made."""
    found = dict(existing)
    for one in files.changes:
        if one.after is None:
            found.pop(one.path, None)
        else:
            found[one.path] = one.after
    return found


def review(
    backend: Backend,
    boot: Boot,
    files: Files,
    writers: Writers,
    kernel: Mapping[str, Mapping[str, str]],
    load: Load,
    names: Optional[Mapping[str, str]] = None,
) -> Findings:
    """``kernel`` are the options of its bridges and bonds, ``names`` the files that name cards (see ``udev``); ``load`` reads YAML."""
    found = backend.review(boot, load)
    known, beyond = rewritten(files, writers), undescribed.review(boot)
    problems = [*known, *found.problems, *beyond.problems, *udev.renamed(boot, names or {})]
    warnings = [*beyond.warnings, *found.warnings, *drifted(boot, kernel, names or {}), *others.warnings(files, boot, writers, bool(known))]
    return Findings(list(dict.fromkeys(problems)), list(dict.fromkeys(warnings)))
