# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at this host's network: the kernel by ip(8), and the files of its boot configuration."""

from __future__ import annotations

import glob
import os
from typing import Dict, List, Sequence

from ..._shared.limits import CONFIGURATION, check_size
from ..._system.command import CommandRunner
from ..model import Observed
from .observe import COMMANDS, observe


def read_kernel(runner: CommandRunner) -> Observed:
    """Raises CommandFailed and observe.Unreadable. A kernel without IPv6 has no routes and no rules of it, and one that cannot filter
    VLANs has none of them.
    """
    printed: Dict[str, str] = {}
    for key, argv in COMMANDS.items():
        printed[key] = runner.run(argv, check=not key.endswith("6") and key != "vlans").stdout
    return observe(printed)


def read_files(patterns: Sequence[str]) -> Dict[str, str]:
    """Path -> content of every file that matches one of the patterns. Raises BadText for one that no program would read either."""
    found: Dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                    found[path] = stream.read(CONFIGURATION.size + 1)
                check_size(found[path], path)
    return found


def read_text(path: str) -> str:
    """The text of one file, empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def interface_number(name: str) -> str:
    """The kernel's number of an interface; 0, which none has, where there is no such interface."""
    return read_text(f"/sys/class/net/{name}/ifindex").strip() or "0"


def active(runner: CommandRunner, unit: str) -> bool:
    """Whether systemd runs a unit."""
    return runner.run(["systemctl", "is-active", "--quiet", "--", unit], check=False).rc == 0


def unwritable(paths: Sequence[str]) -> List[str]:
    """Why files of the boot configuration could not be replaced or removed, once for each folder: what, and a remedy."""
    found: Dict[str, str] = {}
    for path in paths:
        folder = os.path.dirname(path)
        while not os.path.exists(folder):
            folder = os.path.dirname(folder)
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            found[folder] = f"{folder} is on a file system that is read-only, so the boot configuration could not follow. Mount it writable"
        elif not os.access(folder, os.W_OK) or (os.path.exists(path) and not os.access(path, os.W_OK)):
            place = path if os.path.exists(path) else folder
            found[place] = f"{place} cannot be written, so the boot configuration could not follow. Look at its owner and at lsattr -d {place}"
    return list(found.values())
