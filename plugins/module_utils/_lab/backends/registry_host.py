# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each backend of ``_lab.backends.registry`` does on the controller."""

from __future__ import annotations

from typing import Mapping

from .base_host import HostBackend
from .nspawn import Nspawn
from .nspawn_host import NspawnHost
from .qemu import Qemu
from .qemu_host import QemuHost
from .registry import DEFAULT

HOST_BACKENDS: Mapping[str, HostBackend] = {Nspawn.name: NspawnHost(), Qemu.name: QemuHost()}


def recognised(folder: str) -> str:
    """The backend of a node that only an earlier run knew, by its folder."""
    return next((name for name, backend in HOST_BACKENDS.items() if backend.recognises(folder)), DEFAULT)
