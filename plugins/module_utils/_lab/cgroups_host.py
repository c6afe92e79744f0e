# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control group for each node, on controllers where no systemd makes one.

systemd-nspawn --keep-unit puts a machine into ``payload`` below the group it was started in. Were all nodes started in the same
group, each node's systemd would take the others' services for its own and kill them.
"""

from __future__ import annotations

import errno
import os
import time
from typing import List


def folders(name: str) -> List[str]:
    """Where the group ``name`` is, or would be: in the unified hierarchy and in systemd's own, where they are mounted."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        for line in stream:
            before, _dash, after = line.partition(" - ")
            kind, _source, options = after.split()[:3]
            if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
                found.append(f"{before.split()[4]}/{name}")
    return found


def create(name: str) -> List[str]:
    """Make the group where it is not there yet; return its folders."""
    found = folders(name)
    for folder in found:
        os.makedirs(folder, exist_ok=True)
    return found


def remove(name: str, timeout: float = 5.0) -> None:
    """Remove the group and all below it. Its processes must have ended; the kernel may take a moment to forget them."""
    deadline = time.monotonic() + timeout
    for top in folders(name):
        for folder, _groups, _files in os.walk(top, topdown=False):
            while True:
                try:
                    os.rmdir(folder)
                    break
                except OSError as error:
                    if error.errno != errno.EBUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
