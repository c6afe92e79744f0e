# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps what is for a lab's addresses from leaving the controller; see _lab/routes.py."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import FrozenSet, Iterator, List

from .._system.command import CommandRunner
from .routes import RANGES, blocked, listing, request
from .spec import NAMESPACE_PREFIX

NAMESPACES = "/run/netns"
LOCK = "/run/smallfleet-lab-routes.lock"
IPV6_INTERFACES = "/proc/net/if_inet6"


class LabRoutes:
    """Routes in the controller's main table. What is there is looked up each time; labs that are up are found by their namespaces."""

    def __init__(self, runner: CommandRunner, namespaces: str = NAMESPACES, lock: str = LOCK) -> None:
        self._runner = runner
        self._namespaces = namespaces
        self._lock_path = lock

    def needed(self) -> FrozenSet[str]:
        """The ranges of the families that this machine speaks: without IPv6 nothing leaves by it."""
        return frozenset(RANGES[family] for family in self._families())

    def blocked(self) -> FrozenSet[str]:
        """The ranges that have our route."""
        listed = [json.loads(self._runner.run(listing(family)).stdout or "[]") for family in self._families()]
        return blocked(route for routes in listed for route in routes)

    def labs(self) -> FrozenSet[str]:
        """The namespaces of labs. A name that a crash left, with no namespace mounted on it, does not count."""
        names = os.listdir(self._namespaces) if os.path.isdir(self._namespaces) else []
        return frozenset(name for name in names if name.startswith(NAMESPACE_PREFIX) and os.path.ismount(f"{self._namespaces}/{name}"))

    def block(self) -> None:
        """Add what is missing. Raises CommandFailed."""
        with self._lock():
            there = self.blocked()
            for family in self._families():
                if RANGES[family] not in there:
                    self._runner.run(request(family, "add"))

    def unblock(self) -> None:
        """Remove our routes, unless a lab is up: the last one that goes takes them along. Raises CommandFailed."""
        with self._lock():
            if self.labs():
                return
            there = self.blocked()
            for family in self._families():
                if RANGES[family] in there:
                    self._runner.run(request(family, "delete"))

    def _families(self) -> List[int]:
        try:
            with open(IPV6_INTERFACES, encoding="ascii") as stream:
                return [4, 6] if stream.read().strip() else [4]
        except FileNotFoundError:
            return [4]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Two labs that come and go at once look one after the other."""
        with open(self._lock_path, "w", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
