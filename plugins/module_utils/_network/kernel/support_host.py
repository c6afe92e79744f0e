# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this host's kernel can do what a change needs, without changing anything of the host."""

from __future__ import annotations

import os
from typing import List

from ..._system.command import CommandRunner
from ..model import Desired, Observed
from .support import FILTERING, MODULES, Need, needs


def lacking(runner: CommandRunner, desired: Desired, observed: Observed) -> List[str]:
    """What the kernel lacks, each with where it is needed and a remedy."""
    return [str(need) for need in needs(desired, observed) if not _available(runner, need) and _refused(runner, need)]


def _available(runner: CommandRunner, need: Need) -> bool:
    """Whether the module is loaded or built in, or would be loaded. Trying would do that, and bonding makes a bond0 when it is loaded."""
    if need.kind == FILTERING:
        return False
    known = os.path.isdir(f"/sys/module/{MODULES[need.kind]}")
    return known or runner.run(["modprobe", "--dry-run", "--quiet", "--", f"rtnl-link-{need.kind}"], check=False).rc == 0


def _refused(runner: CommandRunner, need: Need) -> bool:
    """In a network namespace that is gone with the command."""
    answer = runner.run(["env", "LC_ALL=C", "unshare", "--net", "--", "ip", "link", "add", *need.probe], check=False)
    return need.refused(answer.rc, answer.stderr)
