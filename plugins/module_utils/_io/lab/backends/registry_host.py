# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each backend of ``_core.lab.backends.registry`` does on the controller."""

from __future__ import annotations

from typing import Mapping

from ...._core.lab.backends.nspawn import Nspawn
from ...._core.lab.backends.qemu import Qemu
from ...._core.lab.backends.registry import DEFAULT
from .base_host import HostBackend
from .nspawn_host import NspawnHost
from .qemu_host import QemuHost

HOST_BACKENDS: Mapping[str, HostBackend] = {Nspawn.name: NspawnHost(), Qemu.name: QemuHost()}


def recognised(folder: str) -> str:
    """The backend of a node that only an earlier run knew, by its folder."""
    return next((name for name, backend in HOST_BACKENDS.items() if backend.recognises(folder)), DEFAULT)
