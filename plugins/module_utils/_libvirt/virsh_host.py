# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt by way of virsh(1), behind a small protocol.

virsh is in every installation of libvirt, speaks to any version of it, and needs no binding built for the Python that Ansible
happens to use. XML and keys go by files that only root can read, for arguments can be seen by everybody on the host.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, Protocol, Sequence, Tuple

from .._system.command import CommandRunner

SYSTEM = "qemu:///system"
RUNNING = "running"
SHUT_OFF = "shut off"


@dataclass(frozen=True)
class Info:
    """What ``virsh dominfo`` says of a guest. ``state`` is in its words: running, idle, paused, in shutdown, shut off, crashed ..."""

    state: str
    persistent: bool
    autostart: bool


class Libvirt(Protocol):
    """What the collection asks libvirt for. Each call raises CommandFailed with libvirt's own words when it is refused."""

    def names(self) -> Tuple[str, ...]:
        """All guests, running or not."""
        ...  # pylint: disable=unnecessary-ellipsis

    def info(self, name: str) -> Info:
        """State of one guest."""
        ...  # pylint: disable=unnecessary-ellipsis

    def definition(self, name: str) -> str:
        """The persistent definition, with the passwords in it: redefining a guest without them would remove them."""
        ...  # pylint: disable=unnecessary-ellipsis

    def live(self, name: str) -> str:
        """The guest as it runs; its definition when it does not."""
        ...  # pylint: disable=unnecessary-ellipsis

    def define(self, xml: str) -> None:
        """Make or replace a persistent definition; what runs is not touched."""
        ...  # pylint: disable=unnecessary-ellipsis

    def call(self, *words: str) -> str:
        """Any other virsh command, and what it said."""
        ...  # pylint: disable=unnecessary-ellipsis

    def device(self, action: str, name: str, xml: str, *scope: str) -> None:
        """``attach``, ``detach`` or ``update`` a device; ``scope`` is of --live and --config."""
        ...  # pylint: disable=unnecessary-ellipsis


class Virsh:
    """The libvirt of this host."""

    def __init__(self, runner: CommandRunner, uri: str = SYSTEM, folder: str = "/run") -> None:
        self._runner = runner
        self._uri = uri
        self._folder = folder

    def argv(self, *words: str) -> Sequence[str]:
        """The command with virsh's output in the words that are parsed here."""
        return ["env", "LC_ALL=C", "virsh", "--quiet", "--connect", self._uri, *words]

    def call(self, *words: str) -> str:
        return self._runner.run(self.argv(*words)).stdout

    def names(self) -> Tuple[str, ...]:
        return tuple(line for line in self.call("list", "--all", "--name").splitlines() if line)

    def info(self, name: str) -> Info:
        rows = dict(line.split(":", 1) for line in self.call("dominfo", "--domain", name).splitlines() if ":" in line)
        said = {key.strip(): value.strip() for key, value in rows.items()}
        return Info(said.get("State", ""), said.get("Persistent") == "yes", said.get("Autostart") == "enable")

    def definition(self, name: str) -> str:
        return self.call("dumpxml", "--domain", name, "--inactive", "--security-info")

    def live(self, name: str) -> str:
        return self.call("dumpxml", "--domain", name)

    def define(self, xml: str) -> None:
        with self.file(xml) as path:
            self.call("define", "--file", path)

    def device(self, action: str, name: str, xml: str, *scope: str) -> None:
        with self.file(xml) as path:
            self.call(f"{action}-device", "--domain", name, "--file", path, *scope)

    @contextmanager
    def file(self, content: str) -> Iterator[str]:
        """A file in memory that only root can read, for as long as it is needed."""
        handle, path = tempfile.mkstemp(dir=self._folder, prefix="smallfleet-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
            yield path
        finally:
            os.unlink(path)
