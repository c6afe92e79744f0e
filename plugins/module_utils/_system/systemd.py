# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The system manager, asked and told through systemctl(1), systemd-analyze(1) and journalctl(1)."""

from __future__ import annotations

import os
import tempfile
from typing import Dict, Sequence

from .._shared.masking import masked_message
from .command import CommandResult, CommandRunner


class Systemd:
    """Units by name. Methods that change something raise CommandFailed when systemd refuses."""

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def show(self, unit: str, properties: Sequence[str]) -> Dict[str, str]:
        """The properties that systemd gives; none when it gives no answer. A unit it does not know is an answer."""
        argv = ["systemctl", "show", "--no-pager", f"--property={','.join(properties)}", "--", unit]
        result = self._runner.run(argv, check=False)
        if result.rc != 0:
            return {}
        pairs = (line.partition("=") for line in result.stdout.splitlines())
        return {name: value for name, equals, value in pairs if equals}

    def reload(self) -> None:
        self._runner.run(["systemctl", "daemon-reload"])

    def start(self, unit: str) -> CommandResult:
        """Start, and give the answer, for a unit that fails to start has more to say than its exit status."""
        return self._runner.run(["systemctl", "start", "--", unit], check=False)

    def stop(self, unit: str) -> None:
        self._runner.run(["systemctl", "stop", "--", unit])

    def reset_failed(self, unit: str) -> None:
        """Forget earlier failures, so that they do not count against the start limit (systemd.unit(5))."""
        self._runner.run(["systemctl", "reset-failed", "--", unit], check=False)

    def enable(self, unit: str) -> None:
        self._runner.run(["systemctl", "enable", "--", unit])

    def disable(self, unit: str) -> None:
        self._runner.run(["systemctl", "disable", "--", unit])

    def verify(self, unit: str, content: str) -> CommandResult:
        """Have a unit file checked that is not in its place yet."""
        with tempfile.TemporaryDirectory(prefix="smallfleet-") as folder:
            path = os.path.join(folder, unit)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
            return self._runner.run(["systemd-analyze", "verify", "--man=no", path], check=False)

    def log(self, unit: str, lines: int = 10) -> str:
        """The last lines that the unit and the manager wrote about it in this boot, without passwords that are named so."""
        argv = ["journalctl", "--no-pager", "--boot", f"--lines={lines}", "--output=cat", f"--unit={unit}"]
        return masked_message(self._runner.run(argv, check=False).stdout.strip())
