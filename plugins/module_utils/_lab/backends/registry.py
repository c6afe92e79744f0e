# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's backends. All lists of their names derive from this one."""

from __future__ import annotations

from typing import Mapping, Tuple

from .base import Backend
from .nspawn import Nspawn
from .qemu import Qemu

_ALL: Tuple[Backend, ...] = (Nspawn(), Qemu())
BACKENDS: Mapping[str, Backend] = {one.name: one for one in _ALL}
"""By name, in the order in which messages list them."""
DEFAULT = Nspawn.name
"""Of a host without ``lab_backend``."""
