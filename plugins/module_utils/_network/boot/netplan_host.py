# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What netplan makes of the files that a change leaves, in a folder of its own: nothing of the host is read or changed."""

from __future__ import annotations

import tempfile
from typing import List, Mapping

from ..._shared.masking import masked_message
from ..._system.command import CommandRunner
from ..._system.files import FileStore
from ..kernel.observe_host import read_files
from ..model import Desired
from .findings import word
from .generated import differences


def netplan_differences(runner: CommandRunner, files: FileStore, desired: Desired, after: Mapping[str, str]) -> List[str]:
    """What the next boot has otherwise than ``desired``, or why netplan makes nothing of these files."""
    with tempfile.TemporaryDirectory(prefix="smallfleet-") as folder:
        for path, text in after.items():
            if path.endswith(".yaml"):
                files.write(f"{folder}{path}", text, 0o600)
        done = runner.run(["netplan", "generate", "--root-dir", folder], check=False)
        if done.rc != 0:
            # What is printed after the first line is of the files, which may hold passwords
            reason = word(masked_message(done.stderr.strip().partition("\n")[0].replace(folder, "")), 200)
            return [f"netplan does not take the files as they would be ({reason}). Look at the files in /etc/netplan"]
        made = read_files([f"{folder}/run/systemd/network/*.network"])
        return differences(desired, {path.rpartition("/")[2]: text for path, text in made.items()})
