# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``lab_*`` variables: what each may be, and what holds where it is not set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from .._fleet.fields import Field, boolean, choice, in_context, list_of, mapping_of, name, whole
from .backends.registry import BACKENDS, DEFAULT

FLEET_DEFAULTS: Mapping[str, Any] = {
    "lab_release": "trixie",
    "lab_cache": "/var/cache/smallfleet",
    "lab_directory": "/var/lib/smallfleet/labs",
    "lab_packages": (),
}
HOST_DEFAULTS: Mapping[str, Any] = {
    "lab_backend": DEFAULT,
    "lab_memory": 1024,
    "lab_cpus": 1,
    "lab_disk": 4096,
    "lab_disks": {},
    "lab_nics": {},
    "lab_macvtap": False,
    "lab_installed_packages": (),
}
_FOLDER = replace(name(r"(/[A-Za-z0-9._-]+)+", "a folder's absolute path", "Use one without spaces, such as /var/cache/x"), type="path")
_PACKAGES = list_of(name(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package", "Correct or remove it"), "[bind9]")
_DISK = name(r"[a-z][a-z0-9-]{0,19}", "the name of a disk", "Use at most 20 of a-z, 0-9 and -, a letter first")
_CARD = in_context(schema={"type": "string", "pattern": "^eth[1-9][0-9]*$"})
_LARGEST = 2**30

VARIABLES: Mapping[str, Field] = {
    "lab_backend": choice(*BACKENDS),
    "lab_cache": _FOLDER,
    "lab_cpus": whole(1, 1024, "processors"),
    "lab_directory": _FOLDER,
    "lab_disk": whole(1024, _LARGEST, "MiB"),
    "lab_disks": mapping_of(_DISK, whole(1, _LARGEST, "MiB"), "{data: 1024}"),
    "lab_installed_packages": _PACKAGES,
    "lab_macvtap": boolean(),
    "lab_memory": whole(64, _LARGEST, "MiB"),
    "lab_name": name(r"[a-z][a-z0-9-]{0,30}", "a lab's name", "Use a-z, 0-9 and -, at most 31"),
    "lab_nics": mapping_of(_CARD, in_context(), "{eth1: main}"),
    "lab_packages": _PACKAGES,
    "lab_release": name(r"[a-z]+", "a Debian release", "Use its code name, such as trixie"),
}
