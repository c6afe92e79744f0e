# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of this node, as transient units of systemd."""

from __future__ import annotations

from typing import Sequence

from .._system.command import CommandRunner
from .._system.files import FileStore
from .._system.systemd import Systemd
from .caching_resolver import NSSWITCH, RESOLV_CONF

OWN_RESOLVER = (
    # An /etc of its own, so that neither a link nor a missing file in the host's has any effect on what is mounted there.
    "TemporaryFileSystem=/etc:ro",
    f"BindReadOnlyPaths={RESOLV_CONF}:/etc/resolv.conf {NSSWITCH}:/etc/nsswitch.conf",
    "BindReadOnlyPaths=-/etc/hosts -/etc/host.conf -/etc/gai.conf -/etc/ld.so.cache -/etc/localtime",
    # The name service cache daemon asks the servers in the host's resolv.conf, and keeps answers for times of its own.
    "InaccessiblePaths=-/run/nscd",
)
"""Properties with which a unit resolves names by its own resolv.conf(5) and nsswitch.conf(5) (systemd.exec(5))."""


class ProbeUnit:
    """A measurement on this node, as a transient unit that outlives the connection which started it."""

    def __init__(self, name: str, runner: CommandRunner, files: FileStore) -> None:
        self.unit = f"smallfleet-probe-{name}.service"
        self.samples_path = f"/var/lib/smallfleet/probe/{name}.jsonl"
        self._script = f"/var/lib/smallfleet/probe/{name}.py"
        self._runner = runner
        self._systemd = Systemd(runner)
        self._files = files

    def running(self) -> bool:
        return self._systemd.show(self.unit, ["ActiveState"]).get("ActiveState") in ("active", "activating")

    def samples(self) -> str:
        return self._files.read(self.samples_path) or ""

    def missing_resolver(self) -> bool:
        """Whether the resolver of the node's probes was never set up."""
        return any(self._files.access(path) is None for path in (RESOLV_CONF, NSSWITCH))

    def start(self, source: str, options: Sequence[str], at_most: float, own_resolver: bool) -> None:
        """Begin anew with an empty file of samples; systemd ends the unit after ``at_most`` seconds in any case.

        systemd opens the file, so the probe itself needs no right to write anywhere (systemd.exec(5), StandardOutput=).
        """
        self._files.write(self._script, source, 0o644)
        self._files.write(self.samples_path, "", 0o644)
        self._systemd.reset_failed(self.unit)
        properties = [
            "DynamicUser=yes",
            f"RuntimeMaxSec={at_most:g}",
            f"StandardOutput=append:{self.samples_path}",
            *(OWN_RESOLVER if own_resolver else ()),
        ]
        argv = ["systemd-run", f"--unit={self.unit}", "--collect", "--quiet"]
        argv += [f"--property={value}" for value in properties]
        self._runner.run([*argv, "--", "/usr/bin/python3", "-I", self._script, *options])

    def stop(self) -> None:
        self._systemd.stop(self.unit)
