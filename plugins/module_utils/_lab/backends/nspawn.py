# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers run by systemd-nspawn(1)."""

from __future__ import annotations

from typing import Dict

from ..devices import macvtap_files
from ..spec import LabNode
from .base import Backend


class Nspawn(Backend):
    """See ``Backend``."""

    name = "nspawn"
    needs = frozenset(("machine id", "inotify instances"))

    def node_files(self, node: LabNode) -> Dict[str, str]:
        """No udev makes the device nodes of macvtap links."""
        return macvtap_files() if node.macvtap else {}
