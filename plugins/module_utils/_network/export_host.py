# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network that this host has, as the variables that describe it."""

from __future__ import annotations

import re
from typing import Collection, Mapping, Sequence, Set

from .._system.command import CommandRunner
from .backends.detect import owners
from .backends.programs_host import look
from .boot.boot_host import backends
from .boot.resolv_conf import read_resolv_conf
from .exported import Exported, export
from .kernel.observe_host import read_files, read_kernel
from .model import Dns
from .rollback.rollback_host import Refused

RESOLV_CONF = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
"""The first that names a server counts: systemd-resolved writes into the first whom it asks itself."""


def export_network(runner: CommandRunner, names: Sequence[str] = ()) -> Exported:
    """Of the interfaces that are named, or else of all that the boot configuration configures, with what belongs to them.

    Raises CommandFailed, BadText, and Refused when there is no such interface.
    """
    observed = read_kernel(runner)
    missing = [name for name in names if name not in observed.links]
    if missing:
        there = ", ".join(name for name, link in observed.links.items() if not link.loopback)
        raise Refused("interfaces", f"interfaces: this host has no {', '.join(missing)}. Name some that it has ({there})")
    texts = {path: text for backend in backends(observed).values() for path, text in read_files(backend.reads).items()}
    configured = names or [*owners(observed.links, look(runner, observed.links))]
    if not configured:
        raise Refused("backend", "No program known here configures an interface of this host. Name those that are meant in interfaces")
    return export(observed, configured, _mentioned(observed.links, texts), _dns())


def _mentioned(names: Collection[str], texts: Mapping[str, str]) -> Set[str]:
    words = {word for text in texts.values() for word in re.split(r"[\s,=:;\[\]{}\"']+", text)}
    return words & set(names)


def _dns() -> Dns:
    for text in read_files(RESOLV_CONF).values():
        found = read_resolv_conf(text)
        if found.servers:
            return found
    return Dns()
