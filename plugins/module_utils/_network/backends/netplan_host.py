# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""netplan on this host, where it writes for systemd-networkd."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Collection, List, Mapping

from ..._system.command import CommandRunner
from ..._system.files import FileStore
from ..boot.netplan_host import netplan_differences
from ..kernel.observe_host import read_files
from ..model import Desired
from .base_host import HostBackend
from .facts import ProgramFacts
from .netplan import FILES
from .networkd_host import NetworkdHost


class NetplanHost(HostBackend):
    """See ``HostBackend``."""

    def facts(self, runner: CommandRunner, names: Collection[str]) -> ProgramFacts:
        texts = tuple(read_files([FILES]).values())
        generated = NetworkdHost().facts(runner, names)
        return replace(generated, ready=generated.ready and bool(texts) and shutil.which("netplan") is not None, texts=texts)

    def dry_run(self, runner: CommandRunner, files: FileStore, desired: Desired, after: Mapping[str, str]) -> List[str]:
        return netplan_differences(runner, files, desired, after)
