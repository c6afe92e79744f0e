# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of the lab share: real effects wired together, and errors that are the user's to read."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from .._system.clock import SystemClock
from .._system.command import CommandFailed
from .._system.files import SystemFiles
from .commands_host import LabRunner
from .image_host import ImageFailed
from .lab_host import Lab, LabFailed, load
from .network_host import NetworkFailed
from .processes_host import ProcessFailed
from .spec import LabSpec

FAILURES = (CommandFailed, ImageFailed, LabFailed, NetworkFailed, ProcessFailed, OSError, ValueError)


def system_lab(spec: LabSpec, progress: Optional[str] = None) -> Lab:
    """The lab on this machine. Each step is appended to the file ``progress`` as it begins."""
    os.environ["PATH"] += os.pathsep + os.pathsep.join(["/usr/sbin", "/sbin"])

    def tell(text: str) -> None:
        if progress is not None:
            with open(progress, "a", encoding="utf-8") as stream:
                stream.write(text + "\n")

    return Lab(spec, LabRunner(timeout=1800.0), SystemFiles(), SystemClock(), tell)


def existing_lab(directory: str, name: str) -> Lab:
    """The lab that was raised under this name. Raise LabFailed when there is none."""
    return system_lab(load(f"{directory}/{name}", SystemFiles()))


DRILL_ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "directory": {"type": "path", "default": "/var/lib/smallfleet/labs"},
    "node": {"type": "str", "required": True},
}


def step_diff(steps: List[str]) -> Dict[str, str]:
    """A diff whose new side is the steps."""
    return {"before": "", "after": "".join(f"{step}\n" for step in steps)}
